//! The gateway with scripted proxy-wasm filters: what any filter may do to requests and responses,
//! not only Gatepost's own. The layer is the one that policies run in.

use std::sync::{Arc, LazyLock, Mutex};

use bytes::Bytes;
use gatepost_gateway::{
    Access, AccessLog, FilterModule, GatewayOptions, PolicyError, PolicyFilter,
};
use gatepost_host::{Engine, EngineOptions, Metrics, Module};
use gatepost_testbed::client::{
    Client, VERSIONS, body, echo, get, no_body, received, send, soon, text,
};
use gatepost_testbed::echo::{GreeterClient, Upstream};
use gatepost_testbed::refusing_address;
use http::{Request, Version};
use http_body_util::{BodyExt, Channel};
use tonic::Code;

use crate::support::*;

static PROBE: LazyLock<FilterModule> = LazyLock::new(|| {
    let engine = Engine::new(EngineOptions::default()).unwrap();
    FilterModule::of(Module::new(&engine, "probe", gatepost_guests_wasm::PROBE).unwrap())
});

/// A filter that does what a script says, in one VM.
fn script(script: &str) -> PolicyFilter {
    PolicyFilter::start(&PROBE, script, 1, Metrics::default()).unwrap()
}

/// Options with an access log, and what it says: status, details and upstream.
fn logged() -> (GatewayOptions, impl Fn() -> Vec<(u16, String, bool)>) {
    let seen: Arc<Mutex<Vec<Access>>> = Arc::default();
    let log = seen.clone();
    let access_log = Some(AccessLog::new(move |access| log.lock().unwrap().push(access.clone())));
    let line = |access: &Access| (access.status, access.details.clone(), access.upstream.is_some());
    let read = move || seen.lock().unwrap().drain(..).map(|access| line(&access)).collect();
    (GatewayOptions { access_log, ..GatewayOptions::default() }, read)
}

#[tokio::test]
async fn a_filter_changes_both_messages_headers_bodies_and_trailers() {
    let upstream = Upstream::start("u", None).await.unwrap();
    let filter = script(
        "request_headers: replace request_headers :path /.echo/mirror
        request_headers: replace request_headers :authority b.internal
        request_headers: remove request_headers content-length
        request_body.more: pause
        request_body.end: set_body request 0 100 \"written anew\"
        response_headers: add response_headers x-filtered yes
        response_headers: replace response_headers :status 202
        response_body.end: add response_trailers x-sum 42",
    );
    let gateway = gateway(&[("b.internal", upstream.addr())], filter).await;
    for version in VERSIONS {
        let request = Request::post("http://a.example/x").body(body("as it came")).unwrap();
        let response = send(version, gateway.address, request).await;
        assert_eq!(
            (response.status().as_u16(), &response.headers()["x-filtered"]),
            (202, &"yes".parse().unwrap())
        );
        let collected = soon(response.into_body().collect()).await.unwrap();
        // A client of HTTP/1.1 that has not asked for trailers gets none.
        let sum = collected.trailers().map(|trailers| trailers["x-sum"].clone());
        assert_eq!(sum, (version == Version::HTTP_2).then(|| "42".parse().unwrap()));
        assert_eq!(collected.to_bytes(), "written anew", "{version:?}");
    }
}

#[tokio::test]
async fn a_filter_is_shown_what_envoy_shows_it() {
    let upstream = Upstream::start("u", None).await.unwrap();
    let gateway = gateway(
        &[("*", upstream.addr())],
        script("request_headers: add request_headers x-seen yes"),
    )
    .await;
    let request = Request::get("http://a/")
        .header("user-agent", "x")
        .header("user-agent", "y")
        .header("env", "1")
        .header("env", "2");
    let request = request.header("cookie", "a=1").header("cookie", "b=2");
    let echo =
        echo(send(Version::HTTP_2, gateway.address, request.body(no_body()).unwrap()).await).await;
    assert_eq!(received(&echo, "user-agent"), ["x,y"], "kept in one slot");
    assert_eq!(received(&echo, "env"), ["1", "2"], "and not");
    assert_eq!(received(&echo, "cookie"), ["a=1; b=2"], "split by HTTP/2");
    assert_eq!(received(&echo, "x-seen"), ["yes"]);
}

