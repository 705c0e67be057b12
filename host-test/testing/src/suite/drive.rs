//! Drives the exchanges of one test through a worker, in virtual time: the client, the upstream and
//! those who answer calls do what the test says, at the moment that it says, and what leaves the
//! chain is noted. It judges nothing.

use std::collections::{BTreeMap, VecDeque};
use std::time::Duration;

use gatepost_host::{
    Callout, CalloutAnswer, CalloutId, CalloutRequest, Clock as _, Direction, RecordedEvent, Event,
    ExchangeId, MetricKind, Part, StreamInfo, Value, VirtualClock, Worker,
};

use super::model::Half;
use super::observed::{Message, Observed, Reply};
use super::stubs::{Answers, Stubs};
use crate::log::Lines;
use crate::report::Difference;

/// Longer than this nothing is waited for of which no moment is known: what is paused then stays
/// paused.
const PATIENCE: Duration = Duration::from_secs(60);
/// More calls than this in one test are no longer answered: a guest that calls again at every
/// answer would never end.
const MOST_CALLS: usize = 10_000;
/// More things than this do not happen at one moment: a guest that wakes itself would never end.
const MOST_AT_ONCE: u32 = 10_000;

/// What the client and the upstream do in one exchange.
pub(super) struct Plan {
    pub(super) before: Duration,
    pub(super) after: Duration,
    pub(super) info: StreamInfo,
    pub(super) request: gatepost_host::Message,
    /// None is an upstream that closes the connection.
    pub(super) response: Option<gatepost_host::Message>,
    pub(super) delay: Duration,
}

pub(super) struct Drive<'a> {
    worker: Worker,
    clock: VirtualClock,
    log: Lines,
    stubs: Stubs<'a>,
    /// Answers on their way: by the moment at which they arrive, then in order.
    arrivals: BTreeMap<(u64, u64), (CalloutId, CalloutAnswer)>,
    arrival: u64,
    calls: usize,
    /// How much has happened at one moment.
    at_once: (u64, u32),
    /// Until when something is waited for.
    until: u64,
    /// Where the next exchange's lines begin.
    mark: usize,
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
        // What the plugins did to start is the same in every test of a file.
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
            mark: 0,
            metrics: BTreeMap::new(),
            exchange: None,
            observed: Observed::default(),
        }
    }

    /// One exchange from its request to its end, with the time before and after it.
    pub(super) fn exchange(&mut self, plan: Plan) -> Observed {
        let Plan { before, after, info, request, response, delay } = plan;
        self.pass(before);
        let mut client: VecDeque<Part> = request.into_parts().collect();
        let mut upstream: VecDeque<Part> = VecDeque::new();
        for part in &client {
            append(&mut self.observed.sent, part.clone());
        }
        let id = self.worker.open(info);
        self.exchange = Some(Running { id, due: None, delay: nanos(delay) });
        self.until = self.now().saturating_add(nanos(PATIENCE));
        loop {
            self.turn();
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
        // An upstream that has not answered by now does not do so while time goes on.
        self.exchange.iter_mut().for_each(|running| running.due = None);
        self.observed.paused = self.worker.paused(id).map(|direction| match direction {
            Direction::Request => Half::Request,
            Direction::Response => Half::Response,
        });
        let reply = self.worker.local_reply(id).cloned();
        self.pass(after);
        self.worker.close(id);
        self.turn();
        self.exchange = None;
        self.observed.effects = self.worker.take_all_recorded();
        self.observed.traps.extend(self.worker.errors().iter().map(ToString::to_string));
        self.observed.reply = reply.map(|reply| Reply {
            status: reply.status,
            details: reply.details.to_string(),
            grpc_status: self.grpc_status(reply.plugin.as_deref()),
            plugin: reply.plugin.map(|plugin| plugin.to_string()),
        });
        self.observed.logs =
            self.log.since(self.mark).into_iter().map(|line| (line.level, line.message)).collect();
        self.mark = self.log.len();
        self.count();
        std::mem::take(&mut self.observed)
    }

    /// The gRPC status that the plugin gave; or that the client got.
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

    /// Everything that happens without time going on.
    fn turn(&mut self) {
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
            // The upstream hears no more, and what it was to answer does not count.
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

    /// Notes a call, and lets the answers of its stub go on their way.
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
        if self.calls > MOST_CALLS {
            if self.calls == MOST_CALLS + 1 && called.is_some() {
                self.fault(
                    "callouts",
                    "calls",
                    "an end of calls",
                    format!("more than {MOST_CALLS}"),
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
            self.fault(
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

    fn fault(&mut self, at: &str, what: impl Into<String>, expected: &str, found: String) {
        let fault = Difference::new(at, what, expected, found);
        if !self.observed.faults.contains(&fault) {
            self.observed.faults.push(fault);
        }
    }

    fn expect_until(&mut self, due: u64) {
        self.until = self.until.max(due.saturating_add(nanos(PATIENCE)));
    }

    /// Lets time go on to the next thing that happens; false when none does before the end.
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
        if self.at_once.1 > MOST_AT_ONCE {
            self.fault(
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

    /// Time in which only timers and answers happen.
    fn pass(&mut self, span: Duration) {
        let end = self.now().saturating_add(nanos(span));
        self.turn();
        while self.next(end) {
            self.turn();
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
