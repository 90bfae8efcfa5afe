//! The page that `--html` writes, in a browser.

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
    ("texts_of_charts_do_not_overlap", texts_of_charts_do_not_overlap),
    ("one_slave_has_no_skew", one_slave_has_no_skew),
    ("charts_name_the_slaves_while_the_names_fit", charts_name_the_slaves_while_the_names_fit),
    ("slaves_are_ordered_by_name", slaves_are_ordered_by_name),
    ("a_number_and_its_unit_stay_together", a_number_and_its_unit_stay_together),
    ("it_is_dark_where_that_is_wanted", it_is_dark_where_that_is_wanted),
    ("it_can_be_printed", it_can_be_printed),
];

const GUESTS: usize = 4;

/// A task that prints its name. The second one fails, and each runs for a time of its own.
const TASK: &str = "/bin/sh :CONF:
echo this is $SYNEXEC_NAME in round $SYNEXEC_ROUND
sleep 0.$((3 - SYNEXEC_RANK))
[ $SYNEXEC_NAME != vm1 ]
";

fn main() -> ExitCode {
    harness::main(TESTS.to_vec())
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
    fleet.master(1, &fleet.conf("/bin/echo </script><b>\u{202e}\u{e0041}\n")?, &options)?.wait()?;
    let browser = Browser::start()?;
    browser.open(&page)?;
    ensure!(browser.texts("#slaves .col-name")?.iter().any(|cell| cell.contains(name)));
    browser.click("#slaves tr[data-rank=\"0\"] button.unfold")?;
    ensure!(browser.texts("#detail-0 pre")? == ["</script><b>\\u202e\\ue0041\n"]);
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
            (slave["rank"], slave["name"]) = (json!(rank), json!(format!("vm{rank}")));
            slave["label"] = slave["name"].clone();
            change(rank, &mut slave);
            slave
        })
        .collect();
    for number in ["known", "slaves"] {
        round["skew"][number] = json!(count);
    }
    Ok([head, DATA[0], &report.to_string().replace('<', "\\u003c"), DATA[1], tail].concat())
}

/// Opens the page of a session with this many slaves, whose starts and elapsed times differ.
fn open_with(session: &Session, count: usize, name: impl Fn(usize) -> String) -> Result<Browser> {
    let browser = Browser::start()?;
    browser.open(&page_with(session, count, name)?)?;
    Ok(browser)
}

/// The page of a session with this many slaves, whose starts and elapsed times differ.
fn page_with(session: &Session, count: usize, name: impl Fn(usize) -> String) -> Result<PathBuf> {
    let change = |rank: usize, slave: &mut Value| {
        slave["name"] = json!(name(rank));
        (slave["start"]["at_ns"], slave["start"]["uncertainty_ns"]) = (json!(rank * 37_000), json!(25_000));
        let elapsed = 200_000_000 + (rank * rank * 7_001) % 9_000_000;
        (slave["elapsed_ns"], slave["end_ns"]) = (json!(elapsed), json!(rank * 37_000 + elapsed));
    };
    let page = with_slaves(&std::fs::read_to_string(&session.page)?, count, change)?;
    let path = session.page.with_file_name(format!("{count}.html"));
    std::fs::write(&path, page)?;
    Ok(path)
}

/// Pairs of texts in a chart that overlap, and texts that reach out of their chart.
const MISPLACED: &str = "
    const misplaced = [];
    for (const svg of document.querySelectorAll('.chart svg')) {
        const frame = svg.getBoundingClientRect();
        const texts = [...svg.querySelectorAll('text')].map((one) => [one.textContent, one.getBoundingClientRect()]);
        texts.forEach(([text, box], index) => {
            if (box.left < frame.left - 1 || box.right > frame.right + 1 || box.top < frame.top - 1 || box.bottom > frame.bottom + 1) misplaced.push(`${text} is outside`);
            for (const [other, next] of texts.slice(index + 1)) {
                const across = Math.min(box.right, next.right) - Math.max(box.left, next.left);
                const down = Math.min(box.bottom, next.bottom) - Math.max(box.top, next.top);
                if (across > 1 && down > 2) misplaced.push(`${text} is on ${other}`);
            }
        });
    }
    return misplaced";

fn texts_of_charts_do_not_overlap() -> Result<()> {
    let session = Session::run(&["--max-skew", "1000000"])?;
    let browser = Browser::start()?;
    for count in [1, 2, 3, 12, 15, 30, 200] {
        for name in [|rank| format!("vm{rank}"), |rank| format!("a-guest-with-a-long-name-{rank}.example.org")] {
            browser.open(&page_with(&session, count, name)?)?;
            for order in ["start", "rank", "name"] {
                choose(&browser, "skew-order", order)?;
                let misplaced = browser.script(MISPLACED, &[])?;
                ensure!(misplaced == json!([]), "{count} slaves by {order}: {misplaced}");
            }
            browser.ensure_content()?;
        }
    }
    Ok(())
}

/// Chooses an order as a reader does.
fn choose(browser: &Browser, list: &str, order: &str) -> Result<()> {
    let script = "const list = document.getElementById(arguments[0]); list.value = arguments[1]; \
                  list.dispatchEvent(new Event('change', { bubbles: true })); return list.value";
    ensure!(browser.script(script, &[json!(list), json!(order)])? == json!(order), "there is no order by {order}");
    Ok(())
}

