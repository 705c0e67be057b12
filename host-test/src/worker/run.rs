//! A whole exchange in one call, for tests and tools that have whole messages: the upstream and
//! those who answer callouts are a trait.

use super::message::{Direction, Event, ExchangeId, Finished, Message};
use super::{Callout, Worker};
use crate::callout::{CalloutAnswer, CalloutRequest};
use crate::stream::StreamInfo;

/// What stands around a chain. A closure from the request to a response is one that answers no
/// callouts.
///
/// ```
/// # use std::{sync::Arc, time::Duration};
/// use gatepost_host::{Callout, CalloutAnswer, Clock, Headers, Host, Message, Upstream, VirtualClock, Worker};
/// # use gatepost_host::*;
/// # let wasm = wat::parse_file("tests/data/auth.wat")?;
/// # let module = Module::new(&Engine::new(EngineOptions::default())?, "auth", &wasm)?;
/// # let config = PluginConfig { name: "auth".into(), ..PluginConfig::default() };
/// # let chain = Chain::new(vec![ChainPlugin { module, config }]);
///
/// /// Answers 200; is slow to answer callouts.
/// struct Slow(VirtualClock);
///
/// impl Upstream for Slow {
///     fn respond(&mut self, _: &Message) -> Option<Message> {
///         Some(Message::new(Headers::response([(":status", "200")])))
///     }
///
///     fn callout(&mut self, _: &Callout) -> Option<Vec<CalloutAnswer>> {
///         Some(Vec::new()) // not now, so it times out
///     }
///
///     fn wait(&mut self, until_nanos: u64) -> bool {
///         self.0.advance(Duration::from_nanos(until_nanos - self.0.monotonic_nanos()));
///         true
///     }
/// }
///
/// let clock = VirtualClock::default();
/// let mut worker = Worker::new(&chain, Host { clock: Arc::new(clock.clone()), ..Host::default() })?;
/// # let headers = Headers::request([(":method", "GET"), (":path", "/"), (":authority", "shop.example")]);
/// # let request = Message::new(headers);
/// // This guest gives its callout a second, and answers 403 without it.
/// let finished = worker.run(request, &mut Slow(clock.clone()));
/// assert_eq!(finished.response.unwrap().headers.get(":status"), Some(&b"403"[..]));
/// assert_eq!(clock.monotonic_nanos(), 1_000_000_000);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
pub trait Upstream {
    /// Answers the request that left the chain. None: the connection failed.
    fn respond(&mut self, request: &Message) -> Option<Message>;

    /// Answers a callout, with as many answers as come back: one for a call, any number for a
    /// stream. None: the other side cannot be reached. An empty list: no answer comes, and the
    /// callout times out.
    fn callout(&mut self, callout: &Callout) -> Option<Vec<CalloutAnswer>> {
        let _ = callout;
        None
    }

    /// Nothing more happens before this time of the host's monotonic clock. An upstream that can
    /// wait, or move a [`VirtualClock`](crate::VirtualClock) on, does so and says true; at false
    /// the exchange stays as it is.
    fn wait(&mut self, until_nanos: u64) -> bool {
        let _ = until_nanos;
        false
    }
}

impl<F: FnMut(&Message) -> Option<Message>> Upstream for F {
    fn respond(&mut self, request: &Message) -> Option<Message> {
        self(request)
    }
}

impl Worker {
    /// Runs a whole exchange: the request through the chain, the upstream's answer back, callouts
    /// and timers as they come. The exchange is closed when the response is out, when nothing more
    /// can happen, or when guests have kept it busy with callouts, ticks and queue items for 10,000
    /// rounds.
    ///
    /// ```
    /// # use gatepost_host::*;
    /// # let wasm = wat::parse_file("tests/data/tag.wat")?;
    /// # let module = Module::new(&Engine::new(EngineOptions::default())?, "tag", &wasm)?;
    /// # let config = PluginConfig { name: "tag".into(), configuration: "blue".into(), ..PluginConfig::default() };
    /// # let chain = Chain::new(vec![ChainPlugin { module, config }]);
    /// # let mut worker = Worker::new(&chain, Host::default())?;
    /// # let headers = Headers::request([(":method", "GET"), (":path", "/"), (":authority", "shop.example")]);
    /// # let request = Message::new(headers);
    /// let mut tags = Vec::new();
    /// let finished = worker.run(request, &mut |request: &Message| {
    ///     tags.push(request.headers.get("x-tag").map(<[u8]>::to_vec));
    ///     Some(Message::new(Headers::response([(":status", "200")])).with_body("hello"))
    /// });
    /// assert_eq!(tags, [Some(b"blue".to_vec())]); // what the upstream got
    /// assert_eq!(finished.response.unwrap().whole_body(), "hello"); // what the client got
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn run(&mut self, request: Message, upstream: &mut dyn Upstream) -> Finished {
        self.run_with(request, StreamInfo::default(), upstream)
    }

