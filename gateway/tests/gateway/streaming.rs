//! Bodies are forwarded part by part, before they end.

use std::time::Duration;

use bytes::Bytes;
use gatepost_gateway::{GatewayOptions, Timeouts};
use gatepost_testbed::client::{Client, VERSIONS, body, echo, get, send, soon, text};
use gatepost_testbed::echo::Upstream;
use http::{HeaderMap, HeaderValue, Request, Version};
use http_body_util::{BodyExt, Channel};

use crate::support::*;

#[tokio::test]
async fn a_chunk_comes_back_before_the_request_ends() {
    let upstream = Upstream::start("u", None).await.unwrap();
    let gateway = gateway(&[("*", upstream.addr())], forward()).await;
    for version in VERSIONS {
        let mut client = Client::connect(version, gateway.address).await;
        let (mut sender, channel) = Channel::<Bytes, std::io::Error>::new(1);
        sender.send_data("first".into()).await.unwrap();
        let request = Request::post("http://a/.echo/mirror").body(channel.boxed_unsync()).unwrap();
        let mut answer = client.send(request).await.unwrap().into_body();
        for chunk in ["first", "second", "third"] {
            if chunk != "first" {
                sender.send_data(chunk.into()).await.unwrap();
            }
            let frame = soon(answer.frame()).await.unwrap().unwrap();
            assert_eq!(frame.into_data().unwrap(), chunk);
        }
        drop(sender);
        assert!(soon(answer.collect()).await.unwrap().to_bytes().is_empty());
    }
}

#[tokio::test]
async fn an_answers_chunks_come_one_by_one() {
    let upstream = Upstream::start("u", None).await.unwrap();
    let gateway = gateway(&[("*", upstream.addr())], forward()).await;
    for version in VERSIONS {
        let request = get("http://a/.echo/stream/5", &[]);
        assert_eq!(
            text(send(version, gateway.address, request).await).await,
            "line 1\nline 2\nline 3\nline 4\nline 5\n"
        );
    }
}

#[tokio::test]
async fn trailers_pass_both_ways() {
    let upstream = Upstream::start("u", None).await.unwrap();
    let gateway = gateway(&[("*", upstream.addr())], forward()).await;
    let (mut sender, channel) = Channel::<Bytes, std::io::Error>::new(2);
    let trailers = HeaderMap::from_iter([(
        "x-sum".parse().unwrap(),
        HeaderValue::from_bytes(b"caf\xe9").unwrap(),
    )]);
    sender.send_data("data".into()).await.unwrap();
    sender.send_trailers(trailers.clone()).await.unwrap();
    let request = Request::post("http://a/.echo/mirror").body(channel.boxed_unsync()).unwrap();
    let answer = send(Version::HTTP_2, gateway.address, request).await;
    let collected = soon(answer.into_body().collect()).await.unwrap();
    assert_eq!(collected.trailers(), Some(&trailers));
}

#[tokio::test]
async fn a_large_body_passes_whole() {
    let upstream = Upstream::start("u", None).await.unwrap();
    let gateway = gateway(&[("*", upstream.addr())], forward()).await;
    let large: Bytes = (0..3_000_000_u32).map(|at| (at % 251) as u8).collect();
    for version in VERSIONS {
        let request = Request::post("http://a/.echo/mirror").body(body(large.clone())).unwrap();
        let answer = send(version, gateway.address, request).await;
        assert!(
            soon(answer.into_body().collect()).await.unwrap().to_bytes() == large,
            "{version:?}"
        );
    }
}

#[tokio::test]
async fn readers_that_stop_do_not_hold_up_the_others() {
    let upstream = Upstream::start("u", None).await.unwrap();
    let gateway = gateway(&[("*", upstream.addr())], forward()).await;
    let mut stalled = Client::connect_with_window(1024, gateway.address).await;
    let mut unread = Vec::new();
    for _ in 0..20 {
        let request = get("http://a/.echo/bytes/1000000", &[]);
        let mut answer = stalled.send(request).await.unwrap();
        assert!(soon(answer.body_mut().frame()).await.unwrap().unwrap().is_data());
        unread.push(answer);
    }
    // The gateway gets time to fill its buffers for them. Without it the test could pass by luck;
    // it cannot fail by it.
    tokio::time::sleep(Duration::from_millis(300)).await;
    let request = get("http://a/", &[]);
    assert_eq!(echo(send(Version::HTTP_2, gateway.address, request).await).await["upstream"], "u");
    drop(unread);
}

#[tokio::test]
async fn a_slow_upload_is_no_late_answer() {
    let upstream = Upstream::start("u", None).await.unwrap();
    let options = GatewayOptions {
        timeouts: Timeouts { route: Some(Duration::from_millis(300)), ..Timeouts::default() },
        ..Default::default()
    };
    let gateway = gateway_with(&[("*", upstream.addr())], forward(), options).await;
    for version in VERSIONS {
        let (mut sender, channel) = Channel::<Bytes, std::io::Error>::new(1);
        let request = Request::post("http://a/").body(channel.boxed_unsync()).unwrap();
        let answer = tokio::spawn(send(version, gateway.address, request));
        for _ in 0..4 {
            tokio::time::sleep(Duration::from_millis(150)).await;
            sender.send_data("x".into()).await.unwrap();
        }
        drop(sender);
        assert_eq!(echo(soon(answer).await.unwrap()).await["body"], "xxxx");
    }
}
