//! Which gateways an object applies to.

use std::collections::BTreeMap;

use serde::Serialize;

/// The gateways that a plugin is for, in its own namespace; in Istio's root namespace a selector
/// applies to all namespaces.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Attachment {
    /// Pods with these labels: what a classic gateway, and any other, is found by.
    Selector(BTreeMap<String, String>),
    /// Gateways of the Gateway API, by name. Classic gateways ignore it, and nothing says so.
    Targets(Vec<String>),
}

impl Default for Attachment {
    /// The gateway of Istio's charts.
    fn default() -> Self {
        Self::Selector([("istio".to_owned(), "ingressgateway".to_owned())].into())
    }
}

impl Attachment {
    /// In words.
    pub(super) fn describe(&self) -> String {
        match self {
            Self::Selector(labels) => {
                let labels: Vec<String> =
                    labels.iter().map(|(key, value)| format!("{key}={value}")).collect();
                format!("pods with {}", labels.join(","))
            }
            Self::Targets(names) => format!("the Gateway {}", names.join(", ")),
        }
    }

    pub(super) fn selector(&self) -> Option<Selector<'_>> {
        match self {
            Self::Selector(labels) => Some(Selector { match_labels: labels }),
            Self::Targets(_) => None,
        }
    }

    pub(super) fn target_refs(&self) -> Option<Vec<TargetRef<'_>>> {
        match self {
            Self::Selector(_) => None,
            Self::Targets(names) => {
                let group = "gateway.networking.k8s.io";
                Some(names.iter().map(|name| TargetRef { group, kind: "Gateway", name }).collect())
            }
        }
    }
}

/// `WorkloadSelector` as the kinds of `extensions.istio.io` have it.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Selector<'a> {
    match_labels: &'a BTreeMap<String, String>,
}

/// `PolicyTargetReference`.
#[derive(Serialize)]
pub(super) struct TargetRef<'a> {
    group: &'static str,
    kind: &'static str,
    name: &'a str,
}
