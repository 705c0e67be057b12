//! Several plugins of the filter in one VM: each request is decided by its own plugin's policy,
//! also on hosts that offer nothing beside the ABI.

use gatepost_host::{
    Engine, EngineOptions, ForeignFunctions, Headers, Host, Module, Plugin, PluginConfig, StreamId,
    StreamInfo, Vm, VmOptions,
};

struct Shared {
    vm: Vm,
}

impl Shared {
    fn new(host: Host) -> Self {
        let engine = Engine::new(EngineOptions::default()).expect("an engine");
        let module =
            Module::new(&engine, "gatepost", gatepost_filter_wasm::MODULE).expect("a module");
        Self { vm: Vm::new(&module, host, VmOptions::default()).expect("a VM") }
    }

    /// On a host with Envoy's foreign functions, and on one without any.
    fn on_both() -> [Self; 2] {
        let bare = Host { foreign: ForeignFunctions::none(), ..Host::default() };
        [Self::new(Host::default()), Self::new(bare)]
    }

    /// Starts a plugin that maps `a.example` to this host. All plugins have the same name, as the
    /// old and the new one have during an update.
    fn start(&mut self, to: &str) -> Result<Plugin, String> {
        let policy = format!(
            r#"{{
              "apiVersion": "gatepost/v1",
              "hosts": {{ "mappings": [{{ "host": "a.example", "authority": "{to}" }}] }}
            }}"#
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
}

#[test]
fn each_plugin_decides_on_its_own_requests() {
    for mut shared in Shared::on_both() {
        let names = ["one.example", "two.example", "three.example"];
        let plugins = names.map(|name| shared.start(name).expect("accepted"));
        for _ in 0..2 {
            for (name, plugin) in names.into_iter().zip(plugins) {
                assert_eq!(shared.goes_to(plugin), name);
            }
        }
    }
}

#[test]
fn a_reload_changes_the_policy_of_new_requests_and_of_no_others() {
    for mut shared in Shared::on_both() {
        let mut old = shared.start("0.example").expect("accepted");
        for number in 1..20 {
            let new = shared.start(&format!("{number}.example")).expect("accepted");
            assert_eq!(shared.goes_to(old), format!("{}.example", number - 1));
            assert_eq!(shared.goes_to(new), format!("{number}.example"));
            shared.vm.stop_plugin(old).expect("no trap");
            assert_eq!(shared.goes_to(new), format!("{number}.example"));
            old = new;
        }
    }
}

#[test]
fn streams_whose_headers_come_late_keep_their_own_plugin() {
    for mut shared in Shared::on_both() {
        let one = shared.start("one.example").expect("accepted");
        let two = shared.start("two.example").expect("accepted");
        let streams = [one, two, one, two]
            .map(|plugin| shared.vm.stream(plugin, StreamInfo::default()).expect("a stream"));
        for (stream, expected) in streams.into_iter().zip(["one", "two", "one", "two"]).rev() {
            let mut headers = Headers::request([(":path", "/"), (":authority", "a.example")]);
            let _ = shared.vm.request_headers(stream, &mut headers, true).expect("no trap");
            let authority = headers.get(":authority").expect("an authority");
            assert_eq!(String::from_utf8_lossy(authority), format!("{expected}.example"));
        }
    }
}

