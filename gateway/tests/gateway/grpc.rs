//! gRPC through the gateway: metadata, streams, trailers, and the gateway's own answers as gRPC
//! statuses.

use std::time::Duration;

use futures_util::{StreamExt, stream};
use gatepost_gateway::{GatewayOptions, Timeouts};
use gatepost_testbed::client::{received, soon};
use gatepost_testbed::echo::{GreeterClient, HelloRequest, Upstream};
use gatepost_testbed::refusing_address;
use http::Request;
use hyper::body::Incoming;
use tokio::sync::mpsc;
use tonic::Code;

use crate::support::*;

/// Selects the environment's service by the env header, as a policy's authority hint does.
fn by_env(request: &mut Request<Incoming>) -> Verdict {
    match request.headers().get("env").cloned().as_ref().and_then(|env| env.to_str().ok()) {
        Some(env @ ("env1" | "env2")) => {
            let path = request.uri().path().to_owned();
            redirect(request, &format!("app-service.{env}.svc.cluster.local:50051"), &path);
            Verdict::Forward
        }
        Some("broken") => Verdict::Fail,
        _ => Verdict::Forward,
    }
}

#[tokio::test]
async fn two_environments_answer_for_themselves() {
    let one = Upstream::start("one", Some("env1")).await.unwrap();
    let two = Upstream::start("two", Some("env2")).await.unwrap();
    let routes = [
        ("app-service.env1.svc.cluster.local", one.addr()),
        ("app-service.env2.svc.cluster.local", two.addr()),
    ];
    let gateway = gateway(&routes, Deciding(by_env)).await;
    for (env, upstream) in [("env1", "one"), ("env2", "two")] {
        let client = GreeterClient::connect(gateway.address, "app.example").await.unwrap();
        let mut client = client.with_metadata("env", env.as_bytes()).unwrap();
        let reply = soon(client.say_hello("you")).await.unwrap();
        assert_eq!(reply.message, format!("Hello World! ServerEnv:{env}, ClientEnv:{env}"));
        assert_eq!(reply.upstream, upstream);
        let received_head: serde_json::Value = serde_json::from_str(&reply.received_json).unwrap();
        assert_eq!(
            received_head["authority"],
            format!("app-service.{env}.svc.cluster.local:50051")
        );
        assert_eq!(received(&received_head, "te"), ["trailers"]);
    }
}

#[tokio::test]
async fn a_conversation_goes_back_and_forth() {
    let upstream = Upstream::start("u", Some("env1")).await.unwrap();
    let gateway = gateway(&[("*", upstream.addr())], forward()).await;
    let mut client = GreeterClient::connect(gateway.address, "app.example").await.unwrap();
    let (sender, receiver) = mpsc::unbounded_channel();
    let messages = stream::unfold(receiver, |mut receiver| async {
        receiver.recv().await.map(|message| (message, receiver))
    });
    sender.send(HelloRequest { name: "1".into() }).unwrap();
    let mut replies = soon(client.chat(messages)).await.unwrap();
    for turn in 1..=5 {
        let reply = soon(replies.next()).await.unwrap().unwrap();
        assert_eq!(reply.message, "Hello World! ServerEnv:env1, ClientEnv:");
        sender.send(HelloRequest { name: turn.to_string() }).unwrap();
    }
    assert!(soon(replies.next()).await.unwrap().is_ok());
    drop(sender);
    assert!(soon(replies.next()).await.is_none());
}

#[tokio::test]
async fn more_conversations_than_one_connection_holds_go_on_at_once() {
    let upstream = Upstream::start("u", None).await.unwrap();
    let gateway = gateway(&[("*", upstream.addr())], forward()).await;
    let mut open = Vec::new();
    for _ in 0..3 {
        let mut client = GreeterClient::connect(gateway.address, "app.example").await.unwrap();
        for _ in 0..80 {
            let messages = stream::iter([HelloRequest::default()]).chain(stream::pending());
            let mut replies = soon(client.chat(messages)).await.unwrap();
            assert!(soon(replies.next()).await.unwrap().is_ok());
            open.push(replies);
        }
    }
    assert_eq!(open.len(), 240);
}

#[tokio::test]
async fn a_clients_raw_bytes_reach_the_service() {
    let upstream = Upstream::start("u", Some("env1")).await.unwrap();
    let gateway = gateway(&[("*", upstream.addr())], forward()).await;
    let client = GreeterClient::connect(gateway.address, "app.example").await.unwrap();
    let reply = soon(client.with_metadata("env", b"caf\xe9").unwrap().say_hello("")).await.unwrap();
    assert_eq!(reply.message, "Hello World! ServerEnv:env1, ClientEnv:caf\\xe9");
}

#[tokio::test]
async fn local_replies_are_grpc_statuses() {
    let gateway = gateway(&[], Deciding(by_env)).await;
    for (env, code, message) in
        [("broken", Code::Unavailable, ""), ("env1", Code::Unimplemented, "")]
    {
        let client = GreeterClient::connect(gateway.address, "app.example").await.unwrap();
        let status = soon(client.with_metadata("env", env.as_bytes()).unwrap().say_hello(""))
            .await
            .unwrap_err();
        assert_eq!((status.code(), status.message()), (code, message), "{env}");
    }
}

#[tokio::test]
async fn upstreams_that_fail_are_unavailable() {
    let (garbage, _events) = scripted(b"no answer at all\r\n\r\n").await;
    let (silent, _events) = scripted(b"").await;
    let options = GatewayOptions {
        timeouts: Timeouts { route: Some(Duration::from_millis(200)), ..Timeouts::default() },
        ..Default::default()
    };
    let (_kept, refused) = refusing_address().unwrap();
    let routes = [("refused", refused), ("garbage", garbage), ("silent", silent)];
    let gateway = gateway_with(&routes, forward(), options).await;
    for (host, message) in [
        ("refused", "upstream connect error"),
        ("garbage", "upstream error"),
        ("silent", "upstream request timeout"),
    ] {
        let mut client = GreeterClient::connect(gateway.address, host).await.unwrap();
        let status = soon(client.say_hello("")).await.unwrap_err();
        assert_eq!((status.code(), status.message()), (Code::Unavailable, message), "{host}");
    }
}
