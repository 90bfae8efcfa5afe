//! One slave that suspects its connection, and what its master does on the second one.

use synexec_proto::message::{Capabilities, ConfBegin, Message, ResumeToken};
use synexec_proto::task_end::TaskEnd;
use synexec_session::slave::ExitCause;

use synexec_sim::{Bench, Plan, millis, runs, secs};

const TOKEN: ResumeToken = ResumeToken::new([9; 16]);

/// A slave that runs a task for a master that has promised a heartbeat of five seconds, or none.
fn running(plan: Plan, promises: bool) -> Bench {
    let mut bench = Bench::joined(Plan { reconnect: secs(10), ..plan });
    let (token, heartbeat) = (Some(TOKEN), promises.then_some(secs(5)));
    let begin = ConfBegin { slaves: 1, length: 10, token, heartbeat, ..ConfBegin::default() };
    bench.tell([Message::ConfBegin(begin), Message::ConfPart(b"/bin/task\n".to_vec()), Message::Exec(None)]);
    bench.wait(millis(500));
    bench.sent();
    bench
}

/// The same after the master has been silent for too long, with a second connection that the master has accepted.
fn suspecting(plan: Plan) -> Bench {
    let mut bench = running(plan, true);
    bench.wait(secs(7));
    assert!(bench.has_second());
    bench.connect_second();
    let hello = bench.sent_on_second();
    assert!(matches!(&hello[..], [Message::Reply(Some(block))] if block.token == Some(TOKEN)), "{hello:?}");
    bench
}

fn probe(token: Option<ResumeToken>) -> Message {
    Message::Probe(Some(Capabilities::ours("control").resuming(token)))
}

#[test]
fn the_session_moves_to_it_when_the_master_knows_the_token() {
    let mut bench = suspecting(runs(secs(9)));
    bench.tell_on_second(&probe(Some(TOKEN)));
    assert!(bench.is_connected() && !bench.has_second());
    assert_eq!(bench.sent(), [Message::Reply(None)]);
    bench.wait(secs(2));
    assert!(matches!(bench.sent()[..], [Message::TaskEnded(_)]));
    bench.tell([Message::Ack]);
    bench.wait(secs(7));
    assert!(!bench.has_second());
}

#[test]
fn nothing_is_dialled_for_a_master_that_has_promised_nothing() {
    let mut bench = running(runs(secs(9)), false);
    bench.wait(secs(1000));
    assert!(!bench.has_second() && bench.is_connected());
}

#[test]
fn a_heartbeat_keeps_the_connection_trusted() {
    let mut bench = running(runs(secs(100)), true);
    for _ in 0..10 {
        bench.wait(secs(6));
        bench.tell([Message::Probe(None)]);
        assert!(!bench.has_second());
    }
}

#[test]
fn an_end_that_is_not_acknowledged_makes_the_connection_suspicious() {
    let mut bench = running(runs(secs(2)), true);
    bench.wait(millis(1600));
    assert!(matches!(bench.sent()[..], [Message::TaskEnded(_)]));
    bench.wait(millis(1800));
    assert!(!bench.has_second());
    bench.wait(millis(200));
    bench.connect_second();
    bench.tell_on_second(&probe(Some(TOKEN)));
    assert!(matches!(bench.sent()[..], [Message::Reply(None), Message::TaskEnded(_)]));
}

#[test]
fn it_is_closed_when_the_master_speaks_on_the_first_connection() {
    let mut bench = suspecting(runs(secs(100)));
    bench.tell([Message::Probe(None)]);
    assert!(bench.is_connected() && !bench.has_second());
    assert!(matches!(bench.sent()[..], [Message::Reply(None), Message::Running(_)]));
}

#[test]
fn a_master_that_does_not_know_the_slave_there_does_not_end_the_session() {
    for answer in [probe(None), probe(Some(ResumeToken::new([8; 16]))), Message::Probe(None), Message::Bye(None)] {
        let mut bench = suspecting(runs(secs(100)));
        bench.tell_on_second(&answer);
        assert!(bench.is_connected() && !bench.has_second());
        bench.wait(secs(2));
        assert!(bench.has_second() && bench.sent().is_empty(), "the slave tries again");
        bench.tell([Message::Stop]);
        assert_eq!(bench.slave.host.runs[0].ended.map(|(_, end)| end), None);
        bench.wait(secs(1));
        assert_eq!(bench.slave.host.runs[0].ended.unwrap().1, TaskEnd::Killed(15), "{answer:?}");
    }
}

#[test]
fn one_on_which_the_master_says_nothing_is_replaced_in_time() {
    let mut bench = suspecting(runs(secs(100)));
    bench.wait(millis(5100));
    assert!(!bench.has_second() && bench.is_connected());
    bench.wait(secs(2));
    bench.connect_second();
    bench.tell_on_second(&probe(Some(TOKEN)));
    assert!(bench.is_connected() && !bench.has_second());
}

#[test]
fn it_takes_the_place_of_a_first_one_that_breaks() {
    let mut bench = suspecting(runs(secs(100)));
    bench.close();
    assert!(bench.is_connected() && !bench.has_second());
    bench.tell([probe(Some(TOKEN))]);
    assert_eq!(bench.sent(), [Message::Reply(None)]);
}

#[test]
fn one_that_breaks_is_dialled_again_and_the_first_one_stays() {
    let mut bench = suspecting(runs(secs(100)));
    for _ in 0..100 {
        bench.close_second();
        assert!(bench.is_connected() && !bench.has_second());
        bench.wait(millis(100));
        bench.connect_second();
    }
    assert!((1..8).contains(&bench.sent_on_second().len()));
}

#[test]
fn a_slave_that_is_shut_down_closes_both() {
    let mut bench = suspecting(runs(secs(100)));
    bench.shut_down();
    // The master may still fetch the output.
    bench.wait(secs(11));
    assert!(!bench.is_connected() && !bench.has_second());
    assert!(matches!(bench.slave.exit(), Some(ExitCause::Interrupted(_))));
}
