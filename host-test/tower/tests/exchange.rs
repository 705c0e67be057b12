//! What a chain does to the messages of a service behind the layer: headers, bodies, trailers,
//! replies, and how exchanges end.

mod common;

use std::collections::BTreeMap;
use std::convert::Infallible;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use bytes::Bytes;
use common::{
    Answer, Pieces, Seen, answer, get, layer_of, one_worker, plugin, plugin_that_fails, pool_of,
    pool_with, post,
};
use gatepost_host::{
    CallError, Chain, ChainOptions, FailPolicy, Host, LocalReplySent, LogRecord, LogSink,
    PropertyValue, StartError,
};
use gatepost_host_tower::{
    ConnectionInfo, Pool, PoolError, PoolOptions, UpstreamFailure, WasmBody, WasmLayer,
};
use http::{Request, Response, Version};
use http_body_util::{BodyExt, Full};
use tower::{Layer, ServiceExt, service_fn};

type Filtered = Request<WasmBody<Pieces>>;

/// Sends a request through the scripts to a service that reads it and answers with the pieces.
async fn exchange(
    scripts: &[&str],
    request: Request<Pieces>,
    pieces: fn() -> Pieces,
) -> (Answer, Seen) {
    let seen = Seen::default();
    let kept = seen.clone();
    let service = layer_of(scripts).layer(service_fn(move |request: Filtered| {
        let kept = kept.clone();
        async move {
            kept.keep(request).await;
            Ok::<_, Infallible>(
                Response::builder().header("x-upstream", "yes").body(pieces()).unwrap(),
            )
        }
    }));
    let response = tokio::time::timeout(Duration::from_secs(10), service.oneshot(request)).await;
    (answer(response.expect("a response in time")).await, seen)
}

#[tokio::test]
async fn headers_are_added_and_replaced_both_ways() {
    let script = "request_headers: add request_headers x-new 1
        request_headers: replace request_headers :authority other.example
        request_headers: replace request_headers :path /new?q
        response_headers: replace response_headers x-upstream no
        response_headers: add response_headers x-filtered yes
        response_headers: replace response_headers :status 202";
    let (answer, seen) = exchange(&[script], get("/old"), || Pieces::of(&["hi"])).await;
    assert_eq!(seen.only().head, "GET /new?q host=other.example x-new=1");
    assert_eq!(
        (answer.head.as_str(), &answer.body[..]),
        ("202 x-upstream=no x-filtered=yes", &b"hi"[..])
    );
}

#[tokio::test]
async fn a_local_reply_comes_in_the_services_place() {
    let inner = "request_headers: reply 403 denied \"go away\" -1 x-why policy";
    let outer = "response_headers: add response_headers x-outer seen";
    let (answer, seen) = exchange(&[outer, inner], get("/"), Pieces::default).await;
    assert_eq!(
        answer.head,
        "403 x-why=policy content-length=7 content-type=text/plain x-outer=seen"
    );
    assert_eq!(answer.body, "go away");
    assert!(seen.all().is_empty(), "the service is not asked");
    let reply =
        answer.extensions.get::<LocalReplySent>().expect("access logs can tell whose answer it is");
    assert_eq!(
        (reply.status, reply.details.to_string(), reply.plugin.as_deref()),
        (403, "denied".to_owned(), Some("p1"))
    );
}

#[tokio::test]
async fn bodies_are_held_until_they_are_whole_and_replaced() {
    let script = "request_body.more: pause
        request_body.end: body request 0 100
        request_body.end: set_body request 0 100 REQUEST
        response_body.more: pause
        response_body.end: set_body response 0 100 RESPONSE";
    let (pool, log) = pool_of(&[script]);
    let seen = Seen::default();
    let kept = seen.clone();
    let service = WasmLayer::new(pool).layer(service_fn(move |request: Filtered| {
        let kept = kept.clone();
        async move {
            kept.keep(request).await;
            Ok::<_, Infallible>(Response::new(Pieces::of(&["uno", "dos"])))
        }
    }));
    let answer = answer(service.oneshot(post(&["one", "two"])).await).await;
    assert_eq!(
        (seen.only().body(), answer.body),
        (Bytes::from("REQUEST"), Bytes::from("RESPONSE"))
    );
    assert!(
        log.messages()
            .iter()
            .any(|line| line == "request_body: body request 0 100 -> Ok \"onetwo\""),
        "{:?}",
        log.messages()
    );
}

