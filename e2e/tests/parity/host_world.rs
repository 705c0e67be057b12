//! Runs a scenario around one worker of the embedded host, in virtual time: the client, the
//! upstream and the service act at the same times as their real counterparts do around Envoy.

use std::collections::BTreeMap;
use std::time::Duration;

use gatepost_host::{
    Callout, CalloutAnswer, CalloutId, CalloutRequest, Clock, Event, ExchangeId, HeaderScope,
    Headers, Part, VirtualClock, Worker,
};

use crate::callee::DELAY;
use crate::host_message::{
    UpstreamPart, answer, forwarded_lines, grpc_answer, header_map, map, parts, request_headers,
    stream_info, upstream_parts, upstream_properties,
};
use crate::scenario::{BETWEEN_PARTS, End, Scenario};
use crate::seen::{self, Answer, Forwarded};

/// How long the client waits for an answer, as the real one.
const LIMIT: Duration = Duration::from_secs(6);
/// How long a message takes from one process to another.
const ON_THE_WAY: Duration = Duration::from_millis(1);
/// The time after the last answer, in which timers still run: Envoy goes on with other scenarios.
const AFTERWARDS: Duration = Duration::from_secs(5);
/// The time before the first request: a real proxy runs for a while before.
const BEFORE: Duration = Duration::from_secs(2);

/// A step of the client, the upstream or the service, at a planned time.
enum Step {
    Starts(usize),
    FromClient(usize, Part),
    GivesUp(usize),
    FromUpstream(usize, UpstreamPart),
    Answered(CalloutId, CalloutAnswer),
    End,
}

/// A request that has begun.
#[derive(Default)]
struct Running {
    id: Option<ExchangeId>,
    answer: Answer,
    body: Vec<u8>,
    is_done: bool,
    forwarded: Option<Forwarded>,
    forwarded_body: Vec<u8>,
    /// The headers that selected the route first.
    first: Headers,
    is_rerouted: bool,
}

/// The client, the upstream and the service around one worker, in virtual time.
pub struct World<'a> {
    worker: Worker,
    clock: VirtualClock,
    scenario: &'a Scenario,
    plan: BTreeMap<(u64, u64), Step>,
    planned: u64,
    running: Vec<Running>,
    started: usize,
    /// gRPC streams to the service, by the number that the guest has for them.
    streams: BTreeMap<u32, GrpcPeer>,
    upstream: Vec<Forwarded>,
}

/// The service's side of a gRPC stream.
struct GrpcPeer {
    /// The time of its first answer, in nanoseconds.
    ready: u64,
}

impl<'a> World<'a> {
    pub fn new(worker: Worker, clock: VirtualClock, scenario: &'a Scenario) -> Self {
        Self {
            worker,
            clock,
            scenario,
            plan: BTreeMap::new(),
            planned: 0,
            running: scenario.requests.iter().map(|_| Running::default()).collect(),
            started: 0,
            streams: BTreeMap::new(),
            upstream: Vec::new(),
        }
    }

    /// Runs the scenario to its end. Returns the answers, and the requests that reached an
    /// upstream.
    pub fn run(mut self) -> (Vec<Answer>, Vec<Forwarded>) {
        self.run_to_end();
        (self.running.into_iter().map(|running| running.answer).collect(), self.upstream)
    }

    fn run_to_end(&mut self) {
        self.settle();
        self.start_next(BEFORE);
        loop {
            let timer = self.worker.next_timer();
            let Some((&key, _)) = self.plan.first_key_value() else { return };
            if let Some(due) = timer
                && due <= key.0
            {
                self.advance(due);
                self.worker.run_timers();
                self.settle();
                continue;
            }
            let Some(step) = self.plan.remove(&key) else { return };
            self.advance(key.0);
            if matches!(step, Step::End) {
                return;
            }
            self.take(step);
            self.settle();
        }
    }

    fn now(&self) -> u64 {
        self.clock.monotonic_nanos()
    }

    fn advance(&self, to: u64) {
        self.clock.advance(Duration::from_nanos(to.saturating_sub(self.now())));
    }

    fn plan(&mut self, after: Duration, step: Step) {
        let at = self.now() + u64::try_from(after.as_nanos()).expect("a short time");
        self.planned += 1;
        self.plan.insert((at, self.planned), step);
    }

    /// Plans the requests that do not wait for others, or the end of the scenario.
    fn start_next(&mut self, mut after: Duration) {
        while let Some(request) = self.scenario.requests.get(self.started) {
            if !request.at_once
                && self.running[..self.started].iter().any(|running| !running.is_done)
            {
                return;
            }
            after += Duration::from_millis(request.after_ms);
            self.plan(after + ON_THE_WAY, Step::Starts(self.started));
            self.started += 1;
        }
        if self.running.iter().all(|running| running.is_done) {
            self.plan(Duration::from_millis(self.scenario.wait_ms) + AFTERWARDS, Step::End);
        }
    }

