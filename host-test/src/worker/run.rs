//! A whole exchange in one call, for tests and tools that have whole messages. The trait
//! [`Upstream`] answers the request and the callouts.

use super::callout_id::Callout;
use super::event::{Direction, Event, ExchangeId, Finished};
use super::message::Message;
use super::state::Worker;
use crate::callout::{CalloutAnswer, CalloutRequest};
use crate::stream::StreamInfo;

/// Answers the request of a whole exchange and the callouts of its guests. A closure from a request
/// to a response is an `Upstream` that answers no callouts.
///
/// ```
/// # use std::{sync::Arc, time::Duration};
/// use gatepost_host::{Callout, CalloutAnswer, Clock, Headers, Host, Message};
/// use gatepost_host::{Upstream, VirtualClock, Worker};
/// # use gatepost_host_fixtures::*;
/// # let chain = chain("auth");
///
/// /// Answers 200, and callouts never.
/// struct Silent(VirtualClock);
///
/// impl Upstream for Silent {
///     fn respond(&mut self, _: &Message) -> Option<Message> {
///         Some(Message::new(Headers::response([(":status", "200")])))
///     }
///
///     fn callout(&mut self, _: &Callout) -> Option<Vec<CalloutAnswer>> {
///         Some(Vec::new()) // no answer, so it times out
///     }
///
///     fn wait(&mut self, until_nanos: u64) -> bool {
///         let nanos = until_nanos - self.0.monotonic_nanos();
///         self.0.advance(Duration::from_nanos(nanos));
///         true
///     }
/// }
///
/// let clock = VirtualClock::default();
/// let host = Host { clock: Arc::new(clock.clone()), ..Host::default() };
/// let mut worker = Worker::new(&chain, host)?;
/// # let request = Message::new(request());
/// // This guest gives its callout a timeout of one second, and answers 403 after that.
/// let finished = worker.run(request, &mut Silent(clock.clone()));
/// assert_eq!(finished.response.unwrap().headers.get(":status"), Some(&b"403"[..]));
/// assert_eq!(clock.monotonic_nanos(), 1_000_000_000);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
pub trait Upstream {
    /// Answers the request that left the chain; none if the connection failed.
    fn respond(&mut self, request: &Message) -> Option<Message>;

    /// Answers a callout: one answer for a call, any number for a stream. None if the cluster
    /// cannot be reached. With an empty list no answer comes, and the callout times out.
    fn callout(&mut self, callout: &Callout) -> Option<Vec<CalloutAnswer>> {
        let _ = callout;
        None
    }

    /// Waits until this time of the host's monotonic clock, when the next timer is due, or advances
    /// a [`VirtualClock`](crate::VirtualClock) to it, and returns true. If it returns false, the
    /// exchange ends as it is.
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
    /// Runs a whole exchange: the request through the chain, the upstream's response back, with the
    /// callouts and timers on the way. The exchange is closed when the response was sent, when
    /// nothing more can happen, or after 10,000 rounds of callouts, ticks and queue items.
    ///
    /// ```
    /// # use gatepost_host_fixtures::*;
    /// # let mut worker = worker("tag");
    /// # let request = Message::new(request());
    /// let mut tags = Vec::new();
    /// let finished = worker.run(request, &mut |request: &Message| {
    ///     tags.push(request.headers.get("x-tag").map(<[u8]>::to_vec));
    ///     Some(Message::new(Headers::response([(":status", "200")])).with_body("hello"))
    /// });
    /// assert_eq!(tags, [Some(b"blue".to_vec())]); // what the upstream got
    /// assert_eq!(finished.response.unwrap().whole_body(), "hello"); // what the client got
    /// ```
    pub fn run(&mut self, request: Message, upstream: &mut dyn Upstream) -> Finished {
        self.run_with(request, StreamInfo::default(), upstream)
    }

    /// As [`run`](Self::run), with what the proxy knows of the stream.
    ///
    /// ```
    /// # use gatepost_host_fixtures::*;
    /// # let mut worker = worker("route");
    /// # let request = Message::new(request());
    /// let info = StreamInfo { route_name: "shop".into(), ..StreamInfo::default() };
    /// let finished = worker.run_with(request, info, &mut |_: &Message| None);
    /// // This guest puts the route's name into a header.
    /// assert_eq!(finished.upstream_request.unwrap().headers.get("x-route"), Some(&b"shop"[..]));
    /// ```
    pub fn run_with(
        &mut self,
        request: Message,
        info: StreamInfo,
        upstream: &mut dyn Upstream,
    ) -> Finished {
        let before = self.recorded.len();
        let id = self.open(info);
        let mut run = Run { events: self.events_per_run, ..Run::default() };
        for part in request.into_parts() {
            self.wait_while_held_back(id, Direction::Request, &mut run, upstream);
            self.request(id, part);
            self.turn(id, &mut run, upstream);
        }
        let mut answered = false;
        loop {
            self.turn(id, &mut run, upstream);
            if self.is_over(id) || run.reset || run.limit.is_some() {
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
        let recorded = self.recorded.split_off(before).into_iter();
        let recorded: Vec<_> = recorded.map(|(_, recorded)| recorded).collect();
        self.guests.forget_recorded(&recorded);
        Finished {
            upstream_request: run.sent_end.then_some(run.sent),
            response: run.got.filter(|_| run.got_end),
            local_reply,
            paused,
            limit: run.limit,
            recorded,
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

    /// Waits for the next timer and runs it. False if there is none, the upstream does not wait, or
    /// the rounds are used up.
    fn pass_time(&mut self, run: &mut Run, upstream: &mut dyn Upstream) -> bool {
        let Some(due) = self.next_timer() else { return false };
        if !run.has_event() || (due > self.now() && !upstream.wait(due)) {
            return false;
        }
        self.run_timers();
        true
    }

    /// Runs everything that happens without waiting.
    fn turn(&mut self, id: ExchangeId, run: &mut Run, upstream: &mut dyn Upstream) {
        loop {
            while let Some(event) = self.next(id) {
                run.take(event);
            }
            let callouts = self.callouts();
            if callouts.is_empty() {
                return;
            }
            for callout in callouts {
                if !run.has_event() {
                    return;
                }
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

/// What has left the chain so far, and the events that are left.
#[derive(Default)]
struct Run {
    events: usize,
    limit: Option<&'static str>,
    sent: Message,
    sent_end: bool,
    got: Option<Message>,
    got_end: bool,
    reset: bool,
}

impl Run {
    fn has_event(&mut self) -> bool {
        match self.events.checked_sub(1) {
            Some(events) => self.events = events,
            None => self.limit = Some("events_per_run"),
        }
        self.limit.is_none()
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
