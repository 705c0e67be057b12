//! A link to a preview environment: the page's script, its style and its calls, which do not have
//! the link's query, follow when the link pins the environment.

use crate::application::{Application, page};
use crate::chromium::document;
use crate::gateway::Gateway;

const POLICY: &str = r#"
apiVersion: gatepost/v1
environments:
  sources: [{ query: env, pin: { cookie: env } }, { cookie: env }]
  allow: [main, "pr-*"]
  default: main
  hints: { authority: "web.{env}.svc" }
"#;

/// A site whose parts say which environment they came from.
async fn site(environment: &'static str) -> Application {
    let answer = move |request: &http::Request<_>| match request.uri().path() {
        "/" => page(
            "text/html",
            &[],
            format!("<body>page of {environment}<script src=/app.js></script></body>"),
        ),
        "/app.js" => page(
            "text/javascript",
            &[],
            format!(
                "fetch('/api').then((response) => response.text()).then((text) => \
                 document.body.append(', script of {environment}, ', text));"
            ),
        ),
        _ => page("text/plain", &[], format!("call of {environment}")),
    };
    Application::start(answer).await
}

/// The document at a link to `pr-17`.
async fn shown(policy: &str) -> String {
    let (main, preview) = (site("main").await, site("pr-17").await);
    let routes = [("web.main.svc", main.address), ("web.pr-17.svc", preview.address)];
    let gateway = Gateway::https(policy, &routes);
    document("https://site.test/?env=pr-17", gateway.address).await
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_pages_assets_and_calls_follow_a_pinned_link() {
    let document = shown(POLICY).await;
    assert!(document.contains("page of pr-17"), "{document}");
    assert!(document.contains(", script of pr-17, call of pr-17"), "{document}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn without_a_pin_they_come_from_the_default() {
    let document = shown(&POLICY.replace(", pin: { cookie: env }", "")).await;
    assert!(document.contains("page of pr-17"), "{document}");
    assert!(document.contains(", script of main, call of main"), "{document}");
}
