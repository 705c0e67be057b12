//! What the engine sees of a request: its headers as Envoy holds them (lower-case names,
//! pseudo-headers among them, values of any bytes) and its source address, which is asked for only
//! when nothing cheaper has decided.

use core::net::{IpAddr, SocketAddr};

use crate::header::{Field, HeaderTable, Marks, Roles};

/// A request's headers, to be walked more than once: pairs of name and value, names in lower case.
pub trait Headers<'a>: Iterator<Item = (&'a [u8], &'a [u8])> + Clone {}

impl<'a, I: Iterator<Item = (&'a [u8], &'a [u8])> + Clone> Headers<'a> for I {}

/// Where a request comes from. Behind a hostcall in the filter, so it is asked at most once and as
/// late as possible.
pub trait SourceAddress {
    /// The downstream address, as far as the gateway trusts one.
    fn source_address(&self) -> Option<IpAddr>;
}

impl SourceAddress for Option<IpAddr> {
    fn source_address(&self) -> Option<IpAddr> {
        *self
    }
}

/// A request to be decided on.
#[derive(Clone)]
pub struct Request<'a, H, S> {
    /// The headers, `:method`, `:path` and `:authority` among them.
    pub headers: H,
    /// Who sent it.
    pub source: &'a S,
}

/// The address in Envoy's property `source.address`: `10.0.0.1:4711` or `[2001:db8::1]:4711`. An
/// IPv4 address that is mapped into IPv6, as a dual-stack listener reports it, is that IPv4
/// address.
#[must_use]
pub fn parse_source_address(property: &[u8]) -> Option<IpAddr> {
    let text = core::str::from_utf8(property).ok()?;
    let address = text
        .parse::<SocketAddr>()
        .map(|address| address.ip())
        .or_else(|_| text.parse::<IpAddr>())
        .ok()?;
    Some(address.to_canonical())
}

/// A value that may come several times. Empty ones do not count; equal ones are one.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) enum Claim<'a> {
    #[default]
    Absent,
    One(&'a [u8]),
    /// Two different values: nothing says which is meant.
    Conflict,
}

impl<'a> Claim<'a> {
    pub fn add(&mut self, value: &'a [u8]) {
        let value = value.trim_ascii();
        *self = match *self {
            _ if value.is_empty() => return,
            Self::Absent => Self::One(value),
            Self::One(first) if first.eq_ignore_ascii_case(value) => return,
            Self::One(_) | Self::Conflict => Self::Conflict,
        };
    }
}

/// Whether a value has something in it, and no white space around it.
#[inline(always)]
pub(crate) fn is_bare(value: &[u8]) -> bool {
    let is_letter = |end: Option<&u8>| end.is_some_and(|byte| *byte > b' ');
    is_letter(value.first()) && is_letter(value.last())
}

/// The headers of a request that environment sources name.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Named<'a> {
    None,
    /// There is one, and these sources name it.
    One {
        sources: Marks,
        value: &'a [u8],
    },
    /// There are several, or one that is another field, too; whoever wants to know more has to look
    /// again.
    Several,
}

/// What one pass over the headers finds.
#[derive(Debug, Default)]
pub(crate) struct Survey<'a> {
    /// The values of the headers that the policy knows, by [`Field`]; the last one of several. An
    /// array, and bits, because names and `match`es would be variables by the dozen and a branch
    /// for each field, in the one loop that every request meets.
    fields: [&'a [u8]; Field::COUNT],
    seen: Marks,
    /// What was seen more than once.
    again: Marks,
    /// Bit n: a header is there that health check n wants absent.
    pub vetoed: u64,
}

impl<'a> Survey<'a> {
    /// Notes all headers. A survey is filled where it stands, because it is large and would be
    /// moved.
    #[inline(always)]
    pub fn note_all(&mut self, headers: impl Headers<'a>, table: &HeaderTable) {
        for (name, value) in headers {
            if let Some((_, roles)) = table.find(name) {
                self.note(roles, value);
            }
        }
    }

    #[inline(always)]
    fn note(&mut self, roles: &Roles, value: &'a [u8]) {
        if let Some(field) = self.fields.get_mut(roles.field as usize) {
            *field = value;
        }
        self.again |= self.seen & roles.marks;
        self.seen |= roles.marks;
        self.vetoed |= roles.vetoes;
    }

