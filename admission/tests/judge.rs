//! What is denied, what is warned of, and what is let through.

use gatepost_admission::{Judge, Judged, Ours, Verdict};
use serde_json::{Value, json};

fn review(operation: &str, object: &Value, old: &Value) -> Vec<u8> {
    json!({
        "apiVersion": "admission.k8s.io/v1", "kind": "AdmissionReview",
        "request": {
            "uid": "f0b2", "operation": operation, "namespace": "edge", "name": "gatepost",
            "dryRun": false, "object": object, "oldObject": old,
        },
    })
    .to_string()
    .into_bytes()
}

fn judge(ours: &[&str], review: &[u8]) -> Judged {
    let urls: Vec<String> = ours.iter().map(|url| (*url).to_owned()).collect();
    Judge::new(Ours::new(&urls, &[], &[])).review(review).expect("a review")
}

fn created(object: &Value) -> Judged {
    judge(&[], &review("CREATE", object, &Value::Null))
}

fn response(judged: &Judged) -> Value {
    let answer: Value = serde_json::from_str(&judged.response).expect("JSON");
    assert_eq!(answer["apiVersion"], "admission.k8s.io/v1");
    assert_eq!(answer["response"]["uid"], "f0b2");
    answer["response"].clone()
}

fn message(judged: &Judged) -> String {
    assert_eq!(judged.verdict, Verdict::Denied, "{judged:?}");
    let response = response(judged);
    assert_eq!(response["allowed"], false);
    response["status"]["message"].as_str().expect("a message").to_owned()
}

fn plugin(policy: &Value) -> Value {
    json!({
        "apiVersion": "extensions.istio.io/v1alpha1", "kind": "WasmPlugin",
        "metadata": { "name": "gatepost", "namespace": "edge" },
        "spec": {
            "selector": { "matchLabels": { "istio": "ingressgateway" } },
            "url": "oci://registry.example/gatepost:1",
            "sha256": "aa".repeat(32),
            "pluginConfig": policy,
        },
    })
}

fn good() -> Value {
    json!({ "apiVersion": "gatepost/v1", "hosts": { "port": "strip" } })
}

fn bad() -> Value {
    json!({ "apiVersion": "gatepost/v1", "hosts": { "unmaped": "reject", "port": 80 } })
}

fn labelled(mut object: Value) -> Value {
    object["metadata"]["labels"] = json!({ "app.kubernetes.io/name": "gatepost" });
    object
}

/// An EnvoyFilter that brings a wasm filter with this configuration.
fn envoy_filter(configuration: &Value) -> Value {
    json!({
        "apiVersion": "networking.istio.io/v1alpha3", "kind": "EnvoyFilter",
        "metadata": { "name": "gatepost", "namespace": "edge" },
        "spec": { "configPatches": [{ "applyTo": "HTTP_FILTER", "patch": {
            "operation": "INSERT_FIRST",
            "value": { "name": "gatepost", "typed_config": {
                "@type": "type.googleapis.com/envoy.extensions.filters.http.wasm.v3.Wasm",
                "config": {
                    "name": "edge.gatepost",
                    "vm_config": { "code": { "remote": {
                        "http_uri": { "uri": "oci://registry.example/gatepost:1" },
                        "sha256": "aa",
                    } } },
                    "configuration": configuration,
                },
            } },
        } }] },
    })
}

fn text(policy: &str) -> Value {
    json!({ "@type": "type.googleapis.com/google.protobuf.StringValue", "value": policy })
}

fn config_map(key: &str, content: &str) -> Value {
    json!({
        "apiVersion": "v1", "kind": "ConfigMap",
        "metadata": { "name": "gatepost", "namespace": "edge" },
        "data": { key: content },
    })
}

