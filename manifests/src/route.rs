//! Routes: which hosts a gateway serves already.

use crate::field::Field;
use crate::object::{Object, Origin};

/// The hosts that a route serves.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ServedHosts {
    /// The route.
    pub origin: Origin,
    /// Its hosts, in lower case: exact, `*.suffix`, or `*`.
    hosts: Vec<String>,
}

impl ServedHosts {
    /// Of a VirtualService, which has `hosts`, or of a route of the Gateway API, which has
    /// `hostnames`.
    pub(crate) fn new(object: &Object) -> Self {
        let hosts = [object.at("spec.hosts").items(), object.at("spec.hostnames").items()];
        let hosts = hosts.iter().flatten().filter_map(Field::text);
        let hosts = hosts.map(str::to_ascii_lowercase).collect();
        Self { origin: object.origin.clone(), hosts }
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

#[cfg(test)]
mod tests {
    use crate::Manifests;

    #[test]
    fn a_route_serves_its_hosts_and_what_is_below_its_wildcards() {
        let text = "{apiVersion: networking.istio.io/v1, kind: VirtualService, metadata: {name: \
                    a}, spec: {hosts: [A.example, \"*.b.example\", \"*\"]}}";
        let manifests = Manifests::read_from("a.yaml", text.as_bytes()).expect("an object");
        let served = &manifests.routes[0];
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
