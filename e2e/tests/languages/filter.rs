//! What the filter must do in every language, and a VM that runs it.

use std::sync::Arc;
use std::time::{Duration, Instant};

use bytes::Bytes;
use gatepost_host::{
    CallError, Engine, EngineOptions, FinalMaps, Headers, Host, MemoryLog, Module, Outcome, Pause,
    Plugin, PluginConfig, SeededRandom, StartError, StreamInfo, VirtualClock, Vm, VmOptions,
};

pub struct Filter {
    vm: Vm,
    plugin: Plugin,
    log: MemoryLog,
}

pub fn module(wasm: &[u8]) -> Module {
    let engine = Engine::new(EngineOptions::default()).unwrap();
    let module = Module::new(&engine, "filter", wasm).unwrap();
    let unserved: Vec<_> = module
        .capabilities()
        .unserved
        .iter()
        .filter(|unserved| !unserved.name.starts_with("proxy_"))
        .collect();
    assert!(unserved.is_empty(), "{unserved:?}");
    module
}

impl Filter {
    /// In June 2026, with `MODE=test` in the environment.
    pub fn start(module: &Module, configuration: &str) -> Result<Self, StartError> {
        let log = MemoryLog::default();
        let clock = VirtualClock::at(1_780_000_000_000_000_000);
        let host = Host { log: Arc::new(log.clone()), clock: Arc::new(clock), ..Host::default() };
        let options = VmOptions {
            environment: [("MODE".to_owned(), "test".to_owned())].into(),
            random: Some(Box::new(SeededRandom::new(1))),
            ..VmOptions::default()
        };
        let mut vm = Vm::new(module, host, options)?;
        let plugin = vm.start_plugin(PluginConfig {
            name: "filter".to_owned(),
            configuration: Bytes::copy_from_slice(configuration.as_bytes()),
            ..PluginConfig::default()
        })?;
        Ok(Self { vm, plugin, log })
    }

    /// Runs a whole request for a path. Returns what was logged meanwhile.
    pub fn request(&mut self, path: &str) -> Result<Vec<String>, CallError> {
        let before = self.log.messages().len();
        let stream = self.vm.stream(self.plugin, StreamInfo::default())?;
        let mut headers = request(path);
        let outcome = self.vm.request_headers(stream, &mut headers, true)?;
        assert_eq!(outcome, Outcome::Continue);
        self.vm.finish(
            stream,
            FinalMaps { request_headers: Some(&mut headers), ..FinalMaps::default() },
        )?;
        let lines = self.log.messages().split_off(before);
        assert_eq!(lines.last(), Some(&format!("done: {path}")));
        Ok(lines)
    }

    pub fn logged(&self) -> Vec<String> {
        self.log.messages()
    }

    pub fn memory_bytes(&self) -> usize {
        self.vm.memory_bytes()
    }
}

fn request(path: &str) -> Headers {
    Headers::request([
        (":method", "POST"),
        (":path", path),
        (":authority", "shop.example"),
        ("x-name", "Ada"),
    ])
}

/// Everything that the filter does to a request, in any language.
pub fn does_what_the_filter_does(module: &Module, language: &str) {
    let mut filter = Filter::start(module, "some settings").unwrap();
    assert_eq!(filter.logged(), ["init", "configured: some settings"]);
    assert_eq!(filter.vm.tick_period(filter.plugin), Some(Duration::from_millis(100)));
    filter.vm.tick(filter.plugin).unwrap();
    filter.vm.tick(filter.plugin).unwrap();
    assert_eq!(filter.logged()[2..], ["tick 1", "tick 2"]);

    // Two requests at once, so that each has a state of its own.
    let Filter { vm, plugin, log } = &mut filter;
    let (first, second) = (
        vm.stream(*plugin, StreamInfo::default()).unwrap(),
        vm.stream(*plugin, StreamInfo::default()).unwrap(),
    );
    let (mut headers, mut others) = (request("/a"), request("/b"));
    assert_eq!(vm.request_headers(first, &mut headers, false).unwrap(), Outcome::Continue);
    assert_eq!(vm.request_headers(second, &mut others, true).unwrap(), Outcome::Continue);
    assert_eq!(headers.get("x-greeting"), Some(&b"hello Ada"[..]));

    let mut body = Bytes::from_static(b"half of");
    assert_eq!(vm.request_body(first, &mut body, false).unwrap(), Outcome::Pause(Pause::Buffer));
    let mut body = Bytes::from_static(b"half of a text");
    assert_eq!(vm.request_body(first, &mut body, true).unwrap(), Outcome::Continue);
    assert_eq!(body, "HALF OF A TEXT");

    let mut response = Headers::response([(":status", "200"), ("server", "origin")]);
    assert_eq!(vm.response_headers(first, &mut response, true).unwrap(), Outcome::Continue);
    assert_eq!(response.get("x-filter"), Some(language.as_bytes()));
    assert_eq!(response.get("server"), None);
    for (stream, headers) in [(first, &mut headers), (second, &mut others)] {
        vm.finish(stream, FinalMaps { request_headers: Some(headers), ..FinalMaps::default() })
            .unwrap();
    }
    assert_eq!(log.messages()[4..], ["done: /a", "done: /b"]);

    let denied = vm.stream(*plugin, StreamInfo::default()).unwrap();
    let Outcome::LocalReply(reply) =
        vm.request_headers(denied, &mut request("/denied"), true).unwrap()
    else {
        panic!("no local reply")
    };
    assert_eq!((reply.status, reply.body.to_string()), (403, "denied".to_owned()));
    vm.finish(denied, FinalMaps::default()).unwrap();

    let refused = Filter::start(module, "refuse").err().unwrap();
    assert!(matches!(refused, StartError::Refused { .. }), "{refused}");
}

/// The guest stops itself: the error names the callback, the log says why, and the module's other
/// VMs go on.
pub fn is_contained(module: &Module, path: &str, says: &str) {
    let (mut broken, mut other) =
        (Filter::start(module, "").unwrap(), Filter::start(module, "").unwrap());
    let error = broken.request(path).unwrap_err();
    assert_eq!(error.trap().unwrap().callback, "proxy_on_request_headers");
    assert!(broken.logged().concat().contains(says), "{:?}", broken.logged());
    assert!(matches!(broken.request("/a"), Err(CallError::Poisoned(_))));
    assert_eq!(other.request("/a").unwrap(), ["done: /a"]);
}

/// Memory that a guest has freed is used again.
pub fn keeps_its_memory_in_bounds(module: &Module, says: &str) {
    let mut filter = Filter::start(module, "").unwrap();
    for _ in 0..5 {
        assert_eq!(filter.request("/garbage").unwrap()[0], says);
    }
    assert!(filter.memory_bytes() < 32 << 20, "{}", filter.memory_bytes());
}

/// A sleep of minutes is over at once, and the guest's clock has advanced by it.
pub fn sleeps_in_no_time(module: &Module, says: &str) {
    let start = Instant::now();
    let mut filter = Filter::start(module, "").unwrap();
    assert_eq!(filter.request("/sleep").unwrap()[0], says);
    assert!(start.elapsed() < Duration::from_secs(60), "{:?}", start.elapsed());
}
