//! The stream driver: runs HTTP exchanges through a chain of plugins as Envoy's filter manager does. It does no input or output: parts
//! of messages and answers to callouts go in, events and callouts come out, and whoever drives it sends, receives and sleeps.
//! How a message moves is in `iterate`, what is kept of an exchange in `exchange`, the VMs in `guests`.

mod exchange;
mod guests;
mod iterate;
mod message;
mod reply;
mod run;
mod verify;

use std::collections::BTreeMap;

use hashbrown::HashMap;

pub use self::message::{Direction, End, Event, ExchangeId, Finished, LocalReplySent, Message, Part};
pub use self::run::Upstream;

use self::exchange::{Exchange, Iteration, Life};
use self::guests::Guests;
use self::reply::Reply;
use crate::callout::{CalloutAnswer, CalloutKind, CalloutRequest, CalloutToken};
use crate::chain::Chain;
use crate::effect::Effect;
use crate::error::{CallError, StartError};
use crate::state::Host;
use crate::stream::{StreamId, StreamInfo};

/// How a worker is set up. The default records nothing and takes the system's randomness.
#[derive(Clone, Debug, Default)]
pub struct WorkerOptions {
    /// Makes the guests' random bytes follow from this number.
    pub seed: Option<u64>,
    /// Records effects, for [`Worker::effects`] and [`Worker::root_effects`]. They are kept until they are taken.
    pub record: bool,
}

/// Names one callout of one worker while it is open.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct CalloutId {
    vm: usize,
    generation: u32,
    token: CalloutToken,
}

impl CalloutId {
    /// What kind of call it is, and the number that the guest knows it by.
    #[must_use]
    pub fn token(self) -> CalloutToken {
        self.token
    }
}

/// Something that a guest of a worker wants sent.
#[derive(Clone, Debug, PartialEq)]
pub struct Callout {
    /// Names the call in the answers.
    pub id: CalloutId,
    /// The plugin whose guest called.
    pub plugin: std::sync::Arc<str>,
    /// What to send.
    pub request: CalloutRequest,
}

/// One thread's share of a proxy: the VMs of a chain and the exchanges that pass it. It may move between threads, and is driven by one
/// at a time. Several workers of one chain share what their [`Host`] shares, and nothing else.
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
}

impl std::fmt::Debug for Worker {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Worker").field("chain", &self.guests.chain).field("open", &self.open_exchanges()).finish_non_exhaustive()
    }
}

impl Worker {
    /// Starts the chain's plugins, each in the VM that it shares with those like it.
    ///
    /// # Errors
    /// When a plugin does not start.
    pub fn new(chain: &Chain, host: Host) -> Result<Self, StartError> {
        Self::with_options(chain, host, &WorkerOptions::default())
    }

