//! Private registries: what is tried, what is said about it, and that no secret is shown.

use std::fs;
use std::os::unix::fs::PermissionsExt as _;
use std::process::Command;

use tempfile::TempDir;

use super::registry::{Registry, Reply, Request, status, with_header};
use super::{configured, gatepost};

const PASSWORD: &str = "topsecret";

/// `alice:topsecret`.
const ENTRY: &str = "YWxpY2U6dG9wc2VjcmV0";

/// The Docker configuration of somebody who has signed in.
pub fn configuration(host: &str) -> TempDir {
    let entry = format!("{{\"auths\": {{\"{host}\": {{\"auth\": \"{ENTRY}\"}}}}}}");
    with_configuration(&entry)
}

fn with_configuration(text: &str) -> TempDir {
    let folder = tempfile::tempdir().expect("a folder");
    fs::write(folder.path().join("config.json"), text).expect("a file");
    folder
}

/// A registry for people with a password.
fn with_password() -> Registry {
    Registry::start(|request: &Request| {
        let is_in = request.header("authorization") == format!("Basic {ENTRY}");
        let challenge = || with_header(401, "WWW-Authenticate: Basic realm=\"Registry Realm\"");
        (!is_in).then(challenge).flatten()
    })
}

#[test]
fn credentials_of_docker_login_are_used() {
    let registry = with_password();
    let tagged = format!("{}/gatepost:v1", registry.host);
    let folder = configuration(&registry.host);
    let ended = configured(folder.path(), &["push", &tagged, "--verify"]);
    assert!(!ended.stderr.contains(PASSWORD) && !ended.stderr.contains(ENTRY), "{}", ended.stderr);
    // A realm is a text for people, and Istio's agent wants it to be a URL.
    assert!(ended.stderr.contains("agent cannot read this registry"), "{}", ended.stderr);
    ended.printed();
}

#[test]
fn without_credentials_the_place_is_named_where_they_were_looked_for() {
    let registry = with_password();
    let tagged = format!("{}/gatepost:v1", registry.host);
    let said = gatepost(&["push", &tagged]).failed(2);
    assert!(said.contains("answered 401"), "{said}");
    assert!(said.contains("/nowhere/config.json does not exist"), "{said}");
    assert!(said.contains(&format!("docker login {}", registry.host)), "{said}");
}

#[test]
fn with_the_wrong_password_the_user_and_the_file_are_named() {
    let registry = with_password();
    let tagged = format!("{}/gatepost:v1", registry.host);
    // bob:hidden
    let entry = "Ym9iOmhpZGRlbg==";
    let host = &registry.host;
    let text = format!("{{\"auths\": {{\"{host}\": {{\"auth\": \"{entry}\"}}}}}}");
    let folder = with_configuration(&text);
    let said = configured(folder.path(), &["push", &tagged]).failed(2);
    assert!(said.contains("401") && said.contains("the user \"bob\" of"), "{said}");
    assert!(said.contains("config.json"), "{said}");
    assert!(!said.contains("hidden") && !said.contains(entry), "{said}");
}

#[test]
fn who_may_read_and_not_write_is_told_so() {
    let registry = Registry::start(|request| {
        let body = r#"{"errors": [{"code": "DENIED", "message": "read only"}]}"#;
        request.is("POST", "").then(|| status(403, body)).flatten()
    });
    let said = gatepost(&["push", &format!("{}/gatepost:v1", registry.host)]).failed(2);
    assert!(said.contains("answered 403: DENIED read only; tried: no credentials"), "{said}");
}

/// A registry with a token service. The token names what it is for.
fn with_tokens() -> (Registry, Registry) {
    let service = Registry::start(|request| {
        let token = if request.method == "POST" {
            let body = String::from_utf8_lossy(&request.body).into_owned();
            if !body.contains("refresh_token=long-lived") {
                return status(401, "");
            }
            body
        } else {
            request.path.clone()
        };
        let actions = if token.contains("pull%2Cpush") { "both" } else { "pull" };
        status(200, &format!("{{\"token\": \"{actions}\"}}"))
    });
    let realm = format!("http://{}/token", service.host);
    let registry = Registry::start(move |request| {
        let challenge =
            format!("WWW-Authenticate: Bearer realm=\"{realm}\",service=\"registry.test\"");
        let wanted = if matches!(request.method.as_str(), "GET" | "HEAD") { "" } else { "both" };
        let token = request.header("authorization").strip_prefix("Bearer ").unwrap_or_default();
        let is_in = !token.is_empty() && token.contains(wanted);
        (!is_in).then(|| with_header(401, &challenge)).flatten()
    });
    (registry, service)
}

