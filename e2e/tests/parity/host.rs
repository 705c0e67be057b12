//! Runs a scenario on the embedded host, in virtual time: the client, the upstream and the service
//! that guests call do at the same moments what their real counterparts do around Envoy.

use std::collections::BTreeMap;
use std::sync::{Arc, LazyLock};
use std::time::Duration;

use bytes::Bytes;
use gatepost_host::{
    Callout, CalloutAnswer, CalloutId, CalloutRequest, Chain, ChainOptions, ChainPlugin, Clock,
    Clusters, Engine, EngineOptions, Event, ExchangeId, FailPolicy, HeaderScope, Headers, Host,
    MemoryLog, MetricKind, Module, Part, PluginConfig, PropertyValue, StreamInfo, VirtualClock,
    Worker,
};

use crate::callee::{self, THINKING};
use crate::scenario::{self, BETWEEN_PARTS, End, Plugin, Request, Response, Scenario, header};
use crate::seen::{self, Answer, Forwarded, Seen};

/// As long as a real client waits.
const PATIENCE: Duration = Duration::from_secs(6);
/// How long a message takes from one process to another.
const ON_THE_WAY: Duration = Duration::from_millis(1);
/// Time after the last answer for what still happens: Envoy goes on with other scenarios.
const AFTERWARDS: Duration = Duration::from_secs(5);
/// Time before the first request: a real proxy has been up for a while.
const BEFORE: Duration = Duration::from_secs(2);
/// The most that one frame of HTTP/2 carries.
const FRAME: usize = 16_384;

static MODULES: LazyLock<BTreeMap<&str, Module>> = LazyLock::new(|| {
    let engine = Engine::new(EngineOptions::default()).expect("an engine");
    let module = |name| {
        let wasm = gatepost_guests_wasm::by_name(name).expect("a guest");
        (name, Module::new(&engine, name, wasm).unwrap_or_else(|error| panic!("{error}")))
    };
    ["probe", "probe_v0_2_0", "probe_v0_1_0", "few_exports"].map(module).into()
});

/// What the scenario did.
pub fn run(number: usize, scenario: &Scenario) -> Seen {
    assert!(!scenario.plugins.is_empty(), "{} has plugins", scenario.name);
    let log = MemoryLog::default();
    let clock = VirtualClock::at(1_700_000_000_000_000_000);
    let clusters = [
        "echo".to_owned(),
        "dead".to_owned(),
        format!("main-{number:03}"),
        format!("other-{number:03}"),
    ];
    let host = Host {
        log: Arc::new(log.clone()),
        clock: Arc::new(clock.clone()),
        clusters: Clusters::Only(clusters.into()),
        ..Host::default()
    };
    let plugins = scenario
        .plugins
        .iter()
        .map(|plugin| chain_plugin(number, plugin, scenario.allow_stop))
        .collect();
    let options = ChainOptions {
        buffer_bytes: scenario.buffer_bytes.map_or(1 << 20, |bytes| bytes as usize),
        ..ChainOptions::default()
    };
    let worker = Worker::new(&Chain::with_options(plugins, options), host.clone())
        .unwrap_or_else(|error| panic!("{error}"));
    let mut world = World {
        worker,
        clock,
        scenario,
        plan: BTreeMap::new(),
        planned: 0,
        running: scenario.requests.iter().map(|_| Running::default()).collect(),
        started: 0,
        streams: BTreeMap::new(),
        upstream: Vec::new(),
    };
    world.run();
    let prefix = format!("{number:03}/");
    let lines = log.lines().into_iter().map(|line| {
        let plugin = line.plugin.strip_prefix(&prefix).unwrap_or(&line.plugin);
        let plugin = scenario
            .plugins
            .iter()
            .find(|have| have.name == plugin)
            .expect("a plugin of the scenario");
        format!(
            "{} {} {}",
            scenario::logged_as(plugin, &line.message),
            line.level,
            seen::log_message(&line.message)
        )
    });
    Seen {
        answers: world.running.into_iter().map(|running| running.answer).collect(),
        upstream: world.upstream,
        log: scenario.compared(lines.collect()),
        metrics: metrics(&host, scenario),
    }
}

