//! From text to tree: YAML 1.2, of which JSON is a part, through the events of `granit-parser`, the
//! parser beneath `serde-saphyr`. Events rather than serde, because a fault needs the place of keys
//! as well as of values, and an author wants every fault of a file at once: whatever is no syntax
//! error is noted, and reading goes on.

use crate::diagnostic::path_text;
use crate::problem::{Problem, ProblemKind};
use crate::scalar;
use crate::source::{Source, Span};
use crate::tree::{Member, Node, Value};
use gatepost_engine::Path;
use granit_parser::{Event, Parser, ScalarStyle, Tag};
use std::borrow::Cow;
use std::collections::HashMap;

/// How deep lists and mappings may stand inside each other, aliases included. Everything that walks
/// a tree may recurse.
pub const MAX_DEPTH: usize = 100;

/// How many bytes aliases may repeat in one file, counting 64 for each value beside its text.
pub const MAX_ALIAS_BYTES: usize = 16 << 20;

/// What a value weighs beside its text.
const NODE_WEIGHT: usize = 64;

/// After this many problems reading stops.
const MAX_PROBLEMS: usize = 100;

/// The longest key before its `:`, in characters. YAML allows 1024; JSON, which is read here too,
/// knows no limit.
const MAX_KEY: usize = 1 << 16;

/// What reading a file gave.
#[derive(Debug, Clone, PartialEq)]
pub struct Reading {
    /// The document, [`Value::Null`] for an empty one; `None` when reading had to stop. With
    /// problems it is what could be understood: good for finding more of them, not for use.
    pub root: Option<Node>,
    /// Everything that is wrong with the text, in its order.
    pub problems: Vec<Problem>,
}

impl Reading {
    /// Whether a problem of the text is at that place already, so that a fault of the meaning there
    /// would only repeat it.
    pub fn explains(&self, span: Span) -> bool {
        !span.is_empty() && self.problems.iter().any(|problem| problem.span.contains(span))
    }
}

/// Reads the one document of a YAML or JSON text.
pub fn read(source: &Source) -> Reading {
    let mut options = granit_parser::options! {
        emit_unresolved_aliases: true,
        flow_nesting_limit: MAX_DEPTH,
        block_nesting_limit: MAX_DEPTH,
        simple_key_max_lookahead: MAX_KEY,
    };
    options.set_emit_comments(false);
    let mut builder = Builder::new(source);
    for item in Parser::new_from_str_with_options(source.text(), options) {
        let flow = match item {
            Ok((event, span)) => builder.take(event, span),
            Err(error) => {
                let at = error.marker().byte_offset().unwrap_or(source.text().len());
                let kind = ProblemKind::from_scan(&error, MAX_DEPTH);
                let at = if kind == ProblemKind::Tab { tab_near(source, at) } else { at };
                builder.problem(one_character(source, at), kind);
                Flow::GiveUp
            }
        };
        match flow {
            Flow::Continue if builder.problems.len() < MAX_PROBLEMS => {}
            Flow::Continue | Flow::GiveUp => {
                return Reading { root: None, problems: builder.problems };
            }
            Flow::Done => break,
        }
    }
    let root = builder.root.unwrap_or(Node { span: Span::default(), value: Value::Null });
    Reading { root: Some(root), problems: builder.problems }
}

/// The character at a byte, or no width at the end of a line.
fn one_character(source: &Source, at: usize) -> Span {
    let rest = source.text().get(at..).unwrap_or_default();
    let width = rest.chars().next().filter(|c| !matches!(c, '\n' | '\r')).map_or(0, char::len_utf8);
    Span::new(at, at + width)
}

/// The tab that the parser stumbled over: it stops right behind it, or at the text before.
fn tab_near(source: &Source, at: usize) -> usize {
    let text = source.text();
    let (before, after) = (text.get(..at).unwrap_or_default(), text.get(at..).unwrap_or_default());
    if before.ends_with('\t') { at - 1 } else { at + after.find('\t').unwrap_or_default() }
}

enum Flow {
    Continue,
    Done,
    GiveUp,
}

/// A list or mapping whose end has not come yet.
struct Open {
    start: usize,
    anchor: usize,
    items: Items,
}

enum Items {
    Sequence(Vec<Node>),
    Mapping { members: Vec<Member>, lines: HashMap<String, usize>, key: Option<Key> },
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

struct Builder<'s> {
    source: &'s Source,
    open: Vec<Open>,
    anchors: HashMap<usize, Anchored>,
    alias_bytes: usize,
    root: Option<Node>,
    documents: usize,
    problems: Vec<Problem>,
}

impl<'s> Builder<'s> {
    fn new(source: &'s Source) -> Self {
        Self {
            source,
            open: Vec::new(),
            anchors: HashMap::new(),
            alias_bytes: 0,
            root: None,
            documents: 0,
            problems: Vec::new(),
        }
    }

    fn problem(&mut self, span: Span, kind: ProblemKind) {
        let path = match kind {
            ProblemKind::Syntax(_) | ProblemKind::Tab | ProblemKind::SecondDocument => {
                String::new()
            }
            _ => self.path(),
        };
        self.problems.push(Problem { span, path, kind });
    }

    /// The path of the value that comes next.
    fn path(&self) -> String {
        let mut path = Path::default();
        for open in &self.open {
            path = match &open.items {
                Items::Sequence(elements) => path.index(elements.len()),
                Items::Mapping { key: Some(Key { name: Some(name), .. }), .. } => path.key(name),
                Items::Mapping { .. } => path,
            };
        }
        path_text(&path)
    }