#[test]
fn a_token_is_fetched_for_what_is_done() {
    let (registry, service) = with_tokens();
    let tagged = format!("{}/mesh/gatepost:v1", registry.host);
    let folder = configuration(&registry.host);
    configured(folder.path(), &["push", &tagged]).printed();
    let warned = "imagePullSecret";
    let signed_in = configured(folder.path(), &["verify", &tagged]);
    assert!(signed_in.stderr.contains(warned), "{}", signed_in.stderr);
    let stranger = gatepost(&["verify", &tagged]);
    assert!(!stranger.stderr.contains(warned), "{}", stranger.stderr);
    stranger.printed();
    let asked = service.asked();
    assert_eq!(
        asked,
        [
            "GET /token?scope=repository%3Amesh%2Fgatepost%3Apull%2Cpush&service=registry.test",
            "GET /token?scope=repository%3Amesh%2Fgatepost%3Apull&service=registry.test",
            "GET /token?scope=repository%3Amesh%2Fgatepost%3Apull&service=registry.test",
        ]
    );
}

#[test]
fn an_identity_token_is_exchanged() {
    let (registry, service) = with_tokens();
    let host = &registry.host;
    let text = format!("{{\"auths\": {{\"{host}\": {{\"identitytoken\": \"long-lived\"}}}}}}");
    let folder = with_configuration(&text);
    let ended = configured(folder.path(), &["push", &format!("{host}/gatepost:v1")]);
    assert!(!ended.stderr.contains("long-lived"), "{}", ended.stderr);
    ended.printed();
    assert_eq!(service.asked(), ["POST /token"]);
}

#[test]
fn a_token_service_that_gives_no_token_is_an_error() {
    for reply in ["{}", "<html>", "{\"token\": \"a\\nb\"}"] {
        let service = Registry::start(move |_| status(200, reply));
        let realm = format!("WWW-Authenticate: Bearer realm=\"http://{}/\"", service.host);
        let registry = Registry::start(move |_| with_header(401, &realm));
        let said = gatepost(&["push", &format!("{}/gatepost:v1", registry.host)]).failed(2);
        assert!(said.contains("cannot get a token"), "{said}");
    }
    for realm in ["file:///etc/passwd", "nothing", "gopher://x/"] {
        let challenge = format!("WWW-Authenticate: Bearer realm=\"{realm}\"");
        let registry = Registry::start(move |_| with_header(401, &challenge));
        let said = gatepost(&["push", &format!("{}/gatepost:v1", registry.host)]).failed(2);
        assert!(said.contains("cannot get a token") && said.contains(realm), "{said}");
    }
}

#[test]
fn a_token_service_that_streams_forever_is_left() {
    let service = Registry::start(|_| Some(Reply::Endless));
    let realm = format!("WWW-Authenticate: Bearer realm=\"http://{}/\"", service.host);
    let registry = Registry::start(move |_| with_header(401, &realm));
    let said = gatepost(&["push", &format!("{}/gatepost:v1", registry.host)]).failed(2);
    assert!(said.contains("sent more than 1048576 bytes"), "{said}");
}

/// A configuration that names a helper, and the helper in PATH.
fn with_helper(script: &str, host: &str, arguments: &[&str]) -> super::Ended {
    let text = format!("{{\"credHelpers\": {{\"{host}\": \"of-test\"}}}}");
    let folder = with_configuration(&text);
    let helper = folder.path().join("docker-credential-of-test");
    fs::write(&helper, format!("#!/bin/sh\ncat > /dev/null\n{script}\n")).expect("a file");
    fs::set_permissions(&helper, fs::Permissions::from_mode(0o755)).expect("rights");
    let path = std::env::var("PATH").unwrap_or_default();
    let output = Command::new(env!("CARGO_BIN_EXE_gatepost"))
        .args(arguments)
        .env("DOCKER_CONFIG", folder.path())
        .env("PATH", format!("{}:{path}", folder.path().display()))
        .output()
        .expect("it can be started");
    super::Ended {
        code: output.status.code(),
        stdout: String::from_utf8(output.stdout).expect("UTF-8"),
        stderr: String::from_utf8(output.stderr).expect("UTF-8"),
    }
}

#[test]
fn a_credential_helper_is_asked() {
    let registry = with_password();
    let tagged = format!("{}/gatepost:v1", registry.host);
    let push = ["push", tagged.as_str()];
    let good = "echo '{\"Username\": \"alice\", \"Secret\": \"topsecret\"}'";
    with_helper(good, &registry.host, &push).printed();

    let bad = "echo topsecret; echo the keyring is locked >&2; exit 1";
    let said = with_helper(bad, &registry.host, &push).failed(2);
    assert!(said.contains("docker-credential-of-test: the keyring is locked"), "{said}");
    assert!(!said.contains(PASSWORD), "{said}");

    let none = "echo credentials not found in native keychain; exit 1";
    let said = with_helper(none, &registry.host, &push).failed(2);
    assert!(said.contains("401") && said.contains("config.json has none for"), "{said}");
}
