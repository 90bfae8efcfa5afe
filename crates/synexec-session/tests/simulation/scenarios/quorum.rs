//! The quorum: some slaves are missing when the wait ends, but enough are present.

use synexec_proto::task_end::TaskEnd;
use synexec_session::master::{Notice, Outcome, Report, Settings, Verdict};
use synexec_session::slave::Action;

use synexec_sim::{
    ClientId, Order, Plan, Script, World, assert_rows_complete, millis, outcome_of, row_of, secs, settings,
};

use super::shared::session_within;

const SUCCESS: Outcome = Outcome::Ended(TaskEnd::Exited(0));

/// A world that wants this many slaves, and takes the quorum after five seconds.
fn wanting(slaves: u32, quorum: u32) -> World {
    World::new(Settings {
        wait: Some(secs(5)),
        quorum: Some(quorum.try_into().expect("the number is not zero")),
        ..settings(slaves)
    })
}

fn dials() -> Plan {
    Plan { dials: true, ..Plan::default() }
}

/// Runs a session that ends within a minute.
fn session(world: &mut World) -> Report {
    session_within(secs(60), world)
}

/// Every slave was told its rank and this number of slaves, and the ranks have no gap.
fn assert_places_contiguous(world: &World, report: &Report, slaves: u32) {
    assert_rows_complete(report, usize::try_from(slaves).expect("the number is small"));
    for id in world.ids().filter(|id| row_of(report, *id).is_some_and(|row| !row.is_original)) {
        let place = |action: &Action| if let Action::BeginConf(begin) = action { begin.clone() } else { None };
        let begin = world.sim(id).log.iter().find_map(|(_, action)| place(action)).expect("the slave received a conf");
        assert_eq!((begin.rank, begin.slaves), (row_of(report, id).expect("the slave took part").rank, slaves));
    }
}

fn quorum_reached(notice: &Notice) -> bool {
    matches!(notice, Notice::QuorumReached { .. })
}

#[test]
fn a_quorum_or_more_begin_when_the_wait_is_over_and_not_before() {
    for here in [2, 3] {
        let mut world = wanting(4, 2);
        for _ in 0..here {
            world.slave(Plan::default());
        }
        let report = session(&mut world);
        assert_eq!(report.verdict, Verdict::Succeeded);
        assert_places_contiguous(&world, &report, here);
        let told = usize::try_from(here).unwrap();
        let is_right = |notice: &Notice| *notice == Notice::QuorumReached { joined: told, slaves: 4 };
        assert_eq!(world.all_told(is_right), [secs(5)]);
        assert!((secs(5)..millis(5200)).contains(&world.execs()[0]));
    }
}

#[test]
fn a_full_set_does_not_wait() {
    let mut world = wanting(2, 1);
    world.slave(Plan::default());
    world.slave_at(secs(2), Plan::default());
    let report = session(&mut world);
    assert_places_contiguous(&world, &report, 2);
    assert_eq!((report.verdict, world.told(quorum_reached)), (Verdict::Succeeded, None));
    assert!(world.execs()[0] < secs(4));
}

#[test]
fn fewer_than_a_quorum_give_up_when_the_wait_is_over() {
    let mut world = wanting(4, 3);
    let slaves = [world.slave(Plan::default()), world.slave(Plan::default())];
    let report = session(&mut world);
    assert_eq!((report.verdict, world.over_after()), (Verdict::NotEnoughSlaves, secs(5)));
    assert!(slaves.iter().all(|id| *outcome_of(&report, *id) == Outcome::Cancelled));
    assert_eq!((world.told(quorum_reached), world.tasks_started()), (None, 0));
    assert!(world.told(|notice| matches!(notice, Notice::GaveUp { joined: 2, slaves: 4, .. })).is_some());
}

#[test]
fn one_that_went_silent_is_left_out_and_the_others_begin() {
    let mut world = wanting(4, 2);
    let slaves: [ClientId; 3] = std::array::from_fn(|_| world.slave(Plan::default()));
    world.at(secs(2), Order::Freeze(slaves[0], secs(20)));
    let report = session(&mut world);
    assert_eq!(report.verdict, Verdict::Succeeded);
    assert_places_contiguous(&world, &report, 2);
    assert!(row_of(&report, slaves[0]).is_none());
    assert!((secs(6)..millis(6200)).contains(&world.execs()[0]), "{:?}", world.execs());
}

#[test]
fn a_quorum_that_is_none_without_the_silent_gives_up() {
    let mut world = wanting(4, 2);
    let slaves = [world.slave(Plan::default()), world.slave(Plan::default())];
    world.at(secs(2), Order::Freeze(slaves[0], secs(20)));
    let report = session(&mut world);
    assert_eq!((report.verdict, world.over_after()), (Verdict::NotEnoughSlaves, secs(6)));
    assert_eq!(report.rows().len(), 1);
    assert!(world.told(|notice| matches!(notice, Notice::GaveUp { joined: 1, slaves: 4, .. })).is_some());
}

#[test]
fn slaves_that_join_during_the_roll_call_take_part_up_to_the_wanted_number() {
    for late in [1, 3] {
        let mut world = wanting(3, 1);
        let silent = world.slave(Plan::default());
        world.slave(Plan::default());
        world.at(secs(2), Order::Freeze(silent, secs(20)));
        for _ in 0..late {
            world.slave_at(millis(5500), dials());
        }
        let report = session(&mut world);
        assert_eq!(report.verdict, Verdict::Succeeded);
        assert_places_contiguous(&world, &report, if late == 1 { 2 } else { 3 });
    }
}

#[test]
fn a_slave_that_comes_after_the_wait_is_released() {
    let mut world = wanting(3, 2);
    let here = [world.slave(Plan::default()), world.slave(Plan::default())];
    world.slave_at(millis(5500), dials());
    let report = session(&mut world);
    assert_places_contiguous(&world, &report, 2);
    assert!(here.iter().all(|id| *outcome_of(&report, *id) == SUCCESS));
}

#[test]
fn a_quorum_of_all_still_wants_all() {
    let mut world = wanting(2, 2);
    world.slave(Plan::default());
    assert_eq!(session(&mut world).verdict, Verdict::NotEnoughSlaves);
}

#[test]
fn originals_count_too() {
    let mut world = wanting(3, 2);
    let original = world.original(Script::default());
    let ours = world.slave(Plan::default());
    let report = session(&mut world);
    assert_places_contiguous(&world, &report, 2);
    assert_eq!((outcome_of(&report, original), outcome_of(&report, ours)), (&Outcome::Finished, &SUCCESS));
}

#[test]
fn one_that_is_lost_before_the_start_calls_it_off_as_ever() {
    let mut world = wanting(4, 1);
    let gone = world.slave(Plan { prepares: secs(3), ..Plan::default() });
    world.slave(Plan::default());
    world.at(secs(6), Order::Kill(gone));
    let report = session(&mut world);
    assert_eq!((report.verdict, world.tasks_started()), (Verdict::Lost, 0));
}
