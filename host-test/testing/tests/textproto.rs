//! Google's test files against small guests: each rule of their runner once.

#[path = "../../tests/common/mod.rs"]
mod common;

use std::path::Path;

use common::wasm;
use gatepost_host::AbiVersion;
use gatepost_host_testing::{CaseReport, Report, Runner, TestFile};

/// Says which callback runs, appends to `x-seen`, answers requests to /deny, and puts `!` behind
/// every chunk.
fn guest() -> Vec<u8> {
    wasm(
        AbiVersion::V0_2_1,
        "",
        r#"
        (func $say (param i32 i32) (drop (call $proxy_log (i32.const 2) (local.get 0)
            (local.get 1))))
        (func (export "proxy_on_context_create") (param i32 i32) (call $say @"create"))
        (func (export "proxy_on_configure") (param i32 i32) (result i32)
            (call $say @"configure")
            (drop (call $proxy_get_buffer_bytes (i32.const 7) (i32.const 0) (i32.const 100)
                (i32.const 200) (i32.const 204)))
            (call $show)
            (i32.const 1))
        (func $path (result i32)
            (drop (call $proxy_get_header_map_value (i32.const 0) @":path" (i32.const 200)
                (i32.const 204)))
            (i32.load8_u (i32.add (i32.load (i32.const 200)) (i32.const 1))))
        (func (export "proxy_on_request_headers") (param $c i32) (param $n i32) (param $end i32)
            (result i32)
            (call $say @"request headers")
            (call $number (local.get $n))
            (call $number (local.get $end))
            (drop (call $proxy_add_header_map_value (i32.const 0) @"x-seen" @"yes"))
            (if (i32.eqz (call $proxy_get_property @"my\00prop" (i32.const 200) (i32.const 204)))
                (then (call $show)))
            (if (i32.eq (call $path) (i32.const 100)) (then
                (drop (call $proxy_send_local_response (i32.const 403) @"no entry" @"go away"
                    @"\01\00\00\00\05\00\00\00\07\00\00\00X-Why\00because\00" (i32.const 7)))))
            (if (i32.eq (call $path) (i32.const 112)) (then (return (i32.const 1))))
            (if (i32.eq (call $path) (i32.const 116)) (then (unreachable)))
            (if (i32.eq (call $path) (i32.const 108)) (then (loop $forever (br $forever))))
            (i32.const 0))
        (func $body (param $kind i32) (param $len i32) (param $end i32)
            (call $number (local.get $end))
            (drop (call $proxy_set_buffer_bytes (local.get $kind) (local.get $len)
                (i32.const 0) @"!")))
        (func (export "proxy_on_request_body") (param i32 i32 i32) (result i32)
            (call $body (i32.const 0) (local.get 1) (local.get 2)) (i32.const 0))
        (func (export "proxy_on_response_headers") (param i32 i32 i32) (result i32)
            (call $say @"response headers")
            (drop (call $proxy_get_current_time_nanoseconds (i32.const 208)))
            (call $number (i32.wrap_i64 (i64.div_u (i64.load (i32.const 208)) (i64.const 1000000))))
            (i32.const 0))
        (func (export "proxy_on_response_body") (param i32 i32 i32) (result i32)
            (if (i32.eq (local.get 1) (i32.const 4)) (then
                (drop (call $proxy_send_local_response (i32.const 502) @"bad" @"sorry"
                    @"\01\00\00\00\05\00\00\00\07\00\00\00X-Why\00because\00" (i32.const -1)))
                (return (i32.const 1))))
            (call $body (i32.const 1) (local.get 1) (local.get 2)) (i32.const 0))
        (func (export "proxy_on_log") (param i32) (call $say @"log"))
        (func (export "proxy_on_done") (param i32) (result i32) (call $say @"done") (i32.const 1))
        (func (export "proxy_on_delete") (param i32) (call $say @"delete"))
        "#,
    )
}

fn run_in(folder: &Path, text: &str) -> Vec<CaseReport> {
    let mut runner = Runner::new("guest.wasm", &guest()).unwrap();
    runner.limits.fuel_per_callback = Some(10_000_000);
    let file = TestFile::parse(&folder.join("tests.textpb"), text)
        .unwrap_or_else(|error| panic!("{error}"));
    runner.run(&file).unwrap().cases
}

