//! One thing that is wrong with a policy document.

use std::fmt;

use thiserror::Error;

use super::host::{AuthorityError, PatternError, TemplateError};
use super::nearest::nearest;
use super::path::Path;

/// Which part of a field an error is about.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Place {
    /// The name of the field.
    Key,
    /// The value behind it.
    Value,
}

/// One thing that is wrong with a document. Displayed on one line as `path: message; help`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PolicyError {
    /// Where it is wrong.
    pub path: Path,
    /// Whether the field's name or its value is wrong.
    pub place: Place,
    /// What is wrong.
    pub kind: PolicyErrorKind,
}

impl PolicyError {
    /// What a person can do about it, where that is more than the message says.
    #[must_use]
    pub fn help(&self) -> Option<String> {
        self.kind.help()
    }

    /// A short name for the kind of error, which stays the same when the words change:
    /// `unknown-field`.
    #[must_use]
    pub fn code(&self) -> &'static str {
        self.kind.code()
    }
}

impl std::error::Error for PolicyError {}

impl fmt::Display for PolicyError {
    /// Control characters of what the document's author wrote are escaped: a line end in a log
    /// would let the author write log lines of their own.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut line = format!("{}: {}", self.path, self.kind);
        if let Some(help) = self.help() {
            line = format!("{line}; {help}");
        }
        for character in line.chars() {
            if character.is_control() {
                write!(f, "{}", character.escape_default())?;
            } else {
                fmt::Write::write_char(f, character)?;
            }
        }
        Ok(())
    }
}

