//! A file of tests as data: its routes and its cases.

use gatepost_diagnostics::{Source, Span};
use std::net::{IpAddr, Ipv4Addr};
use std::sync::Arc;

/// The downstream address of a request that gives none: one of TEST-NET-3 (RFC 5737), which no host
/// has.
pub const DEFAULT_SOURCE: IpAddr = IpAddr::V4(Ipv4Addr::new(203, 0, 113, 7));

/// A file of tests.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Suite {
    /// The file's name and text.
    pub source: Arc<Source>,
    /// Which upstream answers for which authority.
    pub routes: Routes,
    /// The tests, in the order of the file; their names are unique.
    pub cases: Vec<Case>,
}

/// The `routes` of a suite: patterns of hosts, and the names that answer for them.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Routes(pub(super) Vec<Route>);

/// One of the [`Routes`].
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Route {
    /// A host in lower case, `*.` and a suffix, or `*`.
    pub host: String,
    /// The name that answers.
    pub upstream: String,
}

/// One test.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Case {
    /// Its name, in its author's words.
    pub name: String,
    /// Where the name is written.
    pub span: Span,
    /// The request that the client sends.
    pub request: Request,
    /// What the upstream answers; `None` when the test does not say.
    pub response: Option<Response>,
    /// What is expected of it.
    pub expect: Expect,
}

/// A request as the gateway receives it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Request {
    /// The method.
    pub method: String,
    /// The `Host` header or `:authority`, as sent.
    pub authority: String,
    /// The path with its query.
    pub path: String,
    /// Header fields in order, names in lower case; a repeated header is in the list several times.
    pub headers: Vec<(String, String)>,
    /// The downstream address.
    pub source: IpAddr,
}

/// What an upstream answers.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Response {
    /// The HTTP status.
    pub status: u16,
    /// Header fields in order, names in lower case; a repeated header is in the list several times.
    pub headers: Vec<(String, String)>,
}

impl Request {
    /// The pseudo-headers. The scheme is that of a gateway without TLS, as runners have it.
    #[must_use]
    pub fn pseudo_headers(&self) -> [(&str, &str); 4] {
        [
            (":method", &self.method),
            (":path", &self.path),
            (":authority", &self.authority),
            (":scheme", "http"),
        ]
    }
}

impl Default for Response {
    fn default() -> Self {
        Self { status: 200, headers: Vec::new() }
    }
}

/// What a test expects.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Expect {
    /// Where the request goes.
    pub outcome: Outcome,
    /// What the client gets; `None` when the test does not say.
    pub response: Option<ExpectedResponse>,
    /// The counters that go up, exactly these; `None` when the test does not say.
    pub counters: Option<Vec<String>>,
}

/// Where a request goes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Outcome {
    /// It goes upstream.
    Forward(Forward),
    /// The gateway answers it.
    Reply(Reply),
}

/// How a request goes upstream.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Forward {
    /// The authority; `None` for the one that the client sent.
    pub authority: Option<String>,
    /// The path with its query; `None` for the one that the client sent.
    pub path: Option<String>,
    /// Headers, names in lower case, with all the values that each must have.
    pub headers: Vec<(String, Vec<String>)>,
    /// Headers, in lower case, that must not go upstream.
    pub absent: Vec<String>,
    /// The name in [`Suite::routes`] that answers; `None` when the test does not say.
    pub upstream: Option<String>,
}

/// The gateway's own answer.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Reply {
    /// The HTTP status.
    pub status: u16,
    /// The response code details, which name the rule.
    pub details: Option<String>,
    /// The gRPC status.
    pub grpc_status: Option<u8>,
    /// The body.
    pub body: Option<String>,
}

/// The headers that the client gets. The others are not compared.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct ExpectedResponse {
    /// Headers, names in lower case, with all the values that each must have.
    pub headers: Vec<(String, Vec<String>)>,
    /// Headers, in lower case, that the client must not get.
    pub absent: Vec<String>,
}

impl ExpectedResponse {
    /// Each header that is expected or must be absent, with the values that it must have.
    pub fn iter(&self) -> impl Iterator<Item = (&str, &[String])> {
        let present = self.headers.iter().map(|(name, values)| (name.as_str(), values.as_slice()));
        present.chain(self.absent.iter().map(|name| (name.as_str(), &[][..])))
    }
}

impl Routes {
    /// The routes in the order of the file.
    pub fn iter(&self) -> impl Iterator<Item = &Route> {
        self.0.iter()
    }

    /// Whether there is none.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// The upstream for an authority, as Envoy selects a virtual host: case and port do not matter;
    /// the exact name wins, then the longest `*.suffix`, then `*`.
    pub fn upstream(&self, authority: &str) -> Option<&str> {
        let authority = authority.to_ascii_lowercase();
        let host = without_port(&authority);
        let rank = |route: &Route| match route.host.strip_prefix('*') {
            Some(suffix) if host.len() > suffix.len() && host.ends_with(suffix) => {
                Some(suffix.len())
            }
            None if route.host == host => Some(usize::MAX),
            _ => None,
        };
        let ranked = self.0.iter().filter_map(|route| Some((rank(route)?, route)));
        ranked.max_by_key(|(rank, _)| *rank).map(|(_, route)| route.upstream.as_str())
    }
}

fn without_port(authority: &str) -> &str {
    match authority.rsplit_once(':') {
        Some((host, port))
            if port.bytes().all(|byte| byte.is_ascii_digit()) && !host.is_empty() =>
        {
            host
        }
        _ => authority,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn routes(pairs: &[(&str, &str)]) -> Routes {
        let route = |(host, upstream): &(&str, &str)| Route {
            host: (*host).to_owned(),
            upstream: (*upstream).to_owned(),
        };
        Routes(pairs.iter().map(route).collect())
    }

    #[test]
    fn the_most_specific_route_answers() {
        let routes = routes(&[
            ("*", "rest"),
            ("*.b.example", "b"),
            ("*.a.b.example", "ab"),
            ("x.a.b.example", "exact"),
        ]);
        assert_eq!(routes.upstream("x.a.b.example"), Some("exact"));
        assert_eq!(routes.upstream("y.a.b.example"), Some("ab"));
        assert_eq!(routes.upstream("a.b.example"), Some("b"));
        assert_eq!(routes.upstream("b.example"), Some("rest"), "a suffix needs a label before it");
        assert_eq!(routes.upstream("10.0.0.1"), Some("rest"));
    }

    #[test]
    fn case_and_port_do_not_select_a_route() {
        let routes = routes(&[("a.example", "a"), ("[2001:db8::1]", "six")]);
        assert_eq!(routes.upstream("A.Example:443"), Some("a"));
        assert_eq!(routes.upstream("[2001:DB8::1]:80"), Some("six"));
        assert_eq!(routes.upstream("[2001:db8::1]"), Some("six"));
        assert_eq!(routes.upstream("b.example"), None);
    }
}