fn one_slave_has_no_skew() -> Result<()> {
    let session = Session::run(&[])?;
    let browser = open_with(&session, 1, |_| "vm0".to_owned())?;
    let figures = browser.texts("#figures > div")?;
    let skew = figures.iter().find(|figure| figure.starts_with("skew")).context("no skew")?;
    ensure!(skew.contains("one start alone has no skew") && !skew.contains('±'), "{figures:?}");
    ensure!(browser.texts("#skew-chart svg")?.is_empty() && browser.texts("#elapsed-chart .dot")?.len() == 1);
    browser.ensure_content()
}

/// The texts in the skew chart below its axis.
fn axis(browser: &Browser) -> Result<Vec<String>> {
    let script = "
        const svg = document.querySelector('#skew-chart svg');
        const axis = Math.max(...[...svg.querySelectorAll('.chart-guide')].map((line) => Number(line.getAttribute('y2'))));
        const top = svg.getBoundingClientRect().top;
        return [...svg.querySelectorAll('text.chart-tick')]
            .filter((text) => text.getBoundingClientRect().top - top > axis)
            .sort((a, b) => a.getBoundingClientRect().left - b.getBoundingClientRect().left)
            .map((text) => text.textContent)";
    Ok(serde_json::from_value(browser.script(script, &[])?)?)
}

fn charts_name_the_slaves_while_the_names_fit() -> Result<()> {
    let session = Session::run(&[])?;
    for count in [3, 12, 25] {
        let browser = open_with(&session, count, |rank| format!("guest{rank}.example.org"))?;
        let expected: Vec<_> = (0..count).map(|rank| format!("guest{rank}")).collect();
        ensure!(axis(&browser)? == expected, "{:?}", axis(&browser)?);
        let (dots, bins) = (browser.texts("#elapsed-chart .dot")?.len(), browser.texts("#elapsed-chart .bin")?.len());
        ensure!(if count < 15 { (dots, bins) == (count, 0) } else { dots == 0 && bins > 0 }, "{dots} {bins}");
        browser.ensure_content()?;
    }
    let browser = open_with(&session, 200, |rank| format!("guest{rank}"))?;
    ensure!(axis(&browser)?.iter().all(|text| text.parse::<u32>().is_ok()), "{:?}", axis(&browser)?);
    Ok(())
}

/// The name in the tooltip of a row of the timeline.
fn timeline_name(browser: &Browser, row: usize) -> Result<String> {
    let script = "
        const canvas = document.querySelector('.timeline-canvas').getBoundingClientRect();
        const at = { clientX: canvas.left + canvas.width / 2, clientY: canvas.top + (arguments[0] + 0.5) * 26, bubbles: true };
        document.querySelector('.timeline-canvas').dispatchEvent(new PointerEvent('pointermove', at));
        return document.querySelector('#tooltip b').textContent";
    Ok(serde_json::from_value(browser.script(script, &[json!(row)])?)?)
}

fn slaves_are_ordered_by_name() -> Result<()> {
    let session = Session::run(&[])?;
    let names = ["web10", "web2", "db1", "web1"];
    let browser = open_with(&session, names.len(), |rank| names[rank].to_owned())?;
    let by_name = ["db1", "web1", "web2", "web10"];
    for (order, expected) in [("name", by_name), ("rank", names)] {
        choose(&browser, "timeline-order", order)?;
        let rows = (0..names.len()).map(|row| timeline_name(&browser, row)).collect::<Result<Vec<_>>>()?;
        ensure!(rows == expected, "{rows:?}");
        choose(&browser, "skew-order", order)?;
        ensure!(axis(&browser)? == expected, "{:?}", axis(&browser)?);
    }
    browser.ensure_content()
}

/// Texts in which a line could end between a number and its unit.
const BREAKABLE: &str = r"
    const walker = document.createTreeWalker(document.body, NodeFilter.SHOW_TEXT);
    const found = [];
    while (walker.nextNode()) {
        const { textContent, parentElement } = walker.currentNode;
        const isOwn = !parentElement.closest('pre, code, script, style');
        if (isOwn && /\d (ns|µs|ms|s|min|h|B|KiB|MiB|GiB)\b| ± /.test(textContent)) found.push(textContent);
    }
    return found";

fn a_number_and_its_unit_stay_together() -> Result<()> {
    let session = Session::run(&["--rounds", "2", "--timeout", "100"])?;
    let change = |_: usize, slave: &mut Value| {
        slave["remarks"] = json!(["its task was released 2.13 ms late", "38.8 ± 12.6 µs"]);
        slave["outcome"]["text"] = json!("exited 3 after 0.100 s");
        slave["stands_out"] = json!(true);
    };
    let page = with_slaves(&std::fs::read_to_string(&session.page)?, 3, change)?;
    std::fs::write(&session.page, page)?;
    let browser = session.open()?;
    browser.click("#slaves tr[data-rank=\"2\"] button.unfold")?;
    timeline_name(&browser, 1)?;
    ensure!(browser.script(BREAKABLE, &[])? == json!([]), "{}", browser.script(BREAKABLE, &[])?);
    ensure!(browser.texts("#slaves .col-remarks")?.iter().any(|remark| remark.contains("2.13\u{a0}ms late")));
    browser.ensure_content()
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
