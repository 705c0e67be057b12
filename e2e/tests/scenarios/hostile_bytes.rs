//! Every byte that a client can send in a place that the filter reads, one request for each: 0x80
//! to 0xff, none of which is UTF-8 alone, and every control byte. A filter over the stock
//! proxy-wasm SDK panics on the first of them, and takes its whole gateway down.

use crate::differences::Differences;
use crate::hostile::{assert_no_vm_failed, assert_serves, comparable, pairs};
use crate::raw;

/// The places for the byte: a name, and the request with the byte.
fn places(byte: u8) -> Vec<(&'static str, Vec<u8>)> {
    let host: &[u8] = b"Host: app.example";
    let close: &[u8] = b"Connection: close";
    let with = |before: &[u8], after: &[u8]| [before, &[byte], after].concat();
    let header = |before: &[u8], after: &[u8]| raw::get(&[host, &with(before, after), close]);
    vec![
        ("user-agent", header(b"User-Agent: GoogleHC", b"/1.0")),
        ("env", header(b"env: env", b"2")),
        ("env alone", header(b"env: x", b"")),
        ("cookie", header(b"Cookie: env=env", b"2; stage=x")),
        ("a cookie's name", header(b"Cookie: env", b"=env2")),
        ("baggage", header(b"baggage: env=env", b"2")),
        ("via", header(b"Via: 1.1 ", b"google")),
        ("x-gatepost-env", header(b"X-Gatepost-Env: env", b"2")),
        ("x-forwarded-host", header(b"X-Forwarded-Host: a", b".example")),
        ("x-forwarded-for", header(b"X-Forwarded-For: 35.191.0.", b"1")),
        ("content-type", header(b"Content-Type: application/grpc", b"")),
        (
            "content-type and a refusal",
            raw::get(&[
                host,
                &with(b"Content-Type: application/grpc", b"+x"),
                b"env: nope!",
                close,
            ]),
        ),
        ("knative-serving-revision", header(b"Knative-Serving-Revision: ", b"x")),
        ("Host", raw::get(&[&with(b"Host: my-service", b".test.com"), close])),
        ("Host alone", raw::get(&[&with(b"Host: x", b""), close])),
        ("query", raw::request(&with(b"GET /?env=env", b"2 HTTP/1.1"), &[host, close])),
        ("path", raw::request(&with(b"GET /u", b"p HTTP/1.1"), &[host, close])),
    ]
}

/// The only byte that the gateways parse differently. Envoy removes a carriage return without a
/// line feed from a header line, so the filter and the upstream get the value without it; hyper
/// refuses the request. RFC 9112 §2.2 allows both, or a space in its place.
const KNOWN: u8 = b'\r';

async fn every_byte(bytes: impl Iterator<Item = u8> + Clone) {
    let mut differences = Differences::beside(&[]);
    for (policy, pair) in pairs().await {
        for byte in bytes.clone() {
            for (place, request) in places(byte) {
                let mut answers = Vec::new();
                for (gateway, testbed) in pair.each() {
                    let answer = raw::send(testbed.address(), &request).await;
                    assert_serves(
                        testbed,
                        &format!("{byte:#04x} in {place} ({policy}, {gateway})"),
                    )
                    .await;
                    answers.push(comparable(answer.as_ref()));
                }
                if byte == KNOWN {
                    assert_eq!(answers[1], "refused with 400 before the filter", "{place}");
                } else {
                    differences.compare(
                        policy,
                        &format!("{byte:#04x} in {place}"),
                        &answers[0],
                        &answers[1],
                    );
                }
            }
        }
        assert_no_vm_failed(&pair.envoy);
    }
    differences.assert_all_known();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn bytes_that_are_not_utf8_take_nothing_down_in_any_place_that_is_read() {
    every_byte(0x80..=0xff).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn control_bytes_take_nothing_down_in_any_place_that_is_read() {
    // A line feed ends a line, so the text after it is another header.
    every_byte((0x00..=0x20).filter(|byte| *byte != b'\n').chain([0x7f])).await;
}
