//! A login through a mapped domain, in a browser, over TLS and HTTP/2.

use gatepost_testbed::echo::Upstream;

use crate::chromium::User;
use crate::gateway::Gateway;

const POLICY: &str = "
apiVersion: gatepost/v1
hosts:
  mappings:
  - { host: my-service.test, authority: my-service.default.example.com }
";

/// The page where the login ends, and how many redirects led to it.
async fn page(policy: &str) -> (String, u64) {
    let shop = Upstream::start("shop", None).await.expect("an upstream");
    let gateway = Gateway::https(policy, &[("my-service.default.example.com", shop.addr())]);
    let page = User::new().open("https://my-service.test/.echo/account", gateway.address).await;
    assert_eq!(gateway.counter("downstream_cx_http1_total"), 0, "HTTP/2 alone");
    (page, gateway.counter("downstream_rq_3xx"))
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_browser_gets_through_the_login() {
    let (page, redirects) = page(POLICY).await;
    assert!(page.contains(r#""upstream":"shop""#), "{page}");
    assert!(page.contains(r#""path":"/.echo/account""#), "{page}");
    assert!(page.contains(r#""authority":"my-service.default.example.com""#), "{page}");
    assert_eq!(redirects, 2, "to the login, and back");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn without_the_clients_host_it_ends_at_a_name_that_the_browser_does_not_know() {
    let (page, redirects) = page(&format!("{POLICY}  responses: keep\n")).await;
    assert!(!page.contains("shop"), "{page}");
    assert_eq!(redirects, 1, "to the login");
}
