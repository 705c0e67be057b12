//! Responses that name the host that the policy wrote: clients get the name that they used.

use gatepost_testbed::client::{VERSIONS, get};

use crate::answer::send;
use crate::pair::Pair;

const POLICY: &str = r#"
apiVersion: gatepost/v1
environments:
  sources: [{ header: env }, { subdomain: "{env}.dev.example" }]
  allow: [env1]
  unknown: ignore
  hints: { authority: "app.{env}.svc" }
hosts:
  port: strip
  mappings:
  - { host: shop.test, authority: shop.default.example }
  - { host: "*.shop.test", authority: stores.default.example }
  - { host: "{name}.mesh.private", authority: "{name}.default.example" }
"#;

/// A URI whose answer is a redirect with these headers, percent-encoded.
fn redirect(authority: &str, headers: &str) -> String {
    format!("http://{authority}/.echo/answer/302?{headers}")
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_redirect_and_its_cookies_name_the_host_that_the_client_used() {
    let pair = Pair::start(POLICY, &[("*", "shop")]).await;
    let env1 = [("env", "env1")];
    for (authority, headers, upstream) in [
        ("shop.test", &[][..], "shop.default.example"),
        ("Shop.test:8080", &[], "shop.default.example"),
        ("eu.shop.test", &[], "stores.default.example"),
        ("ads.mesh.private", &[], "ads.default.example"),
        ("other.test", &env1, "app.env1.svc"),
        ("env1.dev.example:8080", &[], "app.env1.svc"),
        ("other.test:8080", &[], "other.test"),
    ] {
        let owed = format!(
            "location=http://{upstream}/login&content-location=//{upstream}/a&\
             set-cookie=sid=1;%20Domain={upstream}&set-cookie=a=b;%20Path=/&\
             refresh=5;%20url=http://{upstream}/&link=http://{upstream}/"
        );
        let host = authority.split(':').next().unwrap_or_default();
        for (gateway, testbed) in pair.each() {
            for version in VERSIONS {
                let request = get(&redirect(authority, &owed), headers);
                let answer = send(version, testbed.address(), request).await;
                let seen = |name: &str| answer.all(name);
                let context = format!("{gateway} {version:?} {authority}: {answer:?}");
                assert_eq!(answer.status, 302, "{context}");
                assert_eq!(seen("location"), [format!("http://{authority}/login")], "{context}");
                assert_eq!(seen("content-location"), [format!("//{authority}/a")], "{context}");
                assert_eq!(seen("refresh"), [format!("5; url=http://{authority}/")], "{context}");
                assert_eq!(seen("link"), [format!("http://{upstream}/")], "{context}");
                let domain = host.to_ascii_lowercase();
                let cookies = [format!("sid=1; Domain={domain}"), "a=b; Path=/".to_owned()];
                assert_eq!(seen("set-cookie"), cookies, "{context}");
            }
        }
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn other_responses_stay_as_they_are() {
    let kept = format!("{POLICY}  responses: keep\n");
    let observed = format!("{POLICY}mode: observe\n");
    let elsewhere = "location=https://login.example/?to=http://shop.default.example/";
    let written = "location=http://shop.default.example/login";
    for (policy, headers) in
        [(POLICY, elsewhere), (POLICY, "location=/login"), (&kept, written), (&observed, written)]
    {
        let pair = Pair::start(policy, &[("*", "shop")]).await;
        for (gateway, testbed) in pair.each() {
            for version in VERSIONS {
                let request = get(&redirect("shop.test", headers), &[]);
                let answer = send(version, testbed.address(), request).await;
                let location = headers.split_once('=').map(|(_, location)| location);
                assert_eq!(answer.header("location"), location, "{gateway} {version:?}");
            }
        }
    }
}
