//! The stream driver: runs HTTP exchanges through a chain of plugins as Envoy's filter manager
//! does. It does no input or output: parts of messages and answers to callouts go in, events and
//! callouts come out, and whoever drives it sends, receives and sleeps. How a message moves is in
//! `iterate`, what is kept of an exchange in `exchange`, the VMs in `guests`, callouts and timers
//! in `callouts`, what a call leads to elsewhere in `settle`, what can be asked of all that in
//! `inquire`.

mod callouts;
mod effects;
mod exchange;
mod guests;
mod inquire;
mod iterate;
mod message;
mod reply;
mod run;
mod settle;
mod verify;

use std::collections::BTreeMap;

use hashbrown::HashMap;

pub use self::callouts::{Callout, CalloutId};
pub use self::message::{
    Direction, End, Event, ExchangeId, Finished, LocalReplySent, Message, Part,
};
pub use self::run::Upstream;

use self::exchange::Exchange;
use self::guests::Guests;
use self::reply::Reply;
use crate::chain::Chain;
use crate::effect::Effect;
use crate::error::StartError;
use crate::state::Host;
use crate::stream::StreamInfo;

/// How a worker is set up. The default records nothing and takes the system's randomness.
///
/// ```
/// use gatepost_host::{Host, Message, Worker, WorkerOptions};
/// # use gatepost_host::*;
/// # let wasm = wat::parse_file("tests/data/tag.wat")?;
/// # let module = Module::new(&Engine::new(EngineOptions::default())?, "tag", &wasm)?;
/// # let config = PluginConfig { name: "tag".into(), configuration: "blue".into(), ..PluginConfig::default() };
/// # let chain = Chain::new(vec![ChainPlugin { module, config }]);
///
/// let options = WorkerOptions { seed: Some(7), record: true };
/// let mut worker = Worker::with_options(&chain, Host::default(), &options)?;
/// # let headers = Headers::request([(":method", "GET"), (":path", "/"), (":authority", "shop.example")]);
/// # let request = Message::new(headers);
/// let finished = worker.run(request, &mut |_: &Message| None);
/// assert!(finished.effects.iter().any(|effect| effect.to_string().contains("proxy_add_header_map_value")));
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone, Debug, Default)]
pub struct WorkerOptions {
    /// Makes the guests' random bytes follow from this number.
    pub seed: Option<u64>,
    /// Records effects, for [`Worker::effects`] and [`Worker::root_effects`]. They are kept until
    /// they are taken.
    pub record: bool,
}

/// One thread's share of a proxy: the VMs of a chain and the exchanges that pass it. It may move
/// between threads, and is driven by one at a time. Several workers of one chain share what their
/// [`Host`] shares, and nothing else.
///
/// ```
/// use gatepost_host::{Chain, ChainPlugin, Engine, EngineOptions, Headers, Host, Message, Module, PluginConfig, Worker};
///
/// // Answers every request with 403.
/// let wasm = wat::parse_str(r#"(module
///     (import "env" "proxy_send_local_response"
///         (func $reply (param i32 i32 i32 i32 i32 i32 i32 i32) (result i32)))
///     (memory (export "memory") 1)
///     (func (export "proxy_abi_version_0_2_1"))
///     (func (export "malloc") (param i32) (result i32) (i32.const 1024))
///     (func (export "proxy_on_request_headers") (param i32 i32 i32) (result i32)
///         (drop (call $reply (i32.const 403) (i32.const 0) (i32.const 0) (i32.const 0) (i32.const 0)
///             (i32.const 0) (i32.const 0) (i32.const -1)))
///         (i32.const 1)))"#)?;
/// let module = Module::new(&Engine::new(EngineOptions::default())?, "deny", &wasm)?;
/// let chain = Chain::new(vec![ChainPlugin { module, config: PluginConfig::default() }]);
///
/// let mut worker = Worker::new(&chain, Host::default())?;
/// let request = Message::new(Headers::request([(":method", "GET"), (":path", "/"), (":authority", "shop.example")]));
/// // The upstream would answer 200, but is not asked.
/// let ok = || Message::new(Headers::response([(":status", "200")]));
/// let finished = worker.run(request, &mut |_: &Message| Some(ok()));
/// assert_eq!(finished.upstream_request, None);
/// assert_eq!(finished.response.unwrap().headers.get(":status"), Some(&b"403"[..]));
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
pub struct Worker {
    guests: Guests,
    exchanges: Vec<Exchange>,
    free: Vec<u32>,
    /// When callouts time out: by time, then in order.
    deadlines: BTreeMap<(u64, u64), CalloutId>,
    next_deadline: u64,
    /// What has been recorded, with the exchange it belongs to.
    tape: Vec<(Option<ExchangeId>, Effect)>,
    /// The exchanges of the contexts of each VM; only while recording.
    contexts: HashMap<(usize, u32), ExchangeId>,
    /// Slots of exchanges that were moved on from elsewhere; each stands here once.
    moved: Vec<u32>,
}

