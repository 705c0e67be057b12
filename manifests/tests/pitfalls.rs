//! Clean manifests give nothing, and each mistake in them gives one finding: its own.

use std::collections::BTreeSet;
use std::fmt::Write as _;

use gatepost_authoring::PolicyFile;
use gatepost_diagnostics::{Render, Report};
use gatepost_manifests::{Manifests, judge};
use serde::Deserialize;

const INGRESS: &str = include_str!("clean/ingress.yaml");
const GKE_GATEWAY: &str = include_str!("clean/gke-gateway.yaml");
const ENVOY_FILTER: &str = include_str!("clean/envoy-filter.yaml");

/// Codes that are errors of a policy, which the reference explains.
const OF_POLICIES: [&str; 1] = ["unknown-field"];

/// Codes with a test of their own.
const BESIDE: [&str; 2] = ["object-too-large", "policy-differs"];

/// A mistake, or a change that only looks like one.
#[derive(Deserialize)]
struct Pitfall {
    /// The code of its finding.
    #[serde(default)]
    code: String,
    what: String,
    /// The clean manifests that it is made in.
    clean: Clean,
    #[serde(default)]
    changes: Vec<Change>,
    /// Objects more.
    #[serde(default)]
    more: String,
}

#[derive(Clone, Copy, Deserialize)]
#[serde(rename_all = "kebab-case")]
enum Clean {
    Ingress,
    GkeGateway,
    /// Those of the Ingress, with an EnvoyFilter in the place of the plugin.
    EnvoyFilter,
}

impl Clean {
    const ALL: [Self; 3] = [Self::Ingress, Self::GkeGateway, Self::EnvoyFilter];

    fn text(self) -> String {
        match self {
            Self::Ingress => INGRESS.to_owned(),
            Self::GkeGateway => GKE_GATEWAY.to_owned(),
            Self::EnvoyFilter => {
                let documents = INGRESS.split("---\n").map(|document| {
                    if document.contains("kind: WasmPlugin") { ENVOY_FILTER } else { document }
                });
                documents.collect::<Vec<_>>().join("---\n")
            }
        }
    }
}

#[derive(Deserialize)]
struct Change {
    from: String,
    to: String,
}

fn pitfalls() -> Vec<Pitfall> {
    serde_saphyr::from_str(include_str!("pitfalls.yaml")).expect("a list of pitfalls")
}

impl Pitfall {
    fn text(&self) -> String {
        let mut text = self.clean.text();
        for Change { from, to } in &self.changes {
            assert_eq!(text.matches(from).count(), 1, "{}: {from}", self.what);
            text = text.replace(from, to);
        }
        if !self.more.is_empty() {
            text.push_str("---\n");
            text.push_str(&self.more);
        }
        text
    }
}

fn findings(text: &str) -> Vec<Report> {
    judge(&Manifests::read_from("manifests.yaml", text.as_bytes()).expect("objects"), &[])
}

fn codes(reports: &[Report]) -> Vec<&'static str> {
    reports.iter().flat_map(|report| report.diagnostics.iter().map(|found| found.code)).collect()
}

#[test]
fn every_code_is_explained_and_every_explained_code_is_found() {
    let page = include_str!("../../docs/findings.md");
    let rows = page.lines().filter_map(|line| line.strip_prefix("| `")?.split_once("` |"));
    let explained: BTreeSet<&str> = rows.map(|(code, _)| code).collect();
    let pitfalls = pitfalls();
    let found = pitfalls.iter().map(|pitfall| pitfall.code.as_str());
    let found = found.filter(|code| !OF_POLICIES.contains(code)).chain(BESIDE);
    assert_eq!(explained, found.collect());
}

#[test]
fn clean_manifests_give_nothing() {
    for clean in Clean::ALL {
        let found = Render::Text { color: false }.render(&findings(&clean.text()));
        assert!(found.is_empty(), "{found}");
    }
}

#[test]
fn changes_that_are_no_mistakes_give_nothing() {
    let right: Vec<Pitfall> =
        serde_saphyr::from_str(include_str!("right.yaml")).expect("a list of changes");
    let mut wrong = String::new();
    for change in right {
        let text = Render::Text { color: false }.render(&findings(&change.text()));
        if !text.is_empty() {
            let _ = writeln!(wrong, "# {}\n\n{text}", change.what);
        }
    }
    assert!(wrong.is_empty(), "{wrong}");
}

