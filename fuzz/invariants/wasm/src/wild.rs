//! A guest that gives the host invalid pointers, lengths, maps and buffers. The host returns a
//! status, or the guest traps, and nothing outside the VM is harmed. The results are the same in
//! each run, with a recorder and without.

pub mod guest;
pub mod program;

use std::sync::{Arc, LazyLock};
use std::time::Duration;

use bytes::Bytes;
use gatepost_host::{
    AbiVersion, CallError, CalloutAnswer, CalloutKind, CloseType, Engine, EngineOptions, FinalMaps,
    HeaderScope, Headers, Host, Limits, MemoryLog, Module, Plugin, PluginConfig, Recorded,
    Recorder, Recording, SeededRandom, StreamId, StreamInfo, VirtualClock, Vm, VmOptions,
};

use self::program::Program;

static MODULES: LazyLock<Vec<Module>> = LazyLock::new(|| {
    let engine = Engine::new(EngineOptions::default()).expect("an engine");
    let module = |abi: &AbiVersion| {
        let text = guest::wat(*abi);
        let wasm = wat::parse_str(&text).unwrap_or_else(|error| panic!("{error}\n{text}"));
        Module::new(&engine, "wild", &wasm).expect("a module")
    };
    AbiVersion::ALL.iter().map(module).collect()
});

/// Small limits, so that a few calls reach them.
fn limits() -> Limits {
    Limits {
        memory_bytes: 1 << 20,
        header_map_bytes: 1 << 10,
        body_bytes: 4 << 10,
        log_bytes: 256,
        metrics: 16,
        callouts: 4,
        filter_state_bytes: 1 << 10,
        ..Limits::default()
    }
}

/// Checks all invariants of the host while the guest runs the program in these bytes.
///
/// # Panics
/// When one is broken.
pub fn holds(bytes: &[u8]) {
    let _ = recorded(bytes);
}

/// As [`holds`], and returns the recorded hostcalls.
///
/// # Panics
/// When an invariant is broken.
#[must_use]
pub fn recorded(bytes: &[u8]) -> Vec<Recorded> {
    let program = Program::read(bytes);
    let recording = Recording::default();
    let without = Run::of(&program, None);
    let with = Run::of(&program, Some(Box::new(recording.clone())));
    assert_eq!(without, with, "recording changes nothing: {program:?}");
    recording.take()
}

/// Runs a guest through everything that a proxy does with a plugin, and keeps the results.
struct Run {
    vm: Vm,
    clock: VirtualClock,
    seen: Vec<String>,
}

impl Run {
    fn of(program: &Program, recorder: Option<Box<dyn Recorder>>) -> Vec<String> {
        let (clock, log) = (VirtualClock::at(1_700_000_000_000_000_000), MemoryLog::default());
        let host =
            Host { clock: Arc::new(clock.clone()), log: Arc::new(log.clone()), ..Host::default() };
        let random: Option<Box<dyn gatepost_host::RandomSource>> =
            Some(Box::new(SeededRandom::new(7)));
        let options = VmOptions {
            limits: limits(),
            random,
            recorder,
            profile: program.profile(),
            ..VmOptions::default()
        };
        let at = AbiVersion::ALL.iter().position(|abi| *abi == program.abi()).expect("a version");
        let vm = Vm::new(&MODULES[at], host.clone(), options).expect("the guest has no start-up");
        let mut run = Self { vm, clock, seen: Vec::new() };
        run.plugin(program);
        for line in log.lines() {
            assert!(line.message.len() <= 3 * 256, "a log line of {} bytes", line.message.len());
            run.seen.push(format!("{line:?}"));
        }
        run.seen.push(format!("{:?}", host.metrics.snapshot()));
        run.seen
    }

    fn plugin(&mut self, program: &Program) {
        let configuration: Bytes = program.image().into();
        let config = PluginConfig {
            name: "wild".into(),
            vm_configuration: configuration.slice(..8),
            configuration,
            ..PluginConfig::default()
        };
        let plugin = match self.vm.start_plugin(config) {
            Ok(plugin) => plugin,
            Err(error) => return self.seen.push(error.to_string()),
        };
        let Ok(stream) = self.vm.stream(plugin, StreamInfo::default()) else { return };
        self.exchange(stream);
        self.between(plugin);
        let mut request = request();
        let result = self.vm.finish(
            stream,
            FinalMaps { request_headers: Some(&mut request), ..FinalMaps::default() },
        );
        self.note("finish", &result);
        self.map(&request);
        if let Ok(connection) = self.vm.stream(plugin, StreamInfo::default()) {
            self.connection(connection);
        }
        let result = self.vm.stop_plugin(plugin);
        self.note("stop", &result);
        let result = self.vm.tick(plugin);
        self.note("tick", &result);
        assert!(self.vm.trap().is_some() || self.vm.open_streams() == 0, "streams are left behind");
    }