impl std::fmt::Debug for Worker {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Worker")
            .field("chain", &self.guests.chain)
            .field("open", &self.open_exchanges())
            .finish_non_exhaustive()
    }
}

impl Worker {
    /// Starts the chain's plugins, each in the VM that it shares with those like it.
    ///
    /// ```
    /// # use gatepost_host::*;
    /// # let wasm = wat::parse_file("tests/data/tag.wat")?;
    /// # let module = Module::new(&Engine::new(EngineOptions::default())?, "tag", &wasm)?;
    /// // This guest refuses an empty configuration.
    /// let config = PluginConfig { name: "tag".into(), ..PluginConfig::default() };
    /// let chain = Chain::new(vec![ChainPlugin { module, config }]);
    /// let error = Worker::new(&chain, Host::default()).unwrap_err();
    /// assert!(matches!(error, StartError::Refused { plugin } if plugin == "tag"));
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    ///
    /// # Errors
    /// When a plugin does not start.
    pub fn new(chain: &Chain, host: Host) -> Result<Self, StartError> {
        Self::with_options(chain, host, &WorkerOptions::default())
    }

    /// The same with options.
    ///
    /// ```
    /// # use gatepost_host::*;
    /// # let wasm = wat::parse_file("tests/data/count.wat")?;
    /// # let module = Module::new(&Engine::new(EngineOptions::default())?, "count", &wasm)?;
    /// # let config = PluginConfig { name: "count".into(), ..PluginConfig::default() };
    /// # let chain = Chain::new(vec![ChainPlugin { module, config }]);
    /// let options = WorkerOptions { record: true, ..WorkerOptions::default() };
    /// let mut worker = Worker::with_options(&chain, Host::default(), &options)?;
    /// assert!(!worker.root_effects().is_empty()); // what the plugin did when it started
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    ///
    /// # Errors
    /// When a plugin does not start.
    pub fn with_options(
        chain: &Chain,
        host: Host,
        options: &WorkerOptions,
    ) -> Result<Self, StartError> {
        let mut worker = Self {
            guests: Guests::start(chain, host, options)?,
            exchanges: Vec::new(),
            free: Vec::new(),
            deadlines: BTreeMap::new(),
            next_deadline: 0,
            tape: Vec::new(),
            contexts: HashMap::new(),
            moved: Vec::new(),
        };
        worker.collect_effects();
        Ok(worker)
    }

    /// The chain that it runs.
    #[must_use]
    pub fn chain(&self) -> &Chain {
        &self.guests.chain
    }

    /// What its VMs share with others.
    ///
    /// ```
    /// # use gatepost_host::*;
    /// # let wasm = wat::parse_file("tests/data/count.wat")?;
    /// # let module = Module::new(&Engine::new(EngineOptions::default())?, "count", &wasm)?;
    /// # let config = PluginConfig { name: "count".into(), ..PluginConfig::default() };
    /// # let chain = Chain::new(vec![ChainPlugin { module, config }]);
    /// # let mut worker = Worker::new(&chain, Host::default())?;
    /// assert_eq!(worker.host().metrics.value("requests"), Some(0)); // this guest defines it when it starts
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    #[must_use]
    pub fn host(&self) -> &Host {
        &self.guests.host
    }

