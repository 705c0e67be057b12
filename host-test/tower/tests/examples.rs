//! The examples, run: a real client on loopback against each.

#[path = "../examples/axum.rs"]
mod axum_example;
#[path = "../examples/hyper.rs"]
mod hyper_example;
#[path = "../examples/tonic.rs"]
mod tonic_example;

use std::net::SocketAddr;

use axum::http::uri::PathAndQuery;
use bytes::Bytes;
use futures_util::{StreamExt, stream};
use gatepost_guests_wasm::PROBE;
use http::{Request, Version};
use http_body_util::{BodyExt, Full};
use hyper_util::client::legacy::Client;
use hyper_util::client::legacy::connect::HttpConnector;
use hyper_util::rt::TokioExecutor;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tonic::Status;
use tonic_example::Text;
use tonic_prost::ProstCodec;

async fn listener() -> (TcpListener, SocketAddr) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    (listener, address)
}

/// What comes back for the bytes of a request, until the server closes.
async fn raw(address: SocketAddr, request: &str) -> String {
    let mut stream = TcpStream::connect(address).await.unwrap();
    stream.write_all(request.as_bytes()).await.unwrap();
    let mut response = String::new();
    stream.read_to_string(&mut response).await.unwrap();
    response
}

fn client(version: Version) -> Client<HttpConnector, Full<Bytes>> {
    Client::builder(TokioExecutor::new()).http2_only(version == Version::HTTP_2).build_http()
}

#[tokio::test]
async fn an_axum_router_is_behind_the_filter() {
    let (listener, address) = listener().await;
    let pool = axum_example::pool(PROBE, axum_example::SCRIPT.to_owned()).unwrap();
    let app = axum_example::app(pool.clone()).into_make_service_with_connect_info::<SocketAddr>();
    tokio::spawn(async move { axum::serve(listener, app).await });
    // The filter sends everything to /hello, before a route is chosen.
    let response =
        raw(address, "GET /anything HTTP/1.1\r\nhost: shop.example\r\nconnection: close\r\n\r\n")
            .await;
    assert!(response.starts_with("HTTP/1.1 200 OK\r\n"), "{response}");
    assert!(
        response.contains("x-filtered: yes\r\n") && response.ends_with("hello, nobody\n"),
        "{response}"
    );
    assert_eq!(pool.open_exchanges(), 0);
}

#[tokio::test]
async fn a_hyper_server_is_behind_the_filter_in_http_1_and_2() {
    let (listener, address) = listener().await;
    let pool = hyper_example::pool(PROBE, hyper_example::SCRIPT, 1).unwrap();
    tokio::spawn(hyper_example::serve(listener, pool));
    for (version, told) in [
        (Version::HTTP_11, format!("POST /a?b host=Some(\"{address}\") seen=true 5 bytes\n")),
        (Version::HTTP_2, format!("POST http://{address}/a?b host=None seen=true 5 bytes\n")),
    ] {
        let request =
            Request::post(format!("http://{address}/a?b")).body(Full::from("hello")).unwrap();
        let response = client(version).request(request).await.unwrap();
        assert_eq!((response.version(), response.status().as_u16()), (version, 200));
        assert_eq!(response.headers()["x-filtered"], "yes");
        assert_eq!(response.into_body().collect().await.unwrap().to_bytes(), told);
    }
}

#[tokio::test]
async fn a_reset_is_one_on_the_wire() {
    let (listener, address) = listener().await;
    let pool = hyper_example::pool(PROBE, "response_body: close response", 1).unwrap();
    tokio::spawn(hyper_example::serve(listener, pool.clone()));
    for version in [Version::HTTP_11, Version::HTTP_2] {
        let request = Request::get(format!("http://{address}/")).body(Full::default()).unwrap();
        let ended = match client(version).request(request).await {
            Ok(response) => response.into_body().collect().await.is_err(),
            Err(_) => true,
        };
        assert!(ended, "{version:?}");
    }
    assert_eq!(pool.open_exchanges(), 0);
}

