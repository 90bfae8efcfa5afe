//! `synexec_master`: finds N slaves, sends each of them the task, starts it on all of them at the same instant, and
//! reports what happened.

use std::process::ExitCode;

fn main() -> ExitCode {
    synexec_master::main()
}
