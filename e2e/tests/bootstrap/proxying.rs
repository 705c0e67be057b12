//! Requests through a real Envoy with a rendered bootstrap: which upstream answers, over which
//! protocol, and what Envoy logs and counts.

use gatepost_render::FailurePolicy;
use gatepost_render::bootstrap::{Bootstrap, Plugin, PluginSource};
use gatepost_testbed::client::VERSIONS;
use gatepost_testbed::envoy::process::Envoy;
use gatepost_testbed::refusing_address;
use http::Version;

use crate::support::{Upstream, bootstrap, eventually, gate, get, plugin, routes, start};

#[test]
fn a_host_chooses_its_upstream_whatever_its_case_and_port() {
    let [alpha, beta, rest] = ["alpha", "beta", "rest"].map(Upstream::start);
    let routes = routes(&[
        format!("App.example.com:443={}", alpha.address),
        format!("*.mesh.private={}", beta.address),
        format!("*={}", rest.address),
    ]);
    let module = gate();
    let (_envoy, listener) =
        start(&bootstrap(&routes, PluginSource::Static(plugin(&module, "{}"))));
    for (authority, name) in [
        ("app.example.com", "alpha"),
        ("APP.example.COM", "alpha"),
        ("app.example.com:8080", "alpha"),
        ("ads.mesh.private", "beta"),
        ("a.b.mesh.private:1", "beta"),
        ("mesh.private", "rest"),
        ("xapp.example.com", "rest"),
        ("10.0.0.1", "rest"),
    ] {
        for protocol in VERSIONS {
            let (status, body) = get(listener, protocol, authority, &[]);
            assert_eq!(
                (status, body.split(' ').next()),
                (200, Some(name)),
                "{authority} {protocol:?}"
            );
        }
    }
}

#[test]
fn without_a_star_route_another_host_gets_404() {
    let alpha = Upstream::start("alpha");
    let routes = routes(&[format!("app.example.com={}", alpha.address)]);
    let module = gate();
    let (envoy, listener) = start(&bootstrap(&routes, PluginSource::Static(plugin(&module, "{}"))));
    assert_eq!(get(listener, Version::HTTP_11, "other.example.com", &[]).0, 404);
    assert_eq!(get(listener, Version::HTTP_11, "app.example.com", &[]).0, 200);
    eventually("the access log says why", || envoy.access_log().contains("404 route_not_found"));
}

#[test]
fn an_envoy_without_routes_answers_404() {
    let module = gate();
    let (_envoy, listener) = start(&bootstrap(&[], PluginSource::Static(plugin(&module, "{}"))));
    assert_eq!(get(listener, Version::HTTP_11, "app.example.com", &[]).0, 404);
}

#[test]
fn an_upstream_is_spoken_to_in_the_clients_protocol_and_keeps_the_authority_as_sent() {
    let alpha = Upstream::start("alpha");
    let routes = routes(&[format!("*={}", alpha.address)]);
    let module = gate();
    let (_envoy, listener) =
        start(&bootstrap(&routes, PluginSource::Static(plugin(&module, "{}"))));
    for (protocol, expected) in [
        (Version::HTTP_11, "alpha HTTP/1.1 App.example:81 length=2"),
        (Version::HTTP_2, "alpha HTTP/2.0 App.example:81 length=2"),
    ] {
        assert_eq!(get(listener, protocol, "App.example:81", &[]), (200, expected.to_owned()));
    }
}

#[test]
fn an_upstream_by_name_is_resolved_by_envoy() {
    let alpha = Upstream::start("alpha");
    let routes = routes(&[format!("*=localhost:{}", alpha.address.port())]);
    let module = gate();
    let (_envoy, listener) =
        start(&bootstrap(&routes, PluginSource::Static(plugin(&module, "{}"))));
    assert_eq!(get(listener, Version::HTTP_11, "a.example", &[]).0, 200);
}

#[test]
fn an_upstream_that_is_not_there_gives_503() {
    let (_kept, gone) = refusing_address().expect("a free port");
    let routes = routes(&[format!("*={gone}")]);
    let module = gate();
    let (envoy, listener) = start(&bootstrap(&routes, PluginSource::Static(plugin(&module, "{}"))));
    assert_eq!(get(listener, Version::HTTP_11, "a.example", &[]).0, 503);
    eventually("the access log says why", || {
        envoy.access_log().contains("503 upstream_reset_before_response_started")
    });
}

