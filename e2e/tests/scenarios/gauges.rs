//! What a real Envoy shows of the policies in force: a gauge for each plugin with the fingerprint
//! of its policy, through updates of all kinds, and none when the plugin is gone.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use gatepost_authoring::PolicyFile;
use gatepost_render::bootstrap::PluginSource;
use gatepost_status::{Plugin, Shown};
use gatepost_testbed::client::get;
use gatepost_testbed::envoy::process::{Envoy, Options};
use http::Version;
use serde_json::{Value, json};
use tempfile::TempDir;

use crate::answer::send;
use crate::reload::{BAD, Watching, bootstrap, plugin};

/// An Envoy whose listeners are a file that it watches.
struct Listening {
    envoy: Envoy,
    path: PathBuf,
    _folder: TempDir,
}

impl Listening {
    fn start(listeners: &[Value]) -> Self {
        let folder = tempfile::tempdir().expect("a folder");
        let path = folder.path().join("listeners.json");
        write(&path, "1", listeners);
        let document = json!({
            "node": { "id": "gatepost", "cluster": "gatepost" },
            "dynamic_resources": { "lds_config": {
                "resource_api_version": "V3",
                "path_config_source": { "path": path },
            } },
        });
        let binary = gatepost_e2e::envoy().expect("an Envoy");
        let options = Options { concurrency: 2, ..Options::default() };
        let envoy = Envoy::start(&binary, &document.to_string(), &options)
            .unwrap_or_else(|error| panic!("{error}"));
        Self { envoy, path, _folder: folder }
    }

    fn update(&self, version: &str, listeners: &[Value]) {
        write(&self.path, version, listeners);
    }
}

fn write(path: &Path, version: &str, listeners: &[Value]) {
    let resources: Vec<Value> = listeners
        .iter()
        .map(|listener| {
            let mut listener = listener.clone();
            listener["@type"] = json!("type.googleapis.com/envoy.config.listener.v3.Listener");
            listener
        })
        .collect();
    let response = json!({ "version_info": version, "resources": resources });
    let new = path.with_extension("new");
    std::fs::write(&new, response.to_string()).expect("written");
    std::fs::rename(&new, path).expect("swapped");
}

/// A listener with these plugins: a name and a policy each.
fn listener(name: &str, plugins: &[(&str, &str)]) -> Value {
    let document = bootstrap(&[], PluginSource::Static(plugin("{}")));
    let document: Value = serde_json::from_str(&document).expect("JSON");
    let mut listener = document["static_resources"]["listeners"][0].clone();
    listener["name"] = json!(name);
    let filters = &mut listener["filter_chains"][0]["filters"][0]["typed_config"]["http_filters"];
    let filters = filters.as_array_mut().expect("filters");
    let filter = filters.remove(0);
    for (number, (name, policy)) in plugins.iter().enumerate() {
        let mut filter = filter.clone();
        filter["name"] = json!(format!("filter-{number}"));
        filter["typed_config"]["config"]["name"] = json!(name);
        filter["typed_config"]["config"]["configuration"]["value"] = json!(policy);
        filters.insert(number, filter);
    }
    listener
}

fn policy(text: &str) -> (String, u64) {
    let text = format!("apiVersion: gatepost/v1\n{text}\n");
    let file = PolicyFile::parse("policy.yaml", &text);
    let file = file.unwrap_or_else(|report| panic!("{report:?}"));
    (file.json, file.policy.fingerprint())
}

/// Waits until the metrics of a name that begins so have these values.
fn until(envoy: &Envoy, what: &str, wanted: &[(&str, u64)]) {
    let started = Instant::now();
    let wanted: BTreeMap<String, u64> =
        wanted.iter().map(|(name, value)| ((*name).to_owned(), *value)).collect();
    loop {
        let shown = policies(envoy);
        if shown == wanted {
            return;
        }
        let waited = started.elapsed();
        assert!(waited < Duration::from_secs(30), "{what}: {shown:?}, and not {wanted:?}");
        std::thread::sleep(Duration::from_millis(50));
    }
}

/// The gauges of policies, by the plugin's name; `observe.` before it for those that are 1 while a
/// policy observes.
fn policies(envoy: &Envoy) -> BTreeMap<String, u64> {
    let stats = envoy.admin("/stats?filter=wasmcustom.gatepost.(policy|observe)").expect("stats");
    let line = |line: &str| {
        let (name, value) = line.split_once(": ").expect("a metric");
        let name = name.strip_prefix("wasmcustom.gatepost.").expect("ours");
        let name = name.strip_prefix("policy.").unwrap_or(name).to_owned();
        (name, value.parse().expect("a number"))
    };
    stats.lines().map(line).collect()
}

fn counter(envoy: &Envoy, name: &str) -> Option<u64> {
    envoy.counters().expect("counters").get(name).copied()
}

fn until_counter(envoy: &Envoy, name: &str, wanted: u64) {
    let started = Instant::now();
    while counter(envoy, name) != Some(wanted) {
        assert!(started.elapsed() < Duration::from_secs(30), "{name} is not {wanted}");
        std::thread::sleep(Duration::from_millis(50));
    }
}

const REJECTED: &str = "wasmcustom.gatepost.config.rejected";
const UPDATE_REJECTED: &str = "listener_manager.lds.update_rejected";

