//! A response that a policy test gives comes from the upstream to the client, whatever its status,
//! and the test still sees what the upstream received.

use gatepost_authoring::Suite;
use gatepost_testbed::cases::{judge, wire};
use gatepost_testbed::client::{VERSIONS, no_body};
use http::Request;

use crate::answer::send;
use crate::pair::Pair;

const POLICY: &str = r#"
apiVersion: gatepost/v1
hosts:
  mappings: [{ host: shop.test, authority: shop.default.example }]
"#;

/// A test of a request that gets a response with a status. A line of the response is the host's,
/// one is not, and one has bytes beyond ASCII.
fn suite(request: &str, status: u16) -> Suite {
    let text = format!(
        r#"
tests:
- name: one
  request: {{ authority: shop.test, {request} }}
  response:
    status: {status}
    headers:
      set-cookie: [a=1; Domain=shop.default.example, b=2]
      x-given: café
  expect:
    forward: {{ authority: shop.default.example }}
    response:
      headers: {{ set-cookie: [a=1; Domain=shop.test, b=2], x-given: café }}
      absent: [vary]
    counters: [gatepost.host.mapped, gatepost.response.restored]
"#
    );
    Suite::parse("tests.yaml", &text).unwrap_or_else(|report| panic!("{report:?}"))
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_response_of_any_status_is_judged_with_the_request_that_it_answers() {
    let pair = Pair::start(POLICY, &[("*", "shop")]).await;
    for (gateway, testbed) in pair.each() {
        for status in [200, 204, 205, 302, 304, 404, 503, 599] {
            for method in ["GET", "HEAD", "POST"] {
                let context = format!("{gateway} {method} {status}");
                let suite = suite(&format!("method: {method}"), status);
                let counted = testbed.counters().await;
                let mut counted = counted.unwrap_or_else(|error| panic!("{context}: {error}"));
                let observed = testbed.observe(&suite.cases[0], &mut counted).await;
                let observed = observed.unwrap_or_else(|error| panic!("{context}: {error}"));
                let mismatches = judge(&suite.cases[0], &observed, wire::is_added);
                assert!(mismatches.is_empty(), "{context}: {mismatches:?}");
                for version in VERSIONS {
                    let request = Request::builder().method(method).uri("http://shop.test/");
                    let request = request.body(no_body()).expect("a request");
                    let answer = send(version, testbed.address(), request).await;
                    assert_eq!(answer.status, status, "{context} {version:?}");
                    assert_eq!(answer.by(), "shop", "{context} {version:?}");
                }
            }
        }
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_grpc_response_has_the_given_headers() {
    let pair = Pair::start(POLICY, &[("*", "shop")]).await;
    let suite =
        suite("method: POST, path: /a.B/C, headers: { content-type: application/grpc }", 200);
    let case = &suite.cases[0];
    for (gateway, testbed) in pair.each() {
        let mut counted = testbed.counters().await.unwrap_or_else(|error| panic!("{error}"));
        let observed = testbed.observe(case, &mut counted).await;
        let observed = observed.unwrap_or_else(|error| panic!("{gateway}: {error}"));
        let mismatches = judge(case, &observed, wire::is_added);
        assert!(mismatches.is_empty(), "{gateway}: {mismatches:?}");
    }
}
