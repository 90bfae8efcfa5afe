//! Another master looks for slaves of the same session.

mod contest;
mod duel;
mod many;

use std::time::Duration;

use proptest::prelude::*;
use synexec_session::master::{Action, Notice, Rivalry, Settings, Verdict};
use synexec_sim::{Plan, Script, World, millis, secs, settings};

use self::duel::Duel;
use crate::properties::cases;

const FOR_EVER: Duration = secs(100_000);

fn is_probe(action: &Action) -> bool {
    *action == Action::Probe
}

fn yields(notice: &Notice) -> bool {
    matches!(notice, Notice::Rivalry(Rivalry::Yields { .. }))
}

#[test]
fn a_master_releases_its_slaves_for_a_lower_address_and_goes_on_afterwards() {
    let mut world = World::of(3);
    let (ours, original) = (world.slave(Plan::default()), world.original(Script::default()));
    world.rival(7, secs(1)..secs(10));
    // The third slave comes while the master yields, and again later.
    world.slave_at(secs(8), Plan { dials: true, ..Plan::default() });
    world.run_until(secs(9));
    assert_eq!(
        world.told(|notice| matches!(notice, Notice::Rivalry(Rivalry::Met { goes_first: true, .. }))),
        Some(millis(1500))
    );
    assert_eq!(world.all_told(yields), [millis(2500)]);
    let released =
        |notice: &Notice| matches!(notice, Notice::Rivalry(Rivalry::Yields { released: 2, out_of_turn: false, .. }));
    assert!(world.told(released).is_some());
    assert!(world.sim(ours).in_discovery_since().is_some() && world.v1(original).conf.is_none());
    assert!(
        world.told(|notice| matches!(notice, Notice::Rivalry(Rivalry::TurnedAway { .. }))).is_some(),
        "a slave that dials"
    );
    let report = world.run_session();
    assert_eq!(report.verdict, Verdict::Succeeded);
    let went_on = world.told(|notice| matches!(notice, Notice::Rivalry(Rivalry::GoesOn { .. }))).unwrap();
    assert!((secs(13)..secs(15)).contains(&went_on), "{went_on:?}");
    assert!(
        !world.master_did(is_probe).iter().any(|at| (millis(2500)..went_on).contains(at)),
        "it is silent meanwhile"
    );
    assert_eq!(world.tasks_started(), 3);
}

#[test]
fn a_master_with_the_lower_address_goes_on_as_if_it_were_alone() {
    let session = |with_rival: bool| {
        let mut world = World::of(2);
        world.slave(Plan::default());
        world.slave_at(millis(5300), Plan::default());
        if with_rival {
            world.rival(200, Duration::ZERO..secs(4));
        }
        assert_eq!(world.run_session().verdict, Verdict::Succeeded);
        let told = world.all_told(|notice| matches!(notice, Notice::Rivalry(Rivalry::Met { goes_first: false, .. })));
        assert_eq!((told.len(), world.all_told(yields).len()), (usize::from(with_rival), 0));
        world.over_after()
    };
    assert_eq!(session(true), session(false));
}

#[test]
fn a_master_whose_rival_sends_one_probe_does_not_yield() {
    let mut world = World::of(2);
    world.slave(Plan::default());
    world.slave_at(secs(20), Plan::default());
    world.rival(7, millis(2500)..millis(3200));
    assert_eq!(world.run_session().verdict, Verdict::Succeeded);
    assert!(world.told(|notice| matches!(notice, Notice::Rivalry(Rivalry::Met { .. }))).is_some());
    assert_eq!(world.all_told(yields), []);
}

#[test]
fn a_rival_that_does_not_yield_gets_the_slaves_after_a_while() {
    let mut world = World::of(2);
    world.slave(Plan::default());
    world.rival(200, Duration::ZERO..secs(60));
    world.slave_at(secs(70), Plan::default());
    assert_eq!(world.run_session().verdict, Verdict::Succeeded);
    let out_of_turn = world
        .all_told(|notice| matches!(notice, Notice::Rivalry(Rivalry::Yields { out_of_turn: true, released: 1, .. })));
    assert!(matches!(out_of_turn[..], [at] if (secs(21)..secs(33)).contains(&at)), "{out_of_turn:?}");
    let went_on = world.all_told(|notice| matches!(notice, Notice::Rivalry(Rivalry::GoesOn { .. })));
    assert!(matches!(went_on[..], [at] if (secs(63)..secs(66)).contains(&at)), "{went_on:?}");
}

