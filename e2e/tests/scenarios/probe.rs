//! The balancer's probe on a kept connection, with repeated headers and over HTTP/2, and health
//! checks that the gateway answers itself.

use gatepost_testbed::client::{VERSIONS, get};
use http::Version;

use crate::answer::send;
use crate::pair::Pair;
use crate::raw::{self, Connection};

const PROBE: &[u8] = b"GET / HTTP/1.1\r\nHost: 10.0.0.1\r\nUser-Agent: GoogleHC/1.0\r\n\r\n";
const REQUEST: &[u8] =
    b"GET / HTTP/1.1\r\nHost: My-Service.test.com.:443\r\nUser-Agent: curl/8\r\n\r\n";

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn probes_and_requests_take_turns_on_one_connection() {
    let pair = Pair::shipped("knative-gclb").await;
    for (gateway, testbed) in pair.each() {
        let mut connection = Connection::open(testbed.address()).await;
        for round in 0..20 {
            connection.write(PROBE).await;
            let probe = connection.answer().await.expect("an answer");
            assert_eq!(
                (probe.by().as_str(), probe.status),
                ("readiness", 200),
                "{gateway}, round {round}"
            );
            assert_eq!(probe.authority(), "istio-ingress.gke-system.svc.cluster.local:15020");
            assert_eq!(probe.echo().expect("an echo")["path"], "/healthz/ready");
            connection.write(REQUEST).await;
            let request = connection.answer().await.expect("an answer");
            assert_eq!(request.by(), "my-service", "{gateway}, round {round}");
            assert_eq!(request.authority(), "my-service.default.example.com");
            assert_eq!(request.received("x-forwarded-host"), ["My-Service.test.com.:443"]);
        }
        // The requests are sent at once and answered in order.
        connection.write(&[PROBE, REQUEST, PROBE].concat()).await;
        for by in ["readiness", "my-service", "readiness"] {
            assert_eq!(connection.answer().await.expect("an answer").by(), by, "{gateway}");
        }
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_probe_is_one_whatever_its_host_and_protocol_and_a_near_miss_is_none() {
    let pair = Pair::shipped("knative-gclb").await;
    let probe = &[("user-agent", "GoogleHC/1.0")][..];
    for (uri, headers, by) in [
        ("http://10.0.0.1/", probe, "readiness"),
        ("http://my-service.test.com/", probe, "readiness"),
        ("http://my-service.default.svc.cluster.local/", probe, "readiness"),
        ("http://10.0.0.1:8080/?probe=1", probe, "readiness"),
        ("http://10.0.0.1/x", probe, "anything-else"),
        ("http://10.0.0.1/", &[("user-agent", "googlehc/1.0")], "anything-else"),
        ("http://10.0.0.1/", &[("user-agent", "curl GoogleHC/1.0")], "anything-else"),
        (
            "http://10.0.0.1/",
            &[("user-agent", "GoogleHC/1.0"), ("via", "1.1 google")],
            "anything-else",
        ),
        ("http://10.0.0.1/", &[("user-agent", "GoogleHC/1.0"), ("via", "")], "anything-else"),
    ] {
        for version in VERSIONS {
            for (gateway, testbed) in pair.each() {
                let answer = send(version, testbed.address(), get(uri, headers)).await;
                assert_eq!(answer.by(), by, "{gateway} {version:?} {uri} {headers:?}");
            }
        }
    }
    for method in ["HEAD", "POST", "OPTIONS", "DELETE"] {
        for (gateway, testbed) in pair.each() {
            let mut request = get("http://10.0.0.1/", probe);
            *request.method_mut() = method.parse().expect("a method");
            assert_eq!(
                send(Version::HTTP_2, testbed.address(), request).await.by(),
                "anything-else",
                "{gateway} {method}"
            );
        }
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_probes_address_is_the_trusted_one_and_not_what_a_client_writes() {
    let pair = Pair::shipped("all-in-one").await;
    let probe = |forwarded_for: &[u8]| {
        raw::get(&[
            b"Host: 10.0.0.1",
            b"User-Agent: GoogleHC/1.0",
            &[b"X-Forwarded-For: ", forwarded_for].concat(),
            b"Connection: close",
        ])
    };
    // One hop is trusted, so the last address counts.
    for (forwarded_for, by) in [
        (&b"35.191.0.1"[..], "readiness"),
        (b"2600:2d00:1:b029::1", "readiness"),
        (b"198.51.100.1, 130.211.3.255", "readiness"),
        (b"35.191.0.1, 198.51.100.1", "app-env1"),
        (b"130.211.4.0", "app-env1"),
        (b"nonsense", "app-env1"),
        (b"\xff\xfe", "app-env1"),
        (b"", "app-env1"),
    ] {
        for (gateway, testbed) in pair.each() {
            let answer =
                raw::send(testbed.address(), &probe(forwarded_for)).await.expect("an answer");
            assert_eq!(answer.by(), by, "{gateway} {:?}", String::from_utf8_lossy(forwarded_for));
        }
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_health_check_that_responds_reaches_no_upstream() {
    let pair = Pair::start(
        "
apiVersion: gatepost/v1
healthChecks:
- { name: up, match: { path: { exact: /up } }, respond: { status: 200, body: \"ok\\n\" } }
- { name: down, match: { path: { prefix: /down } }, respond: { status: 503, body: draining } }
- { name: silent, match: { path: { exact: /silent } }, respond: { status: 204 } }
",
        &[("*", "any")],
    )
    .await;
    for (gateway, testbed) in pair.each() {
        for version in VERSIONS {
            for (path, status, body) in [
                ("/up", 200, "ok\n"),
                ("/up?x", 200, "ok\n"),
                ("/down/now", 503, "draining"),
                ("/silent", 204, ""),
            ] {
                let answer =
                    send(version, testbed.address(), get(&format!("http://a.example{path}"), &[]))
                        .await;
                assert_eq!(
                    (answer.status, answer.text().as_str()),
                    (status, body),
                    "{gateway} {version:?} {path}"
                );
            }
            assert_eq!(
                send(version, testbed.address(), get("http://a.example/upper", &[])).await.by(),
                "any",
                "{gateway}"
            );
        }
        let head = raw::send(
            testbed.address(),
            b"HEAD /up HTTP/1.1\r\nHost: a.example\r\nConnection: close\r\n\r\n",
        )
        .await;
        let head = head.expect("an answer");
        assert_eq!(
            (head.status, head.body.len()),
            (200, 0),
            "{gateway}: an answer to HEAD has no body"
        );
        let counters = testbed.counters().await.expect("counters");
        assert_eq!(counters.get("gatepost.health_check.up"), Some(&5), "{gateway}: {counters:?}");
    }
}
