//! Many sessions in a row with eight slaves. In each session a random slave is killed at a random moment and started
//! again. `cargo bench -p synexec-tests --bench soak -- [SESSIONS [SEED [SECONDS]]]`, as root.
//! Without arguments it runs 2,000 sessions within an hour, with a printed seed. It fails if something has leaked.

mod census;
mod chance;
mod house;

use std::collections::BTreeMap;
use std::env;
use std::time::{Duration, Instant, SystemTime};

use anyhow::{Context as _, Result, ensure};

use census::Census;
use chance::Chance;
use house::House;

const SESSIONS: u64 = 2000;
const SECONDS: u64 = 3600;

/// Sessions before the first count, so that resources that are made once already exist.
const WARM_UP: u64 = 20;

/// Interval of the progress messages.
const TOLD_EVERY: u64 = 100;

fn main() -> Result<()> {
    let given: Vec<String> = env::args().skip(1).filter(|argument| !argument.starts_with('-')).collect();
    let number = |place: usize, default: u64| {
        given.get(place).map_or(Ok(default), |text| text.parse().with_context(|| format!("{text} is no number")))
    };
    let seed = number(1, u64::from(SystemTime::now().duration_since(SystemTime::UNIX_EPOCH)?.subsec_nanos()))?;
    let sessions = number(0, SESSIONS)?;
    println!("{sessions} sessions, seed {seed}");
    soak(sessions, Duration::from_secs(number(2, SECONDS)?), &mut Chance::new(seed))
}

fn soak(sessions: u64, limit: Duration, chance: &mut Chance) -> Result<()> {
    let since = Instant::now();
    let mut house = House::new()?;
    run(&mut house, WARM_UP, limit, &mut Chance::new(0)).context("warming up")?;
    let before = Census::of(&house)?;
    let (done, ends) = run(&mut house, sessions, limit, chance)?;
    let after = Census::of(&house)?;
    let seconds = since.elapsed().as_secs();
    println!("{done} sessions in {seconds} s, by exit status: {ends:?}; {} slaves were killed", house.killed());
    let sound = before.compare(&after);
    ensure!(done == sessions, "the time was over after {done} of {sessions} sessions");
    ensure!(sound, "something has leaked");
    Ok(())
}

/// Runs as many sessions as fit into the time. Returns their number, and how often the master ended with each status.
fn run(house: &mut House, sessions: u64, limit: Duration, chance: &mut Chance) -> Result<(u64, BTreeMap<i32, u64>)> {
    let (since, mut ends) = (Instant::now(), BTreeMap::new());
    for number in 1..=sessions {
        let status = house.session(chance).with_context(|| format!("session {number}"))?;
        *ends.entry(status).or_default() += 1;
        if number % TOLD_EVERY == 0 {
            println!("{number} sessions, {} s", since.elapsed().as_secs());
        }
        if since.elapsed() > limit {
            return Ok((number, ends));
        }
    }
    Ok((sessions, ends))
}
