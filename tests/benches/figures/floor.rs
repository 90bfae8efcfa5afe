//! The floor: one local process that holds N children at their first instruction and releases them all in turn; as any
//! process does it, or with the precedence that our slaves take.

use std::fs::File;
use std::path::Path;

use anyhow::Result;
use synexec_host::environment::Environment;
use synexec_host::precedence::Precedence;
use synexec_host::process::{HeldTask, Task, TaskCommand};
use synexec_host::timer::is_core_free;
use synexec_tests::process::eventually;

use crate::stamp::{self, Stamp};

/// Starts this many children, and returns their stamps.
pub fn run(program: &Path, count: usize, with_precedence: bool) -> Result<Vec<Stamp>> {
    let dir = tempfile::tempdir()?;
    let outputs: Vec<_> = (0..count).map(|number| dir.path().join(number.to_string())).collect();
    let held: Result<Vec<_>> = outputs.iter().map(|output| hold(program, output)).collect();
    let held = held?;
    eventually("a free core", || is_core_free().then_some(()))?;
    let precedence = with_precedence.then(Precedence::take);
    let released: std::io::Result<Vec<Task>> = held.into_iter().map(|held| Ok(held.release()?.0)).collect();
    drop(precedence);
    for task in released? {
        task.reap()?;
    }
    outputs.iter().map(|output| stamp::read(output)).collect()
}

fn hold(program: &Path, output: &Path) -> Result<HeldTask> {
    let arguments = vec!["stamp".into()];
    let output = File::create(output)?;
    let environment = Environment::of_tasks(None, &[]);
    let command = TaskCommand {
        program: program.into(),
        arguments,
        environment,
        output,
        errors: None,
        identity: None,
        payload: None,
    };
    Ok(command.hold()?)
}
