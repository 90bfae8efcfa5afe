//! Names: the slaves that the user expects or excludes, and slaves with equal names.

use synexec_session::master::{Action, NotAdmitted, Notice, OutputStep, OutputsWanted, Settings, Verdict};

use synexec_sim::{ClientId, Order, Plan, Script, World, millis, outcome_of, row_of, secs};

use super::shared::{expecting, names, session_within, turned_away};

/// How often the user was told that a slave may not join.
fn told(world: &World, name: &str, is_right: fn(&NotAdmitted) -> bool) -> usize {
    let is_told =
        |notice: &Notice| matches!(notice, Notice::NotAdmitted { slave, why } if slave.name == name && is_right(why));
    world.all_told(is_told).len()
}

fn add(world: &mut World, names: &[&str]) -> Vec<ClientId> {
    names.iter().map(|name| world.named_slave(name, Plan::default())).collect()
}

#[test]
fn with_as_many_names_as_slaves_these_take_part_and_no_others() {
    let mut world = World::new(expecting(2, "web1 web3", ""));
    let others = add(&mut world, &["web2", "web4"]);
    world.named_slave_at(secs(1), "web3", Plan::default());
    world.named_slave_at(millis(7500), "web1", Plan { dials: true, ..Plan::default() });
    let report = session_within(secs(20), &mut world);
    assert_eq!((report.verdict, names(&report)), (Verdict::Succeeded, vec!["web1", "web3"]));
    for (name, id) in ["web2", "web4"].into_iter().zip(others) {
        assert_eq!(told(&world, name, |why| *why == NotAdmitted::NotExpected), 2, "at once and after five seconds");
        assert_eq!(turned_away(&world, id).len(), 2);
    }
    let counts = |notice: &Notice| matches!(notice, Notice::Joined { joined, slaves: 2, .. } if *joined <= 2);
    assert_eq!(world.all_told(counts).len(), 2);
}

#[test]
fn with_more_names_than_slaves_any_of_these_take_part() {
    let mut world = World::new(expecting(2, "web1 web2 web3", ""));
    add(&mut world, &["db", "web3", "web2"]);
    assert_eq!(names(&session_within(secs(20), &mut world)), ["web2", "web3"]);
}

#[test]
fn with_fewer_names_than_slaves_these_are_among_them() {
    let mut world = World::new(expecting(3, "web1", ""));
    add(&mut world, &["a", "b"]);
    world.named_slave_at(secs(1), "c", Plan::default());
    world.named_slave_at(secs(4), "web1", Plan::default());
    assert_eq!(names(&session_within(secs(20), &mut world)), ["web1", "a", "b"]);
    assert_eq!(told(&world, "c", |why| *why == NotAdmitted::PlacesKept), 1);
}

#[test]
fn an_excluded_slave_does_not_take_part() {
    let mut world = World::new(expecting(2, "", "web1 web9"));
    let excluded = add(&mut world, &["web1"])[0];
    world.named_slave_at(secs(2), "web2", Plan::default());
    world.named_slave_at(secs(3), "web10", Plan::default());
    let report = session_within(secs(20), &mut world);
    assert_eq!((names(&report), turned_away(&world, excluded).len()), (vec!["web2", "web10"], 1));
    assert_eq!(told(&world, "web1", |why| matches!(why, NotAdmitted::Excluded { .. })), 1);
}

#[test]
fn an_original_is_expected_or_excluded_by_its_address() {
    let mut world = World::new(expecting(2, "10.0.0.2 vm", "10.0.0.1"));
    let excluded = world.original(Script::default());
    let expected = world.original(Script::default());
    world.named_slave_at(secs(3), "vm", Plan::default());
    let report = session_within(secs(20), &mut world);
    assert_eq!(names(&report), ["10.0.0.2", "vm"]);
    assert!(row_of(&report, expected).is_some() && world.v1(excluded).conf.is_none());
    assert!(told(&world, "10.0.0.1", |why| matches!(why, NotAdmitted::Excluded { .. })) >= 3, "an original asks again");
}

#[test]
fn a_quorum_is_a_quorum_of_expected_slaves() {
    let wait = |slaves, expected| Settings {
        wait: Some(secs(5)),
        quorum: 2.try_into().ok(),
        ..expecting(slaves, expected, "")
    };
    let mut world = World::new(wait(3, "web1 web2 web3"));
    add(&mut world, &["db", "web1", "a"]);
    assert_eq!(session_within(secs(20), &mut world).verdict, Verdict::NotEnoughSlaves);
    let mut world = World::new(wait(3, "web1 web2 web3"));
    add(&mut world, &["db", "web3", "web1"]);
    assert_eq!(names(&session_within(secs(20), &mut world)), ["web1", "web3"]);
}

#[test]
fn a_clone_of_an_expected_slave_takes_the_place_when_it_is_free() {
    let mut world = World::new(expecting(2, "web1 web2", ""));
    let clones = add(&mut world, &["web1", "web1"]);
    world.at(secs(2), Order::Kill(clones[0]));
    world.named_slave_at(secs(3), "web2", Plan::default());
    let report = session_within(secs(20), &mut world);
    assert_eq!((names(&report), report.verdict), (vec!["web1", "web2"], Verdict::Succeeded));
    assert!(row_of(&report, clones[0]).is_none() && outcome_of(&report, clones[1]).has_succeeded());
    assert_eq!(told(&world, "web1", |why| matches!(why, NotAdmitted::NameTaken { .. })), 1);
}

#[test]
fn a_clone_in_an_open_place_takes_the_place_of_an_expected_slave_that_is_lost() {
    let mut world = World::new(expecting(4, "web1", ""));
    let clones = add(&mut world, &["web1", "web1"]);
    world.at(secs(2), Order::Kill(clones[0]));
    for name in ["a", "b", "c"] {
        world.named_slave_at(secs(3), name, Plan::default());
    }
    let report = session_within(secs(20), &mut world);
    assert_eq!((names(&report), report.verdict), (vec!["web1", "a", "b", "c"], Verdict::Succeeded));
    assert!(row_of(&report, clones[0]).is_none());
}

#[test]
fn slaves_with_equal_names_are_told_and_have_different_labels() {
    let mut world = World::new(Settings { outputs: OutputsWanted::Whole, ..expecting(4, "", "") });
    add(&mut world, &["vm", "db", "vm", "vm"]);
    let report = session_within(secs(20), &mut world);
    let shown: Vec<_> = report.rows().iter().map(|row| row.slave.shown.as_str()).collect();
    assert_eq!(shown, ["db", "vm@10.0.0.1", "vm@10.0.0.3", "vm@10.0.0.4"]);
    assert_eq!(names(&report), ["db", "vm", "vm", "vm"]);
    let equal = |notice: &Notice| matches!(notice, Notice::EqualNames { slaves } if slaves.len() == 3);
    assert_eq!(world.all_told(equal).len(), 1);
    for label in shown {
        let begins = |action: &Action| matches!(action, Action::Output { step: OutputStep::Begin { name }, .. } if name == label);
        assert_eq!(world.master_did(begins).len(), 1, "{label}");
    }
}
