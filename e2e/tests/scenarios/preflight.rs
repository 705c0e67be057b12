//! A CORS preflight, which cannot carry the header that chooses an environment, and the request
//! after it.

use gatepost_testbed::client::{VERSIONS, get};
use http::Method;

use crate::answer::send;
use crate::pair::Pair;

const POLICY: &str = r#"
apiVersion: gatepost/v1
environments:
  sources: [{ header: env }]
  allow: [main, "pr-*"]
  preflight: main
  hints: { authority: "app.{env}.svc" }
"#;

const ROUTES: &[(&str, &str)] =
    &[("app.main.svc", "main"), ("app.pr-17.svc", "pr-17"), ("*", "none")];

/// What a browser asks before a page of another origin may send the header `env`.
const ASKED: [(&str, &str); 3] = [
    ("origin", "https://app.test"),
    ("access-control-request-method", "GET"),
    ("access-control-request-headers", "env"),
];

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_preflight_reaches_the_environment_that_takes_them() {
    let without = POLICY.replace("  preflight: main\n", "");
    for (policy, by) in [(POLICY, "main"), (&without, "none")] {
        let pair = Pair::start(policy, ROUTES).await;
        for (gateway, testbed) in pair.each() {
            for version in VERSIONS {
                let mut preflight = get("http://api.test/orders", &ASKED);
                *preflight.method_mut() = Method::OPTIONS;
                let answer = send(version, testbed.address(), preflight).await;
                assert_eq!(answer.by(), by, "{gateway} {version:?}");
                assert_eq!(answer.all("vary"), ["env"], "{gateway} {version:?}");

                let request = get("http://api.test/orders", &[ASKED[0], ("env", "pr-17")]);
                let answer = send(version, testbed.address(), request).await;
                assert_eq!(answer.by(), "pr-17", "{gateway} {version:?}");

                let mut other = get("http://api.test/orders", &ASKED[..1]);
                *other.method_mut() = Method::OPTIONS;
                let answer = send(version, testbed.address(), other).await;
                assert_eq!(answer.by(), "none", "{gateway} {version:?}: no preflight");
            }
        }
    }
}