#[tokio::test]
async fn a_filters_reply_says_in_the_log_why() {
    let (options, log) = logged();
    let reply = "request_headers: reply 403 denied \"100% no\" -1 x-why because";
    let (_kept, down) = refusing_address().unwrap();
    let gateway = gateway_with(&[("*", down)], script(reply), options).await;
    for version in VERSIONS {
        let response = send(version, gateway.address, get("http://a/", &[])).await;
        assert_eq!(response.status(), 403);
        assert_eq!(response.headers()["x-why"], "because");
        assert_eq!(response.headers()["server"], "gatepost");
        assert_eq!(text(response).await, "100% no");
        assert_eq!(log(), [(403, "denied".to_owned(), false)]);
    }
    let mut client = GreeterClient::connect(gateway.address, "a").await.unwrap();
    let status = soon(client.say_hello("")).await.unwrap_err();
    assert_eq!((status.code(), status.message()), (Code::PermissionDenied, "100% no"));
    assert_eq!(log(), [(200, "denied".to_owned(), false)]);
}

#[tokio::test]
async fn what_a_filter_writes_and_nobody_can_send_is_answered_as_envoy_answers() {
    let upstream = Upstream::start("u", None).await.unwrap();
    for (change, status, said) in [
        ("add request_headers x \"a\\nb: c\"", 503, "invalid header value for: x"),
        ("add request_headers \"x y\" a", 503, "invalid header name: x y"),
        ("replace request_headers :path \"/no space\"", 503, "invalid header value for: :path"),
        ("replace request_headers :path *", 404, ""),
        ("replace request_headers :method CONNECT", 404, ""),
        ("remove request_headers :method", 503, "missing required header: :method"),
        ("remove request_headers :path", 404, ""),
        ("remove request_headers :authority", 404, ""),
    ] {
        let gateway =
            gateway(&[("*", upstream.addr())], script(&format!("request_headers: {change}"))).await;
        for version in VERSIONS {
            let response = send(version, gateway.address, get("http://a/", &[])).await;
            assert_eq!(response.status(), status, "{change} {version:?}");
            assert_eq!(text(response).await, said, "{change} {version:?}");
        }
    }
}

#[tokio::test]
async fn what_a_filter_says_of_the_connection_stays_with_the_gateway() {
    let upstream = Upstream::start("u", None).await.unwrap();
    let filter = script(
        "request_headers: add request_headers connection close
        request_headers: add request_headers transfer-encoding gzip
        response_headers: add response_headers connection close
        response_headers: add response_headers transfer-encoding gzip",
    );
    let gateway = gateway(&[("*", upstream.addr())], filter).await;
    for version in VERSIONS {
        let response = send(version, gateway.address, get("http://a/", &[])).await;
        assert!(
            !response.headers().contains_key("connection")
                && !response.headers().contains_key("transfer-encoding")
        );
        let echo = echo(response).await;
        assert_eq!(
            (received(&echo, "connection"), received(&echo, "transfer-encoding")),
            (vec![], vec![]),
            "{version:?}"
        );
    }
}

