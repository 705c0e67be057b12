//! The classes of disagreement between our parser and another one, each with its test. A
//! disagreement belongs to the first class that fits, so the most decisive causes come first.

use std::net::{Ipv4Addr, Ipv6Addr};

use gatepost_engine::Authority;

/// The result of a parser for an authority: the host in lower case and the port; nothing where it
/// refuses.
pub type Reading = Option<(String, Option<u16>)>;

/// Another parser.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Parser {
    Http,
    Url,
}

impl Parser {
    pub const ALL: [Self; 2] = [Self::Http, Self::Url];

    pub fn name(self) -> &'static str {
        match self {
            Self::Http => "http",
            Self::Url => "url",
        }
    }

    pub fn read(self, raw: &[u8]) -> Reading {
        match self {
            Self::Http => {
                let authority = http::uri::Authority::try_from(raw).ok()?;
                Some((authority.host().to_ascii_lowercase(), authority.port_u16()))
            }
            Self::Url => {
                let url =
                    url::Url::parse(&format!("http://{}/", str::from_utf8(raw).ok()?)).ok()?;
                Some((url.host_str()?.to_owned(), url.port()))
            }
        }
    }
}

/// The result of the engine.
pub fn ours(raw: &[u8]) -> Reading {
    let authority = Authority::parse(raw).ok()?;
    let port =
        authority.colon_port().strip_prefix(':').map(|port| port.parse().expect("a valid port"));
    Some((authority.host().to_owned(), port))
}

/// An authority, and the results of our parser and another one.
pub struct Pair<'a> {
    pub parser: Parser,
    pub raw: &'a [u8],
    pub ours: &'a Reading,
    pub theirs: &'a Reading,
}

impl Pair<'_> {
    /// The classes that fit, if the two results differ.
    pub fn classes(&self) -> Option<impl Iterator<Item = &'static Class>> {
        (self.ours != self.theirs).then(|| CLASSES.iter().filter(|class| (class.holds)(self)))
    }

    fn only_theirs(&self) -> bool {
        self.ours.is_none() && self.theirs.is_some()
    }

    /// Only the other parser accepts the text, and it holds one of these bytes, which we refuse.
    fn holds_one_of(&self, bytes: &[u8]) -> bool {
        self.only_theirs() && self.raw.iter().any(|byte| bytes.contains(byte))
    }

    /// Only the other parser accepts the text, and the host without its last dot is of this kind.
    fn host(&self, is: impl FnOnce(&str) -> bool) -> bool {
        let (host, _) = self.split();
        self.only_theirs() && is(host.strip_suffix('.').unwrap_or(&host))
    }

    /// The text before the colon of the port, and the text behind it.
    fn split(&self) -> (String, Option<String>) {
        let text = String::from_utf8_lossy(self.raw).into_owned();
        let bracket = text.find(']').filter(|_| text.starts_with('[')).unwrap_or(0);
        match text[bracket..].find(':') {
            Some(colon) => {
                (text[..bracket + colon].to_owned(), Some(text[bracket + colon + 1..].to_owned()))
            }
            None => (text, None),
        }
    }

    fn both(
        &self,
        differ: impl FnOnce(&(String, Option<u16>), &(String, Option<u16>)) -> bool,
    ) -> bool {
        self.ours
            .as_ref()
            .zip(self.theirs.as_ref())
            .is_some_and(|(ours, theirs)| differ(ours, theirs))
    }

    fn last_label(&self) -> Option<&str> {
        self.ours
            .as_ref()
            .filter(|_| self.theirs.is_none())
            .and_then(|(host, _)| host.rsplit('.').next())
    }
}

/// Whether two ports are the same. A URL leaves out the default port of its scheme.
fn same_port(parser: Parser, ours: Option<u16>, theirs: Option<u16>) -> bool {
    ours == theirs || parser == Parser::Url && (ours, theirs) == (Some(80), None)
}

fn ipv6(host: &str) -> Option<Ipv6Addr> {
    host.strip_prefix('[')?.strip_suffix(']')?.parse().ok()
}

pub struct Class {
    pub name: &'static str,
    pub holds: fn(&Pair<'_>) -> bool,
}

const fn class(name: &'static str, holds: fn(&Pair<'_>) -> bool) -> Class {
    Class { name, holds }
}

pub const CLASSES: &[Class] = &[
    class("comma", |pair| pair.holds_one_of(b",")),
    class("user information", |pair| pair.holds_one_of(b"@")),
    class("percent sign", |pair| pair.holds_one_of(b"%")),
    class("not ASCII", |pair| pair.only_theirs() && !pair.raw.is_ascii()),
    class("control byte", |pair| pair.only_theirs() && pair.raw.iter().any(u8::is_ascii_control)),
    class("delimiter of a URL", |pair| pair.holds_one_of(b"/\\?#")),
    class("other byte", |pair| pair.holds_one_of(b"!$&'()*+;=~\"`{}|^<> ")),
    class("future IP literal", |pair| {
        pair.only_theirs() && pair.raw.to_ascii_lowercase().starts_with(b"[v")
    }),
    class("broken IP literal", |pair| pair.holds_one_of(b"[]")),
    class("no port number", |pair| {
        let is_port = |port: &str| {
            port.bytes().all(|byte| byte.is_ascii_digit())
                && (port.is_empty() || port.parse::<u16>().is_ok())
        };
        pair.only_theirs() && pair.split().1.is_some_and(|port| !is_port(&port))
    }),
    class("no host", |pair| pair.host(|host| host.is_empty() || host == ".")),
    class("empty label", |pair| pair.host(|host| host.split('.').any(str::is_empty))),
    class("long label", |pair| pair.host(|host| host.split('.').any(|label| label.len() > 63))),
    class("long name", |pair| pair.host(|host| host.len() > 253)),
    class("ends in a number", |pair| {
        let is_number = |label: &str| match label.strip_prefix("0x") {
            Some(digits) => digits.bytes().all(|byte| byte.is_ascii_hexdigit()),
            None => label.bytes().all(|byte| byte.is_ascii_digit()),
        };
        pair.last_label().is_some_and(is_number)
    }),
    class("wrong A-label", |pair| {
        pair.theirs.is_none()
            && pair
                .ours
                .as_ref()
                .is_some_and(|(host, _)| host.split('.').any(|label| label.starts_with("xn--")))
    }),
    class("number for an address", |pair| {
        pair.both(|ours, theirs| {
            ours.0 != theirs.0
                && ours.0.parse::<Ipv4Addr>().is_err()
                && theirs.0.parse::<Ipv4Addr>().is_ok()
        })
    }),
    class("last dot", |pair| {
        pair.both(|ours, theirs| {
            theirs.0.strip_suffix('.') == Some(&ours.0) && same_port(pair.parser, ours.1, theirs.1)
        })
    }),
    class("IPv6 as written", |pair| {
        pair.both(|ours, theirs| {
            ours.0 != theirs.0 && ipv6(&ours.0).is_some() && ipv6(&ours.0) == ipv6(&theirs.0)
        })
    }),
    class("port of the scheme", |pair| {
        pair.both(|ours, theirs| {
            ours.0 == theirs.0 && ours.1.is_some() && same_port(pair.parser, ours.1, theirs.1)
        })
    }),
];
