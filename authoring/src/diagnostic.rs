//! Something to tell the author of a file: where, what, and what to do. Faults of the text, of a
//! policy and of a tests file all become diagnostics; how they look on a terminal or in JSON is for
//! [`crate::render`].

use crate::problem::Problem;
use crate::read::Reading;
use crate::source::{Position, Source, Span};
use crate::tree::{Node, locate};
use gatepost_engine::{Path, PolicyError};
use std::sync::Arc;

/// How much a diagnostic matters.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Severity {
    /// The file can be used, but probably not as its author thinks.
    Warning,
    /// The file cannot be used.
    Error,
}

/// One finding in one file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Diagnostic {
    /// How much it matters.
    pub severity: Severity,
    /// What to underline, as bytes of the file's text.
    pub span: Span,
    /// The first character to underline.
    pub start: Position,
    /// The place after the last character to underline.
    pub end: Position,
    /// The path of the value in the document, as `hosts.mappings[3].authority`; `None` for the
    /// document as a whole.
    pub path: Option<String>,
    /// What is wrong.
    pub message: String,
    /// What to do about it.
    pub help: Option<String>,
}

impl Diagnostic {
    /// An error at a place of a file. An empty `path` is that of the document as a whole.
    pub fn error(
        source: &Source,
        span: Span,
        path: impl Into<String>,
        message: impl Into<String>,
        help: Option<String>,
    ) -> Self {
        Self {
            severity: Severity::Error,
            span,
            start: source.position(span.start),
            end: source.position(span.end),
            path: Some(path.into()).filter(|path| !path.is_empty()),
            message: message.into(),
            help,
        }
    }

    /// The same as a warning.
    #[must_use]
    pub fn into_warning(self) -> Self {
        Self { severity: Severity::Warning, ..self }
    }
}

/// What there is to tell about one file, in the order of its text.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Report {
    /// The file.
    pub source: Arc<Source>,
    /// Its findings; none is a good report.
    pub diagnostics: Vec<Diagnostic>,
}

impl Report {
    /// A report on a file, sorted by place.
    pub fn new(source: Arc<Source>, mut diagnostics: Vec<Diagnostic>) -> Self {
        diagnostics.sort_by_key(|diagnostic| (diagnostic.span.start, diagnostic.span.end));
        Self { source, diagnostics }
    }

    /// How many of its findings have that severity.
    pub fn count(&self, severity: Severity) -> usize {
        self.diagnostics.iter().filter(|diagnostic| diagnostic.severity == severity).count()
    }

    /// Whether nothing in it is an error.
    pub fn is_usable(&self) -> bool {
        self.count(Severity::Error) == 0
    }
}

/// The problems of a text as diagnostics.
pub(crate) fn from_reading(source: &Source, reading: &Reading) -> Vec<Diagnostic> {
    reading.problems.iter().map(|problem| from_problem(source, problem)).collect()
}

/// A problem of a text as a diagnostic.
pub(crate) fn from_problem(source: &Source, problem: &Problem) -> Diagnostic {
    Diagnostic::error(
        source,
        problem.span,
        problem.path.clone(),
        problem.kind.to_string(),
        problem.kind.help(),
    )
}

/// The engine's fault as a diagnostic, at its place in the tree.
pub(crate) fn from_fault(source: &Source, root: &Node, fault: &PolicyError) -> Diagnostic {
    let span = locate(source, root, fault.path.segments(), fault.place);
    Diagnostic::error(source, span, path_text(&fault.path), fault.kind.to_string(), fault.help())
}

/// A path as diagnostics carry it: empty for the document as a whole.
pub(crate) fn path_text(path: &Path) -> String {
    if path.segments().is_empty() { String::new() } else { path.to_string() }
}
