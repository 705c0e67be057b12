//! Clients that are slow, stop in the middle, or are many: each has its time, and keeps nobody else
//! out.

use std::time::Duration;

use gatepost_gateway::{GatewayOptions, Timeouts};
use gatepost_testbed::client::{Client, VERSIONS, get, send, soon, text};
use gatepost_testbed::echo::Upstream;
use http::{Request, Version};
use http_body_util::{BodyExt, Channel};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

use crate::support::*;

const SHORT: Option<Duration> = Some(Duration::from_millis(300));

fn timeouts(change: impl FnOnce(&mut Timeouts)) -> GatewayOptions {
    let mut options = GatewayOptions::default();
    change(&mut options.timeouts);
    options
}

#[tokio::test]
async fn a_head_that_does_not_come_whole_in_time_is_408() {
    let upstream = Upstream::start("u", None).await.unwrap();
    for options in [
        timeouts(|limits| limits.request_headers = SHORT),
        timeouts(|limits| limits.stream_idle = SHORT),
    ] {
        let gateway = gateway_with(&[("*", upstream.addr())], forward(), options).await;
        for begin in ["G", "PRI * HTTP/2.0\r\n", "GET / HTTP/1.1\r\nHost: a\r\nX-Never-Ends: "] {
            let answer = raw(gateway.address, begin).await;
            assert_eq!(status_of_raw(&answer), "408", "{begin:?}");
            assert!(answer.contains("\r\nconnection: close\r\n"), "{answer}");
        }
        // The second request of a connection, and one whose bytes keep coming.
        let mut client = TcpStream::connect(gateway.address).await.unwrap();
        client.write_all(b"GET / HTTP/1.1\r\nHost: a\r\n\r\nGET / HTTP/1.1\r\n").await.unwrap();
        let (mut reading, mut writing) = client.into_split();
        let dripping = tokio::spawn(async move {
            while writing.write_all(b"X: y\r\n").await.is_ok() {
                tokio::time::sleep(Duration::from_millis(50)).await;
            }
        });
        let mut answers = String::new();
        let _ = soon(reading.read_to_string(&mut answers)).await;
        assert!(answers.starts_with("HTTP/1.1 200 ") && answers.contains("HTTP/1.1 408 "));
        soon(dripping).await.unwrap();
    }
}

#[tokio::test]
async fn a_body_that_stands_still_is_408_and_one_that_moves_is_not() {
    let upstream = Upstream::start("u", None).await.unwrap();
    let options = timeouts(|limits| limits.stream_idle = SHORT);
    let gateway = gateway_with(&[("*", upstream.addr())], forward(), options).await;
    for version in VERSIONS {
        for parts in [1, 10] {
            let (mut sender, channel) = Channel::<bytes::Bytes, std::io::Error>::new(1);
            let request = Request::post("http://a/").body(channel.boxed_unsync()).unwrap();
            let answer = tokio::spawn(send(version, gateway.address, request));
            for _ in 0..parts {
                sender.send_data("x".into()).await.unwrap();
                tokio::time::sleep(Duration::from_millis(60)).await;
            }
            if parts > 1 {
                drop(sender);
                assert_eq!(soon(answer).await.unwrap().status(), 200, "{version:?}");
            } else {
                assert_eq!(soon(answer).await.unwrap().status(), 408, "{version:?}");
            }
        }
    }
    let head = "POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 10\r\n\r\nhalf";
    assert_eq!(status_of_raw(&raw(gateway.address, head).await), "408");
}

