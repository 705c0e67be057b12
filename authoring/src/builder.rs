//! Builds the tree of a document from the events of the YAML parser: keys and values with their
//! places, and copies of what anchors mark for their aliases. What cannot be part of the tree
//! becomes an error. Nothing here knows what a document means.

use crate::scalar;
use crate::tree::{Member, Node, Value, path_text};
use crate::yaml_error::YamlError;
use gatepost_diagnostics::{Diagnostic, Source, Span};
use gatepost_engine::Path;
use granit_parser::{Event, ScalarStyle, Tag};
use std::borrow::Cow;
use std::collections::{HashMap, HashSet};

/// How many lists and mappings may be inside each other, aliases included. So a function that walks
/// a tree may recurse.
pub(crate) const MAX_DEPTH: usize = 100;

/// How many bytes aliases may repeat in one file, counting 64 for each value beside its text.
const MAX_ALIAS_BYTES: usize = 16 << 20;

/// What a value counts beside its text.
const NODE_WEIGHT: usize = 64;

/// The key that puts the members of another mapping into one, in YAML 1.1.
const MERGE_KEY: &str = "<<";

/// How reading goes on after an event.
pub(crate) enum Flow {
    /// With the next event.
    Continue,
    /// Not at all: the document is complete.
    Done,
    /// Not at all: the tree cannot be built.
    Stop,
}

/// A list or mapping whose end has not come yet.
struct Open {
    start: usize,
    anchor: usize,
    items: Items,
}

enum Items {
    Sequence(Vec<Node>),
    Mapping {
        members: Vec<Member>,
        first: HashMap<String, Span>,
        key: Option<Key>,
        /// No key was refused.
        complete: bool,
    },
}

/// A key that waits for its value. `name` is `None` when the key is refused, and its value is to be
/// dropped.
struct Key {
    name: Option<String>,
    span: Span,
}

/// What an anchor marks, once it is complete.
struct Anchored {
    node: Node,
    weight: usize,
    depth: usize,
}

/// How a text is read.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Dialect {
    /// As YAML 1.2, one document. What kubectl reads otherwise is an error.
    Policy,
    /// As kubectl does: YAML 1.1 with merge keys, any number of documents.
    Kubectl,
}

pub(crate) struct Builder<'s> {
    source: &'s Source,
    dialect: Dialect,
    open: Vec<Open>,
    anchors: HashMap<usize, Anchored>,
    alias_bytes: usize,
    root: Option<Node>,
    /// The documents that are complete.
    pub(crate) documents: Vec<Node>,
    pub(crate) errors: Vec<Diagnostic>,
    /// Where each mapping begins of which a key was refused.
    pub(crate) incomplete: Vec<usize>,
}

impl<'s> Builder<'s> {
    pub(crate) fn new(source: &'s Source, dialect: Dialect) -> Self {
        Self {
            source,
            dialect,
            open: Vec::new(),
            anchors: HashMap::new(),
            alias_bytes: 0,
            root: None,
            documents: Vec::new(),
            errors: Vec::new(),
            incomplete: Vec::new(),
        }
    }

    /// Reports an error at a place of the text. An error in a value has the value's path.
    pub(crate) fn error(&mut self, span: Span, error: &YamlError) {
        let path = match error {
            YamlError::Syntax(_)
            | YamlError::Tab
            | YamlError::SecondDocument
            | YamlError::Placeholder(_)
            | YamlError::LineBreak(_)
            | YamlError::Json(_) => None,
            _ => path_text(&self.path()),
        };
        self.errors.push(error.diagnostic(self.source, span, path));
    }

    /// The path of the value that comes next.
    fn path(&self) -> Path {
        let mut path = Path::default();
        for open in &self.open {
            path = match &open.items {
                Items::Sequence(elements) => path.index(elements.len()),
                Items::Mapping { key: Some(Key { name: Some(name), .. }), .. } => path.key(name),
                Items::Mapping { .. } => path,
            };
        }
        path
    }

    /// Takes the next event.
    pub(crate) fn take(&mut self, event: Event<'_>, event_span: granit_parser::Span) -> Flow {
        let span = event_span
            .byte_range()
            .map(|range| Span::new(range.start, range.end))
            .unwrap_or_default();
        let tag_span = event_span
            .tag_span()
            .and_then(|span| span.byte_range())
            .map_or(span, |tag| Span::new(tag.start, tag.end));
        match event {
            Event::DocumentStart(..)
                if self.dialect == Dialect::Policy && !self.documents.is_empty() =>
            {
                let span = self.source.first_line(span);
                self.error(span, &YamlError::SecondDocument);
                return Flow::Done;
            }
            Event::DocumentEnd => {
                self.anchors.clear();
                self.documents.extend(self.root.take());
            }
            Event::Scalar(text, style, anchor, tag) => {
                let value = self.scalar(text, style, tag, span, tag_span);
                self.finish(Node { span, value }, anchor);
            }
            Event::SequenceStart(_, anchor, tag) => {
                self.check_collection_tag(tag, "seq", tag_span);
                return self.begin(span.start, anchor, Items::Sequence(Vec::new()));
            }
            Event::MappingStart(_, anchor, tag) => {
                self.check_collection_tag(tag, "map", tag_span);
                return self.begin(
                    span.start,
                    anchor,
                    Items::Mapping {
                        members: Vec::new(),
                        first: HashMap::new(),
                        key: None,
                        complete: true,
                    },
                );
            }
            Event::SequenceEnd | Event::MappingEnd => self.end(span),
            Event::Alias(id) => return self.alias(id, span),
            Event::UnresolvedAlias(name) => {
                self.error(span, &YamlError::UnknownAlias(name.into_owned()));
                self.finish_refused(span);
            }
            _ => {}
        }
        Flow::Continue
    }

