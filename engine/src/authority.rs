//! The authority of a request (RFC 9110 §7.2, RFC 3986 §3.2) in its one canonical form: ASCII lower
//! case, one trailing dot and an empty port removed, IPv6 as RFC 5952 writes it. Stricter than RFC
//! 3986 on purpose: a host is a DNS name of letters, digits, hyphens and underscores, or an IP
//! literal, and everything else is refused.

use alloc::borrow::Cow;
use alloc::borrow::ToOwned;
use alloc::boxed::Box;
use core::net::{Ipv4Addr, Ipv6Addr};

use arrayvec::ArrayString;

use crate::address_text;
use crate::host::{Glance, Host};
use crate::plain::text;

/// The most bytes that a DNS name has without its trailing dot (RFC 1035 §2.3.4).
pub const MAX_NAME: usize = 253;
/// The most bytes that a DNS label has (RFC 1035 §2.3.4).
pub const MAX_LABEL: usize = 63;

/// Why a text is no authority.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum AuthorityError {
    /// No host at all: empty, only a port, or only a dot.
    Empty,
    /// `user@host`, which RFC 9110 §4.2.4 wants treated as an error.
    Userinfo,
    /// Bytes above 0x7f: an internationalised name must come as its A-label.
    NonAscii,
    /// Control bytes.
    Control,
    /// Percent-encoding, or the zone of an IPv6 address.
    Percent,
    /// A comma: two Host lines that a proxy joined.
    Comma,
    /// Another byte that no host has.
    Byte(u8),
    /// Two dots in a row, or one in front.
    EmptyLabel,
    /// A label over [`MAX_LABEL`] bytes.
    LabelTooLong,
    /// A name over [`MAX_NAME`] bytes.
    NameTooLong,
    /// A port that is no number up to 65535.
    Port,
    /// `[` without `]`, or no IPv6 address between them.
    Ipv6,
}

/// What kind of host an authority has.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum HostKind {
    /// A DNS name.
    Name,
    /// An IPv4 or bracketed IPv6 literal, which never matches a domain pattern.
    IpLiteral,
}

/// The longest canonical authority: a name, a colon and five digits.
const MAX_TEXT: usize = 264;

/// A valid authority in canonical form. Its texts are bytes, every one of which was looked at and
/// is ASCII: to call them `str`, each would have to be looked at once more.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Authority<'a> {
    /// As it came.
    raw: &'a [u8],
    /// The canonical form, where that is another text.
    rewritten: Option<Box<[u8]>>,
    /// How much of the canonical form is the host.
    host_len: usize,
    kind: HostKind,
    glance: Glance,
}

impl<'a> Authority<'a> {
    /// Reads `host [":" port]`. Borrows where the text is canonical already.
    ///
    /// # Errors
    /// The first thing that makes it no authority.
    #[inline]
    pub fn parse(raw: &'a [u8]) -> Result<Self, AuthorityError> {
        Self::plain(raw).map_or_else(|| Self::parse_any(raw), Ok)
    }

    /// A name without a port that is canonical as it stands, as nearly every request's authority
    /// is. It may leave such a name to
    /// [`Authority::parse_any`]: one that ends in a digit might be an address.
    #[inline]
    pub(crate) fn plain(raw: &'a [u8]) -> Option<Self> {
        let glance = Glance::at_name(raw, plain_name(raw)?);
        Some(Self { raw, rewritten: None, host_len: raw.len(), kind: HostKind::Name, glance })
    }

    /// Whatever [`Authority::plain`] leaves: other spellings, ports, IP literals and everything
    /// that is refused.
    #[inline(never)]
    pub(crate) fn parse_any(raw: &'a [u8]) -> Result<Self, AuthorityError> {
        if raw.first() == Some(&b'[') {
            return Self::parse_ipv6(raw);
        }
        let mut upper = false;
        let mut labels = Labels::default();
        let mut end = raw.len();
        for (position, &byte) in raw.iter().enumerate() {
            match Byte::of(byte) {
                Byte::Plain => {}
                Byte::Upper => upper = true,
                Byte::Dot => labels.dot(position),
                Byte::Colon => {
                    end = position;
                    break;
                }
                Byte::Other => return Err(refusal(byte, raw)),
            }
        }
        let (_, port) = raw.split_at_checked(end).unwrap_or((raw, &[]));
        let port = Port::parse(port).map_err(|error| whole(raw).err().unwrap_or(error))?;
        labels.finish(end)?;
        let given = ascii(raw)?;
        let host = given.get(..end).unwrap_or(given);
        let bare = host.strip_suffix('.').unwrap_or(host);
        if bare.len() > MAX_NAME {
            return Err(AuthorityError::NameTooLong);
        }
        let kind = HostKind::of(bare.as_bytes());
        if !upper && bare.len() == host.len() && port.canonical {
            return Ok(Self {
                raw,
                rewritten: None,
                host_len: bare.len(),
                kind,
                glance: Glance::at(bare.as_bytes(), kind),
            });
        }
        let mut text =
            ArrayString::<MAX_TEXT>::from(bare).map_err(|_| AuthorityError::NameTooLong)?;
        text.make_ascii_lowercase();
        let glance = Glance::at(text.as_bytes(), kind);
        port.write(&mut text);
        Ok(Self {
            raw,
            rewritten: Some(text.as_bytes().into()),
            host_len: bare.len(),
            kind,
            glance,
        })
    }

