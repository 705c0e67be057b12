use std::path::Path;

use super::*;
use crate::{FailurePolicy, RenderError};

const POLICY: &str = "{\"apiVersion\":\"gatepost/v1\",\n \"strip\":[\"x-\\\"quoted\\\"\"]}";

fn routes(texts: &[&str]) -> Vec<Route> {
    texts.iter().map(|text| text.parse().expect("a route")).collect()
}

fn plugin() -> Plugin<'static> {
    Plugin {
        module: Module::Inline(b"\0asm"),
        configuration: POLICY,
        on_failure: FailurePolicy::default(),
    }
}

fn bootstrap<'a>(routes: &'a [Route], plugin: PluginSource<'a>) -> Bootstrap<'a> {
    Bootstrap {
        listen: ([127, 0, 0, 1], 8080).into(),
        admin: None,
        routes,
        trusted_hops: 0,
        access_log: AccessLog::Off,
        plugin,
    }
}

#[test]
fn a_bootstrap_with_everything_in_it() {
    let routes = routes(&[
        "My-Service.default.example.com:443=127.0.0.1:9001",
        "*.mesh.private=[::1]:9002",
        "*=echo.svc:9003",
    ]);
    let rendered = Bootstrap {
        admin: Some(([127, 0, 0, 1], 9901).into()),
        trusted_hops: 2,
        access_log: AccessLog::Stdout,
        ..bootstrap(&routes, PluginSource::Static(plugin()))
    };
    insta::assert_snapshot!(rendered.render().expect("a document"));
}

#[test]
fn a_bootstrap_that_takes_its_filter_from_a_watched_file() {
    let routes = routes(&["*=127.0.0.1:9001"]);
    let rendered =
        bootstrap(&routes, PluginSource::FileEcds { path: Path::new("/etc/gatepost/filter.json") });
    insta::assert_snapshot!(rendered.render().expect("a document"));
}

#[test]
fn the_watched_file_with_a_module_beside_it() {
    let plugin = Plugin {
        module: Module::File(Path::new("/etc/gatepost/filter.wasm")),
        on_failure: FailurePolicy::Reload,
        ..plugin()
    };
    insta::assert_snapshot!(plugin.render_ecds("3").expect("a document"));
}

#[test]
fn two_routes_for_one_host_are_refused() {
    let routes = routes(&[
        "app.example.com=127.0.0.1:1",
        "*=127.0.0.1:2",
        "APP.example.com.:80=127.0.0.1:3",
    ]);
    assert_eq!(
        bootstrap(&routes, PluginSource::Static(plugin())).render(),
        Err(RenderError::DuplicateHost { host: "app.example.com".into() })
    );
}

#[test]
fn an_admin_interface_stays_on_loopback() {
    let admin = ([0, 0, 0, 0], 9901).into();
    assert_eq!(
        Bootstrap { admin: Some(admin), ..bootstrap(&[], PluginSource::Static(plugin())) }.render(),
        Err(RenderError::AdminNotLoopback { address: admin })
    );
}

#[test]
fn no_route_opens_the_admin_interface() {
    let admin = Some(([127, 0, 0, 1], 9901).into());
    for upstream in ["127.0.0.1:9901", "[::1]:9901", "0.0.0.0:9901", "LocalHost.:9901"] {
        let routes = routes(&[&format!("admin.internal={upstream}")]);
        assert_eq!(
            Bootstrap { admin, ..bootstrap(&routes, PluginSource::Static(plugin())) }.render(),
            Err(RenderError::RouteToAdmin { host: "admin.internal".into() }),
            "{upstream}"
        );
    }
    let others = routes(&["a.internal=127.0.0.1:9902", "b.internal=10.0.0.1:9901"]);
    Bootstrap { admin, ..bootstrap(&others, PluginSource::Static(plugin())) }
        .render()
        .expect("a document");
}

#[test]
fn health_checks_reach_the_readiness_of_this_envoy_alone() {
    let admin = ([127, 0, 0, 1], 9901).into();
    let routes = [Route::readiness("gateway.internal", admin).expect("a route")];
    let rendered =
        Bootstrap { admin: Some(admin), ..bootstrap(&routes, PluginSource::Static(plugin())) };
    insta::assert_snapshot!(rendered.render().expect("a document"));
}

#[cfg(unix)]
#[test]
fn a_path_that_is_not_utf_8_is_refused() {
    use std::os::unix::ffi::OsStrExt;
    let path = Path::new(std::ffi::OsStr::from_bytes(b"/tmp/\xff.json"));
    assert_eq!(
        bootstrap(&[], PluginSource::FileEcds { path }).render(),
        Err(RenderError::PathNotUtf8 { path: path.to_owned() })
    );
    let plugin = Plugin { module: Module::File(path), ..plugin() };
    assert_eq!(plugin.render_ecds("1"), Err(RenderError::PathNotUtf8 { path: path.to_owned() }));
}

#[test]
fn the_policy_reaches_the_document_unchanged() {
    let text = bootstrap(&[], PluginSource::Static(plugin())).render().expect("a document");
    let document: serde_json::Value = serde_json::from_str(&text).expect("JSON");
    let filter = "/static_resources/listeners/0/filter_chains/0/filters/0/typed_config\
        /http_filters/0/typed_config/config";
    let config = document.pointer(filter).expect("the plugin");
    assert_eq!(
        config.pointer("/configuration/value").and_then(serde_json::Value::as_str),
        Some(POLICY)
    );
    assert_eq!(
        config.pointer("/failure_policy").and_then(serde_json::Value::as_str),
        Some("FAIL_CLOSED")
    );
}