fn run(text: &str) -> Vec<CaseReport> {
    run_in(Path::new(""), text)
}

/// Every case of the file passes.
fn passes(text: &str) {
    let cases = run(text);
    assert!(cases.iter().all(|case| case.passed), "{cases:#?}");
}

/// The only case of the file fails, with these differences.
fn fails(text: &str) -> Vec<String> {
    let mut cases = run(text);
    assert_eq!(cases.len(), 1);
    cases.remove(0).diagnostics.iter().map(ToString::to_string).collect()
}

#[test]
fn each_phase_sees_its_own_log_lines() {
    passes(
        r#"test {
            name: "log"
            plugin_init { log { exact: "create" } log { exact: "configure" }
                log { exact: "delete" invert: true } }
            stream_init { log { exact: "create" } log { exact: "configure" invert: true } }
            request_headers { result { log { regex: "request .*" }
                log { regex: "response.*" invert: true } } }
            response_headers { result { log { exact: "response headers" }
                log { regex: "request .*" invert: true } } }
            stream_destroy { log { exact: "log" invert: true } log { exact: "done" }
                log { exact: "delete" } }
        }"#,
    );
}

#[test]
fn a_plugin_without_expectations_only_has_to_go_on() {
    passes(
        r#"test { name: "nothing" } test { name: "headers" request_headers { }
            response_headers { } }"#,
    );
}

#[test]
fn headers_come_as_a_list_joined_by_name_and_never_end_the_stream() {
    passes(
        r#"test {
            name: "list"
            request_headers {
                input { header { key: ":path" value: "/" } header { key: "X-Seen" value: "no" }
                    header { key: "a" value: "1" }
                    header { key: "A" value: "2" } }
                result {
                    has_header { key: "x-SEEN" value: "no, yes" }
                        has_header { key: "a" value: "1, 2" }
                    headers { exact: "X-Seen: no, yes" } headers { regex: "b: .*" invert: true }
                    headers { has_header { key: "a" value: "1, 2" } no_header { key: "b" }
                        headers_serialized { regex: "a: .*" } }
                    no_header { key: "b" }
                    log { exact: "3" } log { exact: "0" }
                }
            }
        }"#,
    );
}

#[test]
fn headers_come_as_http1_text() {
    passes(
        r#"test {
            name: "text"
            request_headers {
                input { content: "GET http://shop.example/a HTTP/1.1\nHost: other\n" }
                result { has_header { key: ":authority" value: "shop.example" }
                    has_header { key: ":scheme" value: "http" } }
            }
            response_headers {
                input { content: "HTTP/1.1 204 No Content\n" }
                result { has_header { key: ":status" value: "204" } }
            }
        }"#,
    );
}

#[test]
fn an_immediate_response_is_judged_and_ends_the_test() {
    passes(
        r#"test {
            name: "deny"
            request_headers {
                input { header { key: ":path" value: "/deny" } }
                result {
                    immediate { http_status: 403 grpc_status: 7 details: "no entry" body {
                        exact: "go away" }
                        headers { has_header { key: "x-why" value: "because" } } }
                    body { regex: "go.*" } has_header { key: "X-Why" value: "because" }
                        no_header { key: "x-seen" }
                    headers { has_header { key: "x-seen" value: "yes" } }
                }
            }
            response_headers { result { log { exact: "response headers" invert: true }
                no_header { key: "a" } } }
            response_body { input { content: "x" } result { body { exact: "" } } }
        }"#,
    );
}

#[test]
fn an_immediate_response_to_a_body_cannot_be_expected() {
    assert_eq!(
        fails(
            r#"test { name: "asked" response_body { input { content: "evil" }
                result { immediate { http_status: 502 } } } }"#
        ),
        ["response_body: outcome: expected an immediate response, found the message went on"]
    );
    passes(
        r#"test { name: "not asked" response_body { input { content: "evil" }
            result { body { exact: "evil" } } } }"#,
    );
}

