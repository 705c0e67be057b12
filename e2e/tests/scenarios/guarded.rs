//! What a client may not send does not arrive in any form: guarded names in every spelling, as
//! headers and as trailers; private addresses in every way to write them. And how the gateways
//! read what a client repeats.

use gatepost_testbed::Testbed;
use gatepost_testbed::client::{self, VERSIONS, get};
use http::{HeaderMap, HeaderName, HeaderValue, Request, Version};
use http_body_util::{BodyExt, Full};

use crate::answer::send;
use crate::pair::Pair;
use crate::raw;

const POLICY: &str = "
apiVersion: gatepost/v1
healthChecks:
- { name: passes, match: { userAgent: { prefix: Knative- } }, pass: {} }
- name: rewrites
  match: { userAgent: { prefix: GoogleHC } }
  rewrite: { authority: ready.example }
- { name: grpc, match: { path: { exact: /answered } }, respond: { status: 503, body: \"down\\n\" } }
strip: [x-secret, knative-serving-namespace]
environments:
  sources: [{ header: env }, { baggage: env }]
  allow: [env1, \"pr-*\"]
  hints: { headers: { x-gatepost-env: \"{env}\" } }
hosts:
  private: [\"*.svc\", 127.0.0.1, 10.0.0.0/8, \"fc00::/7\", \"::1\"]
  originalHost: x-forwarded-host
";

/// Names that an upstream may take for one that the policy guards.
const FORMS: [&str; 10] = [
    "x-secret",
    "x_secret",
    "x.secret",
    "x-gatepost-env",
    "x_gatepost_env",
    "x-gatepost_env",
    "x-forwarded-host",
    "x_forwarded_host",
    "knative-serving-namespace",
    "knative_serving_namespace",
];

async fn pair() -> Pair {
    Pair::start(POLICY, &[("*", "any")]).await
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn no_form_of_a_guarded_name_arrives_as_a_header() {
    for (gateway, testbed) in pair().await.each() {
        for version in VERSIONS {
            for form in FORMS {
                let request = get("http://app.example/", &[(form, "forged"), ("x-own", "1")]);
                let answer = send(version, testbed.address(), request).await;
                assert_eq!(answer.received("x-own"), ["1"], "{gateway} {version:?} {form}");
                assert_eq!(answer.received(form), [""; 0], "{gateway} {version:?} {form}");
            }
            let hinted = get("http://app.example/", &[("env", "env1"), ("x_gatepost_env", "no")]);
            let answer = send(version, testbed.address(), hinted).await;
            assert_eq!(answer.received("x-gatepost-env"), ["env1"], "{gateway} {version:?}");
            assert_eq!(answer.received("x_gatepost_env"), [""; 0], "{gateway} {version:?}");
        }
    }
}

/// The trailers that arrive upstream of a request with these, over HTTP/2.
async fn trailers_that_arrive(testbed: &Testbed, agent: &str, names: &[&str]) -> Vec<String> {
    let trailers: HeaderMap = names
        .iter()
        .map(|name| (name.parse::<HeaderName>().expect("a name"), HeaderValue::from_static("1")))
        .collect();
    let body = Full::new("body".into())
        .map_err(|never| match never {})
        .with_trailers(std::future::ready(Some(Ok(trailers))));
    let request = Request::post("http://app.example/.echo/mirror")
        .header("user-agent", agent)
        .body(body.boxed_unsync())
        .expect("a request");
    let answer = send(Version::HTTP_2, testbed.address(), request).await;
    assert_eq!((answer.status, answer.text().as_str()), (200, "body"));
    let mut names: Vec<String> = answer.trailers.keys().map(ToString::to_string).collect();
    names.sort();
    names
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn no_form_of_a_guarded_name_arrives_as_a_trailer() {
    let mut sent = FORMS.to_vec();
    sent.push("x-checksum");
    let mut all: Vec<String> = sent.iter().map(ToString::to_string).collect();
    all.sort();
    for (gateway, testbed) in pair().await.each() {
        for agent in ["curl/8", "GoogleHC/1.0"] {
            let arrived = trailers_that_arrive(testbed, agent, &sent).await;
            assert_eq!(arrived, ["x-checksum"], "{gateway} {agent}");
        }
        let passed = trailers_that_arrive(testbed, "Knative-Probe", &sent).await;
        assert_eq!(passed, all, "{gateway}: a request that a health check passes");
    }
    let observing = POLICY.replace("healthChecks:", "mode: observe\nhealthChecks:");
    for (gateway, testbed) in Pair::start(&observing, &[("*", "any")]).await.each() {
        assert_eq!(trailers_that_arrive(testbed, "curl/8", &sent).await, all, "{gateway}");
    }
}

/// Ways to write an address that the policy refuses.
const PRIVATE: [&str; 22] = [
    "127.0.0.1",
    "127.1",
    "127.0.0.1.",
    "2130706433",
    "0x7f.0.0.1",
    "0X7F000001",
    "0177.0.0.1",
    "127.0.0.01",
    "[::ffff:127.0.0.1]",
    "[::FFFF:7F00:1]",
    "[0:0:0:0:0:ffff:127.0.0.1]",
    "[::127.0.0.1]",
    "[64:ff9b::127.0.0.1]",
    "[64:ff9b:0::7f00:0001]",
    "10.255.255.255",
    "012.1",
    "10.1",
    "[::ffff:10.1.2.3]",
    "[fd00::1]",
    "[FC00:0::]",
    "[::1]",
    "[0:0:0:0:0:0:0:1]",
];

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn no_spelling_of_a_private_address_is_let_in() {
    for (gateway, testbed) in pair().await.each() {
        for host in PRIVATE {
            for port in ["", ":80", ":8080"] {
                let line = format!("Host: {host}{port}");
                let request = raw::get(&[line.as_bytes(), b"Connection: close"]);
                let answer = raw::send(testbed.address(), &request).await.expect("an answer");
                assert_eq!(
                    (answer.status, answer.text().as_str()),
                    (404, "not found\n"),
                    "{gateway} {line}"
                );
            }
            let answer =
                send(Version::HTTP_2, testbed.address(), get(&format!("http://{host}/"), &[]))
                    .await;
            assert_eq!(answer.status, 404, "{gateway} {host} over HTTP/2");
        }
        for host in ["127.0.0.2", "11.0.0.1", "[2001:db8::1]", "[::ffff:11.0.0.1]", "[fe80::1]"] {
            let answer =
                send(Version::HTTP_11, testbed.address(), get(&format!("http://{host}/"), &[]))
                    .await;
            assert_eq!(
                (answer.by().as_str(), answer.authority().as_str()),
                ("any", host),
                "{gateway}"
            );
        }
        for host in ["::1:8080", "::1", "x~.svc", "[::1", "fd00::1"] {
            let request = raw::get(&[format!("Host: {host}").as_bytes(), b"Connection: close"]);
            let answer = raw::send(testbed.address(), &request).await.expect("an answer");
            assert_eq!(answer.status, 400, "{gateway} {host}");
        }
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_pattern_of_names_and_a_percent_encoded_baggage_name_environments() {
    for (gateway, testbed) in pair().await.each() {
        for (name, value, environment) in [
            ("env", "PR-17", "pr-17"),
            ("baggage", "user=a,env=pr%2D17;ttl=3", "pr-17"),
            ("baggage", "env=env%31", "env1"),
        ] {
            let request = get("http://app.example/", &[(name, value)]);
            let answer = send(Version::HTTP_11, testbed.address(), request).await;
            assert_eq!(answer.received("x-gatepost-env"), [environment], "{gateway} {value}");
        }
        for value in ["kube-system", "pr-", "pr-a.b", "pr%2D17"] {
            let request = get("http://app.example/", &[("env", value)]);
            let answer = send(Version::HTTP_11, testbed.address(), request).await;
            assert_eq!(answer.status, 404, "{gateway} {value}");
        }
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn two_user_agents_are_one_joined_by_a_comma() {
    for (gateway, testbed) in pair().await.each() {
        for (first, second, authority) in
            [("GoogleHC/1.0", "curl/8", "ready.example"), ("curl/8", "GoogleHC/1.0", "app.example")]
        {
            let agents = [("user-agent", first), ("user-agent", second)];
            for version in VERSIONS {
                let request = get("http://app.example/", &agents);
                let answer = send(version, testbed.address(), request).await;
                assert_eq!(answer.authority(), authority, "{gateway} {version:?} {first}");
            }
        }
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn only_what_envoy_takes_for_grpc_gets_a_grpc_status() {
    for (gateway, testbed) in pair().await.each() {
        for (content_type, host, path, status, grpc_status) in [
            ("application/grpc", "a.svc", "/", 200, Some("12")),
            ("application/grpc+proto", "a.svc", "/", 200, Some("12")),
            ("application/grpc;charset=utf-8", "a.svc", "/", 404, None),
            ("application/grpc-web", "a.svc", "/", 404, None),
            ("application/grpc", "app.example", "/answered", 200, Some("14")),
            ("application/json", "app.example", "/answered", 503, None),
        ] {
            let request = Request::post(format!("http://{host}{path}"))
                .header("content-type", content_type)
                .body(client::no_body())
                .expect("a request");
            let answer = send(Version::HTTP_2, testbed.address(), request).await;
            assert_eq!(answer.status, status, "{gateway} {content_type} {path}");
            assert_eq!(
                answer.header("grpc-status"),
                grpc_status,
                "{gateway} {content_type} {path}"
            );
        }
        let twice = Request::post("http://a.svc/")
            .header("content-type", "application/grpc")
            .header("content-type", "application/grpc")
            .body(client::no_body())
            .expect("a request");
        let answer = send(Version::HTTP_2, testbed.address(), twice).await;
        assert_eq!((answer.status, answer.header("grpc-status")), (404, None), "{gateway}");
    }
}
