//! Requests that no well-behaved client sends. After every one the next ordinary request, on a
//! connection of its own, gets its right answer; at the end no VM has failed. Both gateways get the
//! same list, and their answers are compared.

use std::collections::BTreeMap;

use gatepost_testbed::Testbed;
use gatepost_testbed::client::{Body, get, no_body};
use http::{HeaderMap, HeaderValue, Version};

use crate::answer::{Answer, Seen, try_send};
use crate::differences::{Differences, Known};
use crate::pair::{self, Pair};
use crate::raw;

/// A policy that reads headers by every kind of source and condition, and writes every header that
/// a policy can write.
pub const EVERYTHING: &str = "
apiVersion: gatepost/v1
healthChecks:
- name: probe
  match:
    userAgent: { prefix: GoogleHC }
    method: { exact: GET }
    path: { exact: / }
    host: { suffix: .probe }
    absentHeaders: [via]
  rewrite: { authority: readiness.internal, path: /healthz/ready }
- { name: up, match: { path: { suffix: /up } }, respond: { status: 200, body: ok } }
strip: [knative-serving-namespace, knative-serving-revision]
environments:
  sources:
  - { header: env }
  - { header: x-env }
  - { cookie: env }
  - { cookie: stage }
  - { query: env }
  - { baggage: env }
  - { subdomain: \"{env}.dev.example.com\" }
  default: env1
  unknown: reject
  hints:
    headers: { x-gatepost-env: \"{env}\", x-gatepost-host: \"{host}\" }
    authority: \"app-service.{env}.svc.cluster.local\"
hosts:
  private: [\"*.svc\"]
  port: strip
  mappings:
  - { host: \"{a}.{b}.zone\", authority: \"{b}.{a}.internal\" }
  - { host: \"*.zone\", authority: zone.internal }
  originalHost: x-forwarded-host
";

/// Routes for the ordinary request under both policies.
pub const ROUTES: &[(&str, &str)] = &[("app-service.env2.svc.cluster.local", "env2"), ("*", "any")];

/// Both policies of these tests on both gateways.
pub async fn pairs() -> [(&'static str, Pair); 2] {
    let (all_in_one, _) =
        pair::shipped("all-in-one").read().unwrap_or_else(|report| panic!("{report:?}"));
    [
        ("all-in-one", Pair::with_configuration(&all_in_one.json, ROUTES).await),
        ("everything", Pair::start(EVERYTHING, ROUTES).await),
    ]
}

/// An ordinary request on a new connection gets its right answer.
pub async fn assert_serves(testbed: &Testbed, after: &str) {
    let request = raw::get(&[b"Host: app.example", b"env: env2", b"Connection: close"]);
    let answer = raw::send(testbed.address(), &request)
        .await
        .unwrap_or_else(|| panic!("no answer after {after}"));
    assert_eq!((answer.status, answer.by().as_str()), (200, "env2"), "after {after}: {answer:?}");
    assert_eq!(answer.received("x-gatepost-env"), ["env2"], "after {after}");
}

/// No VM of Envoy failed, by its statistics and by its log.
pub fn assert_no_vm_failed(testbed: &Testbed) {
    let envoy = testbed.envoy().expect("an Envoy");
    let counters: BTreeMap<String, u64> = envoy.counters().expect("counters");
    let wasm: BTreeMap<_, _> = counters.iter().filter(|(name, _)| name.contains("wasm")).collect();
    assert!(wasm.keys().any(|name| name.ends_with(".created")), "Envoy counts its VMs: {wasm:#?}");
    for (name, value) in &wasm {
        let failure =
            ["fail", "crash", "missing", "reload", "error"].iter().any(|word| name.contains(word));
        assert!(!failure || **value == 0, "{name} is {value}: {wasm:#?}");
    }
    let log = envoy.log();
    for word in [
        "panic",
        "trap",
        "Function: proxy_on_",
        "Proxy-Wasm plugin in-VM backtrace",
        "VM failure",
        "Wasm VM failed",
    ] {
        assert!(!log.contains(word), "`{word}` in Envoy's log:\n{log}");
    }
}

/// What a client saw: an answer, or the end of its connection.
pub fn seen(answer: Option<&Answer>) -> Option<Seen> {
    answer.map(Answer::seen)
}

/// An answer of a codec without its body, which has no promised text: only the status is compared.
pub fn comparable(answer: Option<&Answer>) -> String {
    match seen(answer) {
        None => "the connection ended".to_owned(),
        Some(Seen::Gateway {
            status: status @ (400 | 403 | 404 | 426 | 431 | 501), body, ..
        }) if !body.ends_with('\n') => {
            format!("refused with {status} before the filter")
        }
        Some(seen) => format!("{seen:?}"),
    }
}

/// Requests by hand, each with its name.
fn by_hand() -> Vec<(String, Vec<u8>)> {
    let long = |length: usize| "v".repeat(length);
    let labels = |count: usize| vec!["a"; count].join(".");
    let mut list: Vec<(String, Vec<u8>)> = Vec::new();
    let mut add = |name: &str, lines: &[&[u8]]| {
        list.push((name.to_owned(), raw::get(&[lines, &[b"Connection: close"]].concat())));
    };
    let host: &[u8] = b"Host: app.example";
    add("two equal env headers", &[host, b"env: env2", b"env: env2"]);
    add("two env headers that differ in case", &[host, b"env: env2", b"ENV: ENV2"]);
    add("two different env headers", &[host, b"env: env1", b"env: env2"]);
    add("ninety equal env headers", &[&[host][..], &[&b"env: env2"[..]; 90]].concat());
    let different: Vec<Vec<u8>> =
        (0..90).map(|number| format!("env: env{number}").into_bytes()).collect();
    add(
        "ninety different env headers",
        &[&[host][..], &different.iter().map(Vec::as_slice).collect::<Vec<_>>()].concat(),
    );
    add("two Hosts", &[host, b"Host: other.example"]);
    add("two equal Hosts", &[host, host]);
    add("a private Host after a public one", &[host, b"Host: a.svc.cluster.local"]);
    add("an empty Host", &[b"Host:"]);
    add("an empty Host and another", &[b"Host:", host]);
    add("no Host", &[]);
    for name in [
        "user-agent",
        "env",
        "cookie",
        "baggage",
        "via",
        "x-gatepost-env",
        "x-forwarded-host",
        "content-type",
        "x-forwarded-for",
    ] {
        add(&format!("an empty {name}"), &[host, format!("{name}:").as_bytes()]);
        add(&format!("a blank {name}"), &[host, format!("{name}: \t ").as_bytes()]);
        for kib in [20, 58] {
            add(
                &format!("a {name} of {kib} KiB"),
                &[host, format!("{name}: {}", long(kib * 1024)).as_bytes()],
            );
        }
        add(
            &format!("a {name} of 61 KiB"),
            &[host, format!("{name}: {}", long(61 * 1024)).as_bytes()],
        );
        add(
            &format!("a {name} of 300 KiB"),
            &[host, format!("{name}: {}", long(300 * 1024)).as_bytes()],
        );
        let repeated = format!("{name}: x");
        add(&format!("90 times {name}"), &[&[host][..], &[repeated.as_bytes(); 90]].concat());
    }
    add("98 headers", &[&[host][..], &[&b"x: y"[..]; 96]].concat());
    add("99 headers", &[&[host][..], &[&b"x: y"[..]; 97]].concat());
    add("100 headers", &[&[host][..], &[&b"x: y"[..]; 98]].concat());
    add("101 headers", &[&[host][..], &[&b"x: y"[..]; 99]].concat());
    add("1,000 headers", &[&[host][..], &[&b"x: y"[..]; 998]].concat());
    add(
        "a cookie of 10,000 pairs",
        &[host, format!("cookie: {}", "a=b; ".repeat(10_000)).as_bytes()],
    );
    add(
        "a cookie of 10,000 pairs and then env",
        &[host, format!("cookie: {}env=env2", "a=b; ".repeat(10_000)).as_bytes()],
    );
    add(
        "a cookie of 6,000 different env",
        &[host, (0..6_000).fold("cookie: ".to_owned(), |c, n| c + &format!("env={n};")).as_bytes()],
    );
    add(
        "a cookie of 50,000 semicolons",
        &[host, format!("cookie: {}", ";".repeat(50_000)).as_bytes()],
    );
    add(
        "a baggage of 10,000 members",
        &[host, format!("baggage: {}", "a=b,".repeat(10_000)).as_bytes()],
    );
    add(
        "a baggage of 50,000 percent signs",
        &[host, format!("baggage: env={}", "%".repeat(50_000)).as_bytes()],
    );
    add("a baggage with percent-encoded bytes", &[host, b"baggage: env=%ff%00%e9"]);
    add("a Host of 253 bytes", &[format!("Host: {}a", labels(126) + ".").as_bytes()]);
    add("a Host of 300 bytes", &[format!("Host: {}", long(300)).as_bytes()]);
    add("a Host of 64 bytes in a label", &[format!("Host: {}.example", long(64)).as_bytes()]);
    add("a Host of 127 labels", &[format!("Host: {}", labels(127)).as_bytes()]);
    add("a Host of 128 labels", &[format!("Host: {}", labels(128)).as_bytes()]);
    add("a Host of 20,000 labels", &[format!("Host: {}", labels(20_000)).as_bytes()]);
    add(
        "a Host of 120 labels under a wildcard",
        &[format!("Host: {}.shop.example", labels(110)).as_bytes()],
    );
    add("a Host of dots", &[format!("Host: {}", ".".repeat(200)).as_bytes()]);
    add("a Host of 40,000 colons", &[format!("Host: {}", ":".repeat(40_000)).as_bytes()]);
    add(
        "a port of 40,000 digits",
        &[format!("Host: app.example:{}", "9".repeat(40_000)).as_bytes()],
    );
    for odd in [
        "*",
        "*.example",
        "{env}.dev.example.com",
        "-",
        "a_b",
        "[::]",
        "[::ffff:1.2.3.4]",
        "1.2.3.4.",
        "0x7f.1",
        "%00",
        "a b",
        "xn--80ak6aa92e.com",
        "..",
        "a.zone",
        "a.b.zone",
        "a.b.c.zone",
        ".zone",
    ] {
        add(&format!("the Host {odd}"), &[format!("Host: {odd}").as_bytes()]);
    }
    let mut first = |name: &str, first: &str, lines: &[&[u8]]| {
        list.push((
            name.to_owned(),
            raw::request(first.as_bytes(), &[lines, &[b"Connection: close"]].concat()),
        ));
    };
    first("an absolute target against Host", "GET http://other.example/ HTTP/1.1", &[host]);
    first(
        "an absolute target of a private host",
        "GET http://a.svc.cluster.local/ HTTP/1.1",
        &[host],
    );
    first("an absolute target with an empty host", "GET http:/// HTTP/1.1", &[host]);
    first("an absolute target with a user", "GET http://u:p@app.example/ HTTP/1.1", &[host]);
    first("an absolute target without a Host", "GET http://app.example/?env=env2 HTTP/1.1", &[]);
    first("a target without a slash", "GET x HTTP/1.1", &[host]);
    first("an asterisk", "OPTIONS * HTTP/1.1", &[host]);
    first("a CONNECT", "CONNECT app.example:443 HTTP/1.1", &[host]);
    first("a path with a fragment", "GET /a%23b HTTP/1.1", &[host]);
    first("a path of dots", "GET /../../up/../x HTTP/1.1", &[host]);
    for path in [
        "/x/../up",
        "/./up",
        "/x/%2e%2e/up",
        "/x/%2E%2E/up",
        "/x%2f..%2fup",
        "/x\\..\\up",
        "/%75p",
        "//up",
        "/up/",
        "/up;x",
        "/x/..",
        "/up#x",
        "/up?a#x",
    ] {
        first(
            &format!("the path {path}"),
            &format!("GET {path} HTTP/1.1"),
            &[b"Host: status.example.com"],
        );
    }
    first(
        "a query of 20,000 pairs",
        &format!("GET /?{}env=env2 HTTP/1.1", "a&".repeat(20_000)),
        &[host],
    );
    first("a query of percent signs", "GET /?env=%&%ff=%00&env=%e9 HTTP/1.1", &[host]);
    first("a query of 55,000 bytes", &format!("GET /?env={} HTTP/1.1", long(55_000)), &[host]);
    first("an unknown method", "BREW / HTTP/1.1", &[host]);
    first("HTTP/1.0", "GET / HTTP/1.0", &[host]);
    first("HTTP/9.9", "GET / HTTP/9.9", &[host]);
    let both =
        &[host, b"Transfer-Encoding: chunked", b"Content-Length: 5", b"Connection: close"][..];
    list.push((
        "a transfer encoding and a length".to_owned(),
        [raw::request(b"POST / HTTP/1.1", both), b"0\r\n\r\n".to_vec()].concat(),
    ));
    list
}

/// Requests that are cut. The client does not wait for an answer.
fn cut() -> Vec<(&'static str, Vec<u8>)> {
    let post = |rest: &str| format!("POST / HTTP/1.1\r\nHost: app.example\r\n{rest}").into_bytes();
    vec![
        ("nothing at all", Vec::new()),
        ("half a request line", b"GET / HT".to_vec()),
        ("half a header", b"GET / HTTP/1.1\r\nHost: app.example\r\nenv: en".to_vec()),
        ("no end of the head", b"GET / HTTP/1.1\r\nHost: app.example\r\n".to_vec()),
        ("half a body", post("env: env2\r\nContent-Length: 1000\r\n\r\nhalf")),
        ("half a body of a refused request", post("env: nope\r\nContent-Length: 1000\r\n\r\nhalf")),
        ("half a chunk", post("Transfer-Encoding: chunked\r\n\r\nff\r\nhalf")),
        ("no last chunk", post("Transfer-Encoding: chunked\r\n\r\n4\r\nhalf\r\n")),
        ("a chunk that is none", post("Transfer-Encoding: chunked\r\n\r\nzz\r\n")),
        ("half a preface of HTTP/2", b"PRI * HTTP/2.0\r\n\r\nS".to_vec()),
        ("a preface and nonsense", [&b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"[..], &[0xff; 9]].concat()),
        ("a TLS hello", b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03".to_vec()),
    ]
}

const KNOWN_HTTP1: Known =
    &[("HTTP/9.9", "hyper cannot read it (400); Envoy asks for an upgrade (426)")];

const KNOWN_HTTP2: Known = &[
    (
        "http://u:p@app.example/",
        "a user in `:authority`: Envoy ends the connection, the embedded gateway answers 400",
    ),
    (
        "`:authority` and the Host ``",
        "Envoy resets the stream; the embedded gateway drops Host, \
         as Envoy does with any other one",
    ),
    ("200 times x", "Envoy resets the stream, the embedded gateway answers 431"),
    ("2000 times x", "Envoy ends the connection, the embedded gateway answers 431"),
    ("a x of 61 KiB", "Envoy resets the stream, the embedded gateway answers 431"),
];

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn whatever_is_sent_by_hand_the_next_request_is_answered() {
    let mut differences = Differences::beside(KNOWN_HTTP1);
    for (policy, pair) in pairs().await {
        for (name, request) in by_hand() {
            let mut answers = Vec::new();
            for (gateway, testbed) in pair.each() {
                let answer = raw::send(testbed.address(), &request).await;
                assert_serves(testbed, &format!("{name} ({policy}, {gateway})")).await;
                if let Some(answer) = &answer {
                    assert!(
                        !matches!(answer.status, 500 | 502..=599),
                        "{policy}, {gateway}, {name}: {answer:?}"
                    );
                }
                answers.push(comparable(answer.as_ref()));
            }
            differences.compare(policy, &name, &answers[0], &answers[1]);
        }
        for (name, request) in cut() {
            for (gateway, testbed) in pair.each() {
                raw::hang_up_after(testbed.address(), &request).await;
                assert_serves(testbed, &format!("{name} ({policy}, {gateway})")).await;
            }
        }
        assert_no_vm_failed(&pair.envoy);
    }
    differences.assert_all_known();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn whatever_an_http2_client_sends_the_next_request_is_answered() {
    let mut differences = Differences::beside(KNOWN_HTTP2);
    for (policy, pair) in pairs().await {
        let uris = [
            "http://APP.Example/",
            "http://app.example./",
            "http://app.example:99999/",
            "http://u:p@app.example/",
            "http://*/",
            "http://a..b/",
            "http://[::1]:80/",
            "http://a.svc.cluster.local/",
            "http://1.2.3.4/",
            "http://app.example/?env=%ff",
            "http://env2.dev.example.com/",
            "http://.dev.example.com/",
            "http://-.dev.example.com/",
            "http://a_b.example/",
        ];
        let mut requests: Vec<(String, http::Request<Body>)> =
            uris.iter().map(|uri| ((*uri).to_owned(), get(uri, &[]))).collect();
        for host in ["app.example", "other.example", "a.svc.cluster.local", "", "a,b"] {
            requests.push((
                format!("`:authority` and the Host `{host}`"),
                get("http://app.example/?env=env2", &[("host", host)]),
            ));
        }
        for (name, value) in [
            ("env", &b"\xff\xfe"[..]),
            ("cookie", b"env=\xff"),
            ("user-agent", b"GoogleHC\xff"),
            ("baggage", b"env=\x80"),
            ("via", b"\xff"),
            ("content-type", b"application/grpc\xff"),
            ("x-forwarded-host", b"\xff"),
        ] {
            let mut request = get("http://app.example/", &[]);
            request.headers_mut().insert(name, HeaderValue::from_bytes(value).expect("a value"));
            requests.push((format!("{name} of bytes"), request));
        }
        for (name, count) in [("env", 90), ("cookie", 90), ("x", 90), ("x", 200), ("x", 2000)] {
            let mut request = get("http://app.example/", &[]);
            let headers: &mut HeaderMap = request.headers_mut();
            for number in 0..count {
                headers.append(name, HeaderValue::from(number));
            }
            requests.push((format!("{count} times {name}"), request));
        }
        for (name, kib) in [("env", 59), ("cookie", 59), ("x", 61), ("x", 300)] {
            requests.push((
                format!("a {name} of {kib} KiB"),
                get("http://app.example/", &[(name, &"v".repeat(kib * 1024))]),
            ));
        }
        for (name, request) in requests {
            let mut answers = Vec::new();
            for (gateway, testbed) in pair.each() {
                let mut again = http::Request::new(no_body());
                *again.uri_mut() = request.uri().clone();
                *again.headers_mut() = request.headers().clone();
                let answer = try_send(Version::HTTP_2, testbed.address(), again).await.ok();
                assert_serves(testbed, &format!("{name} ({policy}, {gateway}, HTTP/2)")).await;
                answers.push(comparable(answer.as_ref()));
            }
            differences.compare(policy, &name, &answers[0], &answers[1]);
        }
        assert_no_vm_failed(&pair.envoy);
    }
    differences.assert_all_known();
}
