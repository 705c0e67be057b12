//! What can be wrong with a tests file, beyond its text.

use gatepost_engine::nearest;

/// The ways in which a tests file can be wrong.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum SuiteFault {
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
        /// The line of the first.
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
    /// A header value that does not survive its way (RFC 9110 §5.5).
    #[error(
        "a header's value cannot hold line ends or control characters, nor begin or end with a blank"
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

impl SuiteFault {
    /// What to do about it, where the message alone does not say.
    pub fn help(&self) -> Option<String> {
        match self {
            Self::UnknownField { name, known } => Some(did_you_mean(name, known)),
            Self::UnknownUpstream { name, known } => {
                let known: Vec<&str> = known.iter().map(String::as_str).collect();
                Some(did_you_mean(name, &known))
            }
            Self::UnknownCounter(name) if name.starts_with(HEALTH_CHECK_COUNTER) => Some(format!(
                "`{HEALTH_CHECK_COUNTER}` is followed by a health check's name: 1 to 63 of a-z, 0-9 and `-`"
            )),
            Self::UnknownCounter(name) => Some(did_you_mean(name, COUNTERS)),
            Self::HeaderHasField { field, .. } => Some(format!("use `{field}`")),
            Self::EmptyList => Some("give it at least one entry".to_owned()),
            Self::Method(_) => Some("methods are in capitals, as `GET`".to_owned()),
            _ => None,
        }
    }
}

/// The counters whose names are fixed.
const COUNTERS: &[&str] = &[
    "gatepost.environment.selected",
    "gatepost.environment.default",
    "gatepost.environment.unknown",
    "gatepost.environment.rejected",
    "gatepost.host.mapped",
    "gatepost.host.private",
    "gatepost.host.invalid",
    "gatepost.host.unmapped",
];

/// The counters of health checks begin so, and end with the check's name.
const HEALTH_CHECK_COUNTER: &str = "gatepost.health_check.";

/// Whether the filter can have a counter of that name.
pub(super) fn is_counter(name: &str) -> bool {
    let check = |name: &str| {
        (1..=63).contains(&name.len())
            && name.bytes().all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'-')
    };
    COUNTERS.contains(&name) || name.strip_prefix(HEALTH_CHECK_COUNTER).is_some_and(check)
}

fn did_you_mean(written: &str, known: &[&str]) -> String {
    match nearest(written, known) {
        Some(name) => format!("did you mean `{name}`?"),
        None if known.is_empty() => "the file has no routes".to_owned(),
        None => format!("known here: {}", known.join(", ")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_counters_known_here_are_those_of_the_engine() {
        let policy = br#"{
            "apiVersion": "gatepost/v1",
            "healthChecks": [{ "name": "gclb", "match": { "method": { "exact": "GET" } }, "pass": {} }],
            "environments": { "default": "env1", "hints": { "headers": { "x-env": "{env}" } } }
        }"#;
        let policy = gatepost_engine::compile_json(policy).expect("a good policy");
        let names: Vec<String> = policy.counters().into_iter().map(|(_, name)| name).collect();
        assert!(names.iter().all(|name| is_counter(name)), "{names:?}");
        assert!(COUNTERS.iter().all(|name| names.iter().any(|known| known == name)), "{names:?}");
        assert!(!is_counter("gatepost.health_check."));
    }
}
