//! What this repository ships passes: every object below deploy/ that can hold a policy.

use std::path::{Path, PathBuf};

use gatepost_admission::{Judge, Verdict};
use serde_json::{Value, json};

fn files(folder: &Path) -> Vec<PathBuf> {
    let entries = std::fs::read_dir(folder).expect("a folder");
    let paths = entries.map(|entry| entry.expect("an entry").path());
    paths.flat_map(|path| if path.is_dir() { files(&path) } else { vec![path] }).collect()
}

fn judged(object: &Value) -> Verdict {
    let review = json!({
        "apiVersion": "admission.k8s.io/v1", "kind": "AdmissionReview",
        "request": { "uid": "1", "operation": "CREATE", "object": object },
    });
    let judged = Judge::default().review(review.to_string().as_bytes()).expect("a review");
    assert_ne!(judged.verdict, Verdict::Denied, "{}", judged.response);
    judged.verdict
}

#[test]
fn no_object_of_the_deployments_is_denied() {
    let mut with_policy = 0;
    for path in files(&Path::new(env!("CARGO_MANIFEST_DIR")).join("../deploy")) {
        let is_yaml = path.extension().is_some_and(|extension| extension == "yaml");
        let Ok(text) = std::fs::read_to_string(&path) else { continue };
        // A template is no YAML.
        if !is_yaml || text.contains("{{") {
            continue;
        }
        let name = path.file_name().and_then(|name| name.to_str()).expect("a name");
        let file = json!({ "apiVersion": "v1", "kind": "ConfigMap", "data": { name: &text } });
        // As a kustomization brings files into a ConfigMap: policies, and what Envoy reads.
        let as_file = judged(&file);
        let documents: Vec<Value> = serde_saphyr::from_multiple(&text).expect("YAML");
        let of_objects = documents.iter().map(judged);
        with_policy += of_objects.chain([as_file]).filter(|it| *it == Verdict::Allowed).count();
    }
    assert!(with_policy >= 10, "{with_policy} objects hold a policy");
}
