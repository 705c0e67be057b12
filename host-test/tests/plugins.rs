//! Plugins in a VM: configuration, refusal, several in one VM, ticks, and their end.

mod common;

use std::time::Duration;

use bytes::Bytes;
use common::{config, host, module, ordinary, start, start_with};
use gatepost_host::{
    CallError, FinalMaps, PluginConfig, StartError, Stopped, StreamInfo, Vm, VmOptions,
};

/// Accepts every configuration but one of three bytes, and logs it.
const CONFIGURED: &str = r#"
    (func (export "proxy_on_vm_start") (param $context i32) (param $len i32) (result i32)
        (call $status (call $proxy_get_buffer_bytes (i32.const 7) (i32.const 0) (i32.const 99)
            (i32.const 200) (i32.const 204)))
        (drop (call $proxy_get_buffer_bytes (i32.const 6) (i32.const 0) (local.get $len)
            (i32.const 200) (i32.const 204)))
        (call $show)
        (i32.ne (local.get $len) (i32.const 3)))
    (func (export "proxy_on_configure") (param $context i32) (param $len i32) (result i32)
        (drop (call $proxy_get_buffer_bytes (i32.const 7) (i32.const 0) (local.get $len)
            (i32.const 200) (i32.const 204)))
        (call $show)
        (i32.ne (local.get $len) (i32.const 3)))
    (func (export "proxy_on_delete") (param $context i32)
        (drop (call $proxy_log (i32.const 2) @"deleted")))
"#;

fn configured(vm: &'static str, plugin: &'static str) -> PluginConfig {
    PluginConfig {
        vm_configuration: Bytes::from_static(vm.as_bytes()),
        configuration: Bytes::from_static(plugin.as_bytes()),
        ..config("p")
    }
}

#[test]
fn a_plugin_reads_its_own_and_its_vms_configuration() {
    let bench = start_with(
        &module(CONFIGURED),
        VmOptions::default(),
        configured("of the vm", "of the plugin"),
    );
    assert_eq!(bench.log.messages(), ["01", "of the vm", "of the plugin"]);
}

#[test]
fn a_refused_configuration_leaves_the_vm_and_its_plugins_running() {
    let (host, log) = host();
    let mut vm = Vm::new(&module(CONFIGURED), host, VmOptions::default()).unwrap();
    let good = vm.start_plugin(configured("", "good")).unwrap();
    let error = vm.start_plugin(configured("", "bad")).unwrap_err();
    assert!(matches!(&error, StartError::Refused { plugin } if plugin == "p"), "{error}");
    assert_eq!(log.messages().last().unwrap(), "deleted");
    assert!(matches!(vm.start_plugin(configured("bad", "")), Err(StartError::VmRefused { .. })));
    let stream = vm.stream(good, StreamInfo::default()).unwrap();
    vm.finish(stream, FinalMaps::default()).unwrap();
    assert!(vm.trap().is_none());
}

#[test]
fn two_plugins_in_one_vm_keep_their_names_apart_and_share_its_memory() {
    let guest = common::on_request(
        "(drop (call $proxy_get_property @\"plugin_name\" (i32.const 200) (i32.const 204)))
             (call $show)
         (i32.store (i32.const 300) (i32.add (i32.load (i32.const 300)) (i32.const 1)))
         (call $number (i32.load (i32.const 300)))",
    );
    let mut bench = start(&guest);
    let other = bench.vm.start_plugin(config("other")).unwrap();
    for plugin in [bench.plugin, other] {
        let stream = bench.vm.stream(plugin, StreamInfo::default()).unwrap();
        let _ = bench.vm.request_headers(stream, &mut ordinary(), true).unwrap();
    }
    assert_eq!(bench.log.messages(), ["test", "1", "other", "2"]);
    let names: Vec<_> = bench.log.lines().into_iter().map(|line| line.plugin).collect();
    assert_eq!(names, ["test", "test", "other", "other"]);
}

#[test]
fn ticks_come_when_the_host_says_so() {
    let mut bench = start(
        "(func (export \"proxy_on_configure\") (param i32 i32) (result i32)
            (i32.eqz (call $proxy_set_tick_period_milliseconds (i32.const 250))))
         (func (export \"proxy_on_tick\") (param $context i32)
            (call $number (local.get $context))
            (drop (call $proxy_set_tick_period_milliseconds (i32.const 0))))",
    );
    assert_eq!(bench.vm.tick_period(bench.plugin), Some(Duration::from_millis(250)));
    bench.vm.tick(bench.plugin).unwrap();
    assert_eq!(bench.log.messages(), ["1"]);
    assert_eq!(bench.vm.tick_period(bench.plugin), None);
}

