//! Where a request may name its environment: a header, a cookie, a query parameter, a W3C baggage
//! member, or a label of its host. Only baggage is percent-decoded, as its standard says; an
//! environment's name never needs it. To add a source: a variant of [`Source`] and its arms in this
//! file.

use std::borrow::Cow;

use super::pin::{Pin, PinSection, expired};
use crate::document::{Context, Read, Section, Seen, Value};
use crate::errors::{PatternError, Place, PolicyErrorKind};
use crate::headers::{HeaderScan, NameUse, read_name, read_token};
use crate::host::{Host, HostPattern, HostTable, Labels};
use crate::policy_fingerprint::{PolicyFingerprint, place};
use crate::request::Headers;

/// One source of environments.
#[derive(Debug)]
pub(crate) enum Source {
    Header {
        name: Box<str>,
        /// The scan of the request's headers finds its value: [`HeaderScan::source`].
        is_scanned: bool,
    },
    Cookie {
        name: Box<str>,
        /// The cookie of a query source's pin.
        is_pin: bool,
    },
    Query {
        name: Box<str>,
        pin: Option<Pin>,
    },
    Baggage(Box<str>),
    Subdomain {
        /// Holds one pattern. A [`HostTable`] is used because it is the code that matches patterns.
        table: HostTable,
        /// Where `{env}` stands, counted in labels from the right.
        position: u8,
        text: Box<str>,
    },
}

/// The value that a source has in a request, as it is written there. Empty values are ignored, and
/// equal values count as one.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(super) enum SourceValue<'a> {
    #[default]
    Absent,
    One(&'a [u8]),
    /// Two different values: it is not clear which one is meant.
    Conflict,
}

impl<'a> SourceValue<'a> {
    fn of(values: impl Iterator<Item = &'a [u8]>) -> Self {
        Self::of_same(values, <[u8]>::eq_ignore_ascii_case)
    }

    /// `is_same` says which values are equal.
    fn of_same(
        values: impl Iterator<Item = &'a [u8]>,
        is_same: impl Fn(&[u8], &[u8]) -> bool,
    ) -> Self {
        values.fold(Self::Absent, |found, value| match (found, value.trim_ascii()) {
            (found, []) => found,
            (Self::Absent, value) => Self::One(value),
            (Self::One(first), value) if is_same(first, value) => Self::One(first),
            _ => Self::Conflict,
        })
    }
}

impl Source {
    /// The source as a person names it: `header env`.
    pub fn describe(&self) -> String {
        match self {
            Self::Header { name, .. } => format!("header {name}"),
            Self::Cookie { name, .. } => format!("cookie {name}"),
            Self::Query { name, .. } => format!("query {name}"),
            Self::Baggage(name) => format!("baggage {name}"),
            Self::Subdomain { text, .. } => format!("subdomain {text}"),
        }
    }

    /// Adds the source to a policy's fingerprint. `place` is that of the source.
    pub fn add_to(&self, place: &str, fingerprint: &mut PolicyFingerprint) {
        let (kind, name) = match self {
            Self::Header { name, .. } => ("header", name),
            Self::Cookie { name, .. } => ("cookie", name),
            Self::Query { name, .. } => ("query", name),
            Self::Baggage(name) => ("baggage", name),
            Self::Subdomain { table, position, .. } => {
                let place = [place, ".", &self::place((*position).into())].concat();
                return table.each_pattern(&mut |pattern, _| {
                    let texts = [place.as_bytes(), pattern];
                    fingerprint.add("environments.sources.subdomain", &texts);
                });
            }
        };
        fingerprint.add_pair(&["environments.sources.", kind].concat(), place, name);
        self.pin().into_iter().for_each(|pin| pin.add_to(place, fingerprint));
    }

    /// The header that this source is in; nothing for those in a request's URL.
    pub(super) fn header(&self) -> Option<&str> {
        match self {
            Self::Header { name, .. } => Some(name),
            Self::Cookie { .. } => Some("cookie"),
            Self::Baggage(_) => Some("baggage"),
            Self::Query { .. } | Self::Subdomain { .. } => None,
        }
    }