fn chain_plugin(number: usize, plugin: &Plugin, allow_stop: bool) -> ChainPlugin {
    let vm = plugin.vm.as_ref().unwrap_or(&plugin.name);
    let config = PluginConfig {
        name: format!("{number:03}/{}", plugin.name),
        root_id: plugin.root_id.clone(),
        vm_id: format!("{number:03}/{vm}"),
        vm_configuration: plugin.vm_script.clone().into(),
        configuration: plugin.script.clone().into(),
        fail_policy: match plugin.fail.as_str() {
            "open" => FailPolicy::Open,
            "reload" => FailPolicy::Reload,
            _ => FailPolicy::Closed,
        },
        allow_on_headers_stop_iteration: allow_stop,
        ..PluginConfig::default()
    };
    ChainPlugin { module: MODULES[plugin.guest.as_str()].clone(), config }
}

fn metrics(host: &Host, scenario: &Scenario) -> BTreeMap<String, String> {
    let wanted = scenario.metrics();
    let told = |value: gatepost_host::MetricValue| {
        let text = match (value.kind, value.histogram) {
            (MetricKind::Histogram, Some(seen)) if seen.count > 0 => {
                format!("count {}", seen.count)
            }
            (MetricKind::Histogram, _) => return None,
            _ => value.value.to_string(),
        };
        wanted.contains(&value.name).then_some((value.name, text))
    };
    host.metrics.snapshot().into_iter().filter_map(told).collect()
}

/// What happens at a moment.
enum Happening {
    Starts(usize),
    FromClient(usize, Part),
    GivesUp(usize),
    FromUpstream(usize, UpstreamPart),
    Answered(CalloutId, CalloutAnswer),
    End,
}

enum UpstreamPart {
    Part(Part),
    Reset,
}

/// A request on its way.
#[derive(Default)]
struct Running {
    id: Option<ExchangeId>,
    answer: Answer,
    body: Vec<u8>,
    is_done: bool,
    forwarded: Option<Forwarded>,
    forwarded_body: Vec<u8>,
    /// The headers by which the route was first chosen.
    first: Headers,
    is_rerouted: bool,
}

struct World<'a> {
    worker: Worker,
    clock: VirtualClock,
    scenario: &'a Scenario,
    plan: BTreeMap<(u64, u64), Happening>,
    planned: u64,
    running: Vec<Running>,
    started: usize,
    /// gRPC streams to the service, by the number that the guest knows.
    streams: BTreeMap<u32, GrpcPeer>,
    upstream: Vec<Forwarded>,
}

struct GrpcPeer {
    /// When its answer has begun, in nanoseconds.
    ready: u64,
}

