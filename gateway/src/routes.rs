//! Virtual hosts: which route a request's authority selects, by Envoy's rules for domains with
//! `ignore_port_in_host_matching: true`. A route matches the host only: no paths, headers or
//! weights. The host is lower-cased and not normalized otherwise (a trailing dot makes another
//! host, as in Envoy).

use std::collections::HashMap;

use crate::authority::{lower_case, without_port};
use crate::target::{Target, TargetError};

/// A table from hosts to values.
///
/// A host is exact (`a.example`), a suffix (`*.example`, one or more labels, the longest suffix
/// wins) or `*` for every other host. Exact hosts win over suffixes, suffixes over `*`.
///
/// ```
/// use gatepost_gateway::RouteTable;
///
/// let mut table = RouteTable::new();
/// table.insert("*.example", "any").unwrap();
/// table.insert("a.example", "a").unwrap();
/// assert_eq!(table.find(b"A.Example:8080"), Some(&"a"));
/// assert_eq!(table.find(b"x.y.example"), Some(&"any"));
/// assert_eq!(table.find(b"example"), None);
/// ```
#[derive(Clone, Debug)]
pub struct RouteTable<T> {
    exact: HashMap<Box<[u8]>, T>,
    /// Keyed by the suffix with its leading dot.
    suffixes: HashMap<Box<[u8]>, T>,
    any: Option<T>,
}

/// Why a route was not added.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
pub enum RouteError {
    /// It is not of the form `HOST=TARGET`.
    #[error("the route `{0}` has no `=`; write HOST=ADDRESS:PORT")]
    NoTarget(String),
    /// No request can match its host.
    #[error(
        "`{0}` is no host for a route; write a name, `*.suffix` or `*`, with or without a port"
    )]
    InvalidHost(String),
    /// The table already has a route for its host.
    #[error("the host `{0}` has two routes (ports are ignored); keep one")]
    DuplicateHost(String),
    /// Its target is not an address.
    #[error("the route of `{host}` has no valid target: {source}")]
    InvalidTarget {
        /// The route's host, as written.
        host: String,
        /// What is wrong with the target.
        source: TargetError,
    },
}

impl<T> Default for RouteTable<T> {
    fn default() -> Self {
        Self::new()
    }
}

impl<T> RouteTable<T> {
    /// An empty table.
    #[must_use]
    pub fn new() -> Self {
        Self { exact: HashMap::new(), suffixes: HashMap::new(), any: None }
    }

    /// Adds a host. A port in it is ignored, and so is the case of its letters.
    ///
    /// # Errors
    /// When no request can match the host, or the table already has it.
    pub fn insert(&mut self, host: &str, value: T) -> Result<(), RouteError> {
        let name = host_of(host).ok_or_else(|| RouteError::InvalidHost(host.to_owned()))?;
        let taken = match name.strip_prefix(b"*") {
            Some(b"") => self.any.is_some(),
            Some(suffix) => self.suffixes.contains_key(suffix),
            None => self.exact.contains_key(&*name),
        };
        if taken {
            return Err(RouteError::DuplicateHost(host.to_owned()));
        }
        match name.strip_prefix(b"*") {
            Some(b"") => self.any = Some(value),
            Some(suffix) => drop(self.suffixes.insert(suffix.into(), value)),
            None => drop(self.exact.insert(name.into(), value)),
        }
        Ok(())
    }

    /// The value for an authority. Its port is ignored.
    #[must_use]
    pub fn find(&self, authority: &[u8]) -> Option<&T> {
        let host = lower_case(without_port(authority));
        let host = host.as_ref();
        if let Some(value) = self.exact.get(host) {
            return Some(value);
        }
        if !self.suffixes.is_empty() {
            // From the left, so that the longest suffix is tried first. `skip(1)` because `*` must
            // match at least one byte.
            for (at, _) in host.iter().enumerate().skip(1).filter(|&(_, &byte)| byte == b'.') {
                if let Some(value) = host.get(at..).and_then(|suffix| self.suffixes.get(suffix)) {
                    return Some(value);
                }
            }
        }
        self.any.as_ref()
    }

    /// A table with the same hosts, whose values went through `change`.
    #[must_use]
    pub fn map<U>(self, mut change: impl FnMut(T) -> U) -> RouteTable<U> {
        let mut all = |map: HashMap<_, T>| {
            map.into_iter().map(|(host, value)| (host, change(value))).collect()
        };
        let (exact, suffixes) = (all(self.exact), all(self.suffixes));
        RouteTable { exact, suffixes, any: self.any.map(change) }
    }

    /// How many hosts the table has.
    #[must_use]
    pub fn len(&self) -> usize {
        self.exact.len() + self.suffixes.len() + usize::from(self.any.is_some())
    }