#[test]
fn trusted_hops_choose_the_clients_address_from_the_right() {
    let forwarded = [("x-forwarded-for", "192.0.2.66, 198.51.100.7, 203.0.113.9")];
    let module = gate();
    for (hops, expected) in [(0, "127.0.0.1:"), (1, "203.0.113.9:0"), (2, "198.51.100.7:0")] {
        let bootstrap = Bootstrap {
            trusted_hops: hops,
            ..bootstrap(&[], PluginSource::Static(plugin(&module, "{}")))
        };
        let (envoy, listener) = start(&bootstrap);
        get(listener, Version::HTTP_11, "a.example", &forwarded);
        eventually("the access log shows the address", || {
            envoy.access_log().contains(&format!("] {expected}"))
        });
    }
}

#[test]
fn no_client_may_steer_envoy_by_its_headers() {
    let alpha = Upstream::start("alpha");
    let routes = routes(&[format!("*={}", alpha.address)]);
    let module = gate();
    let bootstrap = Bootstrap {
        trusted_hops: 1,
        ..bootstrap(&routes, PluginSource::Static(plugin(&module, "{}")))
    };
    let (_envoy, listener) = start(&bootstrap);
    let steering = [
        ("x-envoy-retry-on", "5xx"),
        ("x-envoy-upstream-rq-timeout-ms", "5000"),
        ("x-envoy-internal", "true"),
    ];
    // From loopback itself, from a private address behind one proxy, and from a public one.
    for forwarded in
        [None, Some(("x-forwarded-for", "10.0.0.1")), Some(("x-forwarded-for", "203.0.113.9"))]
    {
        let headers: Vec<_> = steering.into_iter().chain(forwarded).collect();
        let (status, body) = get(listener, Version::HTTP_11, "a.example", &headers);
        assert_eq!(
            (status, body.as_str()),
            (200, "alpha HTTP/1.1 a.example length=2"),
            "{forwarded:?}"
        );
    }
}

#[test]
fn the_access_log_is_one_line_for_each_request() {
    let alpha = Upstream::start("alpha");
    let routes = routes(&[format!("app.example.com={}", alpha.address)]);
    let module = gate();
    let (envoy, listener) = start(&bootstrap(&routes, PluginSource::Static(plugin(&module, "{}"))));
    get(listener, Version::HTTP_2, "app.example.com", &[]);
    eventually("a line", || !envoy.access_log().is_empty());
    let log = envoy.access_log();
    assert_eq!(log.lines().count(), 1);
    assert!(
        log.contains(
            "\"GET app.example.com/ HTTP/2\" 200 via_upstream cluster=app.example.com duration="
        ),
        "{log}"
    );
}

#[test]
fn counters_and_the_admin_interface_are_readable() {
    let alpha = Upstream::start("alpha");
    let routes = routes(&[format!("app.example.com={}", alpha.address)]);
    let module = gate();
    let (envoy, listener) = start(&bootstrap(&routes, PluginSource::Static(plugin(&module, "{}"))));
    get(listener, Version::HTTP_11, "app.example.com", &[]);
    let counters = envoy.counters().expect("counters");
    assert_eq!(counters.get("http.gatepost.downstream_rq_2xx"), Some(&1));
    assert_eq!(counters.get("cluster.app_example_com.upstream_rq_total"), Some(&1));
    assert!(envoy.admin("/nothing-here").is_err());
    assert!(
        envoy.listener("other").expect_err("no such listener").to_string().contains("gatepost")
    );
}

#[test]
fn several_envoys_run_side_by_side_and_end_when_dropped() {
    let module = gate();
    // Two Envoys with the admin port of the bootstrap would collide; a test's Envoy gets a free
    // one.
    let admin = Some(([127, 0, 0, 1], 9901).into());
    let bootstrap =
        Bootstrap { admin, ..bootstrap(&[], PluginSource::Static(plugin(&module, "{}"))) };
    let (first, first_listener) = start(&bootstrap);
    let (_second, second_listener) = start(&bootstrap);
    assert_ne!(first_listener, second_listener);
    drop(first);
    assert!(std::net::TcpStream::connect(first_listener).is_err());
    assert_eq!(get(second_listener, Version::HTTP_11, "a.example", &[]).0, 404);
}

