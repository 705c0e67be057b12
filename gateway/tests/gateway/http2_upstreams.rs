//! HTTP/2 upstreams that allow few streams, refuse some, go away, or do not speak HTTP/2 at all.

use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use bytes::Bytes;
use gatepost_gateway::{GatewayOptions, Timeouts};
use gatepost_testbed::client::{Body, Client, echo, get, no_body, received, send, soon, text};
use gatepost_testbed::echo::Upstream;
use http::{Request, Response, Version};
use http_body_util::BodyExt;
use tokio::net::TcpListener;

use crate::support::*;

/// What an HTTP/2 upstream does with a stream: the connection's number and the stream's on it.
#[derive(Clone, Copy)]
enum Act {
    Answer,
    Refuse,
    /// It answers, and announces the end of the connection.
    GoAway,
}

/// An upstream on which each answer takes a while. Counts its connections.
async fn upstream(
    streams: u32,
    act: impl Fn(usize, usize) -> Act + Send + Sync + 'static,
) -> (SocketAddr, Arc<AtomicUsize>) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let (act, connections) = (Arc::new(act), Arc::new(AtomicUsize::new(0)));
    let counted = connections.clone();
    tokio::spawn(async move {
        while let Ok((socket, _)) = listener.accept().await {
            let number = counted.fetch_add(1, Ordering::SeqCst);
            let act = act.clone();
            tokio::spawn(async move {
                let mut builder = h2::server::Builder::new();
                let mut connection =
                    builder.max_concurrent_streams(streams).handshake::<_, Bytes>(socket).await?;
                let mut stream = 0;
                while let Some(accepted) = connection.accept().await {
                    let (_request, mut respond) = accepted?;
                    let act = act(number, stream);
                    stream += 1;
                    match act {
                        Act::Refuse => {
                            respond.send_reset(h2::Reason::REFUSED_STREAM);
                            continue;
                        }
                        Act::GoAway => connection.graceful_shutdown(),
                        Act::Answer => {}
                    }
                    tokio::spawn(async move {
                        tokio::time::sleep(Duration::from_millis(300)).await;
                        let mut body = respond.send_response(Response::new(()), false)?;
                        body.send_data("fine".into(), true)
                    });
                }
                Ok::<_, h2::Error>(())
            });
        }
    });
    (address, connections)
}

async fn fine(address: SocketAddr) {
    let response = send(Version::HTTP_2, address, get("http://a/", &[])).await;
    assert_eq!((response.status().as_u16(), text(response).await.as_str()), (200, "fine"));
}

#[tokio::test]
async fn requests_beyond_the_streams_that_an_upstream_allows_take_another_connection() {
    for (streams, requests) in [(1, 5_usize), (2, 3), (2, 9), (7, 30)] {
        let (address, connections) = upstream(streams, |_, _| Act::Answer).await;
        let gateway = gateway(&[("*", address)], forward()).await;
        let asked = (0..requests).map(|_| tokio::spawn(fine(gateway.address)));
        for asked in asked.collect::<Vec<_>>() {
            soon(asked).await.unwrap();
        }
        let connections = connections.load(Ordering::SeqCst);
        let streams = streams as usize;
        assert!(connections <= requests.div_ceil(streams), "{connections} for {requests}");
        // Those connections are used again.
        for _ in 0..5 {
            fine(gateway.address).await;
        }
    }
    let (address, _) = upstream(0, |_, _| Act::Answer).await;
    let gateway = gateway(&[("*", address)], forward()).await;
    let response = send(Version::HTTP_2, gateway.address, get("http://a/", &[])).await;
    assert_eq!(response.status(), 503);
}

