//! What upstreams send is judged as Envoy judges it: nothing that a client could read in two ways
//! reaches it, an answer that broke off is not taken for a whole one, and nothing of one exchange
//! stays for the next. The statuses were measured on Envoy 1.40.

use gatepost_testbed::client::{Body, Client, get, no_body, send, soon, text};
use http::{Request, Version};
use http_body_util::BodyExt;

use crate::support::*;

const OK: &str = "HTTP/1.1 200 OK\r\n";
const FINE: &str = "HTTP/1.1 200 OK\r\ncontent-length: 4\r\n\r\nfine";

/// An upstream that gives this answer, and a good one for `/fine`.
async fn upstream(answer: impl AsRef<[u8]>) -> std::net::SocketAddr {
    let answer = answer.as_ref().to_vec();
    let is_fine = |request: &str| request.starts_with("GET /fine ");
    answering(move |request| Some(if is_fine(request) { FINE.into() } else { answer.clone() }))
        .await
        .0
}

#[tokio::test]
async fn an_answer_whose_length_is_unclear_is_502() {
    let chunks = "2\r\nok\r\n0\r\n\r\n";
    for (headers, body) in [
        ("content-length: 2\r\ncontent-length: 2\r\n", "ok"),
        ("content-length: 2\r\ncontent-length: 3\r\n", "ok"),
        ("content-length: 2, 2\r\n", "ok"),
        ("content-length: +2\r\n", "ok"),
        ("content-length: -2\r\n", "ok"),
        ("content-length: 0x2\r\n", "ok"),
        ("content-length: 2 2\r\n", "ok"),
        ("content-length: \r\n", "ok"),
        ("content-length: 18446744073709551618\r\n", "ok"),
        ("content-length : 2\r\n", "ok"),
        ("content-length: 5\r\ntransfer-encoding: chunked\r\n", chunks),
        ("transfer-encoding: chunked\r\ncontent-length: 5\r\n", chunks),
        ("transfer-encoding: chunked\r\ncontent-length: 0\r\n", chunks),
        ("transfer-encoding: gzip, chunked\r\n", chunks),
        ("transfer-encoding: chunked, gzip\r\n", chunks),
        ("transfer-encoding: gzip\r\ntransfer-encoding: chunked\r\n", chunks),
        ("transfer-encoding: chunked\r\ntransfer-encoding: chunked\r\n", chunks),
        ("transfer-encoding: chunked, chunked\r\n", chunks),
        ("transfer-encoding: chunked;q=1\r\n", chunks),
        ("transfer-encoding: xchunked\r\n", chunks),
        ("transfer-encoding: identity\r\n", "ok"),
        ("transfer-encoding: identity\r\ncontent-length: 2\r\n", "ok"),
        ("transfer-encoding: gzip\r\n", "ok"),
        ("transfer-encoding: \r\ncontent-length: 2\r\n", "ok"),
        ("transfer-encoding: \u{b}chunked\r\n", chunks),
        ("x: a\0b\r\ncontent-length: 2\r\n", "ok"),
        ("x y: a\r\ncontent-length: 2\r\n", "ok"),
        ("x\r\ncontent-length: 2\r\n", "ok"),
        (": a\r\ncontent-length: 2\r\n", "ok"),
        (" x: a\r\ncontent-length: 2\r\n", "ok"),
        ("x: a\rcontent-length: 2\r\n", "ok"),
    ] {
        let address = upstream(format!("{OK}{headers}\r\n{body}")).await;
        let gateway = gateway(&[("*", address)], forward()).await;
        for method in ["GET", "HEAD"] {
            let mut client = Client::connect(Version::HTTP_11, gateway.address).await;
            let request = Request::builder().method(method).uri("http://a/");
            let answer = client.send(request.body(no_body()).unwrap()).await.unwrap();
            assert_eq!(answer.status(), 502, "{method} {headers:?}");
            text(answer).await;
            let next = client.send(get("http://a/fine", &[])).await.unwrap();
            assert_eq!(text(next).await, "fine", "after {method} {headers:?}");
        }
    }
}

