//! A customer's domain in the spellings that clients use, over both protocols: one route table
//! serves them all.

use gatepost_testbed::client::{Body, VERSIONS, get, no_body};
use http::Version;

use crate::answer::{send, try_send};
use crate::pair::Pair;
use crate::raw;

/// A Host or `:authority`, and the one that the upstream must receive.
const MAPPED: &[&str] = &[
    "my-service.test.com",
    "My-Service.Test.COM",
    "my-service.test.com:443",
    "my-service.test.com:80",
    "my-service.test.com:",
    "my-service.test.com.",
    "MY-SERVICE.TEST.COM.:8443",
];

/// Hosts that look like a mapped one. No mapping covers them, so they are forwarded as they are.
const UNMAPPED: &[(&str, &str)] = &[
    ("my-service.test.com.evil.example", "my-service.test.com.evil.example"),
    ("xmy-service.test.com", "xmy-service.test.com"),
    ("Other.Example.", "other.example"),
    ("Other.Example.:8080", "other.example:8080"),
    ("other.example:", "other.example"),
    ("10.0.0.1:80", "10.0.0.1:80"),
    ("[2001:DB8::1]:80", "[2001:db8::1]:80"),
    ("under_score.example", "under_score.example"),
];

/// Refused with 400 by both gateways, in the codec or in the filter.
const INVALID: &[&str] = &[
    "my-service..test.com",
    "my-service.test.com..",
    ".my-service.test.com",
    "my-service.test.com:99999",
    "my-service.test.com:x",
    "user@my-service.test.com",
    "my-service%2etest.com",
    "a.example,b.example",
    "[::1",
    "[fe80::1%25eth0]",
    "my-service.test.com/",
];

fn http1(host: &str) -> Vec<u8> {
    raw::get(&[format!("Host: {host}").as_bytes(), b"Connection: close"])
}

/// A request with exactly this `:authority`; `None` if the `http` crate cannot hold it.
fn http2(authority: &str) -> Option<http::Request<Body>> {
    let authority: http::uri::Authority = authority.parse().ok()?;
    let uri = http::Uri::builder()
        .scheme("http")
        .authority(authority)
        .path_and_query("/")
        .build()
        .ok()?;
    http::Request::get(uri).body(no_body()).ok()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn every_spelling_of_a_custom_domain_reaches_its_service() {
    let pair = Pair::shipped("knative-gclb").await;
    for (gateway, testbed) in pair.each() {
        for host in MAPPED {
            let mut answers = vec![(
                "HTTP/1.1",
                raw::send(testbed.address(), &http1(host)).await.expect("an answer"),
            )];
            if let Some(request) = http2(host) {
                answers.push(("HTTP/2", send(Version::HTTP_2, testbed.address(), request).await));
            }
            for (protocol, answer) in answers {
                assert_eq!(answer.by(), "my-service", "{gateway} {protocol} {host}: {answer:?}");
                assert_eq!(
                    answer.authority(),
                    "my-service.default.example.com",
                    "{gateway} {protocol} {host}"
                );
                assert_eq!(answer.received("x-forwarded-host"), [*host], "{gateway} {protocol}");
            }
        }
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn other_hosts_go_on_in_canonical_form_and_no_original_is_told() {
    let pair = Pair::shipped("knative-gclb").await;
    for (gateway, testbed) in pair.each() {
        for (host, upstream) in UNMAPPED {
            let mut answers = vec![(
                "HTTP/1.1",
                raw::send(testbed.address(), &http1(host)).await.expect("an answer"),
            )];
            if let Some(request) = http2(host) {
                answers.push(("HTTP/2", send(Version::HTTP_2, testbed.address(), request).await));
            }
            for (protocol, answer) in answers {
                assert_eq!(
                    answer.authority(),
                    *upstream,
                    "{gateway} {protocol} {host}: {answer:?}"
                );
                assert_eq!(
                    answer.received("x-forwarded-host"),
                    [""; 0],
                    "{gateway} {protocol} {host}"
                );
            }
        }
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_host_that_is_no_authority_is_refused() {
    let pair = Pair::shipped("knative-gclb").await;
    for (gateway, testbed) in pair.each() {
        for host in INVALID {
            let answer = raw::send(testbed.address(), &http1(host)).await.expect("an answer");
            assert_eq!((answer.status, answer.echo()), (400, None), "{gateway} {host}");
            if let Some(request) = http2(host) {
                // Envoy's codec ends the connection for a user in `:authority`.
                match try_send(Version::HTTP_2, testbed.address(), request).await {
                    Ok(answer) => assert_eq!(
                        (answer.status, answer.echo()),
                        (400, None),
                        "{gateway} HTTP/2 {host}"
                    ),
                    Err(error) => assert!(
                        gateway == "envoy" && host.contains('@'),
                        "{gateway} HTTP/2 {host}: {error}"
                    ),
                }
            }
        }
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_client_cannot_say_which_host_was_the_original() {
    let pair = Pair::shipped("knative-gclb").await;
    for (gateway, testbed) in pair.each() {
        for (uri, original) in [
            ("http://my-service.test.com/", &["my-service.test.com"][..]),
            ("http://other.example/", &[]),
        ] {
            let forged =
                [("x-forwarded-host", "evil.example"), ("x-forwarded-host", "worse.example")];
            for headers in [&forged[..1], &forged[..]] {
                for version in VERSIONS {
                    let answer = send(version, testbed.address(), get(uri, headers)).await;
                    assert_eq!(
                        answer.received("x-forwarded-host"),
                        original,
                        "{gateway} {version:?} {uri}"
                    );
                }
            }
        }
    }
}