#[tokio::test]
async fn bodies_stream_through_piece_by_piece() {
    let (answer, seen) =
        exchange(&["", ""], post(&["one", "two", "three"]), || Pieces::of(&["uno", "dos"])).await;
    assert_eq!(seen.only().pieces, ["one", "two", "three"]);
    assert_eq!(answer.body, "unodos");
}

#[tokio::test]
async fn trailers_pass_both_ways_and_can_be_changed() {
    let script = "request_trailers: add request_trailers x-more 1
response_trailers: replace response_trailers x-t changed";
    let request = common::request("POST", "/", Pieces::of(&["one"]).with_trailer("x-t", "1"));
    let (answer, seen) =
        exchange(&[script], request, || Pieces::of(&["uno"]).with_trailer("x-t", "2")).await;
    let got = seen.only();
    assert_eq!(common::head("", "", &got.trailers.unwrap()), "  x-t=1 x-more=1");
    assert_eq!(common::head("", "", &answer.trailers.unwrap()), "  x-t=changed");
}

#[tokio::test]
async fn trailers_can_be_added_to_a_body_that_has_none() {
    let script = "response_body.end: add response_trailers x-t added";
    let (answer, _) = exchange(&[script], get("/"), || Pieces::of(&["uno"])).await;
    assert_eq!(common::head("", "", &answer.trailers.unwrap()), "  x-t=added");
}

#[tokio::test]
async fn a_tick_resumes_a_request_that_waits() {
    let script = "request_headers: tick 30
        request_headers: pause
        tick#1: tick 0
        tick#1: effective stream
        tick#1: add request_headers x-tick 1
        tick#1: continue request
        response_headers: tick 30
        response_headers: pause
        tick#2: tick 0
        tick#2: effective stream
        tick#2: continue response";
    let (answer, seen) = exchange(&[script], post(&["one", "two"]), || Pieces::of(&["uno"])).await;
    assert_eq!(seen.only().head, "POST / host=shop.example x-tick=1");
    assert_eq!((seen.only().body(), answer.body), (Bytes::from("onetwo"), Bytes::from("uno")));
}

#[tokio::test]
async fn a_request_body_that_a_tick_resumes_wakes_the_service_that_reads_it() {
    let script = "request_body: pause
        request_body.end: tick 30
        tick#1: tick 0
        tick#1: effective stream
        tick#1: continue request";
    let (answer, seen) = exchange(&[script], post(&["one", "two"]), || Pieces::of(&["uno"])).await;
    assert_eq!((seen.only().body(), answer.body), (Bytes::from("onetwo"), Bytes::from("uno")));
}

fn small_buffers(script: &str) -> WasmLayer {
    let options = ChainOptions { buffer_bytes: 10, ..ChainOptions::default() };
    WasmLayer::new(pool_with(vec![plugin("p", script)], options, one_worker()).0)
}

#[tokio::test]
async fn a_request_too_large_to_be_held_is_answered_413_and_a_response_500() {
    let service = || {
        service_fn(|_: Filtered| async {
            Ok::<_, Infallible>(Response::new(Pieces::of(&["12345678", "12345678"])))
        })
    };
    let request = small_buffers("request_headers: answer 3").layer(service());
    let refused = answer(request.oneshot(post(&["12345678", "12345678"])).await).await;
    assert_eq!(refused.head, "413 content-length=17 content-type=text/plain");
    assert_eq!(refused.body, "Payload Too Large");
    let response = small_buffers("response_headers: answer 3").layer(service());
    let refused = answer(response.oneshot(get("/")).await).await;
    assert_eq!((&refused.head[..3], &refused.body[..]), ("500", &b"Internal Server Error"[..]));
}