    fn take(&mut self, event: Event<'_>, event_span: granit_parser::Span) -> Flow {
        let span = event_span
            .byte_range()
            .map(|range| Span::new(range.start, range.end))
            .unwrap_or_default();
        let tag_span = event_span
            .tag_span()
            .and_then(|span| span.byte_range())
            .map_or(span, |tag| Span::new(tag.start, tag.end));
        match event {
            Event::DocumentStart(..) => {
                self.documents += 1;
                if self.documents > 1 {
                    self.problem(self.source.first_line(span), ProblemKind::SecondDocument);
                    return Flow::Done;
                }
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
                    Items::Mapping { members: Vec::new(), lines: HashMap::new(), key: None },
                );
            }
            Event::SequenceEnd | Event::MappingEnd => self.end(span),
            Event::Alias(id) => return self.alias(id, span),
            Event::UnresolvedAlias(name) => {
                self.problem(span, ProblemKind::UnknownAlias(name.into_owned()));
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
            return scalar::plain(&text).unwrap_or_else(|| {
                self.problem(span, ProblemKind::NotFinite(text.into_owned()));
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
                self.problem(tag_span, ProblemKind::UnknownTag(tag.original()));
                return Value::Null;
            }
        };
        value.unwrap_or_else(|| {
            self.problem(span, ProblemKind::TagMismatch(tag.original()));
            Value::Null
        })
    }

    fn check_collection_tag(&mut self, tag: Option<Cow<'_, Tag>>, expected: &str, tag_span: Span) {
        let Some(tag) = tag else { return };
        match tag.core_suffix() {
            Some(suffix) if suffix == expected => {}
            Some("seq" | "map" | "str" | "int" | "float" | "bool" | "null") => {
                self.problem(tag_span, ProblemKind::TagMismatch(tag.original()));
            }
            _ => self.problem(tag_span, ProblemKind::UnknownTag(tag.original())),
        }
    }

    fn begin(&mut self, start: usize, anchor: usize, items: Items) -> Flow {
        if self.open.len() >= MAX_DEPTH {
            self.problem(
                one_character(self.source, start),
                ProblemKind::TooDeep { limit: MAX_DEPTH },
            );
            return Flow::GiveUp;
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
            Items::Mapping { members, .. } => {
                let last =
                    members.last().map(|member| member.value.span.end.max(member.key_span.end));
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
            self.problem(span, ProblemKind::AliasLoop);
            self.finish_refused(span);
            return Flow::Continue;
        };
        self.alias_bytes = self.alias_bytes.saturating_add(anchored.weight);
        if self.alias_bytes > MAX_ALIAS_BYTES {
            self.problem(span, ProblemKind::AliasesTooLarge { limit: MAX_ALIAS_BYTES });
            return Flow::GiveUp;
        }
        if self.open.len() + anchored.depth > MAX_DEPTH {
            self.problem(span, ProblemKind::TooDeep { limit: MAX_DEPTH });
            return Flow::GiveUp;
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
                    members.push(Member { key: name, key_span: span, value: node })
                }
                Some(Key { name: None, .. }) => {}
                None => self.finish_key(node),
            },
        }
    }

    /// A value that could not be had, and whose problem is noted: nothing stands in its place.
    fn finish_refused(&mut self, span: Span) {
        if let Some(Open { items: Items::Mapping { key: key @ None, .. }, .. }) =
            self.open.last_mut()
        {
            *key = Some(Key { name: None, span });
            return;
        }
        self.finish(Node { span, value: Value::Null }, 0);
    }

    /// A complete value becomes the key of the next one, unless it is refused; then the next value
    /// is dropped.
    fn finish_key(&mut self, node: Node) {
        let span = self.source.first_line(node.span);
        let is_merge_key = self.source.slice(node.span) == "<<";
        let name = match node.value {
            Value::String(_) if is_merge_key => Err(ProblemKind::MergeKey),
            Value::String(name) => Ok(name),
            other => Err(ProblemKind::KeyNotText { found: other.kind() }),
        };
        let name = match name {
            Ok(name) => name,
            Err(kind) => {
                self.problem(span, kind);
                return self.set_key(Key { name: None, span });
            }
        };
        let first_line = self.seen(&name, self.source.line(span.start));
        self.set_key(Key { name: Some(name.clone()), span });
        if let Some(first_line) = first_line {
            // Noted while the key is set, so that the path names it.
            self.problem(span, ProblemKind::DuplicateKey { key: name, first_line });
            self.set_key(Key { name: None, span });
        }
    }

    /// The line on which the innermost mapping has the key already; else it has it now.
    fn seen(&mut self, name: &str, line: usize) -> Option<usize> {
        let Some(Open { items: Items::Mapping { lines, .. }, .. }) = self.open.last_mut() else {
            return None;
        };
        let first = lines.get(name).copied();
        if first.is_none() {
            lines.insert(name.to_owned(), line);
        }
        first
    }

    fn set_key(&mut self, next: Key) {
        if let Some(Open { items: Items::Mapping { key, .. }, .. }) = self.open.last_mut() {
            *key = Some(next);
        }
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

#[cfg(test)]
#[path = "read_tests.rs"]
mod tests;
