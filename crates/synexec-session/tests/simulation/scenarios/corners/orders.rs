//! One slave, and masters that give orders out of turn.

use synexec_proto::message::{CONF_MAX, Message, Reason, TaskProgress};
use synexec_proto::wire::Command;
use synexec_session::slave::{Action, LEAD_MAX};

use synexec_sim::{Bench, Plan, Refusal, millis, secs};

use super::{HELD, assert_back_in_discovery, begin, conf, ends, long, part, running};

#[test]
fn the_hello_and_the_answer_to_a_probe() {
    let mut bench = Bench::new(Plan::default());
    bench.connect();
    let hello = bench.sent();
    assert!(matches!(&hello[..], [Message::Reply(Some(block))] if block.name == "vm"), "{hello:?}");
    bench.tell([Message::Probe(None)]);
    assert_eq!(bench.sent(), [Message::Reply(None)]);
}

#[test]
fn exec_before_a_conf_is_refused() {
    let mut bench = Bench::joined(Plan::default());
    bench.tell([Message::Exec(None), begin(9), Message::Exec(None)]);
    let no = Message::ExecNo(Some(Reason::new("there is no conf to run")));
    assert_eq!(bench.sent(), [no.clone(), no]);
    assert_back_in_discovery(&mut bench);
}

#[test]
fn exec_while_the_task_runs_is_refused_and_does_not_disturb_it() {
    let mut bench = running(Plan::default());
    bench.tell([Message::Exec(None), Message::Probe(None), conf("/bin/other")]);
    let running = Some(Reason::new("a task is running"));
    let refused = [Message::ExecNo(running.clone()), Message::Reply(None), Message::ConfNo(running)];
    let mut sent = bench.sent();
    sent.retain(|message| !matches!(message, Message::Running(_)));
    assert_eq!(sent, refused);
    bench.wait(secs(2));
    assert!(matches!(bench.sent()[..], [Message::TaskEnded(_)]));
}

#[test]
fn exec_again_after_the_end_runs_it_again() {
    let mut bench = running(Plan::default());
    bench.wait(secs(2));
    bench.tell([Message::Exec(None)]);
    bench.wait(secs(2));
    let sent = bench.sent();
    assert!(matches!(sent[..], [Message::TaskEnded(_), Message::ExecOk(None), Message::TaskEnded(_)]), "{sent:?}");
    assert_eq!((ends(&bench).len(), bench.slave.did(&Action::Release { at: None })), (2, 2));
}

#[test]
fn exec_after_a_failed_start_tries_again() {
    let mut bench = Bench::joined(Plan { refusal: Some(Refusal::Start), ..Plan::default() });
    bench.tell([conf("/bin/task"), Message::Exec(None)]);
    bench.wait(secs(1));
    bench.slave.host.plan.refusal = None;
    bench.tell([Message::Exec(None)]);
    bench.wait(secs(2));
    let sent = bench.sent();
    let [HELD, Message::ExecNo(Some(_)), Message::ExecOk(None), Message::TaskEnded(_)] = &sent[..] else {
        panic!("{sent:?}");
    };
}

#[test]
fn the_last_word_after_a_refused_order_does_not_start_the_one_before() {
    let mut bench = Bench::joined(Plan::default());
    let [first, second] = [secs(1), LEAD_MAX + secs(1)].map(|ahead| bench.now.plus(ahead));
    bench.tell([conf("/bin/task"), Message::Exec(Some(first)), Message::Exec(Some(second)), Message::Go]);
    bench.wait(secs(5));
    let sent = bench.sent();
    let [HELD, Message::ExecOk(Some(_)), Message::ExecNo(Some(_)), Message::ExecNo(Some(_))] = &sent[..] else {
        panic!("{sent:?}");
    };
    assert_eq!(ends(&bench).len(), 0);
}

