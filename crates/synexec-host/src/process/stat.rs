//! What proc(5) says of a process in `/proc/PID/stat`.

use std::fs;

use nix::unistd::Pid;

/// The part of the line that is used.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Stat {
    /// `R` for one that has a core or wants one, `Z` for a zombie, and so on.
    pub(super) state: char,
    pub(super) group: Pid,
}

impl Stat {
    /// Reads a line: pid, name in parentheses, state, parent, process group.
    pub(super) fn parse(line: &str) -> Option<Self> {
        let (_, rest) = line.rsplit_once(')')?;
        let mut fields = rest.split_whitespace();
        let state = fields.next()?.chars().next()?;
        let group = fields.nth(1)?.parse().ok().map(Pid::from_raw)?;
        Some(Self { state, group })
    }
}

/// The state of a process; none when it is gone.
pub(super) fn state(pid: Pid) -> Option<char> {
    let line = fs::read_to_string(format!("/proc/{pid}/stat")).ok()?;
    Stat::parse(&line).map(|stat| stat.state)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_line_is_read_whatever_the_name() {
        let stat = Stat { state: 'S', group: Pid::from_raw(77) };
        assert_eq!(Stat::parse("80 (a ) (b) S 1 77 78 0 -1"), Some(stat));
        assert_eq!(Stat::parse(""), None);
        assert_eq!(Stat::parse("80 (a) S 1"), None);
    }

    #[test]
    fn this_process_runs() {
        assert_eq!(state(nix::unistd::gettid()), Some('R'));
        assert_eq!(state(Pid::from_raw(i32::MAX)), None);
    }
}
