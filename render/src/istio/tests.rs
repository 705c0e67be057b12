use super::*;
use crate::{FailurePolicy, RenderError, Rendered};

const POLICY: &str = r#"{"apiVersion":"gatepost/v1","strip":["no","x-on"],"hosts":{
    "private":["*.svc"],
    "mappings":[{"host":"{service}.mesh","authority":"{service}.default.svc"}]
}}"#;

fn plugin(module: &ModuleSource) -> Plugin<'_> {
    Plugin {
        name: "gatepost",
        namespace: "istio-system",
        attachment: Attachment::default(),
        ports: &[8080, 8443],
        module,
        pull_secret: None,
        phase: Phase::Authn,
        priority: None,
        on_failure: FailurePolicy::Reload,
        policy: POLICY,
        istio: IstioVersion::default(),
    }
}

fn file() -> ModuleSource {
    ModuleSource::File("/var/lib/gatepost/filter.wasm".to_owned())
}

fn image() -> ModuleSource {
    let digest = "0123456789abcdef".repeat(4);
    ModuleSource::image(&format!("registry.example/gatepost@sha256:{digest}")).expect("valid")
}

/// A reader that knows nothing of comments and of YAML's other ways to write a text.
fn read(rendered: &Rendered) -> serde_json::Value {
    serde_saphyr::from_str(&rendered.text).expect("YAML")
}

#[test]
fn a_wasm_plugin_from_a_file() {
    insta::assert_snapshot!(plugin(&file()).wasm_plugin().unwrap().text);
}

#[test]
fn a_traffic_extension_for_a_gateway_of_the_gateway_api() {
    let image = image();
    let plugin = Plugin {
        attachment: Attachment::Targets(vec!["public".to_owned()]),
        ports: &[],
        pull_secret: Some("registry"),
        priority: Some(10),
        on_failure: FailurePolicy::Closed,
        ..plugin(&image)
    };
    insta::assert_snapshot!(plugin.traffic_extension().unwrap().text);
}

#[test]
fn an_envoy_filter_that_is_discovered() {
    insta::assert_snapshot!(plugin(&image()).envoy_filter(Insertion::Discovered).unwrap().text);
}

#[test]
fn an_envoy_filter_inside_the_listener() {
    let file = file();
    let plugin = Plugin { ports: &[], ..plugin(&file) };
    insta::assert_snapshot!(plugin.envoy_filter(Insertion::Inline).unwrap().text);
}

#[test]
fn every_kind_holds_the_policy_as_it_is() {
    let policy: serde_json::Value = serde_json::from_str(POLICY).expect("JSON");
    let (file, image) = (file(), image());
    let wasm_plugin = read(&plugin(&file).wasm_plugin().unwrap());
    assert_eq!(wasm_plugin["spec"]["pluginConfig"], policy);
    let traffic_extension = read(&plugin(&file).traffic_extension().unwrap());
    assert_eq!(traffic_extension["spec"]["wasm"]["pluginConfig"], policy);
    let discovered = read(&plugin(&image).envoy_filter(Insertion::Discovered).unwrap());
    let patches = discovered["spec"]["configPatches"].as_array().expect("a list");
    assert_eq!(patches.len(), 3, "two listeners and the resource");
    let config = &patches[2]["patch"]["value"]["typed_config"]["config"];
    let text = config["configuration"]["value"].as_str().expect("a text");
    let value: serde_json::Value = serde_json::from_str(text).expect("JSON");
    assert_eq!(value, policy);
}

#[test]
fn the_same_description_gives_the_same_text() {
    let image = image();
    assert_eq!(plugin(&image).wasm_plugin(), plugin(&image).wasm_plugin());
}

#[test]
fn a_module_that_was_not_chosen_cannot_be_overlooked() {
    let missing = ModuleSource::Missing;
    let each = [
        plugin(&missing).wasm_plugin(),
        plugin(&missing).traffic_extension(),
        plugin(&missing).envoy_filter(Insertion::Discovered),
    ];
    for rendered in each {
        let rendered = rendered.unwrap();
        assert!(rendered.text.contains("REPLACE ME"), "{}", rendered.text);
        assert!(rendered.notes[0].contains("give --image, --url or --file"), "{rendered:?}");
        // The API server refuses a label with a blank in it.
        assert_eq!(read(&rendered)["metadata"]["labels"]["gatepost/placeholder"], "REPLACE ME");
    }
}

#[test]
fn what_a_release_of_istio_does_not_have_is_refused() {
    let file = file();
    let old = "1.26".parse().expect("a version");
    let error = Plugin { istio: old, ..plugin(&file) }.wasm_plugin().unwrap_err();
    assert_eq!(error.to_string(), "FAIL_RELOAD needs Istio 1.27 or newer, and this is for 1.26");
    let closed = Plugin { istio: old, on_failure: FailurePolicy::Closed, ..plugin(&file) };
    assert!(closed.wasm_plugin().is_ok());
    let error = closed.traffic_extension().unwrap_err().to_string();
    assert_eq!(error, "TrafficExtension needs Istio 1.30 or newer, and this is for 1.26");
}

#[test]
fn what_an_envoy_filter_cannot_say_is_refused() {
    let (file, image) = (file(), image());
    let inline = plugin(&image).envoy_filter(Insertion::Inline);
    assert_eq!(inline, Err(RenderError::InlineNeedsFile));
    let secret = Plugin { pull_secret: Some("registry"), ..plugin(&image) };
    let refused = secret.envoy_filter(Insertion::Discovered);
    assert_eq!(refused, Err(RenderError::EnvoyFilterPullSecret));
    let two = Attachment::Targets(vec!["a".to_owned(), "b".to_owned()]);
    let two = Plugin { attachment: two, ..plugin(&file) };
    assert_eq!(two.envoy_filter(Insertion::Inline), Err(RenderError::EnvoyFilterTargets));
}

#[test]
fn a_plugin_that_fails_open_says_so() {
    let file = file();
    let open = Plugin { on_failure: FailurePolicy::Open, ..plugin(&file) };
    let rendered = open.wasm_plugin().unwrap();
    assert!(rendered.notes[0].starts_with("FAIL_OPEN lets every request pass"), "{rendered:?}");
    assert!(rendered.text.contains("UNSAFE"), "{}", rendered.text);
}

#[test]
fn a_large_policy_names_its_way_into_the_cluster() {
    let mappings = |count: usize| {
        let mapping = |number| format!(r#"{{"host":"h{number:05}.example","authority":"a.b"}}"#);
        let mappings: Vec<String> = (0..count).map(mapping).collect();
        format!(r#"{{"apiVersion":"gatepost/v1","hosts":{{"mappings":[{}]}}}}"#, mappings.join(","))
    };
    let file = file();
    let of_size = |policy: &str| Plugin { policy, ..plugin(&file) }.wasm_plugin();
    assert!(of_size(&mappings(1000)).unwrap().notes.is_empty());
    let rendered = of_size(&mappings(10_000)).unwrap();
    assert!(rendered.notes[0].ends_with("use `kubectl apply --server-side`"), "{rendered:?}");
    let error = of_size(&mappings(40_000)).unwrap_err();
    assert!(matches!(error, RenderError::TooLarge { .. }), "{error}");
}
