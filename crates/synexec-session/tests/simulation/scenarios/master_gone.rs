//! The master vanishes: every slave stops its task and returns to discovery.

use synexec_proto::task_end::TaskEnd;

use synexec_sim::{ClientId, Order, Plan, Run, World, secs};

/// A world of slaves with one plan. Its master is killed at two seconds.
fn abandoned(wanted: u32, plan: Plan) -> (World, Vec<ClientId>) {
    let mut world = World::of(wanted);
    let slaves = [plan, Plan { dials: true, ..plan }].map(|plan| world.slave(plan)).to_vec();
    world.at(secs(2), Order::KillMaster);
    world.run_until(secs(60));
    world.assert_all_back_in_time();
    (world, slaves)
}

fn only_run(world: &World, id: ClientId) -> Run {
    let runs = &world.sim(id).host.runs;
    assert_eq!(runs.len(), 1);
    runs[0]
}

#[test]
fn while_joining() {
    let (world, _) = abandoned(3, Plan::default());
    assert_eq!(world.tasks_started(), 0);
}

#[test]
fn while_configuring() {
    let (world, _) = abandoned(2, Plan { prepares: secs(4), ..Plan::default() });
    assert_eq!(world.tasks_started(), 0);
}

#[test]
fn while_tasks_are_being_started() {
    let (world, _) = abandoned(2, Plan { spawns: secs(4), runs: secs(1000), ..Plan::default() });
    assert_eq!(world.tasks_started(), 0, "a released task that has not started never runs");
}

#[test]
fn while_tasks_run() {
    let (world, slaves) = abandoned(2, Plan { runs: secs(1000), ..Plan::default() });
    assert!(slaves.iter().all(|id| only_run(&world, *id).ended.unwrap().1 == TaskEnd::Killed(15)));
}

#[test]
fn while_tasks_run_that_ignore_sigterm() {
    let (world, slaves) = abandoned(2, Plan { runs: secs(1000), ignores_sigterm: true, ..Plan::default() });
    assert!(slaves.iter().all(|id| only_run(&world, *id).ended.unwrap().1 == TaskEnd::Killed(9)));
}

#[test]
fn while_tasks_run_that_leave_others_behind() {
    for straggles in [secs(2), secs(1000)] {
        let (world, slaves) = abandoned(2, Plan { runs: secs(1000), straggles, ..Plan::default() });
        assert!(slaves.iter().all(|id| only_run(&world, *id).ended.unwrap().1 == TaskEnd::Killed(15)));
    }
}

#[test]
fn when_tasks_have_ended() {
    let mut world = World::of(2);
    let done = world.slave(Plan::default());
    world.slave(Plan { runs: secs(10), ..Plan::default() });
    world.at(secs(5), Order::KillMaster);
    world.run_until(secs(30));
    world.assert_all_back_in_time();
    assert_eq!(only_run(&world, done).ended.unwrap().1, TaskEnd::Exited(0));
}
