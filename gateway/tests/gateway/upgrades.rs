//! HTTP/1.1 connections that change their protocol, as WebSockets do: what the two ends say then
//! passes unread.

use std::time::Duration;

use gatepost_gateway::{GatewayOptions, Timeouts};
use gatepost_testbed::client::{get, send, soon};
use http::Version;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

use crate::support::*;

const ASK: &str = "GET /chat HTTP/1.1\r\nHost: a\r\nConnection: keep-alive, Upgrade\r\n\
                   Upgrade: WebSocket\r\nSec-WebSocket-Key: x\r\n\r\n";
const SWITCH: &str = "HTTP/1.1 101 Switching Protocols\r\nconnection: Upgrade\r\n\
                      upgrade: websocket\r\nsec-websocket-accept: y\r\n\r\n";

/// An upstream that gives this answer to a request, and then sends back what comes.
async fn echoing(answer: &'static str) -> std::net::SocketAddr {
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    tokio::spawn(async move {
        while let Ok((mut stream, _)) = listener.accept().await {
            tokio::spawn(async move {
                let mut head = Vec::new();
                while !head.ends_with(b"\r\n\r\n") {
                    head.push(stream.read_u8().await?);
                }
                let head = String::from_utf8_lossy(&head).to_ascii_lowercase();
                let is_asked = head.contains("connection: upgrade\r\n")
                    && head.contains("upgrade: websocket\r\n");
                let refusal = "HTTP/1.1 400 No\r\ncontent-length: 0\r\n\r\n";
                let answer = if is_asked { answer } else { refusal };
                stream.write_all(answer.as_bytes()).await?;
                let (mut reading, mut writing) = stream.split();
                tokio::io::copy(&mut reading, &mut writing).await?;
                writing.shutdown().await
            });
        }
    });
    address
}

async fn read_head(client: &mut TcpStream) -> String {
    let mut head = Vec::new();
    while !head.ends_with(b"\r\n\r\n") {
        head.push(soon(client.read_u8()).await.unwrap());
    }
    String::from_utf8(head).unwrap()
}

#[tokio::test]
async fn a_websocket_passes_both_ways_until_an_end_closes() {
    let gateway = gateway(&[("*", echoing(SWITCH).await)], forward()).await;
    let mut client = TcpStream::connect(gateway.address).await.unwrap();
    // The first bytes of the new protocol may come with the request.
    client.write_all(format!("{ASK}early").as_bytes()).await.unwrap();
    let head = read_head(&mut client).await;
    assert!(head.starts_with("HTTP/1.1 101 "), "{head}");
    for line in ["connection: upgrade\r\n", "upgrade: websocket\r\n", "sec-websocket-accept: y\r\n"]
    {
        assert!(head.contains(line), "{line:?} in {head}");
    }
    let mut heard = [0; 5];
    soon(client.read_exact(&mut heard)).await.unwrap();
    assert_eq!(&heard, b"early");
    for _ in 0..3 {
        client.write_all(b"GET /<x> HTTP/1.1\r\n\r\n\0\xff").await.unwrap();
        let mut heard = [0; 23];
        soon(client.read_exact(&mut heard)).await.unwrap();
        assert_eq!(&heard, b"GET /<x> HTTP/1.1\r\n\r\n\0\xff");
    }
    client.shutdown().await.unwrap();
    assert_eq!(soon(client.read_to_end(&mut Vec::new())).await.unwrap(), 0);
}

#[tokio::test]
async fn an_upgrade_that_the_upstream_does_not_take_is_an_ordinary_answer() {
    let answer =
        "HTTP/1.1 426 Upgrade Required\r\ncontent-length: 2\r\nconnection: close\r\n\r\nno";
    let gateway = gateway(&[("*", echoing(answer).await)], forward()).await;
    let asked = ASK.replace("keep-alive", "close");
    let heard = raw(gateway.address, asked).await;
    assert!(heard.starts_with("HTTP/1.1 426 ") && heard.ends_with("\r\n\r\nno"), "{heard}");
}

#[tokio::test]
async fn nobody_changes_the_protocol_unasked() {
    let (switching, _requests) = answering(|_| Some(SWITCH.into())).await;
    let gateway = gateway(&[("*", switching)], forward()).await;
    let response = send(Version::HTTP_11, gateway.address, get("http://a/", &[])).await;
    assert_eq!(response.status(), 502);
    // A filter may not ask for one either.
    let asking = |request: &mut http::Request<hyper::body::Incoming>| {
        request.headers_mut().insert("connection", "upgrade".parse().unwrap());
        request.headers_mut().insert("upgrade", "websocket".parse().unwrap());
        Verdict::Forward
    };
    gateway.filter.swap(&Deciding(asking));
    let response = send(Version::HTTP_11, gateway.address, get("http://a/", &[])).await;
    assert_eq!(response.status(), 502);
}

#[tokio::test]
async fn only_the_protocols_of_the_options_pass() {
    let options = GatewayOptions { upgrades: Vec::new(), ..GatewayOptions::default() };
    let gateway = gateway_with(&[("*", echoing(SWITCH).await)], forward(), options).await;
    assert_eq!(status_of_raw(&raw(gateway.address, ASK).await), "403");
}

#[tokio::test]
async fn a_connection_that_changed_its_protocol_may_not_be_idle_for_ever() {
    let idle = Some(Duration::from_millis(300));
    let timeouts = Timeouts { stream_idle: idle, ..Timeouts::default() };
    let options = GatewayOptions { timeouts, ..GatewayOptions::default() };
    let gateway = gateway_with(&[("*", echoing(SWITCH).await)], forward(), options).await;
    let mut client = TcpStream::connect(gateway.address).await.unwrap();
    client.write_all(ASK.as_bytes()).await.unwrap();
    read_head(&mut client).await;
    for _ in 0..10 {
        client.write_all(b"x").await.unwrap();
        assert_eq!(soon(client.read_u8()).await.unwrap(), b'x');
        tokio::time::sleep(Duration::from_millis(60)).await;
    }
    assert_eq!(soon(client.read_to_end(&mut Vec::new())).await.unwrap_or(0), 0);
}