#[tokio::test]
async fn a_hundred_requests_at_once_share_two_workers() {
    let (listener, address) = listener().await;
    let pool = hyper_example::pool(PROBE, hyper_example::SCRIPT, 2).unwrap();
    tokio::spawn(hyper_example::serve(listener, pool.clone()));
    for version in [Version::HTTP_11, Version::HTTP_2] {
        let client = client(version);
        let calls: Vec<_> = (0..100)
            .map(|number| {
                let client = client.clone();
                let body = Full::from(vec![b'x'; number * 1000]);
                let request =
                    Request::post(format!("http://{address}/{number}")).body(body).unwrap();
                tokio::spawn(async move {
                    let response = client.request(request).await.unwrap();
                    response.into_body().collect().await.unwrap().to_bytes()
                })
            })
            .collect();
        for (number, call) in calls.into_iter().enumerate() {
            let told = String::from_utf8(call.await.unwrap().to_vec()).unwrap();
            let path = format!("/{number} host=");
            assert!(
                told.contains(&path)
                    && told.ends_with(&format!("seen=true {} bytes\n", number * 1000)),
                "{told}"
            );
        }
    }
    assert_eq!(pool.open_exchanges(), 0);
}

#[tokio::test]
async fn a_tonic_service_is_behind_the_filter() {
    let (listener, address) = listener().await;
    let pool = tonic_example::pool(PROBE, tonic_example::SCRIPT).unwrap();
    tokio::spawn(tonic_example::serve(listener, pool.clone()));
    let mut grpc = grpc(address).await;
    let name = |name: &str| Text { text: name.to_owned() };
    let hello = unary(&mut grpc, name("ada")).await.unwrap();
    assert_eq!(hello.metadata().get("x-filtered").unwrap(), "yes");
    assert_eq!(hello.into_inner().text, "hello ada, says nobody");

    let path = PathAndQuery::from_static("/example.Greeter/Chat");
    let names = stream::iter(["ada", "grace", "edsger"].map(name));
    grpc.ready().await.unwrap();
    let codec = ProstCodec::<Text, Text>::default();
    let answers =
        grpc.streaming(tonic::Request::new(names), path, codec).await.unwrap().into_inner();
    let answers: Vec<String> = answers.map(|answer| answer.unwrap().text).collect().await;
    assert_eq!(answers, ["hello ada", "hello grace", "hello edsger"]);
    assert_eq!(pool.open_exchanges(), 0);
}

#[tokio::test]
async fn a_grpc_client_is_refused_in_grpc() {
    let (listener, address) = listener().await;
    let pool =
        tonic_example::pool(PROBE, "request_headers: reply 403 denied \"not you\" -1").unwrap();
    tokio::spawn(tonic_example::serve(listener, pool));
    let refused = unary(&mut grpc(address).await, Text::default()).await.unwrap_err();
    assert_eq!((refused.code(), refused.message()), (tonic::Code::PermissionDenied, "not you"));
}

type Grpc = tonic::client::Grpc<tonic::transport::Channel>;

async fn grpc(address: SocketAddr) -> Grpc {
    let endpoint = tonic::transport::Endpoint::from_shared(format!("http://{address}")).unwrap();
    tonic::client::Grpc::new(endpoint.connect().await.unwrap())
}

async fn unary(grpc: &mut Grpc, message: Text) -> Result<tonic::Response<Text>, Status> {
    grpc.ready().await.unwrap();
    let path = PathAndQuery::from_static("/example.Greeter/Hello");
    grpc.unary(tonic::Request::new(message), path, ProstCodec::<Text, Text>::default()).await
}

#[test]
fn the_guide_shows_the_axum_example_as_it_is() {
    let guide = include_str!("../../../docs/host/embedding.md");
    let (_, example) = include_str!("../examples/axum.rs").split_once("\n\n").unwrap();
    assert!(
        guide.contains(&format!("```rust\n{example}```")),
        "copy examples/axum.rs into docs/host/embedding.md"
    );
}
