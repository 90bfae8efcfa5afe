//! The page that `--html` writes, in a browser.

mod layout;
mod streams;

use std::path::PathBuf;
use std::process::ExitCode;

use anyhow::{Context as _, Result, ensure};
use serde_json::{Value, json};
use synexec_tests::browser::Browser;
use synexec_tests::fleet::{Fleet, slave_on};
use synexec_tests::lab::harness::{self, Test};
use synexec_tests::process::eventually;
use synexec_tests::report;

const TESTS: &[(&str, Test)] = &[
    ("a_page_tells_the_facts_of_the_report", a_page_tells_the_facts_of_the_report),
    ("rows_are_sorted_and_searched", rows_are_sorted_and_searched),
    ("the_timeline_is_zoomed_to_the_start", the_timeline_is_zoomed_to_the_start),
    ("a_row_unfolds_to_the_end_of_its_output", a_row_unfolds_to_the_end_of_its_output),
    ("another_round_is_chosen", another_round_is_chosen),
    ("names_of_guests_are_no_markup", names_of_guests_are_no_markup),
    ("a_session_without_a_start_has_a_page_too", a_session_without_a_start_has_a_page_too),
    ("a_thousand_slaves_can_be_read", a_thousand_slaves_can_be_read),
    ("it_is_dark_where_that_is_wanted", it_is_dark_where_that_is_wanted),
    ("it_can_be_printed", it_can_be_printed),
];

const GUESTS: usize = 4;

/// A task that prints its name. The second one fails, and each runs for a time of its own.
const TASK: &str = "/bin/sh :CONF:
echo this is $SYNEXEC_NAME in round $SYNEXEC_ROUND
sleep 0.$((3 - SYNEXEC_RANK))
[ $SYNEXEC_NAME != vm1 ] || { echo $SYNEXEC_NAME is broken >&2; exit 1; }
";

fn main() -> ExitCode {
    harness::main([TESTS, streams::TESTS, layout::TESTS].concat())
}

/// Runs a session of the task, and writes its page.
struct Session {
    fleet: Fleet,
    page: PathBuf,
}

impl Session {
    fn run(options: &[&str]) -> Result<Self> {
        let fleet = Fleet::new(GUESTS)?;
        let _slaves = fleet.slaves(&[])?;
        let page = fleet.control.dir().join("report.html");
        let path = page.to_str().context("a path that is no text")?;
        let options = [&["--html", path], options].concat();
        let finished = fleet.master(GUESTS, &fleet.conf(TASK)?, &options)?.wait()?;
        ensure!(finished.code() == Some(1), "{finished:?}");
        Ok(Self { fleet, page })
    }

    fn open(&self) -> Result<Browser> {
        let browser = Browser::start()?;
        browser.open(&self.page)?;
        Ok(browser)
    }

    fn slaves(&self) -> Result<Vec<Value>> {
        let report = report::read(&self.fleet.control)?;
        report["rounds"][0]["slaves"].as_array().cloned().context("no slaves")
    }
}

fn names(browser: &Browser) -> Result<Vec<String>> {
    let cells = browser.texts("#slaves tbody tr[data-rank] .col-name")?;
    Ok(cells.iter().filter_map(|cell| cell.split_whitespace().last()).map(str::to_owned).collect())
}

/// The names in the order of a figure in the report.
fn by_figure(slaves: &[Value], pointer: &str) -> Vec<String> {
    let mut slaves = slaves.to_vec();
    slaves.sort_by_key(|slave| slave.pointer(pointer).and_then(Value::as_i64));
    slaves.iter().filter_map(|slave| slave["name"].as_str()).map(str::to_owned).collect()
}

fn a_page_tells_the_facts_of_the_report() -> Result<()> {
    let session = Session::run(&[])?;
    let browser = session.open()?;
    browser.ensure_content()?;
    let report = report::read(&session.fleet.control)?;
    let sentence = browser.texts("#sentence")?.concat().replace('\u{a0}', " ");
    ensure!(sentence == report["sentence"].as_str().context("no sentence")?, "{sentence}");
    ensure!(names(&browser)? == by_figure(&session.slaves()?, "/rank"), "{:?}", names(&browser)?);
    let failed = browser.texts("#slaves tbody tr[data-look=failed] .col-outcome")?;
    ensure!(failed.len() == 1 && failed[0].contains("exited 1"), "{failed:?}");
    for drawn in ["#skew-chart svg", "#elapsed-chart svg", "#timeline canvas, #timeline svg"] {
        ensure!(!browser.texts(drawn)?.is_empty(), "no {drawn}");
    }
    Ok(())
}

