//! Answers of the gateway's own: no route, filters that reply or fail, upstreams that do not
//! answer.

use std::time::Duration;

use gatepost_gateway::{GatewayOptions, Timeouts};
use gatepost_testbed::client::{Client, VERSIONS, echo, get, send, soon, text};
use gatepost_testbed::echo::Upstream;
use gatepost_testbed::refusing_address;
use http::Request;
use hyper::body::Incoming;

use crate::support::*;

#[tokio::test]
async fn a_host_without_a_route_is_404_with_an_empty_body() {
    let upstream = Upstream::start("u", None).await.unwrap();
    let gateway = gateway(&[("a.example", upstream.addr())], forward()).await;
    for version in VERSIONS {
        for host in ["b.example", "a.example.", "x.a.example"] {
            let response =
                send(version, gateway.address, get(&format!("http://{host}/"), &[])).await;
            assert_eq!(response.status(), 404, "{host}");
            assert!(!response.headers().contains_key("content-type"));
            assert_eq!(text(response).await, "");
        }
    }
}

#[tokio::test]
async fn a_filters_reply_is_the_answer() {
    let gateway =
        gateway(&[], Deciding(|_: &mut Request<Incoming>| Verdict::Reply(403, "not you"))).await;
    for version in VERSIONS {
        let response = send(version, gateway.address, get("http://a/", &[])).await;
        assert_eq!(response.status(), 403);
        assert_eq!(response.headers()["server"], "gatepost");
        assert_eq!(text(response).await, "not you");
    }
}

#[tokio::test]
async fn a_filter_that_failed_or_panicked_is_503_and_the_next_request_is_served() {
    let upstream = Upstream::start("u", None).await.unwrap();
    let fail = |request: &mut Request<Incoming>| match request.uri().path() {
        "/fail" => Verdict::Fail,
        "/panic" => std::panic::resume_unwind(Box::new("a filter's panic")),
        _ => Verdict::Forward,
    };
    let gateway = gateway(&[("*", upstream.addr())], Deciding(fail)).await;
    for version in VERSIONS {
        let mut client = Client::connect(version, gateway.address).await;
        for (path, status) in [("fail", 503), ("panic", 503), ("fine", 200)] {
            let response = client.send(get(&format!("http://a/{path}"), &[])).await.unwrap();
            assert_eq!(response.status(), status, "{path}");
            text(response).await;
        }
    }
}

#[tokio::test]
async fn an_upstream_that_cannot_be_reached_is_503() {
    let (_kept, down) = refusing_address().unwrap();
    let gateway = gateway(&[("*", down)], forward()).await;
    for version in VERSIONS {
        let response = send(version, gateway.address, get("http://a/", &[])).await;
        assert_eq!(response.status(), 503);
        assert_eq!(text(response).await, "upstream connect error");
    }
}

#[tokio::test]
async fn an_upstream_that_ends_without_a_valid_answer_is_502() {
    let echo = Upstream::start("u", None).await.unwrap();
    let (garbage, _events) = scripted(b"no answer at all\r\n\r\n").await;
    let (switch, _events) =
        scripted(b"HTTP/1.1 101 Switching Protocols\r\nconnection: upgrade\r\nupgrade: x\r\n\r\n")
            .await;
    let gateway =
        gateway(&[("echo", echo.addr()), ("garbage", garbage), ("switch", switch)], forward())
            .await;
    for version in VERSIONS {
        for host in ["echo", "garbage", "switch"] {
            let request = get(&format!("http://{host}/.echo/close"), &[]);
            assert_eq!(
                send(version, gateway.address, request).await.status(),
                502,
                "{version:?} {host}"
            );
        }
    }
}

#[tokio::test]
async fn an_upstream_that_is_late_is_504() {
    let upstream = Upstream::start("u", None).await.unwrap();
    let options = GatewayOptions {
        timeouts: Timeouts { route: Some(Duration::from_millis(100)), ..Timeouts::default() },
        ..Default::default()
    };
    let gateway = gateway_with(&[("*", upstream.addr())], forward(), options).await;
    for version in VERSIONS {
        let response =
            send(version, gateway.address, get("http://a/.echo/delay/100000", &[])).await;
        assert_eq!(response.status(), 504);
        assert_eq!(text(response).await, "upstream request timeout");
    }
}

#[tokio::test]
async fn an_upstream_that_comes_back_is_used_again() {
    let upstream = Upstream::start("first", None).await.unwrap();
    let address = upstream.addr();
    let gateway = gateway(&[("*", address)], forward()).await;
    for version in VERSIONS {
        assert_eq!(send(version, gateway.address, get("http://a/", &[])).await.status(), 200);
    }
    soon(upstream.shutdown()).await;
    for version in VERSIONS {
        let status = send(version, gateway.address, get("http://a/", &[])).await.status();
        assert!(status == 503 || status == 502, "{version:?} {status}");
    }
    let _upstream = Upstream::start_on(address, "second", None).await.unwrap();
    for version in VERSIONS {
        let response = send(version, gateway.address, get("http://a/", &[])).await;
        assert_eq!(echo(response).await["upstream"], "second");
    }
}
