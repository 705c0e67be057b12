//! What can be wrong with a policy document, and where. A fault carries the path of the value and what a person can do
//! about it; it knows nothing of lines and columns, which belong to the text that the document was written in.

use alloc::borrow::{Cow, ToOwned};
use alloc::string::String;
use alloc::vec::Vec;
use core::fmt::{self, Write as _};

use crate::authority::AuthorityError;
use crate::nearest::nearest;
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

impl fmt::Display for Path {
    /// Keys that are no plain name are quoted: `hints.headers["x.y"]`. The root itself is `.`.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.0.is_empty() {
            return f.write_str(".");
        }
        for (position, segment) in self.0.iter().enumerate() {
            match segment {
                Segment::Index(index) => write!(f, "[{index}]")?,
                Segment::Key(key) if is_plain(key) => {
                    let dot = if position == 0 { "" } else { "." };
                    write!(f, "{dot}{key}")?;
                }
                Segment::Key(key) => {
                    f.write_char('[')?;
                    quote(f, key)?;
                    f.write_char(']')?;
                }
            }
        }
        Ok(())
    }
}

/// Writes a text in quotes, on one line. As `{:?}` does it, but without the tables of what Unicode can print.
pub(crate) fn quote(f: &mut fmt::Formatter<'_>, text: &str) -> fmt::Result {
    f.write_char('"')?;
    for letter in text.chars() {
        match letter {
            '"' | '\\' => write!(f, "\\{letter}")?,
            letter if letter.is_control() => write!(f, "{}", letter.escape_default())?,
            letter => f.write_char(letter)?,
        }
    }
    f.write_char('"')
}

fn is_plain(key: &str) -> bool {
    !key.is_empty() && key.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'-' || b == b'_')
}

/// Which part of the place a fault is about.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Place {
    /// The name of the field.
    Key,
    /// The value behind it.
    Value,
}

/// One thing that is wrong with a document. Displayed as `path: message`, with what to do about it behind a semicolon.
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

impl fmt::Display for Fault {
    /// One line: what the document's author wrote is quoted with its control characters escaped.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut line = OneLine(f);
        write!(line, "{}: {}", self.path, self.kind)?;
        match self.help() {
            Some(help) => write!(line, "; {help}"),
            None => Ok(()),
        }
    }
}

/// A fault becomes a line of the gateway's log, where a line end or an escape of a terminal would be another's words.
struct OneLine<'f, 'b>(&'f mut fmt::Formatter<'b>);

impl fmt::Write for OneLine<'_, '_> {
    fn write_str(&mut self, text: &str) -> fmt::Result {
        text.chars().try_for_each(|letter| {
            if letter.is_control() { write!(self.0, "{}", letter.escape_default()) } else { self.0.write_char(letter) }
        })
    }
}

