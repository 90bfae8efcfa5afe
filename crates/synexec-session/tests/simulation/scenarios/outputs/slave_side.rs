//! One slave, and how it answers a FETCH.

use std::time::Duration;

use synexec_proto::message::{Fetch, Message, OutputMark};

use synexec_sim::{Bench, Plan, millis, secs};

use super::writes;

/// The bytes and the marks with which a slave answers a FETCH.
fn given(bench: &mut Bench, offset: u64, length: u32, follow: bool) -> (Vec<u8>, Vec<OutputMark>) {
    bench.tell([Message::Fetch(Fetch { offset, length, follow, ..Fetch::default() })]);
    let (mut bytes, mut marks) = (Vec::new(), Vec::new());
    for message in bench.sent() {
        match message {
            Message::OutputPart(part) => bytes.extend_from_slice(&part),
            Message::OutputMark(mark) => marks.push(mark),
            other => panic!("{other:?}"),
        }
    }
    (bytes, marks)
}

/// A slave whose task writes a byte each millisecond for a second. The task has run for this time.
fn writing(time: Duration) -> Bench {
    let mut bench = Bench::joined(Plan { spawns: Duration::ZERO, ..writes(1000) });
    bench.tell([Message::Conf(b"/bin/task".to_vec()), Message::Exec(None)]);
    bench.wait(time);
    bench.sent();
    bench
}

#[test]
fn a_slave_gives_what_is_there_unless_it_is_to_wait() {
    let mut bench = writing(millis(500));
    let written = bench.slave.host.output();
    let mark = |position| vec![OutputMark { position, is_end: false, digest: None }];
    assert_eq!(given(&mut bench, 0, 200, false), (written[..200].to_vec(), mark(200)));
    assert_eq!(given(&mut bench, 200, 1000, true), (written[200..500].to_vec(), mark(500)));
    assert_eq!(given(&mut bench, 500, 1000, false), (Vec::new(), mark(500)));
    assert_eq!(given(&mut bench, 500, 1000, true), (Vec::new(), Vec::new()));
    bench.wait(millis(60));
    assert!(matches!(&bench.sent()[..], [Message::OutputPart(_), Message::OutputMark(mark)] if !mark.is_end));
    bench.wait(secs(1));
    assert!(matches!(bench.sent()[..], [Message::TaskEnded(_)]), "the slave sends no output without a FETCH");
    let (rest, marks) = given(&mut bench, 900, 1000, true);
    assert_eq!((&rest[..], marks[0].position, marks[0].is_end), (&written[900..], 1000, true));
}

#[test]
fn the_end_of_a_task_is_told_before_the_rest_of_what_it_wrote() {
    let mut bench = writing(millis(999));
    assert_eq!(given(&mut bench, 999, 1000, true), (Vec::new(), Vec::new()));
    bench.wait(secs(1));
    let sent = bench.sent();
    let [Message::TaskEnded(_), Message::OutputPart(_), Message::OutputMark(OutputMark { is_end: true, .. })] =
        sent[..]
    else {
        panic!("{sent:?}");
    };
}

#[test]
fn a_slave_without_a_task_has_no_output() {
    let refused = |bench: &mut Bench| {
        bench.sent();
        bench.tell([Message::Fetch(Fetch { length: 10, follow: true, ..Fetch::default() })]);
        let sent = bench.sent();
        assert!(matches!(sent[..], [Message::OutputNo(Some(_))]), "{sent:?}");
    };
    let mut bench = Bench::joined(writes(1000));
    refused(&mut bench);
    bench.tell([Message::Conf(b"/bin/task".to_vec())]);
    refused(&mut bench);
    bench.tell([Message::Exec(None)]);
    bench.wait(secs(2));
    bench.tell([Message::Conf(b"/bin/other".to_vec())]);
    refused(&mut bench);
}

#[test]
fn what_a_lost_master_waited_for_is_not_given_to_the_next() {
    let mut bench = writing(Duration::ZERO);
    assert_eq!(given(&mut bench, 1000, 10, true), (Vec::new(), Vec::new()));
    bench.close();
    bench.wait(secs(2));
    bench.connect();
    bench.wait(secs(2));
    let sent = bench.sent();
    assert!(matches!(sent[..], [Message::Reply(Some(_))]), "{sent:?}");
}
