//! A registry that serves other bytes than it promises, or too many of them.

use gatepost_render::image::{Image, Layout, media_type};

use super::gatepost;
use super::registry::{Registry, Reply, Request, status, with_header};

/// Pushes to a good registry what `verify` then reads by the rule.
fn read_by(rule: impl Fn(&Request) -> Option<Reply> + Send + Sync + 'static) -> String {
    let registry = Registry::start(rule);
    let tagged = format!("{}/gatepost:v1", registry.host);
    gatepost(&["push", &tagged, "--verify"]).failed(2)
}

#[test]
fn a_layer_with_other_bytes_is_refused() {
    let layer =
        |request: &Request| request.is("GET", "/blobs/").then(|| status(200, "x")).flatten();
    let said = read_by(layer);
    assert!(said.contains("sent other bytes than it promised"), "{said}");
}

#[test]
fn a_manifest_with_other_bytes_is_refused() {
    let lie =
        |request: &Request| request.is("GET", "/manifests/").then(|| status(200, "{}")).flatten();
    let said = read_by(lie);
    assert!(said.contains("sent other bytes than it promised"), "{said}");
}

#[test]
fn a_manifest_that_the_registry_stored_otherwise_is_refused() {
    let digest = "sha256:e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855";
    let registry = Registry::start(move |request| {
        let line = format!("Docker-Content-Digest: {digest}");
        request.is("PUT", "/manifests/").then(|| with_header(201, &line)).flatten()
    });
    let said = gatepost(&["push", &format!("{}/gatepost:v1", registry.host)]).failed(2);
    assert!(said.contains(digest), "{said}");
}

#[test]
fn a_body_without_an_end_is_read_to_its_limit() {
    for (part, limit) in [("/manifests/", "4194304"), ("/blobs/", "bytes")] {
        let said = read_by(move |request| request.is("GET", part).then_some(Reply::Endless));
        assert!(said.contains("sent more than") && said.contains(limit), "{said}");
    }
}

#[test]
fn an_error_without_an_end_is_an_error() {
    let endless = "HTTP/1.1 400 Bad\r\nTransfer-Encoding: chunked\r\n\r\n".to_owned()
        + &format!("1000\r\n{}\r\n", "x".repeat(0x1000)).repeat(1000);
    let said = read_by(move |request| {
        let endless = endless.clone().into_bytes();
        request.is("GET", "/manifests/").then_some(Reply::Raw(endless))
    });
    assert!(said.contains("answered 400") && said.len() < 1000, "{said}");
}

#[test]
fn a_layer_that_says_it_is_huge_is_not_read() {
    let registry = Registry::good();
    let image = Image::of(gatepost_filter_wasm::MODULE, Layout::Compat).expect("an image");
    let manifest = String::from_utf8(image.manifest().bytes.clone()).expect("UTF-8");
    let size = format!("\"size\":{}}}]", image.blobs()[1].bytes.len());
    let huge = manifest.replace(&size, "\"size\":18446744073709551615}]");
    assert_ne!(manifest, huge);
    registry.put("/v2/gatepost/manifests/v1", media_type::MANIFEST, huge.as_bytes());
    let said = gatepost(&["verify", &format!("{}/gatepost:v1", registry.host)]).failed(2);
    assert!(said.contains("more than the agent takes"), "{said}");
    assert!(registry.asked().iter().all(|asked| !asked.contains("/blobs/")));
}

#[test]
fn what_is_no_manifest_is_named() {
    let registry = Registry::good();
    registry.put("/v2/gatepost/manifests/v1", media_type::MANIFEST, b"<html>");
    let said = gatepost(&["verify", &format!("{}/gatepost:v1", registry.host)]).failed(2);
    assert!(said.contains("no manifest: expected value"), "{said}");
}

#[test]
fn a_layer_that_is_gone_is_named() {
    let lost = |request: &Request| request.is("GET", "/blobs/").then(|| status(404, "")).flatten();
    let said = read_by(lost);
    assert!(said.contains("push it again"), "{said}");
}

/// A place on another server gets the content, as cloud storage does, and no credentials.
#[test]
fn an_upload_elsewhere_gets_no_credentials() {
    let storage = Registry::start(|request| {
        let is_open = request.header("authorization").is_empty();
        status(if is_open { 201 } else { 500 }, "credentials")
    });
    let place = format!("Location: http://{}/storage", storage.host);
    let registry = Registry::start(move |request| match request.method.as_str() {
        _ if request.header("authorization").is_empty() => {
            with_header(401, "WWW-Authenticate: Basic realm=\"test\"")
        }
        "POST" => with_header(202, &place),
        _ => None,
    });
    let folder = super::signing_in::configuration(&registry.host);
    let tagged = format!("{}/gatepost:v1", registry.host);
    super::configured(folder.path(), &["push", &tagged]).printed();
    assert_eq!(storage.asked().len(), 2);
}
