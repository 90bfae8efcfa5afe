//! The schema of reports, which must name every field of a report.

use std::fs;
use std::path::Path;

use anyhow::{Context as _, Result, ensure};
use serde_json::Value;

/// Validates a report against the schema. A field that the schema does not name is an error too.
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

/// Forbids properties that the schema does not name, in every object.
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
