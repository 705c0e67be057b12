//! A policy file: its text, or the manifest around it; the plugin configuration it becomes, and the
//! compiled policy. What a policy means is the engine's; here its errors get a line and a column.

use crate::manifest::{Document, embedded_in};
use crate::read::read;
use crate::tree::{Node, locate, path_text, underline};
use gatepost_diagnostics::{Diagnostic, FileError, Report, Source, Span};
use gatepost_engine::{
    AuthorityError, PatternError, Place, Policy, PolicyError, PolicyErrorKind, Segment,
    compile_json,
};
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
        let mut errors = reading.errors.clone();
        let document = match embedded_in(root) {
            Ok(document) => document,
            Err(not_embedded) => {
                let span = underline(&source, root, None);
                errors.push(not_embedded.diagnostic(&source, span));
                return Err(Report::new(source, errors));
            }
        };
        let json = document.policy.to_json();
        let placed = Placed { source: &source, document: &document };
        let compiled = compile_json(json.as_bytes());
        for error in compiled.as_ref().err().into_iter().flatten() {
            let lacks_fields = placed.node(error).is_some_and(|node| reading.is_incomplete(node))
                && is_about_missing_fields(&error.kind);
            if !lacks_fields && !reading.explains(placed.span(error)) {
                let found = Diagnostic::error(error.code(), error.kind.to_string());
                errors.push(placed.diagnostic(found, error));
            }
        }
        match compiled {
            Ok(policy) if errors.is_empty() => {
                let warnings = policy.warnings().iter().map(|warning| {
                    let found = Diagnostic::warning(warning.code(), warning.kind.to_string());
                    placed.diagnostic(found, warning)
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

fn is_about_missing_fields(kind: &PolicyErrorKind) -> bool {
    matches!(
        kind,
        PolicyErrorKind::MissingField(_)
            | PolicyErrorKind::ExactlyOne(_)
            | PolicyErrorKind::AtLeastOne(_)
            | PolicyErrorKind::NoApiVersion
            | PolicyErrorKind::NoSource
    )
}

/// Gives what the engine found its place in a text.
struct Placed<'p> {
    source: &'p Source,
    document: &'p Document<'p>,
}

impl Placed<'_> {
    fn span(&self, error: &PolicyError) -> Span {
        locate(self.source, self.document.policy, error.path.segments(), error.place)
    }

    /// The value that an error is about, if the document has it.
    fn node(&self, error: &PolicyError) -> Option<&Node> {
        error.path.segments().iter().try_fold(self.document.policy, |node, segment| match segment {
            Segment::Key(name) => node.member(name).map(|member| &member.value),
            Segment::Index(index) => node.element(*index),
        })
    }

    fn diagnostic(&self, found: Diagnostic, error: &PolicyError) -> Diagnostic {
        let segments = error.path.segments();
        let path =
            segments.iter().fold(self.document.path.clone(), |path, segment| match segment {
                Segment::Key(name) => path.key(name),
                Segment::Index(index) => path.index(*index),
            });
        let diagnostic = found
            .at(self.source, self.span(error))
            .with_path(path_text(&path))
            .with_help(self.help(error).or_else(|| error.help()));
        match &error.kind {
            PolicyErrorKind::Duplicate { first, .. } => {
                let policy = self.document.policy;
                let first = locate(self.source, policy, first.segments(), Place::Value);
                diagnostic.with_first(self.source, first)
            }
            _ => diagnostic,
        }
    }

    /// Help for what only the reader of a file knows about.
    fn help(&self, error: &PolicyError) -> Option<String> {
        match &error.kind {
            PolicyErrorKind::WrongType { expected: "a string", .. } => {
                let text = self.source.slice(self.node(error)?.span);
                let name = text.strip_prefix('{')?.strip_suffix('}')?;
                let of_name =
                    |byte: u8| byte.is_ascii_alphanumeric() || byte == b'-' || byte == b'_';
                let is_name = !name.is_empty() && name.bytes().all(of_name);
                is_name.then(|| format!("put the placeholder in quotes: \"{text}\""))
            }
            PolicyErrorKind::Authority { value, error: AuthorityError::NonAscii }
            | PolicyErrorKind::Pattern {
                value,
                error: PatternError::Host(AuthorityError::NonAscii),
            } => {
                let (star, host) = match value.strip_prefix("*.") {
                    Some(host) => ("*.", host),
                    None => ("", value.as_str()),
                };
                let ascii = idna::domain_to_ascii(host).ok()?;
                Some(format!("write the name as DNS has it: {star}{ascii}"))
            }
            _ => None,
        }
    }
}
