//! The progress line at the bottom of the terminal.

use std::fmt::Write as _;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use indicatif::{ProgressBar, ProgressState, ProgressStyle};
use synexec_proto::message::TaskProgress;
use synexec_proto::text::plain_line;

use super::Screen;
use super::counts::{Counts, Stage, ThisRound};
use crate::units;

/// How often the line is drawn again without a new notice, since it shows the time and the sent bytes of the conf.
const TICK: Duration = Duration::from_millis(200);

/// How much of the conf was sent to all slaves.
#[derive(Debug, Clone)]
pub struct ConfProgress {
    /// Bytes that the network took.
    pub sent: Arc<AtomicU64>,
    /// Bytes that each slave receives.
    pub each: u64,
}

/// The progress line.
#[derive(Debug)]
pub struct Gauge {
    bar: ProgressBar,
    conf: ConfProgress,
    /// The stage for which the line was last laid out.
    stage: Option<Stage>,
}

impl Gauge {
    /// Shows the line; returns none without a terminal.
    pub fn new(screen: &Screen, conf: ConfProgress) -> Option<Self> {
        let bar = screen.bars()?.add(ProgressBar::new(1));
        bar.enable_steady_tick(TICK);
        Some(Self { bar, conf, stage: None })
    }

    /// Shows new counts.
    pub fn show(&mut self, counts: &Counts) {
        let round = &counts.this_round;
        let (done, of) = match counts.stage {
            Stage::Joining => (counts.joined, counts.slaves),
            Stage::Configuring => (round.accepted, counts.slaves),
            Stage::Starting(_) => (0, counts.slaves),
            Stage::Running(_) => (round.succeeded + round.failed, counts.slaves),
            Stage::Fetching => (round.fetched.len(), round.to_fetch),
        };
        let number = |count: usize| u64::try_from(count).unwrap_or(u64::MAX);
        if self.stage != Some(counts.stage) {
            self.stage = Some(counts.stage);
            self.bar.set_style(self.style(counts));
        }
        // Both at once, so that the figures never belong to two stages.
        self.bar.update(|state| {
            state.set_len(number(of.max(1)));
            state.set_pos(number(done));
        });
        self.bar.set_message(plain_line(&message(counts)).into_owned());
    }

    fn style(&self, counts: &Counts) -> ProgressStyle {
        let template = match counts.stage {
            Stage::Joining => "joined {pos}/{len} [{bar:20}] {wide_msg}",
            Stage::Configuring => "accepted {pos}/{len} [{bar:20}] conf {conf} {wide_msg}",
            Stage::Starting(_) => "starting in {countdown} {wide_msg}",
            Stage::Running(_) => "{clock} [{bar:20}] {wide_msg}",
            Stage::Fetching => "outputs {pos}/{len} [{bar:20}] {wide_msg}",
        };
        // A test tries every template.
        let style = ProgressStyle::with_template(template).unwrap_or_else(|_| ProgressStyle::default_bar());
        let style = style.progress_chars("=> ");
        match counts.stage {
            Stage::Starting(at) => style.with_key("countdown", time_until(at)),
            Stage::Configuring => style.with_key("conf", conf_sent(self.conf.clone(), counts.slaves)),
            Stage::Running(since) => style.with_key("clock", time_since(since)),
            Stage::Joining | Stage::Fetching => style,
        }
    }
}

fn time_until(instant: Instant) -> impl Fn(&ProgressState, &mut dyn std::fmt::Write) + Clone {
    move |_, to| {
        let left = instant.saturating_duration_since(Instant::now());
        let _ = write!(to, "{:.1} s", left.as_secs_f64());
    }
}

fn time_since(instant: Instant) -> impl Fn(&ProgressState, &mut dyn std::fmt::Write) + Clone {
    move |_, to| {
        let _ = write!(to, "{:.0} s", instant.elapsed().as_secs_f64());
    }
}

