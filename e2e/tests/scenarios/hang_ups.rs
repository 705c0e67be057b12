//! Clients that hang up and upstreams that are slow or broken, on a real Envoy. The filter's test
//! build counts the contexts that begin and end; at the end both counts must be equal.

use std::net::SocketAddr;
use std::time::Duration;

use gatepost_render::FailurePolicy;
use gatepost_render::bootstrap::{Module, Plugin, PluginSource, Route};
use gatepost_testbed::envoy::LISTENER;
use gatepost_testbed::envoy::process::{Envoy, Options};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};

use crate::pair::json;
use crate::reload::{bootstrap, eventually};

/// What an upstream does with each connection.
#[derive(Clone, Copy)]
enum Upstream {
    /// Reads and never answers.
    Silent,
    /// Ends the connection at once.
    Gone,
    /// Answers with bytes that are not HTTP.
    Garbage,
    /// Sends half of an answer and ends the connection.
    Half,
}

async fn upstream(kind: Upstream) -> SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
    let address = listener.local_addr().expect("an address");
    tokio::spawn(async move {
        while let Ok((mut stream, _)) = listener.accept().await {
            tokio::spawn(async move {
                let mut bytes = [0; 1024];
                let answer: &[u8] = match kind {
                    Upstream::Gone => return,
                    Upstream::Silent => {
                        while stream.read(&mut bytes).await.is_ok_and(|read| read > 0) {}
                        return;
                    }
                    Upstream::Garbage => b"\x00\xff no HTTP \r\n\r\n",
                    Upstream::Half => b"HTTP/1.1 200 OK\r\ncontent-length: 100\r\n\r\nhalf",
                };
                let _ = stream.read(&mut bytes).await;
                let _ = stream.write_all(answer).await;
            });
        }
    });
    address
}

/// Sends some bytes, waits for an answer or for this long, and hangs up.
async fn hang_up(address: SocketAddr, sent: String, wait: Duration) {
    let mut stream = TcpStream::connect(address).await.expect("a connection");
    stream.write_all(sent.as_bytes()).await.expect("sent");
    let mut bytes = [0; 1024];
    let _ = tokio::time::timeout(wait, stream.read(&mut bytes)).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn no_context_is_lost_when_clients_hang_up_or_upstreams_break() {
    let kinds = [
        ("silent", Upstream::Silent),
        ("gone", Upstream::Gone),
        ("garbage", Upstream::Garbage),
        ("half", Upstream::Half),
    ];
    let mut routes: Vec<Route> = Vec::new();
    for (name, kind) in kinds {
        routes.push(format!("{name}.example={}", upstream(kind).await).parse().expect("a route"));
    }
    let configuration = json("apiVersion: gatepost/v1\nhosts: { private: [\"*.svc\"] }\n");
    let module = Module::Inline(gatepost_filter_wasm::PROBE);
    let plugin =
        Plugin { module, configuration: &configuration, on_failure: FailurePolicy::Closed };
    let binary = gatepost_e2e::envoy().expect("an Envoy");
    let document = bootstrap(&routes, PluginSource::Static(plugin));
    let envoy = Envoy::start(&binary, &document, &Options::default())
        .unwrap_or_else(|error| panic!("{error}"));
    let address = envoy.listener(LISTENER).expect("a listener");

    let (brief, longer) = (Duration::from_millis(5), Duration::from_millis(300));
    let mut clients = Vec::new();
    for (name, _) in
        kinds.into_iter().chain([("db.svc", Upstream::Gone), ("nobody", Upstream::Gone)])
    {
        let host = if name.contains('.') { name.to_owned() } else { format!("{name}.example") };
        for wait in [brief, longer] {
            for rest in [
                "\r\n".to_owned(),
                "content-length: 100\r\n\r\nhalf a body".to_owned(),
                "transfer-encoding: chunked\r\n\r\n5\r\nchu".to_owned(),
                // The head itself is cut, so no context begins.
                "x-cut: ".to_owned(),
            ] {
                for _ in 0..8 {
                    clients.push(tokio::spawn(hang_up(
                        address,
                        format!("POST / HTTP/1.1\r\nhost: {host}\r\n{rest}"),
                        wait,
                    )));
                }
            }
        }
    }
    for client in clients {
        client.await.expect("a client");
    }
    let counter = |name: &str| envoy.counters().expect("counters").get(name).copied().unwrap_or(0);
    let contexts = || {
        (counter("wasmcustom.gatepost.probe.created"), counter("wasmcustom.gatepost.probe.deleted"))
    };
    eventually("every context that began has ended", || async {
        let (created, deleted) = contexts();
        created >= 200 && created == deleted
    })
    .await;
    let (created, deleted) = contexts();
    assert_eq!(created, deleted);
}
