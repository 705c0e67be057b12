//! A Service that answers an authority, and the patterns that name several.

/// The domain of a cluster's own services.
pub(super) const CLUSTER_DOMAIN: &str = ".svc.cluster.local";

/// A Service that answers an authority.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Backend {
    /// Its name.
    pub name: String,
    /// Its namespace.
    pub namespace: String,
    /// The number of its port.
    pub port: u16,
    /// What it speaks.
    pub protocol: Protocol,
}

/// What a Service speaks, as far as routes differ.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, serde::Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Protocol {
    /// HTTP in any version.
    #[default]
    Http,
    /// gRPC.
    Grpc,
}

impl Backend {
    /// Its host inside the cluster.
    pub(super) fn host(&self) -> String {
        format!("{}.{}{CLUSTER_DOMAIN}", self.name, self.namespace)
    }
}

/// Whether a host is one that a pattern stands for: `*` is one label.
pub(super) fn is_match(pattern: &str, host: &str) -> bool {
    let (pattern, host): (Vec<&str>, Vec<&str>) =
        (pattern.split('.').collect(), host.split('.').collect());
    let matches = |(pattern, label): (&&str, &&str)| match pattern.split_once('*') {
        Some((front, back)) => {
            label.len() > front.len() + back.len()
                && label.starts_with(front)
                && label.ends_with(back)
        }
        None => pattern == label,
    };
    pattern.len() == host.len() && pattern.iter().zip(&host).all(matches)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_star_is_one_label_or_a_part_of_one() {
        assert!(is_match("*.default.svc", "a.default.svc"));
        assert!(is_match("app-*.x", "app-1.x"));
        for host in ["default.svc", "a.b.default.svc", "a.other.svc"] {
            assert!(!is_match("*.default.svc", host), "{host}");
        }
    }
}
