//! A page of one origin calls another's, with the header that chooses an environment: the browser
//! asks first whether it may, and cannot send the header with that question.

use crate::application::{Application, page};
use crate::chromium::User;
use crate::gateway::Gateway;

const POLICY: &str = r#"
apiVersion: gatepost/v1
environments:
  sources: [{ header: env }]
  allow: [main, "pr-*"]
  preflight: main
  hints: { authority: "api.{env}.svc" }
"#;

const PAGE: &str = "<p>loading</p><script>
fetch('https://api.test/orders', { headers: { env: 'pr-17' } })
  .then((response) => response.text(), (error) => `refused: ${error}`)
  .then((text) => { document.querySelector('p').textContent = text; });
</script>";

/// An API that lets that page call it.
async fn api(environment: &'static str) -> Application {
    let allowed = [
        ("access-control-allow-origin", "https://app.test"),
        ("access-control-allow-headers", "env"),
    ];
    let answer = move |_: &_| page("text/plain", &allowed, format!("orders of {environment}"));
    Application::start(answer).await
}

/// What the page shows, and what the APIs of `main` and `pr-17` were asked.
async fn shown(policy: &str) -> (String, Vec<String>, Vec<String>) {
    let app = Application::start(|_| page("text/html", &[], PAGE)).await;
    let (main, preview) = (api("main").await, api("pr-17").await);
    let routes = [
        ("app.test", app.address),
        ("api.main.svc", main.address),
        ("api.pr-17.svc", preview.address),
    ];
    let gateway = Gateway::https(policy, &routes);
    let document = User::new().open("https://app.test/", gateway.address).await;
    (document, main.asked(), preview.asked())
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_browser_may_ask_for_an_environment_when_preflights_have_one() {
    let (document, main, preview) = shown(POLICY).await;
    assert!(document.contains("<p>orders of pr-17</p>"), "{document}");
    assert_eq!((main, preview), (vec!["OPTIONS /orders".into()], vec!["GET /orders".into()]));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn without_one_the_browser_refuses() {
    let (document, main, preview) = shown(&POLICY.replace("  preflight: main\n", "")).await;
    assert!(document.contains("<p>refused: TypeError: Failed to fetch</p>"), "{document}");
    assert_eq!((main, preview), (vec![], vec![]));
}
