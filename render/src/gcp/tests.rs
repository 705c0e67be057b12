use gatepost_engine::compile_json;

use super::*;

fn results(policy: &str) -> Results {
    compile_json(policy.as_bytes()).expect(policy).results()
}

const MAPPED: &str = r#"{"apiVersion": "gatepost/v1", "hosts": {"mappings": [
    {"host": "shop.test", "authority": "shop.default.example.com"}]}}"#;

fn image(name: &str) -> GcpImage {
    let digest = "0123456789abcdef".repeat(4);
    format!("asia-northeast1-docker.pkg.dev/shop/edge/{name}@sha256:{digest}")
        .parse()
        .expect("an image")
}

fn manifests(ingress: &str) -> Manifests {
    let folder = tempfile::tempdir().expect("a folder");
    let text = format!(
        "apiVersion: networking.k8s.io/v1\nkind: Ingress\nmetadata:\n  name: edge\n  annotations: \
         {ingress}\n"
    );
    std::fs::write(folder.path().join("ingress.yaml"), text).expect("a file");
    Manifests::read(folder.path()).expect("manifests")
}

/// Renders with a module, a policy, and these results.
fn render(
    results: &Results,
    memory: usize,
    manifests: &Manifests,
) -> Result<Rendered, RenderError> {
    GcpPlugin {
        name: "gatepost",
        namespace: "default",
        gateway: Some("external"),
        module: Some(&image("gatepost")),
        policy: Some(&image("policy")),
        results,
        memory,
        manifests,
    }
    .render()
}

#[test]
fn a_plugin_runs_before_the_balancer_chooses_a_backend() {
    let rendered = render(&results(MAPPED), 1 << 20, &Manifests::default()).unwrap();
    assert_eq!(rendered.notes, Vec::<String>::new());
    insta::assert_snapshot!(rendered.text);
}

#[test]
fn what_was_not_chosen_cannot_be_overlooked() {
    let rendered = GcpPlugin {
        name: "gatepost",
        namespace: "default",
        gateway: None,
        module: None,
        policy: None,
        results: &results(MAPPED),
        memory: 1 << 20,
        manifests: &Manifests::default(),
    }
    .render()
    .unwrap();
    assert!(rendered.notes[0].ends_with("give --gateway, --image, --policy-image"), "{rendered:?}");
    assert_eq!(rendered.text.matches("gatepost/placeholder: REPLACE ME").count(), 2);
}

#[test]
fn a_policy_of_health_checks_alone_is_refused() {
    let probes = results(
        r#"{"apiVersion": "gatepost/v1", "healthChecks": [
            {"name": "a", "match": {"path": {"exact": "/"}}, "respond": {"status": 200}}]}"#,
    );
    let error = render(&probes, 1 << 20, &Manifests::default()).unwrap_err();
    assert_eq!(error, RenderError::GcpProbesAlone);
    assert!(error.to_string().contains("HealthCheckPolicy"), "{error}");
}

#[test]
fn a_policy_that_needs_more_memory_than_the_platform_gives_is_refused() {
    let mapped = results(MAPPED);
    assert!(render(&mapped, MEMORY, &Manifests::default()).is_ok());
    let error = render(&mapped, MEMORY + 1, &Manifests::default()).unwrap_err().to_string();
    assert!(error.contains("16777217 bytes") && error.contains("16777216"), "{error}");
}

#[test]
fn a_classic_balancer_takes_no_plugin() {
    let mapped = results(MAPPED);
    let gke = manifests("{kubernetes.io/ingress.class: gce}");
    let error = render(&mapped, 1 << 20, &gke).unwrap_err().to_string();
    assert!(error.contains("Ingress default/edge") && error.contains("classic"), "{error}");
    let nginx = manifests("{kubernetes.io/ingress.class: nginx}");
    assert!(render(&mapped, 1 << 20, &nginx).is_ok());
}

#[test]
fn health_checks_beside_others_are_said_to_match_nothing() {
    let both = results(
        r#"{"apiVersion": "gatepost/v1", "strip": ["x-a"], "healthChecks": [
            {"name": "a", "match": {"path": {"exact": "/"}}, "rewrite": {"path": "/ready"}}]}"#,
    );
    let rendered = render(&both, 1 << 20, &Manifests::default()).unwrap();
    assert!(rendered.notes[0].starts_with("the balancer's own probes pass no plugin"));
}

#[test]
fn images_are_named_as_the_platform_takes_them() {
    for text in ["oci://us-docker.pkg.dev/p/r/n:1", "eu.gcr.io/p/n@sha256:00"] {
        assert!(text.parse::<GcpImage>().is_ok(), "{text}");
    }
    for text in ["", "gatepost", "docker.io/a/b", "us-docker.pkg.dev/", "us-docker.pkg.dev/P/n"] {
        assert_eq!(text.parse::<GcpImage>(), Err(NoGcpImage), "{text}");
    }
}
