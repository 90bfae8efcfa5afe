//! The entry of test files with `harness = false` whose tests use a lab.
//!
//! Making namespaces takes root's rights over the network. A process without these rights starts again in a user
//! namespace, where it has them. If this is refused too, the tests are ignored, with a message.

use std::env;
use std::os::unix::process::CommandExt as _;
use std::process::{Command, ExitCode};

use anyhow::{Context as _, Error, Result, ensure};
use libtest_mimic::{Arguments, Completion, Failed, Trial};

use super::missing::Missing;
use super::{Namespace, tools};

/// A test that fails by returning an error. The harness shows the error with all its causes.
pub type Test = fn() -> Result<()>;

/// Environment variable that marks the restarted process, so that the restart happens once.
const INSIDE: &str = "SYNEXEC_LAB_INSIDE";

const NO_LAB: &str = "no lab can be made here";

/// Environment variable. With the value `require`, tests without a lab fail and are not ignored.
const POLICY: &str = "SYNEXEC_LAB";

const REMEDY: &str = "Run the tests as root, or let users make user namespaces with rights in them: see sysctl \
    user.max_user_namespaces and, on Ubuntu, kernel.apparmor_restrict_unprivileged_userns. \
    SYNEXEC_LAB=require makes such tests fail.";

/// `--net` is needed because the user namespace that made a network has the rights over it.
const UNSHARE: [&str; 4] = ["--user", "--map-root-user", "--net", "--"];

/// A test with data: one of many similar tests.
pub struct Case {
    /// The name.
    pub name: String,
    /// The test itself.
    pub run: Box<dyn FnOnce() -> Result<()> + Send>,
}

impl From<(&str, Test)> for Case {
    fn from((name, test): (&str, Test)) -> Self {
        Self { name: name.to_owned(), run: Box::new(test) }
    }
}

/// Runs the tests named on the command line, or all.
pub fn main(tests: Vec<(&'static str, Test)>) -> ExitCode {
    run(tests.into_iter().map(Case::from).collect(), &Arguments::from_args())
}

/// Runs tests that mostly wait: this many at a time, unless the command line gives a number.
pub fn main_of_waiting(tests: impl IntoIterator<Item = impl Into<Case>>, at_a_time: usize) -> ExitCode {
    let mut arguments = Arguments::from_args();
    arguments.test_threads = arguments.test_threads.or(Some(at_a_time));
    run(tests.into_iter().map(Into::into).collect(), &arguments)
}

fn run(tests: Vec<Case>, arguments: &Arguments) -> ExitCode {
    let trials = match admit() {
        Ok(()) => tests.into_iter().map(allowed).collect(),
        Err(why) => refused(tests, &why),
    };
    libtest_mimic::run(arguments, trials).exit_code()
}

fn allowed(test: Case) -> Trial {
    Trial::ignorable_test(test.name, move || match (test.run)() {
        Ok(()) => Ok(Completion::Completed),
        Err(error) if error.is::<Missing>() && !is_required() => {
            eprintln!("\n*** A test is IGNORED: {error}. {POLICY}=require makes such tests fail.");
            Ok(Completion::ignored_with(error.to_string()))
        }
        Err(error) => Err(Failed::from(format!("{error:#}"))),
    })
}

fn is_required() -> bool {
    env::var_os(POLICY).is_some_and(|policy| policy == "require")
}

fn refused(tests: Vec<Case>, why: &Error) -> Vec<Trial> {
    let required = is_required();
    let fate = if required { "FAILED" } else { "IGNORED" };
    let why = format!("{NO_LAB}: {why:#}");
    eprintln!("\n*** {} tests {fate}: {why}.", tests.len());
    eprintln!("*** {REMEDY}");
    let trial = |Case { name, .. }| {
        if required { failing(name, &why) } else { ignored(name) }
    };
    tests.into_iter().map(trial).collect()
}

fn failing(name: String, why: &str) -> Trial {
    let failed = Failed::from(why);
    Trial::test(name, || Err(failed))
}

fn ignored(name: String) -> Trial {
    Trial::ignorable_test(name, || Ok(Completion::ignored_with(NO_LAB)))
}

/// Returns when this process can make labs. May restart the process in a user namespace.
fn admit() -> Result<()> {
    let Err(refusal) = probe() else { return Ok(()) };
    ensure!(env::var_os(INSIDE).is_none(), "this process cannot make a lab even in a user namespace: {refusal:#}");
    try_user_namespace().with_context(|| format!("{refusal:#}"))?;
    start_over()
}

/// Checks that this process can make a namespace and set it up.
fn probe() -> Result<()> {
    tools::batch(&Namespace::new()?, "ip", "link set lo up\n")
}

/// Some systems let users make user namespaces but give them no rights inside, so the harness has to try.
fn try_user_namespace() -> Result<()> {
    let trial = Command::new("unshare").args(UNSHARE).args(["ip", "link", "set", "lo", "up"]).output();
    let trial = trial.context("cannot run unshare (of util-linux)")?;
    let complaint = String::from_utf8_lossy(&trial.stderr);
    ensure!(trial.status.success(), "this process cannot make a user namespace: {}", complaint.trim());
    Ok(())
}

fn start_over() -> Result<()> {
    let mut command = Command::new("unshare");
    command.args(UNSHARE).arg(env::current_exe()?).args(env::args_os().skip(1)).env(INSIDE, "1");
    Err(command.exec()).with_context(|| format!("{command:?}"))
}
