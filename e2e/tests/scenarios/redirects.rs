//! The ways in which applications redirect and set cookies, behind a mapped domain. The client asks
//! for `Shop.test:8080` by HTTP, and the application is asked for `shop.default.example`.

use std::net::SocketAddr;

use gatepost_testbed::client::{VERSIONS, body};
use http::{Request, Version};

use crate::answer::{Answer, send};
use crate::pair::Pair;

const POLICY: &str = r#"
apiVersion: gatepost/v1
environments:
  sources: [{ header: env }]
  allow: [env1]
  unknown: ignore
  hints: { authority: "app.{env}.svc:50051" }
hosts:
  port: strip
  mappings:
  - { host: shop.test, authority: shop.default.example }
"#;

const CLIENT: &str = "Shop.test:8080";
const AS_IT_IS: Option<&str> = None;

/// What an application says in `Location`, and what the client reads.
const LOCATIONS: &[(&str, Option<&str>)] = &[
    ("http://shop.default.example/login", Some("http://Shop.test:8080/login")),
    ("http://shop.default.example", Some("http://Shop.test:8080")),
    ("http://shop.default.example?a=b", Some("http://Shop.test:8080?a=b")),
    ("http://shop.default.example#top", Some("http://Shop.test:8080#top")),
    ("http://shop.default.example/a%2F//b?to=/c", Some("http://Shop.test:8080/a%2F//b?to=/c")),
    // To HTTPS, whose port is not the one that the client came by.
    ("https://shop.default.example/login", Some("https://Shop.test/login")),
    ("https://shop.default.example:443/", Some("https://Shop.test/")),
    ("http://shop.default.example:80/", Some("http://Shop.test:8080/")),
    ("http://shop.default.example:/", Some("http://Shop.test:8080/")),
    ("//shop.default.example/login", Some("//Shop.test:8080/login")),
    ("//shop.default.example:80", Some("//Shop.test:8080")),
    ("HTTP://SHOP.Default.EXAMPLE/Login", Some("HTTP://Shop.test:8080/Login")),
    ("http://shop.default.example./", Some("http://Shop.test:8080/")),
    // Relative.
    ("/login", AS_IT_IS),
    ("login", AS_IT_IS),
    ("../login", AS_IT_IS),
    ("?page=2", AS_IT_IS),
    ("#top", AS_IT_IS),
    ("", AS_IT_IS),
    // Another port is another server.
    ("http://shop.default.example:8080/", AS_IT_IS),
    ("https://shop.default.example:80/", AS_IT_IS),
    ("//shop.default.example:443/", AS_IT_IS),
    // Another host, too.
    ("http://login.example/?to=http://shop.default.example/", AS_IT_IS),
    ("http://a.shop.default.example/", AS_IT_IS),
    ("http://default.example/", AS_IT_IS),
    ("http://shop.default.example.evil.test/", AS_IT_IS),
    ("http://[2001:db8::1]/", AS_IT_IS),
    ("http://Shop.test:8080/", AS_IT_IS),
    // Texts that browsers read differently.
    ("http://me:secret@shop.default.example/", AS_IT_IS),
    ("http://shop.default.example@evil.test/", AS_IT_IS),
    ("http://shop.default.example\\@evil.test/", AS_IT_IS),
    ("http:\\\\shop.default.example/", AS_IT_IS),
    ("http:/shop.default.example/", AS_IT_IS),
    ("http:///shop.default.example/", AS_IT_IS),
    ("http://shop%2edefault.example/", AS_IT_IS),
    ("http://shop.default.example:99999/", AS_IT_IS),
    ("http://[shop.default.example]/", AS_IT_IS),
    ("ws://shop.default.example/", AS_IT_IS),
    ("ftp://shop.default.example/", AS_IT_IS),
    ("mailto:me@shop.default.example", AS_IT_IS),
    ("shop.default.example/", AS_IT_IS),
];

