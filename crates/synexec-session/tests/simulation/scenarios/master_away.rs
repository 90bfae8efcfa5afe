//! A master that is stopped for a while, by Ctrl-Z or with its whole machine, blames no slave for the messages that it
//! missed.

use synexec_proto::task_end::TaskEnd;
use synexec_session::interrupt::Interrupt;
use synexec_session::master::{Outcome, Verdict};

use synexec_sim::{Order, Plan, World, millis, outcome_of, secs};

#[test]
fn a_master_that_was_stopped_reads_the_answer_to_its_order_first() {
    let mut world = World::of(1);
    world.slave(Plan { spawns: secs(1), runs: secs(100), ..Plan::default() });
    world.at(millis(500), Order::FreezeMaster(secs(40)));
    assert_eq!(world.run(secs(200)).verdict, Verdict::Succeeded);
}

#[test]
fn a_master_that_was_stopped_until_just_after_the_limit_blames_nobody() {
    let mut world = World::of(1);
    let id = world.slave(Plan { runs: secs(100), ..Plan::default() });
    world.set_delay(id, millis(100));
    // The master hears the slave at about one second and probes it five seconds later: the limit is at 31 seconds.
    world.at(millis(6100), Order::FreezeMaster(millis(25_400)));
    assert_eq!(world.run(secs(200)).verdict, Verdict::Succeeded);
}

#[test]
fn a_master_that_was_stopped_reads_the_ends_of_stopped_tasks_first() {
    let mut world = World::of(1);
    let id = world.slave(Plan { runs: secs(100), ignores_sigterm: true, ..Plan::default() });
    world.at(secs(2), Order::Interrupt(Interrupt::Terminate));
    world.at(secs(3), Order::FreezeMaster(secs(20)));
    let report = world.run(secs(200));
    assert_eq!(*outcome_of(&report, id), Outcome::Ended(TaskEnd::Killed(9)));
}
