//! Where a request may name its environment: a header, a cookie, a query parameter, a W3C baggage
//! member, or a label of its host. Values are taken as they stand, without percent-decoding: an
//! environment's name never needs it.

use crate::fault::FaultKind;
use crate::header::{Marks, Use, is_token, read_name};
use crate::host::Host;
use crate::host_table::HostTable;
use crate::labels::Labels;
use crate::pattern::{HostPattern, PatternError};
use crate::reader::{Broken, Context, Parsed, Section, Seen, Value};
use crate::request::{self, Claim, Headers, Survey};
use alloc::borrow::ToOwned;
use alloc::boxed::Box;
use alloc::string::String;

/// One source of environments.
#[derive(Debug)]
pub(crate) enum Source {
    Header(Box<str>),
    Cookie(Box<str>),
    Query(Box<str>),
    Baggage(Box<str>),
    Subdomain {
        /// One pattern; a table because that is what matches patterns.
        table: HostTable,
        /// Where `{env}` stands, counted in labels from the right.
        position: u8,
        text: Box<str>,
    },
}

/// What a source says.
pub(crate) struct Named<'a> {
    pub claim: Claim<'a>,
    /// Which label of the host named the environment, counted from the right.
    pub label: Option<u8>,
}

impl Source {
    /// The header that this source reads, if it reads one whole.
    pub fn header(&self) -> Option<&str> {
        match self {
            Self::Header(name) => Some(name),
            _ => None,
        }
    }

    /// The source as a person names it: `header env`.
    pub fn describe(&self) -> String {
        match self {
            Self::Header(name) => format!("header {name}"),
            Self::Cookie(name) => format!("cookie {name}"),
            Self::Query(name) => format!("query {name}"),
            Self::Baggage(name) => format!("baggage {name}"),
            Self::Subdomain { text, .. } => format!("subdomain {text}"),
        }
    }

    /// The value that the request gives. `mark` is the source's own.
    #[inline(never)]
    pub fn value<'h, 'a: 'h>(
        &self,
        mark: Marks,
        survey: &Survey<'a>,
        headers: &impl Headers<'a>,
        host: Option<&Host<'h>>,
    ) -> Named<'h> {
        let mut claim = Claim::default();
        match (self, survey.named()) {
            (Self::Header(_), request::Named::None) => {}
            (Self::Header(_), request::Named::One { sources, value }) => {
                if sources.has(mark) {
                    claim.add(value);
                }
            }
            _ => return self.value_elsewhere(survey, headers, host),
        }
        Named { claim, label: None }
    }

    /// What does not stand in the one header that a source names.
    fn value_elsewhere<'h, 'a: 'h>(
        &self,
        survey: &Survey<'a>,
        headers: &impl Headers<'a>,
        host: Option<&Host<'h>>,
    ) -> Named<'h> {
        let mut claim = Claim::default();
        let mut label = None;
        let named = |name: &'static str| {
            headers.clone().filter(move |(header, _)| *header == name.as_bytes())
        };
        match self {
            Self::Header(name) => {
                let same = headers.clone().filter(|(header, _)| *header == name.as_bytes());
                same.for_each(|(_, value)| claim.add(value));
            }
            Self::Cookie(name) => {
                for (_, value) in named("cookie") {
                    cookies(value, name.as_bytes()).for_each(|value| claim.add(value));
                }
            }
            Self::Query(name) => {
                parameters(survey.query(), name.as_bytes()).for_each(|value| claim.add(value))
            }
            Self::Baggage(name) => {
                for (_, value) in named("baggage") {
                    members(value, name.as_bytes()).for_each(|value| claim.add(value));
                }
            }
            Self::Subdomain { table, position, .. } => {
                if let Some(host) = host.filter(|host| table.find(host).is_some()) {
                    let labels = Labels::of(host.text());
                    labels.get(*position).into_iter().for_each(|label| claim.add(label));
                    label = Some(*position);
                }
            }
        }
        Named { claim, label }
    }
}

/// The values of a cookie in a `Cookie` header (RFC 6265 §4.2.1), without the quotes that a value
/// may stand in.
fn cookies<'a>(header: &'a [u8], name: &[u8]) -> impl Iterator<Item = &'a [u8]> {
    let quoted = |value: &'a [u8]| {
        value.strip_prefix(b"\"").and_then(|v| v.strip_suffix(b"\"")).unwrap_or(value)
    };
    pairs(header, b';', name).map(quoted)
}