    fn take(&mut self, step: Step) {
        match step {
            Step::Starts(number) => self.start(number),
            Step::FromClient(number, part) => {
                if let Some(id) = self.running[number].id {
                    self.worker.request(id, part);
                }
            }
            Step::GivesUp(number) => {
                let running = &mut self.running[number];
                if !running.is_done {
                    running.answer = Answer { cut: true, ..Answer::default() };
                    if let Some(id) = running.id {
                        self.worker.client_reset(id);
                    }
                    self.done(number);
                }
            }
            Step::FromUpstream(number, part) => {
                let Some(id) = self.running[number].id else { return };
                match part {
                    UpstreamPart::Part(part) => self.worker.response(id, part),
                    UpstreamPart::Reset => self.worker.upstream_reset(id, "remote reset"),
                }
            }
            Step::Answered(id, answer) => {
                self.worker.answer(id, answer);
            }
            Step::End => {}
        }
    }

    fn start(&mut self, number: usize) {
        let request = self.scenario.requests[number].clone();
        let headers = request_headers(&request, self.scenario.http1);
        let info = stream_info(self.scenario.http1);
        let id = self.worker.open(info);
        self.running[number].id = Some(id);
        self.running[number].first = headers.clone();
        let trailers = (!request.trailers.is_empty())
            .then(|| map(HeaderScope::RequestTrailers, &request.trailers));
        // Over HTTP/1.1 the end of a body is a chunk of its own.
        let has_body = !request.body.is_empty();
        let end = if self.scenario.http1 && has_body { End::Empty } else { request.end };
        let mut parts = parts(headers, &request.body, trailers, end, false).into_iter();
        if let Some(first) = parts.next() {
            self.worker.request(id, first);
        }
        for (part, delay) in parts.zip(1..) {
            self.plan(BETWEEN_PARTS * delay, Step::FromClient(number, part));
        }
        let limit = request.gives_up_ms.map_or(LIMIT, Duration::from_millis);
        self.plan(limit, Step::GivesUp(number));
    }

    fn done(&mut self, number: usize) {
        self.running[number].is_done = true;
        self.start_next(Duration::ZERO);
    }

    /// Handles everything that the worker puts out at this time.
    fn settle(&mut self) {
        loop {
            let mut is_settled = true;
            for number in 0..self.running.len() {
                let Some(id) = self.running[number].id else { continue };
                while let Some(event) = self.worker.next(id) {
                    is_settled = false;
                    self.left(number, event);
                }
            }
            for callout in self.worker.callouts() {
                is_settled = false;
                self.called(&callout);
            }
            if is_settled {
                return;
            }
        }
    }

    /// Handles what leaves the worker for the client or the upstream.
    fn left(&mut self, number: usize, event: Event) {
        let running = &mut self.running[number];
        match event {
            Event::RouteCacheCleared => running.is_rerouted = true,
            Event::Request(part) => self.forward(number, part),
            Event::RequestReset => {
                if let Some(mut forwarded) = running.forwarded.take() {
                    forwarded.cut = true;
                    forwarded.body = seen::body(&running.forwarded_body);
                    self.upstream.push(forwarded);
                }
            }
            Event::Response(part) => {
                let end = part.end_stream();
                match part {
                    Part::Headers { headers, .. } => {
                        let status = headers
                            .get(":status")
                            .and_then(|status| std::str::from_utf8(status).ok());
                        running.answer.status =
                            status.and_then(|status| status.parse().ok()).unwrap_or_default();
                        running.answer.headers = seen::lines(&header_map(&headers));
                    }
                    Part::Data { data, .. } => running.body.extend_from_slice(&data),
                    Part::Trailers(trailers) => {
                        running.answer.trailers = seen::lines(&header_map(&trailers));
                    }
                }
                running.answer.body = seen::body(&running.body);
                if end && !running.is_done {
                    self.done(number);
                }
            }
            Event::ResponseReset => {
                running.answer.cut = true;
                if !running.is_done {
                    self.done(number);
                }
            }
        }
    }

