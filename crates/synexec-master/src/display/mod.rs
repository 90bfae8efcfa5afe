//! What the user sees on the way: on a terminal a line that counts, and above it what is worth a line of its own;
//! elsewhere a line for each thing that happens.

mod counts;
mod gauge;
mod screen;
mod text;

use synexec_proto::master::Notice;

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
}

impl Display {
    /// A display for a session of so many slaves, of which some are expected by name.
    pub fn new(screen: &Screen, slaves: usize, expected: Vec<String>, conf: ConfProgress) -> Self {
        let counts = Counts::new(slaves, expected);
        let gauge = Gauge::new(screen, conf).inspect(|gauge| gauge.show(&counts));
        Self { counts, gauge }
    }

    /// Tells the user.
    pub fn show(&mut self, notice: &Notice) {
        log::log!(text::level(notice, self.gauge.is_some()), "{}", text::text(notice));
        if let Notice::GaveUp { .. } = notice
            && let Some(missing) = self.counts.missing()
        {
            log::warn!("expected and not here: {missing}");
        }
        self.counts.take(notice);
        if let Some(gauge) = &self.gauge {
            gauge.show(&self.counts);
        }
    }
}
