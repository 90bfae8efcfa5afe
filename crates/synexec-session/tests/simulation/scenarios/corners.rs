//! One slave, and masters that do not go the straight way.

use std::time::Duration;

use synexec_proto::defaults::STOP_GRACE;
use synexec_proto::message::{CONF_MAX, ConfBegin, Held, Hold, Message, Reason, TaskProgress};
use synexec_proto::task_end::TaskEnd;
use synexec_proto::wire::Command;
use synexec_session::interrupt::Interrupt;
use synexec_session::slave::{Action, ExitCause, LEAD_MAX, StopSignal};

use synexec_sim::{Bench, Plan, Refusal, millis, secs};

const HELD: Message = Message::ConfOk(Some(Held::AtFirstInstruction));

fn conf(text: &str) -> Message {
    Message::Conf(text.into())
}

fn part(text: &str) -> Message {
    Message::ConfPart(text.into())
}

fn begin(length: u64) -> Message {
    Message::ConfBegin(ConfBegin { rank: 0, slaves: 1, length, progress: None, token: None })
}

fn long() -> Plan {
    Plan { runs: secs(1000), ..Plan::default() }
}

/// A slave whose task runs.
fn running(plan: Plan) -> Bench {
    let mut bench = Bench::joined(plan);
    bench.tell([conf("/bin/task"), Message::Exec(None)]);
    bench.wait(millis(10));
    assert_eq!(bench.sent(), [HELD, Message::ExecOk(None)]);
    bench
}

fn ends(bench: &Bench) -> Vec<TaskEnd> {
    bench.slave.host.runs.iter().filter_map(|run| run.ended).map(|(_, end)| end).collect()
}

fn is_back_in_discovery(bench: &mut Bench) {
    bench.close();
    bench.wait(secs(20));
    assert!(bench.slave.in_discovery_since().is_some());
    assert!(!bench.slave.host.is_busy(bench.now));
}

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
    is_back_in_discovery(&mut bench);
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
fn an_end_that_was_not_reported_yet_cannot_be_acknowledged() {
    let mut bench = running(Plan { straggles: secs(2), ..long() });
    bench.tell([Message::Stop]);
    bench.wait(secs(1));
    bench.tell([Message::Ack]);
    bench.wait(secs(2));
    assert!(matches!(bench.sent()[..], [Message::TaskEnded(_)]));
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
    is_back_in_discovery(&mut bench);
}

