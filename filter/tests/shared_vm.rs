//! Several plugins of the filter in one VM: nothing but their marks tells whose a request is, and
//! with one plugin nobody asks.

use std::sync::Arc;

use gatepost_host::{
    Recorded, RecordedEvent, Recording, Engine, EngineOptions, ForeignFunctions, Headers, Host,
    MemoryLog, Module, Plugin, PluginConfig, StreamInfo, Vm, VmOptions,
};

struct Shared {
    vm: Vm,
    effects: Recording,
}

impl Shared {
    fn new(host: Host) -> Self {
        let engine = Engine::new(EngineOptions::default()).expect("an engine");
        let module =
            Module::new(&engine, "gatepost", gatepost_filter_wasm::MODULE).expect("a module");
        let effects = Recording::default();
        let options =
            VmOptions { recorder: Some(Box::new(effects.clone())), ..VmOptions::default() };
        Self { vm: Vm::new(&module, host, options).expect("a VM"), effects }
    }

    /// A plugin that maps `a.example` to this host. All of them have the same name, as before and
    /// after an update.
    fn start(&mut self, to: &str) -> Result<Plugin, String> {
        let policy = format!(
            r#"{{"apiVersion":"gatepost/v1","hosts":{{"mappings":[{{"host":"a.example","authority":"{to}"}}]}}}}"#
        );
        let config = PluginConfig {
            name: "gatepost".into(),
            configuration: policy.into(),
            ..PluginConfig::default()
        };
        self.vm.start_plugin(config).map_err(|error| error.to_string())
    }

    /// Where a request for `a.example` goes.
    fn goes_to(&mut self, plugin: Plugin) -> String {
        let stream = self.vm.stream(plugin, StreamInfo::default()).expect("a stream");
        let mut headers =
            Headers::request([(":method", "GET"), (":path", "/"), (":authority", "a.example")]);
        let _ = self.vm.request_headers(stream, &mut headers, true).expect("no trap");
        let reply = self.vm.take_local_reply(stream).expect("a stream");
        self.vm.delete(stream).expect("no trap");
        match reply {
            Some(reply) => format!("{} {}", reply.status, reply.details),
            None => String::from_utf8_lossy(headers.get(":authority").expect("an authority"))
                .into_owned(),
        }
    }

    /// How often the guest called a foreign function since the last question.
    fn asked(&self) -> usize {
        let hostcalls =
            self.effects.take().into_iter().filter_map(|Recorded { event, .. }| match event {
                RecordedEvent::Called { hostcall, .. } => Some(hostcall),
                _ => None,
            });
        hostcalls.filter(|hostcall| *hostcall == "proxy_call_foreign_function").count()
    }
}

#[test]
fn each_request_is_decided_by_its_own_plugin() {
    let mut shared = Shared::new(Host::default());
    let plugins: Vec<Plugin> = ["one.example", "two.example", "three.example"]
        .map(|to| shared.start(to).expect("accepted"))
        .into();
    for _ in 0..3 {
        assert_eq!(shared.goes_to(plugins[0]), "one.example");
        assert_eq!(shared.goes_to(plugins[2]), "three.example");
        assert_eq!(shared.goes_to(plugins[1]), "two.example");
    }
}

#[test]
fn a_request_is_asked_for_its_plugin_only_while_there_are_several() {
    let mut shared = Shared::new(Host::default());
    let old = shared.start("old.example").expect("accepted");
    assert_eq!((shared.goes_to(old), shared.asked()), ("old.example".to_owned(), 0));
    let new = shared.start("new.example").expect("accepted");
    assert_eq!(shared.asked(), 1);
    assert_eq!(
        (shared.goes_to(old), shared.goes_to(new)),
        ("old.example".to_owned(), "new.example".to_owned())
    );
    assert_eq!(shared.asked(), 2);
    shared.vm.stop_plugin(old).expect("no trap");
    assert_eq!((shared.goes_to(new), shared.asked()), ("new.example".to_owned(), 1));
    // The timer that tells the counters forgets plugins that are gone.
    shared.vm.tick(new).expect("no trap");
    assert_eq!((shared.goes_to(new), shared.asked()), ("new.example".to_owned(), 0));
    let newer = shared.start("newer.example").expect("accepted");
    assert_eq!(
        (shared.goes_to(new), shared.goes_to(newer)),
        ("new.example".to_owned(), "newer.example".to_owned())
    );
}

#[test]
fn a_policy_that_is_refused_leaves_the_other_plugin_alone() {
    let mut shared = Shared::new(Host::default());
    let good = shared.start("good.example").expect("accepted");
    let refused = shared.start("not a host").expect_err("a space");
    assert!(refused.contains("refused"), "{refused}");
    assert_eq!(shared.goes_to(good), "good.example");
}

#[test]
fn a_proxy_without_expressions_gets_one_plugin_in_a_vm_and_an_error_that_says_so() {
    let log = MemoryLog::default();
    let host =
        Host { foreign: ForeignFunctions::none(), log: Arc::new(log.clone()), ..Host::default() };
    let mut shared = Shared::new(host);
    let first = shared.start("first.example").expect("accepted");
    assert_eq!(shared.goes_to(first), "first.example");
    shared.start("second.example").expect_err("nothing tells it from the first");
    let said = log.messages().join("\n");
    assert!(
        said.contains("no expr_create") && said.contains("give each a vm_id of its own"),
        "{said}"
    );
    assert_eq!(shared.goes_to(first), "first.example");
    shared.vm.stop_plugin(first).expect("no trap");
    let next = shared.start("next.example").expect("it is alone");
    assert_eq!(shared.goes_to(next), "next.example");
}
