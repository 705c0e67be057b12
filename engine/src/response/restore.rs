//! A host that was rewritten on the way in, and how a response's values name the client's again.

use super::cookie;
use super::url::{Scheme, Url};
use crate::host::Authority;

/// The host that a client named, and the authority that went upstream in its place.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Restore {
    /// The client's host as it wrote it; its port with its colon, or nothing; and the authority
    /// that went upstream, in canonical form. One text, because each open stream has one.
    text: Box<[u8]>,
    /// How many bytes the host has.
    host: u16,
    /// How many bytes the port has.
    port: u16,
    /// The scheme by which the client came, if the proxy knows it.
    scheme: Option<Scheme>,
}

impl Restore {
    pub fn new(client: &Authority<'_>, upstream: &[u8], scheme: Option<Scheme>) -> Self {
        let (host, port) = (client.raw_host(), client.colon_port().as_bytes());
        // An authority has no more than some 260 bytes.
        let len = |text: &[u8]| u16::try_from(text.len()).unwrap_or_default();
        let text = [host, port, upstream].concat().into();
        Self { text, host: len(host), port: len(port), scheme }
    }

    /// The client's host, its port, and the authority that went upstream.
    fn parts(&self) -> Option<(&[u8], &[u8], &[u8])> {
        let (host, rest) = self.text.split_at_checked(self.host.into())?;
        let (port, upstream) = rest.split_at_checked(self.port.into())?;
        Some((host, port, upstream))
    }

    /// The authority that went upstream, and the client's.
    pub fn shown(&self) -> Option<(&str, String)> {
        let (host, port, upstream) = self.parts()?;
        let client = [host, port].concat();
        Some((std::str::from_utf8(upstream).ok()?, String::from_utf8(client).ok()?))
    }

    /// A URL that names the host that was written, naming the client's. Its scheme, path, query and
    /// fragment stay. The client's port belongs to the scheme by which the client came.
    pub fn url(&self, url: &[u8]) -> Option<Vec<u8>> {
        let Url { scheme, before, authority, after } = Url::split(url)?;
        // User information is refused here, as everything that is no authority of a request.
        let named = parse(authority)?;
        let (client, client_port, upstream) = self.parts()?;
        let written = parse(upstream)?;
        let default = scheme.or(self.scheme).map(Scheme::default_port);
        let port = named.colon_port();
        let is_written = named.host() == written.host()
            && (port.is_empty() || port == written.colon_port() || Some(port) == default);
        if !is_written {
            return None;
        }
        let port = match scheme == self.scheme || scheme.is_none() {
            true => client_port,
            false => b"",
        };
        Some([before, client, port, after].concat())
    }

    /// The value of `Refresh`: seconds, and the URL that follows them (HTML §4.2.4, "shared
    /// declarative refresh steps").
    pub fn refresh(&self, value: &[u8]) -> Option<Vec<u8>> {
        let begin = url_of_refresh(value)?;
        let (seconds, rest) = value.split_at_checked(begin)?;
        let quote = rest.first().copied().filter(|byte| matches!(byte, b'"' | b'\''));
        let opened = usize::from(quote.is_some());
        let (open, rest) = rest.split_at_checked(opened)?;
        let end = quote.and_then(|quote| rest.iter().position(|byte| *byte == quote));
        let (url, after) = rest.split_at_checked(end.unwrap_or(rest.len()))?;
        Some([seconds, open, &self.url(url)?, after].concat())
    }

    /// A line of `Set-Cookie` whose `Domain` is the written host or a parent of it. The cookie
    /// becomes one of the client's host.
    pub fn set_cookie(&self, line: &[u8]) -> Option<Vec<u8>> {
        let (client, _, upstream) = self.parts()?;
        let (client, upstream) = (parse(client)?, parse(upstream)?);
        cookie::with_domain_of(line, &client, &upstream)
    }
}

#[inline(never)]
fn parse(text: &[u8]) -> Option<Authority<'_>> {
    Authority::parse(text).ok()
}

