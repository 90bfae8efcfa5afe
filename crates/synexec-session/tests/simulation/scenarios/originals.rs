//! Original slaves, which know only version 1, and older slaves, alone and together with ours.

use synexec_proto::disconnect::Disconnect;
use synexec_proto::message::MessageError;
use synexec_proto::task_end::TaskEnd;
use synexec_proto::variables::Variables;
use synexec_proto::wire::{Command, LayoutError};
use synexec_session::master::{Action, Loss, Outcome, Report, Settings, Verdict};

use synexec_sim::Answer::{Garbled, No, Silence, Vanish};
use synexec_sim::Lie::IsOlder;
use synexec_sim::{ClientId, Plan, Script, World, millis, outcome_of, row_of, secs, settings};

use super::shared::session_with_rows;

/// Runs a session of this many slaves.
fn session(world: &mut World, slaves: usize) -> Report {
    session_with_rows(slaves, secs(200), world)
}

#[test]
fn originals_and_ours_share_a_session() {
    let mut world = World::of(4);
    let originals = [world.original(Script::default()), world.original(Script::default())];
    let ours = [world.slave(Plan::default()), world.slave(Plan { dials: true, ..Plan::default() })];
    let report = session(&mut world, 4);
    assert_eq!(report.verdict, Verdict::Succeeded);
    assert!(originals.iter().all(|id| *outcome_of(&report, *id) == Outcome::Finished));
    assert!(ours.iter().all(|id| *outcome_of(&report, *id) == Outcome::Ended(TaskEnd::Exited(0))));
    assert!(row_of(&report, originals[0]).unwrap().times.is_some_and(|times| times.elapsed == secs(1)));
}

#[test]
fn an_original_that_does_not_answer_its_probe_does_not_count() {
    for answer in [Silence, Vanish] {
        let mut world = World::of(1);
        let stranger = world.original(Script { probe: answer, ..Script::default() });
        world.original_at(millis(2500), Script::default());
        let report = session(&mut world, 1);
        assert_eq!(report.verdict, Verdict::Succeeded);
        assert!(row_of(&report, stranger).is_none());
    }
}

#[test]
fn an_original_declines_without_a_reason() {
    for script in [Script { conf: No, ..Script::default() }, Script { exec: No, ..Script::default() }] {
        let mut world = World::of(2);
        let original = world.original(script);
        world.slave(Plan::default());
        let report = session(&mut world, 2);
        assert_eq!(report.verdict, Verdict::Declined);
        assert_eq!(*outcome_of(&report, original), Outcome::Declined(None));
    }
}

#[test]
fn an_original_that_vanishes_or_goes_silent_is_one_lost_row() {
    for answer in [Silence, Vanish] {
        let scripts = [
            Script { conf: answer, ..Script::default() },
            Script { exec: answer, ..Script::default() },
            Script { finish: answer, ..Script::default() },
        ];
        for script in scripts {
            let mut world = World::of(2);
            let original = world.original(script);
            world.slave(Plan::default());
            let report = session(&mut world, 2);
            assert_eq!(report.verdict, Verdict::Lost);
            let Outcome::Lost { after, why, .. } = outcome_of(&report, original) else { panic!("{report:?}") };
            let disconnected = matches!(why, Loss::Disconnected(_));
            assert_eq!(disconnected, answer == Vanish, "{why:?}");
            assert!(disconnected || (secs(29)..secs(32)).contains(after), "{after:?}");
        }
    }
}

#[test]
fn an_original_whose_report_cannot_be_read_is_lost() {
    let mut world = World::of(2);
    let original = world.original(Script { finish: Garbled, ..Script::default() });
    world.slave(Plan { runs: secs(9), ..Plan::default() });
    let report = session(&mut world, 2);
    assert_eq!(report.verdict, Verdict::Lost);
    let why = LayoutError::DataLength { length: 47, expected: 48 };
    let why = Loss::Disconnected(Disconnect::Malformed(MessageError { command: Command::Finished, why }));
    assert!(matches!(outcome_of(&report, original), Outcome::Lost { why: lost, .. } if *lost == why), "{report:?}");
}

/// Checks that the master sent no conf and no order to start.
fn nothing_was_sent(world: &World) {
    let conf = |action: &Action| matches!(action, Action::SendConf { .. });
    assert!(world.master_did(conf).is_empty() && world.execs().is_empty());
    assert_eq!(world.tasks_started(), 0);
}

/// Checks that a session with two slaves of ours and one that cannot do what the settings ask for is called off.
fn refused_for(settings: Settings, unable: impl Fn(&mut World) -> ClientId) {
    let mut world = World::new(settings);
    let ours = [world.slave(Plan::default()), world.slave(Plan::default())];
    let unable = unable(&mut world);
    let report = session(&mut world, 3);
    assert_eq!(report.verdict, Verdict::Declined);
    assert!(matches!(outcome_of(&report, unable), Outcome::Declined(Some(_))));
    assert!(ours.iter().all(|id| *outcome_of(&report, *id) == Outcome::Cancelled));
    nothing_was_sent(&world);
    assert!(world.over_after() < millis(100));
}

fn with_variables(slaves: u32) -> Settings {
    let variables = Variables::new(["A=1", "B=two words"].map(|text| text.parse().expect("the text is a variable")));
    Settings { variables: variables.expect("the variables are short"), ..settings(slaves) }
}

#[test]
fn a_session_that_an_original_cannot_do_is_refused_before_anything_is_sent() {
    let beyond = [
        Settings { conf_length: 65_536, ..settings(3) },
        Settings { conf_length: 40, runs_payload: true, ..settings(3) },
        with_variables(3),
        Settings { separate: true, ..settings(3) },
    ];
    for settings in beyond {
        refused_for(settings, |world| world.original(Script::default()));
    }
}

#[test]
fn a_session_that_an_older_slave_cannot_do_is_refused_before_anything_is_sent() {
    for settings in [with_variables(3), Settings { separate: true, ..settings(3) }] {
        refused_for(settings, |world| world.liar(IsOlder));
    }
}

#[test]
fn every_slave_gets_the_variables() {
    let mut world = World::new(with_variables(2));
    world.slave(Plan::default());
    world.slave(Plan::default());
    assert_eq!(session(&mut world, 2).verdict, Verdict::Succeeded);
    let carries = |action: &Action| matches!(action, Action::SendConf { begin: Some(begin), .. } if begin.variables == with_variables(2).variables);
    assert_eq!(world.master_did(carries).len(), 2);
}

#[test]
fn the_largest_conf_of_version_one_arrives_whole() {
    let mut world = World::new(Settings { conf_length: 65_535, ..settings(2) });
    let (original, ours) = (world.original(Script::default()), world.slave(Plan::default()));
    world.run_until(millis(500));
    assert_eq!(world.v1(original).conf.as_deref(), Some(world.conf()));
    assert_eq!(session(&mut world, 2).verdict, Verdict::Succeeded);
    assert_eq!(world.sim(ours).host.confs, [world.conf()]);
}
