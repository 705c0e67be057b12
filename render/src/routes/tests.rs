use gatepost_engine::{Results, compile_json};
use gatepost_manifests::Manifests;

use super::*;

fn results(policy: &str) -> Results {
    compile_json(policy.as_bytes()).expect(policy).results()
}

/// Every result of a policy that needs a route.
fn everything() -> Results {
    results(
        r#"{"apiVersion": "gatepost/v1",
        "healthChecks": [
            {"name": "gclb", "match": {"userAgent": {"prefix": "GoogleHC"}},
             "rewrite": {"authority": "gateway.istio-system.svc.cluster.local:15020",
                         "path": "/healthz/ready"}},
            {"name": "other", "match": {"path": {"exact": "/up"}},
             "rewrite": {"authority": "gateway.istio-system.svc.cluster.local"}}
        ],
        "environments": {
            "sources": [{"header": "env"}], "allow": ["env1", "env2"],
            "hints": {"authority": "app-service.{env}.svc.cluster.local:50051"}
        },
        "hosts": {"mappings": [
            {"host": "shop.test", "authority": "shop.default.example.com"},
            {"host": "{service}.mesh", "authority": "{service}.mesh.svc.cluster.local"}
        ]}}"#,
    )
}

fn gateway() -> GatewayName {
    GatewayName::in_namespace("istio-system", "public")
}

fn routes<'a>(
    results: &'a Results,
    gateway: Option<&'a GatewayName>,
    backends: &'a Backends,
) -> Routes<'a> {
    Routes {
        results,
        gateway,
        namespace: "istio-system",
        api: Api::Istio,
        ports: &[8080, 8443],
        selector: &[("istio", "ingressgateway")],
        backends,
    }
}

/// A cluster with the services of [`everything`].
fn backends() -> Backends {
    let folder = tempfile::tempdir().expect("a folder");
    let service = |name: &str, namespace: &str, port: &str| {
        format!(
            "apiVersion: v1\nkind: Service\nmetadata: {{name: {name}, namespace: {namespace}}}\n\
             spec: {{ports: [{port}]}}\n---\n"
        )
    };
    let text = [
        service("app-service", "env1", "{port: 50051, name: grpc}"),
        service("app-service", "env2", "{port: 50052, name: grpc}"),
        service("ads", "mesh", "{port: 9999, name: http}"),
        service("users", "mesh", "{port: 80, name: http}, {port: 9090, name: metrics}"),
    ]
    .concat();
    std::fs::write(folder.path().join("services.yaml"), text).expect("a file");
    let manifests = Manifests::read(folder.path()).expect("manifests");
    let listed = ServicesFile::parse(
        "services: [{authority: shop.default.example.com, service: shop.default, port: 8080}]",
    )
    .expect("a file");
    Backends { listed, manifests }
}

#[test]
fn every_result_gets_its_route_in_istios_kinds() {
    let (results, gateway, backends) = (everything(), gateway(), backends());
    let rendered = routes(&results, Some(&gateway), &backends).render().unwrap();
    assert_eq!(rendered.notes, Vec::<String>::new());
    insta::assert_snapshot!(rendered.text);
}

#[test]
fn every_result_gets_its_route_in_the_gateway_apis_kinds() {
    let (results, gateway, backends) = (everything(), gateway(), backends());
    let routes = Routes { api: Api::Gateway, ..routes(&results, Some(&gateway), &backends) };
    let rendered = routes.render().unwrap();
    assert_eq!(rendered.notes, Vec::<String>::new());
    insta::assert_snapshot!(rendered.text);
}

#[test]
fn a_policy_alone_gives_routes_with_placeholders() {
    let (results, backends) = (everything(), Backends::default());
    let rendered = routes(&results, None, &backends).render().unwrap();
    assert!(rendered.notes[0].contains("give --gateway NAMESPACE/NAME"), "{rendered:?}");
    let unknown = "which Service answers shop.default.example.com is not known";
    assert!(rendered.notes.iter().any(|note| note.starts_with(unknown)), "{rendered:?}");
    let pattern = "mappings write authorities like *.mesh.svc.cluster.local";
    assert!(rendered.notes.iter().any(|note| note.starts_with(pattern)), "{rendered:?}");
    // Everything that needs the gateway is kept out of a cluster.
    let documents = rendered.text.split("---\n").skip(1);
    assert!(documents.into_iter().all(|text| text.contains("gatepost/placeholder: REPLACE ME")));
}