fn conf_sent(conf: ConfProgress, slaves: usize) -> impl Fn(&ProgressState, &mut dyn std::fmt::Write) + Clone {
    let total = conf.each.saturating_mul(u64::try_from(slaves).unwrap_or(u64::MAX));
    move |_, to| {
        let sent = units::bytes(conf.sent.load(Ordering::Relaxed).min(total));
        let _ = write!(to, "{sent} of {}", units::bytes(total));
    }
}

fn message(counts: &Counts) -> String {
    let mut message = String::new();
    // Writing to a string cannot fail.
    if let Some((round, rounds)) = counts.this_round.number {
        let _ = write!(message, "round {round} of {rounds}; ");
    }
    match counts.stage {
        Stage::Joining => {
            let _ = write!(
                message,
                "{}",
                counts.missing().map_or_else(String::new, |names| format!("waiting for {names}"))
            );
        }
        Stage::Running(_) => {
            let (running, names) = counts.running();
            let ThisRound { succeeded, failed, .. } = counts.this_round;
            let _ = write!(message, "running {running}, succeeded {succeeded}, failed {failed}");
            if let Some(TaskProgress { cpu, memory, output, .. }) = counts.progress() {
                let (cpu, memory, output) = (units::time(cpu), units::bytes(memory), units::bytes(output));
                let _ = write!(message, "; {cpu} CPU, {memory} memory, {output} output");
            }
            let parts = [("late", counts.late()), ("stopped", counts.stopped()), ("running", names)];
            for (what, names) in parts {
                let _ = names.map(|names| write!(message, "; {what}: {names}"));
            }
        }
        Stage::Configuring | Stage::Starting(_) | Stage::Fetching => {}
    }
    message
}

#[cfg(test)]
mod tests {
    use indicatif::{InMemoryTerm, ProgressDrawTarget, TermLike};
    use synexec_session::master::{Notice, SlaveLabel};

    use super::*;

    /// The line of four slaves, of which three are enough, after these notices.
    fn shown(stage: Option<Stage>, notices: &[Notice]) -> String {
        let terminal = InMemoryTerm::new(10, 120);
        let target = ProgressDrawTarget::term_like(Box::new(terminal.clone()));
        let conf = ConfProgress { sent: Arc::new(AtomicU64::new(1536)), each: 1024 };
        let mut gauge = Gauge { bar: ProgressBar::with_draw_target(Some(1), target), conf, stage: None };
        let mut counts = Counts::new(4, crate::name_pattern::unfold("web[1-4]").unwrap()).with_quorum(3);
        for notice in notices {
            counts.count(notice);
        }
        counts.stage = stage.unwrap_or(counts.stage);
        gauge.show(&counts);
        gauge.bar.tick();
        let _ = terminal.width();
        terminal.contents()
    }

    fn joined() -> Notice {
        let slave = SlaveLabel::new("web2".into(), "10.0.0.2:9".parse().unwrap());
        Notice::Joined { slave, original: false, joined: 1, slaves: 4 }
    }

    #[test]
    fn every_stage_has_its_line() {
        let soon = Instant::now() + Duration::from_secs(100);
        for (stage, words) in [
            (Stage::Joining, &["joined 1/4 [", "waiting for web[1,3-4]"][..]),
            (Stage::Configuring, &["accepted 0/4 [", "conf 1.5 KiB of 4.0 KiB"]),
            (Stage::Starting(soon), &["starting in ", " s"]),
            (Stage::Running(Instant::now()), &["0 s [", "running 0, succeeded 0, failed 0"]),
            (Stage::Fetching, &["outputs 0/"]),
        ] {
            let line = shown(Some(stage), &[joined()]);
            assert!(words.iter().all(|word| line.contains(word)), "{stage:?}: {line}");
        }
    }

    #[test]
    fn after_the_wait_only_the_slaves_of_the_quorum_count() {
        let reached = Notice::QuorumReached { joined: 3, slaves: 4 };
        assert!(shown(None, &[joined(), reached.clone()]).contains("joined 3/3 ["));
        let line = shown(None, &[joined(), reached, Notice::Configuring { slaves: 2 }]);
        assert!(line.contains("accepted 0/2 [") && line.contains("conf 1.5 KiB of 2.0 KiB"), "{line}");
    }
}
