//! Runs a scenario on the embedded host: its plugins in one chain, in virtual time.

use std::collections::BTreeMap;
use std::sync::{Arc, LazyLock};

use gatepost_host::{
    Chain, ChainOptions, ChainPlugin, Clusters, Engine, EngineOptions, FailPolicy, Host, MemoryLog,
    MetricKind, Module, PluginConfig, VirtualClock, Worker,
};

use crate::host_world::World;
use crate::scenario::{self, Plugin, Scenario};
use crate::seen::{self, Seen};

static MODULES: LazyLock<BTreeMap<&str, Module>> = LazyLock::new(|| {
    let engine = Engine::new(EngineOptions::default()).expect("an engine");
    let module = |name| {
        let wasm = gatepost_guests_wasm::by_name(name).expect("a guest");
        (name, Module::new(&engine, name, wasm).unwrap_or_else(|error| panic!("{error}")))
    };
    ["probe", "probe_v0_2_0", "probe_v0_1_0", "few_exports"].map(module).into()
});

/// The result of the scenario.
pub fn run(number: usize, scenario: &Scenario) -> Seen {
    assert!(!scenario.plugins.is_empty(), "{} has plugins", scenario.name);
    let log = MemoryLog::default();
    let clock = VirtualClock::at(1_700_000_000_000_000_000);
    let clusters = [
        "echo".to_owned(),
        "dead".to_owned(),
        format!("main-{number:03}"),
        format!("other-{number:03}"),
    ];
    let host = Host {
        log: Arc::new(log.clone()),
        clock: Arc::new(clock.clone()),
        clusters: Clusters::Only(clusters.into()),
        ..Host::default()
    };
    let plugins = scenario
        .plugins
        .iter()
        .map(|plugin| chain_plugin(number, plugin, scenario.allow_stop))
        .collect();
    let options = ChainOptions {
        buffer_bytes: scenario.buffer_bytes.map_or(1 << 20, |bytes| bytes as usize),
        ..ChainOptions::default()
    };
    let worker = Worker::new(&Chain::with_options(plugins, options), host.clone())
        .unwrap_or_else(|error| panic!("{error}"));
    let (answers, upstream) = World::new(worker, clock, scenario).run();
    let prefix = format!("{number:03}/");
    let lines = log.lines().into_iter().map(|line| {
        let plugin = line.plugin.strip_prefix(&prefix).unwrap_or(&line.plugin);
        let plugin = scenario
            .plugins
            .iter()
            .find(|have| have.name == plugin)
            .expect("a plugin of the scenario");
        format!(
            "{} {} {}",
            scenario::logged_as(plugin, &line.message),
            line.level,
            seen::log_message(&line.message)
        )
    });
    Seen {
        answers,
        upstream,
        log: scenario.compared(lines.collect()),
        metrics: metrics(&host, scenario),
    }
}

fn chain_plugin(number: usize, plugin: &Plugin, allow_stop: bool) -> ChainPlugin {
    let vm = plugin.vm.as_ref().unwrap_or(&plugin.name);
    let config = PluginConfig {
        name: format!("{number:03}/{}", plugin.name),
        root_id: plugin.root_id.clone(),
        vm_id: format!("{number:03}/{vm}"),
        vm_configuration: plugin.vm_script.clone().into(),
        configuration: plugin.script.clone().into(),
        fail_policy: match plugin.fail.as_str() {
            "open" => FailPolicy::Open,
            "reload" => FailPolicy::Reload,
            _ => FailPolicy::Closed,
        },
        allow_on_headers_stop_iteration: allow_stop,
        ..PluginConfig::default()
    };
    ChainPlugin { module: MODULES[plugin.guest.as_str()].clone(), config }
}

fn metrics(host: &Host, scenario: &Scenario) -> BTreeMap<String, String> {
    let wanted = scenario.metrics();
    let shown = |value: gatepost_host::MetricValue| {
        let text = match (value.kind, value.histogram) {
            (MetricKind::Histogram, Some(seen)) if seen.count > 0 => {
                format!("count {}", seen.count)
            }
            (MetricKind::Histogram, _) => return None,
            _ => value.value.to_string(),
        };
        wanted.contains(&value.name).then_some((value.name, text))
    };
    host.metrics.snapshot().into_iter().filter_map(shown).collect()
}
