//! The filter's linear memory over updates of its policy: a new policy reuses the memory of the one
//! that it replaces.

use bytes::Bytes;
use gatepost_host::{Engine, EngineOptions, Host, Module, Plugin, PluginConfig, Vm, VmOptions};

struct Filter {
    vm: Vm,
    running: Option<Plugin>,
}

impl Filter {
    fn new() -> Self {
        let engine = Engine::new(EngineOptions::default()).expect("an engine");
        let module =
            Module::new(&engine, "gatepost", gatepost_filter_wasm::MODULE).expect("a module");
        Self {
            vm: Vm::new(&module, Host::default(), VmOptions::default()).expect("a VM"),
            running: None,
        }
    }

    /// Replaces the policy as Envoy does: starts the new plugin while the old one is running, then
    /// stops the old one. Returns the bytes of memory afterwards.
    fn update(&mut self, configuration: &Bytes) -> usize {
        let config = PluginConfig {
            name: "gatepost".into(),
            configuration: configuration.clone(),
            ..PluginConfig::default()
        };
        let next = self.vm.start_plugin(config).expect("accepted");
        if let Some(old) = self.running.replace(next) {
            self.vm.stop_plugin(old).expect("no trap");
        }
        self.vm.memory_bytes()
    }
}

/// A policy with these numbers of mappings, some of them patterns, and of environments, which have
/// an authority hint.
fn policy(mappings: usize, environments: usize) -> Bytes {
    let list = |count: usize, item: &dyn Fn(usize) -> String| {
        (0..count).map(item).collect::<Vec<_>>().join(",")
    };
    let mappings = list(mappings, &|number| {
        let star = if number % 7 == 0 { "*." } else { "" };
        let host = format!("{star}s{number}.test.com");
        let authority = format!("s{number}.default.example.com");
        format!(r#"{{"host":"{host}","authority":"{authority}"}}"#)
    });
    let names = list(environments, &|number| format!(r#""env{number}""#));
    let hosts = format!(r#"{{"mappings":[{mappings}],"private":["*.internal.example"]}}"#);
    let hints = r#"{"authority":"{env}.example.net"}"#;
    let environments = format!(
        r#"{{"sources":[{{"header":"env"}}],"allow":[{names}],"unknown":"ignore","hints":{hints}}}"#
    );
    format!(r#"{{"apiVersion":"gatepost/v1","hosts":{hosts},"environments":{environments}}}"#)
        .into()
}

#[test]
fn a_hundred_updates_of_100_000_mappings_take_no_more_memory_than_five() {
    let (mut filter, large) = (Filter::new(), policy(100_000, 50));
    let first = filter.update(&large);
    assert!(first <= 14 << 20, "{first}");
    let after: Vec<usize> = (0..100).map(|_| filter.update(&large)).collect();
    assert!(after.iter().all(|bytes| *bytes <= 20 << 20), "{after:?}");
    assert!(after[5..].iter().all(|bytes| *bytes == after[4]), "{after:?}");
}

#[test]
fn policies_of_many_sizes_in_turn_take_no_more_memory_than_they_did_the_first_times() {
    let mut filter = Filter::new();
    let policies = [(3, 1), (2000, 2000), (300, 9000), (5000, 5), (40, 40)]
        .map(|(mappings, environments)| policy(mappings, environments));
    let after: Vec<Vec<usize>> =
        (0..15).map(|_| policies.iter().map(|policy| filter.update(policy)).collect()).collect();
    assert!(after[3..].iter().all(|round| *round == after[2]), "{after:?}");
}