/// The ways in which a document can be wrong.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
#[non_exhaustive]
pub enum PolicyErrorKind {
    /// The text is no JSON. The message holds the parser's line and column.
    #[error("not valid JSON: {0}")]
    Syntax(String),
    /// Nothing, `null` or `{}`: no policy at all.
    #[error("the document is empty, and an empty document is no policy")]
    Empty,
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
        /// What the entries are, in the plural.
        what: &'static str,
        /// How many are allowed.
        limit: usize,
    },
    /// A value of another type was expected.
    #[error("expected {expected}, found {found}")]
    WrongType {
        /// What was expected, with an article.
        expected: &'static str,
        /// What was found instead.
        found: String,
        /// What the author most likely means.
        instead: Option<String>,
    },
    /// A text that is longer than the limit.
    #[error("the text is {size} bytes, more than the limit of {limit}")]
    TextTooLong {
        /// Bytes given.
        size: usize,
        /// Bytes allowed.
        limit: usize,
    },
    /// A field with nothing behind it, which counts as omitted: a warning.
    #[error("nothing stands behind `{0}`, so it counts as omitted")]
    LeftEmpty(&'static str),
    /// A field that the language does not have.
    #[error("unknown field `{name}`")]
    UnknownField {
        /// The name as written.
        name: String,
        /// The fields that are allowed here.
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
    /// Another version of the policy language.
    #[error("this is not a policy of version `gatepost/v1`: apiVersion is `{0}`")]
    ApiVersion(String),
    /// No version at all.
    #[error("this is not a policy of version `gatepost/v1`: apiVersion is missing")]
    NoApiVersion,
    /// An object that must have exactly one of several fields.
    #[error("exactly one of `{}` must be given here", .0.join("`, `"))]
    ExactlyOne(&'static [&'static str]),
    /// An object that must have at least one of several fields.
    #[error("at least one of `{}` must be given here", .0.join("`, `"))]
    AtLeastOne(&'static [&'static str]),
    /// A list that may not be empty.
    #[error("the list is empty")]
    EmptyList,
    /// A health check's name that is not `[a-z0-9-]{1,63}`.
    #[error("`{0}` is no valid name: 1 to 63 of a-z, 0-9 and `-`")]
    Name(String),
    /// A name, pattern or value that was given before.
    #[error("`{value}` is already given at {first}")]
    Duplicate {
        /// The value as written.
        value: String,
        /// Where it was given first.
        first: Path,
    },
    /// A condition that could never hold, or always would.
    #[error("the text to compare with is empty")]
    EmptyMatch,
    /// A condition on the path that holds a query, which is never compared.
    #[error("`{0}` can never match: paths begin with `/` and are compared without their query")]
    PathMatch(String),
    /// A method with small letters: a warning, because a client may have such a method.
    #[error("methods are compared in their own case, and probes send none like `{0}`")]
    MethodCase(String),
    /// A `*` in a text that is compared: a warning, because a client may send one.
    #[error("the `*` in `{0}` is compared as it stands, and is no wildcard")]
    LiteralStar(String),
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
    #[error(
        "the value holds bytes that a header cannot carry: only visible ASCII, spaces and tabs \
         are allowed"
    )]
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
    /// A body for a reply that cannot have one (RFC 9110 §15.3.5, §15.3.6, §15.4.5).
    #[error("a reply with status {0} has no body")]
    BodyForStatus(u16),
    /// A probe of gRPC's health service that is answered here with success.
    #[error(
        "a gRPC health check cannot be answered here with success: its answer is a message, and a \
         local reply has none"
    )]
    GrpcHealthRespond,
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
    /// A private host that is a number, which some programs read as an address.
    #[error("some programs read `{value}` as the address {address}, and others as a name")]
    NumericHost {
        /// The text as written.
        value: String,
        /// The address.
        address: std::net::IpAddr,
    },
    /// No template.
    #[error("`{value}` is no valid template: {error}")]
    Template {
        /// The text as written.
        value: String,
        /// What is wrong with it.
        error: TemplateError,
    },
    /// `hosts.invalid: pass`, which earlier versions had.
    #[error(
        "a request whose Host is no valid authority is always refused, because a proxy that \
         passes it cannot keep private hosts private"
    )]
    InvalidPass,
    /// `hosts.invalid: reject`: a warning, because every policy does that.
    #[error("`invalid` is no field any more: a Host that is no valid authority is always refused")]
    InvalidReject,
    /// A placeholder `{env}` in a policy that has no environments.
    #[error("`{{env}}` has no value: the policy has no `environments`")]
    NoEnvironments,
    /// An authority with `{env}` in a policy without an allow-list: a warning.
    #[error("any client may put any name in the place of `{{env}}`, such as `kube-system`")]
    OpenEnvironment,
    /// No environment name.
    #[error(
        "`{0}` is no DNS label: 1 to 63 of a-z, 0-9 and `-`, beginning and ending with a letter \
         or digit"
    )]
    EnvironmentName(String),
    /// No pattern of environment names.
    #[error("`{value}` is no valid pattern of names: {reason}")]
    NamePattern {
        /// The text as written.
        value: String,
        /// What is wrong with it.
        reason: &'static str,
    },
    /// An environment that the allow-list lacks.
    #[error("the environment `{0}` is not in `environments.allow`")]
    NotAllowed(String),
    /// `unknown: default` in a policy without a default.
    #[error("`unknown: default` needs `environments.default`")]
    NoDefault,
    /// `preflight` in a policy whose requests cannot name an environment.
    #[error("without `sources` no request names an environment, preflight or not")]
    PreflightWithoutSource,
    /// A pin on a source that is no query.
    #[error("only a query source can have a `pin`: a link names the environment")]
    PinWithoutQuery,
    /// A pin whose cookie no later source reads.
    #[error("no source after this one reads the cookie `{0}`, so pinning it would do nothing")]
    PinNotRead(String),
    /// A pin in a policy without an allow-list: a warning.
    #[error("anybody's link can pin a visitor's browser to any name")]
    OpenPin,
    /// No age of a cookie.
    #[error("{0} is no age of a cookie in seconds: 1 to 34560000, which is 400 days")]
    CookieAge(i64),
    /// Environments that no request and no default could ever select.
    #[error("no environment can ever be selected: give `sources`, `default`, or both")]
    NoSource,
    /// The last error of a list that was cut.
    #[error("{0} more errors are not shown")]
    More(usize),
}

