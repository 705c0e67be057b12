//! What a client sends and Envoy refuses before any filter: the gateway refuses it too, and answers
//! the next client.

use std::time::Duration;

use gatepost_gateway::{GatewayOptions, Timeouts};
use gatepost_testbed::client::{Client, VERSIONS, get, no_body, send};
use gatepost_testbed::echo::Upstream;
use http::{Request, Version};
use hyper::body::Incoming;

use crate::support::*;

/// A filter that no refused request may reach.
fn untouched(request: &mut Request<Incoming>) -> Verdict {
    if request.uri().path() == "/served" { Verdict::Forward } else { Verdict::Reply(299, "") }
}

async fn refusing() -> (Upstream, Running) {
    let upstream = Upstream::start("u", None).await.unwrap();
    let gateway = gateway(&[("*", upstream.addr())], Deciding(untouched)).await;
    (upstream, gateway)
}

async fn assert_serves(gateway: &Running) {
    for version in VERSIONS {
        let response = send(version, gateway.address, get("http://a/served", &[])).await;
        assert_eq!(response.status(), 200);
    }
}

#[tokio::test]
async fn requests_that_envoy_refuses_are_refused_with_its_status() {
    let (_upstream, gateway) = refusing().await;
    for (request, status) in [
        ("GET / HTTP/1.1\r\n\r\n", "400"),
        ("GET / HTTP/1.0\r\nHost: a\r\n\r\n", "426"),
        ("GET / HTTP/1.1\r\nHost: caf\u{e9}.example\r\n\r\n", "400"),
        ("GET / HTTP/1.1\r\nHost: a b\r\n\r\n", "400"),
        ("GET / HTTP/1.1\r\nHost: a\r\nConnection: host\r\n\r\n", "400"),
        ("GET / HTTP/1.1\r\nHost: a\r\nConnection: Upgrade\r\nUpgrade: spdy/3\r\n\r\n", "403"),
        ("CONNECT a:443 HTTP/1.1\r\nHost: a:443\r\n\r\n", "404"),
        ("GET https://a/ HTTP/1.1\r\nHost: a\r\n\r\n", "403"),
        ("GET /caf\u{e9} HTTP/1.1\r\nHost: a\r\n\r\n", "400"),
        ("BREW / HTTP/1.1\r\nHost: a\r\n\r\n", "400"),
        ("POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: gzip, chunked\r\n\r\n0\r\n\r\n", "501"),
        ("GET / HTTP/1.1\r\nHost: a\r\nConnection: x-forwarded-for\r\n\r\n", "400"),
        ("OPTIONS * HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n", "404"),
        ("GET * HTTP/1.1\r\nHost: a\r\n\r\n", "400"),
        ("GET ftp://a/ HTTP/1.1\r\nHost: a\r\n\r\n", "400"),
        ("GET /#f HTTP/1.1\r\nHost: a\r\n\r\n", "400"),
        ("GET /?a#f HTTP/1.1\r\nHost: a\r\n\r\n", "400"),
        (
            "POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n\
             0\r\n\r\n",
            "400",
        ),
        ("POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 2\r\nContent-Length: 2\r\n\r\nab", "400"),
        ("nonsense\r\n\r\n", "400"),
        ("GET / HTTP/1.1\r\nHost: a\r\nContent-Length: x\r\n\r\n", "400"),
        ("GET / HTTP/1.1\r\nHost: a\r\nBad Name: x\r\n\r\n", "400"),
    ] {
        assert_eq!(status_of_raw(&raw(gateway.address, request).await), status, "{request:?}");
    }
    assert_serves(&gateway).await;
}

