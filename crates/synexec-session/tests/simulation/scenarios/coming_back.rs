//! One slave that reconnects, and the masters that it finds.

use std::time::Duration;

use synexec_proto::message::{Capabilities, ConfBegin, Message, ResumeToken};
use synexec_proto::task_end::TaskEnd;
use synexec_session::slave::{Action, ExitCause};

use synexec_sim::{Bench, Plan, millis, secs};

const TOKEN: ResumeToken = ResumeToken::new([9; 16]);

fn runs(time: Duration) -> Plan {
    Plan { runs: time, reconnect: secs(10), ..Plan::default() }
}

/// A slave that runs a task for a master of ours and has a token from this master.
fn running(plan: Plan) -> Bench {
    let mut bench = Bench::joined(plan);
    let begin = ConfBegin { rank: 0, slaves: 1, length: 10, progress: None, token: Some(TOKEN), heartbeat: None };
    bench.tell([Message::ConfBegin(begin), Message::ConfPart(b"/bin/task\n".to_vec()), Message::Exec(None)]);
    bench.wait(millis(500));
    bench.sent();
    bench
}

fn is_hello_with(message: &Message, token: Option<ResumeToken>) -> bool {
    matches!(message, Message::Reply(Some(block)) if block.token == token)
}

fn dials(bench: &Bench) -> usize {
    bench.slave.log.iter().filter(|(_, action)| matches!(action, Action::Connect(_))).count()
}

fn ours() -> Capabilities {
    Capabilities::ours("control")
}

#[test]
fn another_master_at_the_same_place_is_not_given_the_result() {
    let mut bench = running(runs(secs(1)));
    bench.close();
    bench.wait(secs(2));
    bench.connect();
    let sent = bench.sent();
    assert!(matches!(&sent[..], [hello] if is_hello_with(hello, Some(TOKEN))), "{sent:?}");
    bench.tell([Message::Probe(Some(ours()))]);
    bench.wait(secs(1));
    assert_eq!((bench.sent(), bench.is_connected()), (vec![], false));
    bench.connect();
    let sent = bench.sent();
    assert!(matches!(&sent[..], [hello] if is_hello_with(hello, None)), "the slave says an ordinary hello: {sent:?}");
}

#[test]
fn another_master_that_only_knows_version_one_is_not_given_the_result() {
    let mut bench = running(runs(secs(1)));
    bench.close();
    bench.wait(secs(2));
    bench.connect();
    bench.sent();
    bench.tell([Message::Probe(None), Message::Exec(None)]);
    bench.wait(secs(1));
    assert_eq!((bench.sent(), bench.is_connected()), (vec![], false));
}

#[test]
fn another_master_with_another_token_is_not_obeyed() {
    let mut bench = running(runs(secs(100)));
    bench.close();
    bench.connect();
    bench.sent();
    bench.tell([Message::Stop, Message::Probe(Some(ours().resuming(Some(ResumeToken::new([8; 16])))))]);
    bench.wait(secs(1));
    assert_eq!((bench.sent(), bench.is_connected()), (vec![], false));
    assert_eq!(bench.slave.host.runs[0].ended.unwrap().1, TaskEnd::Killed(15), "the session of the task is over");
}

#[test]
fn nothing_is_said_or_obeyed_before_it_was_recognised() {
    let mut bench = running(Plan { writes: 1000, ..runs(millis(700)) });
    bench.close();
    bench.connect();
    bench.sent();
    bench.wait(secs(1));
    assert_eq!(bench.sent(), vec![], "the task has ended meanwhile");
    bench.tell([Message::Probe(Some(ours().resuming(Some(TOKEN))))]);
    let sent = bench.sent();
    assert!(matches!(&sent[..], [Message::Reply(None), Message::TaskEnded(_)]), "{sent:?}");
    bench.tell([Message::Ack, Message::Bye]);
    bench.wait(secs(1));
    assert_eq!((bench.sent(), bench.is_connected()), (vec![], false));
}

#[test]
fn a_master_that_takes_the_connection_and_says_nothing_is_given_up_in_time() {
    let mut bench = running(runs(secs(100)));
    bench.close();
    bench.connect();
    bench.wait(millis(9990));
    assert!(bench.is_connected());
    bench.wait(millis(20));
    assert!(!bench.is_connected() && bench.slave.host.runs[0].ended.is_some());
}

#[test]
fn a_master_that_resets_who_comes_back_is_not_dialled_all_the_time() {
    let mut bench = running(runs(secs(100)));
    bench.close();
    for _ in 0..1000 {
        bench.connect();
        bench.close();
        bench.wait(millis(5));
    }
    let hellos = bench.sent().iter().filter(|message| is_hello_with(message, Some(TOKEN))).count();
    assert!((5..15).contains(&hellos), "{hellos}");
}

#[test]
fn a_master_that_recognises_and_resets_is_not_dialled_all_the_time() {
    let mut bench = running(runs(secs(100)));
    bench.close();
    for _ in 0..1000 {
        bench.connect();
        bench.tell([Message::Probe(Some(ours().resuming(Some(TOKEN))))]);
        bench.close();
        bench.wait(millis(5));
    }
    let hellos = bench.sent().iter().filter(|message| is_hello_with(message, Some(TOKEN))).count();
    assert!((5..15).contains(&hellos), "{hellos}");
}

#[test]
fn a_master_that_says_bye_is_not_tried_again() {
    let mut bench = running(runs(secs(100)));
    bench.tell([Message::Bye]);
    bench.wait(secs(1));
    assert!(!bench.is_connected());
    assert_eq!(bench.slave.host.runs[0].ended.unwrap().1, TaskEnd::Killed(15));
}

#[test]
fn an_older_master_that_closes_the_connection_has_ended_the_session() {
    let mut bench = Bench::new(runs(secs(100)));
    bench.connect();
    let older = Capabilities::decode(b"SYNX\x00\x01\x00\x00\x00\x00\x00\x00\x00\x7f").unwrap();
    let begin = ConfBegin { rank: 0, slaves: 1, length: 10, progress: None, token: None, heartbeat: None };
    bench.tell([Message::Probe(older), Message::ConfBegin(begin), Message::ConfPart(b"/bin/task\n".to_vec())]);
    bench.tell([Message::Exec(None)]);
    bench.wait(millis(500));
    bench.close();
    bench.wait(millis(10));
    assert_eq!(bench.slave.host.runs[0].ended.unwrap().1, TaskEnd::Killed(15));
    assert!(!bench.sent().contains(&Message::Bye));
}

/// A slave that was told to start its task again. The first run of the task left processes behind.
#[test]
fn one_that_is_shut_down_before_its_task_is_held_again_ends_what_is_left_and_does_not_come_back() {
    let mut bench = running(Plan { prepares: millis(700), straggles: secs(8), ..runs(secs(1)) });
    bench.wait(secs(2));
    bench.tell([Message::Exec(None)]);
    bench.close();
    bench.refuse();
    bench.shut_down();
    bench.wait(millis(600));
    bench.refuse();
    let before = dials(&bench);
    bench.wait(secs(20));
    assert_eq!(dials(&bench), before);
    assert!(matches!(bench.slave.exit(), Some(ExitCause::Interrupted(_))));
}
