//! The verdict on a review.

use std::sync::Arc;

use gatepost_authoring::{Configuration, Diagnostic, Manifest, Severity, Source};
use gatepost_manifests::judge_object;
use serde_json::value::RawValue;

use crate::object::{Head, is_same_but_for_metadata, tree};
use crate::ours::{LABEL, Ours};
use crate::review::{Operation, Request, ReviewError, answer};
use crate::wording::{denial, printable, warnings};

/// The API group of the objects that are plugins.
const PLUGINS: &str = "extensions.istio.io";

/// Kinds that can hold a policy, with their API groups.
const KINDS: [(&str, &str); 4] = [
    (PLUGINS, "WasmPlugin"),
    (PLUGINS, "TrafficExtension"),
    ("networking.istio.io", "EnvoyFilter"),
    ("", "ConfigMap"),
];

/// Judges reviews.
#[derive(Clone, Debug, Default)]
pub struct Judge {
    ours: Ours,
}

/// What is said to a review.
#[derive(Debug)]
pub struct Judged {
    /// The AdmissionReview that answers, as JSON.
    pub response: String,
    /// The verdict.
    pub verdict: Verdict,
    /// How many warnings there are.
    pub warnings: usize,
    /// Which object, for the log.
    pub object: String,
    /// Why it is denied, for the log: the first error.
    pub why: Option<String>,
}

/// A verdict.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Verdict {
    /// The object is Gatepost's, and good.
    Allowed,
    /// The object is Gatepost's, and bad.
    Denied,
    /// The object is not Gatepost's, or nothing that the filter gets changes.
    Passed,
}

/// What was found in an object of Gatepost's.
enum Found {
    Errors(Vec<Diagnostic>),
    Warnings(Vec<Diagnostic>),
}

impl Judge {
    /// A judge that knows which plugins are Gatepost's.
    #[must_use]
    pub fn new(ours: Ours) -> Self {
        Self { ours }
    }

    /// Judges an AdmissionReview.
    ///
    /// # Errors
    /// When it is none.
    pub fn review(&self, body: &[u8]) -> Result<Judged, ReviewError> {
        let request = Request::read(body)?;
        let (found, object) = self.request(&request);
        let (verdict, denied, warned) = match found {
            None => (Verdict::Passed, None, Vec::new()),
            Some(Found::Warnings(found)) => (Verdict::Allowed, None, warnings(&found)),
            Some(Found::Errors(errors)) => (Verdict::Denied, Some(denial(&errors)), Vec::new()),
        };
        let response = answer(&request.uid, denied.as_ref(), &warned)?;
        let first = denied.and_then(|denied| denied.causes.into_iter().next());
        let why = first.map(|cause| format!("{}: {}", cause.field, cause.message));
        Ok(Judged { response, verdict, warnings: warned.len(), object, why })
    }

    /// What is found in the object of a request, if it is Gatepost's, and its name.
    fn request(&self, request: &Request<'_>) -> (Option<Found>, String) {
        let is_whole = request.sub_resource.is_empty() && request.operation != Operation::Other;
        let (true, Some(object)) = (is_whole, request.object) else {
            return (None, String::new());
        };
        let Ok(head) = Head::read(object) else {
            // What has no metadata of an object's is not stored by any API server.
            return (self.unreadable(object, "it is no object"), String::new());
        };
        let name = if request.name.is_empty() { head.name() } else { &request.name };
        let group = head.api_version.split_once('/').map_or("", |(group, _)| group);
        // Istio names plugins so for Envoy.
        let is_listed =
            group == PLUGINS && self.ours.has_name(&format!("{}.{name}", request.namespace));
        let name = printable(&format!("{} {}/{name}", head.kind, request.namespace));
        let is_read = KINDS.contains(&(group, head.kind.as_str()));
        // What is being deleted must end, and a change of finalizers lets it.
        let is_ending = head.metadata.deletion_timestamp.is_some();
        let is_same = request.operation == Operation::Update
            && request.old_object.is_some_and(|old| is_same_but_for_metadata(object, old));
        if !is_read || is_ending || is_same {
            return (None, name);
        }
        (self.object(object, &head, is_listed), name)
    }

    fn object(&self, object: &RawValue, head: &Head, is_listed: bool) -> Option<Found> {
        let is_labelled = head.has_label(LABEL.0, LABEL.1);
        let root = match tree(object) {
            Ok(root) => root,
            Err(error) if is_labelled || is_listed => return Some(unread(&error.to_string())),
            Err(error) => return self.unreadable(object, &error.to_string()),
        };
        // What brings a filter can be wrong beside its policy.
        let alone = (head.kind != "ConfigMap").then(|| root.clone());
        let manifest = Manifest::of(Source::new("object.json", ""), root);
        let is_ours =
            |found: &Configuration| is_listed || found.is_policy() || self.ours.has(found.plugin());
        let is_any_ours = manifest.configurations().iter().any(is_ours);
        let configurations = if is_any_ours {
            let mut configurations = manifest.into_configurations();
            configurations.retain(is_ours);
            configurations
        } else if is_labelled && manifest.may_hold_policy() {
            match manifest.into_policies() {
                Ok(configurations) => configurations,
                Err(report) => return Some(Found::Errors(report.diagnostics)),
            }
        } else {
            return None;
        };
        let (mut errors, mut warnings) = (Vec::new(), Vec::new());
        for configuration in configurations {
            match configuration.judge() {
                Ok(policy) => warnings.extend(policy.warnings),
                Err(report) => errors.extend(report.diagnostics),
            }
        }
        // Several policies inside one text share its errors.
        errors.dedup();
        let alone = alone.map(|root| judge_object(Arc::new(Source::new("object.json", "")), root));
        for finding in alone.into_iter().flatten() {
            match finding.severity {
                Severity::Error => errors.push(finding),
                Severity::Warning => warnings.push(finding),
            }
        }
        Some(if errors.is_empty() { Found::Warnings(warnings) } else { Found::Errors(errors) })
    }

    /// An object that cannot be read is Gatepost's when its text has what would make it so.
    fn unreadable(&self, object: &RawValue, why: &str) -> Option<Found> {
        let text = object.get();
        let is_ours =
            text.contains("gatepost/") || self.ours.words().any(|word| text.contains(word));
        is_ours.then(|| unread(why))
    }
}

fn unread(why: &str) -> Found {
    let error = Diagnostic::error("unreadable", format!("the object cannot be read: {why}"));
    Found::Errors(vec![error.with_help(Some("a policy needs no such object".to_owned()))])
}