/// The ways in which a document can be wrong.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum FaultKind {
    /// The text is no JSON. The message holds the parser's line and column.
    #[error("not valid JSON: {0}")]
    Syntax(String),
    /// The plugin configuration is larger than the limit.
    #[error("the configuration is {size} bytes, more than the limit of {limit}")]
    ConfigurationTooLarge {
        /// Bytes given.
        size: usize,
        /// Bytes allowed.
        limit: usize,
    },
    /// A list or map has more entries than the limit.
    #[error("more than {limit} {what}")]
    TooMany {
        /// What there are too many of.
        what: &'static str,
        /// How many are allowed.
        limit: usize,
    },
    /// A value of another type was expected.
    #[error("expected {expected}, found {found}")]
    WrongType {
        /// What was expected, with an article.
        expected: &'static str,
        /// What stands there.
        found: String,
    },
    /// A field that the language does not have.
    #[error("unknown field `{name}`")]
    UnknownField {
        /// The name as written.
        name: String,
        /// The fields that may stand here.
        known: &'static [&'static str],
    },
    /// A field that must be given.
    #[error("the field `{0}` is missing")]
    MissingField(&'static str),
    /// A field that is given twice in one object.
    #[error("`{0}` is given twice")]
    DuplicateField(String),
    /// A word that is none of the choices.
    #[error("`{value}` is no choice here")]
    UnknownChoice {
        /// The word as written.
        value: String,
        /// The choices.
        known: &'static [&'static str],
    },
    /// Another version of the policy language, or none at all.
    #[error("this is not a policy of version `gatepost/v1`: apiVersion is {}", .0.as_deref().map_or("missing".into(), |v| format!("`{v}`")))]
    ApiVersion(Option<String>),
    /// An object that must have exactly one of several fields.
    #[error("exactly one of {} must be given here", list(.0))]
    ExactlyOne(&'static [&'static str]),
    /// An object that must have at least one of several fields.
    #[error("at least one of {} must be given here", list(.0))]
    AtLeastOne(&'static [&'static str]),
    /// A list that may not be empty.
    #[error("the list is empty")]
    EmptyList,
    /// A health check's name that is not `[a-z0-9-]{1,63}`.
    #[error("`{0}` is no valid name: 1 to 63 of a-z, 0-9 and `-`")]
    Name(String),
    /// A name, pattern or value that an earlier place holds already.
    #[error("`{value}` is already given at {first}")]
    Duplicate {
        /// The value as written.
        value: String,
        /// Where it stands first.
        first: Path,
    },
    /// A condition that could never hold, or always would.
    #[error("the text to compare with is empty")]
    EmptyMatch,
    /// A condition on the path that holds a query, which is never compared.
    #[error("`{0}` can never match: paths begin with `/` and are compared without their query")]
    PathMatch(String),
    /// No CIDR block.
    #[error("`{0}` is no CIDR block, such as 35.191.0.0/16 or 2600:2d00:1:1::/64")]
    Cidr(String),
    /// No header name (RFC 9110 §5.1).
    #[error("`{0}` is no valid header name")]
    HeaderName(String),
    /// A header that a policy may not touch here.
    #[error("the header `{name}` may not be named here: {reason}")]
    ForbiddenHeader {
        /// The name, in lower case.
        name: String,
        /// Why not.
        reason: &'static str,
    },
    /// No header value (RFC 9110 §5.5).
    #[error("the value holds bytes that a header cannot carry: only visible ASCII, spaces and tabs are allowed")]
    HeaderValue,
    /// No token as a cookie's, a query parameter's or a baggage member's name.
    #[error("`{0}` is no valid name for a {1}")]
    Token(String, &'static str),
    /// No path for a rewrite.
    #[error("`{0}` is no path: it must begin with `/` and hold visible ASCII only, without `#`")]
    RewritePath(String),
    /// No status code for a local reply.
    #[error("{0} is no status code for a reply: 200 to 599")]
    Status(i64),
    /// No authority.
    #[error("`{value}` is no valid authority: {error}")]
    Authority {
        /// The text as written.
        value: String,
        /// What is wrong with it.
        error: AuthorityError,
    },
    /// No host.
    #[error("`{0}` has a port, and ports are not compared")]
    HostWithPort(String),
    /// No host pattern.
    #[error("`{value}` is no valid host pattern: {error}")]
    Pattern {
        /// The text as written.
        value: String,
        /// What is wrong with it.
        error: PatternError,
    },
    /// No template.
    #[error("`{value}` is no valid template: {error}")]
    Template {
        /// The text as written.
        value: String,
        /// What is wrong with it.
        error: TemplateError,
    },
    /// A placeholder `{env}` in a policy that has no environments.
    #[error("`{{env}}` has no value: the policy has no `environments`")]
    NoEnvironments,
    /// No environment name.
    #[error("`{0}` is no DNS label: 1 to 63 of a-z, 0-9 and `-`, beginning and ending with a letter or digit")]
    EnvironmentName(String),
    /// An environment that the allow-list lacks.
    #[error("the environment `{0}` is not in `environments.allow`")]
    NotAllowed(String),
    /// `unknown: default` in a policy without a default.
    #[error("`unknown: default` needs `environments.default`")]
    NoDefault,
    /// Environments that no request and no default could ever select.
    #[error("no environment can ever be selected: give `sources`, `default`, or both")]
    NoSource,
    /// The last fault of a list that was cut.
    #[error("{0} more faults are not shown")]
    More(usize),
}

impl FaultKind {
    fn help(&self) -> Option<String> {
        match self {
            Self::UnknownField { name, known } => Some(did_you_mean(name, known)),
            Self::UnknownChoice { value, known } => Some(did_you_mean(value, known)),
            Self::ApiVersion(_) => Some("write `apiVersion: gatepost/v1`".into()),
            Self::EmptyList => Some("remove the field, or give it an entry".into()),
            Self::EmptyMatch => Some("remove the condition, or write what it compares with".into()),
            Self::HostWithPort(_) => Some("remove the port".into()),
            Self::NoDefault => Some("give `default`, or choose `reject` or `ignore`".into()),
            Self::NotAllowed(_) => Some("add it to the list, or name an environment of the list".into()),
            Self::NoEnvironments => Some("add `environments`, or remove the placeholder".into()),
            Self::Template { error: TemplateError::UnknownPlaceholder { name, known }, .. } => {
                let known: Vec<&str> = known.iter().map(String::as_str).collect();
                Some(did_you_mean(name, &known))
            }
            Self::Pattern { error, .. } => error.help().map(Into::into),
            _ => None,
        }
    }
}

fn did_you_mean(written: &str, known: &[&str]) -> String {
    match nearest(written, known) {
        Some(name) => format!("did you mean `{name}`?"),
        None if known.is_empty() => "nothing may stand here".into(),
        None => format!("known here: {}", known.join(", ")),
    }
}

fn list(names: &[&str]) -> String {
    let quoted: Vec<String> = names.iter().map(|name| format!("`{name}`")).collect();
    quoted.join(", ")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_path_is_written_as_people_write_it() {
        let path = Path::default().key("hosts").key("mappings").index(3).key("authority");
        assert_eq!(path.to_string(), "hosts.mappings[3].authority");
        assert_eq!(Path::default().to_string(), ".");
        assert_eq!(Path::default().key("hints").key("x.y").to_string(), "hints[\"x.y\"]");
    }

    #[test]
    fn an_unknown_field_names_the_nearest_known_one() {
        let kind = FaultKind::UnknownField { name: "mapings".into(), known: &["invalid", "mappings", "port"] };
        let fault = Fault { path: Path::default().key("hosts").key("mapings"), place: Place::Key, kind };
        assert_eq!(fault.to_string(), "hosts.mapings: unknown field `mapings`; did you mean `mappings`?");
    }

    #[test]
    fn a_field_that_resembles_nothing_gets_the_list_of_known_ones() {
        let kind = FaultKind::UnknownField { name: "zzzzzz".into(), known: &["exact", "prefix"] };
        assert_eq!(kind.help().as_deref(), Some("known here: exact, prefix"));
    }
}
