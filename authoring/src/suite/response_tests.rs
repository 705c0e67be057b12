//! Tests of the tests file's reader: responses that are given, and that are expected.

use super::tests::{errors, suite};
use super::*;

#[test]
fn a_response_has_defaults() {
    let text = "tests:
- { name: a, request: { authority: b }, response: {}, expect: { forward: {} } }
- name: b
  request: { authority: b }
  response: { headers: { location: / } }
  expect: { forward: {} }
";
    let responses = suite(text).cases.into_iter().map(|case| case.response);
    let headers = vec![("location".to_owned(), "/".to_owned())];
    let located = Response { status: 200, headers };
    assert_eq!(responses.collect::<Vec<_>>(), [Some(Response::default()), Some(located)]);
}

#[test]
fn a_response_that_no_upstream_brings_to_a_client_is_refused() {
    let text = "\
tests:
- name: a
  request: { authority: b }
  response:
    status: 101
    headers: { Host: a, ':status': 200, ':path': /, Content-Length: 3, connection: close }
  expect:
    forward: {}
    response: { headers: { transfer-encoding: chunked, x: ' y' }, absent: [Trailer, X, ':status'] }
";
    let connection = "it belongs to one connection, so gateways do not pass it on";
    assert_eq!(
        errors(text),
        [
            "5:13 tests[0].response.status: 101 is out of range: 200 to 599".to_owned(),
            "6:16 tests[0].response.headers.Host: `host` cannot stand in a response here: only \
             requests have it"
                .to_owned(),
            "6:25 tests[0].response.headers[\":status\"]: `:status` is not written as a header \
             here; use `status`"
                .to_owned(),
            "6:41 tests[0].response.headers[\":path\"]: `:path` is no valid header name".to_owned(),
            "6:53 tests[0].response.headers.Content-Length: `content-length` cannot stand in a \
             response here: it follows from the body"
                .to_owned(),
            format!(
                "6:72 tests[0].response.headers.connection: `connection` cannot stand in a \
                 response here: {connection}"
            ),
            format!(
                "9:28 tests[0].expect.response.headers.transfer-encoding: `transfer-encoding` \
                 cannot stand in a response here: {connection}"
            ),
            "9:59 tests[0].expect.response.headers.x: a header's value cannot hold line ends or \
             control characters, nor begin or end with a blank"
                .to_owned(),
            format!(
                "9:76 tests[0].expect.response.absent[0]: `trailer` cannot stand in a response \
                 here: {connection}"
            ),
            "9:85 tests[0].expect.response.absent[1]: `x` is expected in `headers`, so it cannot \
             be absent"
                .to_owned(),
            "9:88 tests[0].expect.response.absent[2]: `:status` is not written as a header here; \
             use `status`"
                .to_owned(),
        ]
    );
}

#[test]
fn a_request_that_the_gateway_answers_has_no_response_of_an_upstream() {
    let text = "\
tests:
- name: a
  request: { authority: b }
  response: { status: 302 }
  expect: { reply: { status: 404 } }
";
    assert_eq!(
        errors(text),
        ["4:3 tests[0].response: no upstream gives a response, because this request ends in \
             `expect.reply`; remove `response`; `expect.response` names the headers of the \
             gateway's own answer"]
    );
}

#[test]
fn an_expected_response_expects_something() {
    let text = "\
tests:
- name: a
  request: { authority: b }
  expect: { forward: {}, response: {} }
";
    assert_eq!(
        errors(text),
        ["4:36 tests[0].expect.response: nothing is expected of the response; name headers in \
             `headers` or `absent`, or remove `response`"]
    );
}
