//! Three masters of one session, of which one never gets all its slaves, and slaves of ours.

use std::time::Duration;

use proptest::prelude::*;
use synexec_session::master::{Notice, Rivalry, Settings};
use synexec_sim::{millis, secs, settings};

use super::contest::Contest;
use crate::properties::cases;
use crate::scenarios::shared::expecting;

/// The number of slaves.
const SLAVES: usize = 4;

/// In this time, both masters that can get all their slaves have had them.
const LIMIT: Duration = secs(240);

fn never_complete() -> Settings {
    settings(9)
}

fn yields(notice: &Notice) -> bool {
    matches!(notice, Notice::Rivalry(Rivalry::Yields { .. }))
}

/// A contest of these masters and of one that never gets all its slaves, which has the address at this place.
fn contest(place: usize, others: [Settings; 2]) -> Contest {
    let mut masters = Vec::from(others);
    masters.insert(place, never_complete());
    Contest::new(masters, SLAVES, 0)
}

/// When each master but the one at this place had all its slaves.
fn complete_after(contest: &Contest, place: usize) -> Vec<Option<Duration>> {
    (0..3).filter(|master| *master != place).map(|master| contest.complete_after(master)).collect()
}

#[test]
fn two_masters_get_their_slaves_though_a_third_never_does() {
    for place in 0..3 {
        let mut contest = contest(place, [settings(4), settings(3)]);
        contest.run(LIMIT);
        let after = complete_after(&contest, place);
        assert!(after.iter().all(Option::is_some), "{place} {after:?}");
        assert_eq!(contest.complete_after(place), None);
        assert!(contest.told(place, yields) > 0);
    }
}

#[test]
fn slaves_that_one_master_turns_away_join_the_others() {
    for place in 0..3 {
        let mut contest = contest(place, [expecting(2, "vm0 vm1", ""), expecting(2, "vm1 vm2", "vm0")]);
        contest.run(LIMIT);
        let after = complete_after(&contest, place);
        assert!(after.iter().all(Option::is_some), "{place} {after:?}");
        assert!(contest.turned_away() > 0);
    }
}

#[test]
fn a_master_gets_its_slaves_though_two_others_never_do() {
    for place in 0..3 {
        let mut masters = vec![never_complete(), never_complete()];
        masters.insert(place, settings(3));
        let mut contest = Contest::new(masters, SLAVES, 0);
        contest.run(LIMIT);
        assert!(contest.complete_after(place).is_some(), "{place}");
    }
}

proptest! {
    #![proptest_config(cases(60))]

    #[test]
    fn of_any_three_masters_those_that_can_get_their_slaves(
        place in 0..3_usize,
        expected in prop::bool::ANY,
        begins in prop::collection::vec(0..100_000_u64, 3),
        delays in prop::collection::vec(1..400_u64, SLAVES),
    ) {
        let others = if expected {
            [expecting(2, "vm0 vm1", ""), expecting(2, "vm1 vm2", "vm0")]
        } else {
            [settings(4), settings(3)]
        };
        let mut contest = contest(place, others);
        begins.iter().enumerate().for_each(|(master, after)| contest.begins(master, millis(*after)));
        contest.set_delays(&delays.into_iter().map(millis).collect::<Vec<_>>());
        contest.run(secs(100) + 2 * LIMIT);
        let after = complete_after(&contest, place);
        prop_assert!(after.iter().all(Option::is_some), "{:?}", after);
    }
}