#[test]
fn each_mistake_gives_its_own_finding_and_no_other() {
    let mut shown = String::new();
    let mut wrong = String::new();
    for pitfall in pitfalls() {
        let reports = findings(&pitfall.text());
        let text = Render::Text { color: false }.render(&reports);
        let codes = codes(&reports);
        if codes != [pitfall.code.as_str()] {
            let Pitfall { what, code, .. } = &pitfall;
            let _ = writeln!(wrong, "# {what}: {codes:?}, and not {code}\n{text}");
        }
        let _ = writeln!(shown, "# {}\n\n{text}", pitfall.what);
    }
    assert!(wrong.is_empty(), "{wrong}");
    insta::assert_snapshot!(shown);
}

#[test]
fn a_plugin_with_another_policy_than_the_given_one_is_found() {
    let given = |text: &str| PolicyFile::parse("policy.yaml", text).expect("a policy");
    let other = given("apiVersion: gatepost/v1\nstrip: [x-internal]\n");
    let manifests = Manifests::read_from("manifests.yaml", INGRESS.as_bytes()).expect("objects");
    assert_eq!(codes(&judge(&manifests, &[other])), ["policy-differs"]);
    // The same policy in a plugin of its own, as it was rendered.
    let gateway = Manifests::read_from("gateway.yaml", GKE_GATEWAY.as_bytes()).expect("objects");
    let same = given(
        "apiVersion: gatepost/v1\nhealthChecks:\n- name: gclb\n  match: { path: { exact: / }, \
         userAgent: { prefix: GoogleHC } }\n  rewrite: { path: /healthz/ready, authority: \
         AGENT.shop.example }\n",
    );
    assert!(judge(&gateway, &[same]).is_empty());
}

#[test]
fn another_teams_plugin_is_no_other_policy_than_the_given_one() {
    let given = "apiVersion: gatepost/v1\nstrip: [x-internal]\n";
    let own = "apiVersion: extensions.istio.io/v1alpha1\nkind: WasmPlugin\nmetadata: { name: own, \
               namespace: istio-system }\nspec:\n  selector: { matchLabels: { istio: \
               ingressgateway } }\n  match: [{ ports: [{ number: 8080 }] }]\n  url: \
               file:///var/lib/gatepost/filter.wasm\n  pluginConfig: { apiVersion: gatepost/v1, \
               strip: [x-internal] }\n";
    let text = format!("{INGRESS}---\n{own}");
    let manifests = Manifests::read_from("manifests.yaml", text.as_bytes()).expect("objects");
    let given = PolicyFile::parse("policy.yaml", given).expect("a policy");
    assert_eq!(codes(&judge(&manifests, &[given])), Vec::<&str>::new());
}

#[test]
fn a_route_of_a_gateway_that_is_not_here_is_judged_by_the_given_policy() {
    let route = "apiVersion: networking.istio.io/v1alpha3\nkind: VirtualService\nmetadata: {name: \
                 health, namespace: knative-serving}\nspec:\n  gateways: [gke-system-gateway]\n  \
                 hosts: ['*']\n  http:\n  - match: [{ headers: { user-agent: { prefix: \
                 GoogleHC } } }]\n    route: [{ destination: { host: a.b.svc.cluster.local } }]\n";
    let policy = PolicyFile::parse("policy.yaml", "apiVersion: gatepost/v1\nstrip: [x-a]\n");
    let manifests = Manifests::read_from("health.yaml", route.as_bytes()).expect("objects");
    assert_eq!(codes(&judge(&manifests, &[policy.expect("a policy")])), ["forgeable-header"]);
    assert!(judge(&manifests, &[]).is_empty());
}

#[test]
fn an_object_beyond_what_etcd_takes_is_found() {
    let data = "x".repeat(1_600_000);
    let object = format!(
        "apiVersion: v1\nkind: ConfigMap\nmetadata: {{ name: a }}\ndata: {{ a: {data} }}\n"
    );
    assert_eq!(codes(&findings(&object)), ["object-too-large"]);
}
