//! Slaves that share a host with fewer cores than tasks. Not all of their tasks can start at once.

use std::collections::BTreeMap;
use std::net::IpAddr;
use std::time::Duration;

use synexec_session::clock::ClockEstimate;
use synexec_session::master::Row;

use super::remarks::LATE_MIN;

/// Tasks that started on one host with fewer cores, at least one of them late.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Crowd {
    /// Number of tasks.
    pub tasks: usize,
    /// Number of cores.
    pub cores: u32,
    /// Address of the host.
    pub address: IpAddr,
    /// Time from the ordered start to the release of the last task.
    pub lateness: Duration,
}

/// The facts about one task that show where it waited.
#[derive(Debug, Clone, Copy)]
struct Start {
    clock: ClockEstimate,
    cores: u32,
    lateness: Duration,
}

/// All crowds of a round, the latest first.
pub fn crowds(round: &[Row]) -> Vec<Crowd> {
    let mut hosts: BTreeMap<IpAddr, Vec<Vec<Start>>> = BTreeMap::new();
    for row in round {
        let Some(start) = Start::of(row) else { continue };
        let here = hosts.entry(row.slave.address.ip()).or_default();
        match here.iter_mut().find(|host| host.iter().any(|other| other.shares_clock(&start))) {
            Some(host) => host.push(start),
            None => here.push(vec![start]),
        }
    }
    let all = hosts.iter().flat_map(|(address, hosts)| hosts.iter().filter_map(|starts| Crowd::of(*address, starts)));
    let mut crowds: Vec<_> = all.collect();
    crowds.sort_by_key(|crowd| std::cmp::Reverse(crowd.lateness));
    crowds
}

impl Crowd {
    fn of(address: IpAddr, starts: &[Start]) -> Option<Self> {
        let cores = starts.iter().map(|start| start.cores).max()?;
        let lateness = starts.iter().map(|start| start.lateness).max()?;
        let is_crowd = u32::try_from(starts.len()).is_ok_and(|tasks| tasks > cores) && lateness >= LATE_MIN;
        is_crowd.then_some(Self { tasks: starts.len(), cores, address, lateness })
    }
}

impl Start {
    fn of(row: &Row) -> Option<Self> {
        let (clock, cores) = (row.clock?, row.guest.as_ref()?.cores?);
        Some(Self { clock, cores, lateness: row.start?.lateness })
    }

    /// Whether both slaves read the same monotonic clock. Guests behind one address, as with NAT, have clocks of their
    /// own.
    fn shares_clock(&self, other: &Self) -> bool {
        let apart = self.clock.offset.as_nanos().abs_diff(other.clock.offset.as_nanos());
        Duration::from_nanos(apart) <= self.clock.uncertainty.saturating_add(other.clock.uncertainty)
    }
}

#[cfg(test)]
mod tests {
    use synexec_proto::message::Guest;
    use synexec_proto::task_end::TaskEnd;
    use synexec_proto::time::{ClockOffset, MonotonicInstant};
    use synexec_session::master::{MeasuredStart, Outcome, SlaveLabel};

    use super::*;

    const MICRO: Duration = Duration::from_micros(1);

    fn row(address: &str, offset: i64, cores: Option<u32>, lateness: u32) -> Row {
        let slave = SlaveLabel::new("vm".into(), address.parse().unwrap());
        let at = MonotonicInstant::from_nanos(5);
        let start = MeasuredStart { at, ended_at: at, uncertainty: MICRO, lateness: MICRO * lateness };
        let clock =
            ClockEstimate { offset: ClockOffset::from_nanos(offset), uncertainty: MICRO * 20, round_trip: MICRO * 40 };
        Row {
            guest: Some(Guest { cores, ..Guest::default() }),
            clock: Some(clock),
            start: Some(start),
            ..Row::new(0, slave, Outcome::Ended(TaskEnd::Exited(0)))
        }
    }

    #[test]
    fn more_tasks_than_cores_of_one_host_are_a_crowd() {
        let here = |offset, lateness| row("127.0.0.1:5", offset, Some(2), lateness);
        let round = [here(0, 3), here(9_000, 1_700), here(-9_000, 20)];
        let crowd = Crowd { tasks: 3, cores: 2, address: "127.0.0.1".parse().unwrap(), lateness: MICRO * 1_700 };
        assert_eq!(crowds(&round), [crowd]);
        assert_eq!(crowds(&round[1..]), []);
        let behind_nat = [here(0, 3), here(1_000_000, 1_700), here(2_000_000, 20)];
        assert_eq!(crowds(&behind_nat), []);
        let elsewhere = [here(0, 3), here(0, 1_700), row("127.0.0.2:5", 0, Some(2), 3)];
        assert_eq!(crowds(&elsewhere), []);
        let without_cores = [0; 3].map(|_| row("127.0.0.1:5", 0, None, 1_700));
        assert_eq!(crowds(&without_cores), []);
        let in_time = [999; 3].map(|lateness| here(0, lateness));
        assert_eq!(crowds(&in_time), []);
    }
}