    /// Whether the table has no host.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }
}

impl RouteTable<Target> {
    /// Builds a table from `HOST=TARGET` texts, such as `*.example=http://127.0.0.1:8080`.
    ///
    /// # Errors
    /// For the first text that is not a route, or whose host already has a route.
    pub fn parse<S: AsRef<str>>(routes: impl IntoIterator<Item = S>) -> Result<Self, RouteError> {
        let mut table = Self::new();
        for route in routes {
            let route = route.as_ref();
            let (host, target) =
                route.split_once('=').ok_or_else(|| RouteError::NoTarget(route.to_owned()))?;
            let target = Target::parse(target)
                .map_err(|source| RouteError::InvalidTarget { host: host.to_owned(), source })?;
            table.insert(host, target)?;
        }
        Ok(table)
    }
}

/// The host name to match in lower case, or `None` when no request can match it. `*` alone and a
/// leading `*.` are the only wildcards.
fn host_of(host: &str) -> Option<Vec<u8>> {
    let name = without_port(host.as_bytes());
    let port = host.as_bytes().get(name.len() + 1..).unwrap_or_default();
    let fits = |byte: &u8| byte.is_ascii_alphanumeric() || b"-._~[]:".contains(byte);
    let literal = match name.strip_prefix(b"*") {
        Some(b"") => &b"any"[..],
        Some(suffix) => suffix.strip_prefix(b".")?,
        None => name,
    };
    let port_fits =
        port.is_empty() || std::str::from_utf8(port).is_ok_and(|port| port.parse::<u16>().is_ok());
    // A person may write the trailing dot in a route. A request with the dot does not match it, as
    // in Envoy.
    let bare = name.strip_suffix(b".").unwrap_or(name);
    (!literal.is_empty() && literal.iter().all(fits) && port_fits)
        .then(|| bare.to_ascii_lowercase())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn table(hosts: &[&'static str]) -> RouteTable<&'static str> {
        let mut table = RouteTable::new();
        for &host in hosts {
            table.insert(host, host).unwrap();
        }
        table
    }

    #[test]
    fn exact_wins_over_the_longest_suffix_and_that_over_any() {
        let table = table(&["*", "*.example", "*.a.example", "b.a.example"]);
        for (authority, host) in [
            ("b.a.example", "b.a.example"),
            ("c.a.example", "*.a.example"),
            ("d.c.a.example", "*.a.example"),
            ("a.example", "*.example"),
            ("example", "*"),
            (".example", "*"),
            ("", "*"),
        ] {
            assert_eq!(table.find(authority.as_bytes()), Some(&host), "{authority}");
        }
    }

    #[test]
    fn case_and_port_do_not_count_and_a_trailing_dot_does() {
        let table = table(&["A.example.:8080", "[::1]:80", "*.B.example"]);
        assert!(table.find(b"a.EXAMPLE:1").is_some());
        assert!(table.find(b"[::1]:9").is_some());
        assert!(table.find(b"x.b.example:443").is_some());
        assert!(table.find(b"a.example.").is_none());
        assert!(table.find(b"a.example.:443").is_none());
        assert!(table.find(b"caf\xe9.example").is_none());
    }

    #[test]
    fn the_same_host_twice_is_an_error_whatever_its_port_and_case() {
        let mut table = table(&["a.example", "*.example", "*"]);
        for host in ["A.example", "a.example:80", "*.Example", "*", "*:80"] {
            assert_eq!(
                table.insert(host, "again"),
                Err(RouteError::DuplicateHost(host.to_owned()))
            );
        }
    }

    #[test]
    fn a_host_that_could_never_match_is_an_error() {
        let mut table = RouteTable::new();
        for host in
            ["", ":80", "*.", "*a.example", "a.*", "a b", "a/b", "a:b", "a,b", "**", "*.*.example"]
        {
            assert_eq!(
                table.insert(host, ()),
                Err(RouteError::InvalidHost(host.to_owned())),
                "{host}"
            );
        }
        assert!(table.is_empty());
    }

    #[test]
    fn routes_are_read_from_texts() {
        let table = RouteTable::parse(["a.example=127.0.0.1:1", "*=http://b.example:2"]).unwrap();
        assert_eq!(table.len(), 2);
        assert_eq!(table.find(b"x").map(ToString::to_string), Some("b.example:2".to_owned()));
        assert!(matches!(RouteTable::parse(["a.example"]), Err(RouteError::NoTarget(_))));
        assert!(matches!(RouteTable::parse(["a=b"]), Err(RouteError::InvalidTarget { .. })));
    }
}
