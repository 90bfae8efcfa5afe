use super::*;

const OURS: Ipv4Addr = Ipv4Addr::new(10, 0, 0, 5);
const LOWER: Ipv4Addr = Ipv4Addr::new(10, 0, 0, 2);
const HIGHER: Ipv4Addr = Ipv4Addr::new(10, 0, 0, 10);

fn at(seconds: u64) -> AwakeInstant {
    AwakeInstant::from_millis(seconds * 1000)
}

fn rivals() -> Rivals {
    Rivals::new(TokenSeed::new([3; 32]), at(0))
}

fn yields_to_lower() -> Rivalry {
    Rivalry::Yields { to: LOWER, out_of_turn: false, released: 1 }
}

/// Hears a rival in each of these seconds, and returns what follows in which second.
fn hear(rivals: &mut Rivals, theirs: Ipv4Addr, seconds: std::ops::Range<u64>) -> Vec<(u64, Rivalry)> {
    let mut changes = Vec::new();
    for second in seconds {
        rivals.heard(at(second), theirs, OURS);
        changes.extend(rivals.take_turn(at(second), true, 1).map(|change| (second, change)));
    }
    changes
}

#[test]
fn a_master_yields_to_a_lower_address_and_goes_on_when_it_is_silent() {
    let mut rivals = rivals();
    let new = rivals.heard(at(1), LOWER, OURS);
    assert_eq!(new, Some(Rivalry::Met { theirs: LOWER, ours: OURS, lowest: LOWER, goes_first: true }));
    assert_eq!(rivals.take_turn(at(1), true, 1), None, "the rival may have all its slaves already");
    assert_eq!(rivals.heard(at(2), LOWER, OURS), None);
    assert_eq!(rivals.take_turn(at(2), true, 1), Some(yields_to_lower()));
    assert!(rivals.is_yielding());
    assert_eq!(hear(&mut rivals, LOWER, 3..30), []);
    assert_eq!(rivals.take_turn(at(32), true, 1), None);
    assert_eq!(
        rivals.take_turn(at(33), true, 1),
        Some(Rivalry::GoesOn { after: Duration::from_secs(31), hears_others: false })
    );
    assert!(!rivals.is_yielding());
}

#[test]
fn nobody_makes_a_master_yield_for_ever() {
    let mut rivals = rivals();
    let changes = hear(&mut rivals, LOWER, 0..200);
    assert_eq!(changes[0], (1, yields_to_lower()));
    let mut attempts = Vec::new();
    for changes in changes.windows(2) {
        let [(before, _), (second, change)] = *changes else { panic!("a window of two") };
        if let Rivalry::Tries { waited, attempt, .. } = change {
            assert_eq!((waited, attempt), (Duration::from_secs(second - before), ATTEMPT));
            attempts.push(second - before);
        } else {
            assert_eq!((second - before, change), (10, yields_to_lower()));
        }
    }
    assert!(attempts.len() > 2 && attempts.iter().all(|waited| (30..=60).contains(waited)), "{attempts:?}");
    assert!(attempts.windows(2).any(|two| two[0] != two[1]), "the time is random: {attempts:?}");
}

#[test]
fn a_master_goes_before_a_higher_address_until_it_has_waited_too_long() {
    let mut rivals = rivals();
    let new = rivals.heard(at(0), HIGHER, OURS);
    assert_eq!(new, Some(Rivalry::Met { theirs: HIGHER, ours: OURS, lowest: OURS, goes_first: false }));
    let [(second, change)] = hear(&mut rivals, HIGHER, 1..40)[..] else { panic!("one turn") };
    assert_eq!(change, Rivalry::Yields { to: HIGHER, out_of_turn: true, released: 1 });
    assert!((21..=32).contains(&second), "{second}");
    assert_eq!(rivals.take_turn(at(42), true, 1), None);
    assert!(matches!(rivals.take_turn(at(43), true, 1), Some(Rivalry::GoesOn { .. })));
}

