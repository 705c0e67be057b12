//! What a policy and the objects around it will not do together. Each file finds the mistakes of
//! one subject. A finding is made where the manifests show the mistake, and never because an object
//! is absent that may be in the cluster.

mod agent;
mod attachment;
mod binding;
mod certificates;
mod conflicts;
mod fields;
mod forgery;
mod health;
mod ingress;
mod knative;
mod listeners;
mod merging;
mod mesh;
mod module;
mod neg;
mod policies;
mod probes;
mod service_ports;
mod sources;
mod timeouts;
mod unserved;

use std::sync::Arc;

use gatepost_authoring::tree::Node;
use gatepost_authoring::{Diagnostic, PolicyFile, Report, Source};

use crate::cluster::Cluster;
use crate::finding::{Finding, reports};
use crate::policy::{PolicyDocument, PolicyTree};
use crate::read::Manifests;

/// Findings of one subject.
type Find = fn(&Cluster<'_>, &mut Vec<Finding>);

/// Everything but the policies themselves.
const SUBJECTS: [Find; 20] = [
    attachment::find,
    conflicts::find,
    module::find,
    ingress::find,
    neg::find,
    listeners::find,
    agent::find,
    health::find,
    probes::find,
    certificates::find,
    timeouts::find,
    sources::find,
    knative::find,
    binding::find,
    merging::find,
    forgery::find,
    service_ports::find,
    unserved::find,
    mesh::find,
    fields::find,
];

/// What is wrong with manifests, and with policies that are to run among them: a report for each
/// file that has findings, and the errors of files as text. Policies that the manifests embed are
/// taken from there, and `policies` where they embed none.
///
/// A kustomization is only reported: its folder holds patches, and no finished objects.
#[must_use]
pub fn judge(manifests: &Manifests, policies: &[PolicyFile]) -> Vec<Report> {
    let mut findings = Vec::new();
    fields::find_kustomizations(manifests, &mut findings);
    if findings.is_empty() {
        let trees: Vec<PolicyTree> = policies.iter().map(PolicyTree::new).collect();
        let given: Vec<_> = trees.iter().filter_map(PolicyDocument::of).collect();
        let wanted: Vec<u64> = given.iter().map(|given| given.policy.fingerprint()).collect();
        let cluster = Cluster::new(manifests, given);
        policies::find(&cluster, &mut findings);
        policies::find_others(&cluster, &wanted, &mut findings);
        SUBJECTS.iter().for_each(|find| find(&cluster, &mut findings));
    }
    manifests.errors.iter().cloned().chain(reports(findings)).collect()
}

/// What is wrong with one object by itself, but for the policies that it embeds: what a plugin is
/// attached to, how its module comes. For those who judge its policies anyhow.
#[must_use]
pub fn judge_object(source: Arc<Source>, object: Node) -> Vec<Diagnostic> {
    let manifests = Manifests::of(source, object);
    let cluster = Cluster::new(&manifests, Vec::new());
    let mut findings = Vec::new();
    SUBJECTS.iter().for_each(|find| find(&cluster, &mut findings));
    reports(findings).into_iter().flat_map(|report| report.diagnostics).collect()
}
