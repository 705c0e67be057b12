//! What a worker holds, and what must follow every call into a guest: ending exchanges that are
//! over, acting on streams that guests touched from other contexts, and failing streams whose VM
//! trapped.

use std::collections::BTreeMap;
use std::sync::Arc;

use hashbrown::HashMap;

use super::callout_id::CalloutId;
use super::event::{Direction, ExchangeId};
use super::exchange::{Exchange, Iteration, StreamState};
use super::guests::Guests;
use super::options::WorkerOptions;
use super::reply::Reply;
use crate::chain::Chain;
use crate::error::StartError;
use crate::host::Host;
use crate::recording::Recorded;
use crate::stream::StreamId;

/// The VMs of a chain, and the exchanges that pass through it, on one thread of a proxy. A worker
/// can move between threads, and runs on one at a time. Several workers of one chain share their
/// [`Host`], and nothing else.
///
/// ```
/// use gatepost_host::{Chain, ChainPlugin, Engine, EngineOptions, Headers, Host, Message, Module};
/// use gatepost_host::{PluginConfig, Worker};
///
/// // Answers every request with 403.
/// let wasm = wat::parse_str(r#"(module
///     (import "env" "proxy_send_local_response"
///         (func $reply (param i32 i32 i32 i32 i32 i32 i32 i32) (result i32)))
///     (memory (export "memory") 1)
///     (func (export "proxy_abi_version_0_2_1"))
///     (func (export "malloc") (param i32) (result i32) (i32.const 1024))
///     (func (export "proxy_on_request_headers") (param i32 i32 i32) (result i32)
///         (drop (call $reply (i32.const 403) (i32.const 0) (i32.const 0) (i32.const 0)
///             (i32.const 0) (i32.const 0) (i32.const 0) (i32.const -1)))
///         (i32.const 1)))"#)?;
/// let module = Module::new(&Engine::new(EngineOptions::default())?, "deny", &wasm)?;
/// let chain = Chain::new(vec![ChainPlugin { module, config: PluginConfig::default() }]);
///
/// let mut worker = Worker::new(&chain, Host::default())?;
/// let request = Message::new(Headers::request([(":method", "GET"), (":path", "/")]));
/// // The upstream would answer 200, but the request does not reach it.
/// let ok = || Message::new(Headers::response([(":status", "200")]));
/// let finished = worker.run(request, &mut |_: &Message| Some(ok()));
/// assert_eq!(finished.upstream_request, None);
/// assert_eq!(finished.response.unwrap().headers.get(":status"), Some(&b"403"[..]));
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
pub struct Worker {
    pub(super) guests: Guests,
    pub(super) exchanges: Vec<Exchange>,
    pub(super) free: Vec<u32>,
    /// When callouts time out: by time, then in the order in which they were started.
    pub(super) deadlines: BTreeMap<(u64, u64), CalloutId>,
    pub(super) next_deadline: u64,
    /// Recorded events, each with the exchange that it belongs to.
    pub(super) events_per_run: usize,
    pub(super) recorded: Vec<(Option<ExchangeId>, Recorded)>,
    /// The exchanges of the contexts of each VM; only while recording.
    pub(super) contexts: HashMap<(usize, u32), ExchangeId>,
    /// Slots of exchanges that moved by something else than a call with their id; each once.
    pub(super) moved: Vec<u32>,
}

impl std::fmt::Debug for Worker {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Worker")
            .field("chain", &self.guests.chain)
            .field("open", &(self.exchanges.len() - self.free.len()))
            .finish_non_exhaustive()
    }
}

impl Worker {
    /// Starts the chain's plugins. Plugins of the same module, `vm_id` and VM configuration share a
    /// VM.
    ///
    /// ```
    /// # use gatepost_host_fixtures::*;
    /// # let module = module("tag");
    /// // This guest refuses an empty configuration.
    /// let config = PluginConfig { name: "tag".into(), ..PluginConfig::default() };
    /// let chain = Chain::new(vec![ChainPlugin { module, config }]);
    /// let error = Worker::new(&chain, Host::default()).unwrap_err();
    /// assert!(matches!(error, StartError::Refused { plugin } if plugin == "tag"));
    /// ```
    ///
    /// # Errors
    /// When a plugin does not start.
    pub fn new(chain: &Chain, host: Host) -> Result<Self, StartError> {
        Self::with_options(chain, host, &WorkerOptions::default())
    }

