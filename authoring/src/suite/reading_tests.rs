//! Tests of the tests file's reader.

use super::*;

/// Each error as `line:column path: message; help`.
pub(super) fn errors(text: &str) -> Vec<String> {
    let report = Suite::parse("tests.yaml", text).expect_err("the file has mistakes");
    let one = |error: &crate::Diagnostic| {
        let at = error.location.as_ref().expect("a place").start;
        let path = error.path.as_deref().unwrap_or_default();
        format!("{}:{} {path}: {error}", at.line, at.column)
    };
    report.diagnostics.iter().map(one).collect()
}

pub(super) fn suite(text: &str) -> Suite {
    match Suite::parse("tests.yaml", text) {
        Ok(suite) => suite,
        Err(report) => panic!("{}", crate::Render::Text { color: false }.render(&[report])),
    }
}

const COMPLETE: &str = "\
routes:
  Readiness.example: readiness
  '*': anything-else
tests:
- name: a probe
  request:
    method: GET
    authority: 10.0.0.1
    path: /?a=b
    headers: { User-Agent: GoogleHC/1.0, env: [env1, env2], x-version: 1.10 }
    source: 35.191.0.1
  response:
    status: 302
    headers: { Location: /login, set-cookie: [a=b, c=d], retry-after: 120 }
  expect:
    forward:
      authority: readiness.example:15020
      path: /healthz/ready
      headers: { X-Gatepost-Env: env1, accept: [a, b] }
      absent: [K-Network-Hash]
      upstream: readiness
    response:
      headers: { Location: /login, set-cookie: [a=b, c=d] }
      absent: [Vary]
    counters: [gatepost.health_check.gclb]
- name: a refusal
  request: { authority: '' }
  expect:
    reply: { status: 404, details: gatepost.host.private, grpcStatus: 12, body: nope }
    response: { headers: { vary: env } }
- name: nothing happens
  request: { authority: a.example }
  expect:
    forward:
";

#[test]
fn a_complete_file_is_read_field_by_field() {
    let suite = suite(COMPLETE);
    assert_eq!(suite.routes.upstream("readiness.EXAMPLE:15020"), Some("readiness"));
    let [probe, refusal, nothing] = suite.cases.as_slice() else { panic!("three cases") };
    assert_eq!((probe.name.as_str(), suite.source.slice(probe.span)), ("a probe", "a probe"));
    let header = |name: &str, value: &str| (name.to_owned(), value.to_owned());
    let sent = [
        header("user-agent", "GoogleHC/1.0"),
        header("env", "env1"),
        header("env", "env2"),
        header("x-version", "1.10"),
    ];
    assert_eq!(probe.request.headers, sent);
    assert_eq!(probe.request.source, IpAddr::from([35, 191, 0, 1]));
    let response = Response {
        status: 302,
        headers: vec![
            header("location", "/login"),
            header("set-cookie", "a=b"),
            header("set-cookie", "c=d"),
            header("retry-after", "120"),
        ],
    };
    assert_eq!(probe.response, Some(response));
    let expected = |headers: &[(&str, &[&str])], absent: &[&str]| {
        let texts = |texts: &[&str]| texts.iter().map(|text| (*text).to_owned()).collect();
        let headers = headers.iter().map(|(name, values)| ((*name).to_owned(), texts(values)));
        Some(ExpectedResponse { headers: headers.collect(), absent: texts(absent) })
    };
    assert_eq!(
        probe.expect.response,
        expected(&[("location", &["/login"]), ("set-cookie", &["a=b", "c=d"])], &["vary"])
    );
    let Outcome::Forward(forward) = &probe.expect.outcome else { panic!("a forward") };
    assert_eq!(forward.authority.as_deref(), Some("readiness.example:15020"));
    assert_eq!(forward.headers[0], ("x-gatepost-env".to_owned(), vec!["env1".to_owned()]));
    assert_eq!(forward.headers[1].1, ["a", "b"]);
    assert_eq!(forward.absent, ["k-network-hash"]);
    assert_eq!(
        probe.expect.counters.as_deref(),
        Some(&["gatepost.health_check.gclb".to_owned()][..])
    );
    let reply = Reply {
        status: 404,
        details: Some("gatepost.host.private".to_owned()),
        grpc_status: Some(12),
        body: Some("nope".to_owned()),
    };
    let response = expected(&[("vary", &["env"])], &[]);
    let refused = Expect { outcome: Outcome::Reply(reply), response, counters: None };
    assert_eq!((&refusal.expect, &refusal.response), (&refused, &None));
    assert_eq!(nothing.expect.outcome, Outcome::Forward(Forward::default()));
}

