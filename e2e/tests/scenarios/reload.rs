//! A policy that is replaced through the watched file while a real Envoy serves. Valid ones take
//! effect, invalid ones do not, and no request fails meanwhile. Also: an Envoy that starts with an
//! invalid policy.

use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::{Duration, Instant};

use gatepost_render::FailurePolicy;
use gatepost_render::bootstrap::{AccessLog, Bootstrap, Module, Plugin, PluginSource, Route};
use gatepost_testbed::client::{VERSIONS, get};
use gatepost_testbed::echo::Upstream;
use gatepost_testbed::envoy::LISTENER;
use gatepost_testbed::envoy::process::{Envoy, Options, ProcessError};
use http::Version;
use tempfile::TempDir;

use crate::answer::{Answer, send};
use crate::pair::json;

/// Three errors in three places.
pub const BAD: &str = r#"{
    "apiVersion": "gatepost/v1",
    "mod": "enforce",
    "environments": {
        "allow": ["env1"], "default": "env9", "hints": { "headers": { "x-policy": "{env}" } }
    },
    "hosts": { "mappings": [{ "host": "a.example:80", "authority": "b.example" }] }
}"#;
/// The paths of its errors.
const BAD_PATHS: [&str; 3] = ["mod", "environments.default", "hosts.mappings[0].host"];

pub fn plugin(configuration: &str) -> Plugin<'_> {
    Plugin {
        module: Module::Inline(gatepost_filter_wasm::MODULE),
        configuration,
        on_failure: FailurePolicy::Closed,
    }
}

