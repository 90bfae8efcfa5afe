//! The status of a process in `/proc/PID/stat`, proc(5).

use std::fs;

use nix::unistd::Pid;

/// The fields of the line that this program uses.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Stat {
    pub(super) pid: Pid,
    /// The state, proc(5): `R` for a process that runs or is ready to run, `T` for a process that a signal has stopped,
    /// `Z` for a zombie, and so on.
    pub(super) state: char,
    pub(super) parent: Pid,
    pub(super) group: Pid,
    pub(super) session: Pid,
    /// CPU time of the process and of the children that it has waited for, in clock ticks.
    pub(super) cpu_ticks: u64,
    pub(super) resident_pages: u64,
}

impl Stat {
    /// Parses a line: the pid, the name in parentheses, and fifty fields.
    pub(super) fn parse(line: &str) -> Option<Self> {
        let (first, rest) = line.rsplit_once(')')?;
        // proc(5) counts fields from 1. The state is field 3, the first field after the name.
        let fields: Vec<_> = rest.split_whitespace().collect();
        let field = |number: usize| fields.get(number - 3);
        let number = |at: usize| field(at)?.parse::<u64>().ok();
        let pid = |at: usize| field(at)?.parse().ok().map(Pid::from_raw);
        Some(Self {
            pid: first.split(' ').next()?.parse().ok().map(Pid::from_raw)?,
            state: field(3)?.chars().next()?,
            parent: pid(4)?,
            group: pid(5)?,
            session: pid(6)?,
            cpu_ticks: (14..=17).filter_map(number).sum(),
            resident_pages: number(24).unwrap_or(0),
        })
    }

    /// The status of one process; none when the process is gone.
    pub(super) fn of(pid: Pid) -> Option<Self> {
        Self::parse(&fs::read_to_string(format!("/proc/{pid}/stat")).ok()?)
    }

    /// The status of every process; none where there is no `/proc`.
    pub(super) fn of_all() -> Option<impl Iterator<Item = Self>> {
        let lines = |process: fs::DirEntry| fs::read_to_string(process.path().join("stat")).ok();
        Some(fs::read_dir("/proc").ok()?.flatten().filter_map(lines).filter_map(|line| Self::parse(&line)))
    }

    /// Whether the process is alive. A zombie is dead and waits for its parent to reap it.
    pub(super) fn is_alive(&self) -> bool {
        !matches!(self.state, 'Z' | 'X')
    }
}

/// The children of a process. The kernel lists the children, unless it was built without `CONFIG_PROC_CHILDREN`.
pub(super) fn children_of(parent: Pid) -> Vec<Pid> {
    let Ok(threads) = fs::read_dir(format!("/proc/{parent}/task")) else { return Vec::new() };
    let mut children = Vec::new();
    for thread in threads.flatten() {
        match fs::read_to_string(thread.path().join("children")) {
            Ok(list) => children.extend(list.split_whitespace().filter_map(|pid| pid.parse().ok()).map(Pid::from_raw)),
            Err(_) if thread.path().exists() => return find_children_of(parent),
            Err(_) => {}
        }
    }
    children
}

/// The children of a process, found by a search through all processes.
pub(super) fn find_children_of(parent: Pid) -> Vec<Pid> {
    Stat::of_all().into_iter().flatten().filter(|stat| stat.parent == parent).map(|stat| stat.pid).collect()
}

/// The state of a process; none when the process is gone.
pub(super) fn state(pid: Pid) -> Option<char> {
    Stat::of(pid).map(|stat| stat.state)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_line_is_read_whatever_the_name() {
        let line = "80 (a ) (b) S 1 77 78 0 -1 4194304 9 9 9 9 100 20 3 4 20 0 1 0 500 9000 321 9";
        let stat = Stat {
            pid: Pid::from_raw(80),
            state: 'S',
            parent: Pid::from_raw(1),
            group: Pid::from_raw(77),
            session: Pid::from_raw(78),
            cpu_ticks: 127,
            resident_pages: 321,
        };
        assert_eq!(Stat::parse(line), Some(stat));
        assert_eq!(Stat::parse(""), None);
        assert_eq!(Stat::parse("80 (a) S 1"), None);
    }

    #[test]
    fn a_zombie_is_not_alive() {
        let is_alive = |line| Stat::parse(line).unwrap().is_alive();
        assert!(is_alive("80 (a ) (b) S 1 77 77 0 -1"));
        assert!(!is_alive("80 (sleep) Z 1 77 77 0 -1"));
    }

    #[test]
    fn this_process_runs() {
        assert_eq!(state(nix::unistd::gettid()), Some('R'));
        assert_eq!(state(Pid::from_raw(i32::MAX)), None);
    }
}