#[test]
fn a_request_has_defaults() {
    let request = suite("tests: [{ name: a, request: { authority: b }, expect: { forward: {} } }]")
        .cases
        .remove(0)
        .request;
    assert_eq!(
        (request.method.as_str(), request.path.as_str(), request.source),
        ("GET", "/", DEFAULT_SOURCE)
    );
    assert_eq!(request.headers, []);
}

#[test]
fn unknown_fields_name_the_nearest_known_one_at_every_level() {
    let text = "\
route: {}
tests:
- name: a
  expects: {}
  request: { authority: b, header: {}, method: GET }
  expect: { forward: { uptream: c } }
";
    assert_eq!(
        errors(text),
        [
            "1:1 route: unknown field `route`; did you mean `routes`?",
            "4:3 tests[0].expects: unknown field `expects`; did you mean `expect`?",
            "5:28 tests[0].request.header: unknown field `header`; did you mean `headers`?",
            "6:24 tests[0].expect.forward.uptream: unknown field `uptream`; did you mean \
             `upstream`?",
        ]
    );
}

#[test]
fn missing_fields_are_named_where_they_belong() {
    assert_eq!(errors("routes: {}\n"), ["1:1 : the field `tests` is missing"]);
    assert_eq!(errors("tests: []\n"), ["1:8 tests: the list is empty; give it at least one entry"]);
    assert_eq!(errors(""), ["1:1 : the field `tests` is missing"]);
    assert_eq!(
        errors("tests:\n- request: { path: / }\n  expect: { reply: {} }\n"),
        [
            "2:3 tests[0]: the field `name` is missing",
            "2:12 tests[0].request: the field `authority` is missing",
            "3:20 tests[0].expect.reply: the field `status` is missing",
        ]
    );
}

#[test]
fn a_test_expects_a_forward_or_a_reply() {
    let text = "\
tests:
- { name: a, request: { authority: b }, expect: {} }
- name: b
  request: { authority: b }
  expect:
    forward: {}
    reply: { status: 200 }
";
    assert_eq!(
        errors(text),
        [
            "2:49 tests[0].expect: exactly one of `forward`, `reply` must be given here",
            "5:3 tests[1].expect: exactly one of `forward`, `reply` must be given here",
        ]
    );
}

#[test]
fn names_of_tests_are_unique() {
    let text = "\
tests:
- { name: a, request: { authority: b }, expect: { forward: {} } }
- { name: a, request: { authority: b }, expect: { forward: {} } }
";
    assert_eq!(errors(text), ["3:11 tests[1].name: the test on line 2 has this name already"]);
}

#[test]
fn an_upstream_must_be_a_name_of_a_route() {
    let text = "\
routes: { a.example: storefront, b.example: admin, c.example: admin }
tests:
- { name: a, request: { authority: b }, expect: { forward: { upstream: storefornt } } }
- { name: b, request: { authority: b }, expect: { forward: { upstream: x } } }
";
    assert_eq!(
        errors(text),
        [
            "3:72 tests[0].expect.forward.upstream: no route answers as `storefornt`; did you mean \
             `storefront`?",
            "4:72 tests[1].expect.forward.upstream: no route answers as `x`; known here: \
             storefront, admin",
        ]
    );
}

#[test]
fn routes_have_hosts_without_ports_each_once() {
    let text = "\
routes:
  { A.example: a, a.example: b, 'b.example:80': c, '*c.example': d, '[::1]': e,
    '*.d.example': 7, '': f }
tests: [{ name: a, request: { authority: b }, expect: { forward: {} } }]
";
    assert_eq!(
        errors(text),
        [
            "2:19 routes[\"a.example\"]: the route `a.example` is already given: case does not \
             matter in hosts",
            "2:33 routes[\"b.example:80\"]: `b.example:80` is no host for a route: write a host \
             without port, `*.` and a suffix, or `*`",
            "2:52 routes[\"*c.example\"]: `*c.example` is no host for a route: write a host \
             without port, `*.` and a suffix, or `*`",
            "3:20 routes[\"*.d.example\"]: expected a string, found a number",
            "3:23 routes[\"\"]: `` is no host for a route: write a host without port, `*.` and a \
             suffix, or `*`",
        ]
    );
}

