//! Images go into a registry and come out as Istio's agent reads them.

use gatepost_render::image::{Descriptor, Digest, Image, Layout, Manifest, media_type};

use super::gatepost;
use super::registry::Registry;

#[test]
fn both_layouts_are_pushed_and_read_back_as_the_agent_does() {
    for (name, layout) in [("compat", Layout::Compat), ("artifact", Layout::Artifact)] {
        let registry = Registry::good();
        let tagged = format!("{}/mesh/gatepost:v1", registry.host);
        let ended = gatepost(&["push", &tagged, "--layout", name, "--verify"]);
        assert!(ended.stderr.contains(&format!("by the layout {name}")), "{}", ended.stderr);
        let image = Image::of(gatepost_filter_wasm::MODULE, layout).expect("an image");
        let pinned = format!("oci://{}/mesh/gatepost@{}\n", registry.host, image.digest());
        assert_eq!(ended.printed(), pinned);

        // The printed name is what `verify` takes, and what a plugin's url is.
        assert_eq!(gatepost(&["verify", pinned.trim()]).printed(), pinned);
    }
}

#[test]
fn what_is_there_is_not_sent_again_and_a_tag_that_moves_is_named() {
    let registry = Registry::good();
    let tagged = format!("{}/gatepost:v1", registry.host);
    let push = |layout| gatepost(&["push", &tagged, "--layout", layout]);
    assert!(push("compat").stderr.contains("v1: pushed\n"));
    let sent = registry.asked().iter().filter(|asked| asked.starts_with("POST")).count();
    assert_eq!(sent, 2, "the configuration and the layer");

    assert!(push("compat").stderr.contains("was this image already"));
    let again = registry.asked().iter().filter(|asked| asked.starts_with("POST")).count();
    assert_eq!(again, sent);

    let before =
        Image::of(gatepost_filter_wasm::MODULE, Layout::Compat).expect("an image").digest();
    let moved = push("artifact").stderr;
    assert!(moved.contains(&format!("named another image: {before}")), "{moved}");
}

#[test]
fn the_manifest_comes_last() {
    let registry = Registry::good();
    let tagged = format!("{}/gatepost:v1", registry.host);
    gatepost(&["push", &tagged]).printed();
    let last = registry.asked().pop();
    assert_eq!(last.as_deref(), Some("PUT /v2/gatepost/manifests/v1"));
}

#[test]
fn anyones_module_is_pushed_and_told_from_another() {
    let folder = tempfile::tempdir().expect("a folder");
    let file = folder.path().join("mine.wasm");
    std::fs::write(&file, b"\0asm\x01\0\0\0").expect("a file");
    let file = file.to_string_lossy();
    let registry = Registry::good();
    let tagged = format!("{}/mine:v1", registry.host);
    gatepost(&["push", &tagged, "--wasm", &file, "--verify"]).printed();

    let other = gatepost(&["verify", &tagged]).failed(1);
    assert!(other.contains("extracts another module: 8 bytes, sha256:"), "{other}");
}

#[test]
fn a_file_that_is_no_module_is_refused_before_anything_is_sent() {
    let folder = tempfile::tempdir().expect("a folder");
    let file = folder.path().join("mine.wat");
    std::fs::write(&file, "(module)").expect("a file");
    let registry = Registry::good();
    let tagged = format!("{}/mine:v1", registry.host);
    let refused = gatepost(&["push", &tagged, "--wasm", &file.to_string_lossy()]).failed(2);
    assert!(refused.contains("mine.wat") && refused.contains("\\0asm"), "{refused}");
    assert!(registry.asked().is_empty());
}

/// Puts an image into a registry that has these layers.
fn with_layers(layers: &[(&str, &[u8])]) -> Registry {
    let registry = Registry::good();
    let descriptors = layers.iter().map(|(kind, bytes)| Descriptor::of(kind, bytes));
    let manifest = Manifest {
        schema_version: 2,
        media_type: media_type::MANIFEST.to_owned(),
        config: Descriptor::of(media_type::CONFIG, b"{}"),
        layers: descriptors.collect(),
    };
    for (_, bytes) in layers {
        registry.put(&format!("/v2/gatepost/blobs/{}", Digest::of(bytes)), "", bytes);
    }
    let manifest = serde_json::to_vec(&manifest).expect("JSON");
    registry.put("/v2/gatepost/manifests/v1", media_type::MANIFEST, &manifest);
    registry
}

#[test]
fn an_image_that_the_agent_cannot_read_is_a_finding() {
    let alone = with_layers(&[(media_type::WASM_LAYER, gatepost_filter_wasm::MODULE)]);
    let said = gatepost(&["verify", &format!("{}/gatepost:v1", alone.host)]).failed(1);
    assert!(said.contains("exactly two layers"), "{said}");

    let no_archive = with_layers(&[(media_type::LAYER, gatepost_filter_wasm::MODULE)]);
    let said = gatepost(&["verify", &format!("{}/gatepost:v1", no_archive.host)]).failed(1);
    assert!(said.contains("no tar.gz"), "{said}");
}

#[test]
fn of_an_index_the_agents_image_is_read() {
    let registry = Registry::good();
    let tagged = format!("{}/gatepost:one", registry.host);
    gatepost(&["push", &tagged]).printed();
    let image = Image::of(gatepost_filter_wasm::MODULE, Layout::Compat).expect("an image");
    let index = serde_json::json!({
        "schemaVersion": 2,
        "manifests": [{
            "mediaType": media_type::MANIFEST,
            "digest": image.digest(),
            "size": image.manifest().bytes.len(),
            "platform": { "architecture": "amd64", "os": "linux" },
        }],
    });
    let index = index.to_string();
    registry.put("/v2/gatepost/manifests/all", media_type::INDEX, index.as_bytes());
    let pinned = gatepost(&["verify", &format!("{}/gatepost:all", registry.host)]).printed();
    assert!(pinned.trim().ends_with(&Digest::of(index.as_bytes()).to_string()), "{pinned}");
}
