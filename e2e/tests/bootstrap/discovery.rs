//! A policy that changes while a real Envoy serves: the watched file, swapped by rename.

use std::path::Path;

use gatepost_render::bootstrap::PluginSource;
use gatepost_testbed::envoy::process::{Envoy, validate};
use http::Version;

use crate::support::{Upstream, bootstrap, eventually, gate, get, plugin, routes, start};

fn swap(path: &Path, content: &str) {
    let new = path.with_extension("new");
    std::fs::write(&new, content).expect("written");
    std::fs::rename(&new, path).expect("swapped");
}

fn counter(envoy: &Envoy, name: &str) -> u64 {
    let counters = envoy.counters().expect("counters");
    *counters
        .get(&format!("extension_config_discovery.http_filter.gatepost.{name}"))
        .unwrap_or_else(|| panic!("{name}: {counters:#?}"))
}

#[test]
fn a_bad_policy_leaves_the_running_one_in_place_and_a_good_one_replaces_it() {
    let upstream = Upstream::start("alpha");
    let dir = tempfile::tempdir().expect("a folder");
    let path = dir.path().join("filter.json");
    let module = gate();
    let policy =
        |text: &str, version: &str| plugin(&module, text).render_ecds(version).expect("a document");
    std::fs::write(&path, policy("{}", "1")).expect("written");

    let routes = routes(&[format!("*={}", upstream.address)]);
    let (envoy, listener) = start(&bootstrap(&routes, PluginSource::FileEcds { path: &path }));
    let answer = |length| (200, format!("alpha HTTP/1.1 a.example length={length}"));
    assert_eq!(get(listener, Version::HTTP_11, "a.example", &[]), answer(2));

    // A policy that the filter refuses, a file without a configuration, a file without a module.
    let not_wasm = plugin(b"not wasm", "{}").render_ecds("2").expect("a document");
    for (bad, refusals, fault) in [
        (policy("more than nine", "2"), "config_fail", "filter"),
        ("{ not JSON".to_owned(), "update_failure", "text"),
        (not_wasm, "config_fail", "module"),
    ] {
        let before = counter(&envoy, refusals);
        swap(&path, &bad);
        eventually(&format!("the refusal of a bad {fault} is counted"), || {
            counter(&envoy, refusals) > before
        });
        for _ in 0..20 {
            assert_eq!(get(listener, Version::HTTP_11, "a.example", &[]), answer(2), "{fault}");
        }
    }

    swap(&path, &policy("1234", "3"));
    eventually("the good policy answers", || {
        get(listener, Version::HTTP_11, "a.example", &[]) == answer(4)
    });
    assert!(envoy.log().contains("more than nine"));
}

#[test]
fn a_bad_policy_at_the_start_answers_500_until_a_good_one_comes() {
    let upstream = Upstream::start("alpha");
    let dir = tempfile::tempdir().expect("a folder");
    let path = dir.path().join("filter.json");
    let module = gate();
    std::fs::write(&path, plugin(&module, "more than nine").render_ecds("1").expect("a document"))
        .expect("written");
    let routes = routes(&[format!("*={}", upstream.address)]);
    let bootstrap = bootstrap(&routes, PluginSource::FileEcds { path: &path });
    validate(&gatepost_e2e::envoy().expect("an Envoy"), &bootstrap.render().expect("a document"))
        .expect("validation does not read the file");
    let (_envoy, listener) = start(&bootstrap);
    assert_eq!(get(listener, Version::HTTP_11, "a.example", &[]).0, 500);

    swap(&path, &plugin(&module, "{}").render_ecds("2").expect("a document"));
    eventually("the good policy answers", || {
        get(listener, Version::HTTP_11, "a.example", &[]).0 == 200
    });
}

/// A kubelet writes a new folder, and moves a link to it over the old one.
#[cfg(unix)]
#[test]
fn a_new_version_of_a_mounted_config_map_is_a_new_policy() {
    let upstream = Upstream::start("alpha");
    let dir = tempfile::tempdir().expect("a folder");
    let module = gate();
    let mount = |version: &str, text: &str| {
        let of_version = dir.path().join(format!("..{version}"));
        std::fs::create_dir(&of_version).expect("a folder");
        let policy = plugin(&module, text).render_ecds(version).expect("a document");
        std::fs::write(of_version.join("filter.json"), policy).expect("written");
        let link = dir.path().join("..data_tmp");
        std::os::unix::fs::symlink(format!("..{version}"), &link).expect("a link");
        std::fs::rename(&link, dir.path().join("..data")).expect("moved");
    };
    mount("1", "{}");
    let path = dir.path().join("filter.json");
    std::os::unix::fs::symlink("..data/filter.json", &path).expect("a link");

    let routes = routes(&[format!("*={}", upstream.address)]);
    let (_envoy, listener) = start(&bootstrap(&routes, PluginSource::FileEcds { path: &path }));
    let answer = |length| (200, format!("alpha HTTP/1.1 a.example length={length}"));
    assert_eq!(get(listener, Version::HTTP_11, "a.example", &[]), answer(2));
    mount("2", "1234");
    eventually("the new policy answers", || {
        get(listener, Version::HTTP_11, "a.example", &[]) == answer(4)
    });
}

#[test]
fn a_file_that_is_missing_at_the_start_ends_envoy_with_an_error_that_names_it() {
    let document =
        bootstrap(&[], PluginSource::FileEcds { path: Path::new("/nonexistent/filter.json") })
            .render()
            .expect("a document");
    let error =
        Envoy::start(&gatepost_e2e::envoy().expect("an Envoy"), &document, &Default::default())
            .map(drop)
            .expect_err("missing");
    assert!(error.to_string().contains("/nonexistent/filter.json"), "{error}");
}
