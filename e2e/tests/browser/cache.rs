//! A shared cache in front of the gateway, with pages of two environments at the same URL.

use gatepost_testbed::client::{get, send, text};
use http::Version;

use crate::application::{Application, page};
use crate::gateway::Gateway;
use crate::nginx::Nginx;

const POLICY: &str = r#"
apiVersion: gatepost/v1
environments:
  sources: [{ header: env }]
  allow: [a, b]
  hints: { authority: "web.{env}.svc" }
"#;

/// What the cache answers when the environments `a`, `b`, `a` and `b` are asked for, one after the
/// other. Every page has these headers, and may be kept.
async fn answers(policy: &str, headers: &'static [(&str, &str)]) -> Vec<(String, String)> {
    let site = |environment: &'static str| {
        let headers = [&[("cache-control", "max-age=600")], headers].concat();
        Application::start(move |_| page("text/html", &headers, format!("page of {environment}")))
    };
    let (a, b) = (site("a").await, site("b").await);
    let gateway = Gateway::http(policy, &[("web.a.svc", a.address), ("web.b.svc", b.address)]);
    let cache = Nginx::start(gateway.address);
    let mut answers = Vec::new();
    for environment in ["a", "b", "a", "b"] {
        let request = get("http://site.test/", &[("env", environment)]);
        let response = send(Version::HTTP_11, cache.address, request).await;
        let found = response.headers()["x-cache"].to_str().expect("a word").to_owned();
        answers.push((found, text(response).await));
    }
    answers
}

fn expected(answers: [(&str, &str); 4]) -> Vec<(String, String)> {
    answers.map(|(found, page)| (found.to_owned(), page.to_owned())).to_vec()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_cache_keeps_the_pages_of_environments_apart() {
    let apart = expected([
        ("MISS", "page of a"),
        ("MISS", "page of b"),
        ("HIT", "page of a"),
        ("HIT", "page of b"),
    ]);
    for own in [
        &[][..],
        &[("vary", "accept-encoding")],
        // Of several lines nginx takes the last. The gateway makes one of them.
        &[("vary", "env"), ("vary", "accept-encoding")],
    ] {
        assert_eq!(answers(POLICY, own).await, apart, "{own:?}");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn without_vary_it_gives_one_environments_page_to_another() {
    let kept = POLICY.replace("  allow:", "  vary: keep\n  allow:");
    let mixed = expected([
        ("MISS", "page of a"),
        ("HIT", "page of a"),
        ("HIT", "page of a"),
        ("HIT", "page of a"),
    ]);
    assert_eq!(answers(&kept, &[]).await, mixed);
}