/// An Envoy whose filter traps on every request it sees.
fn trapping(on_failure: FailurePolicy, upstream: &Upstream) -> (Envoy, std::net::SocketAddr) {
    let routes = routes(&[format!("*={}", upstream.address)]);
    let module = gate();
    let plugin = Plugin { on_failure, ..plugin(&module, "7 bytes") };
    start(&bootstrap(&routes, PluginSource::Static(plugin)))
}

#[test]
fn after_a_trap_a_closed_filter_answers_503_and_an_open_one_is_left_out() {
    let alpha = Upstream::start("alpha");
    let (_closed, listener) = trapping(FailurePolicy::Closed, &alpha);
    for _ in 0..3 {
        assert_eq!(get(listener, Version::HTTP_11, "a.example", &[]).0, 503);
    }
    let (_open, listener) = trapping(FailurePolicy::Open, &alpha);
    get(listener, Version::HTTP_11, "a.example", &[]);
    for _ in 0..3 {
        assert_eq!(
            get(listener, Version::HTTP_11, "a.example", &[]),
            (200, "alpha HTTP/1.1 a.example length=none".into())
        );
    }
}

#[test]
fn after_a_trap_a_reloading_filter_gets_a_new_vm() {
    let alpha = Upstream::start("alpha");
    let (envoy, listener) = trapping(FailurePolicy::Reload, &alpha);
    eventually("the VM is rebuilt", || {
        assert_eq!(get(listener, Version::HTTP_11, "a.example", &[]).0, 503);
        envoy
            .counters()
            .expect("counters")
            .iter()
            .any(|(name, value)| name.contains("vm_reload_success") && *value > 0)
    });
}

#[test]
fn a_websocket_passes_and_another_protocol_does_not() {
    use std::io::{Read as _, Write as _};
    let upstream = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let address = upstream.local_addr().unwrap();
    let switch = "HTTP/1.1 101 Switching Protocols\r\nconnection: upgrade\r\n\
                  upgrade: websocket\r\n\r\n";
    std::thread::spawn(move || {
        let (mut stream, _) = upstream.accept().unwrap();
        let mut head = Vec::new();
        while !head.ends_with(b"\r\n\r\n") {
            let mut byte = [0];
            stream.read_exact(&mut byte).unwrap();
            head.extend(byte);
        }
        stream.write_all(switch.as_bytes()).unwrap();
        let mut said = [0; 5];
        stream.read_exact(&mut said).unwrap();
        stream.write_all(&said).unwrap();
    });
    let routes = routes(&[format!("*={address}")]);
    let module = gate();
    let (_envoy, listener) =
        start(&bootstrap(&routes, PluginSource::Static(plugin(&module, "{}"))));
    let ask = |protocol: &str| {
        let mut client = std::net::TcpStream::connect(listener).unwrap();
        client.set_read_timeout(Some(std::time::Duration::from_secs(60))).unwrap();
        let head = format!(
            "GET / HTTP/1.1\r\nHost: a\r\nConnection: Upgrade\r\nUpgrade: {protocol}\r\n\r\n"
        );
        client.write_all(head.as_bytes()).unwrap();
        let mut head = Vec::new();
        while !head.ends_with(b"\r\n\r\n") {
            let mut byte = [0];
            client.read_exact(&mut byte).unwrap();
            head.extend(byte);
        }
        (client, String::from_utf8(head).unwrap())
    };
    assert!(ask("spdy/3").1.starts_with("HTTP/1.1 403 "));
    let (mut client, head) = ask("websocket");
    assert!(head.starts_with("HTTP/1.1 101 "), "{head}");
    client.write_all(b"hello").unwrap();
    let mut heard = [0; 5];
    client.read_exact(&mut heard).unwrap();
    assert_eq!(&heard, b"hello");
}
