//! The output of a child, collected by two threads and waited for by any.

use std::io::{BufRead as _, BufReader, Read};
use std::process::Child;
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::thread;
use std::time::Duration;

use anyhow::{Context as _, Result};

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Stream {
    Stdout,
    Stderr,
}

#[derive(Debug)]
pub(super) struct Output {
    collected: Mutex<Collected>,
    changed: Condvar,
}

#[derive(Debug)]
struct Collected {
    lines: Vec<(Stream, String)>,
    open_streams: usize,
}

impl Output {
    /// Starts to collect the child's output.
    pub(super) fn of(child: &mut Child) -> Result<Arc<Self>> {
        let stdout = child.stdout.take().context("stdout is not piped")?;
        let stderr = child.stderr.take().context("stderr is not piped")?;
        let output = Arc::new(Self {
            collected: Mutex::new(Collected { lines: Vec::new(), open_streams: 2 }),
            changed: Condvar::new(),
        });
        output.collect(Stream::Stdout, stdout);
        output.collect(Stream::Stderr, stderr);
        Ok(output)
    }

    fn collect(self: &Arc<Self>, stream: Stream, from: impl Read + Send + 'static) {
        let output = Arc::clone(self);
        thread::spawn(move || {
            let mut from = BufReader::new(from);
            while let Some(line) = next_line(&mut from) {
                output.change(|collected| collected.lines.push((stream, line)));
            }
            output.change(|collected| collected.open_streams -= 1);
        });
    }

    fn change(&self, change: impl FnOnce(&mut Collected)) {
        change(&mut lock(&self.collected));
        self.changed.notify_all();
    }

    /// The first `count` lines with the needle, or none if the output or the patience ends first.
    pub(super) fn wait_for_lines(&self, needle: &str, count: usize, patience: Duration) -> Option<Vec<String>> {
        let lacking =
            |collected: &mut Collected| collected.open_streams > 0 && collected.matching(needle).count() < count;
        let collected = self.wait_while(patience, lacking);
        let lines: Vec<_> = collected.matching(needle).take(count).map(str::to_owned).collect();
        (lines.len() == count).then_some(lines)
    }

    /// Waits until both streams have ended, or the patience ends.
    pub(super) fn wait_for_end(&self, patience: Duration) {
        drop(self.wait_while(patience, |collected| collected.open_streams > 0));
    }

    fn wait_while(
        &self,
        patience: Duration,
        condition: impl FnMut(&mut Collected) -> bool,
    ) -> MutexGuard<'_, Collected> {
        self.changed
            .wait_timeout_while(lock(&self.collected), patience, condition)
            .unwrap_or_else(PoisonError::into_inner)
            .0
    }

    pub(super) fn has_ended(&self) -> bool {
        lock(&self.collected).open_streams == 0
    }

    /// The text of the wanted streams, exact except for bytes that are not UTF-8.
    pub(super) fn text(&self, wanted: impl Fn(Stream) -> bool) -> String {
        let collected = lock(&self.collected);
        let lines = collected.lines.iter().filter(|(stream, _)| wanted(*stream));
        lines.map(|(_, line)| line.as_str()).collect()
    }
}

impl Collected {
    fn matching(&self, needle: &str) -> impl Iterator<Item = &str> {
        let lines = self.lines.iter().map(|(_, line)| line.trim_end_matches('\n'));
        lines.filter(move |line| line.contains(needle))
    }
}

/// The next line with its newline; none at the end.
fn next_line(from: &mut BufReader<impl Read>) -> Option<String> {
    let mut line = Vec::new();
    let length = from.read_until(b'\n', &mut line).ok()?;
    (length > 0).then(|| String::from_utf8_lossy(&line).into_owned())
}

/// A test that panics while it holds the lock leaves the data consistent.
pub(super) fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
