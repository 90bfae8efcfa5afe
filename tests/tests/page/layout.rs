//! Texts, labels and orders of a page, for sessions of few and of many slaves.

use std::path::PathBuf;

use anyhow::{Context as _, Result, ensure};
use serde_json::{Value, json};
use synexec_tests::browser::Browser;
use synexec_tests::lab::harness::Test;

use crate::{Session, with_slaves};

pub const TESTS: &[(&str, Test)] = &[
    ("texts_of_charts_do_not_overlap", texts_of_charts_do_not_overlap),
    ("one_slave_has_no_skew", one_slave_has_no_skew),
    ("charts_name_the_slaves_while_the_names_fit", charts_name_the_slaves_while_the_names_fit),
    ("slaves_are_ordered_by_name", slaves_are_ordered_by_name),
    ("a_number_and_its_unit_stay_together", a_number_and_its_unit_stay_together),
];

/// Opens the page of a session with this many slaves, whose starts and elapsed times differ.
fn open_with(session: &Session, count: usize, name: impl Fn(usize) -> String) -> Result<Browser> {
    let browser = Browser::start()?;
    browser.open(&page_with(session, count, name)?)?;
    Ok(browser)
}

/// The page of a session with this many slaves, whose starts and elapsed times differ.
fn page_with(session: &Session, count: usize, name: impl Fn(usize) -> String) -> Result<PathBuf> {
    let change = |rank: usize, slave: &mut Value| {
        (slave["name"], slave["label"]) = (json!(name(rank)), json!(name(rank)));
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