    /// Opens an exchange: a request and its response. It takes memory until it is
    /// [closed](Self::close).
    ///
    /// ```
    /// # use gatepost_host::*;
    /// # let wasm = wat::parse_file("tests/data/tag.wat")?;
    /// # let module = Module::new(&Engine::new(EngineOptions::default())?, "tag", &wasm)?;
    /// # let config = PluginConfig { name: "tag".into(), configuration: "blue".into(), ..PluginConfig::default() };
    /// # let chain = Chain::new(vec![ChainPlugin { module, config }]);
    /// # let mut worker = Worker::new(&chain, Host::default())?;
    /// let id = worker.open(StreamInfo { protocol: Some("HTTP/2"), ..StreamInfo::default() });
    /// assert_eq!(worker.open_exchanges(), 1);
    /// worker.close(id);
    /// assert_eq!(worker.open_exchanges(), 0);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn open(&mut self, mut info: StreamInfo) -> ExchangeId {
        let now = self.now();
        info.request_time_nanos.get_or_insert_with(|| self.guests.host.clock.wall_nanos());
        self.guests.reload();
        let slot = self.free.pop().unwrap_or_else(|| {
            self.exchanges.push(Exchange::default());
            u32::try_from(self.exchanges.len() - 1).unwrap_or(u32::MAX)
        });
        let exchange = &mut self.exchanges[slot as usize];
        exchange.open(slot, self.guests.residents.len(), info, now);
        ExchangeId { slot, generation: exchange.generation }
    }

    /// A part of the request has come from the client. A part before the headers or after the end
    /// is ignored.
    ///
    /// ```
    /// # use gatepost_host::*;
    /// # let wasm = wat::parse_file("tests/data/redact.wat")?;
    /// # let module = Module::new(&Engine::new(EngineOptions::default())?, "redact", &wasm)?;
    /// # let config = PluginConfig { name: "redact".into(), ..PluginConfig::default() };
    /// # let chain = Chain::new(vec![ChainPlugin { module, config }]);
    /// # let mut worker = Worker::new(&chain, Host::default())?;
    /// # let headers = Headers::request([(":method", "POST"), (":path", "/"), (":authority", "shop.example")]);
    /// let id = worker.open(StreamInfo::default());
    /// worker.request(id, Part::Headers { headers, end_stream: false });
    /// assert!(matches!(worker.next(id), Some(Event::Request(Part::Headers { end_stream: false, .. }))));
    /// worker.request(id, Part::Data { data: "secret".into(), end_stream: true });
    /// // This guest has written the body anew, and added trailers.
    /// assert_eq!(worker.next(id), Some(Event::Request(Part::Data { data: "redacted".into(), end_stream: false })));
    /// assert!(matches!(worker.next(id), Some(Event::Request(Part::Trailers(_)))));
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn request(&mut self, id: ExchangeId, part: Part) {
        self.receive(id, Direction::Request, part);
    }

    /// A part of the final response has come from the upstream; informational responses pass beside
    /// the chain. A part before the headers, after the end, or after a local reply is ignored.
    ///
    /// ```
    /// # use gatepost_host::*;
    /// # let wasm = wat::parse_file("tests/data/tag.wat")?;
    /// # let module = Module::new(&Engine::new(EngineOptions::default())?, "tag", &wasm)?;
    /// # let config = PluginConfig { name: "tag".into(), configuration: "blue".into(), ..PluginConfig::default() };
    /// # let chain = Chain::new(vec![ChainPlugin { module, config }]);
    /// # let mut worker = Worker::new(&chain, Host::default())?;
    /// # let request = Headers::request([(":method", "GET"), (":path", "/"), (":authority", "shop.example")]);
    /// let id = worker.open(StreamInfo::default());
    /// worker.request(id, Part::Headers { headers: request, end_stream: true });
    /// let headers = Headers::response([(":status", "204")]);
    /// worker.response(id, Part::Headers { headers, end_stream: true });
    ///
    /// let mut events = std::iter::from_fn(|| worker.next(id));
    /// assert!(events.any(|event| matches!(event, Event::Response(part) if part.end_stream())));
    /// assert!(worker.is_over(id));
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn response(&mut self, id: ExchangeId, part: Part) {
        self.receive(id, Direction::Response, part);
    }

    fn receive(&mut self, id: ExchangeId, direction: Direction, part: Part) {
        self.with(id, |exchange, guests| exchange.receive(guests, direction, part));
    }

    /// The client went away: the upstream is reset, and the guests' streams end.
    ///
    /// ```
    /// # use gatepost_host::*;
    /// # let wasm = wat::parse_file("tests/data/auth.wat")?;
    /// # let module = Module::new(&Engine::new(EngineOptions::default())?, "auth", &wasm)?;
    /// # let config = PluginConfig { name: "auth".into(), ..PluginConfig::default() };
    /// # let chain = Chain::new(vec![ChainPlugin { module, config }]);
    /// # let mut worker = Worker::new(&chain, Host::default())?;
    /// # let mut headers = Headers::request([(":method", "GET"), (":path", "/"), (":authority", "shop.example")]);
    /// let id = worker.open(StreamInfo::default());
    /// worker.request(id, Part::Headers { headers, end_stream: false });
    /// assert_eq!(worker.open_streams(), 1); // the guest waits
    /// worker.client_reset(id);
    /// assert_eq!(worker.open_streams(), 0);
    /// assert!(worker.is_over(id));
    /// worker.close(id);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn client_reset(&mut self, id: ExchangeId) {
        self.with(id, Exchange::client_gone);
    }

    /// The upstream went away. Before its response began, the client is answered 503 with the
    /// reason in Envoy's words, as in `remote connection failure` or `connection termination` (502
    /// for `protocol error`); after that its stream is reset.
    ///
    /// ```
    /// # use gatepost_host::*;
    /// # let wasm = wat::parse_file("tests/data/tag.wat")?;
    /// # let module = Module::new(&Engine::new(EngineOptions::default())?, "tag", &wasm)?;
    /// # let config = PluginConfig { name: "tag".into(), configuration: "blue".into(), ..PluginConfig::default() };
    /// # let chain = Chain::new(vec![ChainPlugin { module, config }]);
    /// # let mut worker = Worker::new(&chain, Host::default())?;
    /// # let mut headers = Headers::request([(":method", "GET"), (":path", "/"), (":authority", "shop.example")]);
    /// # let id = worker.open(StreamInfo::default());
    /// # worker.request(id, Part::Headers { headers, end_stream: true });
    /// worker.upstream_reset(id, "connection termination");
    /// let mut events = std::iter::from_fn(|| worker.next(id));
    /// let Some(headers) = events.find_map(|event| match event {
    ///     Event::Response(Part::Headers { headers, .. }) => Some(headers),
    ///     _ => None,
    /// }) else { panic!("the client is answered") };
    /// assert_eq!(headers.get(":status"), Some(&b"503"[..]));
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn upstream_reset(&mut self, id: ExchangeId, reason: &str) {
        self.with(id, |exchange, guests| {
            if !exchange.is_over && !exchange.half(Direction::Response).received_end {
                exchange.upstream_gone(guests, reason);
            }
        });
    }

    /// The proxy answers in the upstream's place, as when no route is found: a local reply that is
    /// no plugin's. After a response has begun, the client's stream is reset instead.
    ///
    /// ```
    /// # use gatepost_host::*;
    /// # let wasm = wat::parse_file("tests/data/tag.wat")?;
    /// # let module = Module::new(&Engine::new(EngineOptions::default())?, "tag", &wasm)?;
    /// # let config = PluginConfig { name: "tag".into(), configuration: "blue".into(), ..PluginConfig::default() };
    /// # let chain = Chain::new(vec![ChainPlugin { module, config }]);
    /// # let mut worker = Worker::new(&chain, Host::default())?;
    /// # let mut headers = Headers::request([(":method", "GET"), (":path", "/"), (":authority", "shop.example")]);
    /// # let id = worker.open(StreamInfo::default());
    /// # worker.request(id, Part::Headers { headers, end_stream: true });
    /// worker.reply(id, 404, "", "route_not_found");
    /// let reply = worker.local_reply(id).unwrap();
    /// assert_eq!((reply.status, reply.plugin.as_deref()), (404, None));
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn reply(&mut self, id: ExchangeId, status: u16, body: &str, details: &str) {
        self.with(id, |exchange, guests| {
            exchange.upstream_is_gone = true;
            exchange.local_reply(guests, Reply::of_chain(status.into(), body, details));
        });
    }

    /// The next thing that leaves the chain; none when nothing does now.
    ///
    /// ```
    /// # use gatepost_host::*;
    /// # let wasm = wat::parse_file("tests/data/tag.wat")?;
    /// # let module = Module::new(&Engine::new(EngineOptions::default())?, "tag", &wasm)?;
    /// # let config = PluginConfig { name: "tag".into(), configuration: "blue".into(), ..PluginConfig::default() };
    /// # let chain = Chain::new(vec![ChainPlugin { module, config }]);
    /// # let mut worker = Worker::new(&chain, Host::default())?;
    /// # let mut headers = Headers::request([(":method", "GET"), (":path", "/"), (":authority", "shop.example")]);
    /// # let id = worker.open(StreamInfo::default());
    /// # let (mut upstream, mut client) = (Vec::new(), Vec::new());
    /// worker.request(id, Part::Headers { headers, end_stream: true });
    /// while let Some(event) = worker.next(id) {
    ///     match event {
    ///         Event::Request(part) => upstream.push(part),
    ///         Event::Response(part) => client.push(part),
    ///         Event::RouteCacheCleared => println!("choose the route anew"),
    ///         Event::RequestReset => println!("reset the upstream's stream"),
    ///         Event::ResponseReset => println!("reset the client's stream"),
    ///     }
    /// }
    /// assert_eq!((upstream.len(), client.len()), (1, 0));
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn next(&mut self, id: ExchangeId) -> Option<Event> {
        self.exchange_mut(id)?.events.pop_front()
    }

    /// The exchanges that guests have done something to from elsewhere since the last question: in
    /// a tick, when a callout was answered, in another exchange's callback, or by a trap. Events
    /// may wait for them. Who does not ask may look at every exchange.
    pub fn moved(&mut self) -> Vec<ExchangeId> {
        let mut moved = Vec::new();
        for slot in self.moved.drain(..) {
            let exchange = &mut self.exchanges[slot as usize];
            exchange.is_moved = false;
            if exchange.is_open {
                moved.push(ExchangeId { slot, generation: exchange.generation });
            }
        }
        moved
    }

    /// Forgets an exchange. The guests' streams end if they have not.
    ///
    /// ```
    /// # use gatepost_host::*;
    /// # let wasm = wat::parse_file("tests/data/auth.wat")?;
    /// # let module = Module::new(&Engine::new(EngineOptions::default())?, "auth", &wasm)?;
    /// # let config = PluginConfig { name: "auth".into(), ..PluginConfig::default() };
    /// # let chain = Chain::new(vec![ChainPlugin { module, config }]);
    /// # let mut worker = Worker::new(&chain, Host::default())?;
    /// # let mut headers = Headers::request([(":method", "GET"), (":path", "/"), (":authority", "shop.example")]);
    /// let id = worker.open(StreamInfo::default());
    /// worker.request(id, Part::Headers { headers, end_stream: true });
    /// worker.close(id); // the guest waited; its stream ends
    /// assert_eq!((worker.open_exchanges(), worker.open_streams()), (0, 0));
    /// assert_eq!(worker.next(id), None);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn close(&mut self, id: ExchangeId) {
        if self.exchange(id).is_none() {
            return;
        }
        self.with(id, |exchange, guests| {
            exchange.client_gone(guests);
            exchange.finish(guests);
        });
        if let Some(exchange) = self.exchange_mut(id) {
            exchange.is_open = false;
            for context in std::mem::take(&mut exchange.contexts) {
                self.contexts.remove(&context);
            }
            self.free.push(id.slot);
        }
    }

    fn now(&self) -> u64 {
        self.guests.host.clock.monotonic_nanos()
    }

    fn exchange(&self, id: ExchangeId) -> Option<&Exchange> {
        self.exchanges
            .get(id.slot as usize)
            .filter(|exchange| exchange.is_open && exchange.generation == id.generation)
    }

    fn exchange_mut(&mut self, id: ExchangeId) -> Option<&mut Exchange> {
        self.exchanges
            .get_mut(id.slot as usize)
            .filter(|exchange| exchange.is_open && exchange.generation == id.generation)
    }

    /// Does something to an exchange and then whatever follows from it.
    fn with(&mut self, id: ExchangeId, act: impl FnOnce(&mut Exchange, &mut Guests)) {
        let Self { guests, exchanges, .. } = self;
        let open = exchanges.get_mut(id.slot as usize);
        let Some(exchange) =
            open.filter(|exchange| exchange.is_open && exchange.generation == id.generation)
        else {
            return;
        };
        act(exchange, guests);
        self.conclude(id.slot);
        self.settle();
    }
}