#[tokio::test]
async fn a_request_that_takes_too_long_as_a_whole_is_408() {
    let upstream = Upstream::start("u", None).await.unwrap();
    let options = timeouts(|limits| limits.request = SHORT);
    let gateway = gateway_with(&[("*", upstream.addr())], forward(), options).await;
    for version in VERSIONS {
        let (mut sender, channel) = Channel::<bytes::Bytes, std::io::Error>::new(1);
        let request = Request::post("http://a/").body(channel.boxed_unsync()).unwrap();
        let answer = tokio::spawn(send(version, gateway.address, request));
        while sender.send_data("x".into()).await.is_ok() && !answer.is_finished() {
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
        assert_eq!(soon(answer).await.unwrap().status(), 408, "{version:?}");
    }
}

#[tokio::test]
async fn an_answer_has_the_routes_time_with_its_body_and_as_long_as_it_likes_without_one() {
    let slow = b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n1\r\nx\r\n";
    let (stuck, _events) = scripted(slow).await;
    let upstream = Upstream::start("u", None).await.unwrap();
    let routes = [("stuck", stuck), ("u", upstream.addr())];
    for limited in [
        timeouts(|limits| limits.route = SHORT),
        timeouts(|limits| (limits.route, limits.stream_idle) = (None, SHORT)),
    ] {
        let gateway = gateway_with(&routes, forward(), limited).await;
        let mut client = Client::connect(Version::HTTP_11, gateway.address).await;
        let answer = client.send(get("http://stuck/", &[])).await.unwrap();
        assert!(soon(answer.into_body().collect()).await.is_err(), "it breaks off");
        for version in VERSIONS {
            let late = get("http://u/.echo/delay/100000", &[]);
            assert_eq!(send(version, gateway.address, late).await.status(), 504, "{version:?}");
        }
    }
    let unlimited = timeouts(|limits| (limits.route, limits.stream_idle) = (None, None));
    let gateway = gateway_with(&routes, forward(), unlimited).await;
    let late = get("http://u/.echo/delay/1000", &[]);
    assert_eq!(send(Version::HTTP_11, gateway.address, late).await.status(), 200);
}

#[tokio::test]
async fn a_client_that_does_not_read_its_answer_is_hung_up_on() {
    let upstream = Upstream::start("u", None).await.unwrap();
    let options = timeouts(|limits| limits.stream_idle = SHORT);
    let gateway = gateway_with(&[("*", upstream.addr())], forward(), options).await;
    let mut client = TcpStream::connect(gateway.address).await.unwrap();
    client.write_all(b"GET /.echo/bytes/50000000 HTTP/1.1\r\nHost: a\r\n\r\n").await.unwrap();
    soon(async {
        while gateway.stats.snapshot().requests == 0
            || gateway.stats.snapshot().active_connections > 0
        {
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
    })
    .await;
    drop(client);
}

#[tokio::test]
async fn an_early_refusal_says_that_the_connection_ends() {
    let gateway = gateway(&[], Deciding(|_: &mut Request<_>| Verdict::Reply(403, "not you"))).await;
    for body in ["Content-Length: 1000000", "Transfer-Encoding: chunked"] {
        let mut client = TcpStream::connect(gateway.address).await.unwrap();
        let head = format!("POST / HTTP/1.1\r\nHost: a\r\n{body}\r\n\r\n");
        client.write_all(head.as_bytes()).await.unwrap();
        let (mut reading, mut writing) = client.into_split();
        // The client goes on sending, and gets the whole answer all the same.
        let sending = tokio::spawn(async move {
            while writing.write_all(&[b'x'; 1000]).await.is_ok() {
                tokio::task::yield_now().await;
            }
        });
        let mut answer = String::new();
        let read = soon(reading.read_to_string(&mut answer)).await;
        assert!(answer.starts_with("HTTP/1.1 403 ") && answer.ends_with("\r\n\r\nnot you"));
        assert!(answer.contains("\r\nconnection: close\r\n"), "{answer} {read:?}");
        soon(sending).await.unwrap();
    }
    // Without a body, and with one that is there, the connection goes on.
    let mut client = Client::connect(Version::HTTP_11, gateway.address).await;
    for _ in 0..3 {
        let response = client.send(get("http://a/", &[])).await.unwrap();
        assert!(!response.headers().contains_key("connection"));
        assert_eq!(text(response).await, "not you");
    }
}

#[tokio::test]
async fn clients_that_send_nothing_or_half_a_request_keep_nobody_out() {
    let upstream = Upstream::start("u", None).await.unwrap();
    let options = GatewayOptions { max_connections: 20, ..GatewayOptions::default() };
    let gateway = gateway_with(&[("*", upstream.addr())], forward(), options).await;
    let busy = Client::connect(Version::HTTP_11, gateway.address).await;
    let slow = tokio::spawn(async move {
        let mut busy = busy;
        busy.send(get("http://a/.echo/delay/2000", &[])).await.unwrap().status()
    });
    let mut held = Vec::new();
    for begin in [
        "",
        "GET / HTTP/1.1\r\nHost: a\r\n",
        "POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 10\r\n\r\nhalf",
        "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n",
    ] {
        for _ in 0..40 {
            let mut client = TcpStream::connect(gateway.address).await.unwrap();
            client.write_all(begin.as_bytes()).await.unwrap();
            held.push(client);
        }
        for version in VERSIONS {
            let response = send(version, gateway.address, get("http://a/", &[])).await;
            assert_eq!(response.status(), 200, "{version:?} beside {begin:?}");
        }
    }
    assert_eq!(soon(slow).await.unwrap(), 200, "a request that is being answered is not cut");
}