/// What an application says in `Set-Cookie`, and what the client reads.
const COOKIES: &[(&str, Option<&str>)] = &[
    ("a=1; Domain=shop.default.example; Path=/", Some("a=1; Domain=shop.test; Path=/")),
    ("a=1; Domain=.shop.default.example", Some("a=1; Domain=shop.test")),
    ("a=1; Path=/; Domain=.default.example; Secure", Some("a=1; Path=/; Domain=shop.test; Secure")),
    ("a=1; domain=example", Some("a=1; domain=shop.test")),
    ("a=1;DOMAIN=Shop.Default.Example;HttpOnly", Some("a=1;DOMAIN=shop.test;HttpOnly")),
    ("a=1", AS_IT_IS),
    ("a=1; Path=/; SameSite=Lax", AS_IT_IS),
    ("a=1; Domain=shop.test", AS_IT_IS),
    ("a=1; Domain=test", AS_IT_IS),
    ("a=1; Domain=a.shop.default.example", AS_IT_IS),
    ("a=1; Domain=other.example", AS_IT_IS),
    ("a=1; Domain=op.default.example", AS_IT_IS),
    ("a=1; Domain=", AS_IT_IS),
    ("a=1; Domain", AS_IT_IS),
    ("domain=shop.default.example", AS_IT_IS),
    ("", AS_IT_IS),
];

/// Lines of headers as an upstream sends them.
fn lines(name: &str, values: impl Iterator<Item = impl AsRef<str>>) -> String {
    values.map(|value| format!("{name}: {}\n", value.as_ref())).collect()
}

/// The answer to a request for `authority`, where the upstream's headers are these lines.
async fn answer(
    version: Version,
    address: SocketAddr,
    request: http::request::Builder,
    lines: &str,
) -> Answer {
    let request = request.method("POST").body(body(lines.to_owned())).expect("a request");
    send(version, address, request).await
}

fn ask(authority: &str) -> http::request::Builder {
    Request::builder().uri(format!("http://{authority}/.echo/head/302"))
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn every_way_to_redirect_leads_to_the_client_or_stays_as_it_is() {
    let pair = Pair::start(POLICY, &[("*", "shop")]).await;
    for (gateway, testbed) in pair.each() {
        for version in VERSIONS {
            for (location, restored) in LOCATIONS {
                let lines = lines("location", [location].into_iter());
                let answer = answer(version, testbed.address(), ask(CLIENT), &lines).await;
                let expected = restored.unwrap_or(location);
                let context = format!("{gateway} {version:?} {location}");
                assert_eq!(
                    (answer.status, answer.all("location")),
                    (302, vec![expected]),
                    "{context}"
                );
            }
        }
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn every_line_of_cookies_is_the_clients_or_stays_as_it_is() {
    let pair = Pair::start(POLICY, &[("*", "shop")]).await;
    let sent = lines("set-cookie", COOKIES.iter().map(|(line, _)| line));
    let expected: Vec<&str> =
        COOKIES.iter().map(|(line, restored)| restored.unwrap_or(line)).collect();
    for (gateway, testbed) in pair.each() {
        for version in VERSIONS {
            let answer = answer(version, testbed.address(), ask(CLIENT), &sent).await;
            assert_eq!(answer.all("set-cookie"), expected, "{gateway} {version:?}");
        }
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_client_that_names_an_address_gets_it_again() {
    let pair = Pair::start(POLICY, &[("*", "shop")]).await;
    // Only the port goes, and then the environment writes another host.
    for (environment, sent, expected) in [
        ("none", "http://[2001:db8::1]/a", "http://[2001:DB8:0::1]:8080/a"),
        ("none", "http://[2001:0DB8::0:1]:80/a", "http://[2001:DB8:0::1]:8080/a"),
        ("none", "http://[2001:db8::2]/a", "http://[2001:db8::2]/a"),
        ("env1", "http://app.env1.svc:50051/a", "http://[2001:DB8:0::1]:8080/a"),
        ("env1", "https://app.env1.svc/a", "https://[2001:DB8:0::1]/a"),
    ] {
        let lines = format!(
            "location: {sent}\nset-cookie: a=1; Domain=app.env1.svc; Path=/\nset-cookie: b=2\n"
        );
        let cookie = match environment {
            "env1" => "a=1; Path=/",
            _ => "a=1; Domain=app.env1.svc; Path=/",
        };
        for (gateway, testbed) in pair.each() {
            for version in VERSIONS {
                let request = ask("[2001:DB8:0::1]:8080").header("env", environment);
                let answer = answer(version, testbed.address(), request, &lines).await;
                let context = format!("{gateway} {version:?} {environment} {sent}");
                assert_eq!(answer.all("location"), [expected], "{context}");
                assert_eq!(answer.all("set-cookie"), [cookie, "b=2"], "{context}");
            }
        }
    }
}
