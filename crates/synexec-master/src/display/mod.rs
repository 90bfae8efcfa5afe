//! The progress of a session on stderr: on a terminal, one line with counts at the bottom and important notices above
//! it; elsewhere, a line for each notice.

mod counts;
mod gauge;
mod screen;
mod text;

use std::net::IpAddr;

use log::Level;
use synexec_host::seen_before::SeenBefore;
use synexec_session::master::Notice;

use counts::Counts;
pub use gauge::ConfProgress;
use gauge::Gauge;
pub use screen::Screen;

/// Shows the notices of a session.
#[derive(Debug)]
pub struct Display {
    counts: Counts,
    /// The progress line, on a terminal.
    gauge: Option<Gauge>,
    /// Whether the user asked for the progress of tasks.
    shows_progress: bool,
    /// Addresses that were warned of. A slave with a wrong key connects again each second, and a slave that was turned
    /// away connects again after some seconds.
    told: SeenBefore<(IpAddr, String)>,
}

/// What a display needs to know of the session.
#[derive(Debug)]
pub struct DisplayOptions {
    /// Number of slaves that take part.
    pub slaves: usize,
    /// Names of the slaves that the user expects.
    pub expected: Vec<String>,
    /// Counts the bytes of the conf that were sent.
    pub conf: ConfProgress,
    /// Whether the user asked for the progress of tasks.
    pub shows_progress: bool,
}

impl Display {
    /// Shows an empty progress line, if stderr is a terminal.
    pub fn new(screen: &Screen, options: DisplayOptions) -> Self {
        let counts = Counts::new(options.slaves, options.expected);
        let gauge = Gauge::new(screen, options.conf).map(|mut gauge| {
            gauge.show(&counts);
            gauge
        });
        Self { counts, gauge, shows_progress: options.shows_progress, told: SeenBefore::default() }
    }

    /// Shows a notice.
    pub fn show(&mut self, notice: &Notice) {
        let level = self.level(notice);
        log::log!(level, "{}", text::text(notice));
        if let Notice::GaveUp { .. } = notice
            && let Some(missing) = self.counts.missing()
        {
            log::warn!("missing: {missing}");
        }
        self.counts.count(notice);
        if let Some(gauge) = &mut self.gauge {
            gauge.show(&self.counts);
        }
    }

    /// Progress is shown if the user asked for it and no progress line counts it. A task that is stopped by a signal,
    /// or that continues, is always shown.
    fn level(&mut self, notice: &Notice) -> Level {
        match notice {
            Notice::TurnedAway { address, why: Some(why) } if why.is_about_keys() => {
                self.once(Level::Warn, address.ip(), why.to_string())
            }
            Notice::NotAdmitted { slave, why } => {
                let level = text::level(notice, self.gauge.is_some());
                self.once(level, slave.address.ip(), format!("{}: {why}", slave.name))
            }
            Notice::Progress { slave, stopped, .. } if self.counts.is_stopped(slave) != *stopped => Level::Info,
            Notice::Progress { slave, .. } if self.shows_progress && self.gauge.is_none() => {
                if self.counts.was_shown_recently(slave) { Level::Debug } else { Level::Info }
            }
            notice => text::level(notice, self.gauge.is_some()),
        }
    }

    /// This level for the first message about an address with this text, and the level of details for all further ones.
    fn once(&mut self, level: Level, address: IpAddr, why: String) -> Level {
        if self.told.insert((address, why)) { level } else { Level::Debug }
    }
}
