//! The gauges by which the filter shows its policies: which is in force, and whether it observes.

use gatepost_authoring::PolicyFile;
use gatepost_host::{
    Engine, EngineOptions, Host, Limits, Metrics, Module, Plugin, PluginConfig, Profile, Vm,
    VmOptions,
};

/// Some VMs of one proxy.
struct Proxy {
    module: Module,
    host: Host,
}

impl Proxy {
    fn new() -> Self {
        let engine = Engine::new(EngineOptions::default()).expect("an engine");
        let module =
            Module::new(&engine, "gatepost", gatepost_filter_wasm::MODULE).expect("a module");
        Self { module, host: Host::default() }
    }

    fn vm(&self) -> Vm {
        Vm::new(&self.module, self.host.clone(), VmOptions::default()).expect("a VM")
    }

    fn metrics(&self) -> &Metrics {
        &self.host.metrics
    }

    fn policy(&self, plugin: &str) -> Option<u64> {
        self.metrics().value(&format!("gatepost.policy.{plugin}"))
    }

    fn observes(&self, plugin: &str) -> Option<u64> {
        self.metrics().value(&format!("gatepost.observe.{plugin}"))
    }
}

/// A policy that strips this header, and its fingerprint.
fn stripping(name: &str) -> (String, u64) {
    policy(&format!("strip: [{name}]"))
}

fn policy(text: &str) -> (String, u64) {
    let text = format!("apiVersion: gatepost/v1\n{text}\n");
    let file = PolicyFile::parse("policy.yaml", &text).expect("a good policy");
    (file.json, file.policy.fingerprint())
}

fn start(vm: &mut Vm, name: &str, policy: &str) -> Plugin {
    let config = PluginConfig {
        name: name.into(),
        configuration: policy.to_owned().into(),
        ..PluginConfig::default()
    };
    vm.start_plugin(config).expect("accepted")
}

fn tick(vm: &mut Vm, plugin: Plugin) {
    vm.tick(plugin).expect("no trap");
}

#[test]
fn a_policy_shows_when_its_timer_fires_and_not_before() {
    let (proxy, (a, a_number)) = (Proxy::new(), stripping("x-a"));
    let mut vm = proxy.vm();
    let plugin = start(&mut vm, "istio-system.Gatepost", &a);
    // A VM that only checks a configuration ends here.
    assert_eq!(proxy.policy("istio-system_gatepost"), None);
    tick(&mut vm, plugin);
    assert_eq!(proxy.policy("istio-system_gatepost"), Some(a_number));
    assert_eq!(proxy.observes("istio-system_gatepost"), Some(0));
}

#[test]
fn a_policy_that_observes_says_so() {
    let (proxy, (observed, number)) = (Proxy::new(), policy("mode: observe"));
    let mut vm = proxy.vm();
    let plugin = start(&mut vm, "", &observed);
    tick(&mut vm, plugin);
    assert_eq!((proxy.policy("unnamed"), proxy.observes("unnamed")), (Some(number), Some(1)));
}

#[test]
fn a_refused_policy_leaves_the_gauge_alone() {
    let (proxy, (a, a_number)) = (Proxy::new(), stripping("x-a"));
    let mut vm = proxy.vm();
    let plugin = start(&mut vm, "one", &a);
    tick(&mut vm, plugin);
    let refused = PluginConfig {
        name: "one".into(),
        configuration: "{ \"apiVersion\": \"gatepost/v1\", \"strip\": 1 }".into(),
        ..PluginConfig::default()
    };
    vm.start_plugin(refused).expect_err("refused");
    tick(&mut vm, plugin);
    assert_eq!(proxy.policy("one"), Some(a_number));
    assert_eq!(proxy.metrics().value("gatepost.config.rejected"), Some(1));
}

#[test]
fn an_update_shows_the_new_policy_and_the_end_of_the_old_one_changes_nothing() {
    let proxy = Proxy::new();
    let ((a, a_number), (b, b_number)) = (stripping("x-a"), stripping("x-b"));
    let mut vm = proxy.vm();
    let old = start(&mut vm, "one", &a);
    tick(&mut vm, old);
    let new = start(&mut vm, "one", &b);
    tick(&mut vm, old);
    tick(&mut vm, new);
    tick(&mut vm, old);
    assert_eq!(proxy.policy("one"), Some(b_number), "the old one serves its connections");
    vm.stop_plugin(old).expect("no trap");
    tick(&mut vm, new);
    assert_eq!(proxy.policy("one"), Some(b_number));
    // And back.
    let again = start(&mut vm, "one", &a);
    tick(&mut vm, again);
    vm.stop_plugin(new).expect("no trap");
    tick(&mut vm, again);
    assert_eq!(proxy.policy("one"), Some(a_number));
}