#[tokio::test]
async fn a_request_that_an_upstream_did_not_look_at_is_sent_again_if_it_has_no_body() {
    // The first stream of the first connection is not taken.
    let (address, connections) =
        upstream(
            100,
            |connection, stream| {
                if (connection, stream) == (0, 0) { Act::Refuse } else { Act::Answer }
            },
        )
        .await;
    let one_refusal = gateway(&[("*", address)], forward()).await;
    fine(one_refusal.address).await;
    assert_eq!(connections.load(Ordering::SeqCst), 2);
    // An upstream that takes none is not asked for ever, and a body is not sent twice.
    let (address, connections) = upstream(100, |_, _| Act::Refuse).await;
    let gateway = gateway(&[("*", address)], forward()).await;
    let response = send(Version::HTTP_2, gateway.address, get("http://a/", &[])).await;
    assert_eq!(response.status(), 502);
    assert_eq!(connections.load(Ordering::SeqCst), 3);
    let body = gatepost_testbed::client::body("x");
    let post = Request::post("http://a/").body(body).unwrap();
    assert_eq!(send(Version::HTTP_2, gateway.address, post).await.status(), 502);
}

#[tokio::test]
async fn after_goaway_the_next_request_takes_another_connection() {
    let (address, connections) = upstream(100, |_, _| Act::GoAway).await;
    let gateway = gateway(&[("*", address)], forward()).await;
    for number in 1..=3 {
        fine(gateway.address).await;
        assert_eq!(connections.load(Ordering::SeqCst), number);
    }
}

#[tokio::test]
async fn an_http2_client_reaches_an_upstream_that_speaks_http_1_1_only() {
    for refusal in [
        &b"HTTP/1.1 400 Bad Request\r\nconnection: close\r\ncontent-length: 0\r\n\r\n"[..],
        b"HTTP/1.0 505 Version\r\n\r\n",
        b"",
    ] {
        let (address, mut requests) = answering(move |request| {
            if request.starts_with("PRI ") {
                return (!refusal.is_empty()).then(|| refusal.to_vec());
            }
            let head =
                "HTTP/1.1 200 OK\r\nconnection: x-hop\r\nx-hop: 1\r\ncontent-length: 4\r\n\r\n";
            Some([head.as_bytes(), b"fine"].concat())
        })
        .await;
        let gateway = gateway(&[("*", address)], forward()).await;
        for number in 0..3 {
            let request = Request::post("http://a.example:81/x?y")
                .header("cookie", "a=1")
                .header("cookie", "b=2")
                .header("te", "trailers");
            let request = request.body(streamed("hello")).unwrap();
            let response = send(Version::HTTP_2, gateway.address, request).await;
            assert_eq!(response.status(), 200);
            assert!(!response.headers().contains_key("x-hop"));
            assert_eq!(text(response).await, "fine");
            let mut request = soon(requests.recv()).await.unwrap();
            // It is asked for HTTP/2 once.
            if number == 0 && request.starts_with("PRI ") {
                request = soon(requests.recv()).await.unwrap();
            }
            assert!(request.starts_with("POST /x?y HTTP/1.1\r\n"), "{request}");
            for part in
                ["host: a.example:81\r\n", "cookie: a=1; b=2\r\n", "\r\n5\r\nhello\r\n0\r\n"]
            {
                assert!(request.contains(part), "{part:?} in {request}");
            }
        }
    }
    // One that takes the preface for a request that is not whole.
    let (address, _events) = scripted(b"").await;
    let timeouts = Timeouts { connect: Duration::from_millis(300), ..Timeouts::default() };
    let options = GatewayOptions { timeouts, ..GatewayOptions::default() };
    let gateway = gateway_with(&[("*", address)], forward(), options).await;
    let response = send(Version::HTTP_2, gateway.address, get("http://a/", &[])).await;
    assert_eq!(response.status(), 504);
}

fn streamed(text: &'static str) -> Body {
    let (mut sender, channel) = http_body_util::Channel::<Bytes, std::io::Error>::new(1);
    tokio::spawn(async move { sender.send_data(text.into()).await });
    channel.boxed_unsync()
}

#[tokio::test]
async fn an_upstream_of_either_version_gets_the_clients_own() {
    let upstream = Upstream::start("u", None).await.unwrap();
    let gateway = gateway(&[("*", upstream.addr())], forward()).await;
    let mut client = Client::connect(Version::HTTP_2, gateway.address).await;
    let request = Request::get("http://a/").body(no_body()).unwrap();
    // Only HTTP/1.1 has a Host line.
    let echo = echo(client.send(request).await.unwrap()).await;
    assert!(received(&echo, "host").is_empty());
}
