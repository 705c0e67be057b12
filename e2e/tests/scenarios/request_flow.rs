//! What reaches an upstream: cluster-local names, headers that belong to the mesh, observe mode,
//! and requests that the filter must not change.

use gatepost_testbed::Testbed;
use gatepost_testbed::client::{VERSIONS, body, get};
use http::{Request, Version};
use serde_json::json;

use crate::answer::send;
use crate::pair::{Pair, embedded, envoy};
use crate::raw;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn cluster_local_names_are_refused_from_outside_in_every_spelling() {
    let pair = Pair::shipped("knative-gclb").await;
    for (gateway, testbed) in pair.each() {
        for host in [
            "my-service.default",
            "my-service.default.svc",
            "my-service.default.svc.cluster.local",
            "internal-my-service.default.svc.cluster.local",
            "internal-my-service.default.example.com",
            "MY-SERVICE.Default.SVC.Cluster.Local.",
            "my-service.default.svc.cluster.local:80",
            "my-service.default.svc.cluster.local.:80",
            "cluster-local-gateway.gke-system.svc.cluster.local",
            "istio-ingress.gke-system.svc.cluster.local:15020",
        ] {
            for version in VERSIONS {
                let answer =
                    send(version, testbed.address(), get(&format!("http://{host}/"), &[])).await;
                assert_eq!(
                    (answer.status, answer.text().as_str()),
                    (404, "not found\n"),
                    "{gateway} {version:?} {host}"
                );
            }
            // An absolute target with one host and a `Host` line with the other.
            let public = raw::request(
                format!("GET http://{host}/ HTTP/1.1").as_bytes(),
                &[b"Host: my-service.default.example.com", b"Connection: close"],
            );
            let answer = raw::send(testbed.address(), &public).await.expect("an answer");
            assert_eq!(answer.by(), "gateway 404", "{gateway}: the target {host} counts, not Host");
        }
        for version in VERSIONS {
            let answer = send(
                version,
                testbed.address(),
                get("http://my-service.default.example.com/", &[]),
            )
            .await;
            assert_eq!(answer.by(), "my-service", "{gateway} {version:?}");
        }
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn forged_headers_of_the_mesh_never_arrive_however_often_they_are_sent() {
    let pair = Pair::shipped("all-in-one").await;
    let names = ["Knative-Serving-Namespace", "KNATIVE-SERVING-REVISION", "k-network-hash"];
    for (gateway, testbed) in pair.each() {
        for repeats in [1, 2, 20] {
            let mut lines: Vec<Vec<u8>> =
                vec![b"Host: app.example".to_vec(), b"Connection: close".to_vec()];
            for repeat in 0..repeats {
                lines.extend(
                    names.iter().map(|name| format!("{name}: forged-{repeat}").into_bytes()),
                );
                lines.push(format!("X-Gatepost-Env: forged-{repeat}").into_bytes());
            }
            lines.push(b"k-network-hash:".to_vec());
            let lines: Vec<&[u8]> = lines.iter().map(Vec::as_slice).collect();
            let answer = raw::send(testbed.address(), &raw::get(&lines)).await.expect("an answer");
            for name in names {
                assert_eq!(
                    answer.received(&name.to_lowercase()),
                    [""; 0],
                    "{gateway} {repeats} {name}"
                );
            }
            assert_eq!(answer.received("x-gatepost-env"), ["env1"], "{gateway} {repeats}");

            let mut request = get("http://app.example/", &[("env", "env2")]);
            for repeat in 0..repeats {
                for name in names.iter().chain(&["x-gatepost-env"]) {
                    let name: http::HeaderName = name.to_lowercase().parse().expect("a name");
                    request
                        .headers_mut()
                        .append(name, format!("forged-{repeat}").parse().expect("a value"));
                }
            }
            let answer = send(Version::HTTP_2, testbed.address(), request).await;
            for name in names {
                assert_eq!(
                    answer.received(&name.to_lowercase()),
                    [""; 0],
                    "{gateway} HTTP/2 {repeats} {name}"
                );
            }
            assert_eq!(answer.received("x-gatepost-env"), ["env2"], "{gateway} HTTP/2 {repeats}");
        }
        // A `connection` header must not remove a hint: the gateway applies it before the filter
        // writes.
        let nominated = raw::get(&[
            b"Host: app.example",
            b"env: env2",
            b"X-Gatepost-Env: env1",
            b"Connection: close, x-gatepost-env",
        ]);
        let answer = raw::send(testbed.address(), &nominated).await.expect("an answer");
        assert_eq!(answer.received("x-gatepost-env"), ["env2"], "{gateway}");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn observe_mode_counts_as_enforce_does_and_changes_nothing() {
    let (policy, _) =
        crate::pair::shipped("all-in-one").read().unwrap_or_else(|report| panic!("{report:?}"));
    let mut document: serde_json::Value = serde_json::from_str(&policy.json).expect("JSON");
    document["mode"] = json!("observe");
    let routes = &[("*", "any")];
    let observe = Pair::with_configuration(&document.to_string(), routes).await;
    let enforce = Pair::with_configuration(&policy.json, routes).await;
    let requests: &[(&str, &[(&str, &str)])] = &[
        ("http://10.0.0.1/", &[("user-agent", "GoogleHC/1.0"), ("x-forwarded-for", "35.191.0.1")]),
        ("http://status.example.com/up", &[]),
        ("http://My-Service.test.com.:443/", &[]),
        ("http://ads.mesh.private/", &[("env", "env2")]),
        ("http://a.svc.cluster.local/", &[]),
        ("http://a..example/", &[]),
        ("http://a.example/", &[("env", "nope")]),
        (
            "http://env2.dev.example.com/",
            &[("x-gatepost-env", "forged"), ("knative-serving-revision", "forged")],
        ),
        ("http://a.example/?env=stg", &[("x-forwarded-host", "forged.example")]),
    ];
    for ((gateway, observing), (_, enforcing)) in observe.each().into_iter().zip(enforce.each()) {
        for (uri, headers) in requests {
            for version in VERSIONS {
                let answer = send(version, observing.address(), get(uri, headers)).await;
                assert_eq!(answer.by(), "any", "{gateway} {version:?} {uri}");
                let authority: http::Uri = uri.parse().expect("a URI");
                assert_eq!(
                    answer.authority(),
                    authority.authority().expect("one").as_str(),
                    "{gateway} {version:?}"
                );
                for (name, value) in headers.iter().filter(|(name, _)| *name != "x-forwarded-for") {
                    assert_eq!(
                        answer.received(name),
                        [*value],
                        "{gateway} {version:?} {uri} {name}"
                    );
                }
                if !headers.iter().any(|(name, _)| *name == "x-gatepost-env") {
                    assert_eq!(
                        answer.received("x-gatepost-env"),
                        [""; 0],
                        "{gateway} {version:?} {uri}"
                    );
                }
                send(version, enforcing.address(), get(uri, headers)).await;
            }
        }
        let (observed, enforced) = (
            observing.counters().await.expect("counters"),
            enforcing.counters().await.expect("counters"),
        );
        assert_eq!(observed, enforced, "{gateway}");
        assert!(
            observed.values().filter(|count| **count > 0).count() >= 9,
            "{gateway}: {observed:?}"
        );
    }
    let on_envoy = observe.envoy.counters().await.expect("counters");
    let accepted = on_envoy["gatepost.config.accepted"];
    assert_eq!(on_envoy, {
        // Envoy configures the filter twice, in the canary VM and in the worker's; the embedded
        // gateway has one VM.
        let mut counters = observe.embedded.counters().await.expect("counters");
        counters.insert("gatepost.config.accepted".to_owned(), accepted);
        counters
    });
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn bodies_of_a_mebibyte_pass_unharmed_both_ways() {
    let pair = Pair::shipped("all-in-one").await;
    let mut random = fastrand::Rng::with_seed(7);
    let payload: Vec<u8> = std::iter::repeat_with(|| random.u8(..)).take(1024 * 1024).collect();
    for (gateway, testbed) in pair.each() {
        for version in VERSIONS {
            for (uri, env) in [
                ("http://app.example/.echo/mirror", "env2"),
                ("http://my-service.test.com/.echo/mirror?x", ""),
            ] {
                let request = Request::post(uri)
                    .header("env", env)
                    .body(body(payload.clone()))
                    .expect("a request");
                let answer = send(version, testbed.address(), request).await;
                assert_eq!(answer.status, 200, "{gateway} {version:?}");
                assert!(
                    answer.body == payload,
                    "{gateway} {version:?}: {} bytes came back",
                    answer.body.len()
                );
            }
        }
        let refused =
            Request::post("http://app.example/").header("env", "nope").body(body(payload.clone()));
        let answer = send(Version::HTTP_2, testbed.address(), refused.expect("a request")).await;
        assert_eq!(
            (answer.status, answer.text().as_str()),
            (404, "unknown environment\n"),
            "{gateway}"
        );
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn websocket_upgrades_reach_the_upstream_and_others_are_refused_alike() {
    let pair = Pair::shipped("all-in-one").await;
    let upgrade = |protocol: &str| {
        raw::get(&[
            b"Host: app.example",
            b"Connection: Upgrade",
            format!("Upgrade: {protocol}").as_bytes(),
            b"Sec-WebSocket-Version: 13",
            b"Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==",
        ])
    };
    let mut seen = Vec::new();
    for (gateway, testbed) in pair.each() {
        let answer = raw::send(testbed.address(), &upgrade("spdy/3")).await.expect("an answer");
        assert_eq!(answer.by(), "gateway 403", "{gateway}");
        seen.push(answer.seen());
        // The test bed's upstreams take no other protocol, and answer as to any request.
        let answer = raw::send(testbed.address(), &upgrade("websocket")).await.expect("an answer");
        assert_eq!(answer.status, 200, "{gateway}");
        assert_eq!(
            send(Version::HTTP_11, testbed.address(), get("http://app.example/", &[])).await.by(),
            "app-env1",
            "{gateway}"
        );
    }
    assert_eq!(seen[0], seen[1]);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_empty_configuration_is_refused() {
    for configuration in ["", "{}"] {
        for gateway in [envoy(), embedded()] {
            let error = Testbed::start(&gateway, configuration, &[("*", "any")])
                .await
                .expect_err("an empty document is no policy");
            let error = error.to_string();
            assert!(error.contains("an empty document is no policy"), "{gateway:?}: {error}");
        }
    }
}
