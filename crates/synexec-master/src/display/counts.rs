//! The progress of the session in numbers and names.

use std::collections::{BTreeMap, BTreeSet};
use std::net::SocketAddr;
use std::time::{Duration, Instant};

use synexec_proto::message::TaskProgress;
use synexec_session::master::{Notice, Rivalry, SlaveLabel};

use crate::name_pattern::fold;

/// Most names that are shown. Of more slaves, only their number is shown.
const NAMES_SHOWN: usize = 100;

/// Shortest time between two lines of progress of one slave.
const PROGRESS_INTERVAL: Duration = Duration::from_millis(900);

/// The phase of the session.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Stage {
    Joining,
    Configuring,
    /// The task starts at this instant.
    Starting(Instant),
    /// The tasks run since this instant.
    Running(Instant),
    Fetching,
}

/// The numbers and names of the session. The keys are addresses, since two slaves may have the same name.
#[derive(Debug)]
pub struct Counts {
    pub stage: Stage,
    /// Number of slaves that take part: those that the user asked for, or those of the quorum.
    pub slaves: usize,
    pub joined: usize,
    pub this_round: ThisRound,
    /// Number of slaves that the user asked for.
    asked_for: usize,
    /// Number of slaves that is enough when the wait is over.
    quorum: usize,
    /// Whether the wait is over, and the quorum is enough.
    accepts_quorum: bool,
    /// Slaves that have joined.
    here: BTreeMap<SocketAddr, String>,
    /// Names of the slaves that the user expects.
    expected: BTreeSet<String>,
    /// Slaves that take long to answer.
    late: BTreeMap<SocketAddr, String>,
}

/// The numbers and names of this round. They begin anew with each round.
#[derive(Debug, Default)]
pub struct ThisRound {
    /// Number of this round and of all rounds, if there are several.
    pub number: Option<(u32, u32)>,
    pub accepted: usize,
    pub succeeded: usize,
    pub failed: usize,
    /// The slaves whose outputs have come or are given up.
    pub fetched: BTreeSet<SocketAddr>,
    pub to_fetch: usize,
    /// Slaves whose tasks run.
    running: BTreeMap<SocketAddr, String>,
    /// Slaves whose tasks are stopped by a signal.
    stopped: BTreeMap<SocketAddr, String>,
    /// Progress of the running tasks, and when it was shown.
    progress: BTreeMap<SocketAddr, (TaskProgress, Instant)>,
}

impl Counts {
    pub fn new(slaves: usize, expected: Vec<String>) -> Self {
        Self {
            stage: Stage::Joining,
            slaves,
            joined: 0,
            this_round: ThisRound::default(),
            asked_for: slaves,
            quorum: slaves,
            accepts_quorum: false,
            here: BTreeMap::new(),
            expected: expected.into_iter().collect(),
            late: BTreeMap::new(),
        }
    }

    /// The same session, in which this number of slaves is enough when the wait is over.
    pub fn with_quorum(self, quorum: usize) -> Self {
        Self { quorum, ..self }
    }

