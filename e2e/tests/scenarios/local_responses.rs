//! Responses that Envoy makes itself, by its configuration: they name the host that the filter
//! wrote, because Envoy's routes come after it.

use gatepost_render::bootstrap::{PluginSource, Route};
use gatepost_testbed::client::{VERSIONS, get};
use gatepost_testbed::envoy::LISTENER;
use gatepost_testbed::envoy::process::{Envoy, Options};
use serde_json::{Value, json};

use crate::answer::send;
use crate::pair::json;
use crate::reload::{bootstrap, plugin};

const POLICY: &str = "
apiVersion: gatepost/v1
environments: { sources: [{ header: env }], allow: [env1] }
hosts:
  mappings:
  - { host: shop.test, authority: shop.default.example }
";

/// An Envoy whose only virtual host is `change`d.
fn start(policy: &str, change: &Value) -> Envoy {
    let policy = json(policy);
    let routes = [Route::placeholder()];
    let document = bootstrap(&routes, PluginSource::Static(plugin(&policy)));
    let mut document: Value = serde_json::from_str(&document).expect("JSON");
    let listener = &mut document["static_resources"]["listeners"][0];
    let manager = &mut listener["filter_chains"][0]["filters"][0]["typed_config"];
    let host = manager["route_config"]["virtual_hosts"][0].as_object_mut().expect("a host");
    host.extend(change.as_object().expect("an object").clone());
    let binary = gatepost_e2e::envoy().expect("an Envoy");
    Envoy::start(&binary, &document.to_string(), &Options::default())
        .unwrap_or_else(|error| panic!("{error}"))
}

/// The status, `Location` and `Vary` of `/cart` at `shop.test`, which are the same over both
/// versions.
async fn cart(envoy: &Envoy, authority: &str) -> (u16, Option<String>, Option<String>) {
    let address = envoy.listener(LISTENER).expect("a listener");
    let uri = format!("http://{authority}/cart?a=b");
    let mut seen = Vec::new();
    for version in VERSIONS {
        let answer = send(version, address, get(&uri, &[])).await;
        let header = |name: &str| answer.header(name).map(str::to_owned);
        seen.push((answer.status, header("location"), header("vary")));
    }
    assert_eq!(seen[0], seen[1]);
    seen.remove(0)
}

/// What `httpsRedirect` of Istio's Gateway becomes in Envoy.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_redirect_to_https_leads_to_the_clients_host() {
    let to_https = json!({ "require_tls": "ALL" });
    let (status, location, vary) = cart(&start(POLICY, &to_https), "shop.test").await;
    assert_eq!((status, location.as_deref()), (301, Some("https://shop.test/cart?a=b")));
    assert_eq!(vary.as_deref(), Some("env"));
    let (_, location, _) = cart(&start(POLICY, &to_https), "shop.test:8080").await;
    assert_eq!(location.as_deref(), Some("https://shop.test/cart?a=b"));

    let kept = format!("{POLICY}  responses: keep\n");
    let (_, location, _) = cart(&start(&kept, &to_https), "shop.test").await;
    assert_eq!(location.as_deref(), Some("https://shop.default.example/cart?a=b"));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_redirect_of_a_route_leads_to_the_clients_host_unless_it_names_another() {
    for (redirect, expected) in [
        (json!({ "path_redirect": "/basket" }), "http://shop.test/basket?a=b"),
        (json!({ "https_redirect": true }), "https://shop.test/cart?a=b"),
        (json!({ "port_redirect": 9000 }), "http://shop.default.example:9000/cart?a=b"),
        (json!({ "host_redirect": "new.example" }), "http://new.example/cart?a=b"),
    ] {
        let route = json!({ "match": { "prefix": "/" }, "redirect": redirect });
        let envoy = start(POLICY, &json!({ "routes": [route] }));
        let (status, location, vary) = cart(&envoy, "shop.test").await;
        assert_eq!((status, location.as_deref()), (301, Some(expected)), "{redirect}");
        assert_eq!(vary.as_deref(), Some("env"), "{redirect}");
    }
}

/// Envoy gives every direct response that is a redirect its own `Location`.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_direct_response_leads_to_the_clients_host() {
    let added = |key: &str, value: &str| json!({ "header": { "key": key, "value": value } });
    let written = "http://%REQ(:AUTHORITY)%/login";
    let route = json!({
        "match": { "prefix": "/" },
        "direct_response": { "status": 303 },
        "response_headers_to_add": [
            added("content-location", written),
            added("refresh", &format!("0; url={written}")),
            added("set-cookie", "a=1; Domain=%REQ(:AUTHORITY)%"),
            added("link", written),
        ],
    });
    let envoy = start(POLICY, &json!({ "routes": [route] }));
    let address = envoy.listener(LISTENER).expect("a listener");
    for version in VERSIONS {
        let answer = send(version, address, get("http://shop.test/cart", &[])).await;
        assert_eq!(answer.status, 303);
        assert_eq!(answer.all("location"), ["http://shop.test/cart"]);
        assert_eq!(answer.all("content-location"), ["http://shop.test/login"]);
        assert_eq!(answer.all("refresh"), ["0; url=http://shop.test/login"]);
        assert_eq!(answer.all("set-cookie"), ["a=1; Domain=shop.test"]);
        assert_eq!(answer.all("link"), ["http://shop.default.example/login"]);
        assert_eq!(answer.all("vary"), ["env"]);
    }
}
