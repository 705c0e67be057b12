//! A login through a mapped domain, which curl follows to its end with a jar of cookies. The
//! application's redirects and cookies name the host that it was asked for, and curl knows only the
//! mapped one.

use std::net::SocketAddr;

use gatepost_e2e::curl::{Fetched, UNRESOLVED, follow};
use serde_json::Value;

use crate::pair::Pair;

const POLICY: &str = "
apiVersion: gatepost/v1
hosts:
  mappings:
  - { host: my-service.test.com, authority: my-service.default.example.com }
";

/// What came of asking for the account, and what is in the jar then.
fn log_in(address: SocketAddr) -> (Fetched, String) {
    let folder = tempfile::tempdir().expect("a folder");
    let jar = folder.path().join("cookies");
    let url = format!("http://my-service.test.com:{}/.echo/account", address.port());
    let fetched = follow(&url, &jar, &[("my-service.test.com", address)], &[]);
    (fetched, std::fs::read_to_string(&jar).expect("a jar"))
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_client_with_a_jar_of_cookies_gets_through_the_login() {
    let pair = Pair::start(POLICY, &[("my-service.default.example.com", "shop")]).await;
    for (gateway, testbed) in pair.each() {
        let address = testbed.address();
        let (fetched, cookies) = log_in(address);
        assert_eq!((fetched.exit, fetched.status), (0, 200), "{gateway}: {fetched:?}");
        let account = format!("http://my-service.test.com:{}/.echo/account", address.port());
        assert_eq!(fetched.url, account, "{gateway}");
        let seen: Value = serde_json::from_str(&fetched.body).expect("the account");
        assert_eq!(seen["authority"], "my-service.default.example.com", "{gateway}");
        for name in ["visitor", "session"] {
            assert!(cookies.contains(name), "{gateway}: {cookies}");
        }
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn without_the_clients_host_the_login_leads_to_a_name_that_nobody_knows() {
    let kept = format!("{POLICY}  responses: keep\n");
    let pair = Pair::start(&kept, &[("my-service.default.example.com", "shop")]).await;
    for (gateway, testbed) in pair.each() {
        let (fetched, cookies) = log_in(testbed.address());
        assert_eq!(fetched.exit, UNRESOLVED, "{gateway}: {fetched:?}");
        assert_eq!(fetched.url, "http://my-service.default.example.com/.echo/login");
        assert!(!cookies.contains("visitor"), "{gateway}: {cookies}");
    }
}
