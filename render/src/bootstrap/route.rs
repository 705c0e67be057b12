//! A route, as a person writes it on a command line: `HOST=ADDRESS:PORT`. It selects an upstream by
//! the host only.

use std::net::{Ipv6Addr, SocketAddr};
use std::str::FromStr;

/// Requests for a host, and the upstream that answers them. Parsed from `HOST=ADDRESS:PORT`.
///
/// HOST is exact (`app.example.com`), a suffix of one or more further labels (`*.example.com`), or
/// `*` for every other host. It is lower-cased; a port and one trailing dot are dropped, because
/// Envoy ignores the port here and the filter removes the dot. ADDRESS is an IPv4 address, an IPv6
/// address in brackets, or a name that Envoy resolves.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Route {
    host: String,
    upstream: Upstream,
}

/// Where an admin interface says whether its Envoy is ready.
pub(super) const READY: &str = "/ready";

/// The upstream of a route.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Upstream {
    /// An IP address and port.
    Address(SocketAddr),
    /// A DNS name, resolved by Envoy again and again, and a port.
    Name {
        /// The name, in lower case.
        name: String,
        /// The port, never 0.
        port: u16,
    },
    /// Whether this Envoy is ready: `/ready` of its admin interface at this address, and no other
    /// path, because who reaches those can end it.
    Readiness(SocketAddr),
    /// Not chosen yet: each request is answered with 503, and with what is missing.
    Missing,
}

/// Why a text is not a route.
#[derive(Debug, thiserror::Error, PartialEq, Eq)]
pub enum RouteError {
    /// There is no `=`.
    #[error(
        "`{text}` is no route: write HOST=ADDRESS:PORT, as in app.example.com=127.0.0.1:8080, \
         or *=127.0.0.1:8080 for every other host"
    )]
    NoEquals {
        /// The text.
        text: String,
    },
    /// The part before `=` is not a host.
    #[error("`{host}` is no host for a route: {error}")]
    Host {
        /// The part before `=`.
        host: String,
        /// The reason.
        error: HostError,
    },
    /// The part after `=` is not an address with a port.
    #[error("`{address}` is no upstream address: {error}")]
    Address {
        /// The part after `=`.
        address: String,
        /// The reason.
        error: AddressError,
    },
}

/// Why a text is not a route's host.
#[derive(Debug, thiserror::Error, PartialEq, Eq)]
pub enum HostError {
    /// A wildcard where Envoy has none.
    #[error("`*` stands alone, or once in front as in *.example.com")]
    Wildcard,
    /// A wildcard where only one host makes sense.
    #[error("it is not one host, as gateway.internal is")]
    Several,
    /// The part after the colon is not a port.
    #[error("`{port}` is no port (ports make no difference here: leave it away)")]
    Port {
        /// The text after the colon.
        port: String,
    },
    /// A bracket without an IPv6 address in it.
    #[error("`{literal}` is no IPv6 address in brackets, as [::1] is")]
    Ipv6 {
        /// The text.
        literal: String,
    },
    /// The name is malformed.
    #[error(transparent)]
    Name(#[from] NameError),
}

/// Why a text is not an upstream's address.
#[derive(Debug, thiserror::Error, PartialEq, Eq)]
pub enum AddressError {
    /// The text is empty.
    #[error("it is empty: write ADDRESS:PORT, as in 127.0.0.1:8080")]
    Empty,
    /// A URL instead of an address.
    #[error(
        "it has a scheme: write ADDRESS:PORT alone \
         (the upstream is spoken to in the client's protocol, without TLS)"
    )]
    Scheme,
    /// No colon, hence no port.
    #[error("the port is missing: write ADDRESS:PORT, as in 127.0.0.1:8080")]
    NoPort,
    /// The part after the last colon is not a port.
    #[error("`{port}` is no port from 1 to 65535")]
    Port {
        /// The text after the colon.
        port: String,
    },
    /// An IPv6 address without brackets, or brackets around something else.
    #[error("an IPv6 address stands in brackets, as in [::1]:8080, and without a zone")]
    Ipv6,
    /// The name is malformed.
    #[error(transparent)]
    Name(#[from] NameError),
}

/// Why a text is not a DNS name (RFC 1035 §2.3.4 for the lengths; underscores are accepted).
#[derive(Debug, thiserror::Error, PartialEq, Eq)]
pub enum NameError {
    /// The text is empty.
    #[error("it is empty")]
    Empty,
    /// More than 253 bytes.
    #[error("it has {length} bytes, and a name may have 253")]
    Long {
        /// The name's length.
        length: usize,
    },
    /// Two dots in a row, or one in front.
    #[error("a label between its dots is empty")]
    EmptyLabel,
    /// More than 63 bytes between two dots.
    #[error("the label `{label}` has more than 63 bytes")]
    LongLabel {
        /// The label.
        label: String,
    },
    /// Something other than ASCII letters, digits, `-` and `_`.
    #[error(
        "the character {character:?} cannot be part of it \
         (an international name is written in its xn-- form)"
    )]
    Character {
        /// The first such character.
        character: char,
    },
}