#[tokio::test]
async fn a_413_while_the_service_reads_resets_what_it_reads() {
    let seen = Seen::default();
    let kept = seen.clone();
    let service =
        small_buffers("request_body: pause").layer(service_fn(move |request: Filtered| {
            let kept = kept.clone();
            async move {
                let reading = tokio::spawn(async move { kept.keep(request).await });
                reading.await.unwrap();
                Ok::<_, Infallible>(Response::new(Pieces::default()))
            }
        }));
    let refused = answer(service.oneshot(post(&["12345678", "12345678"])).await).await;
    assert_eq!(&refused.head[..3], "413");
    common::soon("the service learns of it", || !seen.all().is_empty()).await;
    assert_eq!(
        seen.only().error.as_deref(),
        Some("the exchange was reset while its body was on the way")
    );
}

#[tokio::test]
async fn a_sender_is_held_back_while_a_plugin_streams_a_body_that_waits() {
    // The answer 4 stops everything and watches the buffer: the sender waits at the limit.
    let script = "request_headers: answer 4
request_headers: tick 60
tick#1: tick 0
tick#1: effective stream
tick#1: continue request";
    let options = ChainOptions { buffer_bytes: 10, ..ChainOptions::default() };
    let (pool, _) = pool_with(vec![plugin("p", script)], options, one_worker());
    let seen = Seen::default();
    let kept = seen.clone();
    let service = WasmLayer::new(pool).layer(service_fn(move |request: Filtered| {
        let kept = kept.clone();
        async move {
            kept.keep(request).await;
            Ok::<_, Infallible>(Response::new(Pieces::default()))
        }
    }));
    let answered = answer(service.oneshot(post(&["12345678", "12345678", "12345678"])).await).await;
    assert_eq!(&answered.head[..3], "200");
    let pieces = seen.only().pieces;
    assert_eq!(
        pieces.iter().map(Bytes::len).collect::<Vec<_>>(),
        [16, 8],
        "the third piece came when the first two had gone on"
    );
}

async fn trapped(policy: FailPolicy) -> Vec<String> {
    let script = "request_headers: trap";
    let options = ChainOptions { reload_backoff: Duration::ZERO, ..ChainOptions::default() };
    let (pool, log) = pool_with(
        vec![plugin_that_fails(script, policy), plugin("next", "")],
        options,
        one_worker(),
    );
    let service = WasmLayer::new(pool).layer(service_fn(|_: Filtered| async {
        Ok::<_, Infallible>(Response::new(Pieces::of(&["from the service"])))
    }));
    let mut told = Vec::new();
    for _ in 0..2 {
        let answer = answer(service.clone().oneshot(get("/")).await).await;
        told.push(format!("{} {}", &answer.head[..3], String::from_utf8_lossy(&answer.body)));
    }
    let starts = log.messages().iter().filter(|line| line.starts_with("vm_start")).count();
    told.push(format!("{starts} starts"));
    told
}

#[tokio::test]
async fn a_trap_is_answered_as_the_plugins_fail_policy_says() {
    assert_eq!(trapped(FailPolicy::Closed).await, ["503 ", "503 ", "2 starts"]);
    // Envoy fails the exchange in which the VM traps; the next ones go on without the plugin.
    assert_eq!(trapped(FailPolicy::Open).await, ["503 ", "200 from the service", "2 starts"]);
    assert_eq!(trapped(FailPolicy::Reload).await, ["503 ", "503 ", "3 starts"]);
}

#[tokio::test]
async fn traps_are_told() {
    let traps = Arc::new(Mutex::new(Vec::new()));
    let told = Arc::clone(&traps);
    let on_trap = move |error: &CallError| told.lock().unwrap().push(error.to_string());
    let options = PoolOptions { on_trap: Some(Arc::new(on_trap)), ..one_worker() };
    let (pool, _) =
        pool_with(vec![plugin("p", "request_headers: trap")], ChainOptions::default(), options);
    let service = WasmLayer::new(pool).layer(service_fn(|_: Filtered| async {
        Ok::<_, Infallible>(Response::new(Pieces::default()))
    }));
    answer(service.oneshot(get("/")).await).await;
    let traps = traps.lock().unwrap().clone();
    assert!(
        matches!(&traps[..], [one] if one.contains("trapped in proxy_on_request_headers")),
        "{traps:?}"
    );
}

