//! `push` and `verify` with a real registry: Debian's docker-registry on loopback, with a password
//! and with TLS. And skopeo, as one of the tools that read what `package` writes.
//!
//! These programs are no part of rustup, so the tests are not among the workspace's own:
//! `just test-registry` installs what is missing and runs them.

use std::fs;
use std::net::{IpAddr, Ipv4Addr};
use std::path::Path;
use std::process::Command;

use gatepost_testbed::docker_registry::{DockerRegistry, Needs};
use tempfile::TempDir;

const LOOPBACK: IpAddr = IpAddr::V4(Ipv4Addr::LOCALHOST);

/// The registry's user, as `docker login` writes it.
const ENTRY: &str = "YWxpY2U6dG9wc2VjcmV0";

/// The command with the Docker configuration of a folder.
fn gatepost(configuration: &Path, arguments: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_gatepost"));
    command.args(arguments).env("DOCKER_CONFIG", configuration);
    command
}

/// Runs a command that must succeed, and gives what it printed.
fn run(command: &mut Command) -> String {
    let output = command.output();
    let output = output.unwrap_or_else(|error| panic!("{command:?}: {error}"));
    let printed = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{command:?}: {printed}");
    String::from_utf8(output.stdout).expect("UTF-8")
}

/// What a command says that fails.
fn refused(command: &mut Command) -> String {
    let output = command.output().expect("it can be started");
    assert_eq!((output.status.code(), output.stdout.len()), (Some(2), 0));
    String::from_utf8(output.stderr).expect("UTF-8")
}

fn signed_in(host: &str) -> TempDir {
    let folder = tempfile::tempdir().expect("a folder");
    let text = format!("{{\"auths\": {{\"{host}\": {{\"auth\": \"{ENTRY}\"}}}}}}");
    fs::write(folder.path().join("config.json"), text).expect("a file");
    folder
}

#[test]
fn both_layouts_go_in_with_a_password_and_come_out_as_the_agent_reads_them() {
    let registry = DockerRegistry::start(LOOPBACK, Needs::Password { realm: "Registry" });
    let configuration = signed_in(registry.host());
    for layout in ["compat", "artifact"] {
        let tagged = format!("{}/mesh/gatepost:{layout}", registry.host());
        let push = ["push", &tagged, "--layout", layout, "--verify"];
        let pinned = run(&mut gatepost(configuration.path(), &push));
        assert!(pinned.starts_with(&format!("oci://{}/mesh/gatepost@sha256:", registry.host())));
        let again = run(&mut gatepost(configuration.path(), &["verify", pinned.trim()]));
        assert_eq!(again, pinned);
    }
}

#[test]
fn without_the_password_nothing_goes_in() {
    let registry = DockerRegistry::start(LOOPBACK, Needs::Password { realm: "Registry" });
    let nobody = tempfile::tempdir().expect("a folder");
    let tagged = format!("{}/mesh/gatepost:v1", registry.host());
    let said = refused(&mut gatepost(nobody.path(), &["push", &tagged]));
    assert!(said.contains("401") && said.contains("UNAUTHORIZED"), "{said}");
}

#[test]
fn a_certificate_of_ones_own_authority_is_trusted_when_it_is_named() {
    let registry = DockerRegistry::start(LOOPBACK, Needs::Tls);
    let nobody = tempfile::tempdir().expect("a folder");
    let tagged = format!("{}/mesh/gatepost:v1", registry.host());
    let push = ["push", tagged.as_str(), "--verify"];
    let said = refused(&mut gatepost(nobody.path(), &push));
    assert!(said.contains("not trusted") && said.contains("SSL_CERT_FILE"), "{said}");

    let mut trusting = gatepost(nobody.path(), &push);
    run(trusting.env("SSL_CERT_FILE", registry.folder().join("authority.crt")));
    run(&mut gatepost(nobody.path(), &["verify", &tagged, "--insecure"]));
}

#[test]
fn skopeo_copies_what_was_packaged() {
    let registry = DockerRegistry::start(LOOPBACK, Needs::Nothing);
    let folder = tempfile::tempdir().expect("a folder");
    for (layout, out) in [("compat", "image.tar"), ("artifact", "image")] {
        let out = folder.path().join(out);
        let transport = if layout == "compat" { "oci-archive" } else { "oci" };
        let path = out.to_string_lossy();
        let package = ["package", "--layout", layout, "--out", &path];
        let digest = run(&mut gatepost(folder.path(), &package));
        let target = format!("{}/mesh/gatepost:{layout}", registry.host());
        run(Command::new("skopeo")
            .args(["copy", "--insecure-policy", "--dest-tls-verify=false"])
            .arg(format!("{transport}:{path}"))
            .arg(format!("docker://{target}")));
        let pinned = run(&mut gatepost(folder.path(), &["verify", &target]));
        assert!(pinned.trim().ends_with(digest.trim()), "{pinned}");
    }
}
