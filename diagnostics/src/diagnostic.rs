//! The diagnostic itself, as data. How it looks is decided in `text.rs` and `json.rs`.

use std::fmt;
use std::sync::Arc;

use crate::source::{Position, Source, Span};

/// How much a diagnostic matters.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Severity {
    /// The file can be used, but probably not as its author thinks.
    Warning,
    /// The file cannot be used, or a test failed.
    Error,
}

impl Severity {
    /// The word for it: `warning` or `error`.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Warning => "warning",
            Self::Error => "error",
        }
    }
}

/// One thing that a tool reports about a file. Displayed as one line without its place: the
/// message, what was expected and found, and the help.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Diagnostic {
    /// How much it matters.
    pub severity: Severity,
    /// What kind of thing is wrong, in kebab case: `unknown-field`. A code is stable: programs may
    /// compare it, and its meaning does not change.
    pub code: &'static str,
    /// What is wrong.
    pub message: String,
    /// Where; `None` where the file's format gives no places.
    pub location: Option<Location>,
    /// The path of the value in the document, as `hosts.mappings[3].authority`; `None` for the
    /// document as a whole, and for formats without paths.
    pub path: Option<String>,
    /// For a test that failed: what it expects, and what happened instead.
    pub comparison: Option<Comparison>,
    /// What to do about it.
    pub help: Option<String>,
    /// Other places that the diagnostic is about.
    pub notes: Vec<Note>,
}

/// A place in a file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Location {
    /// The file's name, as its [`Source`] has it.
    pub file: Arc<str>,
    /// What to underline, as bytes of the file's text.
    pub span: Span,
    /// The first character to underline.
    pub start: Position,
    /// The place after the last character to underline.
    pub end: Position,
}

/// What a test expects and what happened instead, both in words.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Comparison {
    /// What the test expects.
    pub expected: String,
    /// What happened.
    pub found: String,
}

/// Another place that a diagnostic is about: where a duplicate's first is, for example.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Note {
    /// What is there.
    pub message: String,
    /// Where, in the same file.
    pub location: Location,
}

impl Location {
    /// The place of a span. The columns are counted here, so make one only of what is reported.
    #[must_use]
    pub fn new(source: &Source, span: Span) -> Self {
        Self {
            file: source.shared_name(),
            span,
            start: source.position(span.start),
            end: source.position(span.end),
        }
    }
}

impl Diagnostic {
    /// An error, without a place as yet.
    #[must_use]
    pub fn error(code: &'static str, message: impl Into<String>) -> Self {
        Self {
            severity: Severity::Error,
            code,
            message: message.into(),
            location: None,
            path: None,
            comparison: None,
            help: None,
            notes: Vec::new(),
        }
    }

    /// A warning, without a place as yet.
    #[must_use]
    pub fn warning(code: &'static str, message: impl Into<String>) -> Self {
        Self { severity: Severity::Warning, ..Self::error(code, message) }
    }

    /// What a test expects and does not find. Its code is `mismatch`.
    #[must_use]
    pub fn mismatch(
        message: impl Into<String>,
        expected: impl Into<String>,
        found: impl Into<String>,
    ) -> Self {
        let comparison = Comparison { expected: expected.into(), found: found.into() };
        Self { comparison: Some(comparison), ..Self::error("mismatch", message) }
    }

    /// The same at a place.
    #[must_use]
    pub fn at(self, source: &Source, span: Span) -> Self {
        Self { location: Some(Location::new(source, span)), ..self }
    }

    /// The same with the path of the value.
    #[must_use]
    pub fn with_path(self, path: Option<String>) -> Self {
        Self { path, ..self }
    }

    /// The same with what to do about it.
    #[must_use]
    pub fn with_help(self, help: Option<String>) -> Self {
        Self { help, ..self }
    }

    /// The same with another place.
    #[must_use]
    pub fn with_note(mut self, message: impl Into<String>, source: &Source, span: Span) -> Self {
        self.notes.push(Note { message: message.into(), location: Location::new(source, span) });
        self
    }

    /// The same, about a duplicate, with the place of the first of the two.
    #[must_use]
    pub fn with_first(self, source: &Source, span: Span) -> Self {
        self.with_note("first given here", source, span)
    }
}

impl fmt::Display for Diagnostic {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.message)?;
        if let Some(Comparison { expected, found }) = &self.comparison {
            write!(f, ": expected {expected}, found {found}")?;
        }
        if let Some(help) = &self.help {
            write!(f, "; {help}")?;
        }
        Ok(())
    }
}
