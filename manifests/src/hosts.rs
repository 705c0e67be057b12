//! The hosts of routes and servers: exact, `*.suffix` or `*`.

use std::collections::HashSet;

/// The longest name that DNS knows, in bytes. A longer one is no host.
const MAX_HOST: usize = 253;

/// Hosts and wildcards, found without looking at each of them: a gateway may have thousands, and
/// as many routes.
#[derive(Debug, Default)]
pub(crate) struct Hosts {
    exact: HashSet<String>,
    /// What follows `*.`, and nothing for `*`.
    wildcards: HashSet<String>,
    /// What some host or wildcard here ends with, after a dot.
    ends: HashSet<String>,
}

impl Hosts {
    pub fn insert(&mut self, host: &str) {
        if host.len() > MAX_HOST {
            return;
        }
        let host = host.to_ascii_lowercase();
        self.ends.extend(parents(&host).map(str::to_owned));
        match host.strip_prefix('*') {
            Some(suffix) => {
                self.wildcards.insert(suffix.trim_start_matches('.').to_owned());
            }
            None => {
                self.exact.insert(host);
            }
        }
    }

    pub fn is_empty(&self) -> bool {
        self.exact.is_empty() && self.wildcards.is_empty()
    }

    /// Whether a host in lower case is one of these. Of a wildcard some of its hosts have to be,
    /// and a `*` elsewhere stands for a label that is not known.
    pub fn take(&self, host: &str) -> bool {
        let is_below = parents(host).any(|parent| self.wildcards.contains(parent));
        if is_below || self.wildcards.contains("") || self.exact.contains(host) {
            return true;
        }
        match host.strip_prefix("*.") {
            _ if host == "*" => !self.is_empty(),
            Some(suffix) if !suffix.contains('*') => self.ends.contains(suffix),
            _ if host.contains('*') => self.exact.iter().any(|known| is_one_of(known, host)),
            _ => false,
        }
    }
}

impl<'h> Extend<&'h str> for Hosts {
    fn extend<T: IntoIterator<Item = &'h str>>(&mut self, hosts: T) {
        hosts.into_iter().for_each(|host| self.insert(host));
    }
}

/// What a host ends with, after each of its dots.
fn parents(host: &str) -> impl Iterator<Item = &str> {
    let host = if host.len() > MAX_HOST { "" } else { host };
    host.match_indices('.').filter_map(|(dot, _)| host.get(dot + 1..))
}

/// Whether a host is one of a pattern in which a label with `*` stands for any.
fn is_one_of(host: &str, pattern: &str) -> bool {
    let (mut labels, mut wanted) = (host.split('.'), pattern.split('.'));
    loop {
        match (labels.next(), wanted.next()) {
            (None, None) => return true,
            (Some(label), Some(wanted)) if wanted.contains('*') || label == wanted => {}
            _ => return false,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::Hosts;

    fn takes(known: &[&str], host: &str) -> bool {
        let mut hosts = Hosts::default();
        hosts.extend(known.iter().copied());
        hosts.take(host)
    }

    #[test]
    fn a_host_is_taken_by_itself_and_by_wildcards_above_it() {
        for (known, host, expected) in [
            ("A.example", "a.example", true),
            ("a.example", "b.example", false),
            ("*.b.example", "x.b.example", true),
            ("*.b.example", "x.y.b.example", true),
            ("*.b.example", "b.example", false),
            ("*.b.example", "xb.example", false),
            ("*", "a.example", true),
        ] {
            assert_eq!(takes(&[known], host), expected, "{known} {host}");
        }
    }

    #[test]
    fn a_wildcard_is_taken_when_some_of_its_hosts_are() {
        for (known, host, expected) in [
            ("a.b.example", "*.b.example", true),
            ("a.b.example", "*.a.b.example", false),
            ("*.b.example", "*.b.example", true),
            ("*.b.example", "*.a.b.example", true),
            ("*.a.b.example", "*.b.example", true),
            ("b.example", "*.b.example", false),
            ("a.example", "*", true),
        ] {
            assert_eq!(takes(&[known], host), expected, "{known} {host}");
        }
        assert!(!takes(&[], "*"));
    }

    #[test]
    fn a_label_that_is_not_known_may_be_any() {
        assert!(takes(&["app.env1.svc"], "app.*.svc"));
        assert!(takes(&["*.svc"], "app.*.svc"));
        assert!(!takes(&["app.env1.example"], "app.*.svc"));
        assert!(!takes(&["app.a.env1.svc"], "app.*.svc"));
    }

    #[test]
    fn what_is_longer_than_a_name_is_no_host() {
        let long = "a.".repeat(127) + "example";
        assert!(!takes(&[&long], &long));
    }
}
