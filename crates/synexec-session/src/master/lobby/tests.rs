use super::*;
use crate::master::Action;
use synexec_proto::time::MonotonicInstant;

fn now() -> Now {
    Now { awake: AwakeInstant::from_millis(0), monotonic: MonotonicInstant::from_nanos(0) }
}

fn connect(lobby: &mut Lobby, peer: u64, actions: &mut Actions) {
    lobby.connected(now(), PeerId(peer), "10.0.0.9:40000".parse().unwrap(), actions);
}

fn say_hello(lobby: &mut Lobby, peer: u64, actions: &mut Actions) -> Option<Visitor> {
    let (now, message) = (now(), Message::Reply(None));
    lobby.received(&Heard { now, peer: PeerId(peer), message, at: now.monotonic }, actions)
}

fn closed(actions: &mut Actions) -> Vec<PeerId> {
    let closes = |action| if let Action::Close { peer } = action { Some(peer) } else { None };
    std::iter::from_fn(|| actions.pop()).filter_map(closes).collect()
}

#[test]
fn a_full_lobby_closes_the_oldest_connection_that_has_said_nothing() {
    let (mut lobby, mut actions) = (Lobby::new("m".into()), Actions::default());
    let most = u64::try_from(STRANGERS_MAX).unwrap();
    connect(&mut lobby, 0, &mut actions);
    assert!(say_hello(&mut lobby, 0, &mut actions).is_none());
    (1..most).for_each(|peer| connect(&mut lobby, peer, &mut actions));
    assert_eq!(closed(&mut actions), []);
    for newer in 0..10 {
        connect(&mut lobby, most + newer, &mut actions);
        assert_eq!((closed(&mut actions), lobby.strangers.len()), (vec![PeerId(1 + newer)], STRANGERS_MAX));
    }
    assert!(matches!(say_hello(&mut lobby, 0, &mut actions), Some(Visitor::Newcomer(_))), "its answer");
    assert!(say_hello(&mut lobby, most, &mut actions).is_none());
    assert!(matches!(say_hello(&mut lobby, most, &mut actions), Some(Visitor::Newcomer(_))));
}

#[test]
fn if_all_have_said_hello_the_oldest_connection_is_closed() {
    let (mut lobby, mut actions) = (Lobby::new("m".into()), Actions::default());
    for peer in 0..u64::try_from(STRANGERS_MAX).unwrap() {
        connect(&mut lobby, peer, &mut actions);
        assert!(say_hello(&mut lobby, peer, &mut actions).is_none());
    }
    assert_eq!(closed(&mut actions), []);
    connect(&mut lobby, 5000, &mut actions);
    assert_eq!(closed(&mut actions), [PeerId(0)]);
}