    fn exchange(&mut self, stream: StreamId) {
        let (mut headers, mut body, mut trailers) =
            (request(), Bytes::from_static(b"some body"), trailers(HeaderScope::RequestTrailers));
        let result = self.vm.request_headers(stream, &mut headers, false);
        self.note("request headers", &result);
        self.map(&headers);
        let result = self.vm.request_body(stream, &mut body, false);
        self.note("request body", &result);
        self.body(&body);
        let result = self.vm.request_trailers(stream, &mut trailers);
        self.note("request trailers", &result);
        self.map(&trailers);
        self.answers();
        let (mut headers, mut body) =
            (Headers::response([(":status", "200"), ("x", "1")]), Bytes::from_static(b"other"));
        let result = self.vm.response_headers(stream, &mut headers, false);
        self.note("response headers", &result);
        self.map(&headers);
        let result = self.vm.response_body(stream, &mut body, true);
        self.note("response body", &result);
        self.body(&body);
        let mut trailers = self::trailers(HeaderScope::ResponseTrailers);
        let result = self.vm.response_trailers(stream, &mut trailers);
        self.note("response trailers", &result);
        self.map(&trailers);
    }

    /// Callbacks of a plugin that belong to no stream: callouts, timer, queues, foreign functions.
    fn between(&mut self, plugin: Plugin) {
        self.answers();
        let result = self.vm.fail_refused_callouts();
        self.note("refused", &result);
        self.clock.advance(Duration::from_millis(20));
        let result = self.vm.tick(plugin);
        self.note("tick", &result);
        let result = self.vm.deliver_queue_items();
        self.note("queues", &result);
        let result = self.vm.foreign_function(plugin, 1, Bytes::from_static(b"arguments"));
        self.note("foreign function", &result);
        self.seen.push(format!("{:?}", self.vm.tick_period(plugin)));
    }

    /// Answers every callout with each kind of answer.
    fn answers(&mut self) {
        for callout in self.vm.take_callouts() {
            self.seen.push(format!("{:?} {:?}", callout.plugin, callout.request));
            let map = || Headers::response([(":status", "200"), ("grpc-status", "0")]);
            let answers = match callout.token.kind() {
                CalloutKind::Http => {
                    vec![CalloutAnswer::http(map(), "answer"), CalloutAnswer::Failed]
                }
                CalloutKind::GrpcCall | CalloutKind::GrpcStream => vec![
                    CalloutAnswer::GrpcInitialMetadata(map()),
                    CalloutAnswer::GrpcMessage(Bytes::from_static(b"message")),
                    CalloutAnswer::GrpcTrailingMetadata(map()),
                    CalloutAnswer::GrpcClose { status: 0, message: "fine".to_owned() },
                ],
            };
            for answer in answers {
                let result = self.vm.answer(callout.token, answer);
                self.note("answer", &result);
            }
        }
    }

    fn connection(&mut self, connection: StreamId) {
        let result = self.vm.new_connection(connection);
        self.note("connection", &result);
        for upstream in [false, true] {
            let mut data = Bytes::from_static(b"data");
            let result = match upstream {
                false => self.vm.downstream_data(connection, &mut data, false),
                true => self.vm.upstream_data(connection, &mut data, true),
            };
            self.note("data", &result);
            self.body(&data);
        }
        let result = self.vm.downstream_close(connection, CloseType::Remote);
        self.note("downstream close", &result);
        let result = self.vm.upstream_close(connection, CloseType::Local);
        self.note("upstream close", &result);
        let result = self.vm.finish(connection, FinalMaps::default());
        self.note("finish", &result);
    }

    /// Checks and keeps the result of a callback: it succeeded, or the guest trapped and stays
    /// trapped.
    fn note<T: std::fmt::Debug>(&mut self, what: &str, result: &Result<T, CallError>) {
        if let Err(error) = result {
            let trapped = self.vm.trap().is_some();
            assert_eq!(
                trapped,
                matches!(error, CallError::Trapped(_) | CallError::Poisoned(_)),
                "{what}: {error}"
            );
        }
        assert!(self.vm.memory_bytes() <= limits().memory_bytes);
        self.seen.push(format!("{what}: {result:?}"));
    }

    /// Checks and keeps a header map after a callback: it is consistent and within its limit.
    fn map(&mut self, headers: &Headers) {
        let size: usize = headers.iter().map(|(name, value)| name.len() + value.len()).sum();
        assert_eq!((headers.iter().count(), size), (headers.len(), headers.byte_size()));
        assert!(size + 32 * headers.len() <= limits().header_map_bytes, "{headers}");
        assert!(
            headers.iter().all(|(name, _)| !name.iter().any(u8::is_ascii_uppercase)),
            "{headers}"
        );
        self.seen.push(headers.to_string());
    }

    fn body(&mut self, body: &Bytes) {
        assert!(body.len() <= limits().body_bytes, "a body of {} bytes", body.len());
        self.seen.push(body.escape_ascii().to_string());
    }
}

fn request() -> Headers {
    Headers::request([
        (":method", "GET"),
        (":path", "/a?b"),
        (":authority", "shop.example"),
        ("x", "1"),
        ("x", "2"),
    ])
}

fn trailers(scope: HeaderScope) -> Headers {
    Headers::collect(scope, [("t", "1")])
}
