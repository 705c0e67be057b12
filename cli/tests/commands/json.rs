//! Output for programs is JSON on standard output, with and without colours. The `.trycmd` sessions
//! show its shape; here it is parsed.

use serde_json::{Value, json};

use super::gatepost;

/// What the command writes, parsed, and its exit code.
fn parsed(arguments: &[&str]) -> (Value, Option<i32>) {
    let ended = gatepost(arguments).env("CLICOLOR_FORCE", "1").output().expect("it can be started");
    assert!(ended.stdout.ends_with(b"}\n"), "{arguments:?}");
    (serde_json::from_slice(&ended.stdout).expect("JSON"), ended.status.code())
}

#[test]
fn findings_have_their_place_their_path_and_their_help() {
    let (found, code) = parsed(&[
        "check",
        "--format",
        "json",
        "policies/bad/wrong-type.yaml",
        "policies/shop/policy.yaml",
    ]);
    assert_eq!(code, Some(1));
    assert_eq!(found["version"], "gatepost.check/v1");
    assert_eq!(
        found["files"],
        json!(["policies/bad/wrong-type.yaml", "policies/shop/policy.yaml"])
    );
    let first = json!({
        "severity": "error", "code": "wrong-type", "file": "policies/bad/wrong-type.yaml",
        "line": 2, "column": 8, "endLine": 2, "endColumn": 18,
        "path": "strip", "help": "write `[x-internal]`",
        "message": "expected a list, found the string \"x-internal\"",
    });
    assert_eq!(found["diagnostics"][0], first);
}

#[test]
fn a_failed_case_has_its_line_and_its_differences() {
    let (results, code) = parsed(&["test", "--format", "json", "policies/failing"]);
    assert_eq!(code, Some(1));
    assert_eq!(
        (&results["version"], &results["passed"], &results["failed"]),
        (&json!("gatepost.test/v2"), &json!(0), &json!(6))
    );
    let first = json!({
        "name": "a host without a mapping keeps its name", "line": 3, "passed": false,
        "diagnostics": [{
            "severity": "error", "code": "mismatch", "file": "policies/failing/tests.yaml",
            "line": 3, "column": 9, "endLine": 3, "endColumn": 48, "path": null,
            "message": "header x-forwarded-host", "expected": "\"other.test\"", "found": "none",
            "help": null,
        }],
    });
    assert_eq!(results["suites"][0]["cases"][0], first);
}

#[test]
fn a_reply_is_explained_with_its_body() {
    let (explained, code) = parsed(&[
        "explain",
        "--json",
        "--policy",
        "policies/observe/policy.yaml",
        "GET",
        "db.svc.cluster.local",
    ]);
    assert_eq!(code, Some(0));
    assert_eq!(
        (&explained["mode"], &explained["decision"]["body"]),
        (&json!("observe"), &json!("not found\n"))
    );
}

#[test]
fn a_bootstrap_holds_the_policy_as_the_filters_configuration() {
    let route = [
        "--listen",
        "127.0.0.1:8080",
        "--route",
        "*=127.0.0.1:9001",
        "--policy",
        "policies/json/policy.json",
    ];
    let (by_name, code) =
        parsed(&[&["render", "envoy", "--wasm", "/etc/gatepost/filter.wasm"], &route[..]].concat());
    assert_eq!(code, Some(0));
    let filter = "/static_resources/listeners/0/filter_chains/0/filters/0/typed_config\
                  /http_filters/0/typed_config/config";
    let configuration = by_name.pointer(filter).expect("the filter")["configuration"]["value"]
        .as_str()
        .expect("text");
    let policy = json!({
        "apiVersion": "gatepost/v1",
        "hosts": { "mappings": [{ "host": "shop.test", "authority": "shop.default.example" }] },
    });
    assert_eq!(serde_json::from_str::<Value>(configuration).expect("JSON"), policy);

    let (inline, code) = parsed(&[&["render", "envoy"], &route[..]].concat());
    assert_eq!(code, Some(0));
    let code = inline.pointer(filter).expect("the filter")["vm_config"]["code"]["local"].clone();
    let module = code["inline_bytes"].as_str().expect("the module as base64");
    assert!(module.starts_with("AGFzbQ"), "the first bytes are \\0asm");
    assert_eq!(module.len(), gatepost_filter_wasm::MODULE.len().div_ceil(3) * 4);
}
