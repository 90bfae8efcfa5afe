//! Progress: the reports of running tasks, and slaves that take long to answer a probe.

use std::time::Duration;

use synexec_proto::message::{ConfBegin, Held, Message, TaskProgress};
use synexec_proto::task_end::TaskEnd;
use synexec_session::master::{Notice, Outcome, OutputsWanted, Settings, Verdict};

use synexec_sim::{
    Bench, ClientId, Order, Plan, Refusal, Run, START, Script, World, millis, outcome_of, row_of, runs, secs, settings,
};

const HELD: Message = Message::ConfOk(Some(Held::AtFirstInstruction));
const SUCCESS: Outcome = Outcome::Ended(TaskEnd::Exited(0));

/// A world of this many slaves that report their progress at this interval.
fn telling(every: Option<Duration>, slaves: u32) -> World {
    World::new(Settings { progress: every, ..settings(slaves) })
}

/// A slave whose task has run for a while, and whose master asked for progress at this interval.
fn running(plan: Plan, progress: Option<Duration>) -> Bench {
    let mut bench = Bench::joined(plan);
    begin(&mut bench, progress);
    bench.tell([Message::Exec(None)]);
    bench.wait(millis(10));
    assert_eq!(bench.sent(), [HELD, Message::ExecOk(None)]);
    bench
}

/// Gives the slave a conf.
fn begin(bench: &mut Bench, progress: Option<Duration>) {
    let conf = b"/bin/task".to_vec();
    let length = conf.len().try_into().expect("the value is small");
    let begin = ConfBegin { slaves: 1, length, progress, ..ConfBegin::default() };
    bench.tell([Message::ConfBegin(begin), Message::ConfPart(conf)]);
}

fn answer_to_a_probe(bench: &mut Bench) -> Vec<Message> {
    bench.sent();
    bench.tell([Message::Probe(None)]);
    bench.sent()
}

fn is_progress(message: &Message) -> bool {
    matches!(message, Message::Running(_) | Message::Stopped(_))
}

fn is_probe(message: &Message) -> bool {
    matches!(message, Message::Probe(_))
}

fn late(notice: &Notice) -> bool {
    matches!(notice, Notice::Late { .. })
}

fn recovered(notice: &Notice) -> bool {
    matches!(notice, Notice::Recovered { .. })
}

/// The start and the end of a task, since the beginning of the world.
fn span(run: &Run) -> (Duration, Duration) {
    (run.started.since(START), run.ended.expect("the task has ended").0.since(START))
}

/// The times of all progress notices, after a check that a task ran at each of these times.
fn told_while_it_ran(world: &World, id: ClientId) -> Vec<Duration> {
    let spans: Vec<_> = world.sim(id).host.runs.iter().map(span).collect();
    let told = world.said(id, is_progress);
    assert!(told.iter().all(|at| spans.iter().any(|(start, end)| start < at && at < end)), "{told:?} in {spans:?}");
    told
}

#[test]
fn one_that_is_probed_tells_how_far_its_task_is() {
    for is_stopped in [false, true] {
        let mut bench = running(Plan { is_stopped, writes: 1000, ..runs(secs(10)) }, None);
        bench.wait(secs(5));
        let progress = bench.slave.host.sample(bench.now).expect("the task runs");
        let told = if is_stopped { Message::Stopped(progress) } else { Message::Running(progress) };
        assert_eq!(answer_to_a_probe(&mut bench), [Message::Reply(None), told]);
        let TaskProgress { elapsed, output, .. } = progress;
        assert!((secs(5)..millis(5010)).contains(&elapsed) && (500..=501).contains(&output), "{progress:?}");
    }
}

#[test]
fn a_slave_without_a_running_task_only_answers_a_probe() {
    let mut bench = Bench::joined(runs(millis(500)));
    assert_eq!(answer_to_a_probe(&mut bench), [Message::Reply(None)]);
    begin(&mut bench, Some(secs(1)));
    assert_eq!(answer_to_a_probe(&mut bench), [Message::Reply(None)], "the task is held");
    bench.tell([Message::Exec(Some(bench.now.plus(secs(9)))), Message::Go]);
    bench.wait(secs(8));
    assert_eq!(answer_to_a_probe(&mut bench), [Message::Reply(None)], "the task waits for its instant");
    bench.wait(secs(3));
    assert!(matches!(bench.sent()[..], [Message::TaskEnded(_)]));
    assert_eq!(answer_to_a_probe(&mut bench), [Message::Reply(None)], "the task has ended");
    assert_eq!(bench.slave.deadline(), None, "the slave has nothing left to report");
}

