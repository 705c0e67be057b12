//! Routes: which hosts a gateway serves already.

use serde::Deserialize;

use crate::object::Origin;

/// The hosts that a route serves.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ServedHosts {
    /// The route.
    pub origin: Origin,
    /// Its hosts, in lower case: exact, `*.suffix`, or `*`.
    hosts: Vec<String>,
}

impl ServedHosts {
    pub(crate) fn new(origin: Origin, spec: Spec) -> Self {
        let mut hosts = [spec.hosts, spec.hostnames].concat();
        hosts.iter_mut().for_each(|host| host.make_ascii_lowercase());
        Self { origin, hosts }
    }

    /// Whether a host, in lower case and without a port, is one of them by name or by a suffix.
    /// A route for every host (`*`) does not count: what it does is seldom for one of them.
    #[must_use]
    pub fn serves(&self, host: &str) -> bool {
        self.hosts.iter().any(|served| match served.strip_prefix("*.") {
            Some(suffix) => host.strip_suffix(suffix).is_some_and(|front| front.ends_with('.')),
            None => served == host,
        })
    }
}

/// `VirtualService` has `hosts`, and the routes of the Gateway API have `hostnames`.
#[derive(Default, Deserialize)]
pub(crate) struct Spec {
    #[serde(default)]
    hosts: Vec<String>,
    #[serde(default)]
    hostnames: Vec<String>,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_route_serves_its_hosts_and_what_is_below_its_wildcards() {
        let spec = Spec {
            hosts: ["A.example", "*.b.example", "*"].map(str::to_owned).to_vec(),
            hostnames: Vec::new(),
        };
        let origin = Origin {
            kind: "VirtualService".into(),
            namespace: "default".into(),
            name: "a".into(),
            path: "a.yaml".into(),
        };
        let served = ServedHosts::new(origin, spec);
        for (host, expected) in [
            ("a.example", true),
            ("x.b.example", true),
            ("x.y.b.example", true),
            ("b.example", false),
            ("xb.example", false),
            ("c.example", false),
        ] {
            assert_eq!(served.serves(host), expected, "{host}");
        }
    }
}
