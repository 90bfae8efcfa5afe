//! `synexec_slave`: waits for a master, and runs the task that it is given.

use std::process::ExitCode;

fn main() -> ExitCode {
    synexec_slave::main()
}
