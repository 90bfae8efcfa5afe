//! The table, and the same as JSON.

use anyhow::{Context as _, Result};
use serde_json::{Value, json};

/// A figure and its target.
pub struct Line {
    /// The measured action.
    pub work: String,
    /// The measured quantity.
    pub what: &'static str,
    pub figure: String,
    pub must: String,
    pub met: bool,
    /// Other measurements of the same run.
    pub compared: String,
    pub samples: Value,
}

/// All figures, in the order in which they were measured.
#[derive(Default)]
pub struct Results(Vec<Value>);

impl Results {
    /// Adds a figure and prints it.
    pub fn add(&mut self, line: Line) {
        let Line { work, what, figure, must, met, compared, samples } = line;
        let verdict = if met { "met" } else { "MISSED" };
        println!("{work:55} {what:15} {figure:38} {must:36} {verdict:7} {compared}");
        self.0.push(json!({
            "work": work, "what": what, "figure": figure, "must": must, "met": met, "compared": compared,
            "samples": samples,
        }));
    }

    /// Writes all figures beside the build, and prints the path.
    pub fn write(self) -> Result<()> {
        let target = std::env::current_exe()?;
        let target = target.ancestors().nth(3).context("the benchmark does not lie in a target directory")?;
        let path = target.join("bench-figures.json");
        let text = serde_json::to_string_pretty(&self.0)?;
        std::fs::write(&path, text).with_context(|| path.display().to_string())?;
        println!("\nall samples are in {}", path.display());
        Ok(())
    }
}

/// The median, or the upper one of two.
pub fn median(samples: &[f64]) -> f64 {
    let mut sorted = samples.to_vec();
    sorted.sort_by(f64::total_cmp);
    sorted.get(sorted.len() / 2).copied().unwrap_or(f64::NAN)
}
