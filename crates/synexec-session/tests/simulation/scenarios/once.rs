//! `--once`: the program ends after one session, and its exit status tells the outcome.

use synexec_proto::message::Message;
use synexec_proto::task_end::TaskEnd;
use synexec_session::slave::ExitCause;

use synexec_sim::{Bench, Order, Plan, Refusal, World, millis, secs};

fn once() -> Plan {
    Plan { once: true, ..Plan::default() }
}

/// The exit of a slave that received these messages, one each second, and then lost its master.
fn exit_after(plan: Plan, messages: impl IntoIterator<Item = Message>) -> Option<ExitCause> {
    let mut bench = Bench::joined(plan);
    for message in messages {
        bench.tell([message]);
        bench.wait(secs(1));
    }
    assert_eq!(bench.slave.exit(), None);
    bench.close();
    bench.wait(secs(20));
    bench.slave.exit()
}

fn conf() -> Message {
    Message::Conf(b"/bin/task".to_vec())
}

#[test]
fn the_exit_is_the_tasks_own() {
    for end in [TaskEnd::Exited(0), TaskEnd::Exited(3), TaskEnd::Killed(6)] {
        let plan = Plan { end, runs: millis(500), ..once() };
        assert_eq!(exit_after(plan, [conf(), Message::Exec(None)]), Some(ExitCause::TaskEnded(end)));
    }
}

#[test]
fn the_last_of_several_runs_counts() {
    let plan = Plan { runs: millis(500), ..once() };
    let exit = exit_after(plan, [conf(), Message::Exec(None), Message::Exec(None)]);
    assert_eq!(exit, Some(ExitCause::TaskEnded(TaskEnd::Exited(0))));
}

#[test]
fn a_task_that_was_stopped_for_a_lost_master_counts_as_it_ended() {
    let plan = Plan { runs: secs(100), ..once() };
    assert_eq!(exit_after(plan, [conf(), Message::Exec(None)]), Some(ExitCause::TaskEnded(TaskEnd::Killed(15))));
}

#[test]
fn one_that_declined_says_so() {
    for refusal in [Refusal::Conf, Refusal::Start] {
        let plan = Plan { refusal: Some(refusal), ..once() };
        assert_eq!(exit_after(plan, [conf(), Message::Exec(None)]), Some(ExitCause::Declined));
    }
}

#[test]
fn one_that_was_never_told_to_start_says_so() {
    assert_eq!(exit_after(once(), [conf()]), Some(ExitCause::NotStarted));
    let slow = Plan { prepares: secs(10), ..once() };
    assert_eq!(exit_after(slow, [conf()]), Some(ExitCause::NotStarted));
}

#[test]
fn a_master_that_sent_no_conf_was_no_session() {
    assert_eq!(exit_after(once(), []), None);
    assert_eq!(exit_after(once(), [Message::Exec(None)]), None);
}

#[test]
fn one_that_was_released_waits_for_the_next_session() {
    let mut world = World::of(1);
    let slaves = [world.slave(once()), world.slave(once())];
    world.run(secs(5));
    world.settle();
    let exits = slaves.map(|id| world.sim(id).exit());
    assert_eq!(exits, [Some(ExitCause::TaskEnded(TaskEnd::Exited(0))), None]);
}

#[test]
fn what_a_stopped_task_left_is_gone_before_the_exit() {
    let mut world = World::of(1);
    let id = world.slave(Plan { straggles: secs(3), runs: secs(100), ..once() });
    world.at(secs(2), Order::KillMaster);
    world.run_until(secs(4));
    assert_eq!(world.sim(id).exit(), None);
    world.run_until(secs(6));
    assert_eq!(world.sim(id).exit(), Some(ExitCause::TaskEnded(TaskEnd::Killed(15))));
}
