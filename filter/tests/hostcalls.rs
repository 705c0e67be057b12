//! Which hostcalls the filter makes, and which of its callbacks the host calls, for each kind of
//! request. A hostcall costs as much as a decision, so an added one must fail a test. docs/design
//! says what each costs in Envoy.

use std::path::Path;

use gatepost_authoring::PolicyFile;
use gatepost_host::{
    Chain, ChainPlugin, Engine, EngineOptions, Finished, Headers, Host, Message, Module,
    PluginConfig, Recorded, RecordedEvent, StreamInfo, Worker, WorkerOptions,
};

const BROWSER: &[(&str, &str)] = &[
    (":method", "GET"),
    (":path", "/cart?id=1"),
    (":scheme", "https"),
    (
        "user-agent",
        "Mozilla/5.0 (X11; Linux x86_64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/137.0.0.0 \
         Safari/537.36",
    ),
    ("accept", "text/html,application/xhtml+xml"),
    ("accept-encoding", "gzip, deflate, br, zstd"),
    ("cookie", "session=8f14e45f"),
    ("via", "1.1 google"),
];

fn shipped(policy: &str) -> Worker {
    let path =
        Path::new(env!("CARGO_MANIFEST_DIR")).join("../policies").join(policy).join("policy.yaml");
    let configuration = PolicyFile::read(&path).expect("a shipped policy").json;
    let engine = Engine::new(EngineOptions::default()).expect("an engine");
    let module = Module::new(&engine, "gatepost", gatepost_filter_wasm::MODULE).expect("a module");
    let config = PluginConfig { configuration: configuration.into(), ..PluginConfig::default() };
    let chain = Chain::new(vec![ChainPlugin { module, config }]);
    let options = WorkerOptions { record: true, ..WorkerOptions::default() };
    Worker::with_options(&chain, Host::default(), &options).expect("a worker")
}

fn send(worker: &mut Worker, headers: &[(&str, &str)]) -> Vec<Recorded> {
    let request = Message::new(Headers::request(headers.iter().copied()));
    let info = StreamInfo { source: Some(([10, 0, 0, 1], 4711).into()), ..StreamInfo::default() };
    let upstream = &mut |_: &Message| Some(Message::new(Headers::response([(":status", "200")])));
    let Finished { recorded, .. } = worker.run_with(request, info, upstream);
    recorded
}

/// Checks the hostcalls of the second of two such requests. The first one also starts the timer
/// that flushes the counters.
#[track_caller]
fn assert_calls(policy: &str, headers: &[(&str, &str)], expected: &[&str]) {
    let mut worker = shipped(policy);
    send(&mut worker, headers);
    let recorded = send(&mut worker, headers);
    let called = recorded.iter().filter_map(|recorded| match recorded.event {
        RecordedEvent::Called { hostcall, .. } => Some(hostcall),
        _ => None,
    });
    assert_eq!(called.collect::<Vec<_>>(), expected, "{policy}");
    let entered = recorded.iter().filter_map(|recorded| match recorded.event {
        RecordedEvent::Entered { callback, .. } => Some(callback),
        _ => None,
    });
    let callbacks =
        ["proxy_on_context_create", "proxy_on_request_headers", "proxy_on_response_headers"];
    assert_eq!(entered.collect::<Vec<_>>(), callbacks, "{policy}");
}

/// A browser's request to a host, with additional headers.
fn browser<'a>(host: &'a str, more: &[(&'a str, &'a str)]) -> Vec<(&'a str, &'a str)> {
    [(":authority", host)].iter().chain(BROWSER).chain(more).copied().collect()
}

const HEADERS: &str = "proxy_get_header_map_pairs";
const GET: &str = "proxy_get_header_map_value";
const SET: &str = "proxy_replace_header_map_value";
const ADD: &str = "proxy_add_header_map_value";

#[test]
fn a_request_that_passes_costs_one_call() {
    assert_calls("knative-gclb", &browser("www.example.com", &[]), &[HEADERS]);
}

/// The response is asked for each of the headers that may name the host that was written.
#[test]
fn a_mapped_host_costs_three_calls_and_four_for_its_response() {
    let calls = [HEADERS, SET, ADD, GET, GET, GET, GET];
    assert_calls("knative-gclb", &browser("my-service.test.com", &[]), &calls);
}

/// It is asked for `Vary`, too, and gains it.
#[test]
fn an_environment_costs_three_calls_and_six_for_its_response() {
    let calls = [HEADERS, SET, ADD, GET, GET, GET, GET, GET, ADD];
    assert_calls("asm-grpc-env", &browser("app.example.com", &[("env", "env2")]), &calls);
}

#[test]
fn a_probe_costs_three_calls() {
    let probe = [
        (":method", "GET"),
        (":path", "/"),
        (":authority", "10.0.0.7"),
        ("user-agent", "GoogleHC/1.0"),
    ];
    assert_calls("knative-gclb", &probe, &[HEADERS, SET, SET]);
}

#[test]
fn a_refusal_costs_two_calls() {
    assert_calls(
        "knative-gclb",
        &browser("db.svc.cluster.local", &[]),
        &[HEADERS, "proxy_send_local_response"],
    );
}
