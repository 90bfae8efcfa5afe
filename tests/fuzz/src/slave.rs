//! A slave on a correct host. Its master, its network and its user do anything.

use std::time::Duration;

use arbitrary::{Arbitrary, Result};
use synexec_proto::message::{ConfBegin, Fetch, Hold, Message};
use synexec_proto::time::MonotonicInstant;
use synexec_session::slave::LEAD_MAX;

use crate::draw::{self, Input};
use crate::messages::canonical_frame;
use synexec_sim::{Bench, Plan, Refusal, SimClock, millis, secs};

/// Largest number of steps.
const STEPS: usize = 200;

/// Time within which a slave without a master comes to rest.
const REST: Duration = secs(60);

/// Checks that the slave starts no conf that it has not accepted, whatever the master says, and comes to rest without
/// a master.
pub fn any_master(data: &[u8]) {
    let mut input = Input::new(data);
    let Ok(plan) = plan(&mut input) else { return };
    let mut bench = Bench::new(plan);
    for _ in 0..STEPS {
        if input.is_empty() || step(&mut bench, &mut input).is_err() {
            break;
        }
        for message in bench.sent() {
            canonical_frame(&message);
        }
    }
    assert_comes_to_rest(&mut bench);
}

fn plan(input: &mut Input<'_>) -> Result<Plan> {
    let refusals = [None, None, None, Some(Refusal::Conf), Some(Refusal::Start)];
    let time = |input: &mut Input<'_>, most| Ok(millis(input.int_in_range(0..=most)?));
    Ok(Plan {
        refusal: *input.choose(&refusals)?,
        prepares: time(input, 100)?,
        runs: time(input, 20_000)?,
        end: draw::task_end(input)?,
        ignores_sigterm: bool::arbitrary(input)?,
        straggles: time(input, 8000)?,
        writes: input.int_in_range(0..=20_000)?,
        is_stopped: input.ratio(1, 8)?,
        dials: bool::arbitrary(input)?,
        once: input.ratio(1, 8)?,
        reconnect: *input.choose(&[Duration::ZERO, secs(10)])?,
        keeps_orphans: input.ratio(1, 4)?,
        rank: if input.ratio(1, 4)? { Some(input.int_in_range(0..=4)?) } else { None },
        clock: SimClock { ahead: input.int_in_range(-900..=1_000_000)? * 1_000_000_000, drift: 0 },
        ..Plan::default()
    })
}

fn step(bench: &mut Bench, input: &mut Input<'_>) -> Result<()> {
    let here = bench.slave.host.plan.clock.show(bench.now);
    match input.int_in_range(0..=27)? {
        0..=2 => bench.connect(),
        3..=5 => bench.tell([Message::Probe(draw::capabilities(input)?)]),
        6..=8 => bench.tell(conf(input)?),
        9..=11 => bench.tell(start(input, here)?),
        12 | 13 => bench.tell(orders(input)?),
        14 | 15 => bench.deliver(draw::frame(input, here)?),
        16 | 17 => bench.close(),
        18 => bench.refuse(),
        19 => bench.connect_and_close(),
        20 if input.ratio(1, 4)? => bench.shut_down(),
        21 | 22 => bench.connect_second(),
        23 => bench.deliver_on_second(draw::frame(input, here)?),
        24 => bench.close_second(),
        _ => bench.wait(draw::passing(input)?),
    }
    Ok(())
}

/// A conf, as an original master or one of ours sends it.
fn conf(input: &mut Input<'_>) -> Result<Vec<Message>> {
    let conf = b"/bin/task".to_vec();
    if input.ratio(1, 3)? {
        return Ok(vec![Message::Conf(conf)]);
    }
    let progress = if bool::arbitrary(input)? { Some(draw::passing(input)?) } else { None };
    let (token, heartbeat) = (draw::token(input)?, draw::heartbeat(input)?);
    let begin = ConfBegin { slaves: 2, length: 9, progress, token, heartbeat, ..ConfBegin::default() };
    Ok(vec![Message::ConfBegin(begin), Message::ConfPart(conf)])
}

/// An order to start, mostly with the last word.
fn start(input: &mut Input<'_>, here: MonotonicInstant) -> Result<Vec<Message>> {
    if input.ratio(1, 4)? {
        return Ok(vec![Message::Exec(None)]);
    }
    let order = Message::Exec(Some(draw::instant(input, here)?));
    Ok(if input.ratio(3, 4)? { vec![order, Message::Go] } else { vec![order] })
}

/// Some other message of a master.
fn orders(input: &mut Input<'_>) -> Result<[Message; 1]> {
    Ok([match input.int_in_range(0..=7)? {
        0 => Message::Stop,
        1 => Message::Hold(Hold { round: 2 }),
        2 => Message::Probe(None),
        3 => Message::Go,
        4 => Message::Ack,
        5 => Message::Bye(draw::reason(input)?),
        _ => Message::Fetch(Fetch { length: input.int_in_range(0..=600_000)?, ..draw::fetch(input)? }),
    }])
}

/// Checks that a slave without a master returns to discovery or exits, and that no task remains unless the slave keeps
/// orphans.
fn assert_comes_to_rest(bench: &mut Bench) {
    bench.close();
    let keeps = bench.slave.host.plan.keeps_orphans;
    // A start that the last word released still happens.
    bench.wait(if keeps { LEAD_MAX + REST } else { REST });
    let is_left = keeps && bench.slave.exit().is_some();
    assert!(is_left || !bench.slave.host.is_busy(bench.now), "a task remains");
    assert!(
        bench.slave.exit().is_some() || bench.slave.in_discovery_since().is_some(),
        "the slave is not back in discovery"
    );
    assert!(is_left || bench.slave.host.runs.iter().all(|run| run.ended.is_some()));
}
