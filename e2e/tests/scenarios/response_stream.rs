//! What comes before and after a response's headers, which the filter leaves alone: informational
//! responses, the body and trailers.

use std::net::SocketAddr;

use gatepost_render::bootstrap::{PluginSource, Route};
use gatepost_testbed::envoy::LISTENER;
use gatepost_testbed::envoy::process::{Envoy, Options};
use http::{HeaderMap, HeaderValue, Request, Version};
use http_body_util::{BodyExt, Full};
use hyper::body::Bytes;
use serde_json::{Value, json};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpListener;

use crate::answer::send;
use crate::pair::{self, Pair};
use crate::raw::Connection;
use crate::reload::{bootstrap, plugin};
use crate::replaceable::Replaceable;

const POLICY: &str = "
apiVersion: gatepost/v1
environments: { sources: [{ header: env }], allow: [env1] }
hosts: { mappings: [{ host: shop.test, authority: shop.default.example }] }
";

const WRITTEN: &str = "http://shop.default.example/a";

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_body_and_trailers_stay_as_they_are() {
    let pair = Pair::start(POLICY, &[("*", "shop")]).await;
    let trailers = HeaderMap::from_iter(
        [
            ("location", WRITTEN),
            ("set-cookie", "a=1; Domain=shop.default.example"),
            ("vary", "accept"),
        ]
        .map(|(name, value)| (name.parse().expect("a name"), HeaderValue::from_static(value))),
    );
    for (gateway, testbed) in pair.each() {
        let with_trailers = trailers.clone();
        let body = Full::new(Bytes::from(WRITTEN))
            .with_trailers(async move { Some(Ok(with_trailers)) })
            .map_err(|never| match never {})
            .boxed_unsync();
        let uri = format!("http://shop.test/.echo/answer/201?location={WRITTEN}");
        let request = Request::post(uri).body(body).expect("a request");
        let answer = send(Version::HTTP_2, testbed.address(), request).await;
        assert_eq!(answer.header("location"), Some("http://shop.test/a"), "{gateway}");
        assert_eq!(answer.header("vary"), Some("env"), "{gateway}");
        assert_eq!((answer.text().as_str(), &answer.trailers), (WRITTEN, &trailers), "{gateway}");
    }
}

/// An upstream that answers each connection's request with these bytes, and ends it.
async fn upstream(answer: &'static str) -> SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
    let address = listener.local_addr().expect("an address");
    tokio::spawn(async move {
        while let Ok((mut stream, _)) = listener.accept().await {
            let mut bytes = [0; 4096];
            let _ = stream.read(&mut bytes).await;
            let _ = stream.write_all(answer.as_bytes()).await;
        }
    });
    address
}

const HINTED: &str = "HTTP/1.1 103 Early Hints\r\nlink: <http://shop.default.example/a.css>\r\n\
    location: http://shop.default.example/a\r\n\r\nHTTP/1.1 302 Found\r\n\
    location: http://shop.default.example/a\r\ncontent-length: 0\r\nconnection: close\r\n\r\n";

const GET: &[u8] = b"GET / HTTP/1.1\r\nHost: shop.test\r\n\r\n";

/// Both gateways keep them to themselves, unless Envoy has its switch for them.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn early_hints_are_no_response_yet() {
    let upstream = upstream(HINTED).await;
    for (gateway, running) in Replaceable::both(POLICY, upstream).await {
        let mut connection = Connection::open(running.address()).await;
        connection.write(GET).await;
        let answer = connection.answer().await.expect("an answer");
        assert_eq!(answer.all("location"), ["http://shop.test/a"], "{gateway}");
        assert_eq!(answer.all("vary"), ["env"], "{gateway}");
    }
    let policy = pair::json(POLICY);
    let routes: Vec<Route> = vec![format!("*={upstream}").parse().expect("a route")];
    let document = bootstrap(&routes, PluginSource::Static(plugin(&policy)));
    let mut document: Value = serde_json::from_str(&document).expect("JSON");
    let switch = json!({ "envoy.reloadable_features.proxy_102_103": true });
    document["layered_runtime"] =
        json!({ "layers": [{ "name": "static", "static_layer": switch }] });
    let listener = &mut document["static_resources"]["listeners"][0];
    listener["filter_chains"][0]["filters"][0]["typed_config"]["proxy_100_continue"] = true.into();
    let binary = gatepost_e2e::envoy().expect("an Envoy");
    let envoy = Envoy::start(&binary, &document.to_string(), &Options::default())
        .unwrap_or_else(|error| panic!("{error}"));
    let mut connection = Connection::open(envoy.listener(LISTENER).expect("a listener")).await;
    connection.write(GET).await;
    let hints = connection.answer().await.expect("hints");
    assert_eq!(
        (hints.status, hints.all("location"), hints.all("vary")),
        (103, vec![WRITTEN], vec![])
    );
    let answer = connection.answer().await.expect("an answer");
    assert_eq!(answer.all("location"), ["http://shop.test/a"]);
    assert_eq!(answer.all("vary"), ["env"]);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_answer_after_100_continue_names_the_clients_host() {
    let pair = Pair::start(POLICY, &[("*", "shop")]).await;
    let line = format!("location: {WRITTEN}\n");
    for (gateway, testbed) in pair.each() {
        let mut connection = Connection::open(testbed.address()).await;
        let head = format!(
            "POST /.echo/head/302 HTTP/1.1\r\nHost: shop.test\r\nExpect: 100-continue\r\n\
             Content-Length: {}\r\n\r\n",
            line.len()
        );
        connection.write(head.as_bytes()).await;
        let go_on = connection.answer().await.expect("an answer");
        assert_eq!((go_on.status, go_on.headers.as_slice()), (100, &[][..]), "{gateway}");
        connection.write(line.as_bytes()).await;
        let answer = connection.answer().await.expect("an answer");
        assert_eq!(answer.all("location"), ["http://shop.test/a"], "{gateway}");
        assert_eq!(answer.all("vary"), ["env"], "{gateway}");
    }
}
