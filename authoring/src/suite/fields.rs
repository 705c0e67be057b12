//! A place in the tree that knows its path, for reading a document into types by hand: an error is
//! collected and reading goes on, so that one reading finds every mistake.

use super::error::SuiteError;
use crate::read::Reading;
use crate::tree::{Member, Node, Number, Value, path_text, underline};
use gatepost_diagnostics::{Diagnostic, Source, Span};
use gatepost_engine::{Path, nearest};

/// Collects what is wrong with one file.
pub(super) struct Errors<'s> {
    pub(super) source: &'s Source,
    pub(super) reading: &'s Reading,
    pub(super) diagnostics: Vec<Diagnostic>,
}

impl Errors<'_> {
    fn add(&mut self, span: Span, path: &Path, error: &SuiteError) {
        if !self.reading.explains(span) {
            self.diagnostics.push(error.diagnostic(self.source, span, path_text(path)));
        }
    }
}

/// A value with its path.
#[derive(Clone)]
pub(super) struct At<'n> {
    node: &'n Node,
    key: Option<Span>,
    path: Path,
}

/// The fields of a mapping with its path.
pub(super) struct Fields<'n> {
    at: At<'n>,
    members: &'n [Member],
    /// The fields that unknown names resemble: those have an error already.
    meant: Vec<&'static str>,
}

impl<'n> At<'n> {
    pub(super) fn root(node: &'n Node) -> Self {
        Self { node, key: None, path: Path::default() }
    }

    pub(super) fn span(&self, errors: &Errors<'_>) -> Span {
        underline(errors.source, self.node, self.key)
    }

    /// Reports an error of this value.
    pub(super) fn error(&self, errors: &mut Errors<'_>, error: &SuiteError) {
        errors.add(self.span(errors), &self.path, error);
    }

    /// Reports an error of this value's key.
    pub(super) fn error_at_key(&self, errors: &mut Errors<'_>, error: &SuiteError) {
        errors.add(self.key.unwrap_or(self.node.span), &self.path, error);
    }

    fn expected(&self, errors: &mut Errors<'_>, expected: &'static str) {
        self.error(errors, &SuiteError::WrongType { expected, found: self.node.value.kind() });
    }

    /// The entries of a mapping whose keys are free.
    pub(super) fn entries(&self, errors: &mut Errors<'_>) -> Vec<(&'n str, At<'n>)> {
        match &self.node.value {
            Value::Mapping(members) => {
                members.iter().map(|member| (member.key.as_str(), self.child(member))).collect()
            }
            _ => {
                self.expected(errors, "an object");
                Vec::new()
            }
        }
    }

    /// The fields of a mapping whose keys are `known`; nothing at all counts as a mapping without
    /// fields.
    pub(super) fn fields(
        &self,
        errors: &mut Errors<'_>,
        known: &'static [&'static str],
    ) -> Option<Fields<'n>> {
        let members: &[Member] = match &self.node.value {
            Value::Mapping(members) => members,
            Value::Null => &[],
            _ => {
                self.expected(errors, "an object");
                return None;
            }
        };
        let mut meant = Vec::new();
        for member in members.iter().filter(|member| !known.contains(&member.key.as_str())) {
            meant.extend(nearest(&member.key, known));
            self.child(member).error_at_key(
                errors,
                &SuiteError::UnknownField { name: member.key.clone(), known },
            );
        }
        Some(Fields { at: self.clone(), members, meant })
    }

    fn child(&self, member: &'n Member) -> At<'n> {
        At {
            node: &member.value,
            key: Some(member.key_span),
            path: self.path.clone().key(&member.key),
        }
    }

    /// The elements of a list.
    pub(super) fn elements(&self, errors: &mut Errors<'_>) -> Option<Vec<At<'n>>> {
        let Value::Sequence(elements) = &self.node.value else {
            self.expected(errors, "a list");
            return None;
        };
        let element = |(index, node)| At { node, key: None, path: self.path.clone().index(index) };
        Some(elements.iter().enumerate().map(element).collect())
    }

    /// The elements of a list, or this one value.
    pub(super) fn one_or_more(&self, errors: &mut Errors<'_>) -> Option<Vec<At<'n>>> {
        match &self.node.value {
            Value::Sequence(elements) if elements.is_empty() => {
                self.error(errors, &SuiteError::EmptyList);
                None
            }
            Value::Sequence(_) => self.elements(errors),
            _ => Some(vec![self.clone()]),
        }
    }

    /// A text.
    pub(super) fn text(&self, errors: &mut Errors<'_>) -> Option<&'n str> {
        match &self.node.value {
            Value::String(text) => Some(text),
            _ => {
                self.expected(errors, "a string");
                None
            }
        }
    }

    /// A text, or a number as it is written.
    pub(super) fn text_or_number(&self, errors: &mut Errors<'_>) -> Option<&'n str> {
        match &self.node.value {
            Value::Number(Number { text, .. }) => Some(text),
            _ => self.text(errors),
        }
    }

    /// An integer from `low` to `high`.
    pub(super) fn integer(&self, errors: &mut Errors<'_>, low: u16, high: u16) -> Option<u16> {
        let Value::Number(number) = &self.node.value else {
            self.expected(errors, "a number");
            return None;
        };
        let found = number.value.as_u64().and_then(|value| u16::try_from(value).ok());
        let fits = found.filter(|value| (low..=high).contains(value));
        if fits.is_none() {
            self.error(errors, &SuiteError::Range { found: number.text.clone(), low, high });
        }
        fits
    }
}

impl<'n> Fields<'n> {
    /// The field of that name.
    pub(super) fn get(&self, name: &str) -> Option<At<'n>> {
        self.members.iter().find(|member| member.key == name).map(|member| self.at.child(member))
    }

    /// The field of that name, whose absence is an error.
    pub(super) fn require(&self, errors: &mut Errors<'_>, name: &'static str) -> Option<At<'n>> {
        let field = self.get(name);
        // A key that was refused or misspelt may have been this one.
        let may_be_meant = self.meant.contains(&name) || errors.reading.is_incomplete(self.at.node);
        if field.is_none() && !may_be_meant {
            self.at.error(errors, &SuiteError::MissingField(name));
        }
        field
    }

    /// The mapping that holds the fields.
    pub(super) fn at(&self) -> &At<'n> {
        &self.at
    }
}