/// The values of a query parameter.
fn parameters<'a>(query: &'a [u8], name: &[u8]) -> impl Iterator<Item = &'a [u8]> {
    pairs(query, b'&', name)
}

/// The values of a member of a `baggage` header, without the properties behind a value (W3C Baggage
/// §3.3.1).
fn members<'a>(header: &'a [u8], name: &[u8]) -> impl Iterator<Item = &'a [u8]> {
    pairs(header, b',', name).map(|value| value.split(|b| *b == b';').next().unwrap_or_default())
}

fn pairs<'a>(text: &'a [u8], separator: u8, name: &[u8]) -> impl Iterator<Item = &'a [u8]> {
    text.split(move |b| *b == separator).filter_map(move |pair| {
        let rest = pair.trim_ascii_start().strip_prefix(name)?;
        rest.trim_ascii_start().strip_prefix(b"=").map(<[u8]>::trim_ascii)
    })
}

const KINDS: &[&str] = &["header", "cookie", "query", "baggage", "subdomain"];

#[derive(Default)]
pub(crate) struct SourceSection(Option<Source>);

impl Section for SourceSection {
    type Out = Source;
    const FIELDS: &'static [&'static str] = KINDS;

    fn field(&mut self, name: &'static str, value: Value<'_>) -> Result<(), Broken> {
        self.0 = value.read(Parsed(|text: &str| match name {
            "header" => read_name(text, Use::Read).map(|name| Source::Header(name.into())),
            "cookie" => token(text, "cookie").map(Source::Cookie),
            "query" => parameter(text).map(Source::Query),
            "baggage" => token(text, "baggage member").map(Source::Baggage),
            _ => read_subdomain(text),
        }))?;
        Ok(())
    }

    fn finish(self, context: &mut Context, seen: Seen) -> Option<Source> {
        context.require_one(seen, KINDS);
        self.0
    }
}

fn token(text: &str, what: &'static str) -> Result<Box<str>, FaultKind> {
    if is_token(text) { Ok(text.into()) } else { Err(FaultKind::Token(text.to_owned(), what)) }
}

fn parameter(text: &str) -> Result<Box<str>, FaultKind> {
    let valid =
        !text.is_empty() && text.bytes().all(|b| b.is_ascii_graphic() && !b"=&#?%+".contains(&b));
    if valid { Ok(text.into()) } else { Err(FaultKind::Token(text.to_owned(), "query parameter")) }
}

fn read_subdomain(text: &str) -> Result<Source, FaultKind> {
    let fault = |error| FaultKind::Pattern { value: text.to_owned(), error };
    let pattern = HostPattern::parse(text).map_err(fault)?;
    let position = pattern.capture("env").ok_or_else(|| fault(PatternError::NoEnv))?;
    let mut table = HostTable::default();
    // The first pattern of a table is never a duplicate.
    let _ = table.add(&pattern, 0, b"");
    Ok(Source::Subdomain { table, position, text: pattern.text().as_ref().into() })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn found<'a>(values: impl Iterator<Item = &'a [u8]>) -> Vec<&'a str> {
        values.map(|value| core::str::from_utf8(value).expect("ASCII")).collect()
    }

    #[test]
    fn a_cookie_is_found_among_others() {
        let header = b"theme=dark; env=env1;xenv=no; env2=no; ENV=no; env=\"env3\"";
        assert_eq!(found(cookies(header, b"env")), ["env1", "env3"]);
    }

    #[test]
    fn a_query_parameter_is_found_among_others() {
        assert_eq!(found(parameters(b"a=1&env=env1&environment=x&env", b"env")), ["env1"]);
        assert_eq!(found(parameters(b"", b"env")), [""; 0]);
    }

    #[test]
    fn a_baggage_member_is_found_without_its_properties() {
        let header = b"userId=alice , env = env1;ttl=30;env=no, other=env";
        assert_eq!(found(members(header, b"env")), ["env1"]);
    }

    #[test]
    fn a_subdomain_pattern_must_capture_the_environment() {
        assert!(read_subdomain("{env}.dev.example.com").is_ok());
        assert!(matches!(
            read_subdomain("{name}.dev.example.com"),
            Err(FaultKind::Pattern { error: PatternError::NoEnv, .. })
        ));
        assert!(read_subdomain("dev.example.com").is_err());
    }
}
