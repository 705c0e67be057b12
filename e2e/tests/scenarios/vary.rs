//! `Vary` on every kind of response: those of upstreams, with and without a `Vary` of their own,
//! and those of the gateway.

use gatepost_testbed::client::{VERSIONS, get, no_body};
use http::{Request, Version};

use crate::answer::send;
use crate::pair::Pair;

const POLICY: &str = r#"
apiVersion: gatepost/v1
environments:
  sources: [{ header: env }, { cookie: env }]
  allow: [env1]
hosts: { private: ["*.svc"] }
"#;

const ENV1: &[(&str, &str)] = &[("env", "env1")];
const COOKIE: &[(&str, &str)] = &[("cookie", "env=env1")];

/// The `Vary` of an upstream, as a query, and the one that the client reads. Gateways make one line
/// of several before filters see them.
const UPSTREAMS: &[(&str, &str)] = &[
    ("", "env, cookie"),
    ("vary=accept-encoding", "accept-encoding, env, cookie"),
    ("vary=Cookie", "Cookie, env"),
    ("vary=ENV,origin", "ENV,origin, cookie"),
    ("vary=cookie,%20env", "cookie, env"),
    ("vary=*", "*"),
    ("vary=", "env, cookie"),
    ("vary=accept-encoding&vary=origin", "accept-encoding,origin, env, cookie"),
    ("vary=env&vary=*", "env,*"),
];

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_upstreams_response_gains_what_it_does_not_name() {
    let pair = Pair::start(POLICY, &[("*", "app")]).await;
    for (gateway, testbed) in pair.each() {
        for version in VERSIONS {
            for (own, expected) in UPSTREAMS {
                let uri = format!("http://a.test/.echo/answer/200?{own}");
                let answer = send(version, testbed.address(), get(&uri, COOKIE)).await;
                let lines = answer.all("vary");
                assert_eq!(lines, [*expected], "{gateway} {version:?} {own}");
            }
            // Nobody asked for the cookie.
            let answer = send(version, testbed.address(), get("http://a.test/", ENV1)).await;
            assert_eq!(answer.all("vary"), ["env"], "{gateway} {version:?}");
        }
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn refusals_say_what_they_depend_on() {
    let pair = Pair::start(POLICY, &[("*", "app")]).await;
    for (host, headers, status, expected) in [
        ("a.test", &[("env", "env9")][..], 404, &["env"][..]),
        ("a.test", &[("cookie", "env=env9")], 404, &["env, cookie"]),
        ("db.svc", &[], 404, &["env, cookie"]),
        ("db.svc", ENV1, 404, &["env"]),
        ("a..test", ENV1, 400, &[]),
    ] {
        for (gateway, testbed) in pair.each() {
            for version in VERSIONS {
                let request = get(&format!("http://{host}/"), headers);
                let answer = send(version, testbed.address(), request).await;
                let context = format!("{gateway} {version:?} {host} {headers:?}");
                assert_eq!(
                    (answer.status, answer.all("vary")),
                    (status, expected.to_vec()),
                    "{context}"
                );
            }
        }
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn refusals_of_grpc_calls_do_too() {
    let pair = Pair::start(POLICY, &[("*", "app")]).await;
    for (gateway, testbed) in pair.each() {
        let request = Request::post("http://a.test/echo.EchoService/Call")
            .header("content-type", "application/grpc")
            .header("env", "env9")
            .body(no_body())
            .expect("a request");
        let answer = send(Version::HTTP_2, testbed.address(), request).await;
        assert_eq!(answer.status, 200, "{gateway}: {answer:?}");
        assert!(answer.header("grpc-status").is_some(), "{gateway}: {answer:?}");
        assert_eq!(answer.all("vary"), ["env"], "{gateway}");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_policy_that_keeps_vary_adds_none() {
    let kept = POLICY.replace("allow: [env1]", "allow: [env1]\n  vary: keep");
    let pair = Pair::start(&kept, &[("*", "app")]).await;
    for (gateway, testbed) in pair.each() {
        for (headers, status) in [(ENV1, 200), (&[("env", "env9")], 404)] {
            let uri = "http://a.test/.echo/answer/200?x=y";
            let answer = send(Version::HTTP_11, testbed.address(), get(uri, headers)).await;
            assert_eq!((answer.status, answer.all("vary")), (status, vec![]), "{gateway}");
        }
    }
}
