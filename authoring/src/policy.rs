//! A policy file: its text, the plugin configuration it becomes, and the compiled policy. What a
//! policy means is the engine's; here its faults get a line and a column.

use crate::diagnostic::{Diagnostic, Report, from_fault, from_problem, from_reading};
use crate::problem::{Problem, ProblemKind};
use crate::read::read;
use crate::source::{Source, Span};
use crate::tree::Value;
use gatepost_engine::{Policy, compile_json};
use std::path::{Path, PathBuf};
use std::sync::Arc;

/// Why a file gave nothing to work with.
#[derive(Debug, thiserror::Error)]
pub enum FileError {
    /// The operating system would not give it.
    #[error("cannot read {}: {error}", path.display())]
    Unreadable {
        /// The file.
        path: PathBuf,
        /// The operating system's answer.
        #[source]
        error: std::io::Error,
    },
    /// It was read, and something is wrong in it.
    #[error("{} has {} errors", .0.source.name(), .0.count(crate::Severity::Error))]
    Faulty(Report),
}

/// A policy file without errors.
#[derive(Debug)]
pub struct PolicyFile {
    /// The file's name and text.
    pub source: Arc<Source>,
    /// The plugin configuration that the filter receives: compact JSON, or nothing at all for an
    /// empty file.
    pub json: String,
    /// The compiled policy.
    pub policy: Policy,
    /// What its author should know nevertheless.
    pub warnings: Vec<Diagnostic>,
}

impl PolicyFile {
    /// Reads and compiles the file at `path`, YAML or JSON.
    pub fn read(path: &Path) -> Result<Self, FileError> {
        let source = read_source(path)?;
        Self::from_source(source).map_err(FileError::Faulty)
    }

    /// Compiles a policy's text; `name` is what diagnostics call the file.
    pub fn parse(name: &str, text: &str) -> Result<Self, Report> {
        Self::from_source(Source::new(name, text))
    }

    fn from_source(source: Source) -> Result<Self, Report> {
        let source = Arc::new(source);
        let reading = read(&source);
        let mut diagnostics = from_reading(&source, &reading);
        let Some(root) = &reading.root else { return Err(Report::new(source, diagnostics)) };
        // An empty file is an empty configuration to the filter, not the word `null`.
        let is_empty = root.value == Value::Null;
        let json = if is_empty { String::new() } else { root.to_json() };
        match compile_json(json.as_bytes()) {
            Ok(policy) if diagnostics.is_empty() => {
                let warnings = if is_empty { vec![empty_policy(&source)] } else { Vec::new() };
                Ok(Self { source, json, policy, warnings })
            }
            Ok(_) => Err(Report::new(source, diagnostics)),
            Err(faults) => {
                let faults = faults.iter().map(|fault| from_fault(&source, root, fault));
                diagnostics.extend(faults.filter(|diagnostic| !reading.explains(diagnostic.span)));
                Err(Report::new(source, diagnostics))
            }
        }
    }

    /// What there is to tell about a good file: its warnings.
    pub fn report(&self) -> Report {
        Report::new(Arc::clone(&self.source), self.warnings.clone())
    }
}

fn empty_policy(source: &Source) -> Diagnostic {
    let message = "the policy is empty: every request passes unchanged";
    let help = Some("begin with `apiVersion: gatepost/v1`".to_owned());
    Diagnostic::error(source, Span::default(), "", message, help).into_warning()
}

/// The text of a file. Bytes that are not UTF-8 are reported at their place.
pub(crate) fn read_source(path: &Path) -> Result<Source, FileError> {
    let name = path.display().to_string();
    let bytes = std::fs::read(path)
        .map_err(|error| FileError::Unreadable { path: path.to_owned(), error })?;
    match String::from_utf8(bytes) {
        Ok(text) => Ok(Source::new(name, text)),
        Err(error) => {
            let at = error.utf8_error().valid_up_to();
            let has_mark = error.as_bytes().starts_with("\u{feff}".as_bytes());
            let source = Source::new(name, String::from_utf8_lossy(error.as_bytes()));
            let at = if has_mark { at.saturating_sub('\u{feff}'.len_utf8()) } else { at };
            let span = Span::new(at, at + char::REPLACEMENT_CHARACTER.len_utf8());
            let problem = Problem { span, path: String::new(), kind: ProblemKind::NotText };
            let diagnostic = from_problem(&source, &problem);
            Err(FileError::Faulty(Report::new(Arc::new(source), vec![diagnostic])))
        }
    }
}
