//! One slave: how its task, its session and its program end.

use std::time::Duration;

use synexec_proto::defaults::STOP_GRACE;
use synexec_proto::message::{Hold, Message};
use synexec_proto::task_end::TaskEnd;
use synexec_session::interrupt::Interrupt;
use synexec_session::slave::{Action, ExitCause, StopSignal};

use synexec_sim::{Bench, Plan, millis, secs};

use super::{assert_back_in_discovery, conf, ends, long, running};

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
fn leftovers_of_a_finished_task_end_with_the_session() {
    for (straggles, most) in [(secs(3), millis(2100)), (secs(1000), millis(5100))] {
        let mut bench = running(Plan { straggles, ..Plan::default() });
        bench.wait(secs(2));
        assert!(matches!(bench.sent()[..], [Message::TaskEnded(_)]), "the end of the task is told at once");
        let over_at = bench.now;
        bench.close();
        bench.wait(secs(20));
        let back_at = bench.slave.in_discovery_since().unwrap();
        assert!(back_at.since(over_at) < most && !bench.slave.host.is_busy(back_at), "{:?}", back_at.since(over_at));
        assert_eq!(bench.slave.did(&Action::Signal(StopSignal::Terminate)), 1);
    }
}

#[test]
fn a_task_held_for_another_round_does_not_keep_leftovers_from_ending() {
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
fn leftovers_that_end_before_the_session_are_not_signalled() {
    let mut bench = running(Plan { straggles: secs(1), ..Plan::default() });
    bench.wait(secs(3));
    assert_back_in_discovery(&mut bench);
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
    assert!(matches!(bench.sent()[..], [Message::TaskEnded(_), Message::Bye(None)]));
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
    // The master may fetch the output until it says that it needs nothing any more.
    assert_eq!(bench.slave.exit(), None);
    bench.tell([Message::Bye(None)]);
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
fn leftovers_of_a_lost_session_do_not_reach_the_next() {
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
    assert_back_in_discovery(&mut bench);
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
    assert_eq!(bench.slave.host.runs, [], "the task is killed before its first instruction");
    assert_eq!(bench.slave.exit(), Some(ExitCause::Interrupted(Interrupt::Terminate)));
}
