//! The thread that starts all children.
//!
//! The kernel sends the parent-death signal when the *thread* that forked ends, and tests run on threads that come
//! and go. This one lives as long as the test process.

use std::io;
use std::process::{Child, Command, Stdio};
use std::sync::OnceLock;
use std::sync::mpsc::{self, Receiver, Sender};
use std::thread;

use anyhow::{Context as _, Result};

struct Order {
    command: Command,
    reply: Sender<io::Result<Child>>,
}

pub(super) fn spawn(command: &Command) -> Result<Child> {
    static ORDERS: OnceLock<Sender<Order>> = OnceLock::new();
    let (reply, answer) = mpsc::channel();
    let order = Order { command: dying_with_parent(command), reply };
    ORDERS.get_or_init(start).send(order).ok().context("the spawner is gone")?;
    let child = answer.recv().context("the spawner is gone")?;
    child.context("cannot run setpriv (of util-linux)")
}

fn start() -> Sender<Order> {
    let (sender, orders) = mpsc::channel();
    thread::spawn(move || serve(&orders));
    sender
}

fn serve(orders: &Receiver<Order>) {
    for mut order in orders {
        let child = order.command.spawn();
        // An order is dropped if its sender no longer waits.
        let _ = order.reply.send(child);
    }
}

/// `setpriv` executes the program in its own place, so the pid is the program's.
fn dying_with_parent(inner: &Command) -> Command {
    let mut command = Command::new("setpriv");
    command.args(["--pdeathsig", "KILL", "--"]).arg(inner.get_program()).args(inner.get_args());
    for (name, value) in inner.get_envs() {
        match value {
            Some(value) => command.env(name, value),
            None => command.env_remove(name),
        };
    }
    if let Some(directory) = inner.get_current_dir() {
        command.current_dir(directory);
    }
    command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
    command
}