#[test]
fn a_slave_that_joins_and_a_set_that_is_complete_keep_a_master_from_yielding() {
    let mut rivals = rivals();
    for (second, joined) in (0..200).zip(0..) {
        rivals.heard(at(second), HIGHER, OURS);
        assert_eq!(rivals.take_turn(at(second), true, joined), None);
    }
    rivals.heard(at(200), LOWER, OURS);
    rivals.heard(at(201), LOWER, OURS);
    assert_eq!(rivals.take_turn(at(201), false, 1), None);
    assert!(matches!(rivals.take_turn(at(201), true, 1), Some(Rivalry::Yields { to: LOWER, .. })));
}

#[test]
fn a_slave_that_only_comes_back_is_no_further_slave() {
    let mut rivals = rivals();
    let yielded_at = (0..40).find(|second| {
        rivals.heard(at(*second), HIGHER, OURS);
        rivals.take_turn(at(*second), true, if second % 3 == 0 { 1 } else { 2 }).is_some()
    });
    assert!(yielded_at.is_some_and(|at| (21..=33).contains(&at)), "{yielded_at:?}");
}

#[test]
fn a_master_that_gets_no_slave_makes_room_for_a_rival_that_tries_again() {
    for gone in [5, 30, 66] {
        let mut rivals = rivals();
        assert_eq!(hear(&mut rivals, HIGHER, 0..2), []);
        assert!((2..2 + gone).all(|second| rivals.take_turn(at(second), true, 1).is_none()));
        let changes = hear(&mut rivals, HIGHER, 2 + gone..4 + gone);
        let makes_room = [(3 + gone, Rivalry::Yields { to: HIGHER, out_of_turn: true, released: 1 })];
        assert_eq!(changes, if gone < 20 { &[][..] } else { &makes_room });
    }
}

#[test]
fn a_contest_of_long_ago_does_not_count() {
    let mut rivals = rivals();
    assert_eq!(hear(&mut rivals, HIGHER, 0..2), []);
    assert_eq!(hear(&mut rivals, HIGHER, 100..120), []);
}

#[test]
fn what_the_user_is_told_is_about_the_masters_that_are_heard_now() {
    let mut rivals = rivals();
    hear(&mut rivals, LOWER, 0..2);
    let met = |theirs, lowest, goes_first| Some(Rivalry::Met { theirs, ours: OURS, lowest, goes_first });
    assert_eq!(rivals.heard(at(2), HIGHER, OURS), met(HIGHER, LOWER, true));
    // The lower one is gone.
    let highest = Ipv4Addr::new(10, 0, 0, 20);
    rivals.heard(at(4), HIGHER, OURS);
    assert_eq!(rivals.heard(at(6), highest, OURS), met(highest, OURS, false));
    let goes_on = Rivalry::GoesOn { after: Duration::from_secs(5), hears_others: true };
    assert_eq!(rivals.take_turn(at(6), true, 1), Some(goes_on));
    // The master to which this one has yielded is gone, and another one has come.
    let between = Ipv4Addr::new(10, 0, 0, 3);
    assert!(matches!(hear(&mut rivals, LOWER, 10..12)[..], [(11, Rivalry::Yields { to: LOWER, .. })]));
    let changes = hear(&mut rivals, between, 12..72);
    let Some((_, Rivalry::Tries { to, .. })) = changes.first() else { panic!("an attempt: {changes:?}") };
    assert_eq!(*to, between);
}

#[test]
fn addresses_are_compared_as_numbers_and_a_masters_own_address_is_no_rival() {
    let mut rivals = rivals();
    assert_eq!(rivals.heard(at(0), OURS, OURS), None);
    assert!(rivals.heard.is_empty());
    let [nine, ten] = [9, 10].map(|last| Ipv4Addr::new(10, 0, 0, last));
    let new = rivals.heard(at(0), ten, nine);
    assert_eq!(new, Some(Rivalry::Met { theirs: ten, ours: nine, lowest: nine, goes_first: false }));
}

