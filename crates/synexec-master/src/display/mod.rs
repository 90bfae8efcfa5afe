//! What the user sees on the way: on a terminal a line that counts, and above it what is worth a line of its own;
//! elsewhere a line for each thing that happens.

mod counts;
mod gauge;
mod screen;
mod text;

use std::net::IpAddr;

use log::Level;
use synexec_host::told::Told;
use synexec_session::master::Notice;

use counts::Counts;
pub use gauge::ConfProgress;
use gauge::Gauge;
pub use screen::Screen;

/// Shows notices.
#[derive(Debug)]
pub struct Display {
    counts: Counts,
    /// Where there is a terminal to count on.
    gauge: Option<Gauge>,
    /// Whether the user asked to be told how far tasks are.
    shows_progress: bool,
    /// Who has come with the wrong key, and what was wrong: a slave comes again each second.
    told: Told<(IpAddr, String)>,
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
    /// A display in which nothing has happened yet.
    pub fn new(screen: &Screen, options: DisplayOptions) -> Self {
        let counts = Counts::new(options.slaves, options.expected);
        let gauge = Gauge::new(screen, options.conf).map(|mut gauge| {
            gauge.show(&counts);
            gauge
        });
        Self { counts, gauge, shows_progress: options.shows_progress, told: Told::default() }
    }

    /// Tells the user.
    pub fn show(&mut self, notice: &Notice) {
        let level = self.level(notice);
        log::log!(level, "{}", text::text(notice));
        if let Notice::GaveUp { .. } = notice
            && let Some(missing) = self.counts.missing()
        {
            log::warn!("expected and not here: {missing}");
        }
        self.counts.take(notice);
        if let Some(gauge) = &mut self.gauge {
            gauge.show(&self.counts);
        }
    }

    /// Progress is told where it was asked for and no line counts it; and in any case that a task was stopped, or goes on.
    fn level(&mut self, notice: &Notice) -> Level {
        match notice {
            Notice::TurnedAway { address, why: Some(why) } if why.is_about_keys() => {
                if self.told.is_news((address.ip(), why.to_string())) { Level::Warn } else { Level::Debug }
            }
            Notice::Progress { slave, stopped, .. } if self.counts.is_stopped(slave) != *stopped => Level::Info,
            Notice::Progress { slave, .. } if self.shows_progress && self.gauge.is_none() => {
                if self.counts.was_told_lately(slave) { Level::Debug } else { Level::Info }
            }
            notice => text::level(notice, self.gauge.is_some()),
        }
    }
}