#[test]
fn a_stopped_plugin_is_unknown() {
    let mut bench = start("");
    assert_eq!(bench.vm.stop_plugin(bench.plugin).unwrap(), Stopped::Now);
    assert!(!bench.vm.runs(bench.plugin));
    assert!(matches!(bench.vm.tick(bench.plugin), Err(CallError::UnknownPlugin { context: 1 })));
    let again = bench.vm.start_plugin(config("again")).unwrap();
    assert_eq!(again.context(), 2, "a context id is not given out twice");
    assert!(matches!(
        bench.vm.stream(bench.plugin, StreamInfo::default()),
        Err(CallError::UnknownPlugin { .. })
    ));
}

#[test]
fn a_plugin_with_open_streams_cannot_be_stopped() {
    let mut bench = start("");
    let stream = bench.stream();
    assert!(matches!(
        bench.vm.stop_plugin(bench.plugin),
        Err(CallError::StreamsOpen { context: 1, streams: 1 })
    ));
    bench.vm.finish(stream, FinalMaps::default()).unwrap();
    assert_eq!(bench.vm.stop_plugin(bench.plugin).unwrap(), Stopped::Now);
}

#[test]
fn a_plugin_may_put_its_end_off_until_it_is_done() {
    let mut bench = start(
        "(func (export \"proxy_on_done\") (param i32) (result i32) (i32.const 0))
         (func (export \"proxy_on_tick\") (param i32)
            (call $status (call $proxy_done)))
         (func (export \"proxy_on_delete\") (param i32)
             (drop (call $proxy_log (i32.const 2) @\"deleted\")))",
    );
    bench.vm.tick(bench.plugin).unwrap();
    assert_eq!(bench.vm.stop_plugin(bench.plugin).unwrap(), Stopped::Later);
    assert!(bench.vm.runs(bench.plugin));
    assert!(
        bench.vm.stream(bench.plugin, StreamInfo::default()).is_err(),
        "it takes no new streams"
    );
    bench.vm.tick(bench.plugin).unwrap();
    assert_eq!(bench.log.messages(), ["01", "00", "deleted"]);
    assert!(!bench.vm.runs(bench.plugin));
}

#[test]
fn abi_0_1_0_reads_its_configuration_with_the_old_call() {
    let body = "(func (export \"proxy_on_configure\") (param i32 i32) (result i32)
            (drop (call $proxy_get_configuration (i32.const 200) (i32.const 204))) (call $show)
                (i32.const 1))
        (func (export \"proxy_on_request_headers\") (param i32 i32) (result i32)
            (drop (call $proxy_continue_request)) (drop (call $proxy_clear_route_cache))
                (i32.const 1))";
    let wasm = common::wasm(gatepost_host::AbiVersion::V0_1_0, "", body);
    let module = gatepost_host::Module::new(&common::engine(), "old", &wasm).unwrap();
    let mut bench = start_with(&module, VmOptions::default(), configured("", "settings"));
    assert_eq!(bench.log.messages(), ["settings"]);
    let stream = bench.stream();
    let _ = bench.vm.request_headers(stream, &mut ordinary(), true).unwrap();
    assert!(bench.vm.take_continued(stream, gatepost_host::StreamKind::HttpRequest).unwrap());
    assert!(bench.vm.take_route_cache_cleared(stream).unwrap());
}

#[test]
fn a_pool_has_room_for_so_many_vms_and_no_more() {
    let pool = gatepost_host::Pool { vms: 2, memory_bytes: 1 << 20 };
    let engine = gatepost_host::Engine::new(gatepost_host::EngineOptions {
        pool: Some(pool),
        ..Default::default()
    })
    .unwrap();
    let wasm = common::wasm(gatepost_host::AbiVersion::V0_2_1, "", "");
    let module = gatepost_host::Module::new(&engine, "guest", &wasm).unwrap();
    let vm = || Vm::new(&module, gatepost_host::Host::default(), VmOptions::default());
    let (first, _second) = (vm().unwrap(), vm().unwrap());
    assert!(matches!(vm(), Err(StartError::Instantiate { .. })));
    drop(first);
    vm().unwrap();
}
