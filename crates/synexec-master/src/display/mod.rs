//! The progress of a session on stderr: on a terminal, one line with counts at the bottom and important notices above
//! it; elsewhere, a line for each notice.

mod counts;
mod gauge;
mod repeats;
mod screen;
mod text;

use log::Level;
use synexec_host::log_limit;
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
    /// Whether the tasks have separate streams.
    is_separate: bool,
}

/// What a display needs to know of the session.
#[derive(Debug)]
pub struct DisplayOptions {
    /// Number of slaves that take part.
    pub slaves: usize,
    /// Number of slaves that is enough when the wait is over.
    pub quorum: usize,
    /// Names of the slaves that the user expects.
    pub expected: Vec<String>,
    /// Counts the bytes of the conf that were sent.
    pub conf: ConfProgress,
    /// Whether the user asked for the progress of tasks.
    pub shows_progress: bool,
    /// Whether the tasks have separate streams.
    pub is_separate: bool,
}

impl Display {
    /// Shows an empty progress line, if stderr is a terminal.
    pub fn new(screen: &Screen, options: DisplayOptions) -> Self {
        let DisplayOptions { slaves, quorum, expected, conf, shows_progress, is_separate } = options;
        let counts = Counts::new(slaves, expected).with_quorum(quorum);
        let gauge = Gauge::new(screen, conf).map(|mut gauge| {
            gauge.show(&counts);
            gauge
        });
        Self { counts, gauge, shows_progress, is_separate }
    }

    /// Shows a notice.
    pub fn show(&mut self, notice: &Notice) {
        let level = self.level(notice);
        match repeats::kind(notice, self.counts.slaves) {
            Some((kind, source)) if !self.is_wanted(notice) => {
                log_limit::tell(kind, level, source, text::text(notice, self.is_separate));
            }
            _ => log::log!(level, "{}", text::text(notice, self.is_separate)),
        }
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
    fn level(&self, notice: &Notice) -> Level {
        match notice {
            Notice::TurnedAway { why: Some(why), .. } if why.is_about_keys() => Level::Warn,
            Notice::Progress { slave, stopped, .. } if self.counts.is_stopped(slave) != *stopped => Level::Info,
            notice if self.is_wanted(notice) => Level::Info,
            notice => text::level(notice, self.gauge.is_some()),
        }
    }

    /// Whether the user has asked for this progress. A slave that reports more often than it is asked to is not shown.
    fn is_wanted(&self, notice: &Notice) -> bool {
        let Notice::Progress { slave, .. } = notice else { return false };
        self.shows_progress && self.gauge.is_none() && !self.counts.was_shown_recently(slave)
    }
}
