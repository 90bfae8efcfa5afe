//! The phases, faults and outcomes of the table.

use std::time::Duration;

/// Phase of the session when the fault comes. The fault affects `vm0`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Phase {
    /// Two of three slaves have joined, `vm0` among them.
    Joining,
    /// `vm0` still receives the conf; the others have accepted.
    Configuring,
    /// `vm0` holds its task; another still receives the conf.
    Holding,
    /// All slaves have confirmed the start, which is seconds away. No slave has heard the last word.
    Confirmed,
    /// All slaves have heard the last word, and the instant is still to come.
    Told,
    /// The task runs everywhere.
    Running,
    /// The task has ended on `vm0`, whose report does not get through.
    Unreported,
    /// The master fetches the output of `vm0`. It has the other outputs.
    Fetching,
}

/// A fault.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Fault {
    /// The slave on `vm0` gets SIGKILL.
    SlaveKilled,
    /// The wires of `vm0` are cut for good.
    SlaveCutOff,
    /// `vm0` stands still for ten seconds, as when its hypervisor pauses it.
    SlavePaused,
    /// The master gets SIGKILL.
    MasterKilled,
    /// The wires of the master's host are cut for good.
    MasterCutOff,
    /// The connection of `vm0` is reset.
    Reset,
    /// A firewall forgets the connection of `vm0` and drops its packets. New connections work.
    Forgotten,
    /// A fifth of the packets from and to `vm0` is lost.
    Loss,
    /// The wires of `vm0` get a delay of 200 ms each way.
    Delay,
    /// The disk with the conf and the output of `vm0` is full. In the fetching phase, the master's disk is full.
    DiskFull,
    /// The wall clock of `vm0` is set forward by an hour.
    ClockStepped,
}

/// The expected outcome.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Outcome {
    /// Exit status 0: every task has run and exited 0.
    Succeeds,
    /// As above, with another slave in place of `vm0`.
    Replaced,
    /// As above, and the connection was resumed.
    Resumed,
    /// As above, and the master told that it postponed the start.
    Postponed,
    /// As above, and the report says that the task of `vm0` started late.
    Late,
    /// As above, and the report says that the clock was set.
    StepTold,
    /// Exit status 3: there were not enough slaves within `--wait`.
    GivesUp,
    /// Exit status 4: `vm0` has declined, and no task has run.
    Declined,
    /// Exit status 5: `vm0` is lost, the session called off; no task has run.
    CalledOff,
    /// Exit status 5: `vm0` is lost; the other tasks exited 0.
    Vm0Lost,
    /// Exit status 5: all are lost.
    AllLost,
    /// Exit status 5: all tasks exited 0, but the output of `vm0` is not there.
    OutputLost,
    /// Exit status 1: the task of `vm0` failed; the others exited 0.
    TaskFails,
    /// Exit status 7: all tasks exited 0, but the output of `vm0` cannot be stored.
    NotStored,
    /// The master is gone. The slaves have called the start off.
    NeverRuns,
    /// The master is gone. The slaves have stopped their tasks.
    Stopped,
}

/// One cell of the table: a phase and a fault.
#[derive(Debug, Clone, Copy)]
pub struct Cell {
    pub phase: Phase,
    pub fault: Fault,
    pub outcome: Outcome,
    /// Time after the fault within which the session is over everywhere.
    pub within: Duration,
}

impl Cell {
    /// The name of the cell's test.
    pub fn name(&self) -> String {
        format!("faults::{}::{}", self.phase.name(), self.fault.name())
    }
}

impl Phase {
    pub fn name(self) -> &'static str {
        match self {
            Self::Joining => "joining",
            Self::Configuring => "configuring",
            Self::Holding => "holding",
            Self::Confirmed => "confirmed",
            Self::Told => "told",
            Self::Running => "running",
            Self::Unreported => "unreported",
            Self::Fetching => "fetching",
        }
    }
}

impl Fault {
    pub fn name(self) -> &'static str {
        match self {
            Self::SlaveKilled => "slave_killed",
            Self::SlaveCutOff => "slave_cut_off",
            Self::SlavePaused => "slave_paused",
            Self::MasterKilled => "master_killed",
            Self::MasterCutOff => "master_cut_off",
            Self::Reset => "reset",
            Self::Forgotten => "forgotten",
            Self::Loss => "loss",
            Self::Delay => "delay",
            Self::DiskFull => "disk_full",
            Self::ClockStepped => "clock_stepped",
        }
    }
}

impl Outcome {
    /// Whether no task may run anywhere.
    pub fn runs_nothing(self) -> bool {
        matches!(self, Self::GivesUp | Self::Declined | Self::CalledOff | Self::NeverRuns)
    }

    /// The word for this value in the table of docs/faults.md.
    pub fn words(self) -> &'static str {
        match self {
            Self::Succeeds => "succeeds",
            Self::Replaced => "replaced",
            Self::Resumed => "resumed",
            Self::Postponed => "postponed",
            Self::Late => "late",
            Self::StepTold => "step told",
            Self::GivesUp => "gives up",
            Self::Declined => "declined",
            Self::CalledOff => "called off",
            Self::Vm0Lost => "vm0 lost",
            Self::AllLost => "all lost",
            Self::OutputLost => "output lost",
            Self::TaskFails => "task fails",
            Self::NotStored => "not stored",
            Self::NeverRuns => "never runs",
            Self::Stopped => "stopped",
        }
    }
}
