//! The dashboard: Prometheus answers each of its queries, of a gateway that has something to show.

use gatepost_testbed::echo::Upstream;
use serde_json::Value;

use crate::file;
use crate::gateways::{Gateway, policy};
use crate::prometheus::Prometheus;

/// What a healthy gateway shows nothing for: only Istio's agent fetches modules, and no request
/// fails.
const EMPTY: [&str; 2] = ["Answered with 500", "Modules that could not be fetched"];

const POLICY: &str = "
healthChecks:
- { name: probe, match: { path: { exact: / } }, pass: {} }
hosts: { private: [\"*.svc\"] }
";

/// Each query with the panel that it is in.
fn queries() -> Vec<(String, String)> {
    let text = std::fs::read_to_string(file("dashboard.json")).expect("a file");
    let dashboard: Value = serde_json::from_str(&text).expect("JSON");
    let panels = dashboard["panels"].as_array().expect("panels");
    let queries = panels.iter().flat_map(|panel| {
        let title = panel["title"].as_str().expect("a title");
        let targets = panel["targets"].as_array().expect("targets");
        targets.iter().map(move |target| {
            (title.to_owned(), target["expr"].as_str().expect("a query").to_owned())
        })
    });
    queries.collect()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn every_panel_shows_something_of_a_gateway_under_load() {
    let upstream = Upstream::start("any", None).await.expect("an upstream");
    let gateway = Gateway::start(&upstream, &policy(POLICY).0);
    let prometheus = Prometheus::start(&[("one", gateway.envoy.admin_address())]);
    let load = tokio::spawn(async move {
        loop {
            gateway.ask("db.svc").await;
        }
    });
    tokio::task::block_in_place(|| {
        for (panel, query) in queries() {
            let is_empty = EMPTY.contains(&panel.as_str());
            prometheus.until(&panel, |it| {
                it.query(&query).is_some_and(|values| values.is_empty() == is_empty)
            });
        }
    });
    load.abort();
}
