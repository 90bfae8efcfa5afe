//! `synexec_slave`: waits for a master, and runs the task that the master gives.

use std::process::ExitCode;

fn main() -> ExitCode {
    synexec_slave::main()
}
