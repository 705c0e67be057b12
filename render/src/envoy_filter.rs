//! The frame of Istio's EnvoyFilter: which pods, and a list of patches. What is patched, and where,
//! differs from one use to the next.

use std::collections::BTreeMap;

use serde::Serialize;

/// `istio.networking.v1alpha3.EnvoyFilter`, whose patches have places of one kind (`M`) and values
/// of one kind (`V`).
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct EnvoyFilter<'a, M, V> {
    pub workload_selector: WorkloadSelector<'a>,
    pub config_patches: Vec<ConfigPatch<M, V>>,
}

/// The pods, by their labels.
#[derive(Serialize)]
pub(crate) struct WorkloadSelector<'a> {
    pub labels: BTreeMap<&'a str, &'a str>,
}

/// One patch.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct ConfigPatch<M, V> {
    pub apply_to: &'static str,
    #[serde(rename = "match")]
    pub matching: M,
    pub patch: Patch<V>,
}

/// What a patch does.
#[derive(Serialize)]
pub(crate) struct Patch<V> {
    pub operation: &'static str,
    pub value: V,
}