    /// The pin of a query source.
    pub(super) fn pin(&self) -> Option<&Pin> {
        match self {
            Self::Query { pin, .. } => pin.as_ref(),
            _ => None,
        }
    }

    /// The line of `Set-Cookie` that ends the pin whose cookie this source reads.
    pub(super) fn expired_pin(&self) -> Option<Box<str>> {
        match self {
            Self::Cookie { name, is_pin: true } => Some(expired(name)),
            _ => None,
        }
    }

    /// A value of this source without the encoding in which it is written.
    pub(super) fn decoded<'v>(&self, value: &'v [u8]) -> Cow<'v, [u8]> {
        match self {
            Self::Baggage(_) => decode(value),
            _ => Cow::Borrowed(value),
        }
    }

    /// The value that the request has for this source. For a subdomain source also the position of
    /// the label in the host, counted from the right.
    pub(super) fn value<'h, 'a: 'h>(
        &self,
        scan: &HeaderScan<'a>,
        headers: &impl Headers<'a>,
        host: &Host<'h>,
    ) -> (SourceValue<'h>, Option<u8>) {
        match (self, scan.source()) {
            (Self::Header { is_scanned: true, .. }, Some(value)) => {
                (SourceValue::of(value.into_iter()), None)
            }
            _ => self.value_elsewhere(scan, headers, host),
        }
    }

    /// As [`Source::value`], for what the scan did not find.
    #[inline(never)]
    fn value_elsewhere<'h, 'a: 'h>(
        &self,
        scan: &HeaderScan<'a>,
        headers: &impl Headers<'a>,
        host: &Host<'h>,
    ) -> (SourceValue<'h>, Option<u8>) {
        let header = self.header().unwrap_or_default();
        self.value_in(&mut lines(headers, header), scan, host)
    }

    /// The value of this source in the lines of its header, in the query or in the host.
    #[inline(never)]
    fn value_in<'h, 'a: 'h>(
        &self,
        lines: &mut dyn Iterator<Item = &'a [u8]>,
        scan: &HeaderScan<'a>,
        host: &Host<'h>,
    ) -> (SourceValue<'h>, Option<u8>) {
        let value = match self {
            Self::Header { .. } => SourceValue::of(lines),
            Self::Cookie { name, .. } => {
                SourceValue::of(lines.flat_map(|line| cookies(line, name)))
            }
            Self::Query { name, .. } => SourceValue::of(parameters(scan.query(), name)),
            Self::Baggage(name) => {
                let values = lines.flat_map(|line| members(line, name));
                SourceValue::of_same(values, |one, other| {
                    decode(one).eq_ignore_ascii_case(&decode(other))
                })
            }
            Self::Subdomain { table, position, .. } => {
                if table.find(host).is_none() {
                    return (SourceValue::Absent, None);
                }
                let label = Labels::of(host.text).get(*position);
                return (SourceValue::of(label.into_iter()), Some(*position));
            }
        };
        (value, None)
    }
}

/// The value of a cookie.
pub(super) fn cookie<'a>(headers: &impl Headers<'a>, name: &str) -> SourceValue<'a> {
    SourceValue::of(lines(headers, "cookie").flat_map(|line| cookies(line, name)))
}

/// Whether a query has this parameter with nothing behind its `=`, and no other value of it.
pub(super) fn is_emptied(query: &[u8], name: &str) -> bool {
    let mut values = parameters(query, name).peekable();
    values.peek().is_some() && values.all(<[u8]>::is_empty)
}

/// The values of a header.
pub(super) fn lines<'a>(headers: &impl Headers<'a>, name: &str) -> impl Iterator<Item = &'a [u8]> {
    let lines = headers.clone().filter(move |(header, _)| *header == name.as_bytes());
    lines.map(|(_, value)| value)
}

