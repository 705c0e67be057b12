//! The policies that objects embed, judged as the filter will judge them.

use std::sync::Arc;

use gatepost_authoring::{Configuration, Diagnostic, Source};

use crate::cluster::Cluster;
use crate::finding::Finding;
use crate::object::Object;
use crate::plugin::{NAME_LABEL, Plugin};

/// Kinds that embed policies, each with its group.
const KINDS: [(&str, &str); 4] = [
    ("extensions.istio.io", "WasmPlugin"),
    ("extensions.istio.io", "TrafficExtension"),
    ("networking.istio.io", "EnvoyFilter"),
    ("", "ConfigMap"),
];

pub(super) fn find(cluster: &Cluster<'_>, findings: &mut Vec<Finding>) {
    for (group, kind) in KINDS {
        for object in cluster.objects(group, kind) {
            judge(object, findings);
        }
    }
}

/// Plugins with another policy than any of those that were given with the manifests, where one of
/// these is in no plugin. Otherwise the plugins may be another team's.
pub(super) fn find_others(cluster: &Cluster<'_>, wanted: &[u64], findings: &mut Vec<Finding>) {
    let of_plugin = |plugin: &Plugin<'_>| Some(plugin.policy.as_ref()?.policy.fingerprint());
    let known: Vec<u64> = cluster.plugins.iter().filter_map(of_plugin).collect();
    if wanted.iter().all(|wanted| known.contains(wanted)) {
        return;
    }
    for plugin in &cluster.plugins {
        let Some(document) = &plugin.policy else { continue };
        if !wanted.contains(&document.policy.fingerprint()) {
            findings.push(document.root.warning(
                "policy-differs",
                format!("the policy of {} is another one than was given", plugin.name()),
                "render the object anew: `gatepost render` takes the policy as it is now",
            ));
        }
    }
}

fn judge(object: &Object, findings: &mut Vec<Finding>) {
    let manifest = object.manifest();
    let is_labelled = object.label(NAME_LABEL).is("gatepost") && manifest.may_hold_policy();
    let mut configurations = manifest.configurations().iter();
    if !is_labelled && !configurations.any(Configuration::is_policy) {
        return;
    }
    let mut add = |source: &Arc<Source>, diagnostics: Vec<Diagnostic>| {
        let of_source = |diagnostic| Finding { source: Arc::clone(source), diagnostic };
        findings.extend(diagnostics.into_iter().map(of_source));
    };
    match manifest.into_policies() {
        Ok(configurations) => {
            for configuration in configurations {
                match configuration.judge() {
                    Ok(file) => add(&file.source, file.warnings),
                    Err(report) => add(&report.source, report.diagnostics),
                }
            }
        }
        Err(report) => add(&report.source, report.diagnostics),
    }
}