    /// The same with options.
    ///
    /// # Errors
    /// When a plugin does not start.
    pub fn with_options(chain: &Chain, host: Host, options: &WorkerOptions) -> Result<Self, StartError> {
        let mut worker = Self {
            guests: Guests::start(chain, host, options)?,
            exchanges: Vec::new(),
            free: Vec::new(),
            deadlines: BTreeMap::new(),
            next_deadline: 0,
            tape: Vec::new(),
            contexts: HashMap::new(),
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
    #[must_use]
    pub fn host(&self) -> &Host {
        &self.guests.host
    }

    /// Opens an exchange: a request and its response. It takes memory until it is [closed](Self::close).
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

    /// A part of the request has come from the client. A part before the headers or after the end is ignored.
    pub fn request(&mut self, id: ExchangeId, part: Part) {
        self.receive(id, Direction::Request, part);
    }

    /// A part of the final response has come from the upstream; informational responses pass beside the chain. A part before the
    /// headers, after the end, or after a local reply is ignored.
    pub fn response(&mut self, id: ExchangeId, part: Part) {
        self.receive(id, Direction::Response, part);
    }

    fn receive(&mut self, id: ExchangeId, direction: Direction, part: Part) {
        self.with(id, |exchange, guests| exchange.receive(guests, direction, part));
    }

    /// The client went away: the upstream is reset, and the guests' streams end.
    pub fn client_reset(&mut self, id: ExchangeId) {
        self.with(id, Exchange::client_gone);
    }

    /// The upstream went away. Before its response began, the client is answered 503 with the reason in Envoy's words, as in
    /// `remote connection failure` or `connection termination`; after that its stream is reset.
    pub fn upstream_reset(&mut self, id: ExchangeId, reason: &str) {
        self.with(id, |exchange, guests| {
            if !exchange.is_over && !exchange.half(Direction::Response).received_end {
                exchange.upstream_gone(guests, reason);
            }
        });
    }

    /// The proxy answers in the upstream's place, as when no route is found: a local reply that is no plugin's. After a response has
    /// begun, the client's stream is reset instead.
    pub fn reply(&mut self, id: ExchangeId, status: u16, body: &str, details: &str) {
        self.with(id, |exchange, guests| {
            exchange.upstream_is_gone = true;
            exchange.local_reply(guests, Reply::of_chain(status.into(), body, details));
        });
    }

    /// The next thing that leaves the chain; none when nothing does now.
    pub fn next(&mut self, id: ExchangeId) -> Option<Event> {
        self.exchange_mut(id)?.events.pop_front()
    }

    /// Whether the sender of a message should wait: plugins keep more of it than [`buffer_bytes`](crate::ChainOptions), and would keep
    /// all that comes.
    #[must_use]
    pub fn holds_back(&self, id: ExchangeId, direction: Direction) -> bool {
        let limit = self.guests.chain.options().buffer_bytes;
        self.exchange(id).is_some_and(|exchange| exchange.holds_back(direction, limit))
    }

    /// Whether the exchange is over: its response is out, or it was reset. Events may still wait.
    #[must_use]
    pub fn is_over(&self, id: ExchangeId) -> bool {
        self.exchange(id).is_none_or(|exchange| exchange.is_over)
    }

    /// The direction in which a plugin pauses.
    #[must_use]
    pub fn paused(&self, id: ExchangeId) -> Option<Direction> {
        let exchange = self.exchange(id).filter(|exchange| !exchange.is_over)?;
        [Direction::Request, Direction::Response].into_iter().find(|direction| exchange.is_waiting(*direction))
    }

    /// The answer that was not the upstream's, if there was one.
    #[must_use]
    pub fn local_reply(&self, id: ExchangeId) -> Option<&LocalReplySent> {
        self.exchange(id)?.reply.as_ref()
    }

    /// What is known of the exchange, with what guests have set.
    pub fn stream_info<T>(&mut self, id: ExchangeId, with: impl FnOnce(&mut StreamInfo) -> T) -> Option<T> {
        Some(self.exchange(id)?.info(with))
    }

    /// Forgets an exchange. The guests' streams end if they have not.
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

    /// What guests have wanted sent since the last question, in order for each VM. Timeouts run from now.
    pub fn callouts(&mut self) -> Vec<Callout> {
        let now = self.now();
        let mut all = Vec::new();
        for (number, guest) in self.guests.vms.iter_mut().enumerate() {
            let generation = guest.generation;
            for callout in guest.vm.take_callouts() {
                let id = CalloutId { vm: number, generation, token: callout.token };
                all.push(Callout { id, plugin: callout.plugin, request: callout.request });
            }
        }
        for callout in &all {
            if let CalloutRequest::Http { timeout: Some(timeout), .. } | CalloutRequest::GrpcCall { timeout: Some(timeout), .. } =
                &callout.request
            {
                let due = now.saturating_add(u64::try_from(timeout.as_nanos()).unwrap_or(u64::MAX));
                self.next_deadline += 1;
                self.deadlines.insert((due, self.next_deadline), callout.id);
            }
        }
        all
    }

    /// What came back for a callout. False when the guest no longer waits for such an answer: it was cancelled, timed out, or its VM is
    /// gone.
    pub fn answer(&mut self, id: CalloutId, answer: CalloutAnswer) -> bool {
        let Some(guest) = self.guests.vms.get_mut(id.vm).filter(|guest| guest.generation == id.generation) else { return false };
        let answered = guest.vm.answer(id.token, answer);
        let was_awaited = !matches!(answered, Err(CallError::UnknownCallout { .. } | CallError::Poisoned(_)));
        if let Err(error) = answered {
            self.guests.caught(error);
        }
        self.settle();
        was_awaited
    }

    /// Whether a guest waits for an answer, or wants something sent.
    #[must_use]
    pub fn has_callouts(&self) -> bool {
        self.guests.vms.iter().any(|guest| guest.vm.has_callouts())
    }

    /// Does what is due by the host's clock: ticks, timeouts of callouts, items in queues.
    pub fn run_timers(&mut self) {
        let now = self.now();
        for place in 0..self.guests.residents.len() {
            let resident = &self.guests.residents[place];
            let (number, plugin) = (resident.vm, resident.plugin);
            let vm = &mut self.guests.vms[number].vm;
            if vm.trap().is_none() && vm.next_tick(plugin).is_some_and(|due| due <= now) {
                if let Err(error) = vm.tick(plugin) {
                    self.guests.caught(error);
                }
                self.settle();
            }
        }
        while let Some(entry) = self.deadlines.first_entry().filter(|entry| entry.key().0 <= now) {
            let id = entry.remove();
            let answer = match id.token.kind() {
                CalloutKind::Http => CalloutAnswer::timeout(),
                CalloutKind::GrpcCall | CalloutKind::GrpcStream => CalloutAnswer::grpc_timeout(),
            };
            if self.awaits(id) {
                self.answer(id, answer);
            }
        }
        for number in 0..self.guests.vms.len() {
            let vm = &mut self.guests.vms[number].vm;
            if vm.trap().is_none() && vm.has_queue_items() {
                if let Err(error) = vm.deliver_queue_items() {
                    self.guests.caught(error);
                }
                self.settle();
            }
        }
    }

    /// When [`run_timers`](Self::run_timers) has something to do, in nanoseconds of the host's monotonic clock.
    #[must_use]
    pub fn next_timer(&mut self) -> Option<u64> {
        while let Some(entry) = self.deadlines.first_entry() {
            let id = *entry.get();
            let guest = self.guests.vms.get(id.vm).filter(|guest| guest.generation == id.generation);
            if guest.is_some_and(|guest| guest.vm.trap().is_none() && guest.vm.awaits(id.token)) {
                break;
            }
            entry.remove();
        }
        let deadline = self.deadlines.first_key_value().map(|((due, _), _)| *due);
        let guests = &self.guests;
        let has_items = guests.vms.iter().any(|guest| guest.vm.trap().is_none() && guest.vm.has_queue_items());
        let ticks = guests.residents.iter().filter_map(|resident| {
            let vm = &guests.vms[resident.vm].vm;
            vm.next_tick(resident.plugin).filter(|_| vm.trap().is_none())
        });
        ticks.chain(deadline).chain(has_items.then(|| guests.host.clock.monotonic_nanos())).min()
    }

    /// How many exchanges are open.
    #[must_use]
    pub fn open_exchanges(&self) -> usize {
        self.exchanges.len() - self.free.len()
    }

    /// How many streams the guests have open, in VMs that have not trapped.
    #[must_use]
    pub fn open_streams(&self) -> usize {
        self.guests.vms.iter().map(|guest| &guest.vm).filter(|vm| vm.trap().is_none()).map(crate::vm::Vm::open_streams).sum()
    }

    /// Takes what was recorded of an exchange's contexts, in order; also after it was closed.
    pub fn effects(&mut self, id: ExchangeId) -> Vec<Effect> {
        self.take_effects(|owner| owner == Some(id))
    }

    /// Takes what was recorded of root contexts and of starting VMs, in order.
    pub fn root_effects(&mut self) -> Vec<Effect> {
        self.take_effects(|owner| owner.is_none())
    }

    /// Takes everything that was recorded, of exchanges and of root contexts, in order.
    pub fn recorded(&mut self) -> Vec<Effect> {
        std::mem::take(&mut self.tape).into_iter().map(|(_, effect)| effect).collect()
    }

    fn take_effects(&mut self, wanted: impl Fn(Option<ExchangeId>) -> bool) -> Vec<Effect> {
        let (taken, left) = std::mem::take(&mut self.tape).into_iter().partition::<Vec<_>, _>(|(owner, _)| wanted(*owner));
        self.tape = left;
        taken.into_iter().map(|(_, effect)| effect).collect()
    }

    /// Takes the traps since the last question; at most 1,024 are kept.
    pub fn errors(&mut self) -> Vec<CallError> {
        std::mem::take(&mut self.guests.errors)
    }

    fn awaits(&self, id: CalloutId) -> bool {
        let guest = self.guests.vms.get(id.vm).filter(|guest| guest.generation == id.generation);
        guest.is_some_and(|guest| guest.vm.awaits(id.token))
    }

    fn now(&self) -> u64 {
        self.guests.host.clock.monotonic_nanos()
    }

    fn exchange(&self, id: ExchangeId) -> Option<&Exchange> {
        self.exchanges.get(id.slot as usize).filter(|exchange| exchange.is_open && exchange.generation == id.generation)
    }

    fn exchange_mut(&mut self, id: ExchangeId) -> Option<&mut Exchange> {
        self.exchanges.get_mut(id.slot as usize).filter(|exchange| exchange.is_open && exchange.generation == id.generation)
    }

    /// Does something to an exchange and then whatever follows from it.
    fn with(&mut self, id: ExchangeId, act: impl FnOnce(&mut Exchange, &mut Guests)) {
        let Self { guests, exchanges, .. } = self;
        let open = exchanges.get_mut(id.slot as usize);
        let Some(exchange) = open.filter(|exchange| exchange.is_open && exchange.generation == id.generation) else { return };
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

    /// What guests have done to streams from other contexts, and what traps mean for streams that wait.
    fn settle(&mut self) {
        loop {
            let mut touched = Vec::new();
            for (number, guest) in self.guests.vms.iter_mut().enumerate() {
                touched.extend(guest.vm.take_touched_owners().into_iter().map(|(stream, owner)| (number, stream, owner)));
            }
            self.tell_refused();
            let trapped = std::mem::take(&mut self.guests.has_fresh_trap);
            if touched.is_empty() && !trapped {
                break;
            }
            for (vm, stream, owner) in touched {
                self.touched(vm, stream, owner);
            }
            if trapped {
                self.fail_waiting();
            }
        }
        self.collect_effects();
    }

    /// Calls to clusters that do not exist fail as soon as the callback is over that made them.
    fn tell_refused(&mut self) {
        for number in 0..self.guests.vms.len() {
            if let Err(error) = self.guests.vms[number].vm.fail_refused_callouts() {
                self.guests.caught(error);
            }
        }
    }

    fn touched(&mut self, number: usize, stream: StreamId, owner: u64) {
        let (slot, at) = ((owner & u64::from(u32::MAX)) as u32, (owner >> 32) as usize);
        let Self { guests, exchanges, .. } = self;
        let Some(exchange) = exchanges.get_mut(slot as usize).filter(|exchange| exchange.is_open) else { return };
        let lives = |life: &Life| matches!(life, Life::Living { stream: here, .. } if *here == stream);
        if !exchange.legs.get(at).is_some_and(|leg| lives(&leg.life)) {
            return;
        }
        let vm = &mut guests.vms[number].vm;
        exchange.route_cache_cleared |= vm.take_route_cache_cleared(stream).unwrap_or(false);
        let (reply, closed) = (vm.take_local_reply(stream).ok().flatten(), vm.take_closed(stream).unwrap_or(false));
        if let Some(reply) = reply {
            let plugin = guests.residents.get(at).map(|resident| std::sync::Arc::clone(&resident.name));
            exchange.local_reply(guests, Reply::of_guest(plugin, reply));
        } else if closed {
            exchange.reset_client(guests);
        } else {
            exchange.continued(guests, at);
        }
        self.conclude(slot);
    }

    /// Streams that wait at a plugin whose VM has trapped would wait for ever.
    fn fail_waiting(&mut self) {
        for slot in 0..self.exchanges.len() {
            let Self { guests, exchanges, .. } = &mut *self;
            let exchange = &mut exchanges[slot];
            if !exchange.is_open || exchange.is_over {
                continue;
            }
            exchange.fail_waiting(guests);
            self.conclude(u32::try_from(slot).unwrap_or(u32::MAX));
        }
    }

    fn collect_effects(&mut self) {
        for (vm, effect) in self.guests.recorded() {
            let owner = self.contexts.get(&(vm, effect.context)).copied();
            self.tape.push((owner, effect));
        }
    }
}

impl Exchange {
    fn upstream_gone(&mut self, guests: &mut Guests, reason: &str) {
        self.upstream_is_gone = true;
        if self.half(Direction::Response).started {
            self.reset_client(guests);
        } else {
            self.local_reply(guests, Reply::of_upstream(reason));
        }
    }

    /// Whether a plugin stops this message now.
    fn is_waiting(&self, direction: Direction) -> bool {
        !self.is_stopped(direction) && self.iterations(direction).any(|iteration| iteration != Iteration::Going)
    }

    fn fail_waiting(&mut self, guests: &mut Guests) {
        for at in 0..self.legs.len() {
            for direction in [Direction::Request, Direction::Response] {
                let waits = self.cursor(at, direction).iteration != Iteration::Going && !self.is_stopped(direction);
                let trapped = self.living(guests, at).is_some_and(|(vm, _)| vm.trap().is_some());
                if !waits || !trapped {
                    continue;
                }
                if guests.is_open(at) {
                    self.resume(guests, direction, at);
                } else {
                    let reply = guests.failed(at);
                    self.local_reply(guests, reply);
                }
            }
        }
    }
}
