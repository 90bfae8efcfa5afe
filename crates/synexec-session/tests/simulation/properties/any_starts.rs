//! Any clocks at any distances: the report of the starts is true.

use std::time::Duration;

use proptest::collection::vec;
use proptest::prelude::*;
use synexec_session::master::{Settings, Verdict};

use super::cases;
use synexec_sim::{Plan, SimClock, Ways, World, assert_starts_true, secs, settings};

/// One slave's clock and network path, the delay of its task's start, and the task's running time.
type Far = (SimClock, Ways, [u64; 2]);

/// Clocks that are days apart and drift by nearly as much as the master allows for.
fn clock() -> impl Strategy<Value = SimClock> {
    let days = 30 * 86_400_000_000_000_i64;
    (-990_000_000_000..days, -99_000..=99_000_i64).prop_map(|(ahead, drift)| SimClock { ahead, drift })
}

/// Delays from none to long, symmetric or not, steady or not.
fn ways() -> impl Strategy<Value = Ways> {
    let delay = || prop_oneof![Just(0), 20_000..1_000_000_u64, 0..300_000_000_u64].prop_map(Duration::from_nanos);
    let steady = (delay(), any::<bool>(), delay()).prop_map(|(out, even, back)| (out, if even { out } else { back }));
    let jitter = prop_oneof![2 => Just(0), 1 => 0..5_000_000_u64].prop_map(Duration::from_nanos);
    (steady, jitter).prop_map(|((out, back), jitter)| Ways { out, back, jitter })
}

fn far() -> impl Strategy<Value = Far> {
    let nanos = || prop_oneof![Just(0), 0..2_000_000_u64, 0..20_000_000_000_u64];
    (clock(), ways(), [nanos(), nanos()])
}

/// A world of these slaves, with this many rounds.
fn world(slaves: Vec<Far>, rounds: u32) -> World {
    let number = u32::try_from(slaves.len()).expect("the number is small");
    let rounds = rounds.try_into().expect("the number is not zero");
    let mut world = World::new(Settings { rounds, ..settings(number) });
    for (clock, ways, times) in slaves {
        let [spawns, runs] = times.map(Duration::from_nanos);
        let id = world.slave(Plan { spawns, runs, clock, ..Plan::default() });
        world.set_ways(id, ways);
    }
    world
}

proptest! {
    #![proptest_config(cases(300))]

    #[test]
    fn every_start_and_every_skew_is_true_within_its_uncertainty(slaves in vec(far(), 1..10), rounds in 1..4_u32) {
        let mut world = world(slaves, rounds);
        let report = world.run(secs(1000));
        prop_assert_eq!((report.verdict, report.rounds.len()), (Verdict::Succeeded, usize::try_from(rounds).unwrap()));
        assert_starts_true(&world, &report);
    }
}
