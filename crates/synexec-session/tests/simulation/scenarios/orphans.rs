//! A slave that lets its task go on when the session is over.

use synexec_proto::message::Message;
use synexec_proto::task_end::TaskEnd;
use synexec_session::slave::{Action, ExitCause, Notice};

use synexec_sim::{Bench, Plan, millis, secs};

/// A slave whose task runs for this long and leaves other processes for two seconds.
fn keeping(seconds: u64) -> Bench {
    let plan = Plan { runs: secs(seconds), straggles: secs(2), keeps_orphans: true, ..Plan::default() };
    let mut bench = Bench::joined(plan);
    bench.tell([Message::Conf(b"/bin/task".to_vec()), Message::Exec(None)]);
    bench.wait(secs(1));
    bench
}

fn signals(bench: &Bench) -> usize {
    bench.slave.log.iter().filter(|(_, action)| matches!(action, Action::Signal(_))).count()
}

#[test]
fn without_its_master_the_task_goes_on_and_the_slave_waits_for_all_of_it() {
    let mut bench = keeping(100);
    bench.close();
    assert_eq!(bench.slave.did(&Action::Tell(Notice::Orphaned)), 1);
    bench.wait(secs(100));
    assert_eq!(bench.slave.host.runs[0].ended.unwrap().1, TaskEnd::Exited(0));
    assert_eq!(bench.slave.in_discovery_since(), None);
    bench.wait(secs(3));
    assert!(bench.slave.in_discovery_since().is_some());
    assert_eq!(signals(&bench), 0);
}

#[test]
fn leftovers_of_a_task_continue_too() {
    let mut bench = keeping(0);
    bench.tell([Message::Hold(synexec_proto::message::Hold { round: 2 })]);
    bench.close();
    assert_eq!((bench.slave.in_discovery_since(), bench.slave.did(&Action::DropHeld)), (None, 1));
    bench.wait(secs(3));
    assert!(bench.slave.in_discovery_since().is_some());
    assert_eq!(signals(&bench), 0);
}

#[test]
fn a_slave_that_is_told_to_end_leaves_them() {
    for (runs, loses_master) in [(100, false), (100, true), (0, false), (0, true)] {
        let mut bench = keeping(runs);
        if loses_master {
            bench.close();
        }
        bench.shut_down();
        assert!(matches!(bench.slave.exit(), Some(ExitCause::Interrupted(_))));
        assert_eq!((signals(&bench), bench.slave.did(&Action::Abandon), bench.slave.did(&Action::Discard)), (0, 1, 0));
    }
}

#[test]
fn a_master_can_stop_it_all_the_same() {
    let mut bench = keeping(100);
    bench.tell([Message::Stop]);
    bench.wait(millis(2100));
    assert_eq!(bench.slave.host.runs[0].ended.unwrap().1, TaskEnd::Killed(15));
    assert!(matches!(bench.sent().last(), Some(Message::TaskEnded(_))));
}
