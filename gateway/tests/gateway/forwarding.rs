//! What an upstream receives of a request, and a client of its answer.

use std::sync::{Arc, Mutex};

use gatepost_gateway::{Access, AccessLog, GatewayOptions, Origin};
use gatepost_testbed::client::{Client, VERSIONS, body, echo, get, no_body, received, send, text};
use gatepost_testbed::echo::Upstream;
use gatepost_testbed::refusing_address;
use http::{HeaderValue, Request, Version};
use hyper::body::Incoming;

use crate::support::*;

#[tokio::test]
async fn a_request_reaches_the_upstream_of_its_host_and_keeps_its_own_authority() {
    let (a, any) =
        (Upstream::start("a", None).await.unwrap(), Upstream::start("any", None).await.unwrap());
    let gateway = gateway(&[("a.example", a.addr()), ("*.example", any.addr())], forward()).await;
    for version in VERSIONS {
        let request = Request::post("http://A.example:8080/x?y=1").body(body("hello")).unwrap();
        let echo = echo(send(version, gateway.address, request).await).await;
        assert_eq!(echo["upstream"], "a");
        assert_eq!(echo["method"], "POST");
        assert_eq!(echo["authority"], "A.example:8080");
        assert_eq!(echo["path"], "/x?y=1");
        assert_eq!(echo["body"], "hello");
        // Only HTTP/1.1 has a Host line, so this shows the protocol that the upstream got.
        assert_eq!(received(&echo, "host").is_empty(), version == Version::HTTP_2);
    }
    let other = send(Version::HTTP_2, gateway.address, get("http://x.y.example/", &[])).await;
    assert_eq!(echo(other).await["upstream"], "any");
}

#[tokio::test]
async fn the_route_is_selected_by_the_authority_that_the_filter_left() {
    let (a, b) =
        (Upstream::start("a", None).await.unwrap(), Upstream::start("b", None).await.unwrap());
    let rewrite = |request: &mut Request<Incoming>| {
        redirect(request, "b.internal:15020", "/healthz/ready");
        request.headers_mut().insert("x-hint", HeaderValue::from_static("one"));
        request.headers_mut().remove("x-forged");
        Verdict::Forward
    };
    let gateway =
        gateway(&[("a.example", a.addr()), ("b.internal", b.addr())], Deciding(rewrite)).await;
    for version in VERSIONS {
        let request = Request::get("http://a.example/")
            .header("x-forged", "1")
            .header("x-hint", "2")
            .header("x-hint", "3");
        let echo =
            echo(send(version, gateway.address, request.body(no_body()).unwrap()).await).await;
        assert_eq!(
            (&echo["upstream"], &echo["authority"]),
            (&"b".into(), &"b.internal:15020".into())
        );
        assert_eq!(echo["path"], "/healthz/ready");
        assert_eq!(received(&echo, "x-hint"), ["one"]);
        assert!(received(&echo, "x-forged").is_empty());
    }
}

#[tokio::test]
async fn a_target_may_be_a_name() {
    let upstream = Upstream::start("u", None).await.unwrap();
    let target = format!("localhost:{}", upstream.addr().port());
    let gateway = gateway_with(&[("*", target)], forward(), GatewayOptions::default()).await;
    for version in VERSIONS {
        let echo = echo(send(version, gateway.address, get("http://a.example/", &[])).await).await;
        assert_eq!((&echo["upstream"], &echo["authority"]), (&"u".into(), &"a.example".into()));
    }
}

#[tokio::test]
async fn the_upstream_learns_where_a_request_comes_from() {
    let upstream = Upstream::start("u", None).await.unwrap();
    let gateway = gateway(&[("*", upstream.addr())], forward()).await;
    let request = Request::get("http://a/")
        .header("x-forwarded-for", "203.0.113.7")
        .header("x-forwarded-proto", "https");
    let request = request.header("x-request-id", "mine").header("x-envoy-max-retries", "9");
    let echo =
        echo(send(Version::HTTP_11, gateway.address, request.body(no_body()).unwrap()).await).await;
    assert_eq!(received(&echo, "x-forwarded-for"), ["203.0.113.7,127.0.0.1"]);
    assert_eq!(received(&echo, "x-forwarded-proto"), ["http"]);
    assert_ne!(received(&echo, "x-request-id"), ["mine"]);
    assert_eq!(received(&echo, "x-request-id").len(), 1);
    assert!(received(&echo, "x-envoy-max-retries").is_empty());
}