#[tokio::test]
async fn a_client_that_goes_away_frees_the_exchange() {
    let (pool, log) = pool_of(&["request_headers: pause\nlog: get request_headers :path"]);
    let service = WasmLayer::new(pool.clone()).layer(service_fn(|_: Filtered| async {
        Ok::<_, Infallible>(Response::new(Pieces::default()))
    }));
    let response =
        tokio::time::timeout(Duration::from_millis(50), service.oneshot(get("/waits"))).await;
    assert!(response.is_err(), "the plugin pauses for ever");
    assert_eq!(pool.open_exchanges(), 0);
    assert_eq!(
        log.messages().last().map(String::as_str),
        Some("delete()"),
        "the guest's stream has ended"
    );
    assert!(log.messages().iter().any(|line| line.contains("/waits")));
}

#[tokio::test]
async fn a_client_that_goes_away_in_the_response_resets_what_the_service_still_reads() {
    let (pool, _) = pool_of(&[""]);
    let seen = Seen::default();
    let kept = seen.clone();
    let (sender, receiver) = tokio::sync::mpsc::channel::<()>(1);
    let service = WasmLayer::new(pool.clone()).layer(service_fn(
        move |request: Request<WasmBody<NeverEnds>>| {
            let kept = kept.clone();
            tokio::spawn(async move { kept.keep(request).await });
            async { Ok::<_, Infallible>(Response::new(Pieces::of(&["one", "two"]))) }
        },
    ));
    let request = Request::post("/").header("host", "a").body(NeverEnds(receiver)).unwrap();
    let mut response = service.oneshot(request).await.unwrap();
    assert_eq!(response.body_mut().frame().await.unwrap().unwrap().into_data().unwrap(), "one");
    assert_eq!(pool.open_exchanges(), 1);
    drop(response);
    assert_eq!(pool.open_exchanges(), 0);
    common::soon("the service learns of it", || !seen.all().is_empty()).await;
    assert!(seen.only().error.is_some());
    drop(sender);
}

/// A body that waits for ever.
struct NeverEnds(tokio::sync::mpsc::Receiver<()>);

impl http_body::Body for NeverEnds {
    type Data = Bytes;
    type Error = Infallible;

    fn poll_frame(
        mut self: std::pin::Pin<&mut Self>,
        cx: &mut std::task::Context<'_>,
    ) -> std::task::Poll<Option<Result<http_body::Frame<Bytes>, Infallible>>> {
        self.0.poll_recv(cx).map(|_| None)
    }
}

#[tokio::test]
async fn a_service_that_fails_is_a_failed_upstream() {
    let (pool, log) = pool_of(&[
        "response_headers: get response_headers :status\nlog: prop response code_details",
    ]);
    let fails = || {
        service_fn(|_: Filtered| async { Err::<Response<Pieces>, _>(std::io::Error::other("no")) })
    };
    let layer = WasmLayer::new(pool);
    let response = layer
        .layer(fails())
        .oneshot(get("/"))
        .await
        .map_err(|_| unreachable!("a service that fails is answered for"));
    let text = "upstream connect error or disconnect/reset before headers. reset reason: remote \
        connection failure";
    let refused = answer(response).await;
    assert_eq!((&refused.head[..3], &refused.body[..]), ("503", text.as_bytes()));
    assert!(
        log.messages().iter().any(|line| line.contains("upstream_reset_before_response_started")),
        "{:?}",
        log.messages()
    );

    let teapot = |_: &std::io::Error| UpstreamFailure::Reply {
        status: 418,
        body: "tea".into(),
        details: "teapot".into(),
    };
    let response = layer
        .map_errors(teapot)
        .layer(fails())
        .oneshot(get("/"))
        .await
        .map_err(|_| unreachable!("as above"));
    let refused = answer(response).await;
    assert_eq!((&refused.head[..3], &refused.body[..]), ("418", &b"tea"[..]));
}