/// A policy whose hint header is its name.
fn named(name: &str) -> String {
    json(&format!(
        "apiVersion: gatepost/v1
environments: {{ default: env1, hints: {{ headers: {{ x-policy-{name}: \"{{env}}\" }} }} }}
"
    ))
}

pub fn bootstrap(routes: &[Route], plugin: PluginSource<'_>) -> String {
    let listen = ([127, 0, 0, 1], 0).into();
    let bootstrap = Bootstrap {
        listen,
        admin: None,
        routes,
        trusted_hops: 0,
        access_log: AccessLog::Off,
        plugin,
    };
    bootstrap.render().expect("a document")
}

/// A real Envoy whose policy is a file that it watches, in front of one upstream.
pub struct Watching {
    pub envoy: Envoy,
    path: PathBuf,
    _folder: TempDir,
    _upstream: Option<Upstream>,
}

impl Watching {
    /// Starts it with a plugin configuration, in front of an echo upstream.
    pub async fn start(configuration: &str) -> Self {
        let upstream = Upstream::start("any", None).await.expect("an upstream");
        let watching = Self::in_front_of(upstream.addr(), configuration);
        Self { _upstream: Some(upstream), ..watching }
    }

    /// Starts it with a plugin configuration, in front of this upstream.
    pub fn in_front_of(upstream: SocketAddr, configuration: &str) -> Self {
        let folder = tempfile::tempdir().expect("a folder");
        let path = folder.path().join("filter.json");
        swap(&path, configuration, "first");
        let routes: Vec<Route> = vec![format!("*={upstream}").parse().expect("a route")];
        let document = bootstrap(&routes, PluginSource::FileEcds { path: &path });
        let binary = gatepost_e2e::envoy().expect("an Envoy");
        let envoy = Envoy::start(&binary, &document, &Options::default())
            .unwrap_or_else(|error| panic!("{error}"));
        Self { envoy, path, _folder: folder, _upstream: None }
    }

    pub fn address(&self) -> SocketAddr {
        self.envoy.listener(LISTENER).expect("a listener")
    }

    /// Puts another configuration in the file's place, as a rename.
    pub fn swap(&self, configuration: &str, version: &str) {
        swap(&self.path, configuration, version);
    }
}

fn swap(path: &Path, configuration: &str, version: &str) {
    let new = path.with_extension("new");
    std::fs::write(&new, plugin(configuration).render_ecds(version).expect("a document"))
        .expect("written");
    std::fs::rename(&new, path).expect("swapped");
}

pub async fn eventually<F: Future<Output = bool>>(what: &str, mut holds: impl FnMut() -> F) {
    let started = Instant::now();
    while !holds().await {
        assert!(started.elapsed() < Duration::from_secs(30), "not within 30 seconds: {what}");
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
}

/// The policy that wrote its hint.
fn policies(answer: &Answer) -> Vec<&'static str> {
    ["a", "b", "bad", "d"]
        .into_iter()
        .filter(|name| !answer.received(&format!("x-policy-{name}")).is_empty())
        .collect()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn good_policies_replace_each_other_a_bad_one_replaces_nothing_and_no_request_fails() {
    let watching = Watching::start(&named("a")).await;
    let (envoy, address) = (&watching.envoy, watching.address());
    let ask = || send(Version::HTTP_11, address, get("http://a.example/", &[]));
    let counter = |name: &str| envoy.counters().expect("counters").get(name).copied().unwrap_or(0);
    assert_eq!(policies(&ask().await), ["a"]);

    // Requests are sent all the time, over both protocols. Each must be answered, and decided by
    // exactly one policy.
    let (stop, served) = (Arc::new(AtomicBool::new(false)), Arc::new(AtomicU64::new(0)));
    let load: Vec<_> = VERSIONS
        .into_iter()
        .map(|version| {
            let (stop, served) = (stop.clone(), served.clone());
            tokio::spawn(async move {
                while !stop.load(Ordering::Relaxed) {
                    let answer = send(version, address, get("http://a.example/", &[])).await;
                    assert_eq!((answer.status, policies(&answer).len()), (200, 1), "{answer:?}");
                    served.fetch_add(1, Ordering::Relaxed);
                    tokio::time::sleep(Duration::from_millis(1)).await;
                }
            })
        })
        .collect();

    watching.swap(&named("b"), "2");
    eventually("B is in force", || async { policies(&ask().await) == ["b"] }).await;
    for _ in 0..50 {
        let answer = send(
            Version::HTTP_11,
            address,
            get("http://a.example/", &[("x-policy-b", "forged"), ("x-policy-a", "mine")]),
        )
        .await;
        assert_eq!(answer.received("x-policy-b"), ["env1"]);
        assert_eq!(
            answer.received("x-policy-a"),
            ["mine"],
            "A's hint is a header like any other now"
        );
    }

    let refused = "extension_config_discovery.http_filter.gatepost.config_fail";
    let (refusals, rejected) = (counter(refused), counter("wasmcustom.gatepost.config.rejected"));
    watching.swap(BAD, "3");
    eventually("C is refused", || async { counter(refused) > refusals }).await;
    for _ in 0..50 {
        assert_eq!(policies(&ask().await), ["b"]);
    }
    let log = envoy.log();
    for fault in BAD_PATHS {
        let line = format!("gatepost: configuration refused: {fault}: ");
        assert_eq!(log.matches(&line).count(), 1, "one line for {fault}:\n{log}");
    }
    assert_eq!(log.matches("configuration refused").count(), BAD_PATHS.len(), "{log}");
    assert_eq!(
        counter("wasmcustom.gatepost.config.rejected"),
        rejected + 1,
        "the canary VM's counters are Envoy's too"
    );

    watching.swap(&named("d"), "4");
    eventually("D is in force", || async { policies(&ask().await) == ["d"] }).await;
    let before = served.load(Ordering::Relaxed);
    eventually("requests went on", || async { served.load(Ordering::Relaxed) > before + 20 }).await;
    stop.store(true, Ordering::Relaxed);
    for load in load {
        load.await.expect("no request failed");
    }
    assert_eq!(policies(&ask().await), ["d"]);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn no_empty_or_half_written_configuration_lifts_a_protection() {
    let whole = json(
        "apiVersion: gatepost/v1
strip: [x-secret]
hosts: { private: [\"*.svc\"] }
",
    );
    let watching = Watching::start(&whole).await;
    let (envoy, address) = (&watching.envoy, watching.address());
    let refused = "extension_config_discovery.http_filter.gatepost.config_fail";
    let refusals = || envoy.counters().expect("counters").get(refused).copied().unwrap_or_default();
    let half = whole.get(..whole.len() / 2).expect("ASCII");
    let nearly = whole.get(..whole.len() - 1).expect("ASCII");
    for (version, nothing) in (2..).zip(["", " \n", "null", "{}", "[]", half, nearly]) {
        let before = refusals();
        watching.swap(nothing, &version.to_string());
        eventually(&format!("{nothing:?} is refused"), || async { refusals() > before }).await;
        let private = send(Version::HTTP_11, address, get("http://db.svc/", &[])).await;
        assert_eq!(private.status, 404, "after {nothing:?}");
        let secret = get("http://a.example/", &[("x-secret", "forged"), ("x_secret", "forged")]);
        let answer = send(Version::HTTP_11, address, secret).await;
        assert_eq!(answer.by(), "any", "after {nothing:?}");
        assert_eq!(answer.received("x-secret").len() + answer.received("x_secret").len(), 0);
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_hundred_reloads_end_with_the_last_policy_and_every_request_is_answered() {
    let watching = Watching::start(&named("a")).await;
    let address = watching.address();
    for round in 1..=100 {
        let configuration = match round % 4 {
            0 => named("a"),
            1 => named("b"),
            2 => BAD.to_owned(),
            _ => named("d"),
        };
        watching.swap(&configuration, &round.to_string());
        let answer = send(Version::HTTP_11, address, get("http://a.example/", &[])).await;
        assert_eq!((answer.status, policies(&answer).len()), (200, 1), "round {round}: {answer:?}");
    }
    watching.swap(&named("d"), "last");
    eventually("the last one is in force", || async {
        policies(&send(Version::HTTP_11, address, get("http://a.example/", &[])).await) == ["d"]
    })
    .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_static_envoy_with_a_bad_policy_ends_and_its_log_names_every_fault() {
    let document = bootstrap(&[], PluginSource::Static(plugin(BAD)));
    let binary = gatepost_e2e::envoy().expect("an Envoy");
    let error = Envoy::start(&binary, &document, &Options::default())
        .map(drop)
        .expect_err("Envoy refuses it");
    let ProcessError::Ended { status, log } = error else {
        panic!("it should have ended: {error}")
    };
    assert!(!status.success());
    for fault in BAD_PATHS {
        assert_eq!(
            log.matches(&format!("configuration refused: {fault}: ")).count(),
            1,
            "{fault}:\n{log}"
        );
    }
}
