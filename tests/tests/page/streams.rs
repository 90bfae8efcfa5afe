//! The streams of a task on the page.

use std::fs;

use anyhow::{Result, ensure};
use serde_json::{Value, json};
use synexec_tests::lab::harness::Test;

use crate::{Session, with_slaves};

pub const TESTS: &[(&str, Test)] = &[
    ("separate_standard_error_has_a_box_of_its_own", separate_standard_error_has_a_box_of_its_own),
    ("an_empty_stream_is_named_if_there_are_two", an_empty_stream_is_named_if_there_are_two),
];

fn separate_standard_error_has_a_box_of_its_own() -> Result<()> {
    let session = Session::run(&["--separate"])?;
    let browser = session.open()?;
    browser.click("#slaves tr[data-rank=\"1\"] button.unfold")?;
    ensure!(browser.texts("#detail-1 h3")? == ["Run", "Output", "Standard error"]);
    let outputs = browser.texts("#detail-1 pre")?;
    ensure!(outputs == ["this is vm1 in round 1\n", "vm1 is broken\n"], "{outputs:?}");
    browser.ensure_content()
}

fn an_empty_stream_is_named_if_there_are_two() -> Result<()> {
    let session = Session::run(&["--separate"])?;
    let ends = [["text", ""], ["", "text"], ["", ""]];
    let page = with_slaves(&fs::read_to_string(&session.page)?, 4, |rank, slave| {
        if let Some([output, errors]) = ends.get(rank) {
            (slave["output"]["tail"], slave["errors"]["tail"]) = (json!(output), json!(errors));
        } else {
            slave["output"]["tail"] = json!("");
            (slave["errors"], slave["errors_path"]) = (Value::Null, Value::Null);
        }
    })?;
    fs::write(&session.page, page)?;
    let browser = session.open()?;
    for (rank, expected) in [
        &["Standard error is empty."][..],
        &["The output is empty."],
        &["The output is empty.", "Standard error is empty."],
        &["The task printed nothing."],
    ]
    .into_iter()
    .enumerate()
    {
        browser.click(&format!("#slaves tr[data-rank=\"{rank}\"] button.unfold"))?;
        let told = browser.texts(&format!("#detail-{rank} .empty"))?;
        ensure!(told == expected, "{rank}: {told:?}");
    }
    browser.ensure_content()
}
