//! What the example filter does around a decision: it refuses a wrong configuration, fails closed,
//! observes without a change, and calls the proxy no more often than it must.

use std::sync::Arc;

use gatepost_host::{
    Chain, ChainOptions, ChainPlugin, Engine, EngineOptions, Finished, Headers, Host, Limits,
    MemoryLog, Message, Module, PluginConfig, Recorded, RecordedEvent, StreamInfo, Vm, VmOptions,
    Worker, WorkerOptions,
};
use gatepost_proxy_wasm_example::{HSTS, POLICY_ALONE};

const POLICY: &str = r#"{
    "apiVersion": "gatepost/v1",
    "hosts": {
        "private": ["*.internal"],
        "mappings": [{ "host": "a.example", "authority": "a.default.example.com" }],
        "originalHost": "x-forwarded-host"
    }
}"#;

fn chain(wasm: &[u8], configuration: &str, limits: Limits) -> Chain {
    let engine = Engine::new(EngineOptions::default()).expect("an engine");
    let module = Module::new(&engine, "hsts", wasm).expect("a module");
    let config =
        PluginConfig { configuration: configuration.to_owned().into(), ..PluginConfig::default() };
    let options = ChainOptions { limits, ..ChainOptions::default() };
    Chain::with_options(vec![ChainPlugin { module, config }], options)
}

fn worker(wasm: &[u8], configuration: &str, limits: Limits) -> Worker {
    let options = WorkerOptions { record: true, ..WorkerOptions::default() };
    Worker::with_options(&chain(wasm, configuration, limits), Host::default(), &options)
        .expect("a worker")
}

fn get(worker: &mut Worker, host: &str) -> Finished {
    let headers = [(":method", "GET"), (":path", "/"), (":scheme", "https"), (":authority", host)];
    let request = Message::new(Headers::request(headers));
    let upstream = &mut |_: &Message| Some(Message::new(Headers::response([(":status", "200")])));
    worker.run_with(request, StreamInfo::default(), upstream)
}

fn authority(finished: &Finished) -> Option<&[u8]> {
    finished.upstream_request.as_ref()?.headers.get(":authority")
}

fn details(finished: &Finished) -> Option<String> {
    finished.local_reply.as_ref().map(|reply| format!("{} {}", reply.status, reply.details))
}

#[test]
fn the_policy_and_the_filters_own_logic_work_side_by_side() {
    let mut worker = worker(HSTS, POLICY, Limits::default());
    let mapped = get(&mut worker, "a.example");
    assert_eq!(authority(&mapped), Some(&b"a.default.example.com"[..]));
    let response = mapped.response.expect("a response");
    assert_eq!(response.headers.get("strict-transport-security"), Some(&b"max-age=31536000"[..]));
    let refused = get(&mut worker, "db.internal");
    assert_eq!(details(&refused).as_deref(), Some("404 gatepost.host.private"));
}

#[test]
fn a_wrong_policy_is_refused_and_each_fault_is_logged() {
    let wrong = r#"{ "apiVersion": "gatepost/v2", "hosts": { "mappings": 3 } }"#;
    let log = MemoryLog::default();
    let host = Host { log: Arc::new(log.clone()), ..Host::default() };
    Worker::new(&chain(HSTS, wrong, Limits::default()), host).expect_err("two faults");
    let lines = log.messages();
    let refused: Vec<_> =
        lines.iter().filter(|line| line.starts_with("gatepost: configuration refused:")).collect();
    assert_eq!(refused.len(), 2, "{lines:?}");
}

#[test]
fn a_policy_that_observes_changes_nothing() {
    let observing = POLICY.replacen('{', r#"{ "mode": "observe","#, 1);
    let mut worker = worker(HSTS, &observing, Limits::default());
    for host in ["a.example", "db.internal"] {
        let finished = get(&mut worker, host);
        assert_eq!(authority(&finished), Some(host.as_bytes()));
    }
}

#[test]
fn what_a_client_may_not_send_does_not_arrive_as_a_trailer() {
    let observing = POLICY.replacen('{', r#"{ "mode": "observe","#, 1);
    let names = ["x-forwarded-host", "x_forwarded_host", "x-checksum"];
    for (policy, arrive) in [(POLICY, &names[2..]), (&observing, &names[..])] {
        let mut worker = worker(POLICY_ALONE, policy, Limits::default());
        let headers = [(":method", "POST"), (":path", "/"), (":authority", "www.example.com")];
        let request = Message {
            trailers: Some(Headers::request(names.map(|name| (name, "1")))),
            ..Message::new(Headers::request(headers)).with_body("body")
        };
        let upstream =
            &mut |_: &Message| Some(Message::new(Headers::response([(":status", "200")])));
        let finished = worker.run_with(request, StreamInfo::default(), upstream);
        let trailers = finished.upstream_request.expect("forwarded").trailers.expect("trailers");
        let arrived: Vec<_> =
            trailers.iter().map(|(name, _)| String::from_utf8_lossy(name)).collect();
        assert_eq!(arrived, arrive);
    }
}

#[test]
fn a_request_whose_header_the_proxy_refuses_to_write_is_answered_with_500() {
    let limits = Limits { header_map_bytes: 1, ..Limits::default() };
    let mut worker = worker(POLICY_ALONE, POLICY, limits);
    let finished = get(&mut worker, "a.example");
    assert_eq!(details(&finished).as_deref(), Some("500 gatepost.internal.write_refused"));
    assert!(finished.upstream_request.is_none());
    get(&mut worker, "a.example");
    let metrics = &worker.host().metrics;
    assert_eq!(metrics.value("gatepost.internal.write_refused"), Some(2));
}

#[test]
fn a_request_that_passes_costs_four_entries_and_one_call() {
    let mut worker = worker(POLICY_ALONE, POLICY, Limits::default());
    let effects = get(&mut worker, "www.example.com").recorded;
    let entered: Vec<_> = effects
        .iter()
        .filter_map(|Recorded { event, .. }| match event {
            RecordedEvent::Entered { callback, .. } => Some(*callback),
            _ => None,
        })
        .collect();
    let callbacks = [
        "proxy_on_context_create",
        "proxy_on_request_headers",
        "proxy_on_response_headers",
        "proxy_on_delete",
    ];
    assert_eq!(entered, callbacks);
    let called: Vec<_> = effects
        .iter()
        .filter_map(|Recorded { event, .. }| match event {
            RecordedEvent::Called { hostcall, .. } => Some(*hostcall),
            _ => None,
        })
        .collect();
    assert_eq!(called, ["proxy_get_header_map_pairs"]);
}

#[test]
fn the_policy_shows_while_the_plugin_is_there() {
    let engine = Engine::new(EngineOptions::default()).expect("an engine");
    let module = Module::new(&engine, "hsts", HSTS).expect("a module");
    let host = Host::default();
    let mut vm = Vm::new(&module, host.clone(), VmOptions::default()).expect("a VM");
    let config = PluginConfig {
        name: "edge.hsts".into(),
        configuration: POLICY.into(),
        ..PluginConfig::default()
    };
    let plugin = vm.start_plugin(config).expect("accepted");
    vm.tick(plugin).expect("no trap");
    let policy = gatepost_engine::compile_json(POLICY.as_bytes()).expect("a policy");
    let shown = || host.metrics.value("gatepost.policy.edge_hsts");
    assert_eq!(shown(), Some(policy.fingerprint()));
    assert_eq!(host.metrics.value("gatepost.observe.edge_hsts"), Some(0));
    vm.stop_plugin(plugin).expect("no trap");
    assert_eq!(shown(), Some(0));
}
