//! Request targets: every byte that Envoy 1.40 takes is taken, and every byte that it refuses is
//! refused, in a path and in a query.

use gatepost_testbed::client::{get, send, text};
use http::Version;

use crate::support::*;

async fn served(gateway: &Running, target: &[u8]) -> String {
    let request = [b"GET ", target, b" HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n"].concat();
    status_of_raw(&raw(gateway.address, request).await).to_owned()
}

#[tokio::test]
async fn a_target_may_have_the_bytes_that_envoy_takes() {
    let (upstream, _requests) =
        answering(|_| Some(b"HTTP/1.1 200 OK\r\ncontent-length: 0\r\n\r\n".to_vec())).await;
    let gateway = gateway(&[("*", upstream)], forward()).await;
    for byte in 0..=255 {
        let status = match byte {
            // Envoy takes the line to end here, and then it is one of HTTP/0.9: 426.
            b'\n' => "400",
            b'#' => "400",
            b'!'..=b'~' => "200",
            _ => "400",
        };
        for before in ["/a", "/a?q=", "/a?", "http://h/", "http://h/?"] {
            let target = [before.as_bytes(), &[byte], b"z"].concat();
            let is_fine = served(&gateway, &target).await;
            assert_eq!(is_fine, status, "{:?}", String::from_utf8_lossy(&target));
        }
    }
}

#[tokio::test]
async fn what_no_uri_holds_reaches_the_upstream_escaped_request_by_request() {
    let (upstream, mut requests) =
        answering(|_| Some(b"HTTP/1.1 200 OK\r\ncontent-length: 0\r\n\r\n".to_vec())).await;
    let gateway = gateway(&[("*", upstream)], forward()).await;
    // One connection, with bodies between the heads, in one piece and byte by byte.
    let conversation = "GET /?q=<b> HTTP/1.1\r\nHost: a\r\n\r\n\
        POST /<1> HTTP/1.1\r\nHost: a\r\nContent-Length: 21\r\n\r\nGET /?<no> HTTP/1.1\r\n\
        POST /`2` HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n\
        b;x=<\r\nGET /<no> H\r\n0\r\nX-T: <\r\n\r\n\
        GET /?\"3\" HTTP/1.1\r\nHost: a\r\nX: <>\"\r\nConnection: close\r\n\r\n";
    for part in [conversation.len(), 1, 7] {
        use tokio::io::{AsyncReadExt, AsyncWriteExt};
        let mut client = tokio::net::TcpStream::connect(gateway.address).await.unwrap();
        client.set_nodelay(true).unwrap();
        for part in conversation.as_bytes().chunks(part) {
            client.write_all(part).await.unwrap();
            client.flush().await.unwrap();
        }
        let mut answers = String::new();
        client.read_to_string(&mut answers).await.unwrap();
        assert_eq!(answers.matches("HTTP/1.1 200 OK").count(), 4, "{answers}");
        for (line, rest) in [
            ("GET /?q=%3Cb%3E HTTP/1.1", ""),
            ("POST /%3C1%3E HTTP/1.1", "\r\n\r\nGET /?<no> HTTP/1.1\r\n"),
            ("POST /%602%60 HTTP/1.1", "GET /<no> H"),
            ("GET /?%223%22 HTTP/1.1", "x: <>\"\r\n"),
        ] {
            let request = requests.recv().await.unwrap();
            assert_eq!(request.lines().next(), Some(line), "by {part}: {request}");
            assert!(request.contains(rest), "by {part}: {request}");
        }
    }
}

#[tokio::test]
async fn http2_takes_the_targets_that_a_uri_holds() {
    let (upstream, _requests) = answering(|_| None).await;
    let gateway =
        gateway(&[("*", upstream)], Deciding(|_: &mut http::Request<_>| Verdict::Reply(299, "")))
            .await;
    let response = send(Version::HTTP_2, gateway.address, get("http://a/?q={|}^`", &[])).await;
    assert_eq!(response.status(), 299);
    text(response).await;
}
