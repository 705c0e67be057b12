//! What happens to requests in flight at a reload, a hang-up and the end.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::Duration;

use gatepost_gateway::{Filter, GatewayOptions};
use gatepost_testbed::client::{Client, VERSIONS, echo, get, received, send, soon};
use gatepost_testbed::echo::Upstream;
use http::{Request, Version};
use hyper::body::Incoming;
use tokio::io::AsyncWriteExt;
use tokio::net::TcpStream;

use crate::support::*;

/// A filter that writes its number into every request.
fn numbered(policy: usize) -> impl Filter {
    Deciding(move |request: &mut Request<Incoming>| {
        request.headers_mut().insert("x-policy", policy.into());
        Verdict::Forward
    })
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn a_filter_is_swapped_under_load_without_losing_a_request() {
    let upstream = Upstream::start("u", None).await.unwrap();
    let gateway = gateway(&[("*", upstream.addr())], numbered(0)).await;
    let (done, served) = (Arc::new(AtomicBool::new(false)), Arc::new(AtomicUsize::new(0)));
    let clients: Vec<_> = (0..8)
        .map(|client| {
            let (done, served, address) = (done.clone(), served.clone(), gateway.address);
            tokio::spawn(async move {
                let mut client = Client::connect(VERSIONS[client % 2], address).await;
                let mut latest = 0;
                while !done.load(Ordering::Relaxed) {
                    let response = client.send(get("http://a/", &[])).await.unwrap();
                    assert_eq!(response.status(), 200);
                    let echo = echo(response).await;
                    let policy: usize = received(&echo, "x-policy")[0].parse().unwrap();
                    assert!(policy >= latest, "policy {policy} after {latest}");
                    latest = policy;
                    served.fetch_add(1, Ordering::Relaxed);
                }
            })
        })
        .collect();
    for policy in 1..=50 {
        let before = served.load(Ordering::Relaxed);
        gateway.filter.swap(&numbered(policy));
        soon(async {
            while served.load(Ordering::Relaxed) < before + 10 {
                tokio::time::sleep(Duration::from_millis(1)).await;
            }
        })
        .await;
    }
    let response = send(Version::HTTP_11, gateway.address, get("http://a/", &[])).await;
    assert_eq!(received(&echo(response).await, "x-policy"), ["50"]);
    done.store(true, Ordering::Relaxed);
    for client in clients {
        client.await.unwrap();
    }
}

#[tokio::test]
async fn a_request_in_flight_is_finished_before_the_end() {
    let upstream = Upstream::start("u", None).await.unwrap();
    for version in VERSIONS {
        let arrived = Arc::new(tokio::sync::Notify::new());
        let arrival = arrived.clone();
        let notify = move |_: &mut Request<Incoming>| {
            arrival.notify_one();
            Verdict::Forward
        };
        let gateway = gateway(&[("*", upstream.addr())], Deciding(notify)).await;
        let address = gateway.address;
        let idle = Client::connect(version, address).await;
        let slow = tokio::spawn(send(version, address, get("http://a/.echo/delay/500", &[])));
        soon(arrived.notified()).await;
        let end = gateway.stop();
        let response = soon(slow).await.unwrap();
        assert_eq!(response.status(), 200);
        assert_eq!(echo(response).await["upstream"], "u");
        assert_eq!(soon(end).await.unwrap(), 0, "{version:?}");
        assert!(TcpStream::connect(address).await.is_err());
        drop(idle);
    }
}

#[tokio::test]
async fn a_request_that_outlasts_the_drain_is_cut() {
    let upstream = Upstream::start("u", None).await.unwrap();
    let arrived = Arc::new(tokio::sync::Notify::new());
    let arrival = arrived.clone();
    let notify = move |_: &mut Request<Incoming>| {
        arrival.notify_one();
        Verdict::Forward
    };
    let options =
        GatewayOptions { drain_timeout: Duration::from_millis(100), ..Default::default() };
    let gateway = gateway_with(&[("*", upstream.addr())], Deciding(notify), options).await;
    let mut client = Client::connect(Version::HTTP_11, gateway.address).await;
    let slow =
        tokio::spawn(async move { client.send(get("http://a/.echo/delay/100000", &[])).await });
    soon(arrived.notified()).await;
    assert_eq!(soon(gateway.stop()).await.unwrap(), 1);
    assert!(soon(slow).await.unwrap().is_err());
}

#[tokio::test]
async fn a_client_that_hangs_up_ends_its_request_at_the_upstream() {
    let (upstream, mut events) = scripted(b"").await;
    let gateway = gateway(&[("*", upstream)], forward()).await;
    let mut stream = TcpStream::connect(gateway.address).await.unwrap();
    stream.write_all(b"GET / HTTP/1.1\r\nHost: a\r\n\r\n").await.unwrap();
    assert_eq!(soon(events.recv()).await, Some("request"));
    drop(stream);
    assert_eq!(soon(events.recv()).await, Some("end"));
}

#[tokio::test]
async fn a_client_that_resets_its_stream_ends_its_answer_at_the_upstream() {
    let (upstream, mut events) =
        scripted(b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n1\r\nx\r\n").await;
    let gateway = gateway(&[("*", upstream)], forward()).await;
    let mut client = Client::connect(Version::HTTP_11, gateway.address).await;
    let response = client.send(get("http://a/", &[])).await.unwrap();
    assert_eq!(soon(events.recv()).await, Some("request"));
    drop((response, client));
    assert_eq!(soon(events.recv()).await, Some("end"));
}
