//! All that is known of a session, as one document; the table on the terminal, JSON, CSV and HTML are its readers.

mod build;
mod csv;
mod document;
mod files;
mod html;
mod json;
mod remarks;
mod sentence;

pub use build::{Context, build};
pub use document::{Asked, Conf, Document, OutputReport, OutputState, RoundReport, SlaveReport};
pub use files::{ReportFileError, ReportFiles};
pub use remarks::kept_at;