    fn scalar(
        &mut self,
        text: Cow<'_, str>,
        style: ScalarStyle,
        tag: Option<Cow<'_, Tag>>,
        span: Span,
        tag_span: Span,
    ) -> Value {
        let Some(tag) = tag else {
            if style != ScalarStyle::Plain {
                return Value::String(text.into_owned());
            }
            if self.dialect == Dialect::Kubectl {
                return scalar::as_kubectl(&text);
            }
            if let Some(theirs) = scalar::read_by_kubectl(&text) {
                let ours = scalar::plain(&text).map_or("nothing", |value| value.kind());
                let text = text.clone().into_owned();
                self.error(span, &YamlError::ReadOtherwise { text, ours, theirs });
            }
            return scalar::plain(&text).unwrap_or_else(|| {
                self.error(span, &YamlError::NotFinite(text.into_owned()));
                Value::Null
            });
        };
        let value = match tag.core_suffix() {
            Some("str") => return Value::String(text.into_owned()),
            Some("int" | "float") => scalar::number(&text).map(Value::Number),
            Some("bool") => scalar::plain(&text).filter(|value| matches!(value, Value::Bool(_))),
            Some("null") => scalar::plain(&text).filter(|value| matches!(value, Value::Null)),
            _ if tag.original() == "!" => return Value::String(text.into_owned()),
            _ => {
                self.error(tag_span, &YamlError::UnknownTag(tag.original()));
                return Value::Null;
            }
        };
        value.unwrap_or_else(|| {
            self.error(span, &YamlError::TagMismatch(tag.original()));
            Value::Null
        })
    }

    fn check_collection_tag(&mut self, tag: Option<Cow<'_, Tag>>, expected: &str, tag_span: Span) {
        let Some(tag) = tag else { return };
        match tag.core_suffix() {
            Some(suffix) if suffix == expected => {}
            Some("seq" | "map" | "str" | "int" | "float" | "bool" | "null") => {
                self.error(tag_span, &YamlError::TagMismatch(tag.original()));
            }
            _ => self.error(tag_span, &YamlError::UnknownTag(tag.original())),
        }
    }

    fn begin(&mut self, start: usize, anchor: usize, items: Items) -> Flow {
        if self.open.len() >= MAX_DEPTH {
            self.error(self.source.character_at(start), &YamlError::TooDeep { limit: MAX_DEPTH });
            return Flow::Stop;
        }
        self.open.push(Open { start, anchor, items });
        Flow::Continue
    }

    fn end(&mut self, span: Span) {
        let Some(open) = self.open.pop() else { return };
        let (value, last) = match open.items {
            Items::Sequence(elements) => {
                let last = elements.last().map(|element| element.span.end);
                (Value::Sequence(elements), last)
            }
            Items::Mapping { mut members, complete, .. } => {
                let last =
                    members.last().map(|member| member.value.span.end.max(member.key_span.end));
                if self.dialect == Dialect::Kubectl {
                    merge(&mut members);
                }
                if !complete {
                    self.incomplete.push(open.start);
                }
                (Value::Mapping(members), last)
            }
        };
        // The end of a block collection has no text: it is reported where the next thing begins,
        // comments later.
        let end = if span.is_empty() { last.unwrap_or(open.start) } else { span.end };
        self.finish(Node { span: Span::new(open.start, end), value }, open.anchor);
    }

    fn alias(&mut self, id: usize, span: Span) -> Flow {
        let Some(anchored) = self.anchors.get(&id) else {
            self.error(span, &YamlError::AliasLoop);
            self.finish_refused(span);
            return Flow::Continue;
        };
        self.alias_bytes = self.alias_bytes.saturating_add(anchored.weight);
        if self.alias_bytes > MAX_ALIAS_BYTES {
            self.error(span, &YamlError::AliasesTooLarge { limit: MAX_ALIAS_BYTES });
            return Flow::Stop;
        }
        if self.open.len() + anchored.depth > MAX_DEPTH {
            self.error(span, &YamlError::TooDeep { limit: MAX_DEPTH });
            return Flow::Stop;
        }
        let value = anchored.node.value.clone();
        self.finish(Node { span, value }, 0);
        Flow::Continue
    }

