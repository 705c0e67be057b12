//! The border between two requests on one connection: a body must never be read as a request, also
//! not after the filter answered before the body came.

use crate::answer::Answer;
use crate::differences::{Differences, Known};
use crate::hostile::{assert_no_vm_failed, assert_serves, pairs};
use crate::raw::Connection;

const SMUGGLED: &str = "GET /smuggled HTTP/1.1\r\nHost: app.example\r\nenv: env2\r\n\r\n";
const NEXT: &str =
    "GET /next HTTP/1.1\r\nHost: app.example\r\nenv: env2\r\nConnection: close\r\n\r\n";

/// Requests whose body looks like another request.
fn hiding() -> Vec<(&'static str, String)> {
    let length = SMUGGLED.len();
    let post = |headers: &str, body: &str| {
        format!("POST /first HTTP/1.1\r\nHost: app.example\r\n{headers}\r\n{body}")
    };
    let chunked = format!("{length:x}\r\n{SMUGGLED}\r\n0\r\n\r\n");
    vec![
        (
            "a body that goes upstream",
            post(&format!("env: env2\r\nContent-Length: {length}\r\n"), SMUGGLED),
        ),
        (
            "a body of a refused request",
            post(&format!("env: no!\r\nContent-Length: {length}\r\n"), SMUGGLED),
        ),
        (
            "a chunked body that goes upstream",
            post("env: env2\r\nTransfer-Encoding: chunked\r\n", &chunked),
        ),
        (
            "a chunked body of a refused request",
            post("env: no!\r\nTransfer-Encoding: chunked\r\n", &chunked),
        ),
        (
            "a body of a private host",
            format!("POST / HTTP/1.1\r\nHost: a.svc\r\nContent-Length: {length}\r\n\r\n{SMUGGLED}"),
        ),
        (
            "a body of an invalid host",
            format!("POST / HTTP/1.1\r\nHost: a..b\r\nContent-Length: {length}\r\n\r\n{SMUGGLED}"),
        ),
        (
            "a body of a health check's answer",
            format!(
                "POST /up HTTP/1.1\r\nHost: status.example.com\r\n\
                 Content-Length: {length}\r\n\r\n{SMUGGLED}"
            ),
        ),
        (
            "a body that waits for 100",
            post(
                &format!("env: no!\r\nExpect: 100-continue\r\nContent-Length: {length}\r\n"),
                SMUGGLED,
            ),
        ),
        (
            "a GET with a body",
            format!(
                "GET / HTTP/1.1\r\nHost: app.example\r\nenv: env2\r\n\
                 Content-Length: {length}\r\n\r\n{SMUGGLED}"
            ),
        ),
        (
            "a length and chunks",
            post(
                &format!("env: env2\r\nContent-Length: {length}\r\nTransfer-Encoding: chunked\r\n"),
                &chunked,
            ),
        ),
        (
            "two lengths",
            post(
                &format!("env: env2\r\nContent-Length: {length}\r\nContent-Length: 0\r\n"),
                SMUGGLED,
            ),
        ),
        (
            "two lengths in one line",
            post(&format!("env: env2\r\nContent-Length: {length}, 0\r\n"), SMUGGLED),
        ),
        (
            "a length with a sign",
            post(&format!("env: env2\r\nContent-Length: +{length}\r\n"), SMUGGLED),
        ),
        ("a negative length", post("env: env2\r\nContent-Length: -1\r\n", SMUGGLED)),
        ("a length of hex digits", post("env: env2\r\nContent-Length: 0x10\r\n", SMUGGLED)),
        (
            "chunked twice",
            post(
                "env: env2\r\nTransfer-Encoding: chunked\r\nTransfer-Encoding: chunked\r\n",
                &chunked,
            ),
        ),
        (
            "chunked and identity",
            post("env: env2\r\nTransfer-Encoding: chunked, identity\r\n", &chunked),
        ),
        ("chunked with a tab", post("env: env2\r\nTransfer-Encoding:\tchunked\r\n", &chunked)),
        ("chunked in odd case", post("env: env2\r\nTransfer-Encoding: cHuNkEd\r\n", &chunked)),
        (
            "chunked with a vertical tab",
            post("env: env2\r\nTransfer-Encoding: \x0bchunked\r\n", &chunked),
        ),
        (
            "a blank before the colon",
            post("env: env2\r\nTransfer-Encoding : chunked\r\n", &chunked),
        ),
        ("a folded header", post("env: env2\r\nTransfer-Encoding:\r\n chunked\r\n", &chunked)),
        (
            "a chunk size that overflows",
            post(
                "env: env2\r\nTransfer-Encoding: chunked\r\n",
                "ffffffffffffffff1\r\nx\r\n0\r\n\r\n",
            ),
        ),
        (
            "a chunk extension",
            post(
                "env: env2\r\nTransfer-Encoding: chunked\r\n",
                &format!("{length:x};a=\"b\"\r\n{SMUGGLED}\r\n0\r\n\r\n"),
            ),
        ),
        (
            "a trailer named as a hint",
            post(
                "env: env2\r\nTransfer-Encoding: chunked\r\nTrailer: x-gatepost-env\r\n",
                "0\r\nx-gatepost-env: forged\r\n\r\n",
            ),
        ),
        (
            "line feeds alone",
            "POST /first HTTP/1.1\nHost: app.example\nenv: env2\nContent-Length: 0\n\n".to_owned(),
        ),
    ]
}