    /// Counts a notice.
    pub fn count(&mut self, notice: &Notice) {
        match notice {
            Notice::Joined { slave, joined, .. } => {
                self.count_joined(*joined);
                self.here.insert(slave.address, slave.shown.clone());
            }
            Notice::Dropped { slave, joined, .. } => {
                self.count_joined(*joined);
                self.here.remove(&slave.address);
            }
            Notice::NotNeeded { address } => {
                self.here.remove(address);
            }
            Notice::EqualNames { slaves } => {
                self.here.extend(slaves.iter().map(|slave| (slave.address, slave.shown.clone())));
            }
            Notice::Rivalry(Rivalry::Yields { .. }) => {
                self.count_joined(0);
                self.here.clear();
            }
            Notice::QuorumReached { joined, .. } => {
                self.accepts_quorum = true;
                self.count_joined(*joined);
            }
            // Slaves may have come or gone since the quorum was reached.
            Notice::Configuring { slaves } => (self.stage, self.slaves) = (Stage::Configuring, *slaves),
            Notice::NextRound { round, rounds } => self.next_round(*round, *rounds),
            Notice::Accepted { .. } => self.this_round.accepted += 1,
            Notice::Starting { ahead, .. } => self.stage = Stage::Starting(Instant::now() + *ahead),
            Notice::GoSent { .. } => {
                self.this_round.running.clone_from(&self.here);
                self.stage = Stage::Running(Instant::now());
            }
            Notice::Ended { slave, outcome, .. } => self.settle(slave, !outcome.has_succeeded()),
            Notice::Declined { slave, .. } | Notice::Lost { slave, .. } => self.settle(slave, true),
            Notice::Progress { slave, stopped, progress } => {
                if !self.was_shown_recently(slave) {
                    self.this_round.progress.insert(slave.address, (*progress, Instant::now()));
                }
                self.this_round.stopped.remove(&slave.address);
                if *stopped {
                    self.this_round.stopped.insert(slave.address, slave.shown.clone());
                }
            }
            Notice::Late { slave, .. } | Notice::Away { slave, .. } => {
                self.late.insert(slave.address, slave.shown.clone());
            }
            Notice::Recovered { slave, .. } | Notice::Returned { slave, .. } => {
                self.late.remove(&slave.address);
            }
            Notice::Fetching { slaves } => {
                self.stage = Stage::Fetching;
                self.this_round.fetched.clear();
                self.this_round.to_fetch = *slaves;
            }
            // Each of two streams may be lost or cut.
            Notice::Fetched { slave, .. } | Notice::OutputLost { slave, .. } => {
                self.this_round.fetched.insert(slave.address);
            }
            Notice::OutputCut { slave, .. } if self.stage == Stage::Fetching => {
                self.this_round.fetched.insert(slave.address);
            }
            _ => {}
        }
    }

    /// Names of expected slaves that have not joined.
    pub fn missing(&self) -> Option<String> {
        let here: BTreeSet<_> = self.here.values().collect();
        names(self.expected.iter().filter(|name| !here.contains(name)))
    }

    /// Number of running tasks, and the names of their slaves.
    pub fn running(&self) -> (usize, Option<String>) {
        (self.this_round.running.len(), names(self.this_round.running.values()))
    }

    /// Names of slaves that take long to answer.
    pub fn late(&self) -> Option<String> {
        names(self.late.values())
    }

    /// Whether a signal has stopped the task of a slave.
    pub fn is_stopped(&self, slave: &SlaveLabel) -> bool {
        self.this_round.stopped.contains_key(&slave.address)
    }

    /// Whether the last progress of a slave was shown so recently that another line would be too much.
    pub fn was_shown_recently(&self, slave: &SlaveLabel) -> bool {
        self.this_round.progress.get(&slave.address).is_some_and(|(_, at)| at.elapsed() < PROGRESS_INTERVAL)
    }

    /// Sum of what all running tasks have used, as far as their slaves have reported progress.
    pub fn progress(&self) -> Option<TaskProgress> {
        let all = self.this_round.progress.values().map(|(progress, _)| *progress);
        all.reduce(|sum, one| TaskProgress {
            elapsed: sum.elapsed.max(one.elapsed),
            cpu: sum.cpu.saturating_add(one.cpu),
            memory: sum.memory.saturating_add(one.memory),
            output: sum.output.saturating_add(one.output),
        })
    }

    /// Names of slaves whose task a signal has stopped.
    pub fn stopped(&self) -> Option<String> {
        names(self.this_round.stopped.values())
    }

    /// When the quorum is enough, the number of slaves that take part follows those that join and leave.
    fn count_joined(&mut self, joined: usize) {
        self.joined = joined;
        if self.accepts_quorum {
            self.slaves = joined.max(self.quorum).min(self.asked_for);
        }
    }

    fn next_round(&mut self, round: u32, rounds: u32) {
        self.stage = Stage::Configuring;
        self.this_round = ThisRound { number: Some((round, rounds)), ..ThisRound::default() };
    }

    fn settle(&mut self, slave: &SlaveLabel, has_failed: bool) {
        self.late.remove(&slave.address);
        let round = &mut self.this_round;
        round.running.remove(&slave.address);
        round.stopped.remove(&slave.address);
        round.progress.remove(&slave.address);
        *(if has_failed { &mut round.failed } else { &mut round.succeeded }) += 1;
    }
}