#[tokio::test]
async fn the_filter_is_told_the_client_behind_the_trusted_hops() {
    let upstream = Upstream::start("u", None).await.unwrap();
    let show = |request: &mut Request<Incoming>| {
        let Origin { source, .. } = request.extensions().get().unwrap();
        let source = source.ip().to_string().parse().unwrap();
        request.headers_mut().insert("x-source", source);
        Verdict::Forward
    };
    let options = GatewayOptions { trusted_hops: 2, ..GatewayOptions::default() };
    let gateway = gateway_with(&[("*", upstream.addr())], Deciding(show), options).await;
    for (list, source) in
        [("1.1.1.1, 198.51.100.1, 35.191.0.1", "198.51.100.1"), ("198.51.100.1", "127.0.0.1")]
    {
        let request =
            Request::get("http://a/").header("x-forwarded-for", list).body(no_body()).unwrap();
        let echo = echo(send(Version::HTTP_11, gateway.address, request).await).await;
        assert_eq!(received(&echo, "x-source"), [source]);
    }
}

#[tokio::test]
async fn several_host_lines_reach_the_filter_and_the_upstream_as_one() {
    let upstream = Upstream::start("u", None).await.unwrap();
    let gateway = gateway(&[("*", upstream.addr())], forward()).await;
    let answer = raw(
        gateway.address,
        "GET / HTTP/1.1\r\nHost: a.example\r\nHost: b.example\r\nConnection: close\r\n\r\n",
    )
    .await;
    let echo = echo_of_raw(&answer);
    assert_eq!(echo["authority"], "a.example,b.example");
    assert_eq!(received(&echo, "host"), ["a.example,b.example"]);
}

#[tokio::test]
async fn an_absolute_form_request_is_for_the_authority_of_its_line() {
    let upstream = Upstream::start("u", None).await.unwrap();
    let gateway = gateway(&[("a.example", upstream.addr())], forward()).await;
    let answer = raw(
        gateway.address,
        "GET http://a.example/x HTTP/1.1\r\nHost: b\r\nConnection: close\r\n\r\n",
    )
    .await;
    let echo = echo_of_raw(&answer);
    assert_eq!((&echo["authority"], &echo["path"]), (&"a.example".into(), &"/x".into()));
}

#[tokio::test]
async fn bytes_that_are_not_utf8_pass_unharmed() {
    let upstream = Upstream::start("u", None).await.unwrap();
    let gateway = gateway(&[("*", upstream.addr())], forward()).await;
    for version in VERSIONS {
        let value = HeaderValue::from_bytes(b"caf\xe9 \xff\\").unwrap();
        let request = Request::get("http://a/")
            .header("user-agent", &value)
            .header("env", "1")
            .header("env", value);
        let echo =
            echo(send(version, gateway.address, request.body(no_body()).unwrap()).await).await;
        assert_eq!(received(&echo, "user-agent"), ["caf\\xe9 \\xff\\\\"]);
        assert_eq!(received(&echo, "env"), ["1", "caf\\xe9 \\xff\\\\"]);
    }
}

#[tokio::test]
async fn headers_of_one_connection_stay_on_it() {
    let upstream = Upstream::start("u", None).await.unwrap();
    let gateway = gateway(&[("*", upstream.addr())], forward()).await;
    let head = "GET / HTTP/1.1\r\nHost: a\r\nConnection: close, x-hop\r\nX-Hop: 1\r\n\
                Keep-Alive: 5\r\nTE: gzip, trailers\r\n";
    let answer =
        raw(gateway.address, format!("{head}Proxy-Connection: x\r\nX-End: 2\r\n\r\n")).await;
    let echo = echo_of_raw(&answer);
    for name in ["connection", "x-hop", "keep-alive", "proxy-connection"] {
        assert!(received(&echo, name).is_empty(), "{name}");
    }
    assert_eq!(received(&echo, "te"), ["trailers"]);
    assert_eq!(received(&echo, "x-end"), ["2"]);
}