#[tokio::test]
async fn an_upstreams_failure_passes_the_filter_as_envoys_own_replies_do() {
    let (options, log) = logged();
    let filter = script("response_headers: add response_headers x-filtered yes");
    let (_kept, down) = refusing_address().unwrap();
    let gateway = gateway_with(&[("down", down)], filter, options).await;
    for version in VERSIONS {
        for (host, status, why) in [
            ("down", 503, "upstream connect error: no connection to "),
            ("other", 404, "route_not_found"),
        ] {
            let response =
                send(version, gateway.address, get(&format!("http://{host}/"), &[])).await;
            assert_eq!(response.status(), status);
            assert_eq!(response.headers()["x-filtered"], "yes");
            assert_eq!(response.headers()["server"], "gatepost");
            let lines = log();
            let [(logged, details, asked)] = &lines[..] else { panic!("{lines:?}") };
            assert!(
                (*logged, *asked) == (status, host == "down") && details.starts_with(why),
                "{lines:?}"
            );
        }
    }
}

#[tokio::test]
async fn a_vm_that_traps_fails_its_request_and_is_built_anew_after_the_back_off() {
    let (options, log) = logged();
    let upstream = Upstream::start("u", None).await.unwrap();
    // Only a request with a body makes it trap.
    let gateway =
        gateway_with(&[("*", upstream.addr())], script("request_body: trap"), options).await;
    let mut client = Client::connect(Version::HTTP_11, gateway.address).await;
    let mut ask = async |content: &'static str| {
        let request = Request::post("http://a/")
            .body(if content.is_empty() { no_body() } else { body(content) })
            .unwrap();
        let response = client.send(request).await.unwrap();
        let status = response.status().as_u16();
        text(response).await;
        status
    };
    let failed =
        |line: &(u16, String, bool)| (line.0, line.1.as_str()) == (503, "wasm_fail_stream");
    assert_eq!((ask("").await, log().len()), (200, 1));
    for _ in 0..2 {
        assert_eq!(ask("trap").await, 503);
        soon(async { while ask("").await == 503 {} }).await;
        let lines = log();
        let (served, before) = lines.split_last().unwrap();
        assert_eq!(served, &(200, "via_upstream".to_owned(), true));
        assert!(!before.is_empty() && before.iter().all(failed), "{before:?}");
    }
}

#[tokio::test]
async fn a_configuration_that_the_filter_refuses_is_refused_in_its_words_and_once() {
    let (module, metrics) = (FilterModule::compile().unwrap(), Metrics::default());
    let refused = PolicyFilter::start(
        &module,
        r#"{"apiVersion": "gatepost/v1", "mod": "enforce"}"#,
        2,
        metrics.clone(),
    );
    let Err(PolicyError::Refused(lines)) = refused else { panic!("{refused:?}") };
    assert!(
        matches!(&lines[..], [only] if only.contains("configuration refused: mod: ")),
        "{lines:?}"
    );
    assert_eq!(metrics.value("gatepost.config.rejected"), Some(1));
}

#[tokio::test]
async fn a_request_keeps_the_filter_that_it_began_with() {
    let upstream = Upstream::start("u", None).await.unwrap();
    let named = |name: &str| {
        script(&format!(
            "request_headers: add request_headers x-filter {name}
            response_trailers: add response_trailers x-filter {name}"
        ))
    };
    let gateway = gateway(&[("*", upstream.addr())], named("old")).await;
    let mut client = Client::connect(Version::HTTP_2, gateway.address).await;
    let (mut sender, channel) = Channel::<Bytes, std::io::Error>::new(1);
    sender.send_data("first".into()).await.unwrap();
    let request = Request::post("http://a/.echo/mirror").body(channel.boxed_unsync()).unwrap();
    let mut answer = client.send(request).await.unwrap().into_body();
    assert_eq!(soon(answer.frame()).await.unwrap().unwrap().into_data().unwrap(), "first");
    gateway.filter.swap(&named("new"));
    let other = client.send(get("http://a/", &[])).await.unwrap();
    assert_eq!(received(&echo(other).await, "x-filter"), ["new"]);
    sender
        .send_trailers([("x-end".parse().unwrap(), "1".parse().unwrap())].into_iter().collect())
        .await
        .unwrap();
    let end = soon(answer.collect()).await.unwrap();
    assert_eq!(end.trailers().unwrap()["x-filter"], "old");
}