/// Starts a plugin that strips this header.
fn stripping(shared: &mut Shared, name: &str) -> Plugin {
    let policy = format!(r#"{{ "apiVersion": "gatepost/v1", "strip": ["{name}"] }}"#);
    let config = PluginConfig { configuration: policy.into(), ..PluginConfig::default() };
    shared.vm.start_plugin(config).expect("accepted")
}

/// Begins a request that has a body.
fn begin(shared: &mut Shared, plugin: Plugin) -> StreamId {
    let stream = shared.vm.stream(plugin, StreamInfo::default()).expect("a stream");
    let mut headers = Headers::request([(":path", "/"), (":authority", "a.example")]);
    let _ = shared.vm.request_headers(stream, &mut headers, false).expect("no trap");
    stream
}

/// What is left of the trailers of a request when it ends.
fn end(shared: &mut Shared, stream: StreamId) -> String {
    let sent = [("x-one", "1"), ("x_one", "1"), ("x-two", "1"), ("x-two", "2"), ("x-own", "1")];
    let mut trailers = Headers::request(sent);
    let _ = shared.vm.request_trailers(stream, &mut trailers).expect("no trap");
    shared.vm.delete(stream).expect("no trap");
    trailers.iter().map(|(name, _)| String::from_utf8_lossy(name)).collect::<Vec<_>>().join(" ")
}

#[test]
fn trailers_are_guarded_by_the_policy_of_their_own_plugin() {
    for mut shared in Shared::on_both() {
        let one = stripping(&mut shared, "x-one");
        let two = stripping(&mut shared, "x-two");
        let streams = [one, two].map(|plugin| begin(&mut shared, plugin));
        // A plugin that comes meanwhile has no say.
        let _ = stripping(&mut shared, "x-own");
        let ends = streams.map(|stream| end(&mut shared, stream));
        assert_eq!(ends, ["x-two x-two x-own", "x-one x_one x-own"]);
    }
}

#[test]
fn requests_that_end_before_their_trailers_take_no_memory() {
    let mut shared = Shared::new(Host::default());
    let plugin = stripping(&mut shared, "x-one");
    let mut memory = 0;
    for round in 0..20 {
        for _ in 0..5_000 {
            let stream = begin(&mut shared, plugin);
            shared.vm.delete(stream).expect("no trap");
        }
        let stream = begin(&mut shared, plugin);
        assert_eq!(end(&mut shared, stream), "x-two x-two x-own");
        if round == 0 {
            memory = shared.vm.memory_bytes();
        }
    }
    assert_eq!(shared.vm.memory_bytes(), memory);
}

#[test]
fn streams_that_end_without_headers_take_no_memory() {
    let mut shared = Shared::new(Host::default());
    let plugin = shared.start("one.example").expect("accepted");
    let mut memory = 0;
    for round in 0..20 {
        for _ in 0..5_000 {
            let stream = shared.vm.stream(plugin, StreamInfo::default()).expect("a stream");
            shared.vm.delete(stream).expect("no trap");
        }
        assert_eq!(shared.goes_to(plugin), "one.example");
        if round == 0 {
            memory = shared.vm.memory_bytes();
        }
    }
    assert_eq!(shared.vm.memory_bytes(), memory);
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
fn an_empty_configuration_is_refused_and_leaves_the_running_policy_in_force() {
    let mut shared = Shared::new(Host::default());
    let good = shared.start("good.example").expect("accepted");
    for nothing in ["", "{}", "null", " \n"] {
        let config = PluginConfig { configuration: nothing.into(), ..PluginConfig::default() };
        shared.vm.start_plugin(config).expect_err(nothing);
    }
    assert_eq!(shared.goes_to(good), "good.example");
}

/// Sends a response that redirects to this URL, and says where the client is sent.
fn redirected(shared: &mut Shared, stream: StreamId, location: &str) -> String {
    let mut headers = Headers::response([(":status", "302"), ("location", location)]);
    let _ = shared.vm.response_headers(stream, &mut headers, true).expect("no trap");
    shared.vm.delete(stream).expect("no trap");
    String::from_utf8_lossy(headers.get("location").expect("a location")).into_owned()
}

/// What was copied at the request decides.
#[test]
fn a_response_gets_what_its_request_owes_whatever_is_configured_meanwhile() {
    for mut shared in Shared::on_both() {
        let one = shared.start("one.example").expect("accepted");
        let two = shared.start("two.example").expect("accepted");
        let streams = [one, two].map(|plugin| begin(&mut shared, plugin));
        let three = shared.start("three.example").expect("accepted");
        let late = begin(&mut shared, three);
        for (stream, written) in streams.into_iter().zip(["one", "two"]).chain([(late, "three")]) {
            let other = begin(&mut shared, one);
            let other = redirected(&mut shared, other, "http://two.example/");
            assert_eq!(other, "http://two.example/", "another request's host");
            let own = redirected(&mut shared, stream, &format!("http://{written}.example/a"));
            assert_eq!(own, "http://a.example/a");
        }
    }
}

/// Streams that end before their response, and responses without a request.
#[test]
fn what_no_response_takes_takes_no_memory() {
    let mut shared = Shared::new(Host::default());
    let plugin = shared.start("one.example").expect("accepted");
    let mut memory = 0;
    for round in 0..20 {
        for number in 0..5_000 {
            let stream = begin(&mut shared, plugin);
            if number % 3 == 0 {
                redirected(&mut shared, stream, "http://one.example/");
            } else {
                shared.vm.delete(stream).expect("no trap");
            }
        }
        let stream = shared.vm.stream(plugin, StreamInfo::default()).expect("a stream");
        assert_eq!(redirected(&mut shared, stream, "http://one.example/"), "http://one.example/");
        if round == 0 {
            memory = shared.vm.memory_bytes();
        }
    }
    assert_eq!(shared.vm.memory_bytes(), memory);
}