    fn parse_ipv6(raw: &'a [u8]) -> Result<Self, AuthorityError> {
        whole(raw)?;
        let given = ascii(raw)?;
        let (literal, port) = given
            .strip_prefix('[')
            .and_then(|rest| rest.split_once(']'))
            .ok_or(AuthorityError::Ipv6)?;
        let address: Ipv6Addr = literal.parse().map_err(|_| AuthorityError::Ipv6)?;
        let port = Port::parse(port.as_bytes())?;
        let mut canonical = ArrayString::<MAX_TEXT>::new();
        // An address and a port are far shorter than the buffer.
        for part in ["[", &address_text::ipv6(address), "]"] {
            let _ = canonical.try_push_str(part);
        }
        let host_len = canonical.len();
        port.write(&mut canonical);
        let rewritten = (canonical.as_str() != given).then(|| canonical.as_bytes().into());
        Ok(Self { raw, rewritten, host_len, kind: HostKind::IpLiteral, glance: Glance::default() })
    }

    /// The text as it came, in its own spelling: ASCII.
    #[must_use]
    #[inline]
    pub fn raw(&self) -> &'a [u8] {
        self.raw
    }

    /// The text as it came, if that is the canonical form.
    #[inline]
    pub(crate) fn given(&self) -> Option<&'a [u8]> {
        if self.rewritten.is_none() { Some(self.raw) } else { None }
    }

    /// Whether another authority in canonical form has this host, whatever its port.
    #[inline]
    pub(crate) fn has_host_of(&self, canonical: &[u8]) -> bool {
        // A name holds no colon, and a bracketed literal none outside its brackets.
        canonical
            .strip_prefix(self.host_bytes())
            .is_some_and(|rest| rest.is_empty() || rest.starts_with(b":"))
    }

    #[inline]
    fn bytes(&self) -> &[u8] {
        self.rewritten.as_deref().unwrap_or(self.raw)
    }

    #[inline]
    pub(crate) fn host_bytes(&self) -> &[u8] {
        self.bytes().get(..self.host_len).unwrap_or_default()
    }

    /// The port behind the host, with its colon, or nothing.
    #[inline]
    pub(crate) fn colon_port_bytes(&self) -> &[u8] {
        self.bytes().get(self.host_len..).unwrap_or_default()
    }

    /// `host` or `host:port`.
    #[must_use]
    pub fn as_str(&self) -> &str {
        text(self.bytes())
    }

    /// The host, without its port; an IPv6 literal with its brackets.
    #[must_use]
    pub fn host(&self) -> &str {
        text(self.host_bytes())
    }

    /// The port behind the host, with its colon, or nothing.
    #[must_use]
    pub fn colon_port(&self) -> &str {
        text(self.colon_port_bytes())
    }

    /// Whether the host is a name or an IP literal.
    #[must_use]
    #[inline]
    pub fn kind(&self) -> HostKind {
        self.kind
    }

    /// The host, to be looked up.
    #[inline]
    pub(crate) fn to_look_up(&self) -> Host<'_> {
        Host::with(self.host_bytes(), self.glance)
    }

    /// The canonical text, to be kept: ASCII.
    #[must_use]
    #[inline]
    pub fn to_text(&self) -> Cow<'a, [u8]> {
        match &self.rewritten {
            None => Cow::Borrowed(self.raw),
            Some(text) => Cow::Owned(text.as_ref().to_owned()),
        }
    }

    /// The canonical host alone, to be kept: ASCII.
    #[must_use]
    #[inline]
    pub fn to_host(&self) -> Cow<'a, [u8]> {
        match &self.rewritten {
            None => Cow::Borrowed(self.raw.get(..self.host_len).unwrap_or_default()),
            Some(_) => Cow::Owned(self.host_bytes().to_owned()),
        }
    }
}

