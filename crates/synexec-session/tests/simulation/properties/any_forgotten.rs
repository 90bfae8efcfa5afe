//! Connections that are forgotten at any time, again and again. New connections always work.

use std::time::Duration;

use proptest::collection::vec;
use proptest::prelude::*;
use synexec_session::master::{Outcome, Output, OutputsWanted, Settings};

use super::draw_world::plan;
use super::{cases, draw};
use synexec_sim::{ClientId, Order, Plan, World, millis, row_of, secs, settings};

/// A slave, the delay of its packets, and the instants at which its connection is forgotten, in milliseconds.
type Guest = (Plan, u64, Vec<u64>);

/// Slaves that the master always takes: a slave that asks for a rank may be turned away, and the session would wait.
fn guest() -> impl Strategy<Value = Guest> {
    let sound = plan().prop_map(|plan| Plan { refusal: None, rank: None, reconnect: secs(10), ..plan });
    (sound, prop_oneof![0..2_u64, 0..300_u64], vec(prop_oneof![0..3000_u64, 0..30_000_u64], 0..4))
}

fn world(guests: &[Guest], outputs: OutputsWanted, progress: Option<Duration>) -> World {
    let slaves = u32::try_from(guests.len()).expect("the number is small");
    let mut world = World::new(Settings { outputs, progress, reconnect: secs(10), ..settings(slaves) });
    for (plan, delay, forgotten) in guests {
        let id = world.slave(*plan);
        world.set_delay(id, millis(*delay));
        for at in forgotten {
            world.at(millis(*at), Order::Forget(id));
        }
    }
    world
}

proptest! {
    #![proptest_config(cases(60))]

    #[test]
    fn who_has_started_is_heard_of_and_its_output_comes(
        guests in vec(guest(), 1..4),
        outputs in draw::outputs(),
        progress in prop::option::of((100..9000_u64).prop_map(millis)),
    ) {
        let mut world = world(&guests, outputs, progress);
        let report = world.run(secs(250));
        for id in (0..).map(ClientId).take(guests.len()).filter(|id| !world.sim(*id).host.runs.is_empty()) {
            let row = row_of(&report, id).expect("the slave took part");
            prop_assert!(!matches!(row.outcome, Outcome::Lost { .. }), "{row:?}");
            prop_assert!(!matches!(row.output, Some(Output::Failed { .. } | Output::NoTail { .. })), "{row:?}");
        }
        world.settle();
        for id in (0..).map(ClientId).take(guests.len()) {
            world.assert_at_rest(id);
        }
    }
}