#[tokio::test]
async fn a_status_line_that_is_none_and_a_head_that_is_too_large_are_502() {
    let headers =
        |count: usize| format!("{OK}{}content-length: 2\r\n\r\nok", "x: 1\r\n".repeat(count));
    let value =
        |kib: usize| format!("{OK}x: {}\r\ncontent-length: 2\r\n\r\nok", "v".repeat(kib * 1024));
    for (answer, status) in [
        ("ICY 200 OK\r\ncontent-length: 2\r\n\r\nok".to_owned(), "502"),
        ("http/1.1 200 OK\r\ncontent-length: 2\r\n\r\nok".to_owned(), "502"),
        ("HTTP/1.1 99 OK\r\ncontent-length: 2\r\n\r\nok".to_owned(), "502"),
        ("HTTP/1.1 2x0 OK\r\ncontent-length: 2\r\n\r\nok".to_owned(), "502"),
        ("HTTP/1.1 204 No\r\ncontent-length: 2\r\n\r\nok".to_owned(), "502"),
        (
            "HTTP/1.1 204 No\r\ntransfer-encoding: chunked\r\n\r\n2\r\nok\r\n0\r\n\r\n".to_owned(),
            "502",
        ),
        ("HTTP/1.1 204 No\r\ncontent-length: 0\r\n\r\n".to_owned(), "204"),
        ("HTTP/1.1 304 Not\r\ncontent-length: 2\r\n\r\n".to_owned(), "304"),
        ("HTTP/1.1 600 Odd\r\ncontent-length: 2\r\n\r\nok".to_owned(), "600"),
        (format!("{OK}x: a\r\n b\r\ncontent-length:\r\n 2\r\n\r\nok"), "200"),
        (format!("{}{FINE}", "HTTP/1.1 103 Early\r\nlink: a\r\n\r\n".repeat(1000)), "200"),
        (headers(99), "200"),
        (headers(100), "502"),
        (headers(5000), "502"),
        (value(79), "200"),
        (value(81), "502"),
        (value(2000), "502"),
    ] {
        let start: String = answer.chars().take(60).collect();
        let gateway = gateway(&[("*", upstream(answer).await)], forward()).await;
        let request = "GET / HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n";
        let response = raw(gateway.address, request).await;
        assert_eq!(status_of_raw(&response), status, "{start:?}");
        let next = send(Version::HTTP_11, gateway.address, get("http://a/fine", &[])).await;
        assert_eq!(text(next).await, "fine", "after {start:?}");
    }
}

#[tokio::test]
async fn an_answer_that_breaks_off_is_never_a_whole_one() {
    for answer in [
        "content-length: 5\r\n\r\nok",
        "transfer-encoding: chunked\r\n\r\n2\r\nok\r\n",
        "transfer-encoding: chunked\r\n\r\n5\r\nok",
        "transfer-encoding: chunked\r\n\r\n2\r\nok\r\n0\r\n",
        "transfer-encoding: chunked\r\n\r\n2\r\nok\r\nzz\r\nok\r\n0\r\n\r\n",
        "transfer-encoding: chunked\r\n\r\n2\r\nok\r\n-2\r\nok\r\n0\r\n\r\n",
        "transfer-encoding: chunked\r\n\r\n2\r\nokX0\r\n\r\n",
        "transfer-encoding: chunked\r\n\r\n2\r\nok\r\nffffffffffffffff1\r\nok\r\n0\r\n\r\n",
        "transfer-encoding: chunked\r\n\r\n2\r\nok\r\n0\r\nx y\r\n\r\n",
    ] {
        let whole = format!("{OK}{answer}").into_bytes();
        let (address, _requests) = answering_once(whole).await;
        let gateway = gateway(&[("*", address)], forward()).await;
        let mut client = Client::connect(Version::HTTP_11, gateway.address).await;
        if let Ok(response) = client.send(get("http://a/", &[])).await {
            let collected = soon(response.into_body().collect()).await;
            assert!(collected.is_err(), "{answer:?} passes as whole");
        }
    }
}

