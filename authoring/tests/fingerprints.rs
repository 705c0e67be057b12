//! The fingerprints of policy files: the shipped policies have the numbers that they always had, a
//! file's form does not count, and every mutant that decides otherwise has another number.

use gatepost_authoring::PolicyFile;
use gatepost_authoring::mutants::{Mutant, mutants};
use gatepost_engine::compile_json;
use serde_json::Value;
use std::path::Path;

/// The shipped policies. Gateways show these numbers, so a release that changes one without a
/// change of the policy makes every gateway look as if it had the wrong policy.
const SHIPPED: [(&str, u64); 5] = [
    ("all-in-one", 2_868_484_489_783_947),
    ("asm-grpc-env", 1_906_282_605_457_038),
    ("external-mesh", 4_345_959_378_780_258),
    ("knative-gclb", 75_183_525_858_097),
    ("neg-shared-vpc", 2_000_931_023_396_830),
];

fn read(name: &str) -> PolicyFile {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../policies").join(name);
    PolicyFile::read(&folder.join("policy.yaml")).expect("a good policy")
}

#[test]
fn the_shipped_policies_have_the_fingerprints_that_they_always_had() {
    let found = SHIPPED.map(|(name, _)| (name, read(name).policy.fingerprint()));
    assert_eq!(found, SHIPPED);
}

/// The values of fields that a policy need not write, for they are what it means without.
const DEFAULTS: [(&str, &str); 5] = [
    ("/environments/unknown", "reject"),
    ("/environments/vary", "add"),
    ("/hosts/port", "keep"),
    ("/hosts/unmapped", "pass"),
    ("/hosts/responses", "restore"),
];

#[test]
fn every_mutant_of_a_shipped_policy_has_another_fingerprint() {
    for (name, fingerprint) in SHIPPED {
        let document: Value = serde_json::from_str(&read(name).json).expect("JSON");
        for Mutant { path, change, json } in mutants(&document) {
            let is_default = |(at, value): &(&str, &str)| {
                *at == path && document.pointer(at).is_some_and(|written| written == value)
            };
            let means_the_same = change == "drop the field" && DEFAULTS.iter().any(is_default);
            if let Ok(policy) = compile_json(json.as_bytes()) {
                let is_same = policy.fingerprint() == fingerprint;
                assert_eq!(is_same, means_the_same, "{name}{path}: {change}");
            }
        }
    }
}

#[test]
fn yaml_json_and_a_manifest_around_either_have_one_fingerprint() {
    let yaml = "apiVersion: gatepost/v1
healthChecks:
- name: probe
  match: { path: { exact: /healthz } }
  respond: { status: 204 }
hosts:
  mappings:
  - { host: shop.test, authority: shop.default.example }
";
    let json = r#"{ "hosts": { "mappings": [
        { "authority": "shop.default.example", "host": "shop.test" }
    ] }, "healthChecks": [
        { "respond": { "status": 204.0 }, "name": "probe",
          "match": { "path": { "exact": "/healthz" } } }
    ], "apiVersion": "gatepost/v1" }"#;
    let plugin = format!(
        "apiVersion: extensions.istio.io/v1alpha1
kind: WasmPlugin
metadata: {{ name: gatepost }}
spec:
  url: file:///filter.wasm
  pluginConfig: {json}
"
    );
    let fingerprint = |name: &str, text: &str| {
        PolicyFile::parse(name, text).expect("a good policy").policy.fingerprint()
    };
    let number = fingerprint("policy.yaml", yaml);
    assert_eq!(fingerprint("policy.json", json), number);
    assert_eq!(fingerprint("plugin.yaml", &plugin), number);
}
