//! A text that is read for policies: a file, or a string inside another text, as a ConfigMap and an
//! EnvoyFilter hold a policy. What is found in an inner text is reported in the outermost one: at
//! its exact place where the string is written as it is, and else at the string's key.

use crate::read::{Reading, read};
use crate::tree::{Node, Value, below, underline};
use gatepost_diagnostics::{Diagnostic, Location, Source, Span};
use gatepost_engine::Path;
use std::sync::Arc;

/// A text, and the text around it.
#[derive(Debug)]
pub(crate) struct Text {
    pub source: Arc<Source>,
    /// What reading it gave, but for the tree. `None` when it was read elsewhere, without errors.
    reading: Option<Reading>,
    within: Option<Within>,
}

/// Where an inner text is.
#[derive(Debug)]
struct Within {
    outer: Arc<Text>,
    /// The path of the string in the outer text.
    path: Path,
    /// What to underline in the outer text when the place is not known exactly.
    string: Span,
    /// Where each line of the inner text begins, there and here; empty when it is not written as it
    /// is.
    lines: Vec<Line>,
}

#[derive(Clone, Copy, Debug)]
struct Line {
    inner: usize,
    outer: usize,
}

impl Text {
    /// Reads a file's text.
    pub fn read(source: Arc<Source>) -> (Self, Option<Node>) {
        Self::with(source, None)
    }

    /// A text that was read elsewhere, without errors.
    pub fn of(source: Arc<Source>) -> Self {
        Self { source, reading: None, within: None }
    }

    /// Reads a string of a text. `key` is the place of its key, and `name` ends in `.json` for what
    /// must be JSON.
    pub fn read_within(
        outer: &Arc<Text>,
        name: &str,
        path: Path,
        key: Option<Span>,
        string: &Node,
        value: &str,
    ) -> (Self, Option<Node>) {
        let lines = lines_as_written(&outer.source, string.span, value).unwrap_or_default();
        let string = underline(&outer.source, string, key);
        let within = Within { outer: Arc::clone(outer), path, string, lines };
        Self::with(Arc::new(Source::new(name, value)), Some(within))
    }

    fn with(source: Arc<Source>, within: Option<Within>) -> (Self, Option<Node>) {
        let mut reading = read(&source);
        let root = reading.root.take();
        (Self { source, reading: Some(reading), within }, root)
    }

    /// The outermost text.
    pub fn outermost(self: &Arc<Self>) -> &Arc<Text> {
        let mut text = self;
        while let Some(within) = &text.within {
            text = &within.outer;
        }
        text
    }

    /// What is wrong with this text as YAML or JSON, and with those between it and the outermost.
    pub fn errors_below_outermost(&self) -> Vec<Diagnostic> {
        let Some(within) = &self.within else { return Vec::new() };
        let mut errors = within.outer.errors_below_outermost();
        errors.extend(self.errors());
        errors
    }

