//! Routes: which hosts a gateway serves already, and which paths.

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

/// The parts of a route that each send requests somewhere.
pub(crate) fn rules(route: &Object) -> Vec<Field<'_>> {
    ["spec.http", "spec.rules"].iter().flat_map(|rules| route.at(rules).items()).collect()
}

/// Whether some request for a path meets the conditions of a part, as far as can be told without
/// solving expressions.
pub(crate) fn may_meet(rule: &Field<'_>, path: &str) -> bool {
    let path = path.split('?').next().unwrap_or(path);
    let of_istio = rule.get("match").items();
    let of_rules = rule.get("matches").items();
    (of_istio.is_empty() && of_rules.is_empty())
        || of_istio.iter().any(|condition| uri_takes(condition, path))
        || of_rules.iter().any(|condition| path_takes(&condition.get("path"), path))
}

/// Whether some condition of a part on the path is an expression.
pub(crate) fn has_expression(rule: &Field<'_>) -> bool {
    rule.get("match").items().iter().any(|condition| condition.at("uri.regex").exists())
        || rule.each("matches").iter().any(|one| one.at("path.type").is("RegularExpression"))
}

/// The `uri` of a VirtualService's condition.
fn uri_takes(condition: &Field<'_>, path: &str) -> bool {
    let fold = |text: &str| match condition.get("ignoreUriCase").is_true() {
        true => text.to_ascii_lowercase(),
        false => text.to_owned(),
    };
    let [exact, prefix] = ["exact", "prefix"].map(|kind| condition.get("uri").get(kind).text());
    exact.is_none_or(|exact| fold(exact) == fold(path))
        && prefix.is_none_or(|prefix| fold(path).starts_with(&fold(prefix)))
}

/// The `path` of an HTTPRoute's condition, which is a prefix of whole segments by default.
fn path_takes(condition: &Field<'_>, path: &str) -> bool {
    let value = condition.get("value").text().unwrap_or("/");
    match condition.get("type").text() {
        Some("Exact") => value == path,
        None | Some("PathPrefix") => {
            let rest = path.strip_prefix(value.trim_end_matches('/'));
            rest.is_some_and(|rest| rest.is_empty() || rest.starts_with('/'))
        }
        Some(_) => true,
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
