//! Header hostcalls, as a guest sees them.

mod common;

use common::{module, on_request, ordinary, start, start_with, wasm};
use gatepost_host::{AbiVersion, Headers, Module, StreamInfo, VmOptions};

fn logged_by(body: &str) -> (Vec<String>, Headers) {
    let mut headers = ordinary();
    let lines = start(&on_request(body)).request(&mut headers);
    (lines, headers)
}

const GET: &str = "$proxy_get_header_map_value (i32.const 0)";
const TO: &str = "(i32.const 200) (i32.const 204)";

#[test]
fn a_repeated_header_reads_as_its_first_value() {
    let (lines, _) = logged_by(&format!("(call $status (call {GET} @\"ENV\" {TO})) (call $show)"));
    assert_eq!(lines, ["00", "one"]);
}

#[test]
fn host_reads_as_the_authority() {
    let (lines, _) = logged_by(&format!("(call $status (call {GET} @\"host\" {TO})) (call $show)"));
    assert_eq!(lines, ["00", "shop.example"]);
}

#[test]
fn a_missing_header_is_not_found() {
    let (lines, _) = logged_by(&format!("(call $status (call {GET} @\"none\" {TO}))"));
    assert_eq!(lines, ["01"]);
}

#[test]
fn a_missing_header_is_empty_for_abi_0_1_0() {
    let body = format!(
        "(func (export \"proxy_on_request_headers\") (param i32 i32) (result i32)
            (call $status (call {GET} @\"none\" {TO})) (call $number (i32.load (i32.const 204)))
                (i32.const 0))"
    );
    let module =
        Module::new(&common::engine(), "old", &wasm(AbiVersion::V0_1_0, "", &body)).unwrap();
    let mut bench = start_with(&module, VmOptions::default(), common::config("old"));
    assert_eq!(bench.request(&mut ordinary()), ["00", "0"]);
}

#[test]
fn writes_change_the_request_and_clear_the_route_cache() {
    let mut bench = start(&on_request(
        "(call $status (call $proxy_add_header_map_value (i32.const 0) @\"X-New\" @\"v\"))
         (call $status (call $proxy_replace_header_map_value (i32.const 0) @\"env\" @\"three\"))
         (call $status (call $proxy_remove_header_map_value (i32.const 0) @\":path\"))",
    ));
    let stream = bench.stream();
    let mut headers = ordinary();
    let _ = bench.vm.request_headers(stream, &mut headers, true).unwrap();
    assert_eq!(bench.log.messages(), ["00", "00", "00"]);
    assert_eq!(
        headers.to_string(),
        ":method: GET\n:authority: shop.example\nx-new: v\nenv: three\n"
    );
    assert!(bench.vm.take_route_cache_cleared(stream).unwrap());
    assert!(!bench.vm.take_route_cache_cleared(stream).unwrap());
}

#[test]
fn reading_leaves_the_route_cache_alone() {
    let mut bench = start(&on_request(&format!("(drop (call {GET} @\"env\" {TO}))")));
    let stream = bench.stream();
    let _ = bench.vm.request_headers(stream, &mut ordinary(), true).unwrap();
    assert!(!bench.vm.take_route_cache_cleared(stream).unwrap());
}

#[test]
fn all_pairs_come_in_one_buffer_and_can_be_set_from_it() {
    let (lines, headers) = logged_by(&format!(
        "(call $status (call $proxy_get_header_map_pairs (i32.const 0) {TO}))
         (call $number (i32.load (i32.load (i32.const 200))))
         (drop (call $proxy_remove_header_map_value (i32.const 0) @\"env\"))
         (call $status (call $proxy_set_header_map_pairs (i32.const 0) (i32.load (i32.const 200))
             (i32.load (i32.const 204))))"
    ));
    assert_eq!(lines, ["00", "5", "00"]);
    assert_eq!(headers, ordinary());
}

#[test]
fn malformed_pairs_change_nothing() {
    let (lines, headers) =
        logged_by("(call $status (call $proxy_set_header_map_pairs (i32.const 0) @\"garbage\"))");
    assert_eq!(lines, ["02"]);
    assert_eq!(headers, ordinary());
}

#[test]
fn the_size_is_in_bytes() {
    let (lines, _) = logged_by(
        "(call $status (call $proxy_get_header_map_size (i32.const 0) (i32.const 200)))
             (call $number (i32.load (i32.const 200)))",
    );
    assert_eq!(lines, ["00", &ordinary().byte_size().to_string()]);
}

#[test]
fn a_map_of_another_callback_cannot_be_used() {
    let (lines, _) = logged_by(&format!(
        "(call $status (call $proxy_get_header_map_value (i32.const 2) @\"server\" {TO}))
         (call $status (call $proxy_add_header_map_value (i32.const 2) @\"server\" @\"x\"))
         (call $status (call $proxy_get_header_map_value (i32.const 8) @\"server\" {TO}))
         (call $status (call $proxy_get_header_map_pairs (i32.const 2) {TO}))
         (call $number (i32.load (i32.const 204)))"
    ));
    assert_eq!(lines, ["02", "02", "02", "00", "0"]);
}

#[test]
fn bytes_that_are_no_utf_8_pass_unchanged() {
    let body = on_request(&format!(
        "(drop (call {GET} @\"user-agent\" {TO}))
         (drop (call $proxy_replace_header_map_value (i32.const 0) @\"copy\"
             (i32.load (i32.const 200)) (i32.load (i32.const 204))))"
    ));
    let mut headers = Headers::request([(&b"user-agent"[..], &b"\xff\xfe"[..])]);
    let mut bench = start_with(&module(&body), VmOptions::default(), common::config("bytes"));
    bench.request(&mut headers);
    assert_eq!(headers.get("copy"), Some(&b"\xff\xfe"[..]));
}

#[test]
fn headers_without_name_and_value_cannot_be_added_without_end() {
    let body = on_request(
        "(local $i i32)
         (loop $again
            (local.set $i (i32.add (local.get $i) (i32.const 1)))
            (br_if $again (i32.eqz (call $proxy_add_header_map_value (i32.const 0) (i32.const 0)
                (i32.const 0) (i32.const 0) (i32.const 0)))))",
    );
    let mut bench = start(&body);
    let mut headers = ordinary();
    bench.request(&mut headers);
    assert_eq!(headers.len(), ((1 << 20) - ordinary().byte_size()) / 32);
}

#[test]
fn a_guest_cannot_grow_a_map_without_end() {
    let body = on_request(
        "(local $i i32)
         (loop $again
            (local.set $i (i32.add (local.get $i) (i32.const 1)))
            (br_if $again (i32.eqz (call $proxy_add_header_map_value (i32.const 0) @\"x-filler\"
                (i32.const 0) (i32.const 32768)))))
         (call $number (local.get $i))",
    );
    let mut bench = start(&body);
    let stream = bench.vm.stream(bench.plugin, StreamInfo::default()).unwrap();
    let mut headers = ordinary();
    let _ = bench.vm.request_headers(stream, &mut headers, true).unwrap();
    assert_eq!(bench.log.messages().last().unwrap(), "32");
    assert!(headers.byte_size() <= 1 << 20);
}
