//! Drives the exchanges of one test through a worker, in virtual time: the client, the upstream and
//! the stubs of callouts do what the test says, at the time that it says. What leaves the chain is
//! recorded; it is compared with the expectations elsewhere.

use std::collections::{BTreeMap, VecDeque};
use std::fmt::Display;
use std::time::Duration;

use gatepost_host::{
    Callout, CalloutAnswer, CalloutId, CalloutRequest, Clock as _, Direction, Event, ExchangeId,
    MetricKind, Part, Recorded, RecordedEvent, StreamInfo, Value, VirtualClock, Worker,
};

use super::model::Paused;
use super::observed::{Message, Observed, Reply};
use super::stubs::{Answers, Stubs};
use crate::log::Lines;
use crate::report::mismatch;

/// How long a stream that is paused may stay so while nothing else is due. Then the exchange ends
/// with the stream paused.
const WAIT_LIMIT: Duration = Duration::from_secs(60);
/// How many calls of one test are answered: a test of a guest that calls again at every answer
/// would never end.
const MAX_CALLS: usize = 10_000;
/// How often something may be due at one moment: a test of a guest that wakes itself would never
/// end.
const MAX_AT_ONCE: u32 = 10_000;

/// What the client and the upstream do in one exchange.
pub(super) struct Plan {
    pub(super) before: Duration,
    pub(super) after: Duration,
    pub(super) info: StreamInfo,
    /// None for a test without a client.
    pub(super) request: Option<gatepost_host::Message>,
    /// `None` for an upstream that closes the connection.
    pub(super) response: Option<gatepost_host::Message>,
    pub(super) delay: Duration,
}

pub(super) struct Drive<'a> {
    worker: Worker,
    clock: VirtualClock,
    log: Lines,
    stubs: Stubs<'a>,
    /// Answers that have not arrived, by the time of their arrival and then in order.
    arrivals: BTreeMap<(u64, u64), (CalloutId, CalloutAnswer)>,
    arrival: u64,
    calls: usize,
    /// The present moment, and how often something was due at it.
    at_once: (u64, u32),
    /// When the exchange ends if nothing more is due before.
    until: u64,
    /// The index of the next exchange's first log line.
    log_start: usize,
    metrics: BTreeMap<(String, MetricKind), u64>,
    exchange: Option<Running>,
    observed: Observed,
}

/// The exchange that runs.
struct Running {
    id: ExchangeId,
    /// When the upstream answers, once it has the whole request.
    due: Option<u64>,
    delay: u64,
}

impl<'a> Drive<'a> {
    pub(super) fn new(
        mut worker: Worker,
        clock: VirtualClock,
        log: Lines,
        stubs: Stubs<'a>,
    ) -> Self {
        // The calls of the plugins' start are no part of an exchange.
        let _ = worker.take_all_recorded();
        Self {
            worker,
            clock,
            log,
            stubs,
            arrivals: BTreeMap::new(),
            arrival: 0,
            calls: 0,
            at_once: (0, 0),
            until: 0,
            log_start: 0,
            metrics: BTreeMap::new(),
            exchange: None,
            observed: Observed::default(),
        }
    }

    /// One exchange from its request to its end, with the time before and after it.
    pub(super) fn exchange(&mut self, plan: Plan) -> Observed {
        let Plan { before, after, info, request, response, delay } = plan;
        self.pass(before);
        let Some(request) = request else {
            self.pass(after);
            return self.observed();
        };
        let mut client: VecDeque<Part> = request.into_parts().collect();
        let mut upstream: VecDeque<Part> = VecDeque::new();
        for part in &client {
            append(&mut self.observed.sent, part.clone());
        }
        let id = self.worker.open(info);
        self.exchange = Some(Running { id, due: None, delay: nanos(delay) });
        self.until = self.now().saturating_add(nanos(WAIT_LIMIT));
        loop {
            self.settle();
            if self.worker.is_over(id) {
                break;
            }
            if !self.worker.holds_back(id, Direction::Request)
                && let Some(part) = client.pop_front()
            {
                self.worker.request(id, part);
            } else if !self.worker.holds_back(id, Direction::Response)
                && let Some(part) = upstream.pop_front()
            {
                append(self.observed.answered.get_or_insert_default(), part.clone());
                self.worker.response(id, part);
            } else if self.is_due() {
                match &response {
                    Some(response) => upstream = response.clone().into_parts().collect(),
                    None => self.worker.upstream_reset(id, "connection termination"),
                }
            } else if !self.next(self.until) {
                break;
            }
        }
        // An upstream that has not answered by now does not answer in the time after the exchange.
        self.exchange.iter_mut().for_each(|running| running.due = None);
        self.observed.paused = self.worker.paused(id).map(|direction| match direction {
            Direction::Request => Paused::Request,
            Direction::Response => Paused::Response,
        });
        let reply = self.worker.local_reply(id).cloned();
        self.pass(after);
        self.worker.close(id);
        self.settle();
        self.exchange = None;
        self.observed.reply = reply.map(|reply| Reply {
            status: reply.status,
            details: reply.details.to_string(),
            grpc_status: None,
            plugin: reply.plugin.map(|plugin| plugin.to_string()),
        });
        self.observed()
    }