    #[inline]
    fn field(&self, field: Field) -> &'a [u8] {
        self.fields.get(field as usize).copied().unwrap_or_default()
    }

    #[inline]
    pub fn method(&self) -> &'a [u8] {
        self.field(Field::Method)
    }

    #[inline]
    pub fn path(&self) -> &'a [u8] {
        self.field(Field::Path)
    }

    #[inline]
    pub fn authority(&self) -> &'a [u8] {
        self.field(Field::Authority)
    }

    /// The user agent, if the request has one. For several no balancer is known, so they are none.
    #[inline]
    pub fn user_agent(&self) -> Option<&'a [u8]> {
        (self.seen.has(Marks::USER_AGENT) && !self.again.has(Marks::USER_AGENT))
            .then(|| self.field(Field::UserAgent))
    }

    /// What the headers that environment sources name hold.
    #[inline]
    pub fn named(&self) -> Named<'a> {
        if !self.seen.has(Marks::NAMED | Marks::NAMED_BY_FIELD) {
            Named::None
        } else if self.again.has(Marks::NAMED) || self.seen.has(Marks::NAMED_BY_FIELD) {
            Named::Several
        } else {
            Named::One { sources: self.seen, value: self.field(Field::Named) }
        }
    }

    /// The value of the one header that environment sources with this mark name, if there is just
    /// one that any of them names.
    #[inline(always)]
    pub fn named_by(&self, source: Marks) -> Option<&'a [u8]> {
        let is_one = self.seen & (Marks::NAMED | Marks::NAMED_BY_FIELD) == Marks::NAMED
            && !self.again.has(Marks::NAMED);
        (is_one && self.seen.has(source)).then(|| self.field(Field::Named))
    }

    /// Whether a header is there that clients may not send in.
    #[inline]
    pub fn is_guarded(&self) -> bool {
        self.seen.has(Marks::GUARDED)
    }

    /// The path before its query.
    pub fn path_only(&self) -> &'a [u8] {
        self.path().split(|b| *b == b'?').next().unwrap_or_default()
    }

    /// The query behind the path, without its question mark.
    pub fn query(&self) -> &'a [u8] {
        let start = self.path_only().len().saturating_add(1);
        self.path().get(start..).unwrap_or_default()
    }
}

/// Whether the request is gRPC, by its content type: `application/grpc`, alone or with a format
/// (`+proto`) or parameters (`;`). Envoy does not count the last and then ignores a gRPC status, so
/// it does no harm there.
#[cold]
#[must_use]
pub fn is_grpc<'a>(mut headers: impl Headers<'a>) -> bool {
    headers.any(|(name, value)| {
        name == b"content-type"
            && value
                .strip_prefix(b"application/grpc")
                .is_some_and(|rest| matches!(rest.first(), None | Some(b'+' | b';')))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn survey<const N: usize>(headers: [(&'static [u8], &'static [u8]); N]) -> Survey<'static> {
        let mut survey = Survey::default();
        survey.note_all(headers.into_iter(), &HeaderTable::default());
        survey
    }

    #[test]
    fn a_source_address_is_read_with_and_without_a_port() {
        let address = |text: &str| parse_source_address(text.as_bytes()).map(|ip| ip.to_string());
        assert_eq!(address("35.191.0.1:4711").as_deref(), Some("35.191.0.1"));
        assert_eq!(address("[2600:2d00:1:1::1]:4711").as_deref(), Some("2600:2d00:1:1::1"));
        assert_eq!(address("[::ffff:35.191.0.1]:4711").as_deref(), Some("35.191.0.1"));
        assert_eq!(address("10.0.0.1").as_deref(), Some("10.0.0.1"));
        assert_eq!(address("/var/run/socket"), None);
        assert_eq!(parse_source_address(b"\xff"), None);
    }

    #[test]
    fn equal_values_are_one_and_different_ones_conflict() {
        let claim = |values: &[&'static str]| {
            let mut claim = Claim::default();
            values.iter().for_each(|value| claim.add(value.as_bytes()));
            claim
        };
        assert_eq!(claim(&[]), Claim::Absent);
        assert_eq!(claim(&["", " "]), Claim::Absent);
        assert_eq!(claim(&["", "env1"]), Claim::One(b"env1"));
        assert_eq!(claim(&["env1", "ENV1"]), Claim::One(b"env1"));
        assert_eq!(claim(&["env1", "env2"]), Claim::Conflict);
        assert_eq!(claim(&["env1", "env2", "env1"]), Claim::Conflict);
    }

    #[test]
    fn grpc_is_known_by_its_content_type() {
        let grpc =
            |value: &'static str| is_grpc([(&b"content-type"[..], value.as_bytes())].into_iter());
        assert!(grpc("application/grpc"));
        assert!(grpc("application/grpc+proto"));
        assert!(!grpc("application/grpc-web"));
        assert!(!grpc("application/json"));
    }

    #[test]
    fn a_repeated_user_agent_is_nobodys() {
        let headers = [(&b"user-agent"[..], &b"GoogleHC/1.0"[..]), (b"user-agent", b"curl")];
        assert_eq!(survey(headers).user_agent(), None);
        assert_eq!(
            survey([(&b"user-agent"[..], &b"GoogleHC/1.0"[..])]).user_agent(),
            Some(&b"GoogleHC/1.0"[..])
        );
    }

    #[test]
    fn path_and_query_are_told_apart() {
        for (path, only, query) in
            [("/a?b?c", "/a", "b?c"), ("/?", "/", ""), ("/", "/", ""), ("", "", "")]
        {
            let headers = [(&b":path"[..], path.as_bytes())];
            let survey = survey(headers);
            assert_eq!(
                (survey.path_only(), survey.query()),
                (only.as_bytes(), query.as_bytes()),
                "{path}"
            );
        }
    }
}
