//! Each kind of expectation, met and not met.

use std::path::Path;

use bytes::Bytes;
use gatepost_diagnostics::Source;
use gatepost_host::{Headers, LogLevel};

use super::*;
use crate::suite::Suite;
use crate::suite::observed::{self, Called, Message};

fn told(expect: &str, strict: bool, observed: &Observed) -> Vec<String> {
    let text = format!("tests:\n- name: one\n  strict: {strict}\n  expect: {expect}\n");
    let source = Source::new("t.yaml", text);
    let suite =
        Suite::parse(Path::new("t.yaml"), source).unwrap_or_else(|report| panic!("{report}"));
    judge(&suite.file.tests[0].value.expect.value, strict, observed)
        .iter()
        .map(ToString::to_string)
        .collect()
}

fn request(extra: &[(&str, &str)]) -> Message {
    let own = [(":method", "GET"), (":authority", "shop.example"), (":path", "/")];
    let headers = Headers::request(own.iter().chain(extra).copied());
    Message { headers, body: b"abc".to_vec(), trailers: None, complete: true }
}

/// A request that went through with one more header, and was answered.
fn passed() -> Observed {
    let response = Message {
        headers: Headers::response([(":status", "200"), ("x", "1"), ("x", "2")]),
        ..Message::default()
    };
    Observed {
        sent: request(&[("env", "dev")]),
        forwarded: Some(request(&[("env", "dev"), ("x-user", "me")])),
        answered: Some(response.clone()),
        response: Some(response),
        logs: vec![
            (LogLevel::Warn, Bytes::from_static(b"slow")),
            (LogLevel::Info, Bytes::from_static(b"done")),
        ],
        metrics: vec![("requests".to_owned(), 1)],
        ..Observed::default()
    }
}

fn refused() -> Observed {
    let headers = Headers::response([(":status", "403"), ("x-why", "because")]);
    Observed {
        sent: request(&[]),
        response: Some(Message { headers, body: b"go away".to_vec(), ..Message::default() }),
        reply: Some(observed::Reply {
            status: 403,
            details: "denied".to_owned(),
            grpc_status: None,
            plugin: Some("auth".to_owned()),
        }),
        ..Observed::default()
    }
}

#[test]
fn what_is_not_named_is_not_compared() {
    assert_eq!(told("{}", false, &passed()), [""; 0]);
    let expect = "{ forward: { path: /, headers: { x-user: me }, absent: [x-token], body: { \
        contains: b } },
        response: { status: 200, headers: { x: '1,2' } }, logs: [{ level: warn }, done], metrics: \
        { requests: 1 } }";
    assert_eq!(told(expect, false, &passed()), [""; 0]);
}

#[test]
fn what_is_named_is_compared() {
    let expect = "{ forward: { path: /a, headers: { x-user: { prefix: you }, x-b: c }, absent: \
        [env], body: abd },
        response: { status: 404 }, logs: [{ level: error, contains: slow }], noLogs: [done], \
        metrics: { requests: 2, errors: 1 } }";
    assert_eq!(
        told(expect, false, &passed()),
        [
            r#"forward: path: expected "/a", found "/""#,
            r#"forward: header x-b: expected "c", found none"#,
            r#"forward: header x-user: expected something that begins with "you", found "me""#,
            r#"forward: header env: expected none, found "dev""#,
            r#"forward: body: expected "abd", found "abc""#,
            "response: status: expected 404, found 200",
            "logs: line: expected error: something with \"slow\" in it, found none of 2 lines; the \
             nearest is warn: \"slow\"",
            r#"logs: line: expected nothing like "done", found info: "done""#,
            "metrics: errors: expected 1, found not defined",
            "metrics: requests: expected 2, found 1",
        ]
    );
}

#[test]
fn a_strict_test_is_held_to_everything() {
    assert_eq!(
        told("{ logs: [slow] }", true, &passed()),
        [
            r#"forward: header x-user, which the test does not name: expected none, found "me""#,
            r#"logs: line, which the test does not name: expected none, found info: "done""#,
            "metrics: requests, which the test does not name: expected 0, found 1",
        ]
    );
    let all =
        "{ forward: { headers: { x-user: me } }, logs: [slow, done], metrics: { requests: 1 } }";
    assert_eq!(told(all, true, &passed()), [""; 0]);
}

#[test]
fn a_reply_is_compared_as_the_plugin_gave_it() {
    let expect = "{ reply: { status: 403, body: go away, details: denied, headers: { x-why: \
        because }, plugin: auth } }";
    assert_eq!(told(expect, false, &refused()), [""; 0]);
    assert_eq!(
        told("{ reply: { status: 401, grpcStatus: 7 } }", false, &refused()),
        ["reply: status: expected 401, found 403", "reply: gRPC status: expected 7, found none",]
    );
}

#[test]
fn where_the_request_went_is_told_once() {
    let replied = r#"the plugin "auth" replied 403 (denied)"#;
    assert_eq!(
        told("{ forward: { path: / } }", false, &refused()),
        [format!("outcome: forward: expected the request reaches the upstream, found {replied}")]
    );
    assert_eq!(
        told("{ reply: { status: 403 } }", false, &passed()),
        ["outcome: reply: expected an answer in the upstream's place, found the request went \
             upstream, and the client got 200"]
    );
    let held =
        Observed { sent: request(&[]), paused: Some(Paused::Request), ..Observed::default() };
    assert_eq!(told("{ paused: request }", false, &held), [""; 0]);
    assert_eq!(
        told("{ forward: {} }", false, &held),
        ["outcome: pause: expected nothing is paused, found the request was paused"]
    );
}

#[test]
fn calls_are_found_in_order() {
    let called = |path: &str| Called {
        cluster: "auth".to_owned(),
        path: path.to_owned(),
        headers: Headers::default(),
        body: Bytes::new(),
    };
    let observed =
        Observed { callouts: vec![called("/a"), called("/b"), called("/c")], ..passed() };
    assert_eq!(told("{ callouts: [{ path: /a }, { path: /c }] }", false, &observed), [""; 0]);
    assert_eq!(
        told("{ callouts: [{ path: /c }, { path: /a }] }", false, &observed),
        [r#"callouts[1]: call: expected a call with path "/a", found none"#]
    );
    assert_eq!(
        told("{ callouts: [{}, {}, { path: /d }] }", false, &observed),
        [r#"callouts[2]: path: expected "/d", found "/c""#]
    );
}