impl PolicyErrorKind {
    /// See [`PolicyError::code`].
    #[must_use]
    pub fn code(&self) -> &'static str {
        match self {
            Self::Syntax(_) => "syntax",
            Self::Empty => "empty-document",
            Self::ConfigurationTooLarge { .. } => "configuration-too-large",
            Self::TooMany { .. } => "too-many",
            Self::WrongType { .. } => "wrong-type",
            Self::TextTooLong { .. } => "text-too-long",
            Self::LeftEmpty(_) => "left-empty",
            Self::UnknownField { .. } => "unknown-field",
            Self::MissingField(_) => "missing-field",
            Self::DuplicateField(_) => "duplicate-field",
            Self::UnknownChoice { .. } => "unknown-choice",
            Self::ApiVersion(_) | Self::NoApiVersion => "api-version",
            Self::ExactlyOne(_) => "exactly-one",
            Self::AtLeastOne(_) => "at-least-one",
            Self::EmptyList => "empty-list",
            Self::Name(_) => "invalid-name",
            Self::Duplicate { .. } => "duplicate",
            Self::EmptyMatch => "empty-match",
            Self::PathMatch(_) => "path-never-matches",
            Self::MethodCase(_) => "method-case",
            Self::LiteralStar(_) => "literal-star",
            Self::Cidr(_) => "invalid-cidr",
            Self::HeaderName(_) => "invalid-header-name",
            Self::ForbiddenHeader { .. } => "forbidden-header",
            Self::HeaderValue => "invalid-header-value",
            Self::Token(..) => "invalid-token",
            Self::RewritePath(_) => "invalid-path",
            Self::Status(_) => "invalid-status",
            Self::BodyForStatus(_) => "body-for-status",
            Self::GrpcHealthRespond => "grpc-health-respond",
            Self::Authority { .. } => "invalid-authority",
            Self::HostWithPort(_) => "host-with-port",
            Self::Pattern { .. } => "invalid-pattern",
            Self::NumericHost { .. } => "numeric-host",
            Self::Template { .. } => "invalid-template",
            Self::InvalidPass => "invalid-pass",
            Self::InvalidReject => "invalid-reject",
            Self::NoEnvironments => "no-environments",
            Self::OpenEnvironment => "open-environment",
            Self::EnvironmentName(_) => "invalid-environment",
            Self::NamePattern { .. } => "invalid-environment",
            Self::NotAllowed(_) => "not-allowed",
            Self::NoDefault => "no-default",
            Self::NoSource => "no-source",
            Self::PreflightWithoutSource => "preflight-without-source",
            Self::PinWithoutQuery => "pin-without-query",
            Self::PinNotRead(_) => "pin-not-read",
            Self::OpenPin => "open-pin",
            Self::CookieAge(_) => "invalid-age",
            Self::More(_) => "more",
        }
    }

    pub(crate) fn help(&self) -> Option<String> {
        let advice = match self {
            Self::UnknownField { name, known } => return Some(did_you_mean(name, known)),
            Self::UnknownChoice { value, known } => return Some(did_you_mean(value, known)),
            Self::Template { error: TemplateError::UnknownPlaceholder { name, known }, .. } => {
                let known: Vec<&str> = known.iter().map(String::as_str).collect();
                return Some(did_you_mean(name, &known));
            }
            Self::WrongType { found, instead, .. } => {
                let or_nothing = if found == "nothing" { ", or delete the line" } else { "" };
                let instead = match instead {
                    Some(instead) => format!("`{instead}`"),
                    None if found == "nothing" => "a value".to_owned(),
                    None => return None,
                };
                return Some(format!("write {instead}{or_nothing}"));
            }
            Self::LeftEmpty(_) => "delete the line, or write its entries",
            Self::NumericHost { address, .. } => {
                return Some(format!("write the address: {address}"));
            }
            Self::Empty => "write `apiVersion: gatepost/v1` and the rules",
            Self::ApiVersion(_) | Self::NoApiVersion => "write `apiVersion: gatepost/v1`",
            Self::EmptyList => "remove the field, or give it an entry",
            Self::EmptyMatch => "remove the condition, or write what it compares with",
            Self::MethodCase(method) => {
                return Some(format!("write `{}`", method.to_ascii_uppercase()));
            }
            Self::LiteralStar(_) => {
                "give what comes before it as `prefix`, or after it as `suffix`"
            }
            Self::HostWithPort(_) | Self::Pattern { error: PatternError::Port, .. } => {
                "remove the port"
            }
            Self::BodyForStatus(_) => "remove the body, or answer with another status, such as 200",
            Self::GrpcHealthRespond => "`rewrite` it to a service that answers",
            Self::InvalidPass => {
                "remove the field; `mode: observe` counts such requests without refusing them"
            }
            Self::InvalidReject => "remove the field",
            Self::PreflightWithoutSource => "remove `preflight`, or add `sources`",
            Self::PinWithoutQuery => "move it to a `query` source",
            Self::PinNotRead(cookie) => {
                return Some(format!("add `- cookie: {cookie}` behind it"));
            }
            Self::CookieAge(_) => "omit `maxAge` for a cookie that ends with the browser",
            Self::OpenEnvironment | Self::OpenPin => {
                "list the environments in `environments.allow`; a name there may hold one `*`, as \
                 in `pr-*`"
            }
            Self::NoDefault => "give `default`, or choose `reject` or `ignore`",
            Self::NotAllowed(_) => "add it to the list, or name an environment of the list",
            Self::NoEnvironments => "add `environments`, or remove the placeholder",
            Self::Pattern { value, error: PatternError::Star } if value == "*" => {
                "`hosts.unmapped` says what happens to every host that no mapping matches"
            }
            Self::Pattern { error: PatternError::NoLiteral, .. } => {
                "end it with a literal label; `hosts.unmapped` says what happens to every other \
                 host"
            }
            _ => return None,
        };
        Some(advice.to_owned())
    }
}

