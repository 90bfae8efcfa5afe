//! One slave, and masters that do not follow the usual order.

mod endings;
mod orders;

use synexec_proto::message::{ConfBegin, Held, Message};
use synexec_proto::task_end::TaskEnd;

use synexec_sim::{Bench, Plan, millis, secs};

const HELD: Message = Message::ConfOk(Some(Held::AtFirstInstruction));

fn conf(text: &str) -> Message {
    Message::Conf(text.into())
}

fn part(text: &str) -> Message {
    Message::ConfPart(text.into())
}

fn begin(length: u64) -> Message {
    Message::ConfBegin(ConfBegin { rank: 0, slaves: 1, length, progress: None, token: None, heartbeat: None })
}

fn long() -> Plan {
    Plan { runs: secs(1000), ..Plan::default() }
}

/// A slave with a running task.
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

fn assert_back_in_discovery(bench: &mut Bench) {
    bench.close();
    bench.wait(secs(20));
    assert!(bench.slave.in_discovery_since().is_some());
    assert!(!bench.slave.host.is_busy(bench.now));
}