impl Route {
    /// The host as Envoy compares it: lower case, without port or trailing dot.
    pub fn host(&self) -> &str {
        &self.host
    }

    /// A route for every host whose upstream is not chosen yet.
    #[must_use]
    pub fn placeholder() -> Self {
        Self { host: "*".to_owned(), upstream: Upstream::Missing }
    }

    /// The route by which health checks ask for the readiness of this Envoy, whose admin interface
    /// is at `admin`.
    ///
    /// # Errors
    /// A text that is not one host.
    pub fn readiness(host: &str, admin: SocketAddr) -> Result<Self, RouteError> {
        let one = |parsed: String| {
            if parsed.starts_with('*') { Err(HostError::Several) } else { Ok(parsed) }
        };
        let no_host = |error| RouteError::Host { host: host.to_owned(), error };
        let host = parse_host(host).and_then(one).map_err(no_host)?;
        Ok(Self { host, upstream: Upstream::Readiness(admin) })
    }

    /// Where its requests go.
    pub fn upstream(&self) -> &Upstream {
        &self.upstream
    }
}

impl FromStr for Route {
    type Err = RouteError;

    fn from_str(text: &str) -> Result<Self, RouteError> {
        let (host, address) =
            text.split_once('=').ok_or_else(|| RouteError::NoEquals { text: text.to_owned() })?;
        Ok(Self {
            host: parse_host(host)
                .map_err(|error| RouteError::Host { host: host.to_owned(), error })?,
            upstream: parse_address(address)
                .map_err(|error| RouteError::Address { address: address.to_owned(), error })?,
        })
    }
}

fn parse_host(text: &str) -> Result<String, HostError> {
    if let Some(inside) = text.strip_prefix('[') {
        let not_ipv6 = || HostError::Ipv6 { literal: text.to_owned() };
        let (literal, rest) = inside.split_once(']').ok_or_else(not_ipv6)?;
        let address: Ipv6Addr = literal.parse().map_err(|_| not_ipv6())?;
        match rest.strip_prefix(':') {
            Some(port) => ignored_port(port)?,
            None if rest.is_empty() => {}
            None => return Err(not_ipv6()),
        }
        return Ok(format!("[{address}]"));
    }
    let name = match text.split_once(':') {
        Some((name, port)) => {
            ignored_port(port)?;
            name
        }
        None => text,
    };
    if name == "*" {
        return Ok(name.to_owned());
    }
    let name = name.strip_suffix('.').unwrap_or(name).to_ascii_lowercase();
    let labels = name.strip_prefix("*.").unwrap_or(&name);
    if labels.contains('*') {
        return Err(HostError::Wildcard);
    }
    check_name(labels)?;
    Ok(name)
}

fn ignored_port(port: &str) -> Result<(), HostError> {
    // An authority may have an empty port, as in `app.example.com:` (RFC 3986 §3.2.3).
    if port.is_empty() || is_number(port) && port.parse::<u16>().is_ok() {
        Ok(())
    } else {
        Err(HostError::Port { port: port.to_owned() })
    }
}

/// Rust's integer parser accepts a leading `+`, which a port must not have.
fn is_number(text: &str) -> bool {
    text.bytes().all(|byte| byte.is_ascii_digit())
}

fn parse_address(text: &str) -> Result<Upstream, AddressError> {
    if text.is_empty() {
        return Err(AddressError::Empty);
    }
    if text.contains("://") {
        return Err(AddressError::Scheme);
    }
    if text.parse::<Ipv6Addr>().is_ok() {
        return Err(AddressError::Ipv6);
    }
    if text.starts_with('[') && text.ends_with(']') {
        return Err(AddressError::NoPort);
    }
    let (name, port) = text.rsplit_once(':').ok_or(AddressError::NoPort)?;
    let port = match port.parse::<u16>() {
        Ok(number) if number != 0 && is_number(port) => number,
        _ => return Err(AddressError::Port { port: port.to_owned() }),
    };
    if let Some(inside) = name.strip_prefix('[') {
        let literal = inside.strip_suffix(']').ok_or(AddressError::Ipv6)?;
        let address: Ipv6Addr = literal.parse().map_err(|_| AddressError::Ipv6)?;
        return Ok(Upstream::Address((address, port).into()));
    }
    if name.contains(':') {
        return Err(AddressError::Ipv6);
    }
    if let Ok(address) = name.parse::<std::net::Ipv4Addr>() {
        return Ok(Upstream::Address((address, port).into()));
    }
    let name = name.to_ascii_lowercase();
    check_name(name.strip_suffix('.').unwrap_or(&name))?;
    Ok(Upstream::Name { name, port })
}