#[test]
fn what_a_slave_does_not_know_is_read_past() {
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

#[test]
fn stop_ends_the_task_and_leaves_the_session() {
    let mut bench = running(long());
    bench.tell([Message::Stop, Message::Stop]);
    bench.wait(millis(100));
    assert!(matches!(bench.sent()[..], [Message::TaskEnded(_)]));
    assert_eq!(bench.slave.did(&Action::Signal(StopSignal::Terminate)), 1);
    bench.tell([Message::Stop, Message::Exec(None)]);
    bench.wait(millis(100));
    assert_eq!(bench.sent(), [Message::ExecOk(None)]);
}

#[test]
fn the_session_goes_on_only_when_what_a_stopped_task_left_is_gone() {
    let mut bench = running(Plan { straggles: secs(2), ..long() });
    bench.tell([Message::Stop]);
    bench.wait(secs(1));
    bench.tell([Message::Exec(None)]);
    bench.wait(millis(1100));
    bench.tell([Message::Exec(None)]);
    bench.wait(millis(10));
    let sent = bench.sent();
    assert!(matches!(sent[..], [Message::ExecNo(_), Message::TaskEnded(_), Message::ExecOk(None)]), "{sent:?}");
}

#[test]
fn what_a_task_left_that_ended_by_itself_ends_with_the_session() {
    for (straggles, most) in [(secs(3), millis(2100)), (secs(1000), millis(5100))] {
        let mut bench = running(Plan { straggles, ..Plan::default() });
        bench.wait(secs(2));
        assert!(matches!(bench.sent()[..], [Message::TaskEnded(_)]), "its end is told at once");
        let over_at = bench.now;
        bench.close();
        bench.wait(secs(20));
        let back_at = bench.slave.in_discovery_since().unwrap();
        assert!(back_at.since(over_at) < most && !bench.slave.host.is_busy(back_at), "{:?}", back_at.since(over_at));
        assert_eq!(bench.slave.did(&Action::Signal(StopSignal::Terminate)), 1);
    }
}

#[test]
fn what_is_held_for_another_round_does_not_keep_the_rest_from_ending() {
    let mut bench = running(Plan { straggles: secs(1000), ..Plan::default() });
    bench.wait(secs(2));
    bench.tell([Message::Hold(Hold { round: 2 })]);
    bench.wait(millis(1));
    bench.close();
    assert_eq!(bench.slave.did(&Action::Discard), 1);
    bench.wait(secs(6));
    assert!(bench.slave.in_discovery_since().is_some());
    assert_eq!(bench.slave.did(&Action::Discard), 1);
}

#[test]
fn what_a_task_left_and_has_ended_before_the_session_is_not_signalled() {
    let mut bench = running(Plan { straggles: secs(1), ..Plan::default() });
    bench.wait(secs(3));
    is_back_in_discovery(&mut bench);
    assert_eq!(bench.slave.did(&Action::Signal(StopSignal::Terminate)), 0);
}

#[test]
fn a_user_who_says_it_twice_does_not_wait_for_what_a_task_left() {
    let mut bench = running(Plan { straggles: secs(1000), ..Plan::default() });
    bench.wait(secs(2));
    bench.shut_down();
    bench.wait(secs(1));
    assert_eq!(bench.slave.exit(), None);
    bench.shut_down();
    assert!(bench.slave.exit().is_some());
    assert_eq!(bench.slave.did(&Action::Signal(StopSignal::Kill)), 1);
}

#[test]
fn a_user_who_says_it_twice_does_not_wait() {
    let mut bench = running(Plan { ignores_sigterm: true, ..long() });
    bench.shut_down();
    bench.wait(secs(1));
    assert_eq!(ends(&bench), []);
    bench.shut_down();
    bench.wait(millis(10));
    assert_eq!(ends(&bench), [TaskEnd::Killed(9)]);
    assert!(matches!(bench.sent()[..], [Message::TaskEnded(_), Message::Bye]));
    assert_eq!(bench.slave.exit(), Some(ExitCause::Interrupted(Interrupt::Terminate)));
    assert!(!bench.is_connected());
}

#[test]
fn a_user_who_says_it_once_waits_for_the_task_at_most_the_grace() {
    let mut bench = running(Plan { ignores_sigterm: true, ..long() });
    bench.shut_down();
    bench.wait(STOP_GRACE);
    bench.wait(millis(10));
    assert_eq!(ends(&bench), [TaskEnd::Killed(9)]);
    assert!(bench.slave.exit().is_some());
}

#[test]
fn one_that_is_refused_tries_again() {
    for dials in [false, true] {
        let mut bench = Bench::new(Plan { dials, ..Plan::default() });
        for _ in 0..3 {
            bench.wait(secs(1));
            bench.connect();
            bench.close();
            bench.wait(secs(1));
            assert!(bench.slave.in_discovery_since().is_some());
            bench.refuse();
        }
    }
}

#[test]
fn what_is_left_of_a_lost_session_does_not_reach_the_next() {
    let mut bench = Bench::joined(Plan { prepares: secs(1), ..Plan::default() });
    bench.tell([conf("/bin/task")]);
    bench.close();
    bench.connect();
    bench.wait(secs(2));
    bench.tell([Message::Exec(None)]);
    let sent = bench.sent();
    assert!(matches!(sent[..], [Message::Reply(Some(_)), Message::ExecNo(None)]), "{sent:?}");
    assert_eq!(bench.slave.host.runs, []);
}

#[test]
fn a_lost_master_leaves_no_task() {
    let mut bench = running(long());
    bench.wait(Duration::from_secs(3));
    is_back_in_discovery(&mut bench);
    assert_eq!(ends(&bench), [TaskEnd::Killed(15)]);
}

#[test]
fn a_connection_that_ends_before_it_was_told_to_stand_sends_the_slave_back_to_discovery() {
    let mut bench = Bench::new(Plan::default());
    bench.connect_and_close();
    bench.wait(secs(10));
    assert_eq!(bench.slave.did(&Action::Listen), 2);
}

#[test]
fn a_user_who_says_it_twice_during_a_start_does_not_wait() {
    let mut bench = Bench::joined(Plan { spawns: secs(1), runs: secs(100), ignores_sigterm: true, ..Plan::default() });
    bench.tell([Message::Conf(b"/bin/task".to_vec()), Message::Exec(None)]);
    bench.shut_down();
    bench.shut_down();
    bench.wait(millis(1100));
    assert_eq!(bench.slave.host.runs, [], "it was killed before its first instruction");
    assert_eq!(bench.slave.exit(), Some(ExitCause::Interrupted(Interrupt::Terminate)));
}
