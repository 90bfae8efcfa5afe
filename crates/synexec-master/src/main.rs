//! `synexec_master`: finds N slaves, hands each the task, starts it on all of them, and tells what happened.

use std::process::ExitCode;

fn main() -> ExitCode {
    synexec_master::main()
}
