//! How far apart tasks start: the floor, the naive way and ours, alternating in one run.

use std::path::Path;
use std::time::Duration;

use anyhow::Result;
use serde_json::json;

use crate::floor;
use crate::guests::{Guest, Guests};
use crate::results::{Line, Results, median};
use crate::{naive, ours, stamp};

/// Sessions of each way.
const SESSIONS: usize = 9;

/// How far a reported skew may be from the true one beyond its stated uncertainty, in microseconds: what the task itself
/// takes from its first instruction to reading the clock, and the reading.
const BEYOND_UNCERTAINTY: f64 = 200.0;

/// The target of a skew.
enum Must {
    Micros(f64),
    Floors(f64),
}

/// One line of the table.
struct Work {
    name: &'static str,
    guests: Vec<Guest>,
    must: Must,
}

/// Runs all of it.
pub fn run(program: &Path, results: &mut Results) -> Result<()> {
    works().iter().try_for_each(|work| run_one(work, program, results))
}

fn works() -> Vec<Work> {
    let equal = |count| vec![Guest::default(); count];
    let millis = Duration::from_millis;
    let apart = vec![Guest { delay: millis(20), ahead: 12_345 }, Guest { delay: Duration::ZERO, ahead: 54_321 }];
    let uneven = (0..8).map(|n| Guest { delay: millis(u64::from(3 * n)), ahead: 1000 + 3601 * n }).collect();
    let work = |name, guests, must| Work { name, guests, must };
    vec![
        work("2 hosts, equal network", equal(2), Must::Micros(100.0)),
        work("2 hosts, one behind 20 ms each way, clocks hours apart", apart, Must::Micros(200.0)),
        work("8 hosts behind 0, 3, .. 21 ms, all clocks different", uneven, Must::Floors(1.0)),
        work("8 hosts, equal network", equal(8), Must::Floors(0.8)),
        work("64 hosts, equal network", equal(64), Must::Floors(1.0)),
        work("250 hosts, equal network", equal(250), Must::Floors(1.1)),
    ]
}

/// Skews in microseconds, session by session.
#[derive(Default)]
struct Skews {
    floor: Vec<f64>,
    floor_with_precedence: Vec<f64>,
    naive: Vec<f64>,
    ours: Vec<f64>,
    /// The error of the reported skew, and the allowed error.
    errors: Vec<(f64, f64)>,
}

fn run_one(work: &Work, program: &Path, results: &mut Results) -> Result<()> {
    let guests = Guests::new(&work.guests, program)?;
    guests.wait_until_listening()?;
    ours::run(&guests)?;
    let mut skews = Skews::default();
    for _ in 0..SESSIONS {
        skews.session(&guests, program)?;
    }
    skews.tell(work, results);
    Ok(())
}

impl Skews {
    fn session(&mut self, guests: &Guests, program: &Path) -> Result<()> {
        self.floor.push(stamp::skew(&floor::run(program, guests.len(), false)?)?);
        self.floor_with_precedence.push(stamp::skew(&floor::run(program, guests.len(), true)?)?);
        guests.wait_until_listening()?;
        naive::run(guests)?;
        self.naive.push(stamp::skew(&guests.stamps()?)?);
        guests.wait_until_listening()?;
        let reported = ours::run(guests)?;
        let skew = stamp::skew(&guests.stamps()?)?;
        self.ours.push(skew);
        self.errors.push(((reported.skew - skew).abs(), reported.uncertainty + BEYOND_UNCERTAINTY));
        Ok(())
    }

    fn tell(&self, work: &Work, results: &mut Results) {
        let [floor, eager, naive, ours] =
            [&self.floor, &self.floor_with_precedence, &self.naive, &self.ours].map(|skews| median(skews));
        let (must, met) = match work.must {
            Must::Micros(most) => (format!("≤ {most:.0} µs"), ours <= most),
            Must::Floors(ratio) => (format!("≤ {ratio} × floor"), ours <= ratio * floor),
        };
        let figure = format!("{ours:.0} µs ({:.2} × floor)", ours / floor);
        let compared = format!("floor {floor:.0} µs (with precedence {eager:.0} µs), naive {naive:.0} µs");
        let samples = json!({
            "floor": self.floor, "floor with precedence": self.floor_with_precedence, "naive": self.naive,
            "ours": self.ours,
        });
        let name = || work.name.to_owned();
        results.add(Line { work: name(), what: "skew", figure, must, met, compared, samples });
        let outside = self.errors.iter().filter(|(error, most)| error > most).count();
        let worst = self.errors.iter().map(|(error, _)| *error).fold(0.0, f64::max);
        let figure = format!("{worst:.0} µs off at most, {outside} of {} outside", self.errors.len());
        let (must, met) = ("within uncertainty + 200 µs, always".to_owned(), outside == 0);
        let (compared, samples) = (String::new(), json!(self.errors));
        results.add(Line { work: name(), what: "reported skew", figure, must, met, compared, samples });
    }
}
