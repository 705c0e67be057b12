//! The annotations of a Service by which GKE connects it to a balancer.

use std::collections::HashSet;

use serde_json::Value;

use crate::backend::{APP_PROTOCOLS, BACKEND_CONFIG, backends};
use crate::cluster::Cluster;
use crate::field::Field;
use crate::finding::Finding;
use crate::object::Object;

const NEG: &str = "cloud.google.com/neg";

pub(super) fn find(cluster: &Cluster<'_>, findings: &mut Vec<Finding>) {
    let backends = backends(cluster);
    let of_ingress = backends.iter().filter(|backend| backend.is_of_ingress());
    let of_ingress: HashSet<_> =
        of_ingress.map(|backend| (backend.service.namespace(), backend.service.name())).collect();
    for service in cluster.objects("", "Service") {
        for name in [NEG, APP_PROTOCOLS, BACKEND_CONFIG] {
            findings.extend(no_json(&service.annotation(name)));
        }
        if of_ingress.contains(&(service.namespace(), service.name())) {
            findings.extend(kind(service));
        }
        findings.extend(ports(service));
        findings.extend(protocols(service));
        findings.extend(configuration(cluster, service));
    }
}

fn no_json(annotation: &Field<'_>) -> Option<Finding> {
    (annotation.text().is_some() && object(annotation).is_none()).then(|| {
        annotation.error(
            "annotation-json",
            "GKE reads an object of JSON here, and this is none",
            "write it in single quotes: '{\"ingress\": true}'",
        )
    })
}

/// The object that an annotation is as JSON.
fn object(annotation: &Field<'_>) -> Option<Value> {
    serde_json::from_str::<Value>(annotation.text()?).ok().filter(Value::is_object)
}

/// An Ingress takes the NEGs that `ingress` makes. Those of `exposed_ports` are for balancers that
/// are made by hand.
fn kind(service: &Object) -> Option<Finding> {
    let annotation = service.annotation(NEG);
    let value = object(&annotation).unwrap_or_default();
    let is_cluster_ip =
        !matches!(service.at("spec.type").text(), Some("NodePort" | "LoadBalancer"));
    let is_standalone = value.get("exposed_ports").is_some();
    let makes_negs = value.get("ingress").and_then(Value::as_bool) == Some(true);
    if makes_negs || !is_standalone {
        return None;
    }
    let origin = &service.origin;
    let message = match is_cluster_ip {
        true => format!("the NEG of {origin} is not for the Ingress, which has no other way"),
        false => format!("the Ingress does not use the NEG of {origin}, but its node port"),
    };
    let help = format!("write `{NEG}: '{{\"ingress\": true}}'`");
    Some(annotation.warning("neg-kind", message, help))
}

fn ports(service: &Object) -> Vec<Finding> {
    let annotation = service.annotation(NEG);
    let value = object(&annotation).unwrap_or_default();
    let exposed = value.get("exposed_ports").and_then(Value::as_object);
    let ports = service.at("spec.ports").items();
    let is_known = |number: &str| {
        let number = number.parse::<i64>().ok();
        ports.iter().any(|port| number.is_some() && port.get("port").integer() == number)
    };
    let unknown = exposed.into_iter().flatten().map(|(number, _)| number);
    let unknown = unknown.filter(|number| !ports.is_empty() && !is_known(number));
    unknown
        .map(|number| {
            annotation.error(
                "neg-port",
                format!("{} has no port {number}", service.origin),
                "write a number of `spec.ports[].port`",
            )
        })
        .collect()
}

fn protocols(service: &Object) -> Vec<Finding> {
    let annotation = service.annotation(APP_PROTOCOLS);
    let value = object(&annotation).unwrap_or_default();
    let ports = service.at("spec.ports").items();
    let names: Vec<&str> = ports.iter().filter_map(|port| port.get("name").text()).collect();
    let mut findings = Vec::new();
    for (name, protocol) in value.as_object().into_iter().flatten() {
        if !ports.is_empty() && !names.contains(&name.as_str()) {
            findings.push(annotation.error(
                "app-protocols",
                format!("{} has no port named `{name}`", service.origin),
                format!("a key is the name of a port: {}", names.join(", ")),
            ));
        }
        if !matches!(protocol.as_str(), Some("HTTP" | "HTTPS" | "HTTP2")) {
            findings.push(annotation.error(
                "app-protocols",
                format!("{protocol} is no protocol of a balancer"),
                "write HTTP, HTTPS or HTTP2",
            ));
        }
    }
    findings
}

/// A BackendConfig by a name that only another namespace has, or that differs from all in its own.
fn configuration(cluster: &Cluster<'_>, service: &Object) -> Vec<Finding> {
    let annotation = service.annotation(BACKEND_CONFIG);
    let value = object(&annotation).unwrap_or_default();
    let of_ports = value.get("ports").and_then(Value::as_object).into_iter().flatten();
    let named = of_ports.map(|(_, name)| name).chain(value.get("default"));
    let named = named.filter_map(Value::as_str).filter(|name| {
        let (group, namespace) = ("cloud.google.com", service.namespace());
        cluster.object(group, "BackendConfig", namespace, name).is_none()
    });
    named
        .filter_map(|name| {
            let known = cluster.objects("cloud.google.com", "BackendConfig").filter(|config| {
                config.name() == name || config.namespace() == service.namespace()
            });
            let known: Vec<String> = known.map(|config| config.origin.to_string()).collect();
            (!known.is_empty()).then(|| {
                annotation.error(
                    "backend-config",
                    format!("no BackendConfig `{name}` is in {}", service.namespace()),
                    format!("here is {}; it must be in the Service's namespace", known.join(", ")),
                )
            })
        })
        .collect()
}