#[tokio::test]
async fn a_response_that_breaks_off_is_a_body_that_fails() {
    let (answer, _) = exchange(&[""], get("/"), || Pieces::of(&["one"]).that_fails()).await;
    assert_eq!((&answer.head[..3], &answer.body[..]), ("200", &b"one"[..]));
    assert_eq!(answer.error.as_deref(), Some("the sender of the body failed: cut off"));
    let closed = "response_body: close response";
    let (answer, _) = exchange(&[closed], get("/"), || Pieces::of(&["one", "two"])).await;
    assert_eq!(
        (&answer.head[..3], answer.error.as_deref()),
        ("200", Some("the exchange was reset while its body was on the way"))
    );
}

#[tokio::test]
async fn a_stream_that_is_closed_before_its_response_breaks_off() {
    let (answer, seen) =
        exchange(&["request_headers: close request"], get("/"), Pieces::default).await;
    assert_eq!((answer.head.as_str(), answer.error.is_some()), ("503", true));
    assert!(seen.all().is_empty());
}

#[tokio::test]
async fn a_request_body_that_fails_is_told_to_the_service_or_answered_400() {
    let request = || common::request("POST", "/", Pieces::of(&["one"]).that_fails());
    let (answer, seen) = exchange(&[""], request(), Pieces::default).await;
    assert_eq!(
        (&answer.head[..3], seen.only().error.as_deref()),
        ("200", Some("the sender of the body failed: cut off"))
    );
    let (answer, seen) = exchange(&["request_headers: pause"], request(), Pieces::default).await;
    assert_eq!(
        (&answer.head[..3], &answer.body[..], seen.all().len()),
        ("400", &b"Bad Request"[..], 0)
    );
}

#[tokio::test]
async fn a_guest_that_clears_the_route_cache_is_heard() {
    let seen = |script: &'static str| async move {
        exchange(&[script], get("/"), Pieces::default).await.1.only()
    };
    assert!(seen("request_headers: foreign clear_route_cache \"\"").await.route_cache_cleared);
    assert!(!seen("").await.route_cache_cleared);
}

#[tokio::test]
async fn what_http_cannot_carry_is_answered_for() {
    let (answer, seen) = exchange(
        &["request_headers: replace request_headers :path \"/a b\""],
        get("/"),
        Pieces::default,
    )
    .await;
    assert_eq!(
        (&answer.head[..3], &answer.body[..]),
        ("503", &b"invalid header value for: :path"[..])
    );
    assert!(seen.all().is_empty());
    let (answer, _) = exchange(
        &["response_headers: add response_headers x-a \"a\\x07\""],
        get("/"),
        Pieces::default,
    )
    .await;
    assert_eq!(answer.head, "502");
    let script = "response_trailers: add response_trailers x-a \"a\\x07\"";
    let (answer, _) =
        exchange(&[script], get("/"), || Pieces::of(&["a"]).with_trailer("x-t", "1")).await;
    assert_eq!(
        answer.error.as_deref(),
        Some("a plugin has made trailers that cannot be sent: invalid header value for: x-a")
    );
}

#[tokio::test]
async fn guests_see_the_connection_that_the_caller_tells_of() {
    let script = "request_headers: prop source address
        request_headers: prop request protocol
        request_headers: prop request scheme
        request_headers: prop connection requested_server_name";
    let (pool, log) = pool_of(&[script]);
    let service = WasmLayer::new(pool).layer(service_fn(|_: Filtered| async {
        Ok::<_, Infallible>(Response::new(Pieces::default()))
    }));
    let mut request = get("/");
    *request.version_mut() = Version::HTTP_10;
    request.extensions_mut().insert(ConnectionInfo {
        source: Some(([192, 0, 2, 1], 4000).into()),
        scheme: Some(http::uri::Scheme::HTTPS),
        properties: vec![(
            "connection.requested_server_name".into(),
            PropertyValue::text("shop.example"),
        )],
        ..ConnectionInfo::default()
    });
    answer(service.oneshot(request).await).await;
    let told: Vec<String> =
        log.messages().into_iter().filter(|line| line.contains("prop")).collect();
    for (line, value) in told.iter().zip(["192.0.2.1:4000", "HTTP/1.0", "https", "shop.example"]) {
        assert!(line.ends_with(&format!("Ok \"{value}\"")), "{line}: {value}");
    }
}

