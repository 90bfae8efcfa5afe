//! A limit of the log: lines that others cause again and again are counted, and the count is told once in a while.
//!
//! A stranger on the network can cause some lines as often as it likes, such as "turned away". Each such line has a
//! [`Kind`]. The first lines of a kind are told at once. Further ones are counted, and one line tells their number after
//! 10 s, after 20 s more, and so on up to once an hour. With `-vv`, every line is told.

#[cfg(test)]
mod tests;

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use log::Level;
use synexec_proto::time::MonotonicInstant;

use crate::clock::monotonic_now;

/// Time from the first line of a kind to the first count.
const FIRST_WINDOW: Duration = Duration::from_secs(10);

/// Longest time between two counts of a kind.
const LONGEST_WINDOW: Duration = Duration::from_secs(60 * 60);

/// Most sources of which a line is told at once.
const SOURCES_MAX: usize = 8;

/// A kind of lines, such as "connections turned away". The name stands before the number of lines that were not told.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Kind {
    name: &'static str,
    at_once: AtOnce,
}

/// The lines of a kind that are told at once.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum AtOnce {
    /// The first line of each source, for 8 sources, until the kind is quiet.
    EachSource,
    /// So many lines until the next count.
    Lines(usize),
}

impl Kind {
    /// Lines about strangers: of each source, such as an address, only the first line is told at once, and only of 8
    /// sources.
    #[must_use]
    pub const fn of_strangers(name: &'static str) -> Self {
        Self { name, at_once: AtOnce::EachSource }
    }

    /// Lines that an honest peer causes too: so many are told at once, and again after each count.
    #[must_use]
    pub const fn of_peers(name: &'static str, lines: usize) -> Self {
        Self { name, at_once: AtOnce::Lines(lines) }
    }
}

/// The number of lines of a kind that were not told.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Count {
    kind: &'static str,
    level: Level,
    lines: u64,
    within: Duration,
    latest: String,
}

impl fmt::Display for Count {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { kind, lines, within, latest, .. } = self;
        write!(f, "{kind}: {lines} more in the last {} s (latest: {latest})", within.as_secs().max(1))
    }
}

/// Decides which lines are told, and counts the others. Its memory is limited: there are only a few kinds.
#[derive(Debug, Default)]
pub struct LogLimit {
    kinds: BTreeMap<&'static str, Window>,
}

/// The time between two counts of a kind.
#[derive(Debug)]
struct Window {
    kind: Kind,
    since: MonotonicInstant,
    length: Duration,
    /// Lines that were told since then.
    told: usize,
    /// Sources of which a line was told.
    sources: BTreeSet<String>,
    /// Lines that were not told since then.
    untold: u64,
    /// The most important level of these lines.
    level: Level,
    /// The source of the latest of these lines.
    latest: String,
}

impl LogLimit {
    /// A limit that has seen no line.
    #[must_use]
    pub const fn new() -> Self {
        Self { kinds: BTreeMap::new() }
    }

    /// Takes a line of this kind. Returns whether it is told now; otherwise it is counted.
    pub fn take(&mut self, now: MonotonicInstant, kind: Kind, level: Level, source: &str) -> bool {
        self.kinds.entry(kind.name).or_insert_with(|| Window::new(kind, now)).take(level, source)
    }

    /// The counts that are due.
    pub fn due(&mut self, now: MonotonicInstant) -> Vec<Count> {
        let counts =
            self.kinds.values_mut().filter(|window| now >= window.end()).filter_map(|window| window.count(now));
        let counts = counts.collect();
        self.kinds.retain(|_, window| !window.is_quiet(now));
        for window in self.kinds.values_mut().filter(|window| now >= window.end()) {
            window.begin_again(now, FIRST_WINDOW);
        }
        counts
    }

    /// All counts, at the end.
    pub fn rest(&mut self, now: MonotonicInstant) -> Vec<Count> {
        std::mem::take(&mut self.kinds).into_values().filter_map(|mut window| window.count(now)).collect()
    }

    /// When the next count is due.
    #[must_use]
    pub fn deadline(&self) -> Option<MonotonicInstant> {
        self.kinds.values().map(Window::end).min()
    }
}

impl Window {
    fn new(kind: Kind, since: MonotonicInstant) -> Self {
        Self {
            kind,
            since,
            length: FIRST_WINDOW,
            told: 0,
            sources: BTreeSet::new(),
            untold: 0,
            level: Level::Trace,
            latest: String::new(),
        }
    }

    fn end(&self) -> MonotonicInstant {
        self.since.plus(self.length)
    }

    fn take(&mut self, level: Level, source: &str) -> bool {
        let is_told = match self.kind.at_once {
            AtOnce::EachSource => self.sources.len() < SOURCES_MAX && self.sources.insert(source.to_owned()),
            AtOnce::Lines(lines) => self.told < lines,
        };
        if is_told {
            self.told += 1;
        } else {
            self.untold = self.untold.saturating_add(1);
            self.level = self.level.min(level);
            source.clone_into(&mut self.latest);
        }
        is_told
    }

    /// The count of the lines that were not told, if there are any. The next window is twice as long.
    fn count(&mut self, now: MonotonicInstant) -> Option<Count> {
        if self.untold == 0 {
            return None;
        }
        let Self { kind, since, level, untold, .. } = *self;
        let latest = std::mem::take(&mut self.latest);
        self.begin_again(now, (self.length * 2).min(LONGEST_WINDOW));
        Some(Count { kind: kind.name, level, lines: untold, within: now.since(since), latest })
    }

    fn begin_again(&mut self, now: MonotonicInstant, length: Duration) {
        (self.since, self.length, self.told, self.untold, self.level) = (now, length, 0, 0, Level::Trace);
    }

    /// Whether no line has come in the whole window.
    fn is_quiet(&self, now: MonotonicInstant) -> bool {
        now >= self.end() && self.told == 0 && self.untold == 0
    }
}

/// The limit of this process's log.
static LIMIT: Mutex<LogLimit> = Mutex::new(LogLimit::new());

fn limit() -> MutexGuard<'static, LogLimit> {
    LIMIT.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Logs a line of this kind, or counts the line.
pub fn tell(kind: Kind, level: Level, source: impl fmt::Display, line: impl fmt::Display) {
    if !log::log_enabled!(level) {
        return;
    }
    let is_told = log::log_enabled!(Level::Trace) || limit().take(monotonic_now(), kind, level, &source.to_string());
    if is_told {
        log::log!(level, "{line}");
    }
}

/// Logs the counts that are due.
pub fn tell_counts() {
    let due = limit().due(monotonic_now());
    log_counts(&due);
}

/// Logs all counts. Call this at the end of the program.
pub fn tell_rest() {
    let rest = limit().rest(monotonic_now());
    log_counts(&rest);
}

/// When to call [`tell_counts`] next. Another thread can cause a line in the meantime, so this instant is never far away.
#[must_use]
pub fn next_look() -> MonotonicInstant {
    let latest = monotonic_now().plus(FIRST_WINDOW);
    limit().deadline().map_or(latest, |due| due.min(latest))
}

fn log_counts(counts: &[Count]) {
    for count in counts {
        log::log!(count.level, "{count}");
    }
}
