//! Gatepost's own test files against the probe guest: each kind of expectation, met and not met,
//! and the reports of both.

use std::path::{Path, PathBuf};

use gatepost_host_testing::{FileReport, Report, Runner, TestFile};

fn folder() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/suite")
}

fn runner() -> Runner {
    Runner::new("probe.wasm", gatepost_guests_wasm::PROBE).unwrap()
}

/// A file of the folder, named in the report without it.
fn run(name: &str) -> FileReport {
    let file = TestFile::read(&folder().join(name)).unwrap_or_else(|error| panic!("{error}"));
    called(name, runner().run(&file).unwrap())
}

/// The same report, with the name of the file without its folder.
fn called(name: &str, mut report: FileReport) -> FileReport {
    report.file = name.to_owned();
    for diagnostic in report.cases.iter_mut().flat_map(|case| &mut case.diagnostics) {
        if let Some(location) = &mut diagnostic.location {
            location.file = name.into();
        }
    }
    report
}

fn run_text(text: &str) -> Report {
    let file = TestFile::parse(&folder().join("tests.yaml"), text)
        .unwrap_or_else(|error| panic!("{error}"));
    Report::new("probe.wasm", vec![called("tests.yaml", runner().run(&file).unwrap())], Vec::new())
}

/// The report for people without colours, and without what the guest logged.
fn text(report: &Report) -> String {
    let mut bare = String::new();
    let mut rest = report.text();
    while let Some(at) = rest.find('\u{1b}') {
        bare.push_str(&rest[..at]);
        rest = rest[at..].split_once('m').map_or_else(String::new, |(_, rest)| rest.to_owned());
    }
    bare + &rest
}

#[test]
fn what_is_expected_and_happens_passes() {
    for name in ["passing.tests.yaml", "chain.tests.yaml"] {
        let report = Report::new("probe.wasm", vec![run(name)], Vec::new());
        assert!(report.is_fine(), "{}", text(&report));
        assert!(report.passed > 1);
    }
}

#[test]
fn what_is_expected_and_does_not_happen_fails_and_is_told() {
    let folder = folder().display().to_string();
    let mut report = run("failing.tests.yaml");
    for case in &mut report.cases {
        assert!(!case.passed, "{}", case.name);
        // The log has its own test.
        case.logs.clear();
        for comparison in case.diagnostics.iter_mut().filter_map(|one| one.comparison.as_mut()) {
            comparison.found = comparison.found.replace(&folder, "…");
        }
    }
    insta::assert_snapshot!(text(&Report::new("probe.wasm", vec![report], Vec::new())));
}

#[test]
fn a_report_is_text_with_the_log_json_or_junit() {
    let report = run_text(
        r"
tests:
- name: fine
  expect: { forward: {} }
- name: not fine
  configuration: 'request_headers: log warn slow'
  expect: { forward: { path: /x } }
",
    );
    insta::assert_snapshot!("report_as_text", text(&report));
    insta::assert_snapshot!("report_as_junit", report.junit());
    insta::assert_snapshot!("report_as_json", serde_json::to_string_pretty(&report).unwrap());
}

#[test]
fn a_json_file_is_one_too_and_a_configuration_may_be_given_from_outside() {
    let mut runner = runner();
    runner.configuration = Some("request_headers: add request_headers x-a 1".into());
    let json = r#"{"tests": [{
        "name": "one", "configuration": "nonsense",
        "expect": {"forward": {"headers": {"x-a": "1"}}}
    }]}"#;
    let file = TestFile::parse(Path::new("tests.json"), json).unwrap();
    assert!(runner.run(&file).unwrap().cases[0].passed);
}

#[test]
fn a_file_of_tests_reads_nothing_outside_of_its_folder() {
    let outer = tempfile::tempdir().unwrap();
    let folder = outer.path().join("tests");
    std::fs::create_dir(&folder).unwrap();
    std::fs::write(outer.path().join("secret"), "secret").unwrap();
    std::fs::write(folder.join("body"), "secret").unwrap();
    for (name, is_read) in [("body", true), ("../secret", false), ("/etc/hostname", false)] {
        let tests = format!(
            "tests: [{{ name: one, request: {{ body: {{ file: {name} }} }}, expect: {{}} }}]"
        );
        let file = TestFile::parse(&folder.join("tests.yaml"), &tests).unwrap();
        let report = runner().run(&file).unwrap();
        assert_eq!(report.cases[0].passed, is_read, "{report:#?}");
        if !is_read {
            let why = report.cases[0].diagnostics[0].to_string();
            assert!(why.contains("outside of the folder"), "{why}");
        }
    }
}

#[test]
fn a_guest_that_never_comes_to_rest_fails_its_test_and_no_more() {
    let report = run_text(
        r#"
tests:
- name: calls again at every answer
  configuration: |
    request_headers: call a 1000 "" :method GET :path / :authority a
    http_call_response: call a 1000 "" :method GET :path / :authority a
  callouts: [{ reply: {} }]
  expect: {}
- name: wakes itself
  configuration: |
    configure: register q
    request_headers: enqueue q x
    queue_ready: enqueue q x
    request_headers: pause
  expect: { paused: request }
- name: fine
  expect: {}
"#,
    );
    let told: Vec<_> = report.files[0]
        .cases
        .iter()
        .flat_map(|case| &case.diagnostics)
        .map(ToString::to_string)
        .collect();
    assert_eq!(
        told,
        [
            "callouts: calls: expected an end of calls, found more than 10000",
            "plugin: outcome: expected the plugin comes to rest, found it wakes itself for ever",
        ]
    );
}

#[test]
fn a_message_is_sent_on_while_the_plugin_takes_it_and_a_body_beyond_the_limit_is_refused() {
    let report = run_text(
        r"
limits: { bufferBytes: 10 }
tests:
- name: passes through
  request: { method: POST, body: { text: a body of more than ten bytes, chunkSize: 4 } }
  expect: { forward: { body: a body of more than ten bytes } }
- name: is kept
  configuration: 'request_body.more: answer 1'
  request: { method: POST, body: { text: a body of more than ten bytes, chunkSize: 4 } }
  expect: { reply: { status: 413, plugin: { present: false } } }
",
    );
    assert!(report.is_fine(), "{}", text(&report));
}

#[test]
fn two_runs_of_a_file_are_alike() {
    assert_eq!(run("passing.tests.yaml"), run("passing.tests.yaml"));
}

#[test]
fn a_file_with_faults_names_each_place_and_a_remedy() {
    let fault = |text: &str| {
        let errors = TestFile::parse(Path::new("tests.yaml"), text).unwrap_err();
        let told = errors.to_string();
        let report = Report::new("m.wasm", Vec::new(), vec![errors.into()]);
        assert!(!report.is_fine());
        told
    };
    assert_eq!(
        fault("tests:\n- name: one\n  request: { heeaders: {} }\n  expect: {}\n"),
        "tests.yaml:3:14: unknown field `heeaders`; did you mean `headers`?"
    );
    assert_eq!(
        fault("tests:\n- name: one\n  expect: { response: { status: ok } }\n"),
        "tests.yaml:3:33: a whole number up to 65535 must stand here"
    );
}
