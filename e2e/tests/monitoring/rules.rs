//! The rules: their own tests, and what they say of gateways whose policies change under load.

use std::process::Command;
use std::sync::Arc;

use gatepost_testbed::echo::Upstream;

use crate::file;
use crate::gateways::{Gateway, policy};
use crate::prometheus::Prometheus;

fn promtool(arguments: &[&str]) {
    let folder = file("");
    let ended = Command::new("promtool").args(arguments).current_dir(folder).output();
    let ended = ended.expect("promtool runs: apt-get install prometheus");
    let said = String::from_utf8_lossy(&ended.stderr).into_owned();
    let said = said + &String::from_utf8_lossy(&ended.stdout);
    assert!(ended.status.success(), "{said}");
}

#[test]
fn the_rules_can_be_read_and_pass_their_tests() {
    promtool(&["check", "rules", "rules.yaml"]);
    promtool(&["test", "rules", "rules_test.yaml"]);
}

/// The fingerprint that the rules record for a gateway.
fn shown(prometheus: &Prometheus, gateway: &str) -> Option<f64> {
    let policies = prometheus.query("gatepost:policy")?;
    let name = format!("ingressgateway {gateway} istio-system gatepost {gateway}");
    let found = policies.iter().find(|(labels, _)| {
        let mut words: Vec<&str> = labels.split(' ').collect();
        let mut wanted: Vec<&str> = name.split(' ').collect();
        words.sort_unstable();
        wanted.sort_unstable();
        words == wanted
    });
    found.map(|(_, value)| *value)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_gateways_show_under_load_becomes_policies_decisions_and_alerts() {
    let upstream = Upstream::start("any", None).await.expect("an upstream");
    let (a, a_number) = policy("hosts: { private: [\"*.svc\"] }");
    let (b, b_number) = policy("mode: observe\nhosts: { private: [\"*.svc\"] }");
    let (one, two) = (Gateway::start(&upstream, &a), Gateway::start(&upstream, &a));
    let asked = [("one", one.envoy.admin_address()), ("two", two.envoy.admin_address())];
    let prometheus = Prometheus::start(&asked);
    let both = |prometheus: &Prometheus, numbers: [u64; 2]| {
        ["one", "two"].map(|name| shown(prometheus, name)) == numbers.map(|n| Some(n as f64))
    };
    tokio::task::block_in_place(|| {
        prometheus.until("both show a policy", |it| both(it, [a_number, a_number]));
    });
    // No alert of a gateway that is well.
    assert!(prometheus.alerts().is_empty(), "{:?}", prometheus.alerts());

    let (one, two) = (Arc::new(one), Arc::new(two));
    let load = tokio::spawn({
        let (one, two) = (one.clone(), two.clone());
        async move {
            loop {
                one.ask("db.svc").await;
                two.ask("a.example").await;
            }
        }
    });
    tokio::task::block_in_place(|| {
        two.replace(&b);
        prometheus.until("one has another policy", |it| both(it, [a_number, b_number]));
        prometheus
            .until("they differ", |it| it.alerts().get("GatepostPoliciesDiffer") == Some(&false));
        prometheus.until("one observes", |it| {
            it.query("sum(gatepost:observe)").is_some_and(|values| values.values().eq([&1.0]))
        });

        two.replace("{ \"apiVersion\": \"gatepost/v1\", \"strip\": 1 }");
        prometheus.until("a policy is refused", |it| {
            it.alerts().get("GatepostPolicyRefused") == Some(&true)
        });
        assert!(both(&prometheus, [a_number, b_number]), "it goes on with the one before");

        two.replace(&a);
        prometheus.until("both have the first again", |it| {
            both(it, [a_number, a_number]) && !it.alerts().contains_key("GatepostPoliciesDiffer")
        });
        let refused = "sum(rate(gatepost:decisions{decision=\"host_private\"}[1m]))";
        prometheus.until("decisions are counted", |it| {
            it.query(refused).is_some_and(|rates| rates.values().any(|rate| *rate > 0.0))
        });
    });
    load.abort();
}

/// It starts with a policy that it refuses, beside one that runs since before.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_gateway_without_the_policy_that_another_has_is_seen() {
    let upstream = Upstream::start("any", None).await.expect("an upstream");
    let (a, _) = policy("strip: [x-a]");
    let good = Gateway::start(&upstream, &a);
    let bad = Gateway::start(&upstream, "{ \"apiVersion\": \"gatepost/v1\", \"strip\": 1 }");
    let asked = [("good", good.envoy.admin_address()), ("bad", bad.envoy.admin_address())];
    let prometheus = Prometheus::start(&asked);
    tokio::task::block_in_place(|| {
        prometheus
            .until("one has none", |it| it.alerts().get("GatepostPolicyMissing") == Some(&false));
    });
}