/// The values of a cookie in a `Cookie` header (RFC 6265 §4.2.1), without the quotes that a value
/// may stand in.
fn cookies<'a>(header: &'a [u8], name: &str) -> impl Iterator<Item = &'a [u8]> {
    let quoted = |value: &'a [u8]| {
        value.strip_prefix(b"\"").and_then(|v| v.strip_suffix(b"\"")).unwrap_or(value)
    };
    pairs(header, b';', name).map(quoted)
}

/// The values of a query parameter.
fn parameters<'a>(query: &'a [u8], name: &str) -> impl Iterator<Item = &'a [u8]> {
    pairs(query, b'&', name)
}

/// The values of a member of a `baggage` header, without the properties behind a value (W3C Baggage
/// §3.3.1).
fn members<'a>(header: &'a [u8], name: &str) -> impl Iterator<Item = &'a [u8]> {
    let values = pairs(header, b',', name);
    values.map(|value| value.split(|b| *b == b';').next().unwrap_or_default())
}

/// Percent-decodes a value (RFC 3986 §2.1). A percent sign without two digits stays. White space
/// around the value does not.
#[cold]
fn decode(value: &[u8]) -> Cow<'_, [u8]> {
    if !value.contains(&b'%') {
        return Cow::Borrowed(value);
    }
    let (mut decoded, mut rest) = (Vec::with_capacity(value.len()), value);
    while let Some((byte, after)) = rest.split_first() {
        let (byte, after) = match (byte, after) {
            (b'%', [high, low, after @ ..]) => match hexadecimal(*high, *low) {
                Some(byte) => (byte, after),
                None => (b'%', rest.get(1..).unwrap_or_default()),
            },
            (byte, after) => (*byte, after),
        };
        decoded.push(byte);
        rest = after;
    }
    Cow::Owned(decoded.trim_ascii().to_vec())
}

fn hexadecimal(high: u8, low: u8) -> Option<u8> {
    let digit = |byte: u8| char::from(byte).to_digit(16);
    u8::try_from(digit(high)? << 4 | digit(low)?).ok()
}

fn pairs<'a>(text: &'a [u8], separator: u8, name: &str) -> impl Iterator<Item = &'a [u8]> {
    text.split(move |b| *b == separator).filter_map(move |pair| {
        let rest = pair.trim_ascii_start().strip_prefix(name.as_bytes())?;
        rest.trim_ascii_start().strip_prefix(b"=").map(<[u8]>::trim_ascii)
    })
}

#[derive(Default)]
pub(super) struct SourceSection {
    source: Option<Source>,
    pin: Option<Pin>,
}

/// The fields of which a source has exactly one.
const KINDS: &[&str] = &["header", "cookie", "query", "baggage", "subdomain"];

impl Section for SourceSection {
    type Out = Source;
    const FIELDS: &'static [&'static str] =
        &["header", "cookie", "query", "baggage", "subdomain", "pin"];
    const BARE: Option<&'static str> = Some("header");

    fn field(&mut self, context: &mut Context, name: &'static str, value: Value<'_>) -> Read {
        if name == "pin" {
            self.pin = value.section(context, PinSection::default())?;
            return Ok(());
        }
        self.source = value.parse(context, |text| match name {
            "header" => read_name(text, NameUse::Read)
                .map(|name| Source::Header { name: name.into(), is_scanned: false }),
            "cookie" => {
                read_token(text, "cookie").map(|name| Source::Cookie { name, is_pin: false })
            }
            "query" => parameter(text).map(|name| Source::Query { name, pin: None }),
            "baggage" => read_token(text, "baggage member").map(Source::Baggage),
            _ => read_subdomain(text),
        })?;
        Ok(())
    }

    fn finish(mut self, context: &mut Context, seen: Seen) -> Option<Source> {
        context.require_one(seen, KINDS);
        match &mut self.source {
            Some(Source::Query { pin, .. }) => *pin = self.pin,
            _ if seen.has("pin") && !seen.has("query") => {
                let path = context.path().clone().key("pin");
                context.error_at(path, Place::Key, PolicyErrorKind::PinWithoutQuery);
            }
            _ => {}
        }
        self.source
    }
}

