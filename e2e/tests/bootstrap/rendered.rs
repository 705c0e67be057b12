//! Which rendered bootstraps a real Envoy accepts and refuses.

use std::io::Write;
use std::path::Path;
use std::process::{Command, Output, Stdio};
use std::time::Duration;

use gatepost_render::bootstrap::{Bootstrap, Module, Plugin, PluginSource, Route};
use gatepost_testbed::envoy::process::{Envoy, Options, ProcessError, validate};
use http::Version;

use crate::support::{Upstream, bootstrap, gate, get, plugin, routes, start};

/// gate.wat with a custom section, which the VM ignores and which makes it as large as a real
/// filter.
fn large_gate() -> Vec<u8> {
    let mut module = gate();
    let content: Vec<u8> =
        (0..128 * 1024_u32).map(|n| (n.wrapping_mul(2_654_435_761) >> 24) as u8).collect();
    let size = content.len() + 4;
    module.push(0);
    // The size as LEB128 in three bytes, which hold 21 bits.
    module.extend([size as u8 | 0x80, (size >> 7) as u8 | 0x80, (size >> 14) as u8]);
    module.extend(b"\x03pad");
    module.extend(content);
    module
}

#[test]
fn a_document_with_a_large_module_is_accepted_under_any_file_name_and_through_a_pipe() {
    let module = large_gate();
    let routes = routes(&[
        "app.example.com=127.0.0.1:1".into(),
        "*.example.com=[::1]:2".into(),
        "*=localhost:3".into(),
    ]);
    let document = Bootstrap {
        admin: Some(([127, 0, 0, 1], 0).into()),
        ..bootstrap(&routes, PluginSource::Static(plugin(&module, "{}")))
    }
    .render()
    .expect("a document");

    let dir = tempfile::tempdir().expect("a folder");
    for name in ["envoy.json", "envoy.yaml", "envoy.yml", "envoy.conf", "envoy"] {
        let output = validated(&document, &dir.path().join(name));
        assert!(output.status.success(), "{name}: {}", String::from_utf8_lossy(&output.stderr));
    }

    assert!(accepts_through_a_pipe(&document));
}

/// What Envoy says of a bootstrap in a file of this name.
fn validated(document: &str, path: &Path) -> Output {
    std::fs::write(path, document).expect("written");
    Command::new(gatepost_e2e::envoy().expect("an Envoy"))
        .args(["--mode", "validate", "-c"])
        .arg(path)
        .output()
        .expect("Envoy runs")
}

/// Passes a bootstrap through a pipe, as `envoy -c <(gatepost render envoy …)` does. (Envoy
/// refuses the path `/dev/stdin`.)
fn accepts_through_a_pipe(document: &str) -> bool {
    let mut envoy = Command::new(gatepost_e2e::envoy().expect("an Envoy"))
        .args(["--mode", "validate", "-c", "/dev/fd/0"])
        .stdin(Stdio::piped())
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .spawn()
        .expect("Envoy runs");
    envoy.stdin.take().expect("a pipe").write_all(document.as_bytes()).expect("written");
    envoy.wait().expect("ended").success()
}

#[test]
fn a_route_whose_upstream_is_not_chosen_answers_with_what_is_missing() {
    let module = gate();
    let routes = [Route::placeholder()];
    let (_envoy, listener) =
        start(&bootstrap(&routes, PluginSource::Static(plugin(&module, "{}"))));
    let (status, body) = get(listener, Version::HTTP_11, "app.example.com", &[]);
    assert_eq!((status, body.contains("REPLACE ME")), (503, true), "{body}");
}

#[test]
fn a_document_in_yaml_would_be_refused_through_a_pipe() {
    // This is why the document is JSON.
    assert!(accepts_through_a_pipe("{\"static_resources\": {}}"));
    assert!(!accepts_through_a_pipe("static_resources: {}\n"));
}

#[test]
fn envoy_runs_with_a_large_module_inline() {
    let upstream = Upstream::start("alpha");
    let module = large_gate();
    let routes = routes(&[format!("*={}", upstream.address)]);
    let (_envoy, listener) =
        start(&bootstrap(&routes, PluginSource::Static(plugin(&module, "{}"))));
    assert_eq!(
        get(listener, Version::HTTP_11, "any.example", &[]),
        (200, "alpha HTTP/1.1 any.example length=2".into())
    );
}

#[test]
fn envoy_reads_a_module_from_a_file() {
    let upstream = Upstream::start("alpha");
    let dir = tempfile::tempdir().expect("a folder");
    let path = dir.path().join("gate.wasm");
    std::fs::write(&path, gate()).expect("written");
    let routes = routes(&[format!("*={}", upstream.address)]);
    let plugin = Plugin { module: Module::File(&path), ..plugin(&[], "123") };
    let (_envoy, listener) = start(&bootstrap(&routes, PluginSource::Static(plugin)));
    assert_eq!(
        get(listener, Version::HTTP_11, "any.example", &[]),
        (200, "alpha HTTP/1.1 any.example length=3".into())
    );
}

