//! Runs scenarios on one Envoy process: a listener for each, all in one bootstrap, with one worker.
//! Log lines of guests are separated by the plugin's name, and by the thread: the VMs of the main
//! thread only check a configuration and serve no requests.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::path::Path;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use gatepost_testbed::envoy::process::{Envoy, Options};
use gatepost_testbed::refusing_address;
use serde_json::{Value, json};
use tokio::sync::Semaphore;

use crate::scenario::{Plugin, Scenario};
use crate::seen::{self, Seen};
use crate::{callee, client, upstream};

const HTTP_2: &str = "envoy.extensions.upstreams.http.v3.HttpProtocolOptions";
const CONNECTION_MANAGER: &str =
    "envoy.extensions.filters.network.http_connection_manager.v3.HttpConnectionManager";

/// How many scenarios run at a time. With more, steps that depend on time would be late.
const AT_ONCE: usize = 12;

/// What each scenario did, in their order.
pub async fn run(scenarios: &[Scenario]) -> Vec<Seen> {
    let modules = modules();
    let called = callee::listen().await;
    let (_dead, nobody) = refusing_address().expect("a free port");
    let mut clusters = vec![cluster("echo", called, None), cluster("dead", nobody, None)];
    let mut listeners = Vec::new();
    let mut records = Vec::new();
    for (number, scenario) in scenarios.iter().enumerate() {
        let record: upstream::Record = Arc::new(Mutex::new(Vec::new()));
        for name in ["main", "other"] {
            let address = upstream::listen(name, scenario.response.clone(), record.clone()).await;
            clusters.push(cluster(&format!("{name}-{number:03}"), address, scenario.buffer_bytes));
        }
        listeners.push(listener(number, scenario, modules.path()));
        records.push(record);
    }
    let bootstrap = json!({
        "stats_flush_interval": "0.2s",
        "static_resources": {"listeners": listeners, "clusters": clusters},
    });
    let options = Options { filter_log_level: "trace".to_owned(), ..Options::default() };
    let binary = gatepost_e2e::envoy().unwrap_or_else(|error| panic!("{error}"));
    let envoy = tokio::task::spawn_blocking(move || {
        Envoy::start(&binary, &bootstrap.to_string(), &options)
    })
    .await
    .expect("a start that does not panic")
    .unwrap_or_else(|error| panic!("{error}"));
    let addresses = addresses(&envoy);
    let places = Arc::new(Semaphore::new(AT_ONCE));
    let asked: Vec<_> = scenarios
        .iter()
        .enumerate()
        .map(|(number, scenario)| {
            let (address, scenario, places) =
                (addresses[&number.to_string()], scenario.clone(), places.clone());
            tokio::spawn(async move {
                let _place = places.acquire().await;
                let answers = client::ask(address, &scenario.requests, scenario.http1).await;
                tokio::time::sleep(Duration::from_millis(scenario.wait_ms)).await;
                answers
            })
        })
        .collect();
    let mut answers = Vec::new();
    for asked in asked {
        answers.push(asked.await.expect("a client that does not panic"));
    }
    // Time for the callbacks after an answer, and for statistics to be flushed.
    tokio::time::sleep(Duration::from_millis(2000)).await;
    let log = envoy.log();
    let stats =
        tokio::task::block_in_place(|| envoy.admin("/stats/prometheus")).unwrap_or_else(|error| {
            let end: Vec<&str> = log.lines().rev().take(60).collect();
            panic!("{error}; the end of its log, last line first:\n{}", end.join("\n"))
        });
    let mut logged = logged(&log, envoy.id());
    let seen = answers.into_iter().zip(records).zip(scenarios).enumerate().map(
        |(number, ((answers, record), scenario))| Seen {
            answers,
            upstream: record.lock().expect("a record").clone(),
            log: scenario.compared(logged.remove(&number).unwrap_or_default()),
            metrics: metrics(&stats, scenario),
        },
    );
    seen.collect()
}

fn addresses(envoy: &Envoy) -> BTreeMap<String, SocketAddr> {
    let listeners = tokio::task::block_in_place(|| envoy.admin("/listeners?format=json"))
        .unwrap_or_else(|error| panic!("{error}"));
    let listeners: Value = serde_json::from_str(&listeners).expect("JSON");
    let statuses = listeners["listener_statuses"].as_array().expect("listeners");
    let address = |status: &Value| {
        let port = status["local_address"]["socket_address"]["port_value"].as_u64()?;
        Some((
            status["name"].as_str()?.to_owned(),
            SocketAddr::from(([127, 0, 0, 1], u16::try_from(port).ok()?)),
        ))
    };
    statuses.iter().filter_map(address).collect()
}

/// Every guest as a file.
fn modules() -> tempfile::TempDir {
    let folder = tempfile::tempdir().expect("a temporary folder");
    for name in ["probe", "probe_v0_2_0", "probe_v0_1_0", "few_exports"] {
        let module = gatepost_guests_wasm::by_name(name).expect("a guest");
        std::fs::write(folder.path().join(name), module).expect("a module's file");
    }
    folder
}

fn cluster(name: &str, address: SocketAddr, buffer_bytes: Option<u32>) -> Value {
    let mut cluster = json!({
        "name": name,
        "type": "STATIC",
        "connect_timeout": "2s",
        "typed_extension_protocol_options": {HTTP_2: {
            "@type": format!("type.googleapis.com/{HTTP_2}"),
            "explicit_http_config": {"http2_protocol_options": {}},
        }},
        "load_assignment": {"cluster_name": name, "endpoints": [
            {"lb_endpoints": [{"endpoint": {"address": socket(address)}}]},
        ]},
    });
    if let Some(bytes) = buffer_bytes {
        cluster["per_connection_buffer_limit_bytes"] = bytes.into();
        let options = &mut cluster["typed_extension_protocol_options"][HTTP_2];
        options["explicit_http_config"]["http2_protocol_options"] =
            json!({"initial_stream_window_size": bytes});
    }
    cluster
}