/// Another filter of the same listener was refused, for example.
#[test]
fn an_update_that_is_taken_back_shows_the_policy_before() {
    let proxy = Proxy::new();
    let ((a, a_number), (b, b_number)) = (stripping("x-a"), stripping("x-b"));
    let mut vm = proxy.vm();
    let old = start(&mut vm, "one", &a);
    tick(&mut vm, old);
    let new = start(&mut vm, "one", &b);
    tick(&mut vm, new);
    assert_eq!(proxy.policy("one"), Some(b_number));
    vm.stop_plugin(new).expect("no trap");
    tick(&mut vm, old);
    assert_eq!(proxy.policy("one"), Some(a_number));
}

/// What two documents of one policy are.
#[test]
fn an_update_to_the_same_policy_never_shows_none() {
    let (proxy, (a, a_number)) = (Proxy::new(), stripping("x-a"));
    let mut vm = proxy.vm();
    let old = start(&mut vm, "one", &a);
    tick(&mut vm, old);
    let new = start(&mut vm, "one", &format!(" {a}"));
    tick(&mut vm, new);
    vm.stop_plugin(old).expect("no trap");
    tick(&mut vm, new);
    assert_eq!(proxy.policy("one"), Some(a_number));
}

#[test]
fn a_plugin_that_is_gone_or_has_another_name_shows_none() {
    let proxy = Proxy::new();
    let ((a, a_number), (b, b_number)) = (stripping("x-a"), policy("mode: observe"));
    let mut vm = proxy.vm();
    let one = start(&mut vm, "one", &a);
    let two = start(&mut vm, "two", &b);
    tick(&mut vm, one);
    assert_eq!((proxy.policy("one"), proxy.policy("two")), (Some(a_number), Some(b_number)));
    vm.stop_plugin(two).expect("no trap");
    let renamed = start(&mut vm, "three", &b);
    tick(&mut vm, renamed);
    assert_eq!((proxy.policy("two"), proxy.observes("two")), (Some(0), Some(0)));
    assert_eq!((proxy.policy("three"), proxy.observes("three")), (Some(b_number), Some(1)));
    assert_eq!(proxy.policy("one"), Some(a_number));
}

/// An idle plugin sees within five seconds that another one ended.
#[test]
fn the_timer_of_an_idle_plugin_fires_every_five_seconds() {
    let (proxy, (a, _)) = (Proxy::new(), stripping("x-a"));
    let mut vm = proxy.vm();
    let plugin = start(&mut vm, "one", &a);
    assert_eq!(vm.tick_period(plugin).map(|period| period.as_millis()), Some(25));
    tick(&mut vm, plugin);
    assert_eq!(vm.tick_period(plugin).map(|period| period.as_millis()), Some(5000));
}

/// A module's update takes another VM. Each worker thread has one, too.
#[test]
fn plugins_in_other_vms_keep_what_they_show() {
    let proxy = Proxy::new();
    let ((a, a_number), (b, _)) = (stripping("x-a"), stripping("x-b"));
    let (mut old, mut new) = (proxy.vm(), proxy.vm());
    let stays = start(&mut old, "stays", &b);
    let leaves = start(&mut old, "one", &a);
    tick(&mut old, leaves);
    let comes = start(&mut new, "one", &a);
    tick(&mut new, comes);
    old.stop_plugin(leaves).expect("no trap");
    tick(&mut old, stays);
    // For this long the gauge shows no policy.
    tick(&mut new, comes);
    assert_eq!(proxy.policy("one"), Some(a_number));
}

#[test]
fn on_a_host_without_timers_or_metrics_the_filter_starts_and_shows_what_it_can() {
    let (proxy, (a, _)) = (Proxy::new(), stripping("x-a"));
    let options = VmOptions { profile: Profile::Gcp, ..VmOptions::default() };
    let mut vm = Vm::new(&proxy.module, proxy.host.clone(), options).expect("a VM");
    start(&mut vm, "one", &a);
    let limits = Limits { metrics: 0, ..Limits::default() };
    let options = VmOptions { limits, ..VmOptions::default() };
    let mut vm = Vm::new(&proxy.module, Host::default(), options).expect("a VM");
    let plugin = start(&mut vm, "one", &a);
    tick(&mut vm, plugin);
}