    /// A complete value goes where it belongs: to the open list, to its key, or becomes a key.
    fn finish(&mut self, node: Node, anchor: usize) {
        if anchor != 0 {
            let (weight, depth) = measure(&node);
            self.anchors.insert(anchor, Anchored { node: node.clone(), weight, depth });
        }
        let Some(open) = self.open.last_mut() else {
            self.root = Some(node);
            return;
        };
        match &mut open.items {
            Items::Sequence(elements) => elements.push(node),
            Items::Mapping { members, key, .. } => match key.take() {
                Some(Key { name: Some(name), span }) => {
                    members.push(Member { key: name, key_span: span, value: node });
                }
                Some(Key { name: None, .. }) => {}
                None => self.finish_key(node),
            },
        }
    }

    /// A value that cannot be read, and whose error is reported: null takes its place.
    fn finish_refused(&mut self, span: Span) {
        if let Some(Open { items: Items::Mapping { key: None, .. }, .. }) = self.open.last_mut() {
            return self.set_key(Key { name: None, span });
        }
        self.finish(Node { span, value: Value::Null }, 0);
    }

    /// A complete value becomes the key of the next one, unless it is refused; then the next value
    /// is dropped.
    fn finish_key(&mut self, node: Node) {
        let span = self.source.first_line(node.span);
        let is_merge_key = self.source.slice(node.span) == MERGE_KEY;
        let name = match (self.dialect, node.value) {
            (Dialect::Policy, Value::String(_)) if is_merge_key => Err(YamlError::MergeKey),
            (_, Value::String(name)) => Ok(name),
            (Dialect::Kubectl, Value::Number(number)) => Ok(number.text),
            (Dialect::Kubectl, Value::Bool(value)) => Ok(value.to_string()),
            (_, other) => Err(YamlError::KeyNotText { found: other.kind() }),
        };
        let name = match name {
            Ok(name) => name,
            Err(error) => {
                self.error(span, &error);
                return self.set_key(Key { name: None, span });
            }
        };
        let first = self.first_of(&name, span);
        self.set_key(Key { name: Some(name.clone()), span });
        if let Some(first) = first {
            // Reported while the key is set, so that the path names it.
            let first_line = self.source.line(first.start);
            self.error(span, &YamlError::DuplicateKey { key: name, first, first_line });
            self.drop_next_value(span);
        }
    }

    /// Where the innermost mapping has the key already. If it has not, the key is noted.
    fn first_of(&mut self, name: &str, span: Span) -> Option<Span> {
        let Some(Open { items: Items::Mapping { first, .. }, .. }) = self.open.last_mut() else {
            return None;
        };
        let earlier = first.get(name).copied();
        if earlier.is_none() {
            first.insert(name.to_owned(), span);
        }
        earlier
    }

    fn set_key(&mut self, next: Key) {
        if let Some(Open { items: Items::Mapping { key, complete, .. }, .. }) = self.open.last_mut()
        {
            *complete &= next.name.is_some();
            *key = Some(next);
        }
    }

    /// Drops the value of a key that is there already: the mapping lacks no key for that.
    fn drop_next_value(&mut self, span: Span) {
        if let Some(Open { items: Items::Mapping { key, .. }, .. }) = self.open.last_mut() {
            *key = Some(Key { name: None, span });
        }
    }
}

/// The members of what `<<` merges, which the mapping's own members override.
fn merge(members: &mut Vec<Member>) {
    let Some(at) = members.iter().position(|member| member.key == MERGE_KEY) else { return };
    let merged = match members.remove(at).value.value {
        Value::Sequence(mappings) => mappings,
        mapping => vec![Node { span: Span::default(), value: mapping }],
    };
    let mut known: HashSet<String> = members.iter().map(|member| member.key.clone()).collect();
    for mapping in merged {
        let Value::Mapping(more) = mapping.value else { continue };
        members.extend(more.into_iter().filter(|member| known.insert(member.key.clone())));
    }
}

/// The bytes and the depth of a value.
fn measure(node: &Node) -> (usize, usize) {
    let join = |(weight, depth): (usize, usize), (more, below): (usize, usize)| {
        (weight + more, depth.max(below + 1))
    };
    match &node.value {
        Value::Null | Value::Bool(_) => (NODE_WEIGHT, 0),
        Value::Number(number) => (NODE_WEIGHT + number.text.len(), 0),
        Value::String(text) => (NODE_WEIGHT + text.len(), 0),
        Value::Sequence(elements) => elements.iter().map(measure).fold((NODE_WEIGHT, 1), join),
        Value::Mapping(members) => members.iter().fold((NODE_WEIGHT, 1), |sum, member| {
            let (weight, depth) = join(sum, measure(&member.value));
            (weight + member.key.len(), depth)
        }),
    }
}