fn parameter(text: &str) -> Result<Box<str>, PolicyErrorKind> {
    let is_name = |b: u8| b.is_ascii_graphic() && !b"=&#?%+".contains(&b);
    if !text.is_empty() && text.bytes().all(is_name) {
        Ok(text.into())
    } else {
        Err(PolicyErrorKind::Token(text.to_owned(), "query parameter"))
    }
}

fn read_subdomain(text: &str) -> Result<Source, PolicyErrorKind> {
    let pattern = HostPattern::read(text)?;
    let no_env = || PolicyErrorKind::Pattern { value: text.to_owned(), error: PatternError::NoEnv };
    let position = pattern.capture("env").ok_or_else(no_env)?;
    let mut table = HostTable::default();
    // The first pattern of a table is never a duplicate.
    let _ = table.add(&pattern, 0, b"");
    Ok(Source::Subdomain { table, position, text: pattern.text().into() })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn found<'a>(values: impl Iterator<Item = &'a [u8]>) -> Vec<&'a str> {
        values.map(|value| core::str::from_utf8(value).expect("ASCII")).collect()
    }

    #[test]
    fn equal_values_are_one_and_different_ones_conflict() {
        let value =
            |values: &[&'static str]| SourceValue::of(values.iter().map(|value| value.as_bytes()));
        assert_eq!(value(&[]), SourceValue::Absent);
        assert_eq!(value(&["", " "]), SourceValue::Absent);
        assert_eq!(value(&["", " env1"]), SourceValue::One(b"env1"));
        assert_eq!(value(&["env1", "ENV1", ""]), SourceValue::One(b"env1"));
        assert_eq!(value(&["env1", "env2"]), SourceValue::Conflict);
        assert_eq!(value(&["env1", "env2", "env1"]), SourceValue::Conflict);
    }

    #[test]
    fn a_cookie_is_found_among_others() {
        let header = b"theme=dark; env=env1;xenv=no; env2=no; ENV=no; env=\"env3\"";
        assert_eq!(found(cookies(header, "env")), ["env1", "env3"]);
    }

    #[test]
    fn a_query_parameter_is_found_among_others() {
        assert_eq!(found(parameters(b"a=1&env=env1&environment=x&env", "env")), ["env1"]);
        assert_eq!(found(parameters(b"", "env")), [""; 0]);
    }

    #[test]
    fn a_baggage_member_is_found_without_its_properties() {
        let header = b"userId=alice , env = env1;ttl=30;env=no, other=env";
        assert_eq!(found(members(header, "env")), ["env1"]);
    }

    #[test]
    fn the_value_of_a_baggage_member_is_percent_decoded() {
        let value = |header: &'static str| -> Vec<String> {
            let decoded = members(header.as_bytes(), "env").map(decode);
            decoded.map(|value| String::from_utf8(value.into_owned()).expect("ASCII")).collect()
        };
        assert_eq!(value("env=pr%2D17"), ["pr-17"]);
        assert_eq!(value("env=pr%2d17;ttl=30"), ["pr-17"]);
        assert_eq!(value("env=%70%72-17%20"), ["pr-17"]);
        // What decoding brings to light is no separator.
        assert_eq!(value("env=a%3Bb%2Cenv=c"), ["a;b,env=c"]);
        assert_eq!(value("env=a%"), ["a%"]);
        assert_eq!(value("env=a%2"), ["a%2"]);
        assert_eq!(value("env=a%zz%2d"), ["a%zz-"]);
        assert_eq!(value("e%6Ev=no"), [""; 0]);
    }

    #[test]
    fn a_subdomain_pattern_must_capture_the_environment() {
        assert!(read_subdomain("{env}.dev.example.com").is_ok());
        assert!(matches!(
            read_subdomain("{name}.dev.example.com"),
            Err(PolicyErrorKind::Pattern { error: PatternError::NoEnv, .. })
        ));
        assert!(read_subdomain("dev.example.com").is_err());
    }
}