/// What a guest reads in one callback, by the rules of Google's runner.
fn told(imports: &str, callback: &str, body: &str, test: &str) -> Vec<String> {
    let text = format!(
        r#"(func (export "{callback}") (param i32 i32 i32) (result i32) {body}
        (i32.const 0))"#
    );
    let wasm = common::wasm(gatepost_host::AbiVersion::V0_2_1, imports, &text);
    let mut runner = Runner::new("guest.wasm", &wasm).unwrap();
    runner.configuration = Some("configured".into());
    let test = format!(r#"env {{ time_secs: 7 }} test {{ name: "x" {test} }}"#);
    let file = TestFile::parse(Path::new("t.textpb"), &test).unwrap();
    let mut cases = runner.run(&file).unwrap().cases;
    let case = cases.remove(0);
    // Lines are reported of tests that fail, and this one has no such header.
    case.logs.iter().map(|line| line.trim_start_matches("info: ").to_owned()).collect()
}

const TO: &str = "(i32.const 200) (i32.const 204)";
const FAILING: &str = r#"result { has_header { key: "none" value: "" } }"#;

#[test]
fn what_a_callback_may_read_and_write_is_as_in_googles_runner() {
    let status = |call: &str| format!("(call $status {call})");
    let body = [
        format!("(call $proxy_get_buffer_bytes (i32.const 7) (i32.const 0) (i32.const 99) {TO})"),
        format!("(call $proxy_get_buffer_bytes (i32.const 6) (i32.const 0) (i32.const 99) {TO})"),
        format!("(call $proxy_get_buffer_bytes (i32.const 0) (i32.const 0) (i32.const 99) {TO})"),
        format!("(call $proxy_get_header_map_pairs (i32.const 2) {TO})"),
        format!("(call $proxy_get_header_map_pairs (i32.const 0) {TO})"),
        format!(r#"(call $proxy_get_property @"request\00path" {TO})"#),
        format!(r#"(call $proxy_get_property @"plugin_name" {TO})"#),
        format!(r#"(call $proxy_get_property @"a\00b" {TO})"#),
    ]
    .map(|call| status(&call))
    .concat();
    let input = r#"properties { path: "a.b" value: "c" }
        request_headers { input { header { key: ":path" value: "/" } }"#;
    let lines = told("", "proxy_on_request_headers", &body, &format!("{input} {FAILING} }}"));
    // Ok, NotFound for the two other buffers, BadArgument, Ok, and NotFound but for the property
    // that the test names.
    assert_eq!(lines, ["00", "01", "01", "02", "00", "01", "01", "00"]);
}

#[test]
fn names_keep_the_guests_spelling_and_an_empty_value_gives_way() {
    let guest = r#"(func (export "proxy_on_request_headers") (param i32 i32 i32) (result i32)
        (drop (call $proxy_add_header_map_value (i32.const 0) @"Set-Cookie" @"a"))
        (drop (call $proxy_add_header_map_value (i32.const 0) @"set-cookie" @"b"))
        (drop (call $proxy_replace_header_map_value (i32.const 0) @"New-Name" @"c"))
        (drop (call $proxy_replace_header_map_value (i32.const 0) @"known" @"d"))
        (drop (call $proxy_add_header_map_value (i32.const 0) @"empty" @"q"))
        (i32.const 0))
        (func (export "proxy_on_response_headers") (param i32 i32 i32) (result i32)
            (drop (call $proxy_send_local_response (i32.const 403) @"no" @"no"
                @"\01\00\00\00\05\00\00\00\01\00\00\00X-Why\00y\00" (i32.const -1)))
            (i32.const 1))"#;
    let wasm = common::wasm(gatepost_host::AbiVersion::V0_2_1, "", guest);
    let runner = Runner::new("guest.wasm", &wasm).unwrap();
    let test = r#"test { name: "spelling"
        request_headers {
            input { header { key: "Known" value: "1" } header { key: "empty" value: "" } }
            result { headers { exact: "Set-Cookie: a, b" } headers { exact: "New-Name: c" }
                headers { exact: "Known: d" } headers { exact: "empty: q" } }
        }
        response_headers { result { immediate { http_status: 403 }
            headers { exact: "X-Why: y" } } } }"#;
    let file = TestFile::parse(Path::new("t.textpb"), test).unwrap();
    let cases = runner.run(&file).unwrap().cases;
    assert!(cases[0].passed, "{cases:#?}");
}

#[test]
fn a_local_reply_is_taken_in_some_callbacks_only() {
    let reply = "(call $status (call $proxy_send_local_response (i32.const 403) (i32.const 0)
        (i32.const 0) (i32.const 0) (i32.const 0) (i32.const 0) (i32.const 0) (i32.const -1)))";
    let in_body = format!("response_body {{ {FAILING} }}");
    assert_eq!(told("", "proxy_on_response_body", reply, &in_body), ["02"]);
    let in_headers = format!("response_headers {{ {FAILING} }}");
    assert_eq!(told("", "proxy_on_response_headers", reply, &in_headers), ["00"]);
}