/// Where the URL begins in a value of `Refresh`.
fn url_of_refresh(value: &[u8]) -> Option<usize> {
    let skip = |from: usize, is_skipped: &dyn Fn(u8) -> bool| {
        let rest = value.get(from..).unwrap_or_default();
        let skipped = rest.iter().take_while(|byte| is_skipped(**byte)).count();
        from.saturating_add(skipped)
    };
    let blank = |byte: u8| byte.is_ascii_whitespace();
    let digits = skip(skip(0, &blank), &|byte| byte.is_ascii_digit() || byte == b'.');
    let separated = skip(digits, &blank);
    if digits == 0 || !matches!(value.get(separated), Some(b';' | b',')) {
        return None;
    }
    let begin = skip(separated.saturating_add(1), &blank);
    let named = value.get(begin..begin.saturating_add(3));
    if !named.is_some_and(|name| name.eq_ignore_ascii_case(b"url")) {
        return Some(begin);
    }
    let equals = skip(begin.saturating_add(3), &blank);
    match value.get(equals) {
        Some(b'=') => Some(skip(equals.saturating_add(1), &blank)),
        _ => Some(begin),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn restore(client: &str, upstream: &str, scheme: Option<Scheme>) -> Restore {
        let client = Authority::parse(client.as_bytes()).expect("valid");
        Restore::new(&client, upstream.as_bytes(), scheme)
    }

    fn shop() -> Restore {
        restore("Shop.Test.", "shop.default.example", Some(Scheme::Https))
    }

    fn text(value: Option<Vec<u8>>) -> Option<String> {
        value.map(|value| String::from_utf8(value).expect("a text"))
    }

    #[test]
    fn a_redirect_to_the_written_host_leads_to_the_clients() {
        for (location, restored) in [
            ("https://shop.default.example/login", "https://Shop.Test./login"),
            ("HTTPS://SHOP.default.EXAMPLE.:443/a?b#c", "HTTPS://Shop.Test./a?b#c"),
            ("//shop.default.example", "//Shop.Test."),
            ("http://shop.default.example:80/", "http://Shop.Test./"),
            ("https://shop.default.example:/", "https://Shop.Test./"),
        ] {
            assert_eq!(text(shop().url(location.as_bytes())).as_deref(), Some(restored));
        }
    }

    #[test]
    fn every_other_url_stays_as_it_is() {
        for location in [
            "/login",
            "login",
            "?a",
            "",
            "https://other.example/",
            "https://shop.default.example:8443/",
            "http://shop.default.example:443/",
            "https://me@shop.default.example/",
            "https://shop.default.example\\@evil.example/",
            "https://a.shop.default.example/",
            "https://shop.default.example.evil/",
            "https://login.example/?redirect_uri=https://shop.default.example/",
            "ftp://shop.default.example/",
            "https://",
            "\u{e9}",
        ] {
            assert_eq!(text(shop().url(location.as_bytes())), None, "{location}");
        }
    }

    #[test]
    fn the_clients_port_belongs_to_the_scheme_by_which_it_came() {
        let restore = restore("shop.test:8443", "shop.example:9000", Some(Scheme::Https));
        for (location, restored) in [
            ("https://shop.example:9000/", "https://shop.test:8443/"),
            ("//shop.example/", "//shop.test:8443/"),
            ("https://shop.example/", "https://shop.test:8443/"),
            ("http://shop.example/", "http://shop.test/"),
        ] {
            assert_eq!(text(restore.url(location.as_bytes())).as_deref(), Some(restored));
        }
    }

    #[test]
    fn a_host_may_be_an_ip_literal() {
        let restore = restore("[2001:DB8::1]:8080", "shop.example", Some(Scheme::Http));
        let restored = text(restore.url(b"http://shop.example/"));
        assert_eq!(restored.as_deref(), Some("http://[2001:DB8::1]:8080/"));
    }

    #[test]
    fn a_refresh_keeps_its_seconds_and_its_quotes() {
        for (value, restored) in [
            ("5; url=https://shop.default.example/a", "5; url=https://Shop.Test./a"),
            ("0;URL='https://shop.default.example/' ", "0;URL='https://Shop.Test./' "),
            ("0.5 , url = \"//shop.default.example\"", "0.5 , url = \"//Shop.Test.\""),
            ("5;https://shop.default.example/", "5;https://Shop.Test./"),
        ] {
            assert_eq!(text(shop().refresh(value.as_bytes())).as_deref(), Some(restored));
        }
        for value in ["5", "", "5;", "5; url=/a", "x; url=https://shop.default.example/"] {
            assert_eq!(text(shop().refresh(value.as_bytes())), None, "{value}");
        }
    }
}
