//! A login through a mapped domain, behind a gateway that redirects to HTTPS. Both the gateway and
//! the application name the host that the filter wrote, which no client knows.

use std::net::{IpAddr, SocketAddr};
use std::path::Path;
use std::time::{Duration, Instant};

use gatepost_e2e::certificate::Certificate;
use gatepost_e2e::curl::{Fetched, UNRESOLVED, follow};
use gatepost_testbed::client;
use http::Version;
use serde_json::{Value, json};

use crate::rendered::delete;
use crate::world::{LISTENER, World, gateway, list};

/// The customer's host, and the one that the application is asked for.
const MAPPED: &str = "my-service.test.com";
const WRITTEN: &str = "my-service.default.example.com";

/// The gateway's listener for TLS.
const TLS_LISTENER: u16 = 8443;

/// How long the gateway may take to do what the objects say.
const WITHIN: Duration = Duration::from_secs(90);

pub fn through_a_mapped_domain(world: &mut World) {
    let certificate = Certificate::of(MAPPED);
    let folder = tempfile::tempdir().unwrap();
    let trusted = folder.path().join("trusted.pem");
    std::fs::write(&trusted, &certificate.chain).unwrap();
    let objects = objects(&certificate).to_string();
    world.mesh.apply(&objects).unwrap();

    // Without the client's host the gateway's own redirect leads nowhere.
    world.mesh.apply(&plugin(world, "keep").to_string()).unwrap();
    redirect_until(world, WRITTEN);
    let lost = account(world, &folder.path().join("lost"), &trusted);
    assert_eq!(lost.exit, UNRESOLVED, "{lost:?}");

    world.mesh.apply(&plugin(world, "restore").to_string()).unwrap();
    redirect_until(world, MAPPED);
    // The other listener may take the plugin a little later.
    let started = Instant::now();
    let fetched = loop {
        let jar = tempfile::tempdir().unwrap();
        let fetched = account(world, &jar.path().join("cookies"), &trusted);
        if fetched.exit == 0 && fetched.status == 200 {
            break fetched;
        }
        assert!(started.elapsed() < WITHIN, "{fetched:?}");
    };
    assert_eq!(fetched.url, format!("https://{MAPPED}/.echo/account"));
    let seen: Value = serde_json::from_str(&fetched.body).unwrap();
    assert_eq!(seen["authority"], WRITTEN);

    world.delete_plugin("login");
    delete(world, &objects);
    world.ask_until(404, MAPPED, &[]);
}

/// Asks without TLS until the gateway leads to this host.
fn redirect_until(world: &World, host: &str) {
    let wanted = Some(format!("https://{host}/cart"));
    let started = Instant::now();
    loop {
        let address = (world.gateway().address, LISTENER).into();
        let request = client::get(&format!("http://{MAPPED}/cart"), &[]);
        let response = world.block_on(client::send(Version::HTTP_11, address, request));
        let location = response.headers().get("location");
        let location = location.map(|url| url.to_str().unwrap().to_owned());
        if location == wanted {
            return;
        }
        assert!(started.elapsed() < WITHIN, "{location:?}, and not {wanted:?}");
        std::thread::sleep(Duration::from_millis(50));
    }
}

/// Asks for the account, beginning without TLS, by the address of the gateway's Service.
fn account(world: &World, jar: &Path, trusted: &Path) -> Fetched {
    let service = ["get", "service", "istio-ingressgateway", "--namespace", "istio-system"];
    let address = ["--output", "jsonpath={.spec.clusterIP}"];
    let address = world.mesh.kubectl(&[&service[..], &address].concat()).unwrap();
    let address: IpAddr = address.trim().parse().unwrap();
    let names = [80, 443].map(|port| (MAPPED, SocketAddr::new(address, port)));
    let trusted = trusted.to_str().unwrap();
    follow(&format!("http://{MAPPED}/.echo/account"), jar, &names, &["--cacert", trusted])
}

/// The plugin for both listeners.
fn plugin(world: &World, responses: &str) -> Value {
    let mapping = json!({ "host": MAPPED, "authority": WRITTEN });
    let policy = json!({
        "apiVersion": "gatepost/v1",
        "hosts": { "mappings": [mapping], "responses": responses },
    });
    let mut plugin = world.plugin("login", &policy, Some(LISTENER));
    plugin["spec"]["match"] =
        json!([{ "ports": [{ "number": LISTENER }, { "number": TLS_LISTENER }] }]);
    plugin
}

/// A gateway for the application with a certificate of the customer's. TLS is chosen by the
/// customer's host, and routes by the written one.
fn objects(certificate: &Certificate) -> Value {
    let hosts = [MAPPED, WRITTEN];
    let secret = json!({
        "apiVersion": "v1",
        "kind": "Secret",
        "type": "kubernetes.io/tls",
        "metadata": { "name": "customer", "namespace": "istio-system" },
        "stringData": { "tls.crt": certificate.chain, "tls.key": certificate.key },
    });
    let servers = json!([{
        "port": { "number": 80, "name": "http", "protocol": "HTTP" },
        "hosts": hosts,
        "tls": { "httpsRedirect": true },
    }, {
        "port": { "number": 443, "name": "https", "protocol": "HTTPS" },
        "hosts": hosts,
        "tls": { "mode": "SIMPLE", "credentialName": "customer" },
    }]);
    let gateway = gateway("login", servers);
    let route = json!({
        "apiVersion": "networking.istio.io/v1",
        "kind": "VirtualService",
        "metadata": { "name": "login", "namespace": "shop" },
        "spec": {
            "gateways": ["login"],
            "hosts": [WRITTEN],
            "http": [{ "route": [{ "destination": {
                "host": "app.shop.svc.cluster.local", "port": { "number": 80 },
            } }] }],
        },
    });
    list(vec![secret, gateway, route])
}