fn check_name(name: &str) -> Result<(), NameError> {
    if name.is_empty() {
        return Err(NameError::Empty);
    }
    if let Some(character) =
        name.chars().find(|c| !(c.is_ascii_alphanumeric() || matches!(c, '-' | '_' | '.')))
    {
        return Err(NameError::Character { character });
    }
    if name.len() > 253 {
        return Err(NameError::Long { length: name.len() });
    }
    for label in name.split('.') {
        if label.is_empty() {
            return Err(NameError::EmptyLabel);
        }
        if label.len() > 63 {
            return Err(NameError::LongLabel { label: label.to_owned() });
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn route(text: &str) -> Result<(String, Upstream), String> {
        text.parse::<Route>()
            .map(|route| (route.host, route.upstream))
            .map_err(|error| error.to_string())
    }

    fn host(text: &str) -> Result<String, String> {
        route(&format!("{text}=127.0.0.1:80")).map(|(host, _)| host)
    }

    fn upstream(text: &str) -> Result<Upstream, String> {
        route(&format!("*={text}")).map(|(_, upstream)| upstream)
    }

    #[test]
    fn a_host_is_exact_a_suffix_or_everything_else() {
        for text in
            ["app.example.com", "*.example.com", "*", "10.0.0.1", "[::1]", "my_app.example.com"]
        {
            assert_eq!(host(text).as_deref(), Ok(text));
        }
    }

    #[test]
    fn case_a_port_and_a_trailing_dot_of_a_host_are_dropped() {
        for text in [
            "App.Example.COM",
            "app.example.com:443",
            "app.example.com.",
            "app.example.com.:8080",
            "app.example.com:",
        ] {
            assert_eq!(host(text).as_deref(), Ok("app.example.com"), "{text}");
        }
        assert_eq!(host("*:80").as_deref(), Ok("*"));
        assert_eq!(host("[::1]:80").as_deref(), Ok("[::1]"));
        assert_eq!(host("[0:0::1]").as_deref(), Ok("[::1]"));
    }

    #[test]
    fn a_text_that_is_no_host_says_why() {
        for (text, why) in [
            ("", "it is empty"),
            (".", "it is empty"),
            ("a..b", "a label between its dots is empty"),
            ("a.b..", "a label between its dots is empty"),
            ("*.", "`*` stands alone"),
            ("a.*", "`*` stands alone"),
            ("*.*.com", "`*` stands alone"),
            ("*a.com", "`*` stands alone"),
            ("a b", "' '"),
            ("bücher.example", "'ü'"),
            ("a:http", "`http` is no port"),
            ("a:65536", "`65536` is no port"),
            ("a:+80", "`+80` is no port"),
            ("[::1", "`[::1` is no IPv6 address"),
            ("[::1]x", "`[::1]x` is no IPv6 address"),
            ("[fe80::1%1]", "is no IPv6 address"),
            (&format!("{}.com", "a".repeat(64)), "more than 63 bytes"),
            (&["a"; 128].join("."), "it has 255 bytes"),
        ] {
            let error = host(text).expect_err(text);
            assert!(error.contains(why), "{text}: {error}");
        }
    }

    #[test]
    fn an_upstream_is_an_ip_address_or_a_name() {
        assert_eq!(
            upstream("127.0.0.1:8080"),
            Ok(Upstream::Address(([127, 0, 0, 1], 8080).into()))
        );
        assert_eq!(
            upstream("[::1]:8080"),
            Ok(Upstream::Address((Ipv6Addr::LOCALHOST, 8080).into()))
        );
        assert_eq!(
            upstream("LocalHost:65535"),
            Ok(Upstream::Name { name: "localhost".into(), port: 65535 })
        );
        assert_eq!(upstream("a.svc.:1"), Ok(Upstream::Name { name: "a.svc.".into(), port: 1 }));
    }

    #[test]
    fn health_checks_ask_for_readiness_by_one_host() {
        let admin = ([127, 0, 0, 1], 9901).into();
        let route = Route::readiness("Gateway.internal:80", admin).expect("a route");
        assert_eq!(route.host(), "gateway.internal");
        assert_eq!(route.upstream(), &Upstream::Readiness(admin));
        for text in ["*", "*.internal"] {
            let error = HostError::Several;
            let error = RouteError::Host { host: text.to_owned(), error };
            assert_eq!(Route::readiness(text, admin), Err(error));
        }
    }

    #[test]
    fn a_text_that_is_no_upstream_says_why() {
        for (text, why) in [
            ("", "it is empty: write ADDRESS:PORT"),
            ("localhost", "the port is missing"),
            ("[::1]", "the port is missing"),
            ("localhost:", "`` is no port"),
            ("localhost:0", "`0` is no port"),
            ("localhost:70000", "`70000` is no port"),
            ("localhost:+80", "`+80` is no port"),
            ("http://localhost:80", "it has a scheme"),
            ("::1", "in brackets"),
            ("fe80::1:2:x:80", "in brackets"),
            ("[::1%lo]:80", "in brackets"),
            ("[localhost]:80", "in brackets"),
            (":80", "it is empty"),
            ("local host:80", "' '"),
            ("a=b:80", "'='"),
        ] {
            let error = upstream(text).expect_err(text);
            assert!(error.contains(why), "{text}: {error}");
        }
    }

    #[test]
    fn a_text_without_an_equals_sign_shows_how_a_route_is_written() {
        let error = "127.0.0.1:80".parse::<Route>().expect_err("no =");
        assert_eq!(error, RouteError::NoEquals { text: "127.0.0.1:80".into() });
        assert!(error.to_string().contains("HOST=ADDRESS:PORT"));
    }
}
