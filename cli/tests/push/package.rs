//! `gatepost package`: the same image as `push` sends, on disk.

use std::fs;

use gatepost_render::image::{Digest, Image, Layout};

use super::gatepost;

#[test]
fn a_folder_holds_the_image_that_is_printed() {
    let folder = tempfile::tempdir().expect("a folder");
    let out = folder.path().join("image");
    let path = out.to_string_lossy();
    let image = Image::of(gatepost_filter_wasm::MODULE, Layout::Compat).expect("an image");
    // The second time it is replaced.
    for _ in 0..2 {
        let printed = gatepost(&["package", "--out", &path]).printed();
        assert_eq!(printed, format!("{}\n", image.digest()));
        let manifest = fs::read(out.join("blobs/sha256").join(image.digest().hex()));
        assert_eq!(Digest::of(&manifest.expect("the manifest")), image.digest());
        let index = fs::read_to_string(out.join("index.json")).expect("the index");
        assert!(index.contains(&image.digest().to_string()), "{index}");
    }
}

#[test]
fn an_archive_is_the_same_each_time() {
    let folder = tempfile::tempdir().expect("a folder");
    let write = |name: &str| {
        let path = folder.path().join(name);
        gatepost(&["package", "--layout", "artifact", "--out", &path.to_string_lossy()]).printed();
        fs::read(path).expect("the archive")
    };
    assert_eq!(write("one.tar"), write("two.tar"));
}

/// For a load balancer of Google Cloud. A policy that is wrong makes no image.
#[test]
fn a_policy_is_an_image_of_its_own() {
    let folder = tempfile::tempdir().expect("a folder");
    let (policy, out) = (folder.path().join("policy.yaml"), folder.path().join("image.tar"));
    let (path, out_path) = (policy.to_string_lossy(), out.to_string_lossy());
    let package = ["package", "--policy", &path, "--out", &out_path];
    fs::write(&policy, "apiVersion: gatepost/v1\nstrip: [x-secret]\n").expect("a file");
    let json = r#"{"apiVersion":"gatepost/v1","strip":["x-secret"]}"#;
    let image = Image::of_policy(json).expect("an image");
    assert_eq!(gatepost(&package).printed(), format!("{}\n", image.digest()));

    fs::remove_file(&out).expect("an image");
    fs::write(&policy, "apiVersion: gatepost/v1\nstrips: [x-secret]\n").expect("a file");
    let said = gatepost(&package).failed(1);
    assert!(said.contains("strips"), "{said}");
    assert!(!out.exists());
    // A policy is no module that could be compared.
    let both = ["push", "registry.example/policy:1", "--policy", &path, "--verify"];
    gatepost(&both).failed(2);
}

#[test]
fn a_folder_with_something_else_stays_as_it_is() {
    let folder = tempfile::tempdir().expect("a folder");
    fs::write(folder.path().join("mine.txt"), "mine").expect("a file");
    let said = gatepost(&["package", "--out", &folder.path().to_string_lossy()]).failed(2);
    assert!(said.contains("something else than an image layout"), "{said}");
    assert_eq!(fs::read_dir(folder.path()).expect("the folder").count(), 1);
}
