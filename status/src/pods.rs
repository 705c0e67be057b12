//! The pods of gateways, as `kubectl get pods -o json` writes them.

use std::net::IpAddr;

use serde::Deserialize;

use crate::ask::PATH;

/// More pods than this are not asked.
pub const MAX_PODS: usize = 1_000;

/// A pod.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Pod {
    /// Its namespace.
    pub namespace: String,
    /// Its name.
    pub name: String,
    /// Its address, once it has one.
    pub address: Option<IpAddr>,
    /// Whether it takes requests.
    pub is_ready: bool,
}

impl Pod {
    /// Where it shows its statistics, at this port: at its address, or through the `kubectl proxy`
    /// at this URL. Nothing while it has no address.
    #[must_use]
    pub fn url(&self, port: u16, proxy: Option<&str>) -> Option<String> {
        let Self { namespace, name, .. } = self;
        Some(match (proxy.map(|proxy| proxy.trim_end_matches('/')), self.address?) {
            (Some(proxy), _) => {
                format!("{proxy}/api/v1/namespaces/{namespace}/pods/{name}:{port}/proxy{PATH}")
            }
            (None, IpAddr::V4(v4)) => format!("http://{v4}:{port}{PATH}"),
            (None, IpAddr::V6(v6)) => format!("http://[{v6}]:{port}{PATH}"),
        })
    }
}