    /// As [`new`](Self::new), with options.
    ///
    /// ```
    /// # use gatepost_host_fixtures::*;
    /// # let chain = chain("count");
    /// let options = WorkerOptions { record: true, ..WorkerOptions::default() };
    /// let mut worker = Worker::with_options(&chain, Host::default(), &options)?;
    /// assert!(!worker.take_recorded_by_roots().is_empty()); // what the plugin did when it started
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
            events_per_run: options.events_per_run,
            recorded: Vec::new(),
            contexts: HashMap::new(),
            moved: Vec::new(),
        };
        worker.collect_recorded();
        Ok(worker)
    }

    /// The chain that this worker runs.
    #[must_use]
    pub fn chain(&self) -> &Chain {
        &self.guests.chain
    }

    /// What this worker's VMs share with others.
    ///
    /// ```
    /// # use gatepost_host_fixtures::*;
    /// # let mut worker = worker("count");
    /// assert_eq!(worker.host().metrics.value("requests"), Some(0));
    /// ```
    #[must_use]
    pub fn host(&self) -> &Host {
        &self.guests.host
    }

    pub(super) fn now(&self) -> u64 {
        self.guests.host.clock.monotonic_nanos()
    }

    pub(super) fn exchange(&self, id: ExchangeId) -> Option<&Exchange> {
        self.exchanges
            .get(id.slot as usize)
            .filter(|exchange| exchange.is_open && exchange.generation == id.generation)
    }

    pub(super) fn exchange_mut(&mut self, id: ExchangeId) -> Option<&mut Exchange> {
        self.exchanges
            .get_mut(id.slot as usize)
            .filter(|exchange| exchange.is_open && exchange.generation == id.generation)
    }

    /// Acts on an exchange, and then on everything that follows from it.
    pub(super) fn with(&mut self, id: ExchangeId, act: impl FnOnce(&mut Exchange, &mut Guests)) {
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

    /// Ends the guests' streams of an exchange that is over.
    fn conclude(&mut self, slot: u32) {
        let exchange = &mut self.exchanges[slot as usize];
        if exchange.is_over && !exchange.is_ended {
            exchange.finish(&mut self.guests);
        }
        let id = ExchangeId { slot, generation: exchange.generation };
        for context in &exchange.contexts {
            self.contexts.insert(*context, id);
        }
    }

    /// Acts on what guests have done to streams from other contexts, and on traps, until nothing
    /// new comes from it.
    pub(super) fn settle(&mut self) {
        loop {
            let mut touched = Vec::new();
            for (number, guest) in self.guests.vms.iter_mut().enumerate() {
                touched.extend(
                    guest
                        .vm
                        .take_touched_owners()
                        .into_iter()
                        .map(|(stream, owner)| (number, stream, owner)),
                );
            }
            self.fail_refused();
            let trapped = std::mem::take(&mut self.guests.has_fresh_trap);
            if touched.is_empty() && !trapped {
                break;
            }
            for (vm, stream, owner) in touched {
                self.touched(vm, stream, owner);
            }
            if trapped {
                self.fail_paused();
            }
        }
        self.collect_recorded();
    }

    /// Fails callouts to unknown clusters: the callback that made them has ended.
    fn fail_refused(&mut self) {
        for number in 0..self.guests.vms.len() {
            if let Err(error) = self.guests.vms[number].vm.fail_refused_callouts() {
                self.guests.note_failure(error);
            }
        }
    }

    /// A guest has continued, closed or answered this stream in a callback of another context.
    fn touched(&mut self, number: usize, stream: StreamId, owner: u64) {
        let (slot, at) = ((owner & u64::from(u32::MAX)) as u32, (owner >> 32) as usize);
        let Self { guests, exchanges, .. } = self;
        let Some(exchange) = exchanges.get_mut(slot as usize).filter(|exchange| exchange.is_open)
        else {
            return;
        };
        let is_this =
            |state: StreamState| matches!(state, StreamState::Open { id, .. } if id == stream);
        if !exchange.plugins.get(at).is_some_and(|plugin| is_this(plugin.stream)) {
            return;
        }
        let vm = &mut guests.vms[number].vm;
        exchange.route_cache_cleared |= vm.take_route_cache_cleared(stream).unwrap_or(false);
        let (reply, closed) =
            (vm.take_local_reply(stream).ok().flatten(), vm.take_closed(stream).unwrap_or(false));
        if let Some(reply) = reply {
            let plugin = guests.plugins.get(at).map(|plugin| Arc::clone(&plugin.name));
            exchange.local_reply(guests, Reply::of_guest(plugin, reply));
        } else if closed {
            exchange.reset_client(guests);
        } else {
            exchange.continued(guests, at);
        }
        self.note_moved(slot);
        self.conclude(slot);
    }

    fn note_moved(&mut self, slot: u32) {
        if !std::mem::replace(&mut self.exchanges[slot as usize].is_moved, true) {
            self.moved.push(slot);
        }
    }

    /// Fails the streams that a plugin has paused whose VM has trapped: nothing would continue
    /// them.
    fn fail_paused(&mut self) {
        for slot in 0..self.exchanges.len() {
            let Self { guests, exchanges, .. } = &mut *self;
            let exchange = &mut exchanges[slot];
            if !exchange.is_open || exchange.is_over {
                continue;
            }
            let is_moved = exchange.fail_paused(guests);
            let slot = u32::try_from(slot).unwrap_or(u32::MAX);
            if is_moved {
                self.note_moved(slot);
            }
            self.conclude(slot);
        }
    }

    /// Takes what the VMs have recorded, and finds the exchange of each event.
    pub(super) fn collect_recorded(&mut self) {
        for (vm, recorded) in self.guests.take_recorded() {
            let exchange = self.contexts.get(&(vm, recorded.context)).copied();
            self.recorded.push((exchange, recorded));
        }
    }
}

impl Exchange {
    /// Fails the messages that a plugin has paused whose VM has trapped; whether there were any.
    fn fail_paused(&mut self, guests: &mut Guests) -> bool {
        let mut has_waited = false;
        for at in 0..self.plugins.len() {
            for direction in [Direction::Request, Direction::Response] {
                let waits = self.progress(at, direction).iteration != Iteration::Continue
                    && !self.is_stopped(direction);
                let trapped =
                    self.open_stream_at(guests, at).is_some_and(|(vm, _)| vm.trap().is_some());
                if !waits || !trapped {
                    continue;
                }
                has_waited = true;
                if guests.fails_open(at) {
                    self.resume(guests, direction, at);
                } else {
                    let reply = guests.failure_reply(at);
                    self.local_reply(guests, reply);
                }
            }
        }
        has_waited
    }
}