/// Who answered, with the path that arrived; or the status of a refused request.
fn short(answer: &Answer) -> String {
    match answer.echo() {
        Some(echo) => format!("{} {}", answer.by(), echo["path"].as_str().unwrap_or_default()),
        None => answer.by(),
    }
}

/// An answer before the body was read: Envoy ends the connection, the embedded gateway reads the
/// body and goes on. Both are safe.
const UNREAD: &str = "after an answer of its own Envoy ends the connection, \
                      the embedded gateway reads the rest and goes on";

const KNOWN: Known = &[
    ("a body of a refused request", UNREAD),
    ("a chunked body of a refused request", UNREAD),
    ("a body of a private host", UNREAD),
    ("a body of an invalid host", UNREAD),
    ("a body of a health check's answer", UNREAD),
    ("a body that waits for 100", UNREAD),
    ("chunked and identity", "Envoy does not know it (501), hyper cannot frame it (400)"),
    ("a folded header", "Envoy unfolds it, hyper refuses it (RFC 9112 §5.2 allows both)"),
];

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_body_is_never_taken_for_a_request() {
    let mut differences = Differences::beside(KNOWN);
    for (policy, pair) in pairs().await {
        for (name, request) in hiding() {
            let mut seen = Vec::new();
            for (gateway, testbed) in pair.each() {
                let mut connection = Connection::open(testbed.address()).await;
                connection.write(request.as_bytes()).await;
                let mut answers = Vec::new();
                if let Some(mut first) = connection.answer().await {
                    // `100 Continue` is not the answer yet.
                    if first.status == 100 {
                        first = connection.answer().await.unwrap_or(first);
                    }
                    answers.push(short(&first));
                    connection.write(NEXT.as_bytes()).await;
                    while let Some(answer) = connection.answer().await {
                        answers.push(short(&answer));
                    }
                }
                assert!(
                    !answers.iter().any(|answer| answer.contains("smuggled")),
                    "{policy}, {gateway}, {name}: {answers:?}"
                );
                assert!(answers.len() <= 2, "{policy}, {gateway}, {name}: {answers:?}");
                assert_serves(testbed, &format!("{name} ({policy}, {gateway})")).await;
                seen.push(answers);
            }
            differences.compare(policy, name, &seen[0], &seen[1]);
        }
        assert_no_vm_failed(&pair.envoy);
    }
    differences.assert_all_known();
}
