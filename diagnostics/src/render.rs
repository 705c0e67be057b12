//! The ways to show reports. Another format is another variant of [`Render`] and a file of its own.

use crate::report::Report;
use crate::{json, text};

/// A way to show reports.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Render {
    /// For people: the code and the message, the line, carets under the span, and below it the
    /// path, the help and other places.
    Text {
        /// Whether to write ANSI colours.
        color: bool,
    },
    /// For programs: one JSON object on one line. `files` names every file that was judged, good
    /// ones too; each diagnostic is an object of [`Diagnostic`](crate::Diagnostic)'s JSON form.
    ///
    /// ```json
    /// {"version": "gatepost.check/v1", "files": ["policy.yaml"], "errors": 1, "warnings": 0,
    ///  "diagnostics": [{"severity": "error", "code": "unknown-field", "file": "policy.yaml",
    ///    "line": 3, "column": 3, "endLine": 3, "endColumn": 10, "path": "hosts.unmaped",
    ///    "message": "unknown field `unmaped`", "help": "did you mean `unmapped`?"}]}
    /// ```
    Json,
}

impl Render {
    /// All reports as one text that ends with a line end, or is empty when there is nothing to
    /// show.
    #[must_use]
    pub fn render(self, reports: &[Report]) -> String {
        match self {
            Self::Text { color } => text::text(reports, color),
            Self::Json => json::json(reports),
        }
    }
}