/// Why a text names no pods.
#[derive(Debug, thiserror::Error)]
pub enum PodsError {
    /// It is no JSON, or no list of pods.
    #[error("this is not what `kubectl get pods -o json` writes: {0}")]
    Json(#[from] serde_json::Error),
    /// An object of another kind.
    #[error("this is not what `kubectl get pods -o json` writes: an object of kind {0:?}")]
    Kind(String),
    /// A name that no pod has.
    #[error("no pod is called {0:?}")]
    Name(String),
    /// Too many to ask.
    #[error("{0} pods are more than {MAX_PODS}: choose some with a label, as in `-l app=gateway`")]
    TooMany(usize),
}

#[derive(Deserialize)]
struct Object {
    kind: String,
    #[serde(default)]
    metadata: Metadata,
    #[serde(default)]
    status: Status,
    #[serde(default)]
    items: Vec<Object>,
}

#[derive(Default, Deserialize)]
#[serde(rename_all = "camelCase")]
struct Metadata {
    #[serde(default)]
    name: String,
    #[serde(default)]
    namespace: String,
    deletion_timestamp: Option<String>,
}

#[derive(Default, Deserialize)]
#[serde(rename_all = "camelCase")]
struct Status {
    phase: Option<String>,
    #[serde(rename = "podIP")]
    pod_ip: Option<IpAddr>,
    #[serde(default)]
    conditions: Vec<Condition>,
}

#[derive(Deserialize)]
struct Condition {
    #[serde(rename = "type")]
    kind: String,
    status: String,
}

/// The pods of a list, or the one pod that it is. Those that end or ended are left out: nothing
/// that is applied now is for them.
///
/// # Errors
/// When it is another text, or names too many.
pub fn read(text: &str) -> Result<Vec<Pod>, PodsError> {
    let object: Object = serde_json::from_str(text)?;
    let objects = match object.kind.as_str() {
        "List" | "PodList" => object.items,
        _ => vec![object],
    };
    let stays = |object: &Object| {
        let has_ended = matches!(object.status.phase.as_deref(), Some("Failed" | "Succeeded"));
        object.metadata.deletion_timestamp.is_none() && !has_ended
    };
    let objects: Vec<Object> = objects.into_iter().filter(stays).collect();
    if objects.len() > MAX_PODS {
        return Err(PodsError::TooMany(objects.len()));
    }
    objects.into_iter().map(pod).collect()
}

fn pod(object: Object) -> Result<Pod, PodsError> {
    let Object { kind, metadata: Metadata { name, namespace, .. }, status, .. } = object;
    if kind != "Pod" {
        return Err(PodsError::Kind(kind));
    }
    if let Some(name) = [&name, &namespace].into_iter().find(|name| !is_name(name)) {
        return Err(PodsError::Name(name.clone()));
    }
    let is_ready = |condition: &Condition| condition.kind == "Ready" && condition.status == "True";
    let is_ready = status.conditions.iter().any(is_ready);
    Ok(Pod { namespace, name, address: status.pod_ip, is_ready })
}

/// Names go into URLs and onto terminals.
fn is_name(text: &str) -> bool {
    let of_name =
        |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || b"-.".contains(&byte);
    (1..=253).contains(&text.len()) && text.bytes().all(of_name)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(items: &str) -> Result<Vec<Pod>, PodsError> {
        read(&format!(r#"{{ "kind": "List", "apiVersion": "v1", "items": [{items}] }}"#))
    }

    #[test]
    fn ready_pods_and_those_that_are_not_are_read() {
        let pods = of(r#"
            { "kind": "Pod", "metadata": { "name": "a", "namespace": "istio-system" },
              "status": { "phase": "Running", "podIP": "10.0.0.1",
                "conditions": [{ "type": "Ready", "status": "True" }] } },
            { "kind": "Pod", "metadata": { "name": "b", "namespace": "istio-system" },
              "status": { "podIP": "fd00::1",
                "conditions": [{ "type": "Ready", "status": "False" }] } },
            { "kind": "Pod", "metadata": { "name": "c", "namespace": "istio-system" },
              "status": { "phase": "Pending" } }
        "#);
        let pods: Vec<_> =
            pods.unwrap().into_iter().map(|pod| (pod.name, pod.address, pod.is_ready)).collect();
        let address = |text: &str| Some(text.parse().unwrap());
        let expected = [
            ("a".to_owned(), address("10.0.0.1"), true),
            ("b".to_owned(), address("fd00::1"), false),
            ("c".to_owned(), None, false),
        ];
        assert_eq!(pods, expected);
        assert_eq!(of("").unwrap(), []);
    }

    /// Kubernetes keeps pods that were evicted, and the runs of a job.
    #[test]
    fn a_pod_that_ends_or_ended_is_none() {
        for more in [
            r#""metadata": { "name": "a", "namespace": "b",
                "deletionTimestamp": "2026-11-30T16:00:00Z" }"#,
            r#""metadata": { "name": "a", "namespace": "b" },
                "status": { "phase": "Failed", "reason": "Evicted", "podIP": "10.0.0.1" }"#,
            r#""metadata": { "name": "a", "namespace": "b" }, "status": { "phase": "Succeeded" }"#,
        ] {
            assert_eq!(of(&format!(r#"{{ "kind": "Pod", {more} }}"#)).unwrap(), [], "{more}");
        }
    }

    #[test]
    fn a_pod_is_asked_at_its_address_or_through_kubectl() {
        let pod = |address: &str| Pod {
            namespace: "istio-system".to_owned(),
            name: "gateway-1".to_owned(),
            address: address.parse().ok(),
            is_ready: true,
        };
        for (proxy, address, url) in [
            (None, "10.0.0.1", Some("http://10.0.0.1:15020/stats/prometheus")),
            (None, "fd00::1", Some("http://[fd00::1]:15020/stats/prometheus")),
            (None, "", None),
            (
                Some("http://127.0.0.1:8001/"),
                "10.0.0.1",
                Some(
                    "http://127.0.0.1:8001/api/v1/namespaces/istio-system/pods/gateway-1:15020\
                     /proxy/stats/prometheus",
                ),
            ),
        ] {
            assert_eq!(pod(address).url(15020, proxy).as_deref(), url);
        }
    }

    #[test]
    fn what_is_no_list_of_pods_says_so() {
        let error = |text: &str| read(text).unwrap_err().to_string();
        assert!(error("").starts_with("this is not what `kubectl get pods -o json` writes: EOF"));
        assert!(error("[]").contains("invalid"));
        let service = r#"{ "kind": "Service", "metadata": { "name": "a", "namespace": "b" } }"#;
        assert!(error(service).ends_with("an object of kind \"Service\""));
        let odd =
            r#"{ "kind": "Pod", "metadata": { "name": "a/../\u001b[2J", "namespace": "b" } }"#;
        assert_eq!(error(odd), "no pod is called \"a/../\\u{1b}[2J\"");
        let pod = r#"{ "kind": "Pod", "metadata": { "name": "a", "namespace": "b" } }"#;
        let many = of(&vec![pod; 1_001].join(",")).unwrap_err().to_string();
        assert!(many.starts_with("1001 pods are more than 1000"), "{many}");
        let ended = r#"{ "kind": "Pod", "metadata": { "name": "a", "namespace": "b" },
            "status": { "phase": "Failed" } }"#;
        assert_eq!(of(&vec![ended; 1_001].join(",")).unwrap(), []);
    }
}
