//! A link to a preview environment: the page's script, its style and its calls, which do not have
//! the link's query, follow when the link pins the environment.

use crate::application::{Application, page};
use crate::chromium::User;
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

/// A gateway with a policy, and the sites behind it.
struct Preview {
    gateway: Gateway,
    _sites: [Application; 2],
}

impl Preview {
    async fn start(policy: &str) -> Self {
        let sites = [site("main").await, site("pr-17").await];
        let routes = [("web.main.svc", sites[0].address), ("web.pr-17.svc", sites[1].address)];
        Self { gateway: Gateway::https(policy, &routes), _sites: sites }
    }

    async fn shown(&self, user: &User, url: &str) -> String {
        user.open(url, self.gateway.address).await
    }
}

const LINK: &str = "https://site.test/?env=pr-17";
const SITE: &str = "https://site.test/";

/// What the site shows when all of it comes from this environment.
fn all_of(environment: &str) -> String {
    let script = "<script src=\"/app.js\"></script>";
    format!("page of {environment}{script}, script of {environment}, call of {environment}")
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_pages_assets_and_calls_follow_a_pinned_link() {
    let preview = Preview::start(POLICY).await;
    let document = preview.shown(&User::new(), LINK).await;
    assert!(document.contains(&all_of("pr-17")), "{document}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn without_a_pin_they_come_from_the_default() {
    let preview = Preview::start(&POLICY.replace(", pin: { cookie: env }", "")).await;
    let document = preview.shown(&User::new(), LINK).await;
    assert!(document.contains("page of pr-17"), "{document}");
    assert!(document.contains(", script of main, call of main"), "{document}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_preview_that_is_gone_locks_nobody_out() {
    let lasting = POLICY.replace("pin: { cookie: env }", "pin: { cookie: env, maxAge: 3600 }");
    let user = User::new();
    let preview = Preview::start(&lasting).await;
    preview.shown(&user, LINK).await;
    let document = preview.shown(&user, SITE).await;
    assert!(document.contains(&all_of("pr-17")), "the browser keeps the pin: {document}");

    let gone = Preview::start(&lasting.replace(", \"pr-*\"", "")).await;
    let document = gone.shown(&user, SITE).await;
    assert!(!document.contains("page of"), "{document}");
    let document = gone.shown(&user, SITE).await;
    assert!(document.contains(&all_of("main")), "the browser has forgotten the pin: {document}");
}