impl World<'_> {
    fn run(&mut self) {
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
            let Some(happening) = self.plan.remove(&key) else { return };
            self.advance(key.0);
            if matches!(happening, Happening::End) {
                return;
            }
            self.happen(happening);
            self.settle();
        }
    }

    fn now(&self) -> u64 {
        self.clock.monotonic_nanos()
    }

    fn advance(&self, to: u64) {
        self.clock.advance(Duration::from_nanos(to.saturating_sub(self.now())));
    }

    fn plan(&mut self, after: Duration, happening: Happening) {
        let at = self.now() + u64::try_from(after.as_nanos()).expect("a short time");
        self.planned += 1;
        self.plan.insert((at, self.planned), happening);
    }

    /// Starts the requests that need not wait for others, or ends the scenario.
    fn start_next(&mut self, mut after: Duration) {
        while let Some(request) = self.scenario.requests.get(self.started) {
            if !request.at_once
                && self.running[..self.started].iter().any(|running| !running.is_done)
            {
                return;
            }
            after += Duration::from_millis(request.after_ms);
            self.plan(after + ON_THE_WAY, Happening::Starts(self.started));
            self.started += 1;
        }
        if self.running.iter().all(|running| running.is_done) {
            self.plan(Duration::from_millis(self.scenario.wait_ms) + AFTERWARDS, Happening::End);
        }
    }

    fn happen(&mut self, happening: Happening) {
        match happening {
            Happening::Starts(number) => self.start(number),
            Happening::FromClient(number, part) => {
                if let Some(id) = self.running[number].id {
                    self.worker.request(id, part);
                }
            }
            Happening::GivesUp(number) => {
                let running = &mut self.running[number];
                if !running.is_done {
                    running.answer = Answer { cut: true, ..Answer::default() };
                    if let Some(id) = running.id {
                        self.worker.client_reset(id);
                    }
                    self.done(number);
                }
            }
            Happening::FromUpstream(number, part) => {
                let Some(id) = self.running[number].id else { return };
                match part {
                    UpstreamPart::Part(part) => self.worker.response(id, part),
                    UpstreamPart::Reset => self.worker.upstream_reset(id, "remote reset"),
                }
            }
            Happening::Answered(id, answer) => {
                self.worker.answer(id, answer);
            }
            Happening::End => {}
        }
    }

    fn start(&mut self, number: usize) {
        let request = self.scenario.requests[number].clone();
        let headers = request_headers(&request);
        let info = stream_info();
        let id = self.worker.open(info);
        self.running[number].id = Some(id);
        self.running[number].first = headers.clone();
        let trailers = (!request.trailers.is_empty())
            .then(|| map(HeaderScope::RequestTrailers, &request.trailers));
        let mut parts = parts(headers, &request.body, trailers, request.end, false).into_iter();
        if let Some(first) = parts.next() {
            self.worker.request(id, first);
        }
        for (part, delay) in parts.zip(1..) {
            self.plan(BETWEEN_PARTS * delay, Happening::FromClient(number, part));
        }
        let patience = request.gives_up_ms.map_or(PATIENCE, Duration::from_millis);
        self.plan(patience, Happening::GivesUp(number));
    }

    fn done(&mut self, number: usize) {
        self.running[number].is_done = true;
        self.start_next(Duration::ZERO);
    }

    /// Everything that follows at this moment.
    fn settle(&mut self) {
        loop {
            let mut still = true;
            for number in 0..self.running.len() {
                let Some(id) = self.running[number].id else { continue };
                while let Some(event) = self.worker.next(id) {
                    still = false;
                    self.left(number, event);
                }
            }
            for callout in self.worker.callouts() {
                still = false;
                self.called(&callout);
            }
            if still {
                return;
            }
        }
    }

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
                        running.answer.trailers = seen::lines(&header_map(&trailers))
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
                self.plan(
                    ON_THE_WAY + BETWEEN_PARTS * delay,
                    Happening::FromUpstream(number, part),
                );
            }
        }
    }

    /// What the service does about a call, and when.
    fn called(&mut self, callout: &Callout) {
        let id = callout.id;
        match &callout.request {
            CalloutRequest::Http { cluster, .. } if cluster == "dead" => {
                self.plan(ON_THE_WAY, Happening::Answered(id, CalloutAnswer::unreachable()));
            }
            CalloutRequest::Http { headers, body, .. } => {
                if headers.get(":authority") == Some(b"") {
                    // The service's HTTP/2 library refuses such a request.
                    self.plan(
                        ON_THE_WAY,
                        Happening::Answered(id, CalloutAnswer::reset("protocol error")),
                    );
                } else if let Some(answer) = answer(headers, body) {
                    self.plan(THINKING + ON_THE_WAY, Happening::Answered(id, answer));
                }
            }
            CalloutRequest::GrpcCall { service, initial_metadata, message, .. } => {
                if service.target == "dead" {
                    self.unreachable(id);
                } else if let Some(answer) = grpc_answer(initial_metadata, message) {
                    self.plan(THINKING + ON_THE_WAY, Happening::Answered(id, answer));
                }
            }
            CalloutRequest::GrpcStream { service, .. } => {
                if service.target == "dead" {
                    return self.unreachable(id);
                }
                let answer =
                    [(":status", "200"), ("content-type", "application/grpc"), ("x-callee", "yes")];
                let after = THINKING + ON_THE_WAY;
                self.plan(
                    after,
                    Happening::Answered(
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
            self.plan(Duration::ZERO, Happening::Answered(id, answer));
        }
    }

    fn grpc_goes_on(&mut self, id: CalloutId, answer: Option<CalloutAnswer>, end: bool) {
        let Some(peer) = self.streams.get(&id.token().number()) else { return };
        let after = Duration::from_nanos(peer.ready.saturating_sub(self.now())).max(ON_THE_WAY);
        if let Some(answer) = answer {
            self.plan(after, Happening::Answered(id, answer));
        }
        if end {
            let trailers = Headers::collect(
                HeaderScope::ResponseTrailers,
                [("grpc-status", "0"), ("x-trailer", "end")],
            );
            self.plan(
                after,
                Happening::Answered(id, CalloutAnswer::GrpcTrailingMetadata(trailers)),
            );
            let close = CalloutAnswer::GrpcClose { status: 0, message: "via_upstream".to_owned() };
            self.plan(after, Happening::Answered(id, close));
        }
    }
}

/// What Envoy knows of a stream over loopback.
fn stream_info() -> StreamInfo {
    let address = |port| Some(std::net::SocketAddr::from(([127, 0, 0, 1], port)));
    let text = |name: &str, value: &str| (name.to_owned(), PropertyValue::text(value));
    StreamInfo {
        protocol: Some("HTTP/2"),
        source: address(40_001),
        destination: address(40_002),
        properties: vec![
            ("connection.id".to_owned(), PropertyValue::Uint(1)),
            ("connection_id".to_owned(), PropertyValue::Uint(1)),
            ("connection.mtls".to_owned(), PropertyValue::Bool(false)),
            text("connection.requested_server_name", ""),
            text("xds.cluster_name", "main-000"),
            text("xds.virtual_host_name", "all"),
            text("xds.filter_chain_name", ""),
            ("xds.listener_direction".to_owned(), PropertyValue::Int(0)),
            text("metadata", ""),
        ],
        ..StreamInfo::default()
    }
}

/// What Envoy knows once the request is on its way.
fn upstream_properties() -> Vec<(String, PropertyValue)> {
    let text = |name: &str, value: &str| (name.to_owned(), PropertyValue::text(value));
    vec![
        text("upstream.address", "127.0.0.1:40003"),
        ("upstream.port".to_owned(), PropertyValue::Int(40_003)),
        text("upstream.local_address", "127.0.0.1:40004"),
        text("upstream.transport_failure_reason", ""),
        ("upstream.request_attempt_count".to_owned(), PropertyValue::Int(1)),
        ("response.backend_latency".to_owned(), PropertyValue::Int(1)),
    ]
}

fn request_headers(request: &Request) -> Headers {
    let mut headers = Headers::request([
        (":method", request.method.as_str()),
        (":scheme", "http"),
        (":authority", &request.authority),
        // A client keeps the fragment to itself.
        (":path", request.path.split('#').next().unwrap_or_default()),
    ]);
    let (cookies, others): (Vec<_>, Vec<_>) =
        request.headers.iter().map(|line| header(line)).partition(|(name, _)| *name == "cookie");
    for (name, value) in others {
        headers.add(name, value);
    }
    if !cookies.is_empty() {
        // Envoy's HTTP/2 codec joins them (RFC 9113, section 8.2.3).
        headers
            .add("cookie", cookies.iter().map(|(_, value)| *value).collect::<Vec<_>>().join("; "));
    }
    // What Envoy's connection manager adds before the filters.
    headers.add("x-forwarded-proto", "http");
    headers
}

fn upstream_parts(response: &Response) -> Vec<UpstreamPart> {
    let mut headers = Headers::response([(":status", response.status.to_string())]);
    for line in &response.headers {
        let (name, value) = header(line);
        headers.add(name, value);
    }
    let trailers = (!response.trailers.is_empty())
        .then(|| map(HeaderScope::ResponseTrailers, &response.trailers));
    let parts = parts(
        headers,
        &response.body,
        trailers.filter(|_| !response.reset),
        response.end,
        response.reset,
    );
    let mut parts: Vec<UpstreamPart> = parts.into_iter().map(UpstreamPart::Part).collect();
    if response.reset {
        parts.push(UpstreamPart::Reset);
    }
    parts
}

/// A message's parts. One that is reset does not end.
fn parts(
    headers: Headers,
    body: &[String],
    trailers: Option<Headers>,
    end: End,
    is_reset: bool,
) -> Vec<Part> {
    let mut parts = vec![Part::Headers { headers, end_stream: false }];
    for text in body {
        let bytes = scenario::part(text);
        if bytes.is_empty() {
            parts.push(Part::Data { data: Bytes::new(), end_stream: false });
        }
        parts.extend(
            bytes
                .chunks(FRAME)
                .map(|frame| Part::Data { data: Bytes::copy_from_slice(frame), end_stream: false }),
        );
    }
    match trailers {
        Some(trailers) => parts.push(Part::Trailers(trailers)),
        None if is_reset => {}
        None => {
            if end == End::Empty {
                parts.push(Part::Data { data: Bytes::new(), end_stream: false });
            }
            if let Some(Part::Headers { end_stream, .. } | Part::Data { end_stream, .. }) =
                parts.last_mut()
            {
                *end_stream = true;
            }
        }
    }
    parts
}

fn map(scope: HeaderScope, lines: &[String]) -> Headers {
    Headers::collect(scope, lines.iter().map(|line| header(line)))
}

/// The headers but the pseudo-headers, as an HTTP library has them.
fn header_map(headers: &Headers) -> http::HeaderMap {
    let mut map = http::HeaderMap::new();
    for (name, value) in headers.iter() {
        if name.starts_with(b":") {
            continue;
        }
        let name = http::HeaderName::from_bytes(name).unwrap_or_else(|error| panic!("{error}"));
        map.append(
            name,
            http::HeaderValue::from_bytes(value).unwrap_or_else(|error| panic!("{error}")),
        );
    }
    map
}

fn forwarded_lines(headers: &Headers) -> Vec<String> {
    let has_authority = headers.get(":authority").is_some();
    let pseudo = [":method", ":authority", ":path", ":scheme"].into_iter().filter_map(|name| {
        // The upstream's library shows no scheme without an authority.
        let value = headers.get(name).filter(|_| has_authority || name != ":scheme")?;
        Some(format!("{name}: {}", value.escape_ascii()))
    });
    pseudo.chain(seen::lines(&header_map(headers))).collect()
}

/// What the service answers to an HTTP call.
fn answer(headers: &Headers, body: &Bytes) -> Option<CalloutAnswer> {
    let text =
        |name: &str| headers.get(name).map(|value| String::from_utf8_lossy(value).into_owned());
    let status = match text("x-answer").as_deref() {
        Some("never") => return None,
        Some("reset") => return Some(CalloutAnswer::reset("remote reset")),
        other => other.unwrap_or("200").to_owned(),
    };
    let mut headers = headers.clone();
    if headers.get(":scheme").is_none() {
        headers.add(":scheme", "http");
    }
    let description = callee::describe(&forwarded_lines(&headers), body, &[]);
    let pairs = [
        (":status", status.as_str()),
        ("x-callee", "yes"),
        ("x-envoy-upstream-service-time", "150"),
    ];
    let trailers: Vec<(&str, String)> =
        text("x-trailer").map(|value| ("x-trailer", value)).into_iter().collect();
    Some(CalloutAnswer::Http {
        headers: Headers::response(pairs),
        body: description.into(),
        trailers: Headers::collect(HeaderScope::ResponseTrailers, trailers),
    })
}

fn grpc_answer(metadata: &Headers, message: &Bytes) -> Option<CalloutAnswer> {
    if metadata.get("x-answer").is_some() {
        return None;
    }
    let text =
        |name: &str| metadata.get(name).map(|value| String::from_utf8_lossy(value).into_owned());
    let answer = match text("x-grpc-status").and_then(|status| status.parse().ok()) {
        Some(status) if status != 0 => {
            let message = text("x-grpc-message").unwrap_or_default();
            CalloutAnswer::GrpcClose { status, message: format!("{message}{{via_upstream}}") }
        }
        _ => CalloutAnswer::GrpcMessage([&b"echo "[..], message].concat().into()),
    };
    Some(answer)
}