    fn forward(&mut self, number: usize, part: Part) {
        let running = &mut self.running[number];
        let end = part.end_stream();
        match part {
            Part::Headers { headers, .. } => {
                if running.is_rerouted && headers.get("x-forwarded-proto").is_none() {
                    // Envoy's router finds no route for such a request.
                    let id = running.id.expect("a request that has started");
                    return self.worker.reply(id, 404, "", "route_not_found");
                }
                if let Some(id) = running.id {
                    self.worker
                        .stream_info(id, |info| info.properties.extend(upstream_properties()));
                }
                let chosen = if running.is_rerouted { &headers } else { &running.first };
                let is =
                    |name: &str, test: &dyn Fn(&[u8]) -> bool| chosen.get(name).is_some_and(test);
                let other = is("x-route", &|value| value == b"other")
                    || is(":path", &|path| path.starts_with(b"/other"));
                let to = if other { "other" } else { "main" }.to_owned();
                running.forwarded = Some(Forwarded {
                    to,
                    headers: forwarded_lines(&headers),
                    ..Forwarded::default()
                });
            }
            Part::Data { data, .. } => running.forwarded_body.extend_from_slice(&data),
            Part::Trailers(trailers) => {
                if let Some(forwarded) = &mut running.forwarded {
                    forwarded.trailers = seen::lines(&header_map(&trailers));
                }
            }
        }
        if end && let Some(mut forwarded) = running.forwarded.take() {
            forwarded.body = seen::body(&running.forwarded_body);
            self.upstream.push(forwarded);
            let response = self.scenario.response.clone();
            for (part, delay) in upstream_parts(&response).into_iter().zip(0..) {
                self.plan(ON_THE_WAY + BETWEEN_PARTS * delay, Step::FromUpstream(number, part));
            }
        }
    }

    /// Plans the service's answer to a call.
    fn called(&mut self, callout: &Callout) {
        let id = callout.id;
        match &callout.request {
            CalloutRequest::Http { cluster, .. } if cluster == "dead" => {
                self.plan(ON_THE_WAY, Step::Answered(id, CalloutAnswer::unreachable()));
            }
            CalloutRequest::Http { headers, body, .. } => {
                if headers.get(":authority") == Some(b"") {
                    // The service's HTTP/2 library refuses such a request.
                    self.plan(
                        ON_THE_WAY,
                        Step::Answered(id, CalloutAnswer::reset("protocol error")),
                    );
                } else if let Some(answer) = answer(headers, body) {
                    self.plan(DELAY + ON_THE_WAY, Step::Answered(id, answer));
                }
            }
            CalloutRequest::GrpcCall { service, initial_metadata, message, .. } => {
                if service.target == "dead" {
                    self.unreachable(id);
                } else if let Some(answer) = grpc_answer(initial_metadata, message) {
                    self.plan(DELAY + ON_THE_WAY, Step::Answered(id, answer));
                }
            }
            CalloutRequest::GrpcStream { service, .. } => {
                if service.target == "dead" {
                    return self.unreachable(id);
                }
                let answer =
                    [(":status", "200"), ("content-type", "application/grpc"), ("x-callee", "yes")];
                let after = DELAY + ON_THE_WAY;
                self.plan(
                    after,
                    Step::Answered(
                        id,
                        CalloutAnswer::GrpcInitialMetadata(Headers::response(answer)),
                    ),
                );
                let ready = self.now() + u64::try_from(after.as_nanos()).expect("a short time");
                self.streams.insert(id.token().number(), GrpcPeer { ready });
            }
            CalloutRequest::GrpcSend { message, end_stream } => {
                let answer = CalloutAnswer::GrpcMessage([&b"echo "[..], message].concat().into());
                self.grpc_goes_on(id, Some(answer), *end_stream);
            }
            CalloutRequest::GrpcClose => self.grpc_goes_on(id, None, true),
            CalloutRequest::GrpcCancel => {
                self.streams.remove(&id.token().number());
            }
        }
    }

    fn unreachable(&mut self, id: CalloutId) {
        for answer in CalloutAnswer::grpc_unreachable(id.token().kind()) {
            self.plan(Duration::ZERO, Step::Answered(id, answer));
        }
    }

    fn grpc_goes_on(&mut self, id: CalloutId, answer: Option<CalloutAnswer>, end: bool) {
        let Some(peer) = self.streams.get(&id.token().number()) else { return };
        let after = Duration::from_nanos(peer.ready.saturating_sub(self.now())).max(ON_THE_WAY);
        if let Some(answer) = answer {
            self.plan(after, Step::Answered(id, answer));
        }
        if end {
            let trailers = Headers::collect(
                HeaderScope::ResponseTrailers,
                [("grpc-status", "0"), ("x-trailer", "end")],
            );
            self.plan(after, Step::Answered(id, CalloutAnswer::GrpcTrailingMetadata(trailers)));
            let close = CalloutAnswer::GrpcClose { status: 0, message: "via_upstream".to_owned() };
            self.plan(after, Step::Answered(id, close));
        }
    }
}
