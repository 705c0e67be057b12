//! A real Envoy whose filter traps: the test build of the filter does so for a request with
//! `x-gatepost-trap`. The tests check each failure policy.

use std::net::SocketAddr;

use gatepost_render::FailurePolicy;
use gatepost_render::bootstrap::{Module, Plugin, PluginSource, Route};
use gatepost_testbed::client::get;
use gatepost_testbed::echo::Upstream;
use gatepost_testbed::envoy::LISTENER;
use gatepost_testbed::envoy::process::{Envoy, Options};
use http::Version;

use crate::answer::{Answer, send};
use crate::pair::json;
use crate::reload::{bootstrap, eventually};

const POLICY: &str = "apiVersion: gatepost/v1
strip: [x-inside]
environments: { default: env1, hints: { headers: { x-env: \"{env}\" } } }
";

struct Trapping {
    envoy: Envoy,
    address: SocketAddr,
    _upstream: Upstream,
}

impl Trapping {
    async fn start(on_failure: FailurePolicy) -> Self {
        let upstream = Upstream::start("any", None).await.expect("an upstream");
        let routes: Vec<Route> = vec![format!("*={}", upstream.addr()).parse().expect("a route")];
        let configuration = json(POLICY);
        let plugin = Plugin {
            module: Module::Inline(gatepost_filter_wasm::PROBE),
            configuration: &configuration,
            on_failure,
        };
        let document = bootstrap(&routes, PluginSource::Static(plugin));
        let binary = gatepost_e2e::envoy().expect("an Envoy");
        let envoy = Envoy::start(&binary, &document, &Options::default())
            .unwrap_or_else(|error| panic!("{error}"));
        let address = envoy.listener(LISTENER).expect("a listener");
        let started = Self { envoy, address, _upstream: upstream };
        assert_eq!(
            started.filtered().await.map(|answer| answer.status),
            Some(200),
            "it works before"
        );
        started
    }

    async fn ask(&self, headers: &[(&str, &str)]) -> Answer {
        send(Version::HTTP_11, self.address, get("http://shop.example/", headers)).await
    }

    async fn trap(&self) -> Answer {
        self.ask(&[("x-gatepost-trap", "1")]).await
    }

    /// The answer to a request that the filter saw.
    async fn filtered(&self) -> Option<Answer> {
        let answer = self.ask(&[("x-inside", "forged")]).await;
        (answer.received("x-env") == ["env1"] && answer.received("x-inside").is_empty())
            .then_some(answer)
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn fail_closed_lets_nothing_pass_after_a_trap() {
    let envoy = Trapping::start(FailurePolicy::Closed).await;
    assert_eq!(envoy.trap().await.status, 503);
    for _ in 0..30 {
        assert_eq!(envoy.ask(&[]).await.status, 503);
        tokio::time::sleep(std::time::Duration::from_millis(100)).await;
    }
    assert!(
        envoy.envoy.admin("/ready").is_ok_and(|ready| ready.trim() == "LIVE"),
        "Envoy itself goes on"
    );
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn fail_open_lets_requests_pass_unfiltered_after_a_trap() {
    let envoy = Trapping::start(FailurePolicy::Open).await;
    envoy.trap().await;
    for _ in 0..10 {
        let answer = envoy.ask(&[("x-inside", "forged")]).await;
        assert_eq!(
            (answer.status, answer.received("x-inside")),
            (200, vec!["forged".to_owned()]),
            "what a policy strips arrives"
        );
        assert_eq!(answer.received("x-env"), [""; 0]);
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn fail_reload_brings_the_filter_back_after_every_trap() {
    let envoy = Trapping::start(FailurePolicy::Reload).await;
    for _ in 0..3 {
        assert_eq!(envoy.trap().await.status, 503);
        eventually("the filter is back", || async {
            let answer = envoy.ask(&[("x-inside", "forged")]).await;
            // Until then no request passes, and never unfiltered.
            assert!(answer.status == 503 || answer.received("x-inside").is_empty(), "{answer:?}");
            answer.status == 200
        })
        .await;
        assert!(envoy.filtered().await.is_some());
    }
}