    /// The same with what the proxy knows of the stream.
    ///
    /// ```
    /// # use gatepost_host::*;
    /// # let wasm = wat::parse_file("tests/data/route.wat")?;
    /// # let module = Module::new(&Engine::new(EngineOptions::default())?, "route", &wasm)?;
    /// # let config = PluginConfig { name: "route".into(), ..PluginConfig::default() };
    /// # let chain = Chain::new(vec![ChainPlugin { module, config }]);
    /// # let mut worker = Worker::new(&chain, Host::default())?;
    /// # let headers = Headers::request([(":method", "GET"), (":path", "/"), (":authority", "shop.example")]);
    /// # let request = Message::new(headers);
    /// let info = StreamInfo { route_name: "shop".into(), ..StreamInfo::default() };
    /// let finished = worker.run_with(request, info, &mut |_: &Message| None);
    /// // This guest puts the route's name into a header.
    /// assert_eq!(finished.upstream_request.unwrap().headers.get("x-route"), Some(&b"shop"[..]));
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn run_with(
        &mut self,
        request: Message,
        info: StreamInfo,
        upstream: &mut dyn Upstream,
    ) -> Finished {
        let before = self.tape.len();
        let id = self.open(info);
        let mut run = Run { rounds: MOST_ROUNDS, ..Run::default() };
        for part in request.into_parts() {
            self.wait_while_held_back(id, Direction::Request, &mut run, upstream);
            self.request(id, part);
            self.turn(id, &mut run, upstream);
        }
        let mut answered = false;
        loop {
            self.turn(id, &mut run, upstream);
            if self.is_over(id) || run.reset {
                break;
            }
            if run.sent_end && !std::mem::replace(&mut answered, true) {
                match upstream.respond(&run.sent) {
                    None => self.upstream_reset(id, "remote connection failure"),
                    Some(response) => {
                        for part in response.into_parts() {
                            self.wait_while_held_back(id, Direction::Response, &mut run, upstream);
                            self.response(id, part);
                            self.turn(id, &mut run, upstream);
                        }
                    }
                }
                continue;
            }
            if !self.pass_time(&mut run, upstream) {
                break;
            }
        }
        let paused = self.paused(id);
        let local_reply = self.local_reply(id).cloned();
        self.close(id);
        let effects = self.tape.split_off(before).into_iter().map(|(_, effect)| effect).collect();
        Finished {
            upstream_request: run.sent_end.then_some(run.sent),
            response: run.got.filter(|_| run.got_end),
            local_reply,
            paused,
            effects,
        }
    }

    fn wait_while_held_back(
        &mut self,
        id: ExchangeId,
        direction: Direction,
        run: &mut Run,
        upstream: &mut dyn Upstream,
    ) {
        while self.holds_back(id, direction) && self.pass_time(run, upstream) {
            self.turn(id, run, upstream);
        }
    }

    /// Lets time go on to the next timer; false when there is none, the upstream does not wait, or
    /// it has been enough.
    fn pass_time(&mut self, run: &mut Run, upstream: &mut dyn Upstream) -> bool {
        let Some(due) = self.next_timer() else { return false };
        if !run.has_round() || (due > self.now() && !upstream.wait(due)) {
            return false;
        }
        self.run_timers();
        true
    }

    /// Everything that happens without time going on.
    fn turn(&mut self, id: ExchangeId, run: &mut Run, upstream: &mut dyn Upstream) {
        loop {
            while let Some(event) = self.next(id) {
                run.take(event);
            }
            let callouts = self.callouts();
            if callouts.is_empty() || !run.has_round() {
                return;
            }
            for callout in callouts {
                let answers = upstream.callout(&callout);
                let unreachable = || match callout.request {
                    CalloutRequest::Http { .. } => vec![CalloutAnswer::unreachable()],
                    CalloutRequest::GrpcCall { .. } | CalloutRequest::GrpcStream { .. } => {
                        CalloutAnswer::grpc_unreachable(callout.id.token().kind())
                    }
                    CalloutRequest::GrpcSend { .. }
                    | CalloutRequest::GrpcClose
                    | CalloutRequest::GrpcCancel => Vec::new(),
                };
                for answer in answers.unwrap_or_else(unreachable) {
                    self.answer(callout.id, answer);
                }
            }
        }
    }
}

/// A guest that answers each answer with another callout must not keep a test for ever.
const MOST_ROUNDS: usize = 10_000;

/// What has left the chain so far.
#[derive(Default)]
struct Run {
    rounds: usize,
    sent: Message,
    sent_end: bool,
    got: Option<Message>,
    got_end: bool,
    reset: bool,
}

impl Run {
    fn has_round(&mut self) -> bool {
        self.rounds = self.rounds.saturating_sub(1);
        self.rounds > 0
    }

    fn take(&mut self, event: Event) {
        match event {
            Event::Request(part) => {
                self.sent_end = part.end_stream();
                self.sent.push(part);
            }
            Event::Response(part) => {
                self.got_end = part.end_stream();
                self.got.get_or_insert_default().push(part);
            }
            Event::RequestReset | Event::RouteCacheCleared => {}
            Event::ResponseReset => self.reset = true,
        }
    }
}