#[test]
fn forged_addresses_take_little_memory_and_do_not_hide_a_rival_that_goes_first() {
    let mut rivals = rivals();
    let forged = |number: u32| Ipv4Addr::from_bits(HIGHER.to_bits() + number);
    let told = (0..5000).filter(|number| rivals.heard(at(1), forged(*number), OURS).is_some()).count();
    assert_eq!((told, rivals.heard.len()), (RIVALS_MAX, RIVALS_MAX));
    assert!(rivals.heard(at(1), LOWER, OURS).is_some() && rivals.heard.len() == RIVALS_MAX);
    rivals.heard(at(2), LOWER, OURS);
    assert_eq!(rivals.take_turn(at(2), true, 1), Some(yields_to_lower()));
}

/// A master with its addresses on networks, for a game of several masters.
struct Player {
    rivals: Rivals,
    /// The address on each network.
    addresses: Vec<Option<Ipv4Addr>>,
    /// Seconds of probes that the master needs until it has its slaves, while no other master sends probes to them.
    needs: u32,
}

impl Player {
    fn new(number: u8, addresses: &[Option<u8>], needs: u32) -> Self {
        let address = |(network, last): (usize, &Option<u8>)| {
            last.map(|last| Ipv4Addr::new(10, u8::try_from(network).unwrap(), 0, last))
        };
        let addresses = addresses.iter().enumerate().map(address).collect();
        Self { rivals: Rivals::new(TokenSeed::new([number; 32]), at(0)), addresses, needs }
    }

    fn sends(&self) -> bool {
        self.needs > 0 && !self.rivals.is_yielding()
    }
}

/// Plays until all masters have their slaves; returns the seconds that this takes. `is_lost` says which probes of a
/// master another one does not hear.
fn play(players: &mut [Player], is_lost: impl Fn(u64, usize, usize) -> bool) -> u64 {
    for second in 1.. {
        assert!(second < 1000, "the masters wait for ever");
        let senders: Vec<_> = (0..players.len()).filter(|player| players[*player].sends()).collect();
        if players.iter().all(|player| player.needs == 0) {
            return second;
        }
        for hearer in 0..players.len() {
            for sender in senders.iter().filter(|sender| **sender != hearer && !is_lost(second, **sender, hearer)) {
                for network in 0..players[hearer].addresses.len() {
                    if let (Some(theirs), Some(ours)) =
                        (players[*sender].addresses[network], players[hearer].addresses[network])
                    {
                        players[hearer].rivals.heard(at(second), theirs, ours);
                    }
                }
            }
            players[hearer].rivals.take_turn(at(second), true, 0);
        }
        // A master gets its slaves if no other master on its networks takes them.
        if let [alone] = senders[..] {
            players[alone].needs -= 1;
        }
    }
    0
}

#[test]
fn masters_on_one_network_go_one_after_another() {
    let mut players: Vec<_> = (1..=4).map(|number| Player::new(number, &[Some(10 - number)], 3)).collect();
    let took = play(&mut players, |_, _, _| false);
    assert!(took < 40, "{took}");
}

#[test]
fn masters_on_two_networks_agree_though_each_has_the_lower_address_on_one() {
    let mut players = [Player::new(1, &[Some(1), Some(9)], 3), Player::new(2, &[Some(2), Some(3)], 3)];
    let took = play(&mut players, |_, _, _| false);
    assert!(took < 20, "{took}");
    let chain = [&[Some(1), None, Some(8)], &[Some(5), Some(2), None], &[None, Some(7), Some(3)]];
    let mut players: Vec<_> = (1..).zip(chain).map(|(number, addresses)| Player::new(number, addresses, 3)).collect();
    assert!(play(&mut players, |_, _, _| false) < 60);
}

#[test]
fn lost_probes_and_a_master_that_hears_nothing_cost_time_only() {
    for seed in 0..20_u64 {
        let players = || [Player::new(1, &[Some(1)], 3), Player::new(2, &[Some(2)], 3)];
        // Three of four probes get lost at random.
        let roll = |second: u64, from: usize| {
            let number = second * 31 + seed * 17 + u64::try_from(from).unwrap() * 7;
            ((number * 2_654_435_761) >> 16) & 3
        };
        play(&mut players(), |second, from, _| roll(second, from) != 0);
        // One of the two is deaf.
        for deaf in [0, 1] {
            let took = play(&mut players(), |_, _, to| to == deaf);
            assert!(took < 60, "{took}");
        }
    }
}