#[test]
fn another_conf_replaces_the_first_whole_or_not() {
    let mut bench = Bench::joined(Plan::default());
    bench.tell([conf("/bin/first"), begin(9), part("/bin/"), begin(10), part("/bin/"), part("third"), part("x")]);
    assert_eq!(bench.sent(), [HELD, HELD]);
    assert_eq!(bench.slave.host.confs, [b"/bin/first", b"/bin/third"]);
    assert_eq!(bench.slave.did(&Action::Discard), 2);
}

#[test]
fn a_conf_that_replaces_one_in_preparation_has_its_own_answer() {
    let mut bench = Bench::joined(Plan { prepares: secs(1), ..Plan::default() });
    bench.tell([conf("/bin/first")]);
    bench.wait(millis(500));
    bench.tell([conf("/bin/second")]);
    bench.wait(millis(900));
    assert_eq!(bench.sent(), []);
    bench.wait(millis(200));
    assert_eq!(bench.sent(), [HELD]);
}

#[test]
fn a_conf_longer_than_announced_or_allowed_is_declined() {
    let mut bench = Bench::joined(Plan::default());
    bench.tell([begin(3), part("/bin/x"), part("y"), begin(CONF_MAX + 1), part("/bin/x"), Message::Exec(None)]);
    let sent = bench.sent();
    let [Message::ConfNo(Some(_)), Message::ConfNo(Some(_)), Message::ExecNo(Some(_))] = &sent[..] else {
        panic!("{sent:?}");
    };
    assert_back_in_discovery(&mut bench);
}

#[test]
fn an_unknown_command_is_skipped() {
    let mut bench = running(Plan::default());
    let running = Message::Running(TaskProgress::default());
    bench.tell([running, Message::Ignored(Command::Unknown(99)), HELD]);
    bench.wait(secs(2));
    assert!(matches!(bench.sent()[..], [Message::TaskEnded(_)]));
}

#[test]
fn an_original_master_hears_version_one_only() {
    let mut bench = Bench::joined_original(Plan::default());
    bench.tell([Message::Exec(None), conf("/bin/task"), Message::Exec(None)]);
    bench.wait(secs(2));
    let sent = bench.sent();
    let [Message::ExecNo(None), Message::ConfOk(None), Message::ExecOk(None), Message::Finished(_)] = sent[..] else {
        panic!("{sent:?}");
    };
    let mut bench = Bench::joined_original(Plan { refusal: Some(Refusal::Conf), ..Plan::default() });
    bench.tell([conf("/bin/task")]);
    assert_eq!(bench.sent(), [Message::ConfNo(None)]);
}

#[test]
fn extensions_that_were_not_agreed_are_read_past() {
    let mut bench = Bench::joined_original(long());
    bench.tell([begin(9), part("/bin/task"), Message::Exec(None), conf("/bin/task"), Message::Exec(None)]);
    bench.wait(millis(10));
    assert_eq!(bench.sent(), [Message::ExecNo(None), Message::ConfOk(None), Message::ExecOk(None)]);
    bench.tell([Message::Stop]);
    bench.wait(secs(20));
    assert_eq!(bench.sent(), []);
}

#[test]
fn a_conf_above_the_limit_is_declined_before_anything_of_it_is_stored() {
    let mut bench = Bench::joined(Plan { max_conf: 9, ..Plan::default() });
    bench.tell([begin(10), part("/bin/task")]);
    bench.tell([conf("/bin/task1")]);
    let refusal = Message::ConfNo(Some(Reason::new("the conf has 10 bytes; this slave takes at most 9 (--max-conf)")));
    assert_eq!(bench.sent(), [refusal.clone(), refusal]);
    assert!(bench.slave.log.iter().all(|(_, action)| !matches!(action, Action::BeginConf(_) | Action::StoreConf(_))));
    bench.tell([conf("/bin/task")]);
    bench.wait(millis(1));
    assert!(matches!(bench.sent()[..], [Message::ConfOk(_)]));
}
