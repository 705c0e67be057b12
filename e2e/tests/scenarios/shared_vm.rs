//! Two plugins of one module in one VM, which is how Envoy runs them when module and `vm_id` are
//! the same. Each root context must keep its own policy.

use gatepost_render::FailurePolicy;
use gatepost_render::bootstrap::{AccessLog, Bootstrap, Module, Plugin, PluginSource, Route};
use gatepost_testbed::client::{VERSIONS, get};
use gatepost_testbed::echo::Upstream;
use gatepost_testbed::envoy::LISTENER;
use gatepost_testbed::envoy::process::{Envoy, Options};
use http::Version;
use serde_json::{Value, json};

use crate::answer::send;
use crate::pair;

/// A policy whose hint header has its name, and that refuses every environment but its own.
fn named(name: &str) -> String {
    pair::json(&format!(
        "
apiVersion: gatepost/v1
environments:
  sources: [{{ header: env-{name} }}]
  allow: [env-{name}]
  default: env-{name}
  hints: {{ headers: {{ x-{name}: \"{{env}}\" }} }}
"
    ))
}

async fn document(upstream: &Upstream) -> Value {
    let routes: Vec<Route> = vec![format!("*={}", upstream.addr()).parse().expect("a route")];
    let first = named("one");
    let plugin = Plugin {
        module: Module::Inline(gatepost_filter_wasm::MODULE),
        configuration: &first,
        on_failure: FailurePolicy::Closed,
    };
    let bootstrap = Bootstrap {
        listen: ([127, 0, 0, 1], 0).into(),
        admin: None,
        routes: &routes,
        trusted_hops: 0,
        access_log: AccessLog::Off,
        plugin: PluginSource::Static(plugin),
    };
    serde_json::from_str(&bootstrap.render().expect("a document")).expect("JSON")
}

fn filters(listener: &mut Value) -> &mut Vec<Value> {
    let manager = &mut listener["filter_chains"][0]["filters"][0]["typed_config"];
    manager["http_filters"].as_array_mut().expect("filters")
}

/// Puts another policy into a rendered filter. Module, `vm_id` and the plugin's name stay, so the
/// plugins differ in their policy only.
fn with_policy(filter: &Value, name: &str, configuration: &str) -> Value {
    let mut filter = filter.clone();
    filter["name"] = json!(format!("gatepost-{name}"));
    filter["typed_config"]["config"]["configuration"]["value"] = json!(configuration);
    filter
}

async fn start(document: &Value) -> Envoy {
    let binary = gatepost_e2e::envoy().expect("an Envoy");
    Envoy::start(&binary, &document.to_string(), &Options::default())
        .unwrap_or_else(|error| panic!("{error}"))
}

/// There must be three VMs for any number of plugins: one from which the others are made, one for
/// the main thread and one for the only worker. With more, the plugins would not share a VM, and
/// these tests would show nothing.
fn assert_plugins_share_their_vms(envoy: &Envoy) {
    let stats = envoy.admin("/stats?filter=wasm.*active").expect("stats");
    assert_eq!(stats.trim(), "wasm.envoy.wasm.runtime.v8.active: 3");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn two_filters_of_one_chain_each_do_their_own_work() {
    let upstream = Upstream::start("any", None).await.expect("an upstream");
    let mut document = document(&upstream).await;
    let filters = filters(&mut document["static_resources"]["listeners"][0]);
    let second = with_policy(&filters[0], "two", &named("two"));
    filters.insert(1, second);
    let envoy = start(&document).await;
    assert_plugins_share_their_vms(&envoy);
    let address = envoy.listener(LISTENER).expect("a listener");
    for _ in 0..100 {
        for version in VERSIONS {
            let answer = send(
                version,
                address,
                get("http://a.example/", &[("x-one", "forged"), ("x-two", "forged")]),
            )
            .await;
            assert_eq!(answer.received("x-one"), ["env-one"]);
            assert_eq!(answer.received("x-two"), ["env-two"]);
            for header in ["env-one", "env-two"] {
                let answer =
                    send(version, address, get("http://a.example/", &[(header, "nope")])).await;
                assert_eq!(answer.by(), "gateway 404", "{header}");
            }
        }
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn two_listeners_with_policies_of_their_own_do_not_mix() {
    let upstream = Upstream::start("any", None).await.expect("an upstream");
    let mut document = document(&upstream).await;
    let listeners = document["static_resources"]["listeners"].as_array_mut().expect("listeners");
    let mut second = listeners[0].clone();
    second["name"] = json!("second");
    let filter = &mut filters(&mut second)[0];
    *filter = with_policy(filter, "two", &named("two"));
    // The third policy equals the first, so Envoy may use one root context for both.
    let mut third = listeners[0].clone();
    third["name"] = json!("third");
    listeners.extend([second, third]);
    let envoy = start(&document).await;
    assert_plugins_share_their_vms(&envoy);
    let mut asking = Vec::new();
    for (listener, own, other) in
        [(LISTENER, "one", "two"), ("second", "two", "one"), ("third", "one", "two")]
    {
        let address = envoy.listener(listener).expect("a listener");
        asking.push(tokio::spawn(async move {
            for round in 0..200 {
                let version = if round % 2 == 0 { Version::HTTP_11 } else { Version::HTTP_2 };
                let answer = send(
                    version,
                    address,
                    get("http://a.example/", &[(&format!("env-{other}"), "nope")]),
                )
                .await;
                assert_eq!(
                    answer.received(&format!("x-{own}")),
                    [format!("env-{own}")],
                    "{listener}"
                );
                assert_eq!(answer.received(&format!("x-{other}")), [""; 0], "{listener}");
                let answer = send(
                    version,
                    address,
                    get("http://a.example/", &[(&format!("env-{own}"), "nope")]),
                )
                .await;
                assert_eq!(answer.by(), "gateway 404", "{listener}");
            }
        }));
    }
    for asking in asking {
        asking.await.expect("no policy answered for another");
    }
}
