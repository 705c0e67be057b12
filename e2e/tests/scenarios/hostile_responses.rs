//! Responses that are as long, as many or as strange as an upstream can make them. What is no URL
//! or cookie of the written host comes through to the byte, and the rest is restored.

use gatepost_render::bootstrap::{PluginSource, Route};
use gatepost_testbed::client::{self, VERSIONS, body};
use gatepost_testbed::echo::Upstream;
use gatepost_testbed::envoy::LISTENER;
use gatepost_testbed::envoy::process::{Envoy, Options};
use http::{HeaderMap, Request, Version};
use serde_json::{Value, json};

use crate::answer::send;
use crate::pair::{self, Pair};
use crate::reload::{bootstrap, plugin};

const POLICY: &str = "
apiVersion: gatepost/v1
hosts:
  mappings:
  - { host: shop.test, authority: shop.default.example }
";

/// Header lines that an upstream sends, and those that the client must get.
type Lines = Vec<(&'static str, Vec<u8>)>;

async fn each_gets(sent: &Lines, expected: &Lines) {
    let pair = Pair::start(POLICY, &[("*", "shop")]).await;
    let mut lines = Vec::new();
    for (name, value) in sent {
        lines.extend([name.as_bytes(), b": ", value, b"\n"].concat());
    }
    for (gateway, testbed) in pair.each() {
        for version in VERSIONS {
            let request = Request::post("http://shop.test/.echo/head/302")
                .body(body(lines.clone()))
                .expect("a request");
            let response = client::send(version, testbed.address(), request).await;
            assert_eq!(response.status(), 302, "{gateway} {version:?}");
            for name in ["location", "content-location", "refresh", "set-cookie", "x-other"] {
                let all = |headers: &HeaderMap| {
                    let lines = headers.get_all(name).into_iter();
                    lines.map(|line| line.as_bytes().to_vec()).collect::<Vec<_>>()
                };
                let wanted = expected.iter().filter(|(known, _)| *known == name);
                let wanted: Vec<Vec<u8>> = wanted.map(|(_, value)| value.clone()).collect();
                let got = all(response.headers());
                assert!(got == wanted, "{gateway} {version:?} {name}: {}", shown(&got));
            }
        }
    }
}

fn shown(lines: &[Vec<u8>]) -> String {
    let short = |line: &Vec<u8>| line.get(..200).unwrap_or(line).escape_ascii().to_string();
    lines.iter().map(short).collect::<Vec<_>>().join("\n")
}

fn line(name: &'static str, value: impl Into<Vec<u8>>) -> (&'static str, Vec<u8>) {
    (name, value.into())
}

/// What a gateway takes of a response over HTTP/2, beside the headers that it adds.
const LONG: usize = 58 * 1024;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_long_url_is_restored_to_its_end() {
    let path = "a/".repeat(LONG / 2);
    each_gets(
        &vec![line("location", format!("http://shop.default.example/{path}"))],
        &vec![line("location", format!("http://shop.test/{path}"))],
    )
    .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_long_value_that_is_no_url_stays_as_it_is() {
    let name = "shop.default.example.";
    let host = name.repeat(LONG / name.len() - 1);
    for value in ["/".repeat(LONG), format!("http://{host}/"), ":".repeat(LONG)] {
        let lines = vec![line("location", value)];
        each_gets(&lines, &lines).await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn bytes_that_are_no_text_stay_beside_what_is_restored() {
    each_gets(
        &vec![
            line("location", *b"http://shop.default.example/caf\xe9?\xff\x80"),
            line("content-location", *b"http://shop.default.ex\xc3\xa9mple/"),
            line("refresh", *b"\xa05; url=http://shop.default.example/"),
            line("set-cookie", *b"\xff=\xfe; Domain=shop.default.example; \x80"),
            line("set-cookie", *b"a=1; Domain=shop.default.example\xff"),
            line("x-other", *b"http://shop.default.example/\xff"),
        ],
        &vec![
            line("location", *b"http://shop.test/caf\xe9?\xff\x80"),
            line("content-location", *b"http://shop.default.ex\xc3\xa9mple/"),
            line("refresh", *b"\xa05; url=http://shop.default.example/"),
            line("set-cookie", *b"\xff=\xfe; Domain=shop.test; \x80"),
            line("set-cookie", *b"a=1; Domain=shop.default.example\xff"),
            line("x-other", *b"http://shop.default.example/\xff"),
        ],
    )
    .await;
}

/// As many lines as a gateway takes of a response, beside those that it adds.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn ninety_cookies_keep_their_order() {
    let cookie = |number: usize, host: &str| {
        let host = if number.is_multiple_of(3) { "other.example" } else { host };
        line("set-cookie", format!("c{number}={}; Domain={host}", "v".repeat(500)))
    };
    each_gets(
        &(0..90).map(|number| cookie(number, "shop.default.example")).collect(),
        &(0..90).map(|number| cookie(number, "shop.test")).collect(),
    )
    .await;
}

/// An Envoy that takes more of them.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_thousand_cookies_are_each_the_clients() {
    let upstream = Upstream::start("shop", None).await.expect("an upstream");
    let policy = pair::json(POLICY);
    let routes: Vec<Route> = vec![format!("*={}", upstream.addr()).parse().expect("a route")];
    let document = bootstrap(&routes, PluginSource::Static(plugin(&policy)));
    let mut document: Value = serde_json::from_str(&document).expect("JSON");
    let cluster = &mut document["static_resources"]["clusters"][0];
    let options = "envoy.extensions.upstreams.http.v3.HttpProtocolOptions";
    let options = &mut cluster["typed_extension_protocol_options"][options];
    options["common_http_protocol_options"] = json!({ "max_headers_count": 2000 });
    let binary = gatepost_e2e::envoy().expect("an Envoy");
    let envoy = Envoy::start(&binary, &document.to_string(), &Options::default())
        .unwrap_or_else(|error| panic!("{error}"));
    let cookies =
        |host: &str| (0..1000).map(|n| format!("c{n}=;domain={host}")).collect::<Vec<_>>();
    let lines: String =
        cookies("example").iter().map(|line| format!("set-cookie: {line}\n")).collect();
    let request = Request::post("http://shop.test/.echo/head/200").body(body(lines));
    let address = envoy.listener(LISTENER).expect("a listener");
    let answer = send(Version::HTTP_2, address, request.expect("a request")).await;
    assert_eq!((answer.status, answer.all("set-cookie").len()), (200, 1000));
    assert_eq!(answer.all("set-cookie"), cookies("shop.test"));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn empty_values_and_repeated_headers_keep_their_places() {
    each_gets(
        &vec![
            line("location", ""),
            line("content-location", "http://shop.default.example/1"),
            line("content-location", ""),
            line("content-location", "http://elsewhere.example/"),
            line("content-location", "http://shop.default.example/2"),
            line("refresh", ""),
            line("refresh", "5; url=http://shop.default.example/"),
            line("set-cookie", ""),
            line("set-cookie", "a=1; Domain=shop.default.example"),
            line("set-cookie", ""),
        ],
        &vec![
            line("location", ""),
            line("content-location", "http://shop.test/1"),
            line("content-location", ""),
            line("content-location", "http://elsewhere.example/"),
            line("content-location", "http://shop.test/2"),
            line("refresh", ""),
            line("refresh", "5; url=http://shop.test/"),
            line("set-cookie", ""),
            line("set-cookie", "a=1; Domain=shop.test"),
            line("set-cookie", ""),
        ],
    )
    .await;
}

/// A gateway makes one value of several, before filters see them, and the first URL is the one that
/// browsers follow.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn several_redirects_are_one_whose_beginning_counts() {
    each_gets(
        &vec![
            line("location", "http://shop.default.example/1"),
            line("location", "http://shop.default.example/2"),
        ],
        &vec![line("location", "http://shop.test/1,http://shop.default.example/2")],
    )
    .await;
}
