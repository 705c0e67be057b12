//! Connections through network filters, and foreign functions both ways.

mod common;

use bytes::Bytes;
use common::{module, on_request, ordinary, start};
use gatepost_host::{
    CloseType, ForeignFunctions, Host, Outcome, Pause, PluginConfig, StreamInfo, Vm, VmOptions,
};

const TO: &str = "(i32.const 200) (i32.const 204)";

#[test]
fn a_network_filter_sees_the_connection_and_changes_the_bytes_of_each_direction() {
    let data = |name: &str, buffer: u32| {
        format!(
            "(func (export \"{name}\") (param i32 i32 i32) (result i32)
                (call $number (local.get 1))
                (drop (call $proxy_get_buffer_bytes (i32.const {buffer}) (i32.const 0)
                    (i32.const 99) {TO})) (call $show)
                (if (local.get 2) (then (drop (call $proxy_set_buffer_bytes (i32.const {buffer})
                    (i32.const 0) (i32.const 0) @\"<\"))))
                (i32.eqz (local.get 2)))"
        )
    };
    let close = |name: &str| {
        format!(
            "(func (export \"{name}\") (param i32 i32)
                 (call $number (i32.add (local.get 1) (i32.const 40))))"
        )
    };
    let mut bench = start(&format!(
        "(func (export \"proxy_on_new_connection\") (param i32) (result i32)
             (i32.const 0)){}{}{}{}",
        data("proxy_on_downstream_data", 2),
        data("proxy_on_upstream_data", 3),
        close("proxy_on_downstream_connection_close"),
        close("proxy_on_upstream_connection_close"),
    ));
    let stream = bench.stream();
    assert_eq!(bench.vm.new_connection(stream).unwrap(), Outcome::Continue);
    let mut data = Bytes::from_static(b"ab");
    assert_eq!(
        bench.vm.downstream_data(stream, &mut data, false).unwrap(),
        Outcome::Pause(Pause::Watermark)
    );
    let mut data = Bytes::from_static(b"abc");
    assert_eq!(bench.vm.downstream_data(stream, &mut data, true).unwrap(), Outcome::Continue);
    assert_eq!(data, "<abc");
    let mut data = Bytes::from_static(b"up");
    assert_eq!(bench.vm.upstream_data(stream, &mut data, true).unwrap(), Outcome::Continue);
    bench.vm.downstream_close(stream, CloseType::Remote).unwrap();
    bench.vm.delete(stream).unwrap();
    assert_eq!(bench.log.messages(), ["2", "ab", "3", "abc", "2", "up", "40", "42"]);
}

#[test]
fn a_network_filter_may_close_either_side() {
    let mut bench = start(
        "(func (export \"proxy_on_new_connection\") (param i32) (result i32)
            (call $status (call $proxy_close_stream (i32.const 2)))
                (call $status (call $proxy_close_stream (i32.const 4))) (i32.const 0))",
    );
    let stream = bench.stream();
    assert_eq!(bench.vm.new_connection(stream).unwrap(), Outcome::Close);
    assert_eq!(bench.log.messages(), ["00", "02"]);
}

#[test]
fn a_guest_calls_what_the_host_offers_by_name() {
    let guest = module(&on_request(&format!(
        "(call $status (call $proxy_call_foreign_function @\"reverse\" @\"abc\" {TO})) (call $show)
         (call $status (call $proxy_call_foreign_function @\"reverse\" @\"abc\" (i32.const 0)
             (i32.const 0)))
         (call $status (call $proxy_call_foreign_function @\"none\" @\"abc\" {TO}))
         (call $status (call $proxy_call_foreign_function @\"compress\"
             @\"aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa\" {TO}))
         (call $number (i32.lt_u (i32.load (i32.const 204)) (i32.const 30)))
         (call $status (call $proxy_call_foreign_function @\"uncompress\" (i32.load (i32.const 200))
             (i32.load (i32.const 204)) {TO}))
         (call $show)
         (call $status (call $proxy_call_foreign_function @\"uncompress\" @\"rubbish\" {TO}))"
    )));
    let (host, log) = common::host();
    let foreign = ForeignFunctions::envoy()
        .with("reverse", |call| Ok(call.arguments().iter().rev().copied().collect()));
    let mut vm = Vm::new(&guest, Host { foreign, ..host }, VmOptions::default()).unwrap();
    let plugin = vm.start_plugin(PluginConfig::default()).unwrap();
    let stream = vm.stream(plugin, StreamInfo::default()).unwrap();
    let _ = vm.request_headers(stream, &mut ordinary(), true).unwrap();
    let long = "a".repeat(60);
    assert_eq!(log.messages(), ["00", "cba", "00", "01", "00", "1", "00", long.as_str(), "03"]);
}

#[test]
fn the_filter_state_that_a_guest_sets_for_envoy_is_read_back_by_its_key() {
    // SetEnvoyFilterStateArguments with path (1) and value (2).
    let known = r#"@"\0a\17envoy.tcp_proxy.cluster\12\01c""#;
    let unknown = r#"@"\0a\04mine\12\01c""#;
    let mut bench = start(&on_request(&format!(
        "(call $status (call $proxy_call_foreign_function @\"set_envoy_filter_state\" {known} {TO}))
         (call $status
             (call $proxy_call_foreign_function @\"set_envoy_filter_state\" {unknown} {TO}))
         (call $status
             (call $proxy_call_foreign_function @\"set_envoy_filter_state\" @\"\\ff\" {TO}))
         (call $status (call $proxy_get_property @\"filter_state\\00envoy.tcp_proxy.cluster\" {TO}))
             (call $show)"
    )));
    assert_eq!(bench.request(&mut ordinary()), ["00", "01", "02", "00", "c"]);
}

#[test]
fn the_host_calls_a_foreign_function_of_the_guest_with_arguments() {
    let mut bench = start(&format!(
        "(func (export \"proxy_on_foreign_function\") (param i32 i32 i32)
            (call $number (local.get 1)) (call $number (local.get 2))
            (drop (call $proxy_get_buffer_bytes (i32.const 8) (i32.const 0) (i32.const 99) {TO}))
                (call $show))"
    ));
    bench.vm.foreign_function(bench.plugin, 7, Bytes::from_static(b"args")).unwrap();
    assert_eq!(bench.log.messages(), ["7", "4", "args"]);
}
