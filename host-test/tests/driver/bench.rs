//! Workers with scripted guests, and messages for them.

use std::sync::{Arc, LazyLock};

use gatepost_host::{
    Chain, ChainOptions, ChainPlugin, Direction, Engine, EngineOptions, Event, ExchangeId,
    FailPolicy, Headers, Host, MemoryLog, Message, Module, Part, PluginConfig, StreamInfo,
    Upstream, VirtualClock, Worker, WorkerOptions,
};

static PROBE: LazyLock<Module> = LazyLock::new(|| {
    let engine = Engine::new(EngineOptions::default()).unwrap();
    Module::new(&engine, "probe", gatepost_guests_wasm::PROBE).unwrap()
});

pub fn plugin(name: &str, script: &str) -> ChainPlugin {
    let config = PluginConfig {
        name: name.to_owned(),
        vm_id: name.to_owned(),
        configuration: script.to_owned().into(),
        ..PluginConfig::default()
    };
    ChainPlugin { module: PROBE.clone(), config }
}

pub fn failing(script: &str, fail_policy: FailPolicy) -> ChainPlugin {
    let mut plugin = plugin("failing", script);
    plugin.config.fail_policy = fail_policy;
    plugin
}

/// A worker, its time, and what its guests say.
pub struct Bench {
    pub worker: Worker,
    pub clock: VirtualClock,
    pub log: MemoryLog,
}

impl Bench {
    pub fn new(plugins: Vec<ChainPlugin>) -> Self {
        Self::with(plugins, ChainOptions::default(), &WorkerOptions::default())
    }

    pub fn with(plugins: Vec<ChainPlugin>, options: ChainOptions, worker: &WorkerOptions) -> Self {
        let (clock, log) = (VirtualClock::default(), MemoryLog::default());
        let host =
            Host { clock: Arc::new(clock.clone()), log: Arc::new(log.clone()), ..Host::default() };
        let worker =
            Worker::with_options(&Chain::with_options(plugins, options), host, worker).unwrap();
        Self { worker, clock, log }
    }

    pub fn open(&mut self) -> ExchangeId {
        self.worker.open(StreamInfo::default())
    }

    /// What has left the chain, a word for each event; a body as its text.
    pub fn events(&mut self, id: ExchangeId) -> Vec<String> {
        let mut events = Vec::new();
        while let Some(event) = self.worker.next(id) {
            events.push(match event {
                Event::Request(part) => format!("> {}", text(&part)),
                Event::Response(part) => format!("< {}", text(&part)),
                Event::RequestReset => "> reset".to_owned(),
                Event::ResponseReset => "< reset".to_owned(),
                Event::RouteCacheCleared => "reroute".to_owned(),
            });
        }
        events
    }

    /// Whether a guest has logged such a line.
    pub fn said(&self, line: &str) -> bool {
        self.log.messages().iter().any(|message| message == line)
    }
}

fn text(part: &Part) -> String {
    let (what, end) = match part {
        Part::Headers { headers, end_stream } => {
            let first = headers.get(":status").or(headers.get(":path")).unwrap_or_default();
            (format!("headers {}", first.escape_ascii()), *end_stream)
        }
        Part::Data { data, end_stream } => (format!("data {}", data.escape_ascii()), *end_stream),
        Part::Trailers(trailers) => (format!("trailers {}", trailers.len()), true),
    };
    if end { format!("{what} end") } else { what }
}

pub fn get() -> Headers {
    Headers::request([(":method", "GET"), (":path", "/"), (":authority", "shop.example")])
}

pub fn ok() -> Headers {
    Headers::response([(":status", "200")])
}

pub fn headers(headers: Headers, end_stream: bool) -> Part {
    Part::Headers { headers, end_stream }
}

pub fn data(text: &'static str, end_stream: bool) -> Part {
    Part::Data { data: text.into(), end_stream }
}

/// An upstream that answers 200 with the request's body, and moves the time on when it is asked to
/// wait.
pub struct Echo(pub VirtualClock);

impl Upstream for Echo {
    fn respond(&mut self, request: &Message) -> Option<Message> {
        Some(Message::new(ok()).with_body(request.whole_body()))
    }

    fn wait(&mut self, until_nanos: u64) -> bool {
        use gatepost_host::Clock;
        self.0.advance(std::time::Duration::from_nanos(until_nanos - self.0.monotonic_nanos()));
        true
    }
}

pub const REQUEST: Direction = Direction::Request;
pub const RESPONSE: Direction = Direction::Response;
