//! A policy file: its text, the plugin configuration it becomes, and the compiled policy. What a
//! policy means is the engine's; here its errors get a line and a column.

use crate::read::read;
use crate::tree::{Node, locate, path_text};
use gatepost_diagnostics::{Diagnostic, FileError, Report, Source, Span};
use gatepost_engine::{Place, Policy, PolicyError, PolicyErrorKind, compile_json};
use std::path::Path;
use std::sync::Arc;

/// A policy file without errors.
#[derive(Debug)]
pub struct PolicyFile {
    /// The file's name and text.
    pub source: Arc<Source>,
    /// The plugin configuration that the filter receives: compact JSON.
    pub json: String,
    /// The compiled policy.
    pub policy: Policy,
    /// What its author should know nevertheless.
    pub warnings: Vec<Diagnostic>,
}

impl PolicyFile {
    /// Reads and compiles the file at `path`, YAML or JSON.
    ///
    /// # Errors
    /// When the file cannot be read, or has errors.
    pub fn read(path: &Path) -> Result<Self, FileError> {
        Ok(Self::from_source(Source::read(path)?)?)
    }

    /// Compiles a policy's text; `name` is what diagnostics call the file.
    ///
    /// # Errors
    /// When the text has errors: the report has all of them.
    pub fn parse(name: &str, text: &str) -> Result<Self, Report> {
        Self::from_source(Source::new(name, text))
    }

    fn from_source(source: Source) -> Result<Self, Report> {
        let source = Arc::new(source);
        let reading = read(&source);
        let Some(root) = &reading.root else { return Err(Report::new(source, reading.errors)) };
        let json = root.to_json();
        let compiled = compile_json(json.as_bytes());
        let mut errors = reading.errors.clone();
        for error in compiled.as_ref().err().into_iter().flatten() {
            let span = span_of(&source, root, error);
            if !reading.explains(span) {
                let found = Diagnostic::error(error.code(), error.kind.to_string());
                errors.push(placed(found, &source, root, error));
            }
        }
        match compiled {
            Ok(policy) if errors.is_empty() => {
                let warnings = policy.warnings().iter().map(|warning| {
                    let found = Diagnostic::warning(warning.code(), warning.kind.to_string());
                    placed(found, &source, root, warning)
                });
                let warnings = warnings.collect();
                Ok(Self { source, json, policy, warnings })
            }
            _ => Err(Report::new(source, errors)),
        }
    }

    /// The report on a good file: its warnings.
    #[must_use]
    pub fn report(&self) -> Report {
        Report::new(Arc::clone(&self.source), self.warnings.clone())
    }
}

fn span_of(source: &Source, root: &Node, error: &PolicyError) -> Span {
    locate(source, root, error.path.segments(), error.place)
}

/// What the engine found, at its place in the text.
fn placed(found: Diagnostic, source: &Source, root: &Node, error: &PolicyError) -> Diagnostic {
    let diagnostic = found
        .at(source, span_of(source, root, error))
        .with_path(path_text(&error.path))
        .with_help(error.help());
    match &error.kind {
        PolicyErrorKind::Duplicate { first, .. } => {
            let first = locate(source, root, first.segments(), Place::Value);
            diagnostic.with_first(source, first)
        }
        _ => diagnostic,
    }
}
