//! A field of an object, with its place in the text: how findings read objects and point at them.

use std::sync::Arc;

use gatepost_authoring::tree::{Node, Value, path_text, underline};
use gatepost_authoring::{Diagnostic, Source, Span};
use gatepost_engine::Path;

use crate::finding::Finding;

/// A field of an object, there or not. A field of another type than the reader asks for reads as
/// one that is not there: the types of fields are for the API server to judge.
#[derive(Clone, Debug)]
pub(crate) struct Field<'o> {
    source: &'o Arc<Source>,
    /// The field in the document.
    path: Path,
    value: Option<&'o Node>,
    /// What to underline: the field, or what should hold it, and the key of either.
    shown: (&'o Node, Option<Span>),
}

impl<'o> Field<'o> {
    /// The root of an object, which is at `path` in its document.
    pub fn root(source: &'o Arc<Source>, root: &'o Node, path: Path) -> Self {
        Self { source, path, value: Some(root), shown: (root, None) }
    }

    /// The member of that name.
    pub fn get(&self, name: &str) -> Self {
        let member = self.value.and_then(|value| value.member(name));
        Self {
            source: self.source,
            path: self.path.clone().key(name),
            value: member.map(|member| &member.value),
            shown: member.map_or(self.shown, |member| (&member.value, Some(member.key_span))),
        }
    }

    /// The field that names with dots between them lead to.
    pub fn at(&self, names: &str) -> Self {
        names.split('.').fold(self.clone(), |field, name| field.get(name))
    }

    /// The first of several spellings of a member that is there.
    pub fn spelt(&self, names: [&str; 2]) -> Self {
        let [first, second] = names.map(|name| self.get(name));
        if second.exists() { second } else { first }
    }

    /// Whether another field is inside of this one, in the same document.
    pub fn holds(&self, other: &Self) -> bool {
        other.path.segments().starts_with(self.path.segments())
    }

    /// The elements of a list.
    pub fn items(&self) -> Vec<Self> {
        let Some(Value::Sequence(elements)) = self.value.map(|node| &node.value) else {
            return Vec::new();
        };
        let of_index = |(index, element): (usize, &'o Node)| Self {
            source: self.source,
            path: self.path.clone().index(index),
            value: Some(element),
            shown: (element, None),
        };
        elements.iter().enumerate().map(of_index).collect()
    }

    /// The elements of the lists that a member of each of these elements is.
    pub fn each(&self, names: &str) -> Vec<Self> {
        self.items().iter().flat_map(|item| item.at(names).items()).collect()
    }

    /// The members of an object, each with its name.
    pub fn members(&self) -> Vec<(&'o str, Self)> {
        let Some(Value::Mapping(members)) = self.value.map(|node| &node.value) else {
            return Vec::new();
        };
        members.iter().map(|member| (member.key.as_str(), self.get(&member.key))).collect()
    }

    /// Whether the field is there, and not `null`.
    pub fn exists(&self) -> bool {
        self.value.is_some_and(|node| node.value != Value::Null)
    }

    /// The text of a string.
    pub fn text(&self) -> Option<&'o str> {
        match &self.value?.value {
            Value::String(text) => Some(text),
            _ => None,
        }
    }

    /// Whether the field is this string.
    pub fn is(&self, text: &str) -> bool {
        self.text() == Some(text)
    }

    /// The value of an integer.
    pub fn integer(&self) -> Option<i64> {
        match &self.value?.value {
            Value::Number(number) => number.value.as_i64(),
            _ => None,
        }
    }

    /// The number of a port.
    pub fn port(&self) -> Option<u16> {
        self.integer().and_then(|port| u16::try_from(port).ok())
    }

    /// Whether the field is `true`.
    pub fn is_true(&self) -> bool {
        matches!(self.value.map(|node| &node.value), Some(Value::Bool(true)))
    }

    /// Whether the field is something else than a string, an object or a list.
    pub fn is_number_or_boolean(&self) -> bool {
        matches!(self.value.map(|node| &node.value), Some(Value::Bool(_) | Value::Number(_)))
    }

    /// The value in the text's tree.
    pub fn node(&self) -> Option<&'o Node> {
        self.value
    }

    fn span(&self) -> Span {
        let (node, key) = self.shown;
        underline(self.source, node, key)
    }

    /// Where the field is, as a person reads it.
    pub fn place(&self) -> String {
        let place = self.source.position(self.span().start);
        format!("{}:{}", self.source.name(), place.line)
    }

    /// What the object's author should change.
    pub fn warning(
        &self,
        code: &'static str,
        message: impl Into<String>,
        help: impl Into<String>,
    ) -> Finding {
        self.finding(Diagnostic::warning(code, message), help)
    }

    /// What keeps the object from working.
    pub fn error(
        &self,
        code: &'static str,
        message: impl Into<String>,
        help: impl Into<String>,
    ) -> Finding {
        self.finding(Diagnostic::error(code, message), help)
    }

    fn finding(&self, diagnostic: Diagnostic, help: impl Into<String>) -> Finding {
        let diagnostic = diagnostic
            .at(self.source, self.span())
            .with_path(path_text(&self.path))
            .with_help(Some(help.into()));
        Finding { source: Arc::clone(self.source), diagnostic }
    }
}