#[test]
fn an_original_master_is_told_nothing_of_progress_and_output() {
    let mut bench = Bench::joined_original(Plan { writes: 1000, ..runs(secs(30)) });
    begin(&mut bench, Some(secs(1)));
    bench.tell([Message::Conf(b"/bin/task".to_vec()), Message::Exec(None)]);
    for _ in 0..5 {
        bench.wait(secs(5));
        bench.tell([Message::Probe(None)]);
    }
    bench.wait(secs(10));
    let sent = bench.sent();
    let expected = |message: &Message| {
        matches!(message, Message::ConfOk(None) | Message::ExecOk(None) | Message::Reply(None) | Message::Finished(_))
    };
    assert!(sent.len() == 8 && sent.iter().all(expected), "{sent:?}");
}

#[test]
fn progress_is_told_as_often_as_it_is_wanted_while_the_task_runs() {
    let mut world = telling(Some(secs(1)), 2);
    let slaves = [world.slave(runs(millis(10_500))), world.slave(Plan { is_stopped: true, ..runs(millis(1500)) })];
    let report = world.run_session();
    assert_eq!(report.verdict, Verdict::Succeeded);
    for (id, times) in slaves.into_iter().zip([10, 1]) {
        let told = told_while_it_ran(&world, id);
        assert_eq!(told.len(), times, "{told:?}");
        assert!(told.windows(2).all(|pair| pair[1] == pair[0] + secs(1)), "{told:?}");
        let row = row_of(&report, id).unwrap();
        let is_its = |notice: &Notice| matches!(notice, Notice::Progress { slave, .. } if *slave == row.slave);
        assert_eq!(world.all_told(is_its).len(), times);
    }
    assert_eq!(world.all_told(|notice| matches!(notice, Notice::Progress { stopped: true, .. })).len(), 1);
}

#[test]
fn one_that_tells_by_itself_is_probed_once_a_minute_or_with_each_promised_heartbeat() {
    for (reconnect, probes) in [(Duration::ZERO, 3), (secs(10), 42)] {
        let mut world = World::new(Settings { reconnect, progress: Some(secs(2)), ..settings(1) });
        let id = world.slave(Plan { reconnect, ..runs(secs(211)) });
        world.run_session();
        let (start, end) = span(&world.sim(id).host.runs[0]);
        let probed = world.sent_to(id, is_probe).into_iter().filter(|at| (start..end).contains(at));
        assert_eq!(probed.count(), probes);
    }
}

#[test]
fn a_master_that_is_stopped_for_long_is_told_only_so_much() {
    let mut world = telling(Some(secs(1)), 1);
    let id = world.slave(runs(secs(6000)));
    world.at(secs(300), Order::FreezeMaster(secs(3600)));
    assert_eq!(world.run(secs(7000)).verdict, Verdict::Succeeded);
    let told = world.said(id, is_progress);
    let [before, meanwhile, after] =
        [secs(300), secs(3900), secs(7000)].map(|end| told.iter().filter(|at| **at < end).count());
    assert!((290..=305).contains(&before), "{before}");
    assert!((130..=205).contains(&(meanwhile - before)), "{}", meanwhile - before);
    assert!(after - meanwhile > 2000, "{}", after - meanwhile);
}

#[test]
fn no_master_can_have_it_told_all_the_time() {
    let mut bench = running(runs(secs(10)), Some(millis(1)));
    bench.wait(secs(5));
    assert!((45..=51).contains(&bench.sent().len()));
}

#[test]
fn progress_is_told_in_every_round_and_not_between() {
    let mut world = World::new(Settings { rounds: 3.try_into().unwrap(), progress: Some(secs(1)), ..settings(2) });
    let slaves = [4500, 1500].map(|time| world.slave(Plan { prepares: secs(3), ..runs(millis(time)) }));
    assert_eq!(world.run_session().verdict, Verdict::Succeeded);
    assert_eq!(slaves.map(|id| told_while_it_ran(&world, id).len()), [12, 3]);
}

