//! What `istioctl analyze` finds.

use std::collections::BTreeSet;

use gatepost_testbed::mesh::Mesh;
use serde_json::Value;

use crate::root;

/// Each finding of `istioctl analyze` is explained in the README, by its code.
pub fn is_explained(mesh: &mut Mesh, readme: &str) {
    // It fails when it finds something.
    let analyze = "istioctl analyze --all-namespaces --output json 2>/dev/null || true";
    let printed = mesh.shell(analyze, &root()).unwrap();
    // Its log is in front of what it found.
    let json = printed.split_inclusive('\n').skip_while(|line| !line.starts_with('['));
    let found = serde_json::from_str(&json.collect::<String>());
    let found: Value = found.unwrap_or_else(|_| panic!("{printed}"));
    let findings = found.as_array().unwrap();
    let unexplained: BTreeSet<String> = findings
        .iter()
        .filter(|finding| !readme.contains(finding["code"].as_str().unwrap_or("?")))
        .map(Value::to_string)
        .collect();
    assert!(unexplained.is_empty(), "{unexplained:#?}");
}
