//! The diagnostics of one file together with its text.

use std::fmt;
use std::sync::Arc;

use crate::diagnostic::{Diagnostic, Location, Severity};
use crate::source::Source;

/// The diagnostics of one file, in the order of its text. Displayed as one line for each, with
/// file, line and column.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Report {
    /// The file.
    pub source: Arc<Source>,
    /// Its diagnostics; none is a good report.
    pub diagnostics: Vec<Diagnostic>,
}

impl Report {
    /// A report on a file, sorted by place.
    #[must_use]
    pub fn new(source: Arc<Source>, mut diagnostics: Vec<Diagnostic>) -> Self {
        let place = |location: &Location| (location.span.start, location.span.end);
        diagnostics.sort_by_key(|diagnostic| diagnostic.location.as_ref().map(place));
        Self { source, diagnostics }
    }

    /// How many of its diagnostics have that severity.
    #[must_use]
    pub fn count(&self, severity: Severity) -> usize {
        self.diagnostics.iter().filter(|diagnostic| diagnostic.severity == severity).count()
    }

    /// Whether nothing in it is an error.
    #[must_use]
    pub fn is_usable(&self) -> bool {
        self.count(Severity::Error) == 0
    }
}

impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (number, diagnostic) in self.diagnostics.iter().enumerate() {
            let line_end = if number == 0 { "" } else { "\n" };
            write!(f, "{line_end}{}:", self.source.name())?;
            if let Some(Location { start, .. }) = &diagnostic.location {
                write!(f, "{}:{}:", start.line, start.column)?;
            }
            write!(f, " {diagnostic}")?;
        }
        Ok(())
    }
}