#[tokio::test]
async fn a_response_to_head_has_headers_and_no_body() {
    let service = layer_of(&["response_headers: add response_headers x-a 1"]).layer(service_fn(
        |_: Filtered| async { Ok::<_, Infallible>(Response::new(Full::new(Bytes::from("hello")))) },
    ));
    let answer =
        answer(service.oneshot(common::request("HEAD", "/", Pieces::default())).await).await;
    assert_eq!((answer.head.as_str(), answer.body.len()), ("200 content-length=5 x-a=1", 0));
}

#[tokio::test]
async fn connect_and_options_of_everything_pass() {
    for (method, uri) in [("CONNECT", "shop.example:443"), ("OPTIONS", "*")] {
        let (answer, seen) =
            exchange(&[""], common::request(method, uri, Pieces::default()), Pieces::default).await;
        assert_eq!(answer.head, "200 x-upstream=yes");
        let host = if method == "CONNECT" { "shop.example:443" } else { "shop.example" };
        assert_eq!(seen.only().head, format!("{method} {uri} host={host}"));
    }
}

#[test]
fn a_pool_needs_a_runtime() {
    let chain = Chain::new(vec![plugin("p", "")]);
    let started = Pool::start(&chain, Host::default(), one_worker());
    assert!(matches!(started, Err(PoolError::NoRuntime)));
}

#[tokio::test]
async fn a_plugin_that_refuses_its_configuration_stops_the_pool() {
    let chain = Chain::new(vec![plugin("p", "configure: answer 0")]);
    let started = Pool::start(&chain, Host::default(), one_worker());
    assert!(matches!(started, Err(PoolError::Start(StartError::Refused { .. }))));
}

#[tokio::test]
async fn the_pools_tasks_end_with_its_last_handle() {
    let alive = || tokio::runtime::Handle::current().metrics().num_alive_tasks();
    let before = alive();
    let (pool, _) = pool_of(&["configure: tick 10"]);
    let layer = WasmLayer::new(pool);
    assert_eq!(alive(), before + 1);
    drop(layer);
    common::soon("the task ends", || alive() == before).await;
}

/// Counts the streams that guests open under each context number; each VM numbers them itself.
#[derive(Default)]
struct Contexts(Mutex<BTreeMap<u32, usize>>);

impl LogSink for Contexts {
    fn log(&self, record: LogRecord<'_>) {
        if record.message == b"context_create()" {
            *self.0.lock().unwrap().entry(record.context).or_default() += 1;
        }
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn a_hundred_exchanges_are_open_together_on_two_workers() {
    let contexts = Arc::new(Contexts::default());
    let host = Host { log: Arc::clone(&contexts) as Arc<dyn LogSink>, ..Host::default() };
    let chain =
        Chain::new(vec![plugin("p", "request_body.more: pause\nresponse_body.more: pause")]);
    let pool =
        Pool::start(&chain, host, PoolOptions { workers: 2, ..PoolOptions::default() }).unwrap();
    let together = Arc::new(tokio::sync::Barrier::new(100));
    let service = WasmLayer::new(pool.clone()).layer(service_fn(move |request: Filtered| {
        let together = Arc::clone(&together);
        async move {
            let path = request.uri().path().to_owned();
            let body = request.into_body().collect().await.unwrap().to_bytes();
            together.wait().await;
            Ok::<_, Infallible>(Response::new(Full::new(Bytes::from(
                [path.as_bytes(), b" ", &body].concat(),
            ))))
        }
    }));
    let calls: Vec<_> = (0..100)
        .map(|number| {
            let request =
                common::request("POST", &format!("/{number}"), Pieces::of(&["one", "two"]));
            tokio::spawn(service.clone().oneshot(request))
        })
        .collect();
    for (number, call) in calls.into_iter().enumerate() {
        assert_eq!(answer(call.await.unwrap()).await.body, format!("/{number} onetwo"));
    }
    assert_eq!(pool.open_exchanges(), 0);
    let contexts = contexts.0.lock().unwrap();
    let (streams, most) = (contexts.values().sum::<usize>(), contexts.values().max());
    assert_eq!(
        (streams, most),
        (100, Some(&2)),
        "each VM numbers its own, and both have some: {contexts:?}"
    );
}
