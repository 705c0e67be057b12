//! The authority of a request (RFC 9110 §7.2, RFC 3986 §3.2) in its one canonical form: ASCII
//! lower case, one trailing dot and an empty port removed, IPv6 as RFC 5952 writes it. It is
//! stricter than RFC 3986 on purpose: a host is a DNS name of letters, digits, hyphens and
//! underscores, or an IP literal, and everything else is refused.

use std::borrow::Cow;
use std::net::Ipv6Addr;

use super::ascii::text;
use super::fingerprint::{Fingerprint, Host, HostKind};
use crate::errors::AuthorityError;

/// The most bytes that a DNS name has without its trailing dot (RFC 1035 §2.3.4).
pub const MAX_NAME: usize = 253;
/// The most bytes that a DNS label has (RFC 1035 §2.3.4).
pub const MAX_LABEL: usize = 63;

/// A valid authority in canonical form.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Authority<'a> {
    /// As it came.
    raw: &'a [u8],
    /// The canonical form, where that differs from `raw`. Both are ASCII.
    rewritten: Option<Box<[u8]>>,
    /// How many bytes of the canonical form are the host.
    host_len: usize,
    kind: HostKind,
    fingerprint: Fingerprint,
}

impl<'a> Authority<'a> {
    /// Reads `host [":" port]`. Borrows the text if it is canonical already.
    ///
    /// # Errors
    /// When the text is no authority: the first reason found.
    #[inline]
    pub fn parse(raw: &'a [u8]) -> Result<Self, AuthorityError> {
        match last_label_of_canonical_name(raw) {
            Some(last_label) => {
                let fingerprint = Fingerprint::of_name(raw, last_label);
                let kind = HostKind::Name;
                Ok(Self { raw, rewritten: None, host_len: raw.len(), kind, fingerprint })
            }
            None => Self::parse_any(raw),
        }
    }

    /// As [`Authority::parse`], for all but canonical names without a port: other spellings, ports,
    /// IP literals and everything that is refused.
    #[inline(never)]
    fn parse_any(raw: &'a [u8]) -> Result<Self, AuthorityError> {
        if raw.first() == Some(&b'[') {
            return Self::parse_ipv6(raw);
        }
        let end = raw.iter().position(|byte| *byte == b':').unwrap_or(raw.len());
        let (host, port) = raw.split_at_checked(end).unwrap_or((raw, &[]));
        if let Some(byte) = host.iter().find(|byte| !is_name_byte(**byte)) {
            return Err(refusal(*byte, raw));
        }
        // If a byte is not allowed at all, that error is more helpful than a port that is no
        // number.
        let port = Port::parse(port).map_err(|error| check_bytes(raw).err().unwrap_or(error))?;
        let name = host.strip_suffix(b".").unwrap_or(host);
        check_labels(name)?;
        let kind = HostKind::of(name);
        let fingerprint_of = |host: &[u8]| Fingerprint::of(host, kind);
        if name.len() == host.len() && port.is_canonical && !host.iter().any(u8::is_ascii_uppercase)
        {
            let fingerprint = fingerprint_of(host);
            return Ok(Self { raw, rewritten: None, host_len: host.len(), kind, fingerprint });
        }
        let mut canonical = name.to_ascii_lowercase();
        let fingerprint = fingerprint_of(&canonical);
        canonical.extend_from_slice(port.text().as_bytes());
        let rewritten = Some(canonical.into());
        Ok(Self { raw, rewritten, host_len: name.len(), kind, fingerprint })
    }

    fn parse_ipv6(raw: &'a [u8]) -> Result<Self, AuthorityError> {
        check_bytes(raw)?;
        let (literal, port) = text(raw)
            .strip_prefix('[')
            .and_then(|rest| rest.split_once(']'))
            .ok_or(AuthorityError::Ipv6)?;
        let address: Ipv6Addr = literal.parse().map_err(|_| AuthorityError::Ipv6)?;
        let port = Port::parse(port.as_bytes())?;
        // The standard library writes addresses as RFC 5952 requires.
        let host = format!("[{address}]");
        let canonical = format!("{host}{}", port.text());
        Ok(Self {
            raw,
            rewritten: (canonical.as_bytes() != raw).then(|| canonical.into_bytes().into()),
            host_len: host.len(),
            kind: HostKind::IpLiteral,
            fingerprint: Fingerprint::ADDRESS,
        })
    }