/// Names as a folded set, or their number if there are too many to read.
fn names<'a>(names: impl Iterator<Item = &'a String>) -> Option<String> {
    let names: Vec<&str> = names.map(String::as_str).collect();
    match names.len() {
        0 => None,
        count if count > NAMES_SHOWN => Some(format!("{count} slaves")),
        _ => Some(fold(names)),
    }
}

#[cfg(test)]
mod tests {
    use synexec_proto::message::TaskStream;
    use synexec_proto::task_end::TaskEnd;
    use synexec_session::master::{Loss, Outcome};

    use super::*;

    fn slave(number: u8) -> SlaveLabel {
        SlaveLabel::new(format!("web{number}"), SocketAddr::from(([10, 0, 0, number], 999)))
    }

    fn joined(number: u8) -> Notice {
        Notice::Joined { slave: slave(number), original: false, joined: number.into(), slaves: 4 }
    }

    fn ended(number: u8, status: u8) -> Notice {
        let outcome = Outcome::Ended(TaskEnd::Exited(status));
        Notice::Ended { slave: slave(number), outcome, times: None, start: None, done: 1, slaves: 4 }
    }

    #[test]
    fn expected_slaves_are_missing_until_they_join() {
        let mut counts = Counts::new(4, crate::name_pattern::unfold("web[1-4]").unwrap());
        assert_eq!(counts.missing().unwrap(), "web[1-4]");
        for number in [1, 2, 4] {
            counts.count(&joined(number));
        }
        assert_eq!(counts.missing().unwrap(), "web3");
        counts.count(&Notice::Dropped { slave: slave(2), why: Loss::NoClock, joined: 2, slaves: 4 });
        assert_eq!((counts.missing().unwrap().as_str(), counts.joined), ("web[2-3]", 2));
    }

    #[test]
    fn slaves_that_join_after_the_quorum_take_part() {
        let mut counts = Counts::new(5, Vec::new()).with_quorum(2);
        let mut count = |notice| {
            counts.count(&notice);
            (counts.joined, counts.slaves)
        };
        let dropped = |number| Notice::Dropped {
            slave: slave(number),
            why: Loss::NoClock,
            joined: usize::from(number) - 1,
            slaves: 5,
        };
        assert_eq!(count(joined(3)), (3, 5));
        assert_eq!(count(Notice::QuorumReached { joined: 3, slaves: 5 }), (3, 3));
        assert_eq!(count(joined(4)), (4, 4));
        assert_eq!(count(dropped(4)), (3, 3));
        assert_eq!(count(dropped(2)), (1, 2));
        assert_eq!(count(joined(6)), (6, 5));
    }

    #[test]
    fn tasks_run_until_they_end_and_are_late_until_they_answer() {
        let mut counts = Counts::new(4, Vec::new());
        (1..=4).for_each(|number| counts.count(&joined(number)));
        counts.count(&joined(5));
        counts.count(&Notice::NotNeeded { address: slave(5).address });
        counts.count(&Notice::GoSent { slaves: 4 });
        counts.count(&Notice::Late { slave: slave(3), silence: Duration::from_secs(7) });
        counts.count(&Notice::Late { slave: slave(4), silence: Duration::from_secs(7) });
        counts.count(&Notice::Recovered { slave: slave(4), after: Duration::from_secs(9) });
        for notice in [ended(1, 0), ended(2, 3)] {
            counts.count(&notice);
        }
        assert_eq!((counts.this_round.succeeded, counts.this_round.failed), (1, 1));
        assert_eq!(counts.running(), (2, Some("web[3-4]".into())));
        assert_eq!(counts.late().unwrap(), "web3");
        counts.count(&Notice::Lost { slave: slave(3), why: Loss::NoClock });
        assert_eq!((counts.late(), counts.this_round.failed), (None, 2));
    }

    #[test]
    fn a_slave_counts_once_however_many_of_its_streams_are_lost() {
        let mut counts = Counts::new(2, Vec::new());
        counts.count(&Notice::Fetching { slaves: 2 });
        for stream in TaskStream::ALL {
            counts.count(&Notice::OutputCut { slave: slave(1), stream, most: 9 });
        }
        assert_eq!((counts.this_round.fetched.len(), counts.this_round.to_fetch), (1, 2));
        counts.count(&Notice::Fetched { slave: slave(2), done: 2, slaves: 2 });
        assert_eq!(counts.this_round.fetched.len(), 2);
    }
}
