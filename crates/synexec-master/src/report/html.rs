//! The report as one HTML page, which loads nothing from the network.

use std::io::{self, Write};

use askama::Template;
use synexec_proto::text::plain_line;

use super::Document;

const STYLE: &str = include_str!("../../page/report.css");

/// The script of the page. Each part uses only the parts before it.
const SCRIPT: &str = concat!(
    include_str!("../../page/format.js"),
    include_str!("../../page/ranges.js"),
    include_str!("../../page/painter.js"),
    include_str!("../../page/timeline.js"),
    include_str!("../../page/charts.js"),
    include_str!("../../page/skew_chart.js"),
    include_str!("../../page/elapsed_chart.js"),
    include_str!("../../page/table.js"),
    include_str!("../../page/main.js"),
);

/// Values of the template. Values that the template marks as `safe` are not escaped.
#[derive(Template)]
#[template(path = "report.html")]
struct Page<'a> {
    title: String,
    sentence: &'a str,
    css: &'static str,
    js: &'static str,
    data: String,
}

/// Writes the page.
///
/// # Errors
/// The writer fails.
pub fn write(document: &Document, mut to: impl Write) -> io::Result<()> {
    let page = Page {
        title: format!("synexec: {}", plain_line(&document.conf.path)),
        sentence: &document.sentence,
        css: STYLE,
        js: SCRIPT,
        data: for_script(&serde_json::to_string(document)?),
    };
    page.write_into(&mut to)
}

/// JSON that cannot end its script element (HTML Standard, 4.12.1.3). In JSON, `<` occurs only in strings, where it may
/// be written as an escape.
fn for_script(json: &str) -> String {
    json.replace('<', "\\u003c")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_string_ends_the_script() {
        let json = serde_json::to_string("</script><!-- \u{2028}").unwrap();
        let escaped = for_script(&json);
        assert!(!escaped.contains('<'));
        assert_eq!(serde_json::from_str::<String>(&escaped).unwrap(), "</script><!-- \u{2028}");
    }
}
