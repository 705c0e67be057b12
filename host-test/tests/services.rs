//! What a host offers its guests beside the stream: metrics, properties, shared data, queues,
//! foreign functions, logs, and recorded events.

mod common;

use bytes::Bytes;
use common::{config, engine, host, module, on_request, ordinary, start, start_with, wasm};
use gatepost_host::{
    AbiVersion, ExpectedHostcall, FinalMaps, Host, HostcallMismatch, LogLevel, LogRecord, LogSink,
    MetricKind, Module, PluginConfig, PropertyValue, Recording, Status, StreamInfo, StrictRecorder,
    Vm, VmOptions,
};

#[test]
fn metrics_are_defined_once_and_shared_by_vms() {
    let guest = module(
        "(func (export \"proxy_on_configure\") (param i32 i32) (result i32)
            (call $status (call $proxy_define_metric (i32.const 0) @\"seen\" (i32.const 300)))
            (call $status (call $proxy_define_metric (i32.const 1) @\"level\" (i32.const 304)))
            (call $status (call $proxy_define_metric (i32.const 2) @\"size\" (i32.const 308)))
            (call $status (call $proxy_define_metric (i32.const 3) @\"none\" (i32.const 312)))
            (call $status (call $proxy_increment_metric (i32.load (i32.const 300)) (i64.const 2)))
            (call $status (call $proxy_increment_metric (i32.load (i32.const 300)) (i64.const -1)))
            (call $status (call $proxy_record_metric (i32.load (i32.const 304)) (i64.const 7)))
            (call $status (call $proxy_record_metric (i32.load (i32.const 308)) (i64.const 40)))
            (call $status (call $proxy_increment_metric (i32.const 4000) (i64.const 1)))
            (call $status (call $proxy_get_metric (i32.load (i32.const 300)) (i32.const 320)))
            (call $number (i32.load (i32.const 320)))
            (i32.const 1))",
    );
    let (host, log) = host();
    for _ in 0..2 {
        Vm::new(&guest, host.clone(), VmOptions::default())
            .unwrap()
            .start_plugin(config("m"))
            .unwrap();
    }
    assert_eq!(
        log.messages()[..11],
        ["00", "00", "00", "02", "00", "02", "00", "00", "01", "00", "2"]
    );
    assert_eq!(log.messages().last().unwrap(), "4");
    let values = host.metrics.snapshot();
    let read: Vec<_> =
        values.iter().map(|metric| (metric.name.as_str(), metric.kind, metric.value)).collect();
    assert_eq!(
        read,
        [
            ("level", MetricKind::Gauge, 7),
            ("seen", MetricKind::Counter, 4),
            ("size", MetricKind::Histogram, 2)
        ]
    );
    assert_eq!(host.metrics.value("seen"), Some(4));
    assert_eq!(host.metrics.value("unseen"), None);
}

const TO: &str = "(i32.const 200) (i32.const 204)";

#[test]
fn properties_of_stream_and_plugin_are_read_by_path() {
    let get = |path: &str| {
        format!("(call $status (call $proxy_get_property @\"{path}\" {TO})) (call $show)\n")
    };
    let guest = on_request(
        &[
            "source\\00address",
            "request\\00path",
            "request\\00headers\\00env",
            "plugin_name",
            "plugin_root_id",
            "plugin_vm_id",
            "route_name",
            "xds\\00cluster_name",
            "connection\\00requested_server_name",
        ]
        .map(get)
        .concat(),
    );
    let config = PluginConfig { root_id: "root".into(), vm_id: "vm".into(), ..config("name") };
    let mut bench = start_with(&module(&guest), VmOptions::default(), config);
    let info = StreamInfo {
        source: Some("35.191.0.9:40000".parse().unwrap()),
        route_name: Bytes::from_static(b"route"),
        cluster_name: Some(Bytes::from_static(b"cluster")),
        properties: vec![("connection.requested_server_name".into(), PropertyValue::text("sni"))],
        ..StreamInfo::default()
    };
    let stream = bench.vm.stream(bench.plugin, info).unwrap();
    let _ = bench.vm.request_headers(stream, &mut ordinary(), true).unwrap();
    let values: Vec<_> = bench.log.messages().into_iter().filter(|line| line != "00").collect();
    assert_eq!(
        values,
        ["35.191.0.9:40000", "/a", "one,two", "name", "root", "vm", "route", "cluster", "sni"]
    );
}

#[test]
fn what_a_guest_sets_is_read_back_and_seen_by_the_driver() {
    let mut bench = start(&on_request(&format!(
        "(call $status (call $proxy_set_property @\"mine\" @\"first\"))
         (call $status (call $proxy_set_property @\"mine\" @\"second\"))
         (call $status (call $proxy_get_property @\"mine\" {TO})) (call $show)
         (call $status (call $proxy_get_property @\"other\" {TO}))"
    )));
    let stream = bench.stream();
    let _ = bench.vm.request_headers(stream, &mut ordinary(), true).unwrap();
    assert_eq!(bench.log.messages(), ["00", "00", "00", "second", "01"]);
    assert_eq!(
        bench
            .vm
            .stream_info(stream, |info| info.filter_state.get("wasm.mine").cloned())
            .unwrap()
            .unwrap(),
        "second"
    );
}

#[test]
fn a_property_cannot_be_set_outside_a_stream() {
    let bench = start(
        "(func (export \"proxy_on_configure\") (param i32 i32) (result i32)
            (call $status (call $proxy_set_property @\"mine\" @\"x\")) (i32.const 1))",
    );
    assert_eq!(bench.log.messages(), ["01"]);
}

#[test]
fn shared_data_is_kept_by_vm_id_and_guarded_by_compare_and_swap() {
    let guest = module(&on_request(&format!(
        "(call $status (call $proxy_get_shared_data @\"key\" {TO} (i32.const 208)))
         (call $status (call $proxy_set_shared_data @\"key\" @\"value\" (i32.load (i32.const 208))))
         (call $status (call $proxy_set_shared_data @\"key\" @\"value\" (i32.const 999)))
         (call $status (call $proxy_get_shared_data @\"key\" {TO} (i32.const 208))) (call $show)"
    )));
    let (host, log) = host();
    for (vm_id, first) in [("a", "01"), ("a", "00"), ("b", "01")] {
        let mut vm = Vm::new(&guest, host.clone(), VmOptions::default()).unwrap();
        let plugin = vm.start_plugin(PluginConfig { vm_id: vm_id.into(), ..config("p") }).unwrap();
        let stream = vm.stream(plugin, StreamInfo::default()).unwrap();
        let before = log.messages().len();
        let _ = vm.request_headers(stream, &mut ordinary(), true).unwrap();
        assert_eq!(log.messages()[before..], [first, "00", "08", "00", "value"]);
    }
}

#[test]
fn an_item_put_into_another_vms_queue_is_announced_to_it() {
    let (host, log) = host();
    let reader = module(&format!(
        "(func (export \"proxy_on_configure\") (param i32 i32) (result i32)
            (i32.eqz (call $proxy_register_shared_queue @\"q\" (i32.const 300))))
         (func (export \"proxy_on_queue_ready\") (param $context i32) (param $token i32)
            (call $status (call $proxy_dequeue_shared_queue (local.get $token) {TO})) (call $show)
            (call $status (call $proxy_dequeue_shared_queue (local.get $token) {TO})))"
    ));
    let writer = module(&on_request(
        "(call $status (call $proxy_resolve_shared_queue @\"reader\" @\"q\" (i32.const 300)))
         (call $status (call $proxy_enqueue_shared_queue (i32.load (i32.const 300)) @\"item\"))
         (call $status (call $proxy_resolve_shared_queue @\"reader\" @\"none\" (i32.const 300)))",
    ));
    let mut reading = Vm::new(&reader, host.clone(), VmOptions::default()).unwrap();
    reading.start_plugin(PluginConfig { vm_id: "reader".into(), ..config("r") }).unwrap();
    let mut writing = Vm::new(&writer, host, VmOptions::default()).unwrap();
    let plugin = writing.start_plugin(config("w")).unwrap();
    let stream = writing.stream(plugin, StreamInfo::default()).unwrap();
    let _ = writing.request_headers(stream, &mut ordinary(), true).unwrap();
    assert_eq!(reading.deliver_queue_items().unwrap(), 1);
    assert_eq!(reading.deliver_queue_items().unwrap(), 0);
    assert_eq!(log.messages(), ["00", "00", "01", "00", "item", "07"]);
}

#[test]
fn clear_route_cache_is_a_foreign_function_and_other_names_are_not_found() {
    let mut bench = start(&on_request(
        "(call $status (call $proxy_call_foreign_function @\"clear_route_cache\" (i32.const 0)
             (i32.const 0)
            (i32.const 200) (i32.const 204)))
         (call $status (call $proxy_call_foreign_function @\"unheard_of\" (i32.const 0)
             (i32.const 0) (i32.const 0) (i32.const 0)))
         (call $status (call $proxy_get_status (i32.const 200) (i32.const 204) (i32.const 208)))",
    ));
    let stream = bench.stream();
    let _ = bench.vm.request_headers(stream, &mut ordinary(), true).unwrap();
    assert_eq!(bench.log.messages(), ["00", "01", "00"]);
    assert!(bench.vm.take_route_cache_cleared(stream).unwrap());
}

/// Wants warnings only.
#[derive(Clone, Default)]
struct Warnings(gatepost_host::MemoryLog);

impl LogSink for Warnings {
    fn log(&self, record: LogRecord<'_>) {
        self.0.log(record);
    }

    fn level(&self) -> LogLevel {
        LogLevel::Warn
    }
}

#[test]
fn the_sinks_level_is_told_to_the_guest_and_lower_lines_do_not_come() {
    let log = Warnings::default();
    let host = Host { log: std::sync::Arc::new(log.clone()), ..Host::default() };
    let guest = module(
        "(func (export \"proxy_on_configure\") (param i32 i32) (result i32)
            (drop (call $proxy_get_log_level (i32.const 300)))
            (drop (call $proxy_log (i32.const 2) @\"info\"))
            (drop (call $proxy_log (i32.const 3) @\"warning\"))
            (if (i32.ne (call $proxy_log (i32.const 6) @\"no level\") (i32.const 2))
                (then unreachable))
            (i32.eq (i32.load (i32.const 300)) (i32.const 3)))",
    );
    Vm::new(&guest, host, VmOptions::default()).unwrap().start_plugin(config("p")).unwrap();
    assert_eq!(log.0.messages(), ["warning"]);
}

#[test]
fn recorded_events_are_one_ordered_list() {
    let recording = Recording::default();
    let options = VmOptions { recorder: Some(Box::new(recording.clone())), ..VmOptions::default() };
    let guest = module(&on_request(
        "(drop (call $proxy_replace_header_map_value (i32.const 0) @\"env\" @\"x\"))
         (drop (call $proxy_set_property @\"a\\00b\" @\"v\"))
         (drop (call $proxy_log (i32.const 1) @\"said\"))
         (drop (call $proxy_send_local_response (i32.const 404) @\"why\" (i32.const 0) (i32.const 0)
             (i32.const 0) (i32.const 0)
            (i32.const -1)))",
    ));
    let mut bench = start_with(&guest, options, config("p"));
    assert_eq!(recording.take(), []);
    let stream = bench.stream();
    let _ = bench.vm.request_headers(stream, &mut ordinary(), true).unwrap();
    bench.vm.finish(stream, FinalMaps::default()).unwrap();
    let text = recording.to_string();
    assert_eq!(
        text.lines().collect::<Vec<_>>(),
        [
            "2 > proxy_on_request_headers(headers: 5, end_of_stream: 1)",
            "2   proxy_replace_header_map_value(map: request_headers, name: \"env\", \
             value: \"x\") = Ok",
            "2   proxy_set_property(path: \"a.b\", value: \"v\") = Ok",
            "2   proxy_log(level: debug, message: \"said\") = Ok",
            "2   proxy_send_local_response(status: 404, details: \"why\", body: \"\", \
             headers: [], grpc_status: -1) = Ok",
            "2 < proxy_on_request_headers = 0",
        ]
    );
    let first = recording.take().remove(0);
    assert_eq!(
        serde_json::to_string(&first).unwrap(),
        r#"{"plugin":"p","context":2,"enter":"proxy_on_request_headers","#.to_owned()
            + r#""arguments":{"headers":5,"end_of_stream":1}}"#
    );
}

#[test]
fn a_hostcall_that_fails_is_recorded_with_its_status_and_what_was_read_with_its_value() {
    let recording = Recording::default();
    let options = VmOptions { recorder: Some(Box::new(recording.clone())), ..VmOptions::default() };
    let guest = module(&on_request(&format!(
        "(drop (call $proxy_get_header_map_value (i32.const 0) @\"env\" {TO}))
         (drop (call $proxy_get_header_map_value (i32.const 0) @\"none\" {TO}))
         (drop (call $proxy_log (i32.const 2) (i32.const -1) (i32.const 9)))"
    )));
    let mut bench = start_with(&guest, options, config("p"));
    bench.request(&mut ordinary());
    let lines: Vec<String> = recording.take().iter().map(ToString::to_string).collect();
    assert_eq!(
        lines[1..4],
        [
            "2   proxy_get_header_map_value(map: request_headers, name: \"env\") = Ok, \
             value: \"one\"",
            r#"2   proxy_get_header_map_value(map: request_headers, name: "none") = NotFound"#,
            "2   proxy_log() = InvalidMemoryAccess",
        ]
    );
}

#[test]
fn the_hostcalls_of_old_versions_are_recorded_too() {
    let recording = Recording::default();
    let options = VmOptions { recorder: Some(Box::new(recording.clone())), ..VmOptions::default() };
    let old = wasm(
        AbiVersion::V0_1_0,
        "",
        "(func (export \"proxy_on_request_headers\") (param i32 i32) (result i32)
            (drop (call $proxy_clear_route_cache)) (i32.const 0))",
    );
    let guest = Module::new(&engine(), "old", &old).unwrap();
    start_with(&guest, options, config("p")).request(&mut ordinary());
    let lines: Vec<String> = recording.take().iter().map(ToString::to_string).collect();
    assert!(lines.contains(&"2   proxy_clear_route_cache() = Ok".to_owned()), "{lines:?}");
}

#[test]
fn the_strict_recorder_names_the_first_hostcall_that_was_not_expected() {
    let strict = |expected: Vec<ExpectedHostcall>| {
        let strict = StrictRecorder::new(expected);
        let options =
            VmOptions { recorder: Some(Box::new(strict.clone())), ..VmOptions::default() };
        let guest = module(&on_request(
            "(drop (call $proxy_log (i32.const 2) @\"hi\"))
                 (drop (call $proxy_log (i32.const 3) @\"ho\"))",
        ));
        start_with(&guest, options, config("p")).request(&mut ordinary());
        strict.finish()
    };
    let log = |message: &str| ExpectedHostcall::new("proxy_log").with("message", message);
    assert_eq!(
        strict(vec![log("hi").with("level", "info"), log("ho").answers(Status::Ok)]),
        Ok(())
    );
    assert!(matches!(
        strict(vec![log("hi"), log("hi")]),
        Err(HostcallMismatch::Unexpected { at: 2, expected: Some(_), .. })
    ));
    assert!(matches!(
        strict(vec![log("hi")]),
        Err(HostcallMismatch::Unexpected { at: 2, expected: None, .. })
    ));
    assert!(matches!(
        strict(vec![log("hi"), log("ho"), log("ha")]),
        Err(HostcallMismatch::Missing { at: 3, .. })
    ));
}

#[test]
fn a_vm_may_move_between_threads() {
    let mut bench = start(&on_request("(call $number (i32.const 1))"));
    let lines = std::thread::spawn(move || bench.request(&mut ordinary())).join().unwrap();
    assert_eq!(lines, ["1"]);
}
