//! Manifests in deploy/ that `gatepost render` wrote are what it writes today. Such a file begins
//! with its command, which runs in the repository's folder:
//!
//! ```yaml
//! # $ gatepost render wasmplugin --policy policies/asm-grpc-env/policy.yaml --file /lib/f.wasm
//! ```
//!
//! `UPDATE_DEPLOY=1 cargo test --test deploy` writes them anew; read what changed before keeping
//! it.

use std::path::{Path, PathBuf};
use std::process::Command;

const COMMAND: &str = "# $ gatepost ";

fn root() -> &'static Path {
    Path::new(concat!(env!("CARGO_MANIFEST_DIR"), "/.."))
}

/// The files below a folder.
fn files(folder: &Path) -> Vec<PathBuf> {
    let entries = std::fs::read_dir(folder).expect("a folder");
    let paths = entries.map(|entry| entry.expect("an entry").path());
    paths.flat_map(|path| if path.is_dir() { files(&path) } else { vec![path] }).collect()
}

#[test]
fn every_rendered_manifest_is_what_render_writes_today() {
    for path in files(&root().join("deploy")) {
        let Ok(text) = std::fs::read_to_string(&path) else { continue };
        let Some(arguments) = text.lines().next().and_then(|line| line.strip_prefix(COMMAND))
        else {
            continue;
        };
        let output = Command::new(env!("CARGO_BIN_EXE_gatepost"))
            .args(arguments.split_whitespace())
            .current_dir(root())
            .output()
            .expect("it can be started");
        let said = String::from_utf8_lossy(&output.stderr);
        assert!(output.status.success(), "{}: {said}", path.display());
        let today = format!("{COMMAND}{arguments}\n{}", String::from_utf8_lossy(&output.stdout));
        if std::env::var_os("UPDATE_DEPLOY").is_some() {
            std::fs::write(&path, &today).expect("a file");
        }
        let text = std::fs::read_to_string(&path).expect("a file");
        assert!(text == today, "{} differs from what its command writes", path.display());
    }
}

#[test]
fn every_script_can_be_read_by_the_shell() {
    for path in files(&root().join("deploy")) {
        if path.extension().is_some_and(|extension| extension == "sh") {
            let status = Command::new("sh").arg("-n").arg(&path).status().expect("a shell");
            assert!(status.success(), "{}", path.display());
        }
    }
}

/// Writes a program for the PATH of a script.
#[cfg(unix)]
fn program(folder: &Path, name: &str, script: &str) {
    use std::os::unix::fs::PermissionsExt;
    let path = folder.join(name);
    std::fs::write(&path, format!("#!/bin/sh\n{script}\n")).expect("a file");
    std::fs::set_permissions(&path, PermissionsExt::from_mode(0o755)).expect("it may run");
}

#[cfg(unix)]
#[test]
fn api_servers_go_on_to_trust_the_old_certificate_when_it_cannot_be_asked_for() {
    let folder = tempfile::tempdir().expect("a folder");
    let patched = folder.path().join("patched");
    program(folder.path(), "openssl", "exit 0");
    let kubectl = format!("[ \"$1\" = get ] && exit 1\n: > '{}'", patched.display());
    program(folder.path(), "kubectl", &kubectl);
    let path = std::env::var_os("PATH").expect("a PATH");
    let paths = std::iter::once(folder.path().to_owned()).chain(std::env::split_paths(&path));
    let status = Command::new("sh")
        .arg(root().join("deploy/admission/certificate.sh"))
        .env("PATH", std::env::join_paths(paths).expect("a PATH"))
        .status()
        .expect("a shell");
    assert!(!status.success() && !patched.exists(), "{status}");
}
