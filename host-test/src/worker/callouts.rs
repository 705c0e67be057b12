//! What a worker's guests wait for beside messages: answers to callouts, ticks, and items in
//! queues.

use std::sync::Arc;

use super::Worker;
use crate::callout::{CalloutAnswer, CalloutKind, CalloutRequest, CalloutToken};
use crate::error::CallError;

/// Names one callout of one worker while it is open.
///
/// ```
/// # use gatepost_host::*;
/// # let wasm = wat::parse_file("tests/data/auth.wat")?;
/// # let module = Module::new(&Engine::new(EngineOptions::default())?, "auth", &wasm)?;
/// # let config = PluginConfig { name: "auth".into(), ..PluginConfig::default() };
/// # let chain = Chain::new(vec![ChainPlugin { module, config }]);
/// # let mut worker = Worker::new(&chain, Host::default())?;
/// # let headers = Headers::request([(":method", "GET"), (":path", "/"), (":authority", "shop.example")]);
/// # let request = Message::new(headers);
/// # let id = worker.open(StreamInfo::default());
/// # worker.request(id, request.into_parts().next().unwrap());
/// let callout = worker.callouts().remove(0);
/// assert_eq!(callout.id.token().kind(), CalloutKind::Http);
/// assert!(worker.answer(callout.id, CalloutAnswer::Failed));
/// assert!(!worker.answer(callout.id, CalloutAnswer::Failed)); // it is over
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
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
///
/// ```
/// use gatepost_host::{CalloutAnswer, CalloutRequest, Event, Headers, Part, StreamInfo};
/// # use gatepost_host::*;
/// # let wasm = wat::parse_file("tests/data/auth.wat")?;
/// # let module = Module::new(&Engine::new(EngineOptions::default())?, "auth", &wasm)?;
/// # let config = PluginConfig { name: "auth".into(), ..PluginConfig::default() };
/// # let chain = Chain::new(vec![ChainPlugin { module, config }]);
/// # let mut worker = Worker::new(&chain, Host::default())?;
/// # let mut headers = Headers::request([(":method", "GET"), (":path", "/"), (":authority", "shop.example")]);
///
/// // This guest asks the cluster `auth` about each request, and waits.
/// let id = worker.open(StreamInfo::default());
/// worker.request(id, Part::Headers { headers, end_stream: true });
/// assert_eq!(worker.next(id), None);
/// for callout in worker.callouts() {
///     let CalloutRequest::Http { cluster, .. } = &callout.request else { continue };
///     assert_eq!((&*callout.plugin, cluster.as_str()), ("auth", "auth"));
///     worker.answer(callout.id, CalloutAnswer::http(Headers::response([(":status", "200")]), "ok"));
/// }
/// assert!(matches!(worker.next(id), Some(Event::Request(_))));
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone, Debug, PartialEq)]
pub struct Callout {
    /// Names the call in the answers.
    pub id: CalloutId,
    /// The plugin whose guest called.
    pub plugin: Arc<str>,
    /// What to send.
    pub request: CalloutRequest,
}