#[test]
fn both_clocks_stand_at_the_time_that_the_file_names() {
    let wasi = r#"(import "wasi_snapshot_preview1" "clock_time_get"
        (func $clock (param i32 i64 i32) (result i32)))"#;
    let body = "(drop (call $clock (i32.const 0) (i64.const 0) (i32.const 208)))
        (drop (call $clock (i32.const 1) (i64.const 0) (i32.const 216)))
        (drop (call $proxy_get_current_time_nanoseconds (i32.const 224)))
        (call $number (i32.wrap_i64 (i64.div_u (i64.load (i32.const 208)) (i64.const 1000000000))))
        (call $number (i64.eq (i64.load (i32.const 208)) (i64.load (i32.const 216))))
        (call $number (i64.eq (i64.load (i32.const 208)) (i64.load (i32.const 224))))";
    let test = format!("request_headers {{ {FAILING} }}");
    assert_eq!(told(wasi, "proxy_on_request_headers", body, &test), ["7", "1", "1"]);
}

#[test]
fn an_immediate_response_that_nobody_expected_is_told_and_so_is_a_pause() {
    let at = |path: &str, result: &str| {
        fails(&format!(
            r#"test {{ name: "x" request_headers {{ input {{ header {{ key: ":path"
                value: "{path}" }} }} result {{ {result} }} }} }}"#
        ))
    };
    let reply = r#"an immediate response 403 ("no_entry") with the body "go away""#;
    assert_eq!(
        at("/deny", ""),
        [format!("request_headers: outcome: expected no immediate response, found {reply}")]
    );
    assert_eq!(
        at("/deny", "immediate { http_status: 200 grpc_status: 0 }"),
        [
            "request_headers: HTTP status: expected 200, found 403",
            "request_headers: gRPC status: expected 0, found 7"
        ]
    );
    assert_eq!(
        at("/pause", ""),
        ["request_headers: outcome: expected the message goes on, found the plugin paused it"]
    );
    assert_eq!(
        at("/", "immediate { }"),
        ["request_headers: outcome: expected an immediate response, found the message went on"]
    );
}

#[test]
fn a_body_is_cut_into_chunks_and_put_together_again() {
    passes(
        r#"
        test { name: "whole" request_body { input { content: "abc" }
            result { body { exact: "abc!" } log { exact: "1" } } } }
        test { name: "number" num_chunks: 2 request_body { input { content: "abcde" }
            result { body { exact: "ab!cde!" } } } }
        test { name: "size" chunk_size: 2 response_body { input { content: "abcde" }
            result { body { exact: "ab!cd!e!" } log { exact: "1" }
                log { exact: "0" invert: true } } } }
        test { name: "two" request_body { input { content: "a" } result { body { exact: "a!" }
            log { exact: "1" } } }
            request_body { input { content: "b" } result { body { exact: "b!" } } } }
        "#,
    );
    assert_eq!(
        fails(r#"test { name: "x" num_chunks: 2 request_body { } request_body { } }"#),
        ["request_body: outcome: expected the plugin runs, found a chunking plan takes one \
             body, and here are 2"]
    );
}

#[test]
fn properties_the_time_and_the_log_level_are_as_the_file_says() {
    passes(
        r#"env { time_secs: 2 }
        test { name: "given" properties { path: "my.prop" value: "mine" }
            request_headers { result { log { exact: "mine" } } }
            response_headers { result { log { exact: "2000" } } } }"#,
    );
    passes(r#"test { name: "default" response_headers { result { log { exact: "1" } } } }"#);
    passes(
        r#"env { log_level: WARN } test { name: "quiet" request_headers { result { log {
            regex: ".*" invert: true } } } }"#,
    );
    passes(
        r#"runtime { min_log_level: WARN }
            test { name: "quiet" request_headers { result { log { regex: ".*"
            invert: true } } } }"#,
    );
}

