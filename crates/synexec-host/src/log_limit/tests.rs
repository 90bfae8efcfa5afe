use super::*;

const REFUSED: Kind = Kind::of_strangers("refused connections");
const JOINED: Kind = Kind::of_peers("slaves that joined", 3);

fn at(seconds: u64) -> MonotonicInstant {
    MonotonicInstant::from_nanos(seconds * 1_000_000_000)
}

fn texts(counts: &[Count]) -> Vec<String> {
    counts.iter().map(Count::to_string).collect()
}

#[test]
fn each_source_is_told_once_and_the_rest_is_counted() {
    let mut limit = LogLimit::new();
    assert!(limit.take(at(0), REFUSED, Level::Warn, "10.0.0.1"));
    assert!(!limit.take(at(0), REFUSED, Level::Warn, "10.0.0.1"));
    assert!(limit.take(at(1), REFUSED, Level::Warn, "10.0.0.2"));
    for _ in 0..1233 {
        assert!(!limit.take(at(2), REFUSED, Level::Warn, "10.0.0.1"));
    }
    assert!(limit.take(at(2), JOINED, Level::Info, "vm1"), "another kind has its own limit");
    assert_eq!((limit.due(at(9)), limit.deadline()), (Vec::new(), Some(at(10))));
    let told = texts(&limit.due(at(10)));
    assert_eq!(told, ["refused connections: 1234 more in the last 10 s (latest: 10.0.0.1)"]);
    assert_eq!(limit.due(at(11)), []);
}

#[test]
fn counts_become_rarer_while_the_lines_go_on_and_a_quiet_kind_begins_anew() {
    let mut limit = LogLimit::new();
    let mut told = Vec::new();
    for second in 0..20_000 {
        if limit.take(at(second), REFUSED, Level::Warn, "10.0.0.1") {
            assert_eq!(second, 0);
        }
        told.extend((!limit.due(at(second)).is_empty()).then_some(second));
    }
    assert_eq!(told, [10, 30, 70, 150, 310, 630, 1270, 2550, 5110, 8710, 12_310, 15_910, 19_510]);
    assert_eq!(limit.due(at(23_110)).len(), 1);
    assert_eq!((limit.due(at(26_710)), limit.deadline()), (Vec::new(), None), "nothing is remembered");
    assert!(limit.take(at(26_711), REFUSED, Level::Warn, "10.0.0.1"));
}

#[test]
fn lines_of_honest_peers_are_told_up_to_a_number_in_each_window() {
    let mut limit = LogLimit::new();
    let mut told = |second, lines: u32| {
        let counts = texts(&limit.due(at(second)));
        let told = (0..lines).filter(|_| limit.take(at(second), JOINED, Level::Info, "vm1")).count();
        (told, counts)
    };
    assert_eq!(told(0, 2), (2, vec![]));
    assert_eq!(told(10, 3), (3, vec![]), "as many again");
    assert_eq!(told(12, 5), (0, vec![]));
    assert_eq!(told(20, 4), (3, vec!["slaves that joined: 5 more in the last 10 s (latest: vm1)".to_owned()]));
    assert_eq!(told(40, 0).1.len(), 1);
}

#[test]
fn the_last_count_is_told_at_the_end_with_the_most_important_level() {
    let mut limit = LogLimit::new();
    for level in [Level::Warn, Level::Debug, Level::Warn, Level::Info] {
        limit.take(at(0), REFUSED, level, "10.0.0.1");
    }
    let rest = limit.rest(at(0));
    assert_eq!(
        (rest[0].level, texts(&rest)),
        (Level::Warn, vec!["refused connections: 3 more in the last 1 s (latest: 10.0.0.1)".to_owned()])
    );
    assert_eq!(limit.rest(at(5)), []);
}

#[test]
fn no_line_is_lost_and_memory_is_limited() {
    let (mut limit, mut now, mut told, mut counted) = (LogLimit::new(), 0, 0, 0);
    // A linear congruential generator chooses the pauses and the sources.
    let mut dice = 1_u64;
    for _ in 0..20_000 {
        dice = dice.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        now += if dice >> 55 == 0 { 40 } else { dice >> 62 };
        counted += limit.due(at(now)).iter().map(|count| count.lines).sum::<u64>();
        let kind = if dice >> 40 & 1 == 0 { REFUSED } else { JOINED };
        told += u64::from(limit.take(at(now), kind, Level::Info, &(dice >> 32 & 63).to_string()));
        let kept: usize = limit.kinds.values().map(|window| window.sources.len()).sum();
        assert!(kept <= SOURCES_MAX && limit.kinds.len() <= 2);
    }
    counted += limit.rest(at(now)).iter().map(|count| count.lines).sum::<u64>();
    assert_eq!(told + counted, 20_000);
    assert!((20..1000).contains(&told), "{told}");
}