#[tokio::test]
async fn the_answer_keeps_its_status_headers_and_body() {
    let upstream = Upstream::start("u", None).await.unwrap();
    let gateway = gateway(&[("*", upstream.addr())], forward()).await;
    for version in VERSIONS {
        let response = send(version, gateway.address, get("http://a/.echo/status/418", &[])).await;
        assert_eq!((response.status().as_u16(), response.version()), (418, version));
        assert_eq!(response.headers()["content-type"], "application/json");
        assert_eq!(echo(response).await["path"], "/.echo/status/418");
    }
}

#[tokio::test]
async fn an_answer_to_head_has_its_length_and_no_body() {
    let upstream = Upstream::start("u", None).await.unwrap();
    let (_kept, down) = refusing_address().unwrap();
    let gateway = gateway(&[("a", upstream.addr()), ("down", down)], forward()).await;
    for version in VERSIONS {
        let mut client = Client::connect(version, gateway.address).await;
        for (host, status, length) in
            [("down", 503, Some("22")), ("a", 200, None), ("down", 503, Some("22"))]
        {
            let head = Request::head(format!("http://{host}/")).body(no_body()).unwrap();
            let response = client.send(head).await.unwrap();
            assert_eq!(response.status(), status, "{version:?} {host}");
            let announced = response.headers()["content-length"].to_str().unwrap().to_owned();
            assert!(
                announced != "0" && length.is_none_or(|length| length == announced),
                "{announced}"
            );
            assert_eq!(text(response).await, "");
        }
    }
}

#[tokio::test]
async fn one_connection_serves_one_request_after_the_other_for_any_host() {
    let (a, b) =
        (Upstream::start("a", None).await.unwrap(), Upstream::start("b", None).await.unwrap());
    let gateway = gateway(&[("a", a.addr()), ("b", b.addr())], forward()).await;
    for version in VERSIONS {
        let mut client = Client::connect(version, gateway.address).await;
        for host in ["a", "b", "a", "b"] {
            let response = client.send(get(&format!("http://{host}/"), &[])).await.unwrap();
            assert_eq!(echo(response).await["upstream"], host);
        }
    }
}

#[tokio::test]
async fn expect_is_answered_by_the_gateway() {
    let upstream = Upstream::start("u", None).await.unwrap();
    let gateway = gateway(&[("*", upstream.addr())], forward()).await;
    let head = "POST / HTTP/1.1\r\nHost: a\r\nExpect: 100-continue\r\nContent-Length: 2\r\n\
                Connection: close\r\n\r\n";
    let answer = raw(gateway.address, format!("{head}hi")).await;
    let (interim, answer) = answer.split_once("\r\n\r\n").unwrap();
    assert_eq!(interim, "HTTP/1.1 100 Continue");
    let echo = echo_of_raw(answer);
    assert_eq!(echo["body"], "hi");
    assert!(received(&echo, "expect").is_empty());
}

#[tokio::test]
async fn the_access_log_says_what_came_and_where_it_went() {
    let upstream = Upstream::start("u", None).await.unwrap();
    let seen: Arc<Mutex<Vec<Access>>> = Arc::default();
    let log = seen.clone();
    let access_log = Some(AccessLog::new(move |access| log.lock().unwrap().push(access.clone())));
    let rewrite = |request: &mut Request<Incoming>| {
        redirect(request, "b", "/x?y");
        Verdict::Forward
    };
    let gateway = gateway_with(
        &[("b", upstream.addr())],
        Deciding(rewrite),
        GatewayOptions { access_log, ..Default::default() },
    )
    .await;
    send(Version::HTTP_11, gateway.address, get("http://a/x?y", &[])).await;
    raw(gateway.address, "GET / HTTP/1.1\r\nConnection: close\r\n\r\n").await;
    let seen = seen.lock().unwrap();
    let [forwarded, refused] = &seen[..] else { panic!("{seen:?}") };
    assert_eq!(
        (&forwarded.method[..], &forwarded.authority[..], &forwarded.path[..]),
        (&b"GET"[..], &b"a"[..], &b"/x?y"[..])
    );
    assert_eq!(forwarded.routed_authority.as_deref(), Some(&b"b"[..]));
    assert_eq!(forwarded.upstream, Some(upstream.addr().to_string()));
    assert_eq!((forwarded.status, forwarded.details.as_str()), (200, "via_upstream"));
    assert_eq!((refused.status, refused.details.as_str()), (400, "the request names no host"));
}