#[test]
fn a_request_that_no_client_could_send_is_refused() {
    let text = "\
tests:
- name: a
  request:
    method: get
    authority: \"a\\nb\"
    path: x y
    source: 1.2.3
    headers: { Host: a, 'b c': d, x: \"a\\rb\", X: e, q: ' f', z: [], env: true }
  expect:
    reply: { status: 99, grpcStatus: 17 }
    counters:
      [gatepost.host.maped, gatepost.health_check.A, gatepost.host.mapped, gatepost.host.mapped]
";
    assert_eq!(
        errors(text),
        [
            "4:13 tests[0].request.method: `get` is no HTTP method; methods are in capitals, as \
             `GET`",
            "5:16 tests[0].request.authority: an authority cannot hold line ends or control \
             characters",
            "6:11 tests[0].request.path: `x y` is no path: it must begin with `/`, without blanks \
             or control characters",
            "7:13 tests[0].request.source: `1.2.3` is no IP address",
            "8:16 tests[0].request.headers.Host: `host` is not written as a header here; use \
             `authority`",
            "8:25 tests[0].request.headers[\"b c\"]: `b c` is no valid header name",
            "8:38 tests[0].request.headers.x: a header's value cannot hold line ends or control \
             characters, nor begin or end with a blank",
            "8:46 tests[0].request.headers.X: the header `x` is already given: case does not \
             matter in header names",
            "8:55 tests[0].request.headers.q: a header's value cannot hold line ends or control \
             characters, nor begin or end with a blank",
            "8:64 tests[0].request.headers.z: the list is empty; give it at least one entry",
            "8:73 tests[0].request.headers.env: expected a string, found a boolean",
            "10:22 tests[0].expect.reply.status: 99 is out of range: 200 to 599",
            "10:38 tests[0].expect.reply.grpcStatus: 17 is out of range: 0 to 16",
            "12:8 tests[0].expect.counters[0]: Gatepost has no counter `gatepost.host.maped`; did \
             you mean `gatepost.host.mapped`?",
            "12:29 tests[0].expect.counters[1]: Gatepost has no counter `gatepost.health_check.A`; \
             `gatepost.health_check.` is followed by a health check's name: 1 to 63 of a-z, 0-9 \
             and `-`",
            "12:76 tests[0].expect.counters[3]: the counter `gatepost.host.mapped` is already \
             given",
        ]
    );
}

#[test]
fn a_header_cannot_be_both_expected_and_absent() {
    let text = "\
tests:
- name: a
  request: { authority: b }
  expect: { forward: { headers: { env: a }, absent: [ENV] } }
";
    assert_eq!(
        errors(text),
        ["4:54 tests[0].expect.forward.absent[0]: `env` is expected in `headers`, so it cannot \
             be absent"]
    );
}

#[test]
fn mistakes_of_the_text_and_of_its_meaning_are_told_together() {
    let text =
        "tests:\n- name: a\n  name: b\n  request: { authority: *c }\n  expect: { forward: [] }\n";
    assert_eq!(
        errors(text),
        [
            "3:3 tests[0].name: the key `name` is already on line 2; remove one of them, or join \
             their values",
            "4:25 tests[0].request.authority: no anchor `&c` stands before this alias; an alias \
             `*name` repeats what an anchor `&name` marked before; text that begins with `*` needs \
             quotes",
            "5:22 tests[0].expect.forward: expected an object, found a list",
        ]
    );
}

#[test]
fn the_example_of_the_documentation_is_a_good_file() {
    let lines = include_str!("mod.rs").lines().filter_map(|line| line.strip_prefix("//!"));
    let example: Vec<&str> = lines
        .skip_while(|line| *line != " ```yaml")
        .skip(1)
        .take_while(|line| *line != " ```")
        .collect();
    let suite = suite(
        &example
            .iter()
            .map(|line| line.strip_prefix(' ').unwrap_or(line))
            .collect::<Vec<_>>()
            .join("\n"),
    );
    assert_eq!(suite.cases.len(), 1);
    assert_eq!(suite.routes.iter().count(), 3);
}