/// An upstream that answers and ends the connection.
async fn answering_once(answer: Vec<u8>) -> (std::net::SocketAddr, tokio::task::JoinHandle<()>) {
    use tokio::io::{AsyncReadExt, AsyncWriteExt};
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let task = tokio::spawn(async move {
        while let Ok((mut stream, _)) = listener.accept().await {
            let _ = stream.read(&mut [0; 4096]).await;
            let _ = stream.write_all(&answer).await;
        }
    });
    (address, task)
}

/// hyper speaks HTTP/1.0 on a connection after one answer in HTTP/1.0, and HTTP/1.0 has no chunks.
#[tokio::test]
async fn a_body_is_sent_whole_after_an_answer_in_http_1_0() {
    for answer in [
        "HTTP/1.0 200 OK\r\nconnection: keep-alive\r\ncontent-length: 4\r\n\r\nfine",
        "HTTP/1.0 200 OK\r\nkeep-alive: timeout=5\r\nconnection: Keep-Alive\r\n\
         content-length: 4\r\n\r\nfine",
        "HTTP/1.0 200 OK\r\ncontent-length: 4\r\n\r\nfine",
    ] {
        let (address, mut requests) = answering(|_| Some(answer.into())).await;
        let gateway = gateway(&[("*", address)], forward()).await;
        let mut client = Client::connect(Version::HTTP_11, gateway.address).await;
        for _ in 0..3 {
            let response = client.send(get("http://a/", &[])).await.unwrap();
            assert_eq!(text(response).await, "fine");
            assert!(soon(requests.recv()).await.unwrap().starts_with("GET / HTTP/1.1\r\n"));
            let chunked = streamed("hello");
            let post = Request::post("http://a/").body(chunked).unwrap();
            let response = client.send(post).await.unwrap();
            assert_eq!(text(response).await, "fine");
            let request = soon(requests.recv()).await.unwrap();
            assert!(request.starts_with("POST / HTTP/1.1\r\n"), "{request}");
            assert!(request.contains("transfer-encoding: chunked\r\n"), "{request}");
            assert!(request.ends_with("\r\n5\r\nhello\r\n0\r\n\r\n"), "{request}");
        }
    }
}

/// A body of unknown length.
fn streamed(text: &'static str) -> Body {
    let (mut sender, channel) = http_body_util::Channel::<bytes::Bytes, std::io::Error>::new(1);
    tokio::spawn(async move { sender.send_data(text.into()).await });
    channel.boxed_unsync()
}

#[tokio::test]
async fn what_follows_an_answer_is_not_the_next_answer() {
    let evil = "HTTP/1.1 200 OK\r\ncontent-length: 4\r\n\r\nevil";
    for answer in [
        format!("{FINE}{evil}"),
        format!("HTTP/1.1 204 No\r\n\r\n{evil}"),
        format!("HTTP/1.1 304 Not\r\ncontent-length: 41\r\n\r\n{evil}"),
        format!("{OK}transfer-encoding: chunked\r\n\r\n0\r\n\r\n{evil}"),
        format!("{OK}content-length: 0\r\n\r\n{evil}"),
    ] {
        let gateway = gateway(&[("*", upstream(&answer).await)], forward()).await;
        let mut client = Client::connect(Version::HTTP_11, gateway.address).await;
        for _ in 0..20 {
            let first = client.send(get("http://a/", &[])).await.unwrap();
            assert!(!text(first).await.contains("evil"));
            let next = client.send(get("http://a/fine", &[])).await.unwrap();
            assert_eq!(text(next).await, "fine", "after {answer:?}");
        }
        // The body of an answer to HEAD is none.
        let head = Request::head("http://a/").body(no_body()).unwrap();
        assert_eq!(text(client.send(head).await.unwrap()).await, "");
        let next = client.send(get("http://a/fine", &[])).await.unwrap();
        assert_eq!(text(next).await, "fine", "after HEAD and {answer:?}");
    }
}