fn rows_are_sorted_and_searched() -> Result<()> {
    let session = Session::run(&[])?;
    let (browser, slaves) = (session.open()?, session.slaves()?);
    for (column, figure) in
        [("elapsed", "/elapsed_ns"), ("start", "/start/at_ns"), ("memory", "/usage/peak_memory_bytes")]
    {
        let header = format!("#slaves thead button[data-sort={column}]");
        let mut expected = by_figure(&slaves, figure);
        browser.click(&header)?;
        ensure!(names(&browser)? == expected, "by {column}: {:?}", names(&browser)?);
        browser.click(&header)?;
        let figures = |names: &[String]| names.iter().map(|name| figure_of(&slaves, name, figure)).collect::<Vec<_>>();
        expected.reverse();
        ensure!(figures(&names(&browser)?) == figures(&expected), "back by {column}: {:?}", names(&browser)?);
    }
    browser.type_into("#search", "vm2")?;
    ensure!(names(&browser)? == ["vm2"], "{:?}", names(&browser)?);
    browser.script(
        "const search = document.querySelector('#search'); search.value = ''; \
        search.dispatchEvent(new Event('input', { bubbles: true }))",
        &[],
    )?;
    browser.click("#only-standing-out")?;
    ensure!(names(&browser)?.contains(&"vm1".to_owned()), "{:?}", names(&browser)?);
    browser.ensure_content()
}

fn figure_of(slaves: &[Value], name: &str, pointer: &str) -> Option<i64> {
    slaves.iter().find(|slave| slave["name"] == json!(name))?.pointer(pointer)?.as_i64()
}

/// The span of the timeline, in nanoseconds.
fn shown(browser: &Browser) -> Result<[f64; 2]> {
    let script =
        "const { fromNs, toNs } = document.querySelector('#timeline').dataset; return [fromNs, toNs].map(Number)";
    Ok(serde_json::from_value(browser.script(script, &[])?)?)
}

/// A session in which the skew is small compared with the running time of the tasks.
fn punctual_session() -> Result<Option<Session>> {
    let session = Session::run(&[])?;
    let report = report::read(&session.fleet.control)?;
    let skew = report["rounds"][0]["skew"]["skew_ns"].as_f64().context("no skew")?;
    Ok((skew < 2e7).then_some(session))
}

fn the_timeline_is_zoomed_to_the_start() -> Result<()> {
    let session = eventually("a session of little skew", || punctual_session().transpose())??;
    let browser = session.open()?;
    let [from, to] = shown(&browser)?;
    ensure!(from < 0.0 && to > 2e8, "held and run: {from} to {to}");
    browser.click("#zoom-start")?;
    let [start_from, start_to] = shown(&browser)?;
    let report = report::read(&session.fleet.control)?;
    let skew = report["rounds"][0]["skew"]["skew_ns"].as_f64().context("no skew")?;
    ensure!(start_from <= 0.0 && start_to >= skew && start_to - start_from < (to - from) / 2.0);
    browser.click("#zoom-in")?;
    let [in_from, in_to] = shown(&browser)?;
    ensure!(in_to - in_from < start_to - start_from);
    browser.click("#zoom-all")?;
    let [all_from, all_to] = shown(&browser)?;
    ensure!((all_from - from).abs() < 1.0 && (all_to - to).abs() < 1.0, "{all_from} to {all_to}");
    browser.ensure_content()
}

fn a_row_unfolds_to_the_end_of_its_output() -> Result<()> {
    let session = Session::run(&[])?;
    let browser = session.open()?;
    ensure!(browser.texts(".detail")?.is_empty());
    browser.click("#slaves tr[data-rank=\"2\"] button.unfold")?;
    let name = session.slaves()?[2]["name"].as_str().context("no name")?.to_owned();
    let outputs = browser.texts("#detail-2 pre")?;
    ensure!(outputs == [format!("this is {name} in round 1\n")], "{outputs:?}");
    browser.ensure_content()
}

fn another_round_is_chosen() -> Result<()> {
    let session = Session::run(&["--rounds", "2"])?;
    let browser = session.open()?;
    browser.click("#rounds button[data-round=\"2\"]")?;
    browser.click("#slaves tr[data-rank=\"0\"] button.unfold")?;
    let outputs = browser.texts("#detail-0 pre")?;
    ensure!(outputs.len() == 1 && outputs[0].ends_with("in round 2\n"), "{outputs:?}");
    browser.ensure_content()
}