impl Worker {
    /// What guests have wanted sent since the last question, in order for each VM. Timeouts run
    /// from now.
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
    /// assert_eq!(worker.callouts().len(), 1);
    /// assert!(worker.callouts().is_empty()); // each is handed out once
    /// assert!(worker.has_callouts()); // the guest still waits
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
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
            if let CalloutRequest::Http { timeout: Some(timeout), .. }
            | CalloutRequest::GrpcCall { timeout: Some(timeout), .. } = &callout.request
            {
                let due = now.saturating_add(u64::try_from(timeout.as_nanos()).unwrap_or(u64::MAX));
                self.next_deadline += 1;
                self.deadlines.insert((due, self.next_deadline), callout.id);
            }
        }
        all
    }

    /// What came back for a callout. False when the guest no longer waits for such an answer: it
    /// was cancelled, timed out, or its VM is gone.
    ///
    /// ```
    /// # use gatepost_host::*;
    /// # let wasm = wat::parse_file("tests/data/auth.wat")?;
    /// # let module = Module::new(&Engine::new(EngineOptions::default())?, "auth", &wasm)?;
    /// # let config = PluginConfig { name: "auth".into(), ..PluginConfig::default() };
    /// # let chain = Chain::new(vec![ChainPlugin { module, config }]);
    /// # let mut worker = Worker::new(&chain, Host::default())?;
    /// # let mut headers = Headers::request([(":method", "GET"), (":path", "/"), (":authority", "shop.example")]);
    /// # let id = worker.open(StreamInfo::default());
    /// # worker.request(id, Part::Headers { headers, end_stream: true });
    /// // This guest lets a request go on when it is answered with `ok`.
    /// let callout = worker.callouts().remove(0);
    /// assert!(worker.answer(callout.id, CalloutAnswer::http(Headers::response([(":status", "200")]), "ok")));
    /// assert_eq!(worker.paused(id), None);
    /// assert!(!worker.answer(callout.id, CalloutAnswer::Failed));
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn answer(&mut self, id: CalloutId, answer: CalloutAnswer) -> bool {
        let Some(guest) =
            self.guests.vms.get_mut(id.vm).filter(|guest| guest.generation == id.generation)
        else {
            return false;
        };
        let answered = guest.vm.answer(id.token, answer);
        let was_awaited =
            !matches!(answered, Err(CallError::UnknownCallout { .. } | CallError::Poisoned(_)));
        if let Err(error) = answered {
            self.guests.caught(error);
        }
        self.settle();
        was_awaited
    }

    /// Whether a guest waits for an answer, or wants something sent.
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
    /// worker.request(id, Part::Headers { headers, end_stream: true }); // this guest makes a call
    /// assert!(worker.has_callouts());
    /// let callout = worker.callouts().remove(0);
    /// worker.answer(callout.id, CalloutAnswer::Failed);
    /// assert!(!worker.has_callouts());
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    #[must_use]
    pub fn has_callouts(&self) -> bool {
        self.guests.vms.iter().any(|guest| guest.vm.has_callouts())
    }

    /// Does what is due by the host's clock: ticks, timeouts of callouts, items in queues.
    ///
    /// ```
    /// # use std::{sync::Arc, time::Duration};
    /// # use gatepost_host::*;
    /// # let wasm = wat::parse_file("tests/data/auth.wat")?;
    /// # let module = Module::new(&Engine::new(EngineOptions::default())?, "auth", &wasm)?;
    /// # let config = PluginConfig { name: "auth".into(), ..PluginConfig::default() };
    /// # let chain = Chain::new(vec![ChainPlugin { module, config }]);
    /// # let mut headers = Headers::request([(":method", "GET"), (":path", "/"), (":authority", "shop.example")]);
    /// let clock = VirtualClock::default();
    /// let host = Host { clock: Arc::new(clock.clone()), ..Host::default() };
    /// let mut worker = Worker::new(&chain, host)?;
    /// let id = worker.open(StreamInfo::default());
    /// worker.request(id, Part::Headers { headers, end_stream: true });
    /// let _unanswered = worker.callouts();
    ///
    /// // This guest gives its call a second, and answers 403 when that is over.
    /// assert_eq!(worker.next_timer(), Some(1_000_000_000));
    /// clock.advance(Duration::from_secs(1));
    /// worker.run_timers();
    /// assert_eq!(worker.local_reply(id).unwrap().status, 403);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
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

    /// When [`run_timers`](Self::run_timers) has something to do, in nanoseconds of the host's
    /// monotonic clock.
    ///
    /// ```
    /// # use std::time::Duration;
    /// # use gatepost_host::*;
    /// # let wasm = wat::parse_file("tests/data/count.wat")?;
    /// # let module = Module::new(&Engine::new(EngineOptions::default())?, "count", &wasm)?;
    /// # let config = PluginConfig { name: "count".into(), ..PluginConfig::default() };
    /// # let chain = Chain::new(vec![ChainPlugin { module, config }]);
    /// # let mut worker = Worker::new(&chain, Host::default())?;
    /// // This guest wants a tick each second.
    /// let due = worker.next_timer().unwrap();
    /// let now = worker.host().clock.monotonic_nanos();
    /// let sleep = Duration::from_nanos(due.saturating_sub(now));
    /// assert!(sleep <= Duration::from_secs(1));
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    #[must_use]
    pub fn next_timer(&mut self) -> Option<u64> {
        while let Some(entry) = self.deadlines.first_entry() {
            let id = *entry.get();
            let guest =
                self.guests.vms.get(id.vm).filter(|guest| guest.generation == id.generation);
            if guest.is_some_and(|guest| guest.vm.trap().is_none() && guest.vm.awaits(id.token)) {
                break;
            }
            entry.remove();
        }
        let deadline = self.deadlines.first_key_value().map(|((due, _), _)| *due);
        let guests = &self.guests;
        let has_items =
            guests.vms.iter().any(|guest| guest.vm.trap().is_none() && guest.vm.has_queue_items());
        let ticks = guests.residents.iter().filter_map(|resident| {
            let vm = &guests.vms[resident.vm].vm;
            vm.next_tick(resident.plugin).filter(|_| vm.trap().is_none())
        });
        ticks.chain(deadline).chain(has_items.then(|| guests.host.clock.monotonic_nanos())).min()
    }

    /// Wakes this when [`run_timers`](Self::run_timers) has something to do because a guest of
    /// another worker put an item into a queue of these. It must not call back into the host.
    pub fn wake_on_queue_items(&mut self, waker: std::task::Waker) {
        self.guests.wake_on_queue_items(waker);
    }

    /// Whether a guest still waits for an answer to this callout. When none does, whatever was sent
    /// for it can be given up.
    #[must_use]
    pub fn awaits(&self, id: CalloutId) -> bool {
        let guest = self.guests.vms.get(id.vm).filter(|guest| guest.generation == id.generation);
        guest.is_some_and(|guest| guest.vm.awaits(id.token))
    }
}