/// The length of the last label of a plain name.
#[inline]
fn plain_name(raw: &[u8]) -> Option<usize> {
    let mut start = 0usize;
    for (position, &byte) in raw.iter().enumerate() {
        match Byte::of(byte) {
            Byte::Plain => {}
            Byte::Dot if is_label(position.wrapping_sub(start)) => start = position.wrapping_add(1),
            _ => return None,
        }
    }
    let last = raw.len().wrapping_sub(start);
    let ends_well =
        is_label(last) && raw.len() <= MAX_NAME && !raw.last().is_some_and(u8::is_ascii_digit);
    ends_well.then_some(last)
}

/// Whether a label may be so long.
#[inline]
fn is_label(len: usize) -> bool {
    len.wrapping_sub(1) < MAX_LABEL
}

impl HostKind {
    /// The kind of a host in canonical form.
    #[inline]
    pub(crate) fn of(host: &[u8]) -> Self {
        if host.starts_with(b"[") || is_ipv4(host) { Self::IpLiteral } else { Self::Name }
    }
}

/// Bytes that no authority holds, wherever they stand; found before anything is said about ports or
/// brackets, so that a message names the byte that is really at fault.
fn whole(raw: &[u8]) -> Result<(), AuthorityError> {
    for &byte in raw {
        match byte {
            b'a'..=b'z' | b'A'..=b'Z' | b'0'..=b'9' | b'-' | b'_' | b'.' | b':' | b'[' | b']' => {}
            other => return Err(refusal(other, raw)),
        }
    }
    Ok(())
}

fn refusal(byte: u8, raw: &[u8]) -> AuthorityError {
    // A comma says more than whatever else stands in two joined Hosts.
    if raw.contains(&b',') {
        return AuthorityError::Comma;
    }
    match byte {
        b'@' => AuthorityError::Userinfo,
        b'%' => AuthorityError::Percent,
        0x80.. => AuthorityError::NonAscii,
        0..=0x1f | 0x7f => AuthorityError::Control,
        b'[' | b']' => AuthorityError::Ipv6,
        other => AuthorityError::Byte(other),
    }
}

#[inline]
fn ascii(bytes: &[u8]) -> Result<&str, AuthorityError> {
    core::str::from_utf8(bytes).map_err(|_| AuthorityError::NonAscii)
}

#[inline]
fn is_ipv4(host: &[u8]) -> bool {
    host.last().is_some_and(u8::is_ascii_digit) && text(host).parse::<Ipv4Addr>().is_ok()
}

/// What a byte means in a DNS name with a port.
#[derive(Clone, Copy)]
enum Byte {
    Plain,
    Upper,
    Dot,
    Colon,
    Other,
}

impl Byte {
    /// Every byte of every request's host is looked up here, so it is a table.
    const TABLE: [Self; 256] = {
        let mut table = [Self::Other; 256];
        let mut byte: u8 = 0;
        let mut rest: &mut [Self] = &mut table;
        while let Some((slot, after)) = rest.split_first_mut() {
            *slot = match byte {
                b'a'..=b'z' | b'0'..=b'9' | b'-' | b'_' => Self::Plain,
                b'A'..=b'Z' => Self::Upper,
                b'.' => Self::Dot,
                b':' => Self::Colon,
                _ => Self::Other,
            };
            byte = byte.wrapping_add(1);
            rest = after;
        }
        table
    };

    #[inline]
    fn of(byte: u8) -> Self {
        Self::TABLE.get(usize::from(byte)).copied().unwrap_or(Self::Other)
    }
}

/// The labels of a host that is read from left to right.
#[derive(Default)]
struct Labels {
    /// Where the current one begins.
    start: usize,
    empty: bool,
    long: bool,
    any: bool,
}

impl Labels {
    #[inline]
    fn dot(&mut self, position: usize) {
        // An empty label is only allowed as the last one, behind the trailing dot.
        self.empty |= position == self.start;
        self.end(position);
    }

    #[inline]
    fn end(&mut self, position: usize) {
        let len = position.saturating_sub(self.start);
        self.any |= len > 0;
        self.long |= len > MAX_LABEL;
        self.start = position.saturating_add(1);
    }

