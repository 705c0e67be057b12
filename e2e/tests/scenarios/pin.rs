//! A link to a preview environment, which pins it: the page's assets follow, until the preview is
//! gone.

use std::net::SocketAddr;

use gatepost_testbed::client::{VERSIONS, get};
use gatepost_testbed::echo::Upstream;
use http::Version;

use crate::answer::{Answer, send};
use crate::reload::eventually;
use crate::replaceable::Replaceable;

/// The policy while the preview `pr-17` is there, and after it.
fn policy(allow: &str) -> String {
    format!(
        r#"
apiVersion: gatepost/v1
environments:
  sources: [{{ header: env }}, {{ query: env, pin: {{ cookie: env }} }}, {{ cookie: env }}]
  allow: [{allow}]
  default: main
  hints: {{ headers: {{ x-env: "{{env}}" }} }}
"#
    )
}

const PINNED: &str = "env=pr-17; Path=/; Secure; HttpOnly; SameSite=Lax";
const EXPIRED: &str = "env=; Path=/; Max-Age=0; Secure; HttpOnly; SameSite=Lax";

/// A request of a browser for a page or for what a page needs, with the cookie that it has.
async fn ask(
    version: Version,
    address: SocketAddr,
    path: &str,
    destination: &str,
    cookie: &str,
) -> Answer {
    let mut headers = vec![("sec-fetch-dest", destination)];
    if !cookie.is_empty() {
        headers.push(("cookie", cookie));
    }
    send(version, address, get(&format!("http://a.test{path}"), &headers)).await
}

/// The status, the environment that the upstream was told, and the cookies that are set.
fn seen(answer: &Answer) -> (u16, Vec<String>, Vec<&str>) {
    (answer.status, answer.received("x-env"), answer.all("set-cookie"))
}

fn environment(name: &str) -> Vec<String> {
    vec![name.to_owned()]
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn assets_follow_a_pinned_link_until_the_preview_is_gone() {
    let upstream = Upstream::start("app", None).await.expect("an upstream");
    let (there, gone) = (policy("main, pr-17"), policy("main"));
    for (gateway, running) in Replaceable::both(&there, upstream.addr()).await {
        let address = running.address();
        for version in VERSIONS {
            let context = format!("{gateway} {version:?}");
            running.replace(&there);
            eventually("the preview is there", || async {
                ask(version, address, "/?env=pr-17", "empty", "").await.status == 200
            })
            .await;

            let page = ask(version, address, "/?env=pr-17", "document", "").await;
            assert_eq!(seen(&page), (200, environment("pr-17"), vec![PINNED]), "{context}");
            let pinned = "theme=dark; env=pr-17";
            for (path, destination) in [
                ("/app.js", "script"),
                ("/app.css", "style"),
                ("/logo.png", "image"),
                ("/api", "empty"),
                ("/next", "document"),
                ("/?env=pr-17", "document"),
            ] {
                let answer = ask(version, address, path, destination, pinned).await;
                assert_eq!(seen(&answer), (200, environment("pr-17"), vec![]), "{context} {path}");
            }
            let elsewhere = ask(version, address, "/", "document", "").await;
            assert_eq!(seen(&elsewhere), (200, environment("main"), vec![]), "{context}");

            running.replace(&gone);
            eventually("the preview is gone", || async {
                ask(version, address, "/?env=pr-17", "empty", "").await.status == 404
            })
            .await;
            for (path, destination) in [("/app.js", "script"), ("/next", "document")] {
                let answer = ask(version, address, path, destination, pinned).await;
                assert_eq!(seen(&answer), (404, vec![], vec![EXPIRED]), "{context} {path}");
                assert_eq!(answer.all("vary"), ["env, cookie"], "{context} {path}");
            }
            // The browser has forgotten the cookie.
            let next = ask(version, address, "/next", "document", "theme=dark").await;
            assert_eq!(seen(&next), (200, environment("main"), vec![]), "{context}");
        }
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_link_without_an_environment_ends_the_pin() {
    let upstream = Upstream::start("app", None).await.expect("an upstream");
    for (gateway, running) in Replaceable::both(&policy("main, pr-17"), upstream.addr()).await {
        for version in VERSIONS {
            let page = ask(version, running.address(), "/?env=", "document", "env=pr-17").await;
            let expected = (200, environment("main"), vec![EXPIRED]);
            assert_eq!(seen(&page), expected, "{gateway} {version:?}");
        }
    }
}

/// A pin beside the cookies of an application behind a mapped domain, on one response.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_pin_comes_beside_the_upstreams_own_cookies() {
    let upstream = Upstream::start("app", None).await.expect("an upstream");
    let policy = format!(
        "{}hosts: {{ mappings: [{{ host: a.test, authority: app.example }}] }}\n",
        policy("main, pr-17")
    );
    let own = "set-cookie=a=1;%20Domain=app.example&set-cookie=b=2&location=http://app.example/";
    let path = format!("/.echo/answer/302?{own}&env=pr-17");
    for (gateway, running) in Replaceable::both(&policy, upstream.addr()).await {
        for version in VERSIONS {
            let answer = ask(version, running.address(), &path, "document", "").await;
            let cookies = ["a=1; Domain=a.test", "b=2", PINNED];
            assert_eq!(answer.all("set-cookie"), cookies, "{gateway} {version:?}");
            assert_eq!(answer.all("location"), ["http://a.test/"], "{gateway} {version:?}");
        }
    }
}
