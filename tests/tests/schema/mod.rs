//! The schema of reports, which must name all that is in one.

use std::fs;
use std::path::Path;

use anyhow::{Context as _, Result, ensure};
use serde_json::Value;

/// Holds a report against the schema; a field that the schema does not know is a mistake too.
pub fn check(report: &Value) -> Result<()> {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../dist/schemas/report-1.schema.json");
    let mut schema: Value = serde_json::from_str(&fs::read_to_string(path)?)?;
    close(&mut schema);
    let validator = jsonschema::validator_for(&schema).context("the schema is none")?;
    let errors: Vec<_> =
        validator.iter_errors(report).map(|error| format!("{} at {}", error, error.instance_path())).collect();
    ensure!(errors.is_empty(), "{}\nin {report:#}", errors.join("\n"));
    Ok(())
}

/// No object may have properties beside those that are named.
fn close(schema: &mut Value) {
    match schema {
        Value::Object(object) => {
            object.values_mut().for_each(close);
            if object.get("properties").is_some_and(Value::is_object) && object.contains_key("type") {
                object.insert("additionalProperties".to_owned(), false.into());
            }
        }
        Value::Array(values) => values.iter_mut().for_each(close),
        _ => {}
    }
}