    #[inline]
    fn finish(mut self, end: usize) -> Result<(), AuthorityError> {
        self.end(end);
        match (self.any, self.empty, self.long) {
            (false, _, _) => Err(AuthorityError::Empty),
            (_, true, _) => Err(AuthorityError::EmptyLabel),
            (_, _, true) => Err(AuthorityError::LabelTooLong),
            _ => Ok(()),
        }
    }
}

/// What follows the host: nothing, a lone colon, or a colon and a port.
struct Port {
    number: Option<u16>,
    canonical: bool,
}

impl Port {
    #[inline]
    fn parse(text: &[u8]) -> Result<Self, AuthorityError> {
        let Some(digits) = text.strip_prefix(b":") else {
            return if text.is_empty() {
                Ok(Self { number: None, canonical: true })
            } else {
                Err(AuthorityError::Ipv6)
            };
        };
        if digits.is_empty() {
            return Ok(Self { number: None, canonical: false });
        }
        let mut number: u16 = 0;
        for digit in digits {
            let value =
                digit.checked_sub(b'0').filter(|value| *value < 10).ok_or(AuthorityError::Port)?;
            number = number
                .checked_mul(10)
                .and_then(|n| n.checked_add(u16::from(value)))
                .ok_or(AuthorityError::Port)?;
        }
        let leading_zero = digits.len() > 1 && digits.first() == Some(&b'0');
        Ok(Self { number: Some(number), canonical: !leading_zero })
    }