fn socket(address: SocketAddr) -> Value {
    json!({"socket_address": {"address": address.ip().to_string(), "port_value": address.port()}})
}

fn listener(number: usize, scenario: &Scenario, modules: &Path) -> Value {
    let mut filters: Vec<Value> = scenario
        .plugins
        .iter()
        .map(|plugin| wasm(number, plugin, scenario.allow_stop, modules))
        .collect();
    filters.push(json!({"name": "envoy.filters.http.router", "typed_config": {
        "@type": "type.googleapis.com/envoy.extensions.filters.http.router.v3.Router",
        "suppress_envoy_headers": true,
    }}));
    let route = |matched: Value, name: &str| {
        let cluster = format!("{name}-{number:03}");
        json!({"match": matched, "route": {"cluster": cluster, "timeout": "5s"}})
    };
    let other = json!({"name": "x-route", "string_match": {"exact": "other"}});
    let mut manager = json!({
        "@type": format!("type.googleapis.com/{CONNECTION_MANAGER}"),
        "stat_prefix": format!("s{number}"),
        "codec_type": if scenario.http1 { "HTTP1" } else { "HTTP2" },
        "http_protocol_options": {"enable_trailers": true},
        "generate_request_id": false,
        "server_header_transformation": "PASS_THROUGH",
        "http_filters": filters,
        "route_config": {"name": "routes", "virtual_hosts": [
            {"name": "all", "domains": ["*"], "routes": [
                route(json!({"prefix": "/", "headers": [other]}), "other"),
                route(json!({"prefix": "/other"}), "other"),
                route(json!({"prefix": "/"}), "main"),
            ]},
        ]},
    });
    // Over HTTP/2, the limit of a stream's buffers is its window.
    if let Some(bytes) = scenario.buffer_bytes {
        manager["http2_protocol_options"] = json!({"initial_stream_window_size": bytes});
    }
    let mut listener = json!({
        "name": number.to_string(),
        "address": socket(SocketAddr::from(([127, 0, 0, 1], 0))),
        "filter_chains": [{"filters": [
            {"name": "envoy.filters.network.http_connection_manager", "typed_config": manager},
        ]}],
    });
    if let Some(bytes) = scenario.buffer_bytes {
        listener["per_connection_buffer_limit_bytes"] = bytes.into();
    }
    listener
}

fn wasm(number: usize, plugin: &Plugin, allow_stop: bool, modules: &Path) -> Value {
    let kind = "type.googleapis.com/google.protobuf.StringValue";
    let text = |text: &str| json!({"@type": kind, "value": text});
    let vm = plugin.vm.as_ref().unwrap_or(&plugin.name);
    let policy = match plugin.fail.as_str() {
        "open" => "FAIL_OPEN",
        "reload" => "FAIL_RELOAD",
        _ => "FAIL_CLOSED",
    };
    json!({"name": format!("wasm-{}", plugin.name), "typed_config": {
        "@type": "type.googleapis.com/envoy.extensions.filters.http.wasm.v3.Wasm",
        "config": {
            "name": format!("{number:03}/{}", plugin.name),
            "root_id": plugin.root_id,
            "failure_policy": policy,
            "allow_on_headers_stop_iteration": allow_stop,
            "vm_config": {
                "vm_id": format!("{number:03}/{vm}"),
                "runtime": "envoy.wasm.runtime.v8",
                "code": {"local": {"filename": modules.join(&plugin.guest)}},
                "configuration": text(&plugin.vm_script),
            },
            "configuration": text(&plugin.script),
        },
    }})
}

/// The lines that plugins logged on worker threads, by the number of their scenario:
/// `[time][thread][level][wasm] [source] wasm log NUMBER/PLUGIN ROOT VM: message`.
fn logged(log: &str, main_thread: u32) -> BTreeMap<usize, Vec<String>> {
    let main = main_thread.to_string();
    let line = |line: &str| {
        let (prefix, rest) = line.split_once(" wasm log ")?;
        let mut fields = prefix.split(['[', ']']).filter(|field| !field.is_empty());
        let (_, thread, level) = (fields.next()?, fields.next()?, fields.next()?);
        let (names, message) = rest.split_once(": ")?;
        // A stream's context logs `PLUGIN ROOT VM`, a root context `ROOT VM`.
        let (number, plugin) = names.split(' ').find_map(|name| name.split_once('/'))?;
        let level = if level == "warning" { "warn" } else { level };
        (thread != main).then(|| {
            Some((number.parse().ok()?, format!("{plugin} {level} {}", seen::log_message(message))))
        })?
    };
    let mut lines: BTreeMap<usize, Vec<String>> = BTreeMap::new();
    for (number, line) in log.lines().filter_map(line) {
        lines.entry(number).or_default().push(line);
    }
    lines
}

/// The metrics that the scripts define: the value of a counter or gauge, how often a histogram was
/// recorded to.
fn metrics(stats: &str, scenario: &Scenario) -> BTreeMap<String, String> {
    let value = |name: &str| {
        let line = stats.lines().find(|line| line.split(['{', ' ']).next() == Some(name))?;
        Some(line.rsplit(' ').next()?.to_owned())
    };
    let text = |name: String| {
        // The sum is an estimate from buckets.
        let histogram = || Some(format!("count {}", value(&format!("{name}_count"))?));
        let text = histogram().or_else(|| value(&name))?;
        Some((name, text))
    };
    scenario.metrics().into_iter().filter_map(text).collect()
}