#[test]
fn a_bad_policy_is_denied_with_every_error_its_path_and_what_to_do() {
    let judged = created(&plugin(&bad()));
    assert_eq!(
        message(&judged),
        "gatepost finds 2 errors\n\
         error[wrong-type]: expected a string, found the number 80\n  \
         path: spec.pluginConfig.hosts.port\n\
         error[unknown-field]: unknown field `unmaped`\n  \
         path: spec.pluginConfig.hosts.unmaped\n  help: did you mean `unmapped`?"
    );
    let causes = &response(&judged)["status"]["details"]["causes"];
    assert_eq!(causes[1]["field"], "spec.pluginConfig.hosts.unmaped");
    assert_eq!(causes[0]["reason"], "wrong-type");
    assert_eq!(judged.object, "WasmPlugin edge/gatepost");
}

#[test]
fn each_kind_is_judged_where_it_has_its_policy() {
    let extension = |policy: &Value| {
        json!({
            "apiVersion": "extensions.istio.io/v1alpha1", "kind": "TrafficExtension",
            "metadata": { "name": "gatepost" },
            "spec": { "wasm": { "pluginConfig": policy } },
        })
    };
    let filter = |policy: &Value| envoy_filter(&text(&policy.to_string()));
    let map = |policy: &Value| config_map("policy.yaml", &policy.to_string());
    let ecds = |policy: &Value| {
        let resource = envoy_filter(&text(&policy.to_string()));
        let resource = &resource["spec"]["configPatches"][0]["patch"]["value"];
        config_map("ecds.json", &json!({ "resources": [resource] }).to_string())
    };
    for (object, path) in [
        (&plugin as &dyn Fn(&Value) -> Value, "spec.pluginConfig.hosts.unmaped"),
        (&extension, "spec.wasm.pluginConfig.hosts.unmaped"),
        (
            &filter,
            "spec.configPatches[0].patch.value.typed_config.config.configuration.value.hosts.\
             unmaped",
        ),
        (&map, "data[\"policy.yaml\"].hosts.unmaped"),
        (
            &ecds,
            "data[\"ecds.json\"].resources[0].typed_config.config.configuration.value.hosts.\
             unmaped",
        ),
    ] {
        let judged = created(&object(&good()));
        assert_eq!(judged.verdict, Verdict::Allowed, "{judged:?}");
        let said = message(&created(&object(&bad())));
        assert!(said.contains(path), "{said}");
    }
}

#[test]
fn a_text_inside_an_object_has_the_line_of_its_errors() {
    let policy = "# Ours.\napiVersion: gatepost/v1\nhosts:\n  unmaped: reject\n";
    let said = message(&created(&config_map("edge.yaml", policy)));
    assert!(said.contains("`unmaped` (line 4, column 3 of the text there)"), "{said}");
    let broken = "apiVersion: gatepost/v1\nhosts: [\n";
    assert!(message(&created(&config_map("edge.yaml", broken))).contains("error[syntax]"));
}

#[test]
fn a_struct_in_an_envoyfilter_is_denied_because_no_policy_arrives() {
    let configuration =
        json!({ "@type": "type.googleapis.com/google.protobuf.Struct", "value": good() });
    let said = message(&created(&envoy_filter(&configuration)));
    assert!(said.contains("google.protobuf.StringValue"), "{said}");
}

#[test]
fn what_an_author_should_know_is_a_warning() {
    let policy = json!({ "apiVersion": "gatepost/v1", "hosts": { "invalid": "reject" } });
    let judged = created(&plugin(&policy));
    assert_eq!((judged.verdict, judged.warnings), (Verdict::Allowed, 1));
    let response = response(&judged);
    assert_eq!(response["allowed"], true);
    let warning = response["warnings"][0].as_str().expect("a warning");
    assert!(warning.contains("spec.pluginConfig.hosts.invalid"), "{warning}");
    assert!(warning.len() <= 256 && !warning.contains(char::is_control), "{warning:?}");
}