fn names_of_guests_are_no_markup() -> Result<()> {
    let name = "</script><img/src=x/onerror=alert(1)>";
    let fleet = Fleet::new(1)?;
    let _slave = slave_on(&fleet.guests[0], name, &[])?;
    let page = fleet.control.dir().join("report.html");
    let options = ["--html", page.to_str().context("a path that is no text")?];
    fleet.master(1, &fleet.conf("/bin/echo </script><b>\u{202e}\u{e0041}\u{2800}\n")?, &options)?.wait()?;
    let browser = Browser::start()?;
    browser.open(&page)?;
    ensure!(browser.texts("#slaves .col-name")?.iter().any(|cell| cell.contains(name)));
    browser.click("#slaves tr[data-rank=\"0\"] button.unfold")?;
    ensure!(browser.texts("#detail-0 pre")? == ["</script><b>\\u202e\\u{e0041}\\u2800\n"]);
    ensure!(browser.texts("img, #detail-0 b")?.is_empty());
    browser.ensure_content()
}

fn a_session_without_a_start_has_a_page_too() -> Result<()> {
    let fleet = Fleet::new(2)?;
    let _slaves = fleet.slaves(&[])?;
    let page = fleet.control.dir().join("report.html");
    let options = ["--html", page.to_str().context("a path that is no text")?];
    let finished = fleet.session_declined_by(2, &fleet.conf("/no/such/program\n")?, &options)?;
    ensure!(finished.code() == Some(4), "{finished:?}");
    let browser = Browser::start()?;
    browser.open(&page)?;
    let outcomes = browser.texts("#slaves tbody .col-outcome")?;
    ensure!(outcomes.len() == 2 && outcomes.iter().all(|outcome| outcome.contains("declined")), "{outcomes:?}");
    browser.ensure_content()
}

const DATA: [&str; 2] = ["<script type=\"application/json\" id=\"report\">", "</script>"];

/// The page with other slaves instead of the real ones. Each is made from its rank and the last real slave.
fn with_slaves(page: &str, count: usize, change: impl Fn(usize, &mut Value)) -> Result<String> {
    let (head, rest) = page.split_once(DATA[0]).context("no data")?;
    let (data, tail) = rest.split_once(DATA[1]).context("no end of the data")?;
    let mut report: Value = serde_json::from_str(data)?;
    let round = &mut report["rounds"][0];
    let slaves = round["slaves"].as_array_mut().context("no slaves")?;
    let model = slaves.pop().context("no slave")?;
    *slaves = (0..count)
        .map(|rank| {
            let mut slave = model.clone();
            slave["rank"] = json!(rank);
            (slave["name"], slave["label"]) = (json!(format!("vm{rank}")), json!(format!("vm{rank}")));
            change(rank, &mut slave);
            slave
        })
        .collect();
    for number in ["known", "slaves"] {
        round["skew"][number] = json!(count);
    }
    Ok([head, DATA[0], &report.to_string().replace('<', "\\u003c"), DATA[1], tail].concat())
}

fn a_thousand_slaves_can_be_read() -> Result<()> {
    let session = Session::run(&[])?;
    let page = with_slaves(&std::fs::read_to_string(&session.page)?, 1000, |_, _| {})?;
    std::fs::write(&session.page, page)?;
    let browser = session.open()?;
    ensure!(names(&browser)?.len() == 1000);
    browser.type_into("#search", "vm777")?;
    ensure!(names(&browser)? == ["vm777"], "{:?}", names(&browser)?);
    browser.click("#slaves tr[data-rank=\"777\"] button.unfold")?;
    ensure!(browser.texts("#detail-777 pre")?.len() == 1);
    browser.click("#zoom-start")?;
    browser.ensure_content()
}

/// The lightness of the page's background, from 0 to 255.
fn lightness(browser: &Browser) -> Result<f64> {
    let script = "return getComputedStyle(document.body).backgroundColor.match(/\\d+/g).slice(0, 3).map(Number)";
    let colours: [f64; 3] = serde_json::from_value(browser.script(script, &[])?)?;
    Ok(colours.iter().sum::<f64>() / 3.0)
}

fn it_is_dark_where_that_is_wanted() -> Result<()> {
    let session = Session::run(&[])?;
    let light = lightness(&session.open()?)?;
    let browser = Browser::start_with(&["--force-dark-mode", "--blink-settings=preferredColorScheme=0"])?;
    browser.open(&session.page)?;
    let dark = lightness(&browser)?;
    ensure!(light > 200.0 && dark < 60.0, "light {light}, dark {dark}");
    browser.ensure_content()
}

fn it_can_be_printed() -> Result<()> {
    let session = Session::run(&[])?;
    let browser = session.open()?;
    let pages = browser.print()?;
    ensure!(pages.starts_with(b"%PDF") && pages.len() > 10_000, "{} bytes", pages.len());
    browser.ensure_content()
}