#[test]
fn a_conf_that_asks_for_no_progress_is_told_none() {
    let mut bench = running(runs(secs(2)), Some(secs(1)));
    bench.wait(secs(3));
    begin(&mut bench, None);
    bench.tell([Message::Exec(None)]);
    bench.sent();
    bench.wait(secs(3));
    let sent = bench.sent();
    assert!(matches!(sent[..], [Message::ExecOk(None), Message::TaskEnded(_)]), "{sent:?}");
}

#[test]
fn a_start_that_failed_leaves_nothing_to_tell() {
    let mut bench = Bench::joined(Plan { refusal: Some(Refusal::Start), ..Plan::default() });
    begin(&mut bench, Some(secs(1)));
    bench.tell([Message::Exec(None)]);
    bench.wait(secs(10));
    let sent = bench.sent();
    assert!(matches!(sent[..], [HELD, Message::ExecNo(Some(_))]), "{sent:?}");
    assert_eq!(bench.slave.deadline(), None, "the slave has no deadline");
}

#[test]
fn a_slave_that_was_stopped_itself_does_not_make_up_for_what_it_missed() {
    let mut world = telling(Some(secs(1)), 1);
    let id = world.slave(runs(millis(20_500)));
    world.at(millis(3300), Order::Freeze(id, secs(10)));
    world.run_session();
    let (start, end) = span(&world.sim(id).host.runs[0]);
    let probed = world.sent_to(id, is_probe).into_iter().filter(|at| (start..end).contains(at)).count();
    assert_eq!(told_while_it_ran(&world, id).len(), 3 + 1 + 7 + probed, "reports before, at once, and after");
}

#[test]
fn nothing_but_the_heartbeat_crosses_while_tasks_run() {
    let wanted = [OutputsWanted::Nothing, OutputsWanted::Whole, OutputsWanted::Tails(10)];
    for (outputs, reconnect) in wanted.into_iter().flat_map(|outputs| [(outputs, secs(0)), (outputs, secs(10))]) {
        let mut world = World::new(Settings { outputs, reconnect, ..settings(1) });
        let id = world.slave(Plan { writes: 1000, reconnect, ..runs(secs(61)) });
        world.run_session();
        let (start, end) = span(&world.sim(id).host.runs[0]);
        let meanwhile = |times: Vec<Duration>| times.into_iter().filter(|at| (start..end).contains(at)).count();
        assert_eq!(meanwhile(world.sent_to(id, is_probe)), 12, "one report every five seconds");
        assert_eq!(meanwhile(world.sent_to(id, |_| true)), 12);
        assert_eq!(meanwhile(world.said(id, is_progress)), 12);
        assert_eq!(meanwhile(world.said(id, |message| *message == Message::Reply(None))), 12);
        assert_eq!(meanwhile(world.said(id, |_| true)), 24);
    }
}

#[test]
fn an_original_slave_is_not_asked_for_progress() {
    let mut world = telling(Some(secs(1)), 2);
    let original = world.original(Script { runs: secs(20), ..Script::default() });
    let ours = world.slave(runs(secs(20)));
    let report = world.run_session();
    assert_eq!((report.verdict, outcome_of(&report, original)), (Verdict::Succeeded, &Outcome::Finished));
    assert!(told_while_it_ran(&world, ours).len() >= 19);
    let address = row_of(&report, original).unwrap().slave.address;
    let is_its = |notice: &Notice| matches!(notice, Notice::Progress { slave, .. } if slave.address == address);
    assert_eq!(world.told(is_its), None);
}

#[test]
fn one_that_answers_late_is_told_and_is_not_lost() {
    let mut world = World::of(2);
    let (frozen, other) = (world.slave(runs(secs(30))), world.slave(runs(secs(30))));
    world.at(secs(12), Order::Freeze(frozen, secs(10)));
    let report = world.run_session();
    assert_eq!((report.verdict, outcome_of(&report, frozen)), (Verdict::Succeeded, &SUCCESS));
    let (slow, back) = (world.all_told(late), world.all_told(recovered));
    assert_eq!((slow.len(), back.len()), (1, 1));
    let probed = *world.sent_to(frozen, is_probe).iter().filter(|at| **at < slow[0]).max().unwrap();
    assert_eq!(slow[0], probed + secs(2));
    assert!((secs(22)..millis(22_010)).contains(&back[0]), "{back:?}");
    let answered = row_of(&report, frozen).unwrap().answered_late.expect("the answer was late");
    assert!(back[0].abs_diff(probed + answered) < millis(10), "{answered:?}");
    assert_eq!(row_of(&report, other).unwrap().answered_late, None);
}