    fn write(&self, text: &mut ArrayString<MAX_TEXT>) {
        if let Some(number) = self.number {
            // The buffer has room for the longest host and port.
            for part in [":", &address_text::decimal(number)] {
                let _ = text.try_push_str(part);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn canonical(raw: &str) -> Result<String, AuthorityError> {
        Authority::parse(raw.as_bytes()).map(|authority| authority.as_str().to_owned())
    }

    #[test]
    fn a_canonical_authority_is_borrowed_unchanged() {
        for raw in [
            "my-service.test.com",
            "a.b:8080",
            "10.0.0.1:15021",
            "[::1]",
            "[2001:db8::1]:443",
            "localhost",
            "a_b.c",
        ] {
            let authority = Authority::parse(raw.as_bytes()).expect(raw);
            assert_eq!((authority.given(), authority.as_str()), (Some(raw.as_bytes()), raw));
        }
    }

    #[test]
    fn letters_become_lower_case() {
        assert_eq!(canonical("My-Service.TEST.com:80"), Ok("my-service.test.com:80".into()));
    }

    #[test]
    fn a_host_is_looked_up_by_its_canonical_form_however_it_came() {
        for (came, canonical) in
            [("A.TEST", "a.test"), ("a.Test.:80", "a.test"), ("a.1X", "a.1x"), ("[::0A]", "[::a]")]
        {
            let (came, canonical) =
                (Authority::parse(came.as_bytes()), Authority::parse(canonical.as_bytes()));
            let (came, canonical) = (came.expect("valid"), canonical.expect("valid"));
            let of = |authority: &Authority<'_>| {
                let host = authority.to_look_up();
                (host.text().to_owned(), host.domain(), host.is_numeric())
            };
            assert_eq!(of(&came), of(&canonical));
        }
    }

    #[test]
    fn exactly_one_trailing_dot_is_removed() {
        assert_eq!(canonical("a.com."), Ok("a.com".into()));
        assert_eq!(canonical("a.com.:443"), Ok("a.com:443".into()));
        assert_eq!(canonical("a.com.."), Err(AuthorityError::EmptyLabel));
        assert_eq!(canonical("."), Err(AuthorityError::Empty));
    }

    #[test]
    fn an_empty_port_is_removed() {
        assert_eq!(canonical("My-Service.test.com.:"), Ok("my-service.test.com".into()));
        assert_eq!(canonical("[::1]:"), Ok("[::1]".into()));
    }

    #[test]
    fn a_port_is_kept_as_its_number() {
        assert_eq!(canonical("a:0443"), Ok("a:443".into()));
        assert_eq!(canonical("a:0"), Ok("a:0".into()));
        assert_eq!(canonical("a:65535"), Ok("a:65535".into()));
    }

    #[test]
    fn everything_that_is_no_authority_is_refused_with_its_reason() {
        use AuthorityError as E;
        let long_label = "a".repeat(64);
        let long_name = vec!["a".repeat(63); 4].join(".");
        for (raw, error) in [
            ("", E::Empty),
            (":80", E::Empty),
            ("user@a.com", E::Userinfo),
            ("a.com:80@b.com", E::Userinfo),
            ("bücher.example", E::NonAscii),
            ("a\u{0}b", E::Control),
            ("a\tb", E::Control),
            ("a\u{7f}", E::Control),
            ("%61.com", E::Percent),
            ("a.com, b.com", E::Comma),
            ("a.com,b.com", E::Comma),
            ("a..com", E::EmptyLabel),
            (".a.com", E::EmptyLabel),
            (long_label.as_str(), E::LabelTooLong),
            (long_name.as_str(), E::NameTooLong),
            ("a:65536", E::Port),
            ("a:99999999999999999999", E::Port),
            ("a:8x", E::Port),
            ("a:-1", E::Port),
            ("::1", E::Port),
            ("[::1", E::Ipv6),
            ("[fe80::1%25eth0]", E::Percent),
            ("[fe80::1%eth0]", E::Percent),
            ("[::1]x", E::Ipv6),
            ("[v1.x]", E::Ipv6),
            ("[1.2.3.4]", E::Ipv6),
            ("a]b", E::Ipv6),
            ("a b", E::Byte(b' ')),
            ("a/b", E::Byte(b'/')),
            ("*.a.com", E::Byte(b'*')),
            ("{env}.a.com", E::Byte(b'{')),
        ] {
            assert_eq!(canonical(raw), Err(error), "{raw:?}");
        }
        assert_eq!(Authority::parse(b"\xff\xfe"), Err(E::NonAscii));
    }

    #[test]
    fn the_longest_name_and_label_are_accepted() {
        let name = [vec!["a".repeat(63); 3].join("."), "b".repeat(61)].join(".");
        assert_eq!(name.len(), 253);
        assert_eq!(canonical(&name), Ok(name.clone()));
        assert_eq!(canonical(&format!("{name}.")), Ok(name));
    }

    #[test]
    fn ip_literals_are_known_as_such() {
        for (raw, kind) in [
            ("10.0.0.1", HostKind::IpLiteral),
            ("10.0.0.1.", HostKind::IpLiteral),
            ("[::1]:80", HostKind::IpLiteral),
            ("10.0.0.256", HostKind::Name),
            ("10.0.0.1.nip.io", HostKind::Name),
        ] {
            assert_eq!(Authority::parse(raw.as_bytes()).map(|a| a.kind()), Ok(kind), "{raw}");
        }
    }

    #[test]
    fn every_spelling_of_an_ipv6_address_is_one() {
        for raw in ["[0:0:0:0:0:0:0:1]", "[::0001]", "[0::1]", "[::1]:"] {
            assert_eq!(canonical(raw), Ok("[::1]".into()), "{raw}");
        }
        assert_eq!(canonical("[2001:DB8::A]:8080"), Ok("[2001:db8::a]:8080".into()));
    }

    #[test]
    fn a_host_is_the_same_whatever_its_port_and_not_by_its_beginning() {
        let has = |raw: &str, canonical: &str| {
            Authority::parse(raw.as_bytes()).is_ok_and(|a| a.has_host_of(canonical.as_bytes()))
        };
        assert!(
            has("A.com.:80", "a.com")
                && has("a.com", "a.com:443")
                && has("[0::1]", "[::1]:80")
                && has("10.0.0.1", "10.0.0.1")
        );
        assert!(
            !has("a.com", "a.com.example")
                && !has("a.com", "b.a.com")
                && !has("a.co", "a.com")
                && !has("[::1]", "[::11]")
        );
    }

    #[test]
    fn host_and_port_are_told_apart() {
        let authority = Authority::parse(b"[::1]:8080").expect("valid");
        assert_eq!((authority.host(), authority.colon_port()), ("[::1]", ":8080"));
        let authority = Authority::parse(b"A.com.").expect("valid");
        assert_eq!((authority.host(), authority.colon_port()), ("a.com", ""));
    }

    proptest! {
        #[test]
        fn normalisation_is_idempotent(raw in "[a-zA-Z0-9._:\\[\\]-]{0,40}") {
            if let Ok(once) = canonical(&raw) {
                prop_assert_eq!(canonical(&once), Ok(once.clone()));
            }
        }

        #[test]
        fn no_bytes_are_too_odd_to_be_judged(raw in proptest::collection::vec(any::<u8>(), 0..300)) {
            if let Ok(authority) = Authority::parse(&raw) {
                prop_assert!(authority.as_str().bytes().all(|b| b.is_ascii_graphic() && !b.is_ascii_uppercase()));
                prop_assert!(!authority.host().is_empty() && authority.host().len() <= MAX_NAME);
            }
        }
    }
}
