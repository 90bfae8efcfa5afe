//! A slave moves to its second connection while the last other task of a round ends.

use std::time::Duration;

use synexec_session::master::{Notice, OutputsWanted, Settings, Verdict};
use synexec_session::slave;

use synexec_sim::{ClientId, Order, Ways, World, millis, runs, secs, settings};

const FIRST: ClientId = ClientId(0);
const OTHER: ClientId = ClientId(1);

/// The delay of the first slave's messages in either direction.
const DELAY: u64 = 100;

/// How the first connection of the first slave fails.
#[derive(Debug, Clone, Copy)]
enum Failure {
    /// Nothing crosses it any more, and neither end learns of this. The master hears of the move on the second connection.
    Forgotten,
    /// What the master says there comes much too late. The master hears that the slave closes it.
    Slow,
}

/// Two slaves and two rounds. The task of the first slave ends early, and its first connection fails while the other task
/// runs for so long.
fn world(failure: Failure, outputs: OutputsWanted, other_runs: Duration) -> World {
    let rounds = 2.try_into().expect("the number is not zero");
    let mut world = World::pair(Settings { rounds, outputs, ..settings(2) }, runs(secs(1)));
    world.plan_mut(OTHER).runs = other_runs;
    let usual = Ways::even(millis(DELAY));
    world.set_delay(FIRST, millis(DELAY));
    match failure {
        Failure::Forgotten => world.at(secs(6), Order::Forget(FIRST)),
        Failure::Slow => {
            world.at(secs(6), Order::Reroute(FIRST, Ways { out: secs(20), ..usual }));
            world.at(secs(9), Order::Reroute(FIRST, usual));
        }
    }
    world
}

/// When the first slave begins to suspect its connection, and when the master would hear of the end of the other task if
/// that task took no time.
fn times(failure: Failure, outputs: OutputsWanted) -> (Duration, Duration) {
    let runs = secs(40);
    let mut world = world(failure, outputs, runs);
    world.run_session();
    let suspects = world.slave_told(FIRST, |notice| matches!(notice, slave::Notice::Suspicious { .. }));
    let ended = world.all_told(|notice| matches!(notice, Notice::Ended { .. }));
    (suspects[0], ended[1].saturating_sub(runs))
}

#[test]
fn the_next_round_begins_when_the_slave_has_moved() {
    for failure in [Failure::Forgotten, Failure::Slow] {
        for outputs in [OutputsWanted::Nothing, OutputsWanted::Whole] {
            let (suspects_at, without_run) = times(failure, outputs);
            // The master hears the slave's hello three delays after the suspicion, and the answer to its probe two delays
            // later.
            for after in (3 * DELAY + 5..5 * DELAY).step_by(15) {
                let mut world = world(failure, outputs, (suspects_at + millis(after)).saturating_sub(without_run));
                let report = world.run_session();
                let (verdict, rounds) = (report.verdict, report.rounds.len());
                assert_eq!((verdict, rounds), (Verdict::Succeeded, 2), "{failure:?} {outputs:?} {after} {report:?}");
                let reconnects = report.rounds.iter().map(|round| round.rows[0].reconnects).collect::<Vec<_>>();
                assert_eq!(reconnects, [1, 0], "{failure:?} {outputs:?} {after}");
            }
        }
    }
}
