//! A real policy in front of real upstreams, over every protocol; and upstreams that fail.

use gatepost_testbed::client::{VERSIONS, echo, get, no_body, received, send, text};
use gatepost_testbed::echo::{GreeterClient, Upstream};
use gatepost_testbed::refusing_address;
use http::Version;
use tonic::Code;

use crate::served::{Folder, Served, shipped};

#[tokio::test]
async fn a_policy_decides_over_both_versions_of_http() {
    let service = Upstream::start("my-service", None).await.unwrap();
    let routes = [("my-service.default.example.com", service.addr())];
    let served = Served::start(&shipped("knative-gclb"), &routes).await;
    for version in VERSIONS {
        let request = http::Request::get("http://My-Service.test.com:443/orders?id=1")
            .header("knative-serving-namespace", "kube-system");
        let response = send(version, served.address, request.body(no_body()).unwrap()).await;
        assert_eq!(response.status(), 200, "{version:?}");
        let echo = echo(response).await;
        assert_eq!(echo["authority"], "my-service.default.example.com");
        assert_eq!(echo["path"], "/orders?id=1");
        assert_eq!(received(&echo, "x-forwarded-host"), ["My-Service.test.com:443"]);
        assert_eq!(received(&echo, "knative-serving-namespace"), [""; 0]);

        for (uri, status) in [
            ("http://db.svc.cluster.local/", 404),
            ("http://my-service.default.example.com/", 200),
            ("http://nobody.example/", 404),
        ] {
            let response = send(version, served.address, get(uri, &[])).await;
            assert_eq!(response.status(), status, "{uri} {version:?}");
        }
    }
}

#[tokio::test]
async fn a_policy_decides_over_grpc_between_two_real_services() {
    let first = Upstream::start("first", Some("env1")).await.unwrap();
    let second = Upstream::start("second", Some("env2")).await.unwrap();
    let routes = [
        ("app-service.env1.svc.cluster.local", first.addr()),
        ("app-service.env2.svc.cluster.local", second.addr()),
    ];
    let served = Served::start(&shipped("asm-grpc-env"), &routes).await;
    let client = || GreeterClient::connect(served.address, "app.example");

    let reply = client().await.unwrap().say_hello("x").await.unwrap();
    assert_eq!(reply.message, "Hello World! ServerEnv:env1, ClientEnv:");
    let reply = client()
        .await
        .unwrap()
        .with_metadata("env", b"env2")
        .unwrap()
        .say_hello("x")
        .await
        .unwrap();
    assert_eq!(
        (reply.message.as_str(), reply.upstream.as_str()),
        ("Hello World! ServerEnv:env2, ClientEnv:env2", "second")
    );
    let refused = client()
        .await
        .unwrap()
        .with_metadata("env", b"env3")
        .unwrap()
        .say_hello("x")
        .await
        .unwrap_err();
    assert_eq!(refused.code(), Code::Unimplemented, "404 in gRPC's words");
    let bytes = client()
        .await
        .unwrap()
        .with_metadata("env", b"\xff\xfe")
        .unwrap()
        .say_hello("x")
        .await
        .unwrap_err();
    assert_eq!(bytes.code(), Code::Unimplemented);
    let reply = client().await.unwrap().say_hello("x").await.unwrap();
    assert_eq!(reply.upstream, "first", "and the next request is answered as before");
}

#[tokio::test]
async fn an_upstream_that_fails_is_told_from_one_that_is_not_there() {
    let closing = Upstream::start("closing", None).await.unwrap();
    let (_kept, down) = refusing_address().unwrap();
    let routes = [("closing.example", closing.addr()), ("down.example", down)];
    let folder = Folder::with("p");
    let served = Served::start(&folder.policy(), &routes).await;
    for version in VERSIONS {
        for (uri, status) in
            [("http://down.example/", 503), ("http://closing.example/.echo/close", 502)]
        {
            let response = send(version, served.address, get(uri, &[])).await;
            assert_eq!(response.status(), status, "{uri} {version:?}");
            assert!(!text(response).await.is_empty(), "the body says why");
        }
        let response = send(version, served.address, get("http://closing.example/", &[])).await;
        assert_eq!(echo(response).await["upstream"], "closing", "and the upstream is asked again");
    }
    let mut client = GreeterClient::connect(served.address, "down.example").await.unwrap();
    assert_eq!(client.say_hello("x").await.unwrap_err().code(), Code::Unavailable);
}

#[tokio::test]
async fn an_upstream_that_comes_up_later_is_found() {
    let (_kept, address) = refusing_address().unwrap();
    let folder = Folder::with("p");
    let served = Served::start(&folder.policy(), &[("*", address)]).await;
    let ask = || async { send(Version::HTTP_11, served.address, get("http://a/", &[])).await };
    assert_eq!(ask().await.status(), 503);
    let _upstream = Upstream::start_on(address, "late", None).await.unwrap();
    assert_eq!(ask().await.status(), 200);
}

#[tokio::test]
async fn the_access_log_has_a_line_for_each_request_with_the_rule_that_answered() {
    let upstream = Upstream::start("u", None).await.unwrap();
    let mut served =
        Served::start_with(&shipped("knative-gclb"), &[("*", upstream.addr())], &["--access-log"])
            .await;
    let answered = send(Version::HTTP_11, served.address, get("http://a.example/x?y=1", &[])).await;
    assert_eq!(answered.status(), 200);
    let line = served.logs().await;
    assert!(
        line.contains(&format!(" GET a.example/x?y=1 -> {} 200 via_upstream ", upstream.addr())),
        "{line}"
    );
    send(Version::HTTP_2, served.address, get("http://db.svc/", &[])).await;
    let line = served.logs().await;
    assert!(line.contains(" GET db.svc/ -> - 404 gatepost.host.private "), "{line}");
}