#[test]
fn what_is_told_of_a_late_answer_is_how_long_it_was_silent() {
    let mut world = World::of(1);
    let id = world.slave(runs(secs(30)));
    world.at(secs(12), Order::Freeze(id, secs(10)));
    world.run_session();
    let seven = |notice: &Notice| matches!(notice, Notice::Late { silence, .. } if *silence == secs(7));
    let twelve =
        |notice: &Notice| matches!(notice, Notice::Recovered { after, .. } if (secs(11)..secs(13)).contains(after));
    assert_eq!((world.all_told(seven).len(), world.all_told(twelve).len()), (1, 1));
}

#[test]
fn one_that_is_late_again_and_again_is_told_each_time() {
    let mut world = World::of(1);
    let id = world.slave(runs(secs(100)));
    for start in [12, 40, 70] {
        world.at(secs(start), Order::Freeze(id, secs(start / 5 + 8)));
    }
    let report = world.run_session();
    assert_eq!((world.all_told(late).len(), world.all_told(recovered).len()), (3, 3));
    let answered = row_of(&report, id).unwrap().answered_late.unwrap();
    assert!((secs(17)..=secs(22)).contains(&answered), "the longest counts: {answered:?}");
}

#[test]
fn one_that_never_answers_is_late_before_it_is_lost() {
    let mut world = World::of(1);
    let id = world.slave(runs(secs(100)));
    world.at(secs(12), Order::Freeze(id, secs(60)));
    assert_eq!(world.run_session().verdict, Verdict::Lost);
    let lost = world.told(|notice| matches!(notice, Notice::Lost { .. })).unwrap();
    assert_eq!((world.all_told(late).len(), world.told(recovered)), (1, None));
    assert_eq!(world.told(late).unwrap() + secs(23), lost);
}

#[test]
fn a_slave_that_the_user_is_told_is_late_is_late_in_its_row() {
    let mut world = World::new(Settings { lost_after: secs(3), ..settings(1) });
    let id = world.slave(runs(secs(30)));
    world.at(millis(12_500), Order::Freeze(id, millis(2400)));
    let report = world.run_session();
    assert_eq!(
        (report.verdict, world.all_told(late).len(), world.all_told(recovered).len()),
        (Verdict::Succeeded, 1, 1)
    );
    assert!(row_of(&report, id).unwrap().answered_late.is_some());
}

#[test]
fn one_that_answers_late_while_its_output_is_fetched_is_late_in_its_row() {
    let mut world = World::new(Settings { outputs: OutputsWanted::Whole, ..settings(1) });
    let id = world.slave(Plan { writes: 1_000_000, ..Plan::default() });
    world.set_delay(id, millis(50));
    let fetching = |notice: &Notice| matches!(notice, Notice::Fetching { .. });
    world.when(fetching, millis(10), Order::Freeze(id, secs(10)));
    let report = world.run_session();
    assert_eq!(
        (report.verdict, world.all_told(late).len(), world.all_told(recovered).len()),
        (Verdict::Succeeded, 1, 1)
    );
    assert!(row_of(&report, id).unwrap().answered_late.is_some_and(|answered| answered > secs(4)));
}

#[test]
fn a_master_that_was_stopped_calls_nobody_late() {
    let mut world = telling(Some(secs(1)), 2);
    let slaves = [world.slave(runs(secs(90))), world.slave(runs(secs(90)))];
    world.at(secs(12), Order::FreezeMaster(secs(40)));
    let report = world.run_session();
    assert_eq!((report.verdict, world.told(late)), (Verdict::Succeeded, None));
    assert!(slaves.iter().all(|id| row_of(&report, *id).unwrap().answered_late.is_none()));
}