/// As `gatepost check --manifests` finds it in the object alone.
#[test]
fn a_plugin_that_would_do_nothing_is_denied_and_an_unpinned_module_is_a_warning() {
    let mut object = plugin(&good());
    object["spec"]["match"] = json!([{ "mode": "SERVER" }]);
    let judged = created(&object);
    let said = message(&judged);
    assert!(said.contains("error[plugin-mode]") && said.contains("path: spec.match[0].mode"));

    let mut object = plugin(&good());
    object["spec"].as_object_mut().expect("a spec").remove("sha256");
    let warnings = response(&created(&object))["warnings"].to_string();
    assert!(warnings.contains("gatepost[module-unpinned]: spec.url: "), "{warnings}");

    let mut object = envoy_filter(&text(&good().to_string()));
    let filter = &mut object["spec"]["configPatches"][0]["patch"]["value"]["typed_config"];
    filter["config"]["failure_policy"] = json!("FAIL_OPEN");
    let said = message(&created(&object));
    assert!(said.contains("error[module-fail-open]: without its module EnvoyFilter"), "{said}");

    // Another's plugin is its own affair.
    let mut object = plugin(&json!({ "rules": [] }));
    object["spec"]["match"] = json!([{ "mode": "SERVER" }]);
    assert_eq!(created(&object).verdict, Verdict::Passed);
}

#[test]
fn other_objects_are_let_through_untouched() {
    let mut deployment = labelled(plugin(&bad()));
    deployment["kind"] = json!("Deployment");
    deployment["apiVersion"] = json!("apps/v1");
    for object in [
        plugin(&json!({ "rules": [] })),
        plugin(&Value::Null),
        envoy_filter(&text("{\"rules\": [")),
        config_map("policy.yaml", "package authz\n"),
        config_map("notes.md", "# Notes\n\n```yaml\napiVersion: gatepost/v1\nhosts: [\n```\n"),
        config_map("values.yaml", "image: registry.example/gatepost/v1\n"),
        json!({ "apiVersion": "v1", "kind": "ConfigMap", "metadata": { "name": "empty" } }),
        deployment,
    ] {
        let judged = created(&object);
        assert_eq!(judged.verdict, Verdict::Passed, "{object} {judged:?}");
        assert_eq!(response(&judged), json!({ "uid": "f0b2", "allowed": true }));
    }
}

#[test]
fn a_labelled_object_without_a_readable_policy_is_denied() {
    let mut without = plugin(&Value::Null);
    without["spec"].as_object_mut().expect("a spec").remove("pluginConfig");
    for (object, why) in [
        (plugin(&json!({ "hosts": {} })), "apiVersion"),
        (plugin(&Value::Null), "empty document"),
        (without, "no `spec.pluginConfig`"),
        (envoy_filter(&text("{\"hosts\": [")), "not valid JSON"),
        (envoy_filter(&json!(null)), "only a policy in a StringValue can be read"),
        (config_map("notes.md", "nothing"), "no key in the `data`"),
        (config_map("policy.yaml", "hosts: {}\n"), "apiVersion"),
    ] {
        let said = message(&created(&labelled(object)));
        assert!(said.contains(why), "{said}");
    }
}

#[test]
fn labelled_objects_that_never_hold_a_policy_pass() {
    let module = json!({
        "apiVersion": "v1", "kind": "ConfigMap", "metadata": { "name": "gatepost-filter" },
        "binaryData": { "filter.wasm": "AGFzbQ==" },
    });
    let mut routes = envoy_filter(&Value::Null);
    routes["spec"]["configPatches"] =
        json!([{ "applyTo": "VIRTUAL_HOST", "patch": { "operation": "ADD", "value": {} } }]);
    for object in [module, routes] {
        assert_eq!(created(&labelled(object)).verdict, Verdict::Passed);
    }
}

#[test]
fn a_plugin_that_the_operator_lists_needs_a_policy() {
    let ours = ["oci://registry.example/gatepost"];
    for (object, why) in [
        (plugin(&json!({ "hosts": {} })), "apiVersion"),
        (envoy_filter(&text("{")), "not valid JSON"),
    ] {
        let review = review("CREATE", &object, &Value::Null);
        assert_eq!(judge(&[], &review).verdict, Verdict::Passed);
        let said = message(&judge(&ours, &review));
        assert!(said.contains(why), "{said}");
    }
}