#[test]
fn a_difference_shows_what_was_expected_and_what_was_found() {
    assert_eq!(
        fails(
            r#"test { name: "x" request_headers {
                input { header { key: "x-seen" value: "\377" } }
                result { has_header { key: "a" value: "b" } has_header { key: "x-seen" value: "b" }
                    no_header { key: "x-seen" }
                    log { exact: "no" } log { regex: "request.*" invert: true }
                        log { regex: "[asd" } log { }
                    body { exact: "b" } has_header { } }
            } }"#
        ),
        [
            r#"request_headers: header a: expected "b", found none"#,
            r#"request_headers: header x-seen: expected "b", found "\xff, yes""#,
            "request_headers: has_header: expected a key, found none: this expectation names no \
             header",
            r#"request_headers: header x-seen: expected none, found "\xff, yes""#,
            r#"request_headers: body: expected "b", found """#,
            r#"request_headers: log: expected "no", found "request headers", "1", "0""#,
            "request_headers: log: expected nothing like a match of \"request.*\", found \"request \
             headers\", \"1\", \"0\"",
            "request_headers: log: expected a text that matches \"[asd\", found no regular \
             expression: error: unclosed character class",
            "request_headers: log: expected one of exact, regex and file, found none: this matcher \
             says nothing",
        ]
    );
}

#[test]
fn a_guest_that_traps_or_loops_fails_its_test_and_no_other() {
    let at = |path: &str| {
        format!(
            r#"test {{ name: "x" request_headers {{ input {{ header {{ key: ":path"
                value: "{path}" }} }} }} }}"#
        )
    };
    let cases = run(&[at("/trap"), at("/loop"), at("/")].concat());
    let told: Vec<String> =
        cases.iter().flat_map(|case| &case.diagnostics).map(ToString::to_string).collect();
    assert_eq!(told.len(), 2);
    assert!(
        told[0].contains("trapped in proxy_on_request_headers: wasm trap: wasm `unreachable`"),
        "{told:?}"
    );
    assert!(told[1].contains("(limit fuel_per_callback)"), "{told:?}");
    assert!(cases[2].passed);
}

#[test]
fn files_are_found_beside_the_test() {
    let folder = tempfile::tempdir().unwrap();
    for (name, text) in [
        ("body.data", "abc"),
        ("expected.data", "abc!"),
        ("headers.data", "GET /x HTTP/1.1\n"),
        ("config", "cfg"),
    ] {
        std::fs::write(folder.path().join(name), text).unwrap();
    }
    let cases = run_in(
        folder.path(),
        r#"env { config_path: "config" }
        test { name: "files"
            plugin_init { log { exact: "cfg" } }
            request_headers { input { file: "headers.data" }
                result { headers { exact: ":path: /x" } } }
            request_body { input { file: "body.data" } result { body { file: "expected.data" } } } }
        test { name: "missing" request_body { input { file: "none.data" } } }"#,
    );
    assert!(cases[0].passed, "{cases:#?}");
    assert!(cases[1].diagnostics[0].to_string().contains("found cannot read "), "{cases:#?}");
}

