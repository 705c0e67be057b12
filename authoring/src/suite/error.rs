//! What can be wrong with the meaning of a tests file.

use super::counters;
use gatepost_diagnostics::{Diagnostic, Source, Span, suggest};

/// The ways in which a tests file can be wrong.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub(super) enum SuiteError {
    /// A value of another kind was expected.
    #[error("expected {expected}, found {found}")]
    WrongType {
        /// What was expected, with an article.
        expected: &'static str,
        /// What stands there.
        found: &'static str,
    },
    /// A field that does not exist here.
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
    /// Neither `forward` nor `reply`, or both.
    #[error("exactly one of `forward`, `reply` must be given here")]
    ForwardOrReply,
    /// Two tests of one name.
    #[error("the test on line {first_line} has this name already")]
    DuplicateName {
        /// The name of the first.
        first: Span,
        /// The line of that.
        first_line: usize,
    },
    /// A text that may not be empty.
    #[error("the text is empty")]
    EmptyText,
    /// No tests.
    #[error("the list is empty")]
    EmptyList,
    /// No method (RFC 9110 §9.1).
    #[error("`{0}` is no HTTP method")]
    Method(String),
    /// An authority that no client could send.
    #[error("an authority cannot hold line ends or control characters")]
    Authority,
    /// No path.
    #[error("`{0}` is no path: it must begin with `/`, without blanks or control characters")]
    Path(String),
    /// No IP address.
    #[error("`{0}` is no IP address")]
    Address(String),
    /// No header name (RFC 9110 §5.1).
    #[error("`{0}` is no valid header name")]
    HeaderName(String),
    /// A header that has a field of its own.
    #[error("`{name}` is not written as a header here")]
    HeaderHasField {
        /// The header.
        name: String,
        /// The field to use.
        field: &'static str,
    },
    /// A header that no upstream's response brings to the client.
    #[error("`{name}` cannot stand in a response here: {why}")]
    NotInResponse {
        /// The header.
        name: String,
        /// The reason.
        why: &'static str,
    },
    /// A response of an upstream for a request that reaches none.
    #[error("no upstream gives a response, because this request ends in `expect.reply`")]
    ResponseOfReply,
    /// A response of which nothing is expected.
    #[error("nothing is expected of the response")]
    NothingExpected,
    /// A header value that does not survive its way (RFC 9110 §5.5).
    #[error(
        "a header's value cannot hold line ends or control characters, \
         nor begin or end with a blank"
    )]
    HeaderValue,
    /// Two spellings of one header.
    #[error("the header `{0}` is already given: case does not matter in header names")]
    DuplicateHeader(String),
    /// A header that is both expected and absent.
    #[error("`{0}` is expected in `headers`, so it cannot be absent")]
    PresentAndAbsent(String),
    /// A number out of its range.
    #[error("{found} is out of range: {low} to {high}")]
    Range {
        /// The number as written.
        found: String,
        /// The least.
        low: u16,
        /// The greatest.
        high: u16,
    },
    /// No pattern for a route.
    #[error("`{0}` is no host for a route: write a host without port, `*.` and a suffix, or `*`")]
    RouteHost(String),
    /// Two spellings of one route's host.
    #[error("the route `{0}` is already given: case does not matter in hosts")]
    DuplicateRoute(String),
    /// An upstream that no route names.
    #[error("no route answers as `{name}`")]
    UnknownUpstream {
        /// The name as written.
        name: String,
        /// The names of the routes.
        known: Vec<String>,
    },
    /// A counter that Gatepost does not have.
    #[error("Gatepost has no counter `{0}`")]
    UnknownCounter(String),
    /// A counter given twice.
    #[error("the counter `{0}` is already given")]
    DuplicateCounter(String),
}

impl SuiteError {
    /// The diagnostic for it.
    pub(super) fn diagnostic(
        &self,
        source: &Source,
        span: Span,
        path: Option<String>,
    ) -> Diagnostic {
        let diagnostic = Diagnostic::error(self.code(), self.to_string())
            .at(source, span)
            .with_path(path)
            .with_help(self.help());
        match self {
            Self::DuplicateName { first, .. } => diagnostic.with_first(source, *first),
            _ => diagnostic,
        }
    }

    fn code(&self) -> &'static str {
        match self {
            Self::WrongType { .. } => "wrong-type",
            Self::UnknownField { .. } => "unknown-field",
            Self::MissingField(_) => "missing-field",
            Self::ForwardOrReply => "exactly-one",
            Self::DuplicateName { .. } => "duplicate-name",
            Self::EmptyText => "empty-text",
            Self::EmptyList => "empty-list",
            Self::Method(_) => "invalid-method",
            Self::Authority => "invalid-authority",
            Self::Path(_) => "invalid-path",
            Self::Address(_) => "invalid-address",
            Self::HeaderName(_) => "invalid-header-name",
            Self::HeaderHasField { .. } => "header-has-field",
            Self::NotInResponse { .. } => "not-in-response",
            Self::ResponseOfReply => "response-of-reply",
            Self::NothingExpected => "nothing-expected",
            Self::HeaderValue => "invalid-header-value",
            Self::DuplicateHeader(_) => "duplicate-header",
            Self::PresentAndAbsent(_) => "present-and-absent",
            Self::Range { .. } => "out-of-range",
            Self::RouteHost(_) => "invalid-route-host",
            Self::DuplicateRoute(_) => "duplicate-route",
            Self::UnknownUpstream { .. } => "unknown-upstream",
            Self::UnknownCounter(_) => "unknown-counter",
            Self::DuplicateCounter(_) => "duplicate-counter",
        }
    }

    /// What to do about it, where the message alone does not say.
    fn help(&self) -> Option<String> {
        Some(match self {
            Self::UnknownField { name, known } => suggest(name, known),
            Self::UnknownUpstream { known, .. } if known.is_empty() => {
                "the file has no routes".to_owned()
            }
            Self::UnknownUpstream { name, known } => {
                suggest(name, &known.iter().map(String::as_str).collect::<Vec<_>>())
            }
            Self::UnknownCounter(name) => counters::help(name),
            Self::HeaderHasField { field, .. } => format!("use `{field}`"),
            Self::ResponseOfReply => {
                "remove `response`; `expect.response` names the headers of the gateway's own answer"
                    .to_owned()
            }
            Self::NothingExpected => {
                "name headers in `headers` or `absent`, or remove `response`".to_owned()
            }
            Self::EmptyList => "give it at least one entry".to_owned(),
            Self::Method(_) => "methods are in capitals, as `GET`".to_owned(),
            _ => return None,
        })
    }
}
