//! A registry that refuses, is busy, fails, or says nothing: what the command does and says.

use std::sync::atomic::{AtomicU32, Ordering};

use gatepost_testbed::refusing_address;

use super::gatepost;
use super::registry::{Registry, Reply, Request, status, with_header};

/// What is said when the rule holds for a push.
#[track_caller]
fn refused(rule: impl Fn(&Request) -> Option<Reply> + Send + Sync + 'static) -> String {
    let registry = Registry::start(rule);
    gatepost(&["push", &format!("{}/mesh/gatepost:v1", registry.host)]).failed(2)
}

/// A rule that gives a reply for so many requests, and then leaves them alone.
fn times(
    number: u32,
    reply: impl Fn() -> Option<Reply> + Send + Sync + 'static,
) -> impl Fn(&Request) -> Option<Reply> + Send + Sync + 'static {
    let seen = AtomicU32::new(0);
    move |request| {
        let is_upload = request.is("POST", "/uploads/");
        (is_upload && seen.fetch_add(1, Ordering::Relaxed) < number).then(&reply).flatten()
    }
}

#[test]
fn an_unknown_repository_is_named_with_what_to_do() {
    let body = r#"{"errors": [{"code": "NAME_UNKNOWN", "message": "no such repository"}]}"#;
    let said = refused(|request| request.is("POST", "").then(|| status(404, body)).flatten());
    assert!(said.contains("NAME_UNKNOWN no such repository"), "{said}");
    assert!(said.contains("mesh/gatepost") && said.contains("Make the repository first"), "{said}");
}

#[test]
fn an_unknown_tag_was_not_pushed() {
    let registry = Registry::good();
    let said = gatepost(&["verify", &format!("{}/gatepost:v9", registry.host)]).failed(2);
    assert!(said.contains("v9") && said.contains("was pushed"), "{said}");
}

#[test]
fn a_busy_registry_is_asked_again_after_the_time_that_it_names() {
    let registry = Registry::start(times(2, || with_header(429, "Retry-After: 0")));
    let ended = gatepost(&["push", &format!("{}/gatepost:v1", registry.host)]);
    assert_eq!(ended.stderr.matches("answered 429: waiting 0ns").count(), 2, "{}", ended.stderr);
    ended.printed();
}

#[test]
fn a_registry_that_is_busy_for_long_is_not_waited_for() {
    let said = refused(times(9, || with_header(429, "Retry-After: 3600")));
    assert!(said.contains("429") && said.contains("wants 3600s of quiet"), "{said}");
    assert!(!said.contains("waiting"), "{said}");
}

#[test]
fn a_registry_cannot_name_a_time_that_no_clock_reaches() {
    let said = refused(times(9, || with_header(429, "Retry-After: 18446744073709551615")));
    assert!(said.contains("429") && said.contains("of quiet"), "{said}");
    assert!(!said.contains("panicked"), "{said}");
}

#[test]
fn a_server_error_is_tried_again_and_then_told() {
    let registry = Registry::start(times(9, || status(500, "out of disk")));
    let said = gatepost(&["push", &format!("{}/gatepost:v1", registry.host)]).failed(2);
    assert!(said.contains("answered 500: out of disk"), "{said}");
    let tries = registry.asked().iter().filter(|asked| asked.starts_with("POST")).count();
    assert_eq!(tries, 3);

    let registry = Registry::start(times(1, || status(503, "starting")));
    gatepost(&["push", &format!("{}/gatepost:v1", registry.host)]).printed();
}

#[test]
fn what_a_registry_says_cannot_write_to_a_terminal() {
    let said = refused(times(9, || status(400, "\u{1b}[2J\r\nbad \u{7}request")));
    assert!(said.contains("400: [2J bad request"), "{said:?}");
}

#[test]
fn a_connection_that_is_cut_off_is_an_error() {
    let cut = |request: &Request| request.is("GET", "/blobs/").then_some(Reply::CutOff);
    let registry = Registry::start(cut);
    let tagged = format!("{}/gatepost:v1", registry.host);
    let said = gatepost(&["push", &tagged, "--verify"]).failed(2);
    assert!(said.contains("broke the connection off"), "{said}");

    let said = refused(times(9, || Some(Reply::Raw(Vec::new()))));
    assert!(said.contains("cannot upload") && said.contains("broke the connection off"), "{said}");
}

#[test]
fn what_is_no_http_is_an_error() {
    let said = refused(times(9, || Some(Reply::Raw(b"SSH-2.0-OpenSSH_9.2\r\n\r\n".to_vec()))));
    assert!(said.contains("no HTTP"), "{said}");
    let head = [b"HTTP/1.1 200 OK\r\n".to_vec(), b"X-A: b\r\n".repeat(100_000)].concat();
    let said = refused(times(9, move || Some(Reply::Raw(head.clone()))));
    assert!(said.contains("cannot upload"), "{said}");
}

#[test]
fn a_registry_that_says_nothing_is_left_after_the_time_out() {
    let registry = Registry::start(times(9, || Some(Reply::Silence)));
    let tagged = format!("{}/gatepost:v1", registry.host);
    let said = gatepost(&["push", &tagged, "--timeout", "1"]).failed(2);
    assert!(said.contains("no answer") && said.contains("within 1s"), "{said}");
}

#[test]
fn no_registry_at_all_is_an_error() {
    let (_kept, host) = refusing_address().expect("a port");
    let said = gatepost(&["verify", &format!("{host}/gatepost:v1")]).failed(2);
    assert!(said.contains("cannot connect"), "{said}");

    let page = Registry::start(|_| status(404, "<html>"));
    let said = gatepost(&["verify", &format!("{}/gatepost:v1", page.host)]).failed(2);
    assert!(said.contains("Is this the host of a registry?"), "{said}");
}

#[test]
fn a_digest_is_nothing_to_push_to() {
    let digest = "sha256:e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855";
    let said = gatepost(&["push", &format!("127.0.0.1:1/gatepost@{digest}")]).failed(2);
    assert!(said.contains("name a tag to push to"), "{said}");
}
