//! What takes longer than others wait for it: routes, and pods that drain.

use std::collections::HashMap;

use crate::backend::{BACKEND_CONFIG, Backend, backends};
use crate::cluster::Cluster;
use crate::field::Field;
use crate::finding::Finding;
use crate::gateway::Gateway;
use crate::object::Object;
use crate::pods::Workload;
use crate::topology::in_text;

/// How long a balancer waits for a response, unless it is told otherwise, in seconds.
const DEFAULT: i64 = 30;

/// How long Kubernetes waits for a pod that ends, unless it is told otherwise, in seconds.
const DEFAULT_GRACE: i64 = 30;

pub(super) fn find(cluster: &Cluster<'_>, findings: &mut Vec<Finding>) {
    let mut policies = HashMap::new();
    for policy in cluster.objects("networking.gke.io", "GCPBackendPolicy") {
        let name = policy.at("spec.targetRef.name").text().unwrap_or_default();
        policies.entry((policy.namespace(), name)).or_insert(policy);
    }
    let backends = backends(cluster).into_iter();
    let backends: Vec<_> = backends
        .filter_map(|backend| Some((backend.service, waits(cluster, &policies, &backend)?)))
        .collect();
    for gateway in &cluster.gateways {
        let of_gateway = backends.iter().filter(|(service, _)| gateway.is_behind(service));
        if let Some(seconds) = of_gateway.map(|(_, seconds)| *seconds).min() {
            findings.extend(longer(gateway, seconds));
        }
    }
    for workload in cluster.workloads() {
        let mut gateways = cluster.gateways.iter();
        if gateways.any(|gateway| gateway.pods.means(workload)) {
            findings.extend(cut_off(workload));
        }
    }
}

/// A pod that is killed while it drains.
fn cut_off(pod: &Workload<'_>) -> Option<Finding> {
    let config = pod.template.at("metadata.annotations").get("proxy.istio.io/config");
    let drain = in_text(&config, |config| in_seconds(&config.get("terminationDrainDuration")))?;
    let grace = pod.template.at("spec.terminationGracePeriodSeconds");
    let seconds = grace.integer().unwrap_or(DEFAULT_GRACE);
    let place = if grace.exists() { &grace } else { &config };
    (drain > seconds).then(|| {
        place.warning(
            "drain-cut-off",
            format!("Kubernetes kills the pod after {seconds} s, and it drains for {drain} s"),
            format!("write `terminationGracePeriodSeconds: {}` or more", drain + 10),
        )
    })
}

/// How long the balancer waits; nothing if what says so is not among the manifests.
fn waits(
    cluster: &Cluster<'_>,
    policies: &HashMap<(&str, &str), &Object>,
    backend: &Backend<'_>,
) -> Option<i64> {
    let service = backend.service;
    if !backend.is_of_ingress() {
        let policy = policies.get(&(service.namespace(), service.name()))?;
        return Some(policy.at("spec.default.timeoutSec").integer().unwrap_or(DEFAULT));
    }
    if !service.annotation(BACKEND_CONFIG).exists() {
        return Some(DEFAULT);
    }
    let name = backend.configuration()?;
    let config = cluster.object("cloud.google.com", "BackendConfig", service.namespace(), &name)?;
    Some(config.at("spec.timeoutSec").integer().unwrap_or(DEFAULT))
}

fn longer(gateway: &Gateway<'_>, seconds: i64) -> Vec<Finding> {
    let routes = gateway.routes.iter();
    let rules = routes
        .flat_map(|route| ["spec.http", "spec.rules"].map(|rules| route.at(rules).items()))
        .flatten();
    let times = rules.flat_map(|rule| {
        let names = ["timeout", "retries.perTryTimeout", "timeouts.request"];
        let mut fields = names.map(|name| rule.at(name)).into_iter();
        fields.find(|field| in_seconds(field).is_some_and(|time| time > seconds))
    });
    times
        .map(|time| {
            time.warning(
                "balancer-timeout",
                format!(
                    "the balancer gives up after {seconds} s, before this route does after {}",
                    time.text().unwrap_or_default()
                ),
                "raise `timeoutSec` of the BackendConfig or GCPBackendPolicy",
            )
        })
        .collect()
}

/// A duration such as `900s`, `15m` or `1h30m`, in whole seconds.
fn in_seconds(field: &Field<'_>) -> Option<i64> {
    let mut rest = field.text()?;
    let mut milliseconds = 0_i64;
    while !rest.is_empty() {
        let digits = rest.find(|c: char| !c.is_ascii_digit())?;
        let number: i64 = rest.get(..digits)?.parse().ok()?;
        let unit = rest.get(digits..)?;
        let unit = unit.get(..unit.find(|c: char| c.is_ascii_digit()).unwrap_or(unit.len()))?;
        let factor = match unit {
            "h" => 3_600_000,
            "m" => 60_000,
            "s" => 1000,
            "ms" => 1,
            _ => return None,
        };
        milliseconds = number.checked_mul(factor)?.checked_add(milliseconds)?;
        rest = rest.get(digits + unit.len()..)?;
    }
    Some(milliseconds / 1000)
}