#[test]
fn the_report_as_json_has_a_version_and_every_case() {
    let runner = Runner::new("guest.wasm", &guest()).unwrap();
    let file = TestFile::parse(
        Path::new("t.textpb"),
        r#"test { name: "x" benchmark: true stream_init { log { exact: "a" } } }"#,
    )
    .unwrap();
    let report = Report::new("guest.wasm", vec![runner.run(&file).unwrap()], Vec::new());
    assert_eq!((report.passed, report.failed, report.is_fine()), (0, 1, false));
    insta::assert_snapshot!(serde_json::to_string_pretty(&report).unwrap(), @r#"
    {
      "version": "gatepost.module-test/v2",
      "module": "guest.wasm",
      "passed": 0,
      "failed": 1,
      "unusable": [],
      "files": [
        {
          "file": "t.textpb",
          "notes": [
            "1 test with `benchmark: true`: tested, not measured"
          ],
          "cases": [
            {
              "name": "x",
              "passed": false,
              "diagnostics": [
                {
                  "severity": "error",
                  "code": "mismatch",
                  "path": null,
                  "message": "stream_init: log",
                  "expected": "\"a\"",
                  "found": "\"create\"",
                  "help": null
                }
              ],
              "logs": [
                "info: create",
                "info: configure",
                "info: ",
                "info: create",
                "info: done",
                "info: delete",
                "info: done",
                "info: delete"
              ]
            }
          ]
        }
      ]
    }
    "#);
}

#[test]
fn googles_second_form_is_read_too() {
    let text = r#"
env: { min_log_level: INFO, time_secs: 7 }
test:
- name: "yaml"
  benchmark: false
  request_headers:
    input:
      header:
      - { key: ":path", value: / }
      - { key: "X-Seen", value: no }
      - key: number
        value: 007
    result:
      has_header:
      - { key: x-seen, value: "no, yes" }
      - { key: number, value: 007 }
      no_header: [{ key: none }]
      log: [{ regex: "request .*" }]
- name: other
"#;
    let runner = Runner::new("guest.wasm", &guest()).unwrap();
    let file = TestFile::parse(Path::new("tests.yaml"), text).unwrap_or_else(|e| panic!("{e}"));
    let cases = runner.run(&file).unwrap().cases;
    assert_eq!(cases.len(), 2);
    assert!(cases.iter().all(|case| case.passed), "{cases:#?}");

    let refused = |text: &str| TestFile::parse(Path::new("tests.yaml"), text).unwrap_err();
    let error = refused("test:\n- name: x\n  request_header: {}\n").to_string();
    assert!(error.contains("unknown field `request_header`"), "{error}");
    assert!(error.contains("tests.yaml:2"), "{error}");
    assert!(refused("test: []\n").to_string().contains("nothing would be tested"));
}

#[test]
fn a_file_without_tests_is_an_error() {
    for text in ["", "env { time_secs: 1 }"] {
        let error = TestFile::parse(Path::new("t.textpb"), text).unwrap_err().to_string();
        assert!(error.contains("nothing would be tested"), "{error}");
    }
    let error = TestFile::parse(Path::new("tests.yaml"), "tests: []\n").unwrap_err().to_string();
    assert!(error.contains("nothing would be tested"), "{error}");
}

#[test]
fn one_test_is_run_by_its_name() {
    let mut runner = Runner::new("guest.wasm", &guest()).unwrap();
    runner.only = Some("sec".to_owned());
    let text = r#"test { name: "first" } test { name: "second" } test { name: "third" }"#;
    let textproto = TestFile::parse(Path::new("t.textpb"), text).unwrap();
    let text = "tests:\n- { name: first, expect: {} }\n- { name: second, expect: {} }\n";
    let own = TestFile::parse(Path::new("tests.yaml"), text).unwrap();
    for file in [textproto, own] {
        let names: Vec<String> =
            runner.run(&file).unwrap().cases.into_iter().map(|case| case.name).collect();
        assert_eq!(names, ["second"]);
    }
}

#[test]
fn a_plugin_that_is_only_a_root_is_tested_without_a_request() {
    // As the SDKs do, this guest traps when it is given a stream.
    let guest = r#"(func (export "proxy_on_context_create") (param i32 i32)
            (if (local.get 1) (then unreachable)))
        (func (export "proxy_on_configure") (param i32 i32) (result i32)
            (drop (call $proxy_set_tick_period_milliseconds (i32.const 1000))) (i32.const 1))
        (func (export "proxy_on_tick") (param i32)
            (drop (call $proxy_log (i32.const 2) @"tick")))"#;
    let wasm = common::wasm(gatepost_host::AbiVersion::V0_2_1, "", guest);
    let runner = Runner::new("guest.wasm", &wasm).unwrap();
    let text = "tests:\n- name: ticks\n  service: true\n  after: 2.5s\n  \
                expect: { logs: [tick, tick] }\n- name: not a filter\n  expect: {}\n";
    let file = TestFile::parse(Path::new("tests.yaml"), text).unwrap_or_else(|e| panic!("{e}"));
    let cases = runner.run(&file).unwrap().cases;
    assert!(cases[0].passed, "{:#?}", cases[0]);
    assert!(!cases[1].passed, "a request makes it trap");
}