    /// What is wrong with this text as YAML or JSON, reported in the outermost one.
    pub fn errors(&self) -> impl Iterator<Item = Diagnostic> + '_ {
        let errors = self.reading.iter().flat_map(|reading| &reading.errors);
        errors.map(|error| self.outward(error.clone()))
    }

    /// Whether an error of the text is already reported at that place.
    pub fn explains(&self, span: Span) -> bool {
        self.reading.as_ref().is_some_and(|reading| reading.explains(span))
    }

    /// Whether a key of this mapping was refused.
    pub fn is_incomplete(&self, mapping: &Node) -> bool {
        self.reading.as_ref().is_some_and(|reading| reading.is_incomplete(mapping))
    }

    /// What was found in this text as it is reported in the outermost one.
    pub fn outward(&self, mut found: Diagnostic) -> Diagnostic {
        let Some(within) = &self.within else { return found };
        if let Some(Location { start, .. }) = &found.location
            && within.lines.is_empty()
        {
            let (line, column) = (start.line, start.column);
            found.message.push_str(&format!(" (line {line}, column {column} of the text there)"));
        }
        let outer = &within.outer.source;
        for location in
            found.location.iter_mut().chain(found.notes.iter_mut().map(|note| &mut note.location))
        {
            *location = Location::new(outer, within.place(location.span));
        }
        found.path = Some(match found.path {
            None => within.path.to_string(),
            Some(inner) if inner.starts_with('[') => format!("{}{inner}", within.path),
            Some(inner) => format!("{}.{inner}", within.path),
        });
        within.outer.outward(found)
    }

    /// The path of a value of this text, from the outermost one.
    pub fn path_outward(&self, path: &Path) -> Path {
        let Some(within) = &self.within else { return path.clone() };
        below(within.outer.path_outward(&within.path), path)
    }

    /// A value of this text, with its places in the outermost one.
    pub fn node_outward(&self, mut node: Node) -> Node {
        if self.within.is_some() {
            self.place_outward(&mut node);
        }
        node
    }

    fn place_outward(&self, node: &mut Node) {
        node.span = self.span_outward(node.span);
        match &mut node.value {
            Value::Sequence(elements) => {
                elements.iter_mut().for_each(|element| self.place_outward(element));
            }
            Value::Mapping(members) => {
                for member in members {
                    member.key_span = self.span_outward(member.key_span);
                    self.place_outward(&mut member.value);
                }
            }
            _ => {}
        }
    }

    fn span_outward(&self, span: Span) -> Span {
        let within = self.within.as_ref();
        within.map_or(span, |within| within.outer.span_outward(within.place(span)))
    }
}

impl Within {
    /// The place in the outer text.
    fn place(&self, span: Span) -> Span {
        let outer = |byte: usize| {
            let line = self.lines.partition_point(|line| line.inner <= byte).checked_sub(1)?;
            let line = self.lines.get(line)?;
            // A last line that is empty may have no place of its own.
            Some((line.outer + (byte - line.inner)).min(self.outer.source.text().len()))
        };
        // The end of a span is the place behind its last character, which is on its line.
        let end = |start| match span.end.checked_sub(1) {
            Some(last) if !span.is_empty() => Some(outer(last)? + 1),
            _ => Some(start),
        };
        let place = || {
            let start = outer(span.start)?;
            Some(Span::new(start, end(start)?))
        };
        place().unwrap_or(self.string)
    }
}

/// Where each line of a string begins, when the source has it as it is: on one line without
/// escapes, or as a literal block (`|`), whose span begins behind the blanks of its first line.
fn lines_as_written(source: &Source, span: Span, value: &str) -> Option<Vec<Line>> {
    let written = source.slice(span);
    let quotes = usize::from(written.starts_with(['"', '\'']));
    if written.get(quotes..written.len().checked_sub(quotes)?) == Some(value) {
        return Some(vec![Line { inner: 0, outer: span.start + quotes }]);
    }
    let mut begin = source.lines_of(Span::new(span.start, span.start)).start;
    let blanks = span.start - begin;
    let mut inner = 0;
    let mut lines = Vec::new();
    for line in value.split('\n') {
        // Behind the last line there may be no more.
        let rest = source.text().get(begin..).unwrap_or_default();
        let whole = rest.split('\n').next().unwrap_or_default();
        let text = whole.strip_suffix('\r').unwrap_or(whole);
        let outer = if line.is_empty() {
            // Behind a line that the file ends with, without a line end, there is nothing.
            begin.min(source.text().len())
        } else {
            let (before, behind) = text.split_at_checked(blanks)?;
            if behind != line || !before.bytes().all(|byte| byte == b' ') {
                return None;
            }
            begin + blanks
        };
        lines.push(Line { inner, outer });
        (begin, inner) = (begin + whole.len() + 1, inner + line.len() + 1);
    }
    Some(lines)
}
