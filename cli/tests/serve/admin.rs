//! The admin listener: readiness, counters and the policy in force, and nothing else.

use std::net::SocketAddr;
use std::time::Duration;

use gatepost_testbed::client::{Client, get, no_body, send, soon, text};
use gatepost_testbed::echo::Upstream;
use gatepost_testbed::refusing_address;
use http::{Request, Version};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpSocket, TcpStream};

use crate::served::{Folder, Served, policy};

async fn admin(served: &str, more: &[&str]) -> (Folder, (Upstream, TcpSocket), Served, SocketAddr) {
    let (folder, upstream) = (Folder::with(served), Upstream::start("u", None).await.unwrap());
    let (_kept, address) = refusing_address().unwrap();
    let (refusing, down) = refusing_address().unwrap();
    let mut arguments = vec!["--admin".to_owned(), address.to_string()];
    arguments.extend(more.iter().map(ToString::to_string));
    let arguments: Vec<&str> = arguments.iter().map(String::as_str).collect();
    let routes = [("*", upstream.addr()), ("down.example", down)];
    let served = Served::start_with(&folder.policy(), &routes, &arguments).await;
    (folder, (upstream, refusing), served, address)
}

async fn page(address: SocketAddr, path: &str) -> (u16, String) {
    let uri = format!("http://{address}{path}");
    let response = send(Version::HTTP_11, address, get(&uri, &[])).await;
    (response.status().as_u16(), text(response).await)
}

/// The value of a counter.
async fn value(address: SocketAddr, name: &str) -> Option<u64> {
    let (status, text) = page(address, "/stats/prometheus").await;
    assert_eq!(status, 200);
    assert!(text.ends_with("# EOF\n"), "{text}");
    text.lines().find_map(|line| line.strip_prefix(name)?.trim().parse().ok())
}

#[tokio::test]
async fn the_policy_in_force_is_shown_and_counters_go_on_over_a_reload() {
    let (folder, _upstream, mut served, admin) = admin("old", &[]).await;
    assert_eq!(page(admin, "/ready").await, (200, "LIVE\n".to_owned()));
    assert!(page(admin, "/policy").await.1.contains(r#""default":"old""#));
    for _ in 0..3 {
        send(Version::HTTP_11, served.address, get("http://a/", &[])).await;
    }
    folder.replace(&policy("new"));
    served.says("is in force now").await;
    folder.replace("apiVersion: gatepost/v1\nfaulty: 1\n");
    served.says("stays in force").await;
    assert!(page(admin, "/policy").await.1.contains(r#""default":"new""#));
    send(Version::HTTP_2, served.address, get("http://a/", &[])).await;
    send(Version::HTTP_11, served.address, get("http://down.example/", &[])).await;
    for (name, expected) in [
        ("gatepost_http_downstream_rq_total", 5),
        (r#"gatepost_http_downstream_rq_xx_total{response_code_class="2xx"}"#, 4),
        (r#"gatepost_http_downstream_rq_xx_total{response_code_class="5xx"}"#, 1),
        ("gatepost_cluster_upstream_cx_connect_fail_total", 1),
        ("gatepost_policy_reload_accepted_total", 1),
        ("gatepost_policy_reload_refused_total", 1),
        ("gatepost_log_lines_dropped_total", 0),
    ] {
        assert_eq!(value(admin, name).await, Some(expected), "{name}");
    }
    let _open = Client::connect(Version::HTTP_11, served.address).await;
    // The filter reports its counters a moment later, and connections end and begin.
    for (name, expected) in [
        ("gatepost_environment_default_total", 5),
        ("gatepost_http_downstream_cx_active", 1),
        ("gatepost_http_downstream_rq_active", 0),
    ] {
        soon(async {
            while value(admin, name).await != Some(expected) {
                tokio::time::sleep(Duration::from_millis(10)).await;
            }
        })
        .await;
    }
}

#[tokio::test]
async fn what_is_no_page_is_404_and_pages_are_only_read() {
    let (_folder, _upstream, _served, admin) = admin("p", &[]).await;
    for path in ["/", "/policy/", "/quitquitquit", "/stats", "/ready/x", "/..%2fpolicy"] {
        assert_eq!(page(admin, path).await.0, 404, "{path}");
    }
    for method in ["POST", "PUT", "DELETE", "OPTIONS", "TRACE", "PATCH"] {
        let request = Request::builder().method(method).uri(format!("http://{admin}/policy"));
        let response = send(Version::HTTP_11, admin, request.body(no_body()).unwrap()).await;
        assert_eq!(response.status(), 405, "{method}");
        assert_eq!(response.headers()["allow"], "GET, HEAD");
    }
    let head = Request::head(format!("http://{admin}/policy")).body(no_body()).unwrap();
    let response = send(Version::HTTP_11, admin, head).await;
    assert_eq!(response.status(), 200);
    assert_ne!(response.headers()["content-length"], "0");
    assert_eq!(text(response).await, "");
}

#[tokio::test]
async fn clients_that_say_nothing_do_not_keep_the_pages_from_others_for_long() {
    let (_folder, _upstream, served, admin) = admin("p", &[]).await;
    let mut silent = Vec::new();
    for _ in 0..300 {
        let mut client = TcpStream::connect(admin).await.unwrap();
        client.write_all(b"GET /ready HTTP/1.1\r\n").await.unwrap();
        silent.push(client);
    }
    // The gateway itself does not depend on them.
    let response = send(Version::HTTP_11, served.address, get("http://a/", &[])).await;
    assert_eq!(response.status(), 200);
    assert_eq!(page(admin, "/ready").await.0, 200);
}

#[tokio::test]
async fn it_is_not_ready_while_it_drains() {
    let (_folder, _upstream, mut served, admin) = admin("p", &[]).await;
    let mut client = TcpStream::connect(served.address).await.unwrap();
    client.write_all(b"GET /.echo/delay/3000 HTTP/1.1\r\nHost: a\r\n\r\n").await.unwrap();
    soon(async {
        while value(admin, "gatepost_http_downstream_rq_active").await != Some(1) {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    })
    .await;
    served.signal("TERM");
    served.says("finishing the requests in flight").await;
    assert_eq!(page(admin, "/ready").await, (503, "DRAINING\n".to_owned()));
    let mut answer = String::new();
    soon(client.read_to_string(&mut answer)).await.unwrap();
    assert!(answer.starts_with("HTTP/1.1 200 "), "{answer}");
    assert_eq!(served.ends().await.code(), Some(0));
}