    /// What was observed since the last time.
    fn observed(&mut self) -> Observed {
        self.observed.effects = self.worker.take_all_recorded();
        let is_full = |effect: &Recorded| matches!(effect.event, RecordedEvent::Stopped { .. });
        if let Some(full) = self.observed.effects.iter().find(|effect| is_full(effect)) {
            let found = full.event.to_string();
            self.mismatch("effects", "size", "no more than can be recorded", found);
        }
        self.observed.mismatches.extend(self.log.overflow());
        self.observed.traps.extend(self.worker.errors().iter().map(ToString::to_string));
        let plugin = self.observed.reply.as_ref().and_then(|reply| reply.plugin.clone());
        let status = self.grpc_status(plugin.as_deref());
        if let Some(reply) = &mut self.observed.reply {
            reply.grpc_status = status;
        }
        self.observed.logs = self
            .log
            .since(self.log_start)
            .into_iter()
            .map(|line| (line.level, line.message))
            .collect();
        self.log_start = self.log.len();
        self.count();
        std::mem::take(&mut self.observed)
    }

    /// The gRPC status that the plugin gave, or else that the client got.
    fn grpc_status(&self, plugin: Option<&str>) -> Option<u32> {
        let given =
            self.observed.effects.iter().find_map(|effect| match &effect.event {
                RecordedEvent::Called {
                    hostcall: "proxy_send_local_response", arguments, ..
                } if Some(&*effect.plugin) == plugin => arguments.get("grpc_status"),
                _ => None,
            });
        // A plugin that gives none says -1.
        if let Some(Value::Number(status)) = given
            && let Ok(status) = u32::try_from(*status)
        {
            return Some(status);
        }
        let got = self.observed.response.as_ref()?.headers.get("grpc-status")?;
        std::str::from_utf8(got).ok()?.parse().ok()
    }

    /// What the exchange added to counters and histograms, and set gauges to.
    fn count(&mut self) {
        for metric in self.worker.host().metrics.snapshot() {
            let before = self
                .metrics
                .insert((metric.name.clone(), metric.kind), metric.value)
                .unwrap_or_default();
            let value = if metric.kind == MetricKind::Gauge {
                metric.value
            } else {
                metric.value.wrapping_sub(before)
            };
            self.observed.metrics.push((metric.name, value));
        }
    }

    /// Lets everything happen that is due now.
    fn settle(&mut self) {
        loop {
            let mut is_still = true;
            while let Some(event) =
                self.exchange.as_ref().and_then(|running| self.worker.next(running.id))
            {
                is_still = false;
                self.left(event);
            }
            for callout in self.worker.callouts() {
                is_still = false;
                self.called(&callout);
            }
            let now = self.now();
            while let Some(arrival) =
                self.arrivals.first_entry().filter(|arrival| arrival.key().0 <= now)
            {
                is_still = false;
                let (id, answer) = arrival.remove();
                self.worker.answer(id, answer);
            }
            if is_still {
                return;
            }
        }
    }

    fn left(&mut self, event: Event) {
        match event {
            Event::Request(part) => {
                let message = self.observed.forwarded.get_or_insert_default();
                append(message, part);
                let now = self.clock.monotonic_nanos();
                if let (true, Some(running)) = (message.complete, &mut self.exchange) {
                    let due = now.saturating_add(running.delay);
                    running.due = Some(due);
                    self.expect_until(due);
                }
            }
            Event::Response(part) => append(self.observed.response.get_or_insert_default(), part),
            Event::RouteCacheCleared => self.observed.route_cache_cleared = true,
            Event::ResponseReset => self.observed.reset = true,
            // The upstream gets no more of the request, and its answer is dropped.
            Event::RequestReset => self.exchange.iter_mut().for_each(|running| running.due = None),
        }
    }

