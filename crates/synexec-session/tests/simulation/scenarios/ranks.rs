//! Ranks: by the user's list, by name and by address, and as slaves ask for them.

use synexec_session::master::{NotAdmitted, Notice, Report, Settings, Verdict};
use synexec_session::slave;

use synexec_sim::{ClientId, Order, Plan, Script, World, millis, row_of, secs, settings};

use super::shared::{expecting, names, session_within, turned_away};

/// A plan of a slave that asks for this rank.
fn asks(rank: u32) -> Plan {
    Plan { rank: Some(rank), ..Plan::default() }
}

fn rank_of(report: &Report, id: ClientId) -> u32 {
    row_of(report, id).expect("the slave took part").rank
}

#[test]
fn they_follow_the_names_in_natural_order_whoever_joins_first() {
    for boots in [[0, 1500, 3000, 4500], [4500, 3000, 1500, 0]] {
        let mut world = World::of(4);
        for (name, boots) in ["web10", "db", "web2", "web1"].iter().zip(boots) {
            world.named_slave_at(millis(boots), name, Plan::default());
        }
        assert_eq!(names(&session_within(secs(20), &mut world)), ["db", "web1", "web2", "web10"]);
    }
}

#[test]
fn they_follow_the_users_list_of_expected_slaves() {
    let mut world = World::new(expecting(4, "web2 web10 web1", ""));
    for name in ["web1", "a", "web10", "web2"] {
        world.named_slave(name, Plan::default());
    }
    assert_eq!(names(&session_within(secs(20), &mut world)), ["web2", "web10", "web1", "a"]);
}

#[test]
fn slaves_with_equal_names_and_originals_follow_their_addresses() {
    let mut world = World::of(5);
    let originals = [world.original_at(secs(3), Script::default()), world.original(Script::default())];
    let clones: [ClientId; 3] =
        [2, 1, 0].map(|after| world.named_slave_at(secs(after), "vm", Plan { dials: after == 1, ..Plan::default() }));
    let report = session_within(secs(20), &mut world);
    assert_eq!(clones.map(|id| rank_of(&report, id)), [0, 1, 2], "{report:?}");
    assert_eq!(originals.map(|id| rank_of(&report, id)), [3, 4], "{report:?}");
}

#[test]
fn a_slave_gets_the_rank_that_it_asks_for_and_the_others_fill_the_gaps() {
    let mut world = World::new(Settings { rounds: 3.try_into().unwrap(), reconnect: secs(10), ..settings(4) });
    for (name, rank) in [("d", None), ("c", Some(0)), ("a", Some(2)), ("b", None)] {
        world.named_slave(name, Plan { rank, reconnect: secs(10), ..Plan::default() });
    }
    world.when(|notice| matches!(notice, Notice::GoSent { .. }), millis(300), Order::Break(ClientId(2)));
    let report = session_within(secs(60), &mut world);
    assert_eq!((report.verdict, report.rounds.len()), (Verdict::Succeeded, 3), "{report:?}");
    for round in &report.rounds {
        let ranked: Vec<_> = round.rows.iter().map(|row| (row.rank, row.slave.name.as_str())).collect();
        assert_eq!(ranked, [(0, "c"), (1, "b"), (2, "a"), (3, "d")]);
    }
    assert!(world.told(|notice| matches!(notice, Notice::Returned { .. })).is_some());
}

#[test]
fn the_later_of_two_that_ask_for_the_same_rank_is_turned_away_and_both_users_are_told() {
    let mut world = World::of(2);
    let first = world.named_slave("web1", asks(1));
    let second = world.named_slave_at(millis(1500), "web2", asks(1));
    world.named_slave_at(secs(20), "web3", Plan::default());
    let report = session_within(secs(40), &mut world);
    assert_eq!((rank_of(&report, first), names(&report)), (1, vec!["web3", "web1"]));
    let is_told = |notice: &Notice| {
        matches!(notice, Notice::NotAdmitted { slave, why: NotAdmitted::RankTaken { rank: 1, by } }
            if slave.name == "web2" && by.name == "web1")
    };
    // The slave tries again, but not with every probe.
    let (master, slave) = (world.all_told(is_told), turned_away(&world, second));
    assert!((3..=4).contains(&master.len()), "{master:?}");
    assert_eq!(slave.len(), master.len());
    assert!(slave.windows(2).all(|two| two[1] >= two[0] + secs(5)), "{slave:?}");
}

#[test]
fn a_slave_that_was_turned_away_takes_the_place_when_it_is_free() {
    for dials in [false, true] {
        let mut world = World::of(2);
        let gone = world.named_slave("web1", asks(0));
        let next = world.named_slave_at(millis(500), "web2", Plan { dials, ..asks(0) });
        world.at(secs(3), Order::Kill(gone));
        world.named_slave_at(secs(4), "web3", Plan::default());
        let report = session_within(secs(15), &mut world);
        assert_eq!((rank_of(&report, next), turned_away(&world, next).len()), (0, 1));
    }
}

#[test]
fn a_rank_beyond_the_session_is_turned_away() {
    let mut world = World::of(2);
    let beyond = world.named_slave("web1", asks(2));
    world.named_slave("web2", Plan::default());
    world.named_slave_at(secs(2), "web3", Plan::default());
    let report = session_within(secs(15), &mut world);
    assert_eq!((names(&report), turned_away(&world, beyond).len()), (vec!["web2", "web3"], 1));
    let is_told = |notice: &Notice| {
        matches!(notice, Notice::NotAdmitted { why: why @ NotAdmitted::NoSuchRank { .. }, .. }
            if why.to_string() == "the slave asks for rank 2, and the last rank of this session is 1")
    };
    assert!(world.told(is_told).is_some());
}

#[test]
fn with_a_quorum_a_rank_that_does_not_exist_any_more_is_replaced_and_told() {
    let quorum = Settings { wait: Some(secs(5)), quorum: 2.try_into().ok(), ..settings(4) };
    let mut world = World::new(quorum);
    let beyond = world.named_slave("web1", asks(3));
    let within = world.named_slave("web2", asks(1));
    let report = session_within(secs(20), &mut world);
    assert_eq!((rank_of(&report, beyond), rank_of(&report, within)), (0, 1));
    let is_told = |notice: &Notice| matches!(notice, Notice::OtherRank { asked: 3, given: 0, .. });
    assert_eq!(world.all_told(is_told).len(), 1);
    let is_logged = |notice: &slave::Notice| *notice == slave::Notice::OtherRank { asked: 3, given: Some(0) };
    assert_eq!((world.slave_told(beyond, is_logged).len(), world.slave_told(within, is_logged).len()), (1, 0));
}
