//! The report of a session: one document, which is printed as a table and written as JSON, CSV and HTML.

mod build;
mod crowd;
mod csv;
mod document;
mod files;
mod html;
mod json;
mod median;
mod remarks;
mod sentence;

pub use build::{Context, build};
pub use document::{Asked, ConfReport, Document, OutputReport, OutputState, RoundReport, SlaveReport, StreamName};
pub use files::{ReportFileError, ReportFiles};
pub use remarks::{LATE_MIN, incomplete, kept_at};