#[test]
fn the_gauge_of_a_plugin_follows_its_listener_and_is_gone_with_it() {
    let ((a, a_number), (b, b_number)) = (policy("strip: [x-a]"), policy("mode: observe"));
    let listening = Listening::start(&[listener("one", &[("one", &a)])]);
    let envoy = &listening.envoy;
    until(envoy, "started", &[("one", a_number), ("observe.one", 0)]);

    listening.update("2", &[listener("one", &[("one", &b)])]);
    until(envoy, "another policy", &[("one", b_number), ("observe.one", 1)]);

    listening.update("3", &[listener("one", &[("one", BAD)])]);
    until_counter(envoy, UPDATE_REJECTED, 1);
    assert_eq!(counter(envoy, REJECTED), Some(1), "other VMs of the module run");
    until(envoy, "a refused policy", &[("one", b_number), ("observe.one", 1)]);

    listening.update("4", &[listener("one", &[("two", &b)])]);
    let renamed = [("one", 0), ("observe.one", 0), ("two", b_number), ("observe.two", 1)];
    until(envoy, "another name", &renamed);

    // The module's VM ends, and with it all that it counted.
    listening.update("5", &[listener("one", &[])]);
    until(envoy, "no plugin", &[]);
    assert_eq!(counter(envoy, REJECTED), None);

    listening.update("6", &[listener("one", &[("one", BAD)])]);
    until_counter(envoy, UPDATE_REJECTED, 2);
    assert_eq!(counter(envoy, REJECTED), None, "the VM that refused it is gone");
    until(envoy, "a refused policy, and none before", &[]);

    listening.update("7", &[listener("one", &[("one", &a)])]);
    until(envoy, "a plugin again", &[("one", a_number), ("observe.one", 0)]);
}

#[test]
fn plugins_of_one_vm_have_a_gauge_each() {
    let ((a, a_number), (b, b_number)) = (policy("strip: [x-a]"), policy("strip: [x-b]"));
    let both = [("one", a_number), ("observe.one", 0), ("two", b_number), ("observe.two", 0)];
    let plugins = [("one", &*a), ("two", &*b)];
    let of = |name: &str, count: usize| listener(name, &plugins[..count]);
    let listening = Listening::start(&[of("first", 2)]);
    let envoy = &listening.envoy;
    until(envoy, "two plugins of a chain", &both);
    let rest = [("one", a_number), ("observe.one", 0), ("two", 0), ("observe.two", 0)];
    listening.update("2", &[of("first", 1)]);
    until(envoy, "one is gone", &rest);
    // Each in a listener of its own.
    listening.update("3", &[of("first", 1), listener("second", &[("two", &b)])]);
    until(envoy, "two listeners", &both);
    listening.update("4", &[of("first", 1)]);
    until(envoy, "one listener is gone", &rest);
}

#[test]
fn a_listener_that_is_refused_for_another_filter_shows_the_policy_before() {
    let ((a, a_number), (b, _)) = (policy("strip: [x-a]"), policy("strip: [x-b]"));
    let listening = Listening::start(&[listener("one", &[("one", &a)])]);
    let envoy = &listening.envoy;
    until(envoy, "started", &[("one", a_number), ("observe.one", 0)]);
    // The filter accepts the first policy before the second one is refused.
    listening.update("2", &[listener("one", &[("one", &b), ("two", BAD)])]);
    until_counter(envoy, UPDATE_REJECTED, 1);
    until(envoy, "refused", &[("one", a_number), ("observe.one", 0)]);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_policy_that_is_discovered_shows_and_one_that_is_refused_does_not() {
    let ((a, a_number), (b, b_number)) = (policy("strip: [x-a]"), policy("mode: observe"));
    let watching = Watching::start(&a).await;
    let envoy = &watching.envoy;
    until(envoy, "started", &[("gatepost", a_number), ("observe.gatepost", 0)]);
    watching.swap(&b, "2");
    until(envoy, "another policy", &[("gatepost", b_number), ("observe.gatepost", 1)]);
    watching.swap(BAD, "3");
    until_counter(envoy, "extension_config_discovery.http_filter.gatepost.config_fail", 1);
    assert_eq!(counter(envoy, REJECTED), Some(1));
    until(envoy, "a refused policy", &[("gatepost", b_number), ("observe.gatepost", 1)]);
    let shown = Shown::read(&envoy.admin("/stats/prometheus").expect("stats")).expect("statistics");
    let plugin = Plugin { name: "gatepost".to_owned(), fingerprint: b_number, observes: true };
    assert_eq!((shown.plugins, shown.refused_policies), (vec![plugin], 1));
    // The same policy, in a document that Envoy takes for another one.
    let reload = "extension_config_discovery.http_filter.gatepost.config_reload";
    let reloads = counter(envoy, reload).expect("a counter");
    watching.swap(&format!(" {b}"), "4");
    until_counter(envoy, reload, reloads + 1);
    until(envoy, "the same policy", &[("gatepost", b_number), ("observe.gatepost", 1)]);
}

/// Nothing of the filter is there to see: its VM ended. What is left are Envoy's own counters.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_envoy_that_starts_with_a_refused_policy_counts_it_itself() {
    let watching = Watching::start(BAD).await;
    let envoy = &watching.envoy;
    let answer = send(Version::HTTP_11, watching.address(), get("http://a.example/", &[])).await;
    assert_eq!(answer.status, 500);
    until(envoy, "refused at the start", &[]);
    let counters = envoy.counters().expect("counters");
    assert!(counters.keys().all(|name| !name.starts_with("wasmcustom.")), "{counters:?}");
    let count = |name: &str| counters.get(name).copied();
    assert_eq!(count("extension_config_discovery.http_filter.gatepost.config_fail"), Some(1));
    assert_eq!(count("http.gatepost.downstream_rq_5xx"), Some(1));
}