    /// Whether the upstream answers now; it does so once.
    fn is_due(&mut self) -> bool {
        let now = self.now();
        let Some(running) =
            self.exchange.as_mut().filter(|running| running.due.is_some_and(|due| due <= now))
        else {
            return false;
        };
        running.due = None;
        true
    }

    /// Records a call, and schedules the answers of its stub.
    fn called(&mut self, callout: &Callout) {
        let Answers { called, answers } = self.stubs.take(callout.id, &callout.request);
        if let CalloutRequest::Http { timeout, .. } | CalloutRequest::GrpcCall { timeout, .. } =
            &callout.request
        {
            self.expect_until(self.now().saturating_add(timeout.map_or(0, nanos)));
        }
        if called.is_some() {
            self.calls += 1;
        }
        if self.calls > MAX_CALLS {
            if self.calls == MAX_CALLS + 1 && called.is_some() {
                self.mismatch(
                    "callouts",
                    "calls",
                    "an end of calls",
                    format!("more than {MAX_CALLS}"),
                );
            }
            return;
        }
        let (delay, answers) = answers.unwrap_or_else(|| {
            let to = called
                .as_ref()
                .map(|called| format!("{} {}", called.cluster, called.path))
                .unwrap_or_default();
            let expected = "an answer among the test's `callouts`";
            self.mismatch(
                "callouts",
                format!("the call to {to}"),
                expected,
                "none fits: the call failed".to_owned(),
            );
            let unreachable = match callout.request {
                CalloutRequest::Http { .. } => vec![CalloutAnswer::unreachable()],
                _ => CalloutAnswer::grpc_unreachable(callout.id.token().kind()),
            };
            (Duration::ZERO, unreachable)
        });
        let due = self.now().saturating_add(nanos(delay));
        self.expect_until(due);
        for answer in answers {
            self.arrival += 1;
            self.arrivals.insert((due, self.arrival), (callout.id, answer));
        }
        self.observed.callouts.extend(called);
    }

    /// Records something that fails the test whatever it expects.
    fn mismatch(&mut self, at: &str, what: impl Display, expected: &str, found: String) {
        let mismatch = mismatch(at, what, expected, found);
        if !self.observed.mismatches.contains(&mismatch) {
            self.observed.mismatches.push(mismatch);
        }
    }

    fn expect_until(&mut self, due: u64) {
        self.until = self.until.max(due.saturating_add(nanos(WAIT_LIMIT)));
    }

    /// Advances the clock to the next thing that is due; false when nothing is due before `end`.
    fn next(&mut self, end: u64) -> bool {
        let due = self.exchange.as_ref().and_then(|running| running.due);
        let arrival = self.arrivals.first_key_value().map(|((due, _), _)| *due);
        let Some(next) = [due, arrival, self.worker.next_timer()]
            .into_iter()
            .flatten()
            .min()
            .filter(|next| *next <= end)
        else {
            return false;
        };
        let next = next.max(self.now());
        self.at_once = if self.at_once.0 == next { (next, self.at_once.1 + 1) } else { (next, 0) };
        if self.at_once.1 > MAX_AT_ONCE {
            self.mismatch(
                "plugin",
                "outcome",
                "the plugin comes to rest",
                "it wakes itself for ever".to_owned(),
            );
            return false;
        }
        self.advance(next);
        self.worker.run_timers();
        true
    }

    /// Lets a span of time pass, in which only timers and answers are due.
    fn pass(&mut self, span: Duration) {
        let end = self.now().saturating_add(nanos(span));
        self.settle();
        while self.next(end) {
            self.settle();
        }
        self.advance(end);
    }

    fn advance(&self, to: u64) {
        self.clock.advance(Duration::from_nanos(to.saturating_sub(self.now())));
    }

    fn now(&self) -> u64 {
        self.clock.monotonic_nanos()
    }
}

fn append(message: &mut Message, part: Part) {
    message.complete = part.end_stream();
    match part {
        Part::Headers { headers, .. } => message.headers = headers,
        Part::Data { data, .. } => message.body.extend_from_slice(&data),
        Part::Trailers(trailers) => message.trailers = Some(trailers),
    }
}

fn nanos(span: Duration) -> u64 {
    u64::try_from(span.as_nanos()).unwrap_or(u64::MAX)
}