#[test]
fn the_policy_arrives_byte_for_byte_through_both_of_envoys_parsers() {
    // gate.wat logs its configuration and refuses it for its length. YAML treats DEL, NEL and
    // U+2028 differently from JSON.
    let policy = "{ \"a\": \"q\\\"uo\\\\te\",\n\t\"b\": [1e3, true, ~, '#: |'], \
        \"\u{7f}\u{85}\u{2028}\": \"日本語 🚪\" }\n  ";
    let module = gate();
    let document =
        bootstrap(&[], PluginSource::Static(plugin(&module, policy))).render().expect("a document");
    let dir = tempfile::tempdir().expect("a folder");
    for name in ["envoy.json", "envoy.yaml"] {
        let output = validated(&document, &dir.path().join(name));
        let log = String::from_utf8_lossy(&output.stderr);
        assert!(log.contains(policy), "{name}: {log}");
    }
}

#[test]
fn a_configuration_that_the_filter_refuses_ends_envoy_with_an_error_that_names_the_plugin() {
    let module = gate();
    let document = bootstrap(&[], PluginSource::Static(plugin(&module, "more than nine")))
        .render()
        .expect("a document");
    for result in [
        Envoy::start(&gatepost_e2e::envoy().expect("an Envoy"), &document, &Options::default())
            .map(drop),
        validate(&gatepost_e2e::envoy().expect("an Envoy"), &document),
    ] {
        let Err(ProcessError::Ended { status, log }) = result else {
            panic!("Envoy took it: {result:?}")
        };
        assert_eq!(status.code(), Some(1));
        assert!(log.contains("more than nine") && log.contains("gatepost"), "{log}");
        assert!(log.to_lowercase().contains("unable to create wasm"), "{log}");
    }
}

#[test]
fn a_module_that_is_no_wasm_ends_envoy_with_an_error() {
    let document = bootstrap(&[], PluginSource::Static(plugin(b"not wasm", "{}")))
        .render()
        .expect("a document");
    let error =
        validate(&gatepost_e2e::envoy().expect("an Envoy"), &document).expect_err("refused");
    assert!(error.to_string().to_lowercase().contains("wasm"), "{error}");
}

#[test]
fn a_field_that_envoy_does_not_know_ends_it_with_an_error_that_names_the_field() {
    // So an accepted document has no misspelled field.
    let document =
        bootstrap(&[], PluginSource::Static(plugin(&gate(), "{}"))).render().expect("a document");
    let document = document.replacen("\"failure_policy\"", "\"failure_polity\"", 1);
    let error =
        validate(&gatepost_e2e::envoy().expect("an Envoy"), &document).expect_err("refused");
    assert!(error.to_string().contains("failure_polity"), "{error}");
}

#[test]
fn a_port_that_is_taken_ends_envoy_with_an_error_that_names_it() {
    let taken = std::net::TcpListener::bind("127.0.0.1:0").expect("a port");
    let address = taken.local_addr().expect("bound");
    let module = gate();
    let document = Bootstrap {
        listen: address,
        ..bootstrap(&[], PluginSource::Static(plugin(&module, "{}")))
    }
    .render()
    .expect("a document");
    let error =
        Envoy::start(&gatepost_e2e::envoy().expect("an Envoy"), &document, &Options::default())
            .map(drop)
            .expect_err("taken");
    assert!(matches!(error, ProcessError::Ended { .. }), "{error}");
    assert!(error.to_string().contains(&address.to_string()), "{error}");
}

#[test]
fn an_envoy_that_is_not_ready_in_time_is_an_error() {
    let module = gate();
    let document =
        bootstrap(&[], PluginSource::Static(plugin(&module, "{}"))).render().expect("a document");
    let options = Options { ready_within: Duration::ZERO, ..Options::default() };
    let error = Envoy::start(&gatepost_e2e::envoy().expect("an Envoy"), &document, &options)
        .map(drop)
        .expect_err("nobody starts in no time");
    assert!(matches!(error, ProcessError::NotReady { .. }), "{error}");
}

#[test]
fn a_binary_that_is_not_there_is_an_error_with_its_path() {
    let error = Envoy::start(Path::new("/nonexistent/envoy"), "{}", &Options::default())
        .map(drop)
        .expect_err("no binary");
    assert!(error.to_string().contains("/nonexistent/envoy"), "{error}");
}

#[test]
fn an_envoy_runs_under_the_program_that_the_options_name_and_ends_with_it() {
    let module = gate();
    let document =
        bootstrap(&[], PluginSource::Static(plugin(&module, "{}"))).render().expect("a document");
    let under = ["env", "GATEPOST_UNDER=env"].map(Into::into).to_vec();
    let envoy = Envoy::start(
        &gatepost_e2e::envoy().expect("an Envoy"),
        &document,
        &Options { under, ..Options::default() },
    )
    .expect("it starts");
    let process = Path::new("/proc").join(envoy.id().to_string());
    let environment = std::fs::read(process.join("environ")).expect("its environment");
    assert!(environment.split(|byte| *byte == 0).any(|variable| variable == b"GATEPOST_UNDER=env"));
    assert_eq!(std::fs::read_to_string(process.join("comm")).expect("its name").trim(), "envoy");
    drop(envoy);
    assert!(!process.exists());

    let options = Options { under: vec!["/nonexistent/valgrind".into()], ..Options::default() };
    let error = Envoy::start(&gatepost_e2e::envoy().expect("an Envoy"), &document, &options)
        .map(drop)
        .expect_err("no such program");
    assert!(error.to_string().contains("/nonexistent/valgrind"), "{error}");
}
