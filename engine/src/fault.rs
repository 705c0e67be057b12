//! What can be wrong with a policy document, and where. A fault carries the path of the value and
//! what a person can do about it; it knows nothing of lines and columns, which belong to the text
//! that the document was written in. Its words are in `message.rs`.

use alloc::borrow::{Cow, ToOwned};
use alloc::string::String;
use alloc::vec::Vec;

use crate::authority::AuthorityError;
use crate::pattern::PatternError;
use crate::template::TemplateError;

/// One step of a [`Path`].
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Segment {
    /// A field of an object.
    Key(Cow<'static, str>),
    /// An element of a list, counted from 0.
    Index(usize),
}

/// Where a value stands in the document, from its root: `hosts.mappings[3].authority`.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Path(Vec<Segment>);

impl Path {
    /// The steps from the document's root.
    #[must_use]
    pub fn segments(&self) -> &[Segment] {
        &self.0
    }

    /// This path and one more field.
    #[must_use]
    pub fn key(mut self, key: &str) -> Self {
        self.0.push(Segment::Key(key.to_owned().into()));
        self
    }

    /// This path and one more element.
    #[must_use]
    pub fn index(mut self, index: usize) -> Self {
        self.0.push(Segment::Index(index));
        self
    }

    pub(crate) fn push(&mut self, segment: Segment) {
        self.0.push(segment);
    }

    /// From one member of a list or an object to another.
    pub(crate) fn go_to(&mut self, segment: Segment) {
        if let Some(last) = self.0.last_mut() {
            *last = segment;
        }
    }

    pub(crate) fn pop(&mut self) {
        self.0.pop();
    }
}

/// Which part of the place a fault is about.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Place {
    /// The name of the field.
    Key,
    /// The value behind it.
    Value,
}

/// One thing that is wrong with a document. Displayed as `path: message`, with what to do about it
/// behind a semicolon.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Fault {
    /// Where it is wrong.
    pub path: Path,
    /// Whether the field's name or its value is wrong.
    pub place: Place,
    /// What is wrong.
    pub kind: FaultKind,
}

impl Fault {
    /// What a person can do about it, where that is more than the message says.
    #[must_use]
    pub fn help(&self) -> Option<String> {
        self.kind.help()
    }
}

/// The ways in which a document can be wrong.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum FaultKind {
    /// The text is no JSON. The message holds the parser's line and column.
    Syntax(String),
    /// The plugin configuration is larger than the limit.
    ConfigurationTooLarge {
        /// Bytes given.
        size: usize,
        /// Bytes allowed.
        limit: usize,
    },
    /// A list or map has more entries than the limit.
    TooMany {
        /// What there are too many of.
        what: &'static str,
        /// How many are allowed.
        limit: usize,
    },
    /// A value of another type was expected.
    WrongType {
        /// What was expected, with an article.
        expected: &'static str,
        /// What stands there.
        found: String,
    },
    /// A field that the language does not have.
    UnknownField {
        /// The name as written.
        name: String,
        /// The fields that may stand here.
        known: &'static [&'static str],
    },
    /// A field that must be given.
    MissingField(&'static str),
    /// A field that is given twice in one object.
    DuplicateField(String),
    /// A word that is none of the choices.
    UnknownChoice {
        /// The word as written.
        value: String,
        /// The choices.
        known: &'static [&'static str],
    },
    /// Another version of the policy language, or none at all.
    ApiVersion(Option<String>),
    /// An object that must have exactly one of several fields.
    ExactlyOne(&'static [&'static str]),
    /// An object that must have at least one of several fields.
    AtLeastOne(&'static [&'static str]),
    /// A list that may not be empty.
    EmptyList,
    /// A health check's name that is not `[a-z0-9-]{1,63}`.
    Name(String),
    /// A name, pattern or value that an earlier place holds already.
    Duplicate {
        /// The value as written.
        value: String,
        /// Where it stands first.
        first: Path,
    },
    /// A condition that could never hold, or always would.
    EmptyMatch,
    /// A condition on the path that holds a query, which is never compared.
    PathMatch(String),
    /// No CIDR block.
    Cidr(String),
    /// No header name (RFC 9110 §5.1).
    HeaderName(String),
    /// A header that a policy may not touch here.
    ForbiddenHeader {
        /// The name, in lower case.
        name: String,
        /// Why not.
        reason: &'static str,
    },
    /// No header value (RFC 9110 §5.5).
    HeaderValue,
    /// No token as a cookie's, a query parameter's or a baggage member's name.
    Token(String, &'static str),
    /// No path for a rewrite.
    RewritePath(String),
    /// No status code for a local reply.
    Status(i64),
    /// No authority.
    Authority {
        /// The text as written.
        value: String,
        /// What is wrong with it.
        error: AuthorityError,
    },
    /// No host.
    HostWithPort(String),
    /// No host pattern.
    Pattern {
        /// The text as written.
        value: String,
        /// What is wrong with it.
        error: PatternError,
    },
    /// No template.
    Template {
        /// The text as written.
        value: String,
        /// What is wrong with it.
        error: TemplateError,
    },
    /// A placeholder `{env}` in a policy that has no environments.
    NoEnvironments,
    /// No environment name.
    EnvironmentName(String),
    /// An environment that the allow-list lacks.
    NotAllowed(String),
    /// `unknown: default` in a policy without a default.
    NoDefault,
    /// Environments that no request and no default could ever select.
    NoSource,
    /// The last fault of a list that was cut.
    More(usize),
}