#[test]
fn what_is_deleted_or_only_changes_its_metadata_is_never_held_up() {
    let broken = plugin(&bad());
    let judged = |operation: &str, object: &Value, old: &Value| {
        judge(&[], &review(operation, object, old)).verdict
    };
    assert_eq!(judged("DELETE", &Value::Null, &broken), Verdict::Passed);
    assert_eq!(judged("CONNECT", &broken, &Value::Null), Verdict::Passed);

    let mut changed = broken.clone();
    changed["metadata"]["finalizers"] = json!(["example.com/x"]);
    changed["status"] = json!({ "observedGeneration": 1 });
    assert_eq!(judged("UPDATE", &changed, &broken), Verdict::Passed);
    changed["spec"]["url"] = json!("oci://registry.example/gatepost:2");
    assert_eq!(judged("UPDATE", &changed, &broken), Verdict::Denied);
    changed["metadata"]["deletionTimestamp"] = json!("2026-11-30T00:00:00Z");
    assert_eq!(judged("UPDATE", &changed, &broken), Verdict::Passed);
}

#[test]
fn a_status_is_not_the_object() {
    let mut review: Value =
        serde_json::from_slice(&review("UPDATE", &plugin(&bad()), &plugin(&good()))).expect("JSON");
    review["request"]["subResource"] = json!("status");
    assert_eq!(judge(&[], review.to_string().as_bytes()).verdict, Verdict::Passed);
}

#[test]
fn an_object_that_has_no_name_yet_is_called_by_what_its_name_begins_with() {
    let mut object = plugin(&bad());
    object["metadata"] = json!({ "generateName": "gatepost-" });
    let mut review: Value =
        serde_json::from_slice(&review("CREATE", &object, &Value::Null)).expect("JSON");
    review["request"]["name"] = json!("");
    let judged = judge(&[], review.to_string().as_bytes());
    assert_eq!((judged.verdict, &*judged.object), (Verdict::Denied, "WasmPlugin edge/gatepost-"));
}

/// Istio calls a plugin by the namespace and the name of its object, so Envoy does, too.
#[test]
fn a_listed_name_is_that_of_the_object_or_the_plugins_own() {
    let unversioned = json!({ "hosts": {} });
    let extension = json!({
        "apiVersion": "extensions.istio.io/v1alpha1", "kind": "TrafficExtension",
        "metadata": { "name": "gatepost" }, "spec": { "wasm": { "pluginConfig": unversioned } },
    });
    let mut named = plugin(&unversioned);
    named["spec"]["pluginName"] = json!("own");
    let judged = |name: &str, object: &Value| {
        let ours = Ours::new(&[], &[], &[name.to_owned()]);
        Judge::new(ours).review(&review("CREATE", object, &Value::Null)).expect("a review").verdict
    };
    for (name, object, expected) in [
        ("edge.gatepost", &plugin(&unversioned), Verdict::Denied),
        ("edge.gatepost", &extension, Verdict::Denied),
        ("edge.gatepost", &envoy_filter(&text("{}")), Verdict::Denied),
        ("own", &named, Verdict::Denied),
        ("gatepost", &plugin(&unversioned), Verdict::Passed),
        ("other.gatepost", &plugin(&unversioned), Verdict::Passed),
        ("edge.gatepost", &config_map("policy.yaml", "hosts: {}\n"), Verdict::Passed),
    ] {
        assert_eq!(judged(name, object), expected, "{name}: {object}");
    }
}

#[test]
fn a_policy_that_cannot_be_read_is_one_wherever_its_version_is() {
    let broken = "mode: observe\napiVersion: gatepost/v1\nhosts: [\n";
    let said = message(&created(&config_map("policy.yaml", broken)));
    assert!(said.contains("error[syntax]"), "{said}");
}

#[test]
fn a_page_that_quotes_a_policy_in_its_first_line_passes() {
    let page = "Begin with `apiVersion: gatepost/v1`: then [go on.\n";
    assert_eq!(created(&config_map("README.md", page)).verdict, Verdict::Passed);
}

#[test]
fn an_error_about_a_long_name_is_shown() {
    let name = "x".repeat(200_000);
    let policy = json!({ "apiVersion": "gatepost/v1", name: {} });
    let judged = created(&plugin(&policy));
    let said = message(&judged);
    assert!(said.contains("error[unknown-field]") && said.len() < 70_000, "{}", said.len());
    assert!(judged.why.is_some());
}
