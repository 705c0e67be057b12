//! The messages of a scenario, as the embedded host takes them and gives them: requests, the
//! upstream's responses, the service's answers, and the properties that Envoy has beside them.

use bytes::Bytes;
use gatepost_host::{CalloutAnswer, HeaderScope, Headers, Part, PropertyValue, StreamInfo};

use crate::callee;
use crate::scenario::{self, End, Request, Response, header};
use crate::seen;

/// The largest payload of one HTTP/2 frame.
const FRAME: usize = 16_384;

/// A part of the upstream's response, or its reset.
pub enum UpstreamPart {
    Part(Part),
    Reset,
}

/// The properties that Envoy has for a stream over loopback.
pub fn stream_info(http1: bool) -> StreamInfo {
    let address = |port| Some(std::net::SocketAddr::from(([127, 0, 0, 1], port)));
    let text = |name: &str, value: &str| (name.to_owned(), PropertyValue::text(value));
    StreamInfo {
        protocol: Some(if http1 { "HTTP/1.1" } else { "HTTP/2" }),
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
        ],
        ..StreamInfo::default()
    }
}

/// The properties that Envoy adds when the request was sent upstream.
pub fn upstream_properties() -> Vec<(String, PropertyValue)> {
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

/// A request's headers, as the first filter gets them.
pub fn request_headers(request: &Request, http1: bool) -> Headers {
    let mut pseudo = [
        (":method", request.method.as_str()),
        (":scheme", "http"),
        (":authority", &request.authority),
        // A client does not send the fragment.
        (":path", request.path.split('#').next().unwrap_or_default()),
    ];
    if http1 {
        // Envoy's codec reads the host before it writes the path, and adds the scheme last.
        pseudo = [pseudo[2], pseudo[3], pseudo[0], pseudo[1]];
    }
    let mut headers = Headers::request(pseudo);
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
    // Envoy's connection manager adds this before the filters.
    headers.add("x-forwarded-proto", "http");
    headers
}

/// The parts of the upstream's response.
pub fn upstream_parts(response: &Response) -> Vec<UpstreamPart> {
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

/// A message's parts. A message that is reset has no end.
pub fn parts(
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

/// Header lines as headers.
pub fn map(scope: HeaderScope, lines: &[String]) -> Headers {
    Headers::collect(scope, lines.iter().map(|line| header(line)))
}

/// The headers without the pseudo-headers, as an HTTP library has them.
pub fn header_map(headers: &Headers) -> http::HeaderMap {
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

/// The header lines of a request as the upstream records them.
pub fn forwarded_lines(headers: &Headers) -> Vec<String> {
    let has_authority = headers.get(":authority").is_some();
    let pseudo = [":method", ":authority", ":path", ":scheme"].into_iter().filter_map(|name| {
        // The upstream's HTTP library drops the scheme without an authority.
        let value = headers.get(name).filter(|_| has_authority || name != ":scheme")?;
        Some(format!("{name}: {}", value.escape_ascii()))
    });
    pseudo.chain(seen::lines(&header_map(headers))).collect()
}

/// The service's answer to an HTTP call; `None` when it never answers.
pub fn answer(headers: &Headers, body: &Bytes) -> Option<CalloutAnswer> {
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

/// The service's answer to a gRPC call; `None` when it never answers.
pub fn grpc_answer(metadata: &Headers, message: &Bytes) -> Option<CalloutAnswer> {
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