fn did_you_mean(written: &str, known: &[&str]) -> String {
    match nearest(written, known) {
        Some(name) => format!("did you mean `{name}`?"),
        None if known.is_empty() => "nothing may stand here".to_owned(),
        None => format!("known here: {}", known.join(", ")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_unknown_field_names_the_nearest_known_one() {
        let kind = PolicyErrorKind::UnknownField {
            name: "mapings".into(),
            known: &["private", "mappings", "port"],
        };
        let path = Path::default().key("hosts").key("mapings");
        assert_eq!(
            PolicyError { path, place: Place::Key, kind }.to_string(),
            "hosts.mapings: unknown field `mapings`; did you mean `mappings`?"
        );
    }

    #[test]
    fn a_field_that_resembles_nothing_gets_the_list_of_known_ones() {
        let kind =
            PolicyErrorKind::UnknownField { name: "zzzzzz".into(), known: &["exact", "prefix"] };
        assert_eq!(kind.help().as_deref(), Some("known here: exact, prefix"));
    }

    #[test]
    fn control_characters_in_an_error_are_escaped() {
        let kind = PolicyErrorKind::Name("a\nb\u{1b}[0m".into());
        let error = PolicyError { path: Path::default(), place: Place::Value, kind };
        assert!(error.to_string().starts_with(r".: `a\nb\u{1b}[0m` is no valid name"));
    }

    #[test]
    fn what_an_author_wrote_is_put_in_as_it_stands() {
        let first = Path::default().key("strip").index(10);
        let kind = PolicyErrorKind::Duplicate { value: "100 % {}".into(), first };
        assert_eq!(kind.to_string(), "`100 % {}` is already given at strip[10]");
        assert_eq!(
            AuthorityError::Byte(b'%').to_string(),
            "it holds the byte `%`, which no host has"
        );
    }
}