#[test]
fn a_hint_header_that_names_clusters_serves_any_number_of_environments() {
    let results = results(
        r#"{"apiVersion": "gatepost/v1", "environments": {
            "sources": [{"header": "env"}], "allow": ["pr-*"],
            "hints": {
                "headers": {"x-gatepost-cluster": "outbound|80||{env}.default.svc.cluster.local"},
                "authority": "{env}.previews.internal"
            }}}"#,
    );
    let (gateway, backends) = (gateway(), Backends::default());
    let rendered = routes(&results, Some(&gateway), &backends).render().unwrap();
    assert_eq!(rendered.notes, Vec::<String>::new());
    insta::assert_snapshot!(rendered.text);
    let of_gateway_api =
        Routes { api: Api::Gateway, ports: &[80], ..routes(&results, Some(&gateway), &backends) };
    assert!(of_gateway_api.render().unwrap().text.contains("portNumber: 80\n"));
}

#[test]
fn names_that_nobody_lists_are_pointed_at_the_hint_header() {
    let results = results(
        r#"{"apiVersion": "gatepost/v1", "environments": {
            "sources": [{"header": "env"}], "allow": ["live", "pr-*"],
            "hints": {"authority": "app.{env}.svc.cluster.local"}}}"#,
    );
    let (gateway, backends) = (gateway(), Backends::default());
    let rendered = routes(&results, Some(&gateway), &backends).render().unwrap();
    assert!(rendered.text.contains("app.live.svc.cluster.local"), "{}", rendered.text);
    let hint = r#"x-gatepost-cluster: "outbound|PORT||app.{env}.svc.cluster.local""#;
    assert!(rendered.notes[0].contains(hint), "{rendered:?}");
}

#[test]
fn a_host_that_a_route_of_the_cluster_serves_is_left_to_it() {
    let folder = tempfile::tempdir().expect("a folder");
    let route = "apiVersion: networking.istio.io/v1\nkind: VirtualService\n\
                 metadata: {name: shop-ingress, namespace: default}\n\
                 spec: {hosts: [shop.default.example.com]}\n";
    std::fs::write(folder.path().join("route.yaml"), route).expect("a file");
    let manifests = Manifests::read(folder.path()).expect("manifests");
    let backends = Backends { manifests, ..Backends::default() };
    let results = results(
        r#"{"apiVersion": "gatepost/v1", "hosts": {"mappings": [
            {"host": "shop.test", "authority": "shop.default.example.com:80"}]}}"#,
    );
    let gateway = gateway();
    let rendered = routes(&results, Some(&gateway), &backends).render().unwrap();
    assert_eq!(rendered.text, "");
    let note = "shop.default.example.com has a route already: VirtualService default/shop-ingress";
    assert!(rendered.notes[0].starts_with(note), "{rendered:?}");
}

#[test]
fn a_check_that_keeps_its_host_gets_a_route_for_every_host() {
    let results = results(
        r#"{"apiVersion": "gatepost/v1", "healthChecks": [
            {"name": "probe", "match": {"path": {"exact": "/"}}, "rewrite": {"path": "/ready?a"}}
        ]}"#,
    );
    let (gateway, backends) = (gateway(), Backends::default());
    let rendered = routes(&results, Some(&gateway), &backends).render().unwrap();
    let route = rendered.text.split("---\n").nth(1).expect("a route");
    assert!(route.contains("hosts:\n  - \"*\"\n") && route.contains("exact: /ready\n"), "{route}");
}

#[test]
fn a_policy_without_results_needs_no_route() {
    let results = results(r#"{"apiVersion": "gatepost/v1", "strip": ["x-a"]}"#);
    let backends = Backends::default();
    let rendered = routes(&results, None, &backends).render().unwrap();
    assert_eq!(rendered.text, "");
    assert_eq!(rendered.notes, ["the policy writes no authority, so it needs no route"]);
}