#[test]
fn a_master_that_yields_tries_again_within_a_minute_and_its_wait_goes_on() {
    let mut world = World::new(Settings { wait: Some(secs(200)), ..settings(2) });
    world.slave(Plan::default());
    world.rival(7, Duration::ZERO..FOR_EVER);
    let report = world.run(secs(201));
    assert_eq!((report.verdict, world.over_after()), (Verdict::NotEnoughSlaves, secs(200)));
    let attempts = world.all_told(|notice| matches!(notice, Notice::Rivalry(Rivalry::Tries { .. }))).len();
    assert!((2..=5).contains(&attempts), "{attempts}");
    assert_eq!(world.all_told(yields).len(), attempts + 1);
    assert!(report.rows().is_empty());
}

#[test]
fn slaves_that_dial_their_master_are_delayed_by_another_master_for_a_minute_at_most() {
    let mut world = World::of(2);
    for boots in [0, 5] {
        world.slave_at(secs(boots), Plan { dials: true, ..Plan::default() });
    }
    world.rival(7, Duration::ZERO..FOR_EVER);
    assert_eq!(world.run(secs(70)).verdict, Verdict::Succeeded);
}

#[test]
fn a_quorum_that_yields_does_not_start() {
    let quorum = settings(1).slaves;
    let mut world = World::new(Settings { wait: Some(secs(20)), quorum: Some(quorum), ..settings(2) });
    world.slave(Plan::default());
    world.rival(7, Duration::ZERO..FOR_EVER);
    assert_eq!(world.run(secs(21)).verdict, Verdict::NotEnoughSlaves);
    assert_eq!(world.tasks_started(), 0);
}

#[test]
fn a_complete_set_is_not_given_away() {
    let mut world = World::of(2);
    let plan = Plan { runs: secs(30), ..Plan::default() };
    world.slave(plan);
    world.slave(plan);
    world.rival(7, Duration::ZERO..FOR_EVER);
    assert_eq!(world.run_session().verdict, Verdict::Succeeded);
    assert_eq!(world.all_told(yields), []);
}

#[test]
fn two_masters_that_want_the_same_three_slaves_run_one_after_the_other() {
    let mut duel = Duel::new([3, 3], 3);
    // Each has some of the slaves, and none has all.
    duel.join(0, 1);
    duel.join(1, 2);
    duel.run(secs(30));
    let [first, second] = [0, 1].map(|master| duel.over_after(master).unwrap());
    assert!(first < second && first < secs(6) && second < secs(15), "{first:?} {second:?}");
    assert!(duel.told(0, |notice| matches!(notice, Notice::Rivalry(Rivalry::Met { goes_first: false, .. }))));
    assert!(duel.told(1, |notice| matches!(notice, Notice::Rivalry(Rivalry::Yields { released: 2, .. }))));
    assert!(!duel.told(0, yields));
}

#[test]
fn a_master_that_waits_for_more_slaves_than_there_are_lets_the_other_one_have_them() {
    for wanted in [[5, 3], [3, 5]] {
        let mut duel = Duel::new(wanted, 3);
        duel.join(0, 2);
        duel.join(1, 1);
        duel.run(secs(90));
        let over = [0, 1].map(|master| duel.over_after(master).is_some());
        assert_eq!(over, wanted.map(|wanted| wanted == 3));
    }
}

proptest! {
    #![proptest_config(cases(200))]

    #[test]
    fn of_any_two_masters_those_end_for_which_there_are_enough_slaves(
        wanted in (1..5_usize, 1..5_usize),
        slaves in 1..8_usize,
        begins in 0..4000_u64,
        favourites in prop::collection::vec(0..2_usize, 7),
    ) {
        let wanted = [wanted.0, wanted.1];
        let mut duel = Duel::new(wanted, slaves);
        duel.begins(1, millis(begins));
        duel.prefer(&favourites);
        duel.run(secs(150));
        for (master, wanted) in wanted.into_iter().enumerate() {
            prop_assert_eq!(duel.over_after(master).is_some(), wanted <= slaves, "master {}", master);
        }
    }
}