    /// The text as it came, in its own spelling: ASCII.
    #[must_use]
    pub fn raw(&self) -> &'a [u8] {
        self.raw
    }

    /// The host as it came, without its port.
    pub(crate) fn raw_host(&self) -> &'a [u8] {
        let end = match self.raw.strip_prefix(b"[") {
            // Behind the bracket.
            Some(literal) => literal.iter().position(|b| *b == b']').map(|at| at.saturating_add(2)),
            None => self.raw.iter().position(|byte| *byte == b':'),
        };
        end.and_then(|end| self.raw.get(..end)).unwrap_or(self.raw)
    }

    /// Whether it came in canonical form.
    pub(crate) fn is_canonical(&self) -> bool {
        self.rewritten.is_none()
    }

    /// Whether another authority in canonical form is this one.
    pub(crate) fn is(&self, canonical: &[u8]) -> bool {
        self.bytes() == canonical
    }

    /// Whether another authority in canonical form has this host, with any port.
    pub(crate) fn has_host_of(&self, canonical: &[u8]) -> bool {
        // A host has no colon outside of brackets, so a colon here begins the port.
        let rest = canonical.strip_prefix(self.host_bytes());
        rest.is_some_and(|rest| rest.is_empty() || rest.starts_with(b":"))
    }

    fn bytes(&self) -> &[u8] {
        self.rewritten.as_deref().unwrap_or(self.raw)
    }

    fn host_bytes(&self) -> &[u8] {
        self.bytes().get(..self.host_len).unwrap_or_default()
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
        text(self.bytes().get(self.host_len..).unwrap_or_default())
    }

    /// Whether the host is a name or an IP literal.
    #[must_use]
    pub fn kind(&self) -> HostKind {
        self.kind
    }

    /// The host, as tables look it up.
    pub(crate) fn to_look_up(&self) -> Host<'_> {
        Host { text: self.host_bytes(), fingerprint: self.fingerprint }
    }

    /// The canonical text, which is ASCII, for use after this authority is gone.
    #[must_use]
    pub fn to_text(&self) -> Cow<'a, [u8]> {
        match &self.rewritten {
            None => Cow::Borrowed(self.raw),
            Some(text) => Cow::Owned(text.to_vec()),
        }
    }

    /// The canonical host alone, which is ASCII, for use after this authority is gone.
    #[must_use]
    pub fn to_host(&self) -> Cow<'a, [u8]> {
        match &self.rewritten {
            None => Cow::Borrowed(self.raw.get(..self.host_len).unwrap_or_default()),
            Some(_) => Cow::Owned(self.host_bytes().to_vec()),
        }
    }
}

/// The length of the last label, if the text is a canonical name without a port. Nearly every
/// request's authority is. Gives nothing for a name that ends in a digit, which might be an IP
/// address.
#[inline]
fn last_label_of_canonical_name(raw: &[u8]) -> Option<usize> {
    let mut label = 0usize;
    for byte in raw {
        match byte {
            b'a'..=b'z' | b'0'..=b'9' | b'-' | b'_' => label = label.wrapping_add(1),
            b'.' if (1..=MAX_LABEL).contains(&label) => label = 0,
            _ => return None,
        }
    }
    let ends_well = (1..=MAX_LABEL).contains(&label) && !raw.last().is_some_and(u8::is_ascii_digit);
    (ends_well && raw.len() <= MAX_NAME).then_some(label)
}

fn is_name_byte(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_' | b'.')
}

/// Refuses bytes that are not allowed anywhere in an authority.
fn check_bytes(raw: &[u8]) -> Result<(), AuthorityError> {
    match raw.iter().find(|byte| !is_name_byte(**byte) && !b":[]".contains(byte)) {
        Some(byte) => Err(refusal(*byte, raw)),
        None => Ok(()),
    }
}

fn refusal(byte: u8, raw: &[u8]) -> AuthorityError {
    // Two joined Hosts may hold other bytes that are not allowed, but the comma is the best hint.
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

/// Checks the labels of a name without its trailing dot.
fn check_labels(name: &[u8]) -> Result<(), AuthorityError> {
    let labels = || name.split(|byte| *byte == b'.');
    if labels().all(<[u8]>::is_empty) {
        Err(AuthorityError::Empty)
    } else if labels().any(<[u8]>::is_empty) {
        Err(AuthorityError::EmptyLabel)
    } else if labels().any(|label| label.len() > MAX_LABEL) {
        Err(AuthorityError::LabelTooLong)
    } else if name.len() > MAX_NAME {
        Err(AuthorityError::NameTooLong)
    } else {
        Ok(())
    }
}

/// What follows the host: nothing, a lone colon, or a colon and a port.
struct Port {
    number: Option<u16>,
    /// Whether it is written as [`Port::text`] writes it.
    is_canonical: bool,
}

impl Port {
    fn parse(port: &[u8]) -> Result<Self, AuthorityError> {
        let Some(digits) = port.strip_prefix(b":") else {
            // After the bracket of an IP literal, only a port may follow.
            let nothing = Self { number: None, is_canonical: true };
            return if port.is_empty() { Ok(nothing) } else { Err(AuthorityError::Ipv6) };
        };
        if digits.is_empty() {
            return Ok(Self { number: None, is_canonical: false });
        }
        let are_digits = digits.iter().all(u8::is_ascii_digit);
        let number =
            text(digits).parse().ok().filter(|_| are_digits).ok_or(AuthorityError::Port)?;
        let leading_zero = digits.len() > 1 && digits.first() == Some(&b'0');
        Ok(Self { number: Some(number), is_canonical: !leading_zero })
    }

    fn text(&self) -> String {
        self.number.map(|number| format!(":{number}")).unwrap_or_default()
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
            assert_eq!((authority.is_canonical(), authority.as_str()), (true, raw));
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
                (host.text.to_owned(), host.fingerprint)
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
        fn no_bytes_are_too_odd_to_be_judged(
            raw in proptest::collection::vec(any::<u8>(), 0..300),
        ) {
            if let Ok(authority) = Authority::parse(&raw) {
                let is_canonical = |b: u8| b.is_ascii_graphic() && !b.is_ascii_uppercase();
                prop_assert!(authority.as_str().bytes().all(is_canonical));
                prop_assert!(!authority.host().is_empty() && authority.host().len() <= MAX_NAME);
            }
        }
    }
}
