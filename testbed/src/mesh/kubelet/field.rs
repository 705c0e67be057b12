//! The downward API: fields of a pod and resources of a container as text.

use k8s_openapi::api::core::v1::{Container, Pod, ResourceFieldSelector};
use k8s_openapi::apimachinery::pkg::api::resource::Quantity;
use kube::ResourceExt;

use super::error::PodError;

/// What the one node of the mesh has to give, for containers without a limit.
const NODE: [(&str, &str); 2] = [("cpu", "2"), ("memory", "4Gi")];

/// A field, by the path that the API server admits.
pub(super) fn of_pod(pod: &Pod, path: &str) -> Result<String, PodError> {
    let spec = pod.spec.as_ref();
    let status = pod.status.as_ref();
    let value = match path {
        "metadata.name" => Some(pod.name_any()),
        "metadata.namespace" => pod.namespace(),
        "metadata.uid" => pod.uid(),
        "metadata.labels" => Some(lines(pod.labels())),
        "metadata.annotations" => Some(lines(pod.annotations())),
        "spec.nodeName" => spec.and_then(|spec| spec.node_name.clone()),
        "spec.serviceAccountName" => spec.and_then(|spec| spec.service_account_name.clone()),
        "status.podIP" | "status.podIPs" => status.and_then(|status| status.pod_ip.clone()),
        "status.hostIP" | "status.hostIPs" => status.and_then(|status| status.host_ip.clone()),
        _ => {
            let key = |prefix| path.strip_prefix(prefix)?.strip_suffix("']");
            match (key("metadata.labels['"), key("metadata.annotations['")) {
                (Some(key), _) => pod.labels().get(key).cloned(),
                (None, Some(key)) => pod.annotations().get(key).cloned(),
                (None, None) => return Err(PodError::Field { path: path.to_owned() }),
            }
        }
    };
    Ok(value.unwrap_or_default())
}

/// Labels or annotations as a file has them.
fn lines(map: &std::collections::BTreeMap<String, String>) -> String {
    let line = |(key, value): (&String, &String)| format!("{key}={value:?}");
    map.iter().map(line).collect::<Vec<_>>().join("\n")
}

/// A container's limit or request in whole units of the divisor, rounded up.
pub(super) fn resource(
    container: &Container,
    selector: &ResourceFieldSelector,
) -> Result<String, PodError> {
    let unknown = || PodError::Field { path: selector.resource.clone() };
    let (kind, name) = selector.resource.split_once('.').ok_or_else(unknown)?;
    let resources = container.resources.as_ref();
    let given = match kind {
        "limits" => resources.and_then(|resources| resources.limits.as_ref()),
        "requests" => resources.and_then(|resources| resources.requests.as_ref()),
        _ => return Err(unknown()),
    };
    let of_node = || NODE.iter().find(|(known, _)| *known == name).map(|(_, value)| *value);
    let given = given.and_then(|given| given.get(name)).map(|Quantity(value)| &**value);
    let value = number(given.or_else(of_node).ok_or_else(unknown)?).ok_or_else(unknown)?;
    let divisor = selector.divisor.as_ref().map_or("1", |Quantity(divisor)| divisor);
    // The API server writes an omitted divisor as 0.
    let divisor = number(divisor).filter(|divisor| *divisor > 0.0).unwrap_or(1.0);
    Ok(format!("{:.0}", (value / divisor).ceil()))
}

/// A quantity as Kubernetes writes it: `1500m`, `1Gi`.
fn number(quantity: &str) -> Option<f64> {
    let end = quantity.find(|byte: char| byte.is_ascii_alphabetic()).unwrap_or(quantity.len());
    let (digits, suffix) = quantity.split_at(end);
    let factor = match suffix {
        "m" => 1e-3,
        "" => 1.0,
        "k" => 1e3,
        "M" => 1e6,
        "G" => 1e9,
        "Ki" => 1024.0,
        "Mi" => 1024.0 * 1024.0,
        "Gi" => 1024.0 * 1024.0 * 1024.0,
        _ => return None,
    };
    digits.parse::<f64>().ok().map(|digits| digits * factor)
}
