//! A policy file: its text, or the manifest around it; the plugin configuration it becomes, and the
//! compiled policy. What a policy means is the engine's; here its errors get a line and a column.

use crate::configuration::{Configuration, Content};
use crate::manifest::Manifest;
use crate::text::Text;
use crate::tree::{Node, below, locate, path_text};
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
    /// Where the policy is in the file; `None` for the whole file.
    pub path: Option<String>,
    /// The plugin configuration that the filter receives: compact JSON.
    pub json: String,
    /// The compiled policy.
    pub policy: Policy,
    /// What its author should know nevertheless.
    pub warnings: Vec<Diagnostic>,
}

impl PolicyFile {
    /// Reads and compiles the one policy in the file at `path`, YAML or JSON.
    ///
    /// # Errors
    /// When the file cannot be read, has errors, or holds several policies.
    pub fn read(path: &Path) -> Result<Self, FileError> {
        Ok(Self::only(Source::read(path)?)?)
    }

    /// Compiles a policy's text; `name` is what diagnostics call the file.
    ///
    /// # Errors
    /// When the text has errors: the report has all of them.
    pub fn parse(name: &str, text: &str) -> Result<Self, Report> {
        Self::only(Source::new(name, text))
    }

    /// The report on a good file: its warnings.
    #[must_use]
    pub fn report(&self) -> Report {
        Report::new(Arc::clone(&self.source), self.warnings.clone())
    }

    fn only(source: Source) -> Result<Self, Report> {
        let Policies { source, policies } = Policies::from_source(source)?;
        match <[Self; 1]>::try_from(policies) {
            Ok([policy]) => Ok(policy),
            Err(policies) => {
                let count = policies.len();
                let several = format!("this manifest holds {count} policies, and one is needed");
                let help = "write the one that is meant into a file of its own";
                let several = Diagnostic::error("manifest", several)
                    .at(&source, source.character_at(0))
                    .with_help(Some(help.to_owned()));
                Err(Report::new(source, vec![several]))
            }
        }
    }
}

/// Every policy of a file: one, or those of a manifest.
#[derive(Debug)]
pub struct Policies {
    /// The file's name and text.
    pub source: Arc<Source>,
    /// The policies, in the order of the text.
    pub policies: Vec<PolicyFile>,
}

impl Policies {
    /// Reads and compiles every policy in the file at `path`.
    ///
    /// # Errors
    /// When the file cannot be read, or has errors: the report has those of all policies.
    pub fn read(path: &Path) -> Result<Self, FileError> {
        Ok(Self::from_source(Source::read(path)?)?)
    }

    /// Compiles every policy in a text; `name` is what diagnostics call the file.
    ///
    /// # Errors
    /// When the text has errors: the report has those of all policies.
    pub fn parse(name: &str, text: &str) -> Result<Self, Report> {
        Self::from_source(Source::new(name, text))
    }

    fn from_source(source: Source) -> Result<Self, Report> {
        let source = Arc::new(source);
        let manifest = Manifest::read(Arc::clone(&source))?;
        let mut errors = manifest.errors();
        let mut policies = Vec::new();
        match manifest.into_policies() {
            Ok(configurations) => {
                for configuration in configurations {
                    match configuration.judge() {
                        Ok(policy) => policies.push(policy),
                        Err(report) => errors.extend(report.diagnostics),
                    }
                }
            }
            Err(nothing) => errors.extend(nothing.diagnostics),
        }
        if errors.is_empty() {
            return Ok(Self { source, policies });
        }
        let mut report = Report::new(source, errors);
        // Several policies inside one text share its errors.
        report.diagnostics.dedup();
        Err(report)
    }

    /// The report on a good file: its warnings.
    #[must_use]
    pub fn report(&self) -> Report {
        let warnings = self.policies.iter().flat_map(|policy| &policy.warnings);
        Report::new(Arc::clone(&self.source), warnings.cloned().collect())
    }
}

impl Configuration {
    /// Compiles it as a policy.
    ///
    /// # Errors
    /// When it is none: the report has all errors, at their places in the object.
    pub fn judge(self) -> Result<PolicyFile, Report> {
        let source = Arc::clone(self.source());
        let path = self.path();
        let mut errors = self.text.errors_below_outermost();
        let root = match self.content {
            Content::Tree(root) => root,
            Content::Refused(found) => {
                errors.push(self.text.outward(found));
                return Err(Report::new(source, errors));
            }
            Content::Unreadable => return Err(Report::new(source, errors)),
        };
        let placed = Placed { text: &self.text, root: &root, path: &self.path };
        let json = root.to_json();
        let compiled = compile_json(json.as_bytes());
        for error in compiled.as_ref().err().into_iter().flatten() {
            let lacks_fields = placed.node(error).is_some_and(|node| self.text.is_incomplete(node))
                && is_about_missing_fields(&error.kind);
            if !lacks_fields && !self.text.explains(placed.span(error)) {
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
                Ok(PolicyFile { source, path, json, policy, warnings })
            }
            _ => Err(Report::new(source, errors)),
        }
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
    text: &'p Text,
    root: &'p Node,
    /// The path of the policy in the text.
    path: &'p gatepost_engine::Path,
}

impl Placed<'_> {
    /// The place in the text that has the policy.
    fn span(&self, error: &PolicyError) -> Span {
        locate(&self.text.source, self.root, error.path.segments(), error.place)
    }

    /// The value that an error is about, if the document has it.
    fn node(&self, error: &PolicyError) -> Option<&Node> {
        error.path.segments().iter().try_fold(self.root, |node, segment| match segment {
            Segment::Key(name) => node.member(name).map(|member| &member.value),
            Segment::Index(index) => node.element(*index),
        })
    }

    fn diagnostic(&self, found: Diagnostic, error: &PolicyError) -> Diagnostic {
        let path = below(self.path.clone(), &error.path);
        let source = &self.text.source;
        let diagnostic = found
            .at(source, self.span(error))
            .with_path(path_text(&path))
            .with_help(self.help(error).or_else(|| error.help()));
        let diagnostic = match &error.kind {
            PolicyErrorKind::Duplicate { first, .. } => {
                let first = locate(source, self.root, first.segments(), Place::Value);
                diagnostic.with_first(source, first)
            }
            _ => diagnostic,
        };
        self.text.outward(diagnostic)
    }

    /// Help for what only the reader of a file knows about.
    fn help(&self, error: &PolicyError) -> Option<String> {
        match &error.kind {
            PolicyErrorKind::WrongType { expected: "a string", .. } => {
                let text = self.text.source.slice(self.node(error)?.span);
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