#[tokio::test]
async fn heads_over_60_kib_or_100_lines_are_431() {
    let (_upstream, gateway) = refusing().await;
    let lines = |count: usize| "x: y\r\n".repeat(count);
    for (headers, status) in [
        (format!("x: {}\r\n", "v".repeat(50 * 1024)), "299"),
        (format!("x: {}\r\n", "v".repeat(60 * 1024)), "431"),
        (format!("x: {}\r\n", "v".repeat(200 * 1024)), "431"),
        (lines(98), "299"),
        (lines(99), "431"),
        (lines(5000), "431"),
    ] {
        let request = format!("GET / HTTP/1.1\r\nHost: a\r\nConnection: close\r\n{headers}\r\n");
        assert_eq!(
            status_of_raw(&raw(gateway.address, &request).await),
            status,
            "{} bytes",
            request.len()
        );
    }
    for (request, status) in [
        (Request::get("http://a/").header("x", "v".repeat(50 * 1024)), 299),
        (Request::get("http://a/").header("x", "v".repeat(60 * 1024)), 431),
        ((0..96).fold(Request::get("http://a/"), |request, line| request.header("x", line)), 299),
        ((0..97).fold(Request::get("http://a/"), |request, line| request.header("x", line)), 431),
        ((0..3000).fold(Request::get("http://a/"), |request, line| request.header("x", line)), 431),
    ] {
        let response =
            send(Version::HTTP_2, gateway.address, request.body(no_body()).unwrap()).await;
        assert_eq!(response.status(), status);
    }
    assert_serves(&gateway).await;
}

#[tokio::test]
async fn http2_requests_that_envoy_refuses_are_refused() {
    let (_upstream, gateway) = refusing().await;
    let connect = http::Request::connect("a:443").body(no_body()).unwrap();
    assert_eq!(
        Client::connect(Version::HTTP_2, gateway.address)
            .await
            .send(connect)
            .await
            .unwrap()
            .status(),
        404
    );
    let user = get("http://u@a/", &[]);
    assert_eq!(send(Version::HTTP_2, gateway.address, user).await.status(), 400);
    assert_serves(&gateway).await;
}

#[tokio::test]
async fn an_h2c_upgrade_is_ignored() {
    let (_upstream, gateway) = refusing().await;
    let request = "GET / HTTP/1.1\r\nHost: a\r\nConnection: Upgrade, HTTP2-Settings, close\r\n\
                   Upgrade: h2c\r\nHTTP2-Settings: \r\n\r\n";
    assert_eq!(status_of_raw(&raw(gateway.address, request).await), "299");
}

#[tokio::test]
async fn a_client_that_says_nothing_or_too_little_is_hung_up_on() {
    let upstream = Upstream::start("u", None).await.unwrap();
    let options = GatewayOptions {
        timeouts: Timeouts {
            idle: Some(Duration::from_millis(200)),
            request_headers: Some(Duration::from_millis(200)),
            ..Timeouts::default()
        },
        ..Default::default()
    };
    let gateway = gateway_with(&[("*", upstream.addr())], Deciding(untouched), options).await;
    for beginning in [
        "",
        "PRI * HTTP/2.0",
        "GET ",
        "GET / HTTP/1.1\r\nHost: a\r\nX-Never-Ends: ",
        "GET / HTTP/1.1\r\nHost: a\r\n\r\n",
    ] {
        // `raw` returns only when the gateway ends the connection. The last one gets its answer
        // before.
        raw(gateway.address, beginning).await;
    }
    assert_serves(&gateway).await;
}

#[tokio::test]
async fn more_clients_than_there_is_room_for_wait_their_turn() {
    let upstream = Upstream::start("u", None).await.unwrap();
    let options = GatewayOptions { max_connections: 2, ..Default::default() };
    let gateway = gateway_with(&[("*", upstream.addr())], forward(), options).await;
    let tasks: Vec<_> = (0..20)
        .map(|_| {
            tokio::spawn(raw(
                gateway.address,
                "GET / HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n",
            ))
        })
        .collect();
    for task in tasks {
        assert_eq!(status_of_raw(&task.await.unwrap()), "200");
    }
}
