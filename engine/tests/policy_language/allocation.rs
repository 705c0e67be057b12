//! "No allocation in a decision that changes nothing", tested with an allocator that counts the
//! allocations of the test's thread while a decision is made, for small and large policies.

use std::alloc::{GlobalAlloc, Layout, System};
use std::cell::Cell;
use std::hint::black_box;
use std::net::IpAddr;

use gatepost_engine::{Counters, HeaderMutations, Owed, Policy, Request};

use crate::vocabulary::{Arrival, get, policy, request};

thread_local! {
    static ALLOCATIONS: Cell<usize> = const { Cell::new(0) };
}

struct Counting;

// SAFETY: every call goes to the system's allocator unchanged; counting neither allocates nor
// unwinds.
unsafe impl GlobalAlloc for Counting {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        count();
        // SAFETY: the caller keeps the contract of `alloc`.
        unsafe { System.alloc(layout) }
    }

    unsafe fn dealloc(&self, pointer: *mut u8, layout: Layout) {
        // SAFETY: the caller keeps the contract of `dealloc`.
        unsafe { System.dealloc(pointer, layout) }
    }

    unsafe fn realloc(&self, pointer: *mut u8, layout: Layout, size: usize) -> *mut u8 {
        count();
        // SAFETY: the caller keeps the contract of `realloc`.
        unsafe { System.realloc(pointer, layout, size) }
    }
}

fn count() {
    // The counter of a thread that ends is gone already, and no test reads it.
    let _ = ALLOCATIONS.try_with(|count| count.set(count.get() + 1));
}

#[global_allocator]
static ALLOCATOR: Counting = Counting;

/// Receives changes as the filter does, and drops them.
struct Proxy;

impl HeaderMutations<'_> for Proxy {
    fn set_authority(&mut self, value: &[u8]) {
        black_box(value);
    }

    fn set_path(&mut self, value: &str) {
        black_box(value);
    }

    fn remove(&mut self, name: &str) {
        black_box(name);
    }

    fn set(&mut self, name: &str, value: &[u8], replaces: bool) {
        black_box((name, value, replaces));
    }
}

/// The number of allocations while a decision on the request is made and carried out.
fn allocations(policy: &Policy, request: &Arrival) -> usize {
    let source: Option<IpAddr> = Some([35, 191, 0, 1].into());
    let headers = request.headers.iter().map(|(name, value)| (name.as_slice(), value.as_slice()));
    let request = Request { headers, source: &source };
    let before = ALLOCATIONS.get();
    let (mut owed, mut counters) = (Owed::default(), Counters::default());
    let outcome = policy.carry_out(black_box(&request), &mut Proxy, &mut owed, &mut counters);
    let count = ALLOCATIONS.get() - before;
    let _ = black_box((outcome, owed));
    count
}

#[track_caller]
fn changes_nothing_and_allocates_nothing(policy: &Policy, request: &Arrival) {
    request.decided_by(policy).is_unchanged();
    assert_eq!(allocations(policy, request), 0, "{request:?}");
}

/// A request with the headers that a browser sends.
fn browser(host: &str) -> Arrival {
    request("GET", host, "/products/1?ref=mail&utm_source=letter")
        .header(
            "user-agent",
            "Mozilla/5.0 (X11; Linux x86_64; rv:128.0) Gecko/20100101 Firefox/128.0",
        )
        .header("accept", "text/html,application/xhtml+xml,application/xml;q=0.9,*/*;q=0.8")
        .header("accept-language", "en-GB,en;q=0.5")
        .header("accept-encoding", "gzip, deflate, br, zstd")
        .header("referer", "https://shop.example/")
        .header("cookie", "session=0123456789abcdef; theme=dark; consent=all")
        .header("sec-fetch-dest", "document")
        .header("sec-fetch-mode", "navigate")
        .header("sec-fetch-site", "same-origin")
        .header("priority", "u=0, i")
        .header("x-forwarded-for", "203.0.113.9, 35.191.0.1")
        .header("via", "1.1 google")
}

fn hundred_thousand_mappings() -> Policy {
    let mappings: Vec<String> = (0..100_000)
        .map(|n| format!(r#"{{"host":"s{n}.test.com","authority":"s{n}.default.example.com"}}"#))
        .collect();
    policy(&format!(
        r#"{{ "hosts": {{
          "private": ["*.svc.cluster.local", "{{a}}.{{b}}.svc"],
          "originalHost": "x-forwarded-host",
          "mappings": [{}, {{ "host": "*.shop.example", "authority": "shop.svc" }}]
        }} }}"#,
        mappings.join(",")
    ))
}

const ALL_JOBS: &str = r#"{
  "healthChecks": [
    {
      "name": "gclb",
      "match": {
        "userAgent": { "prefix": "GoogleHC" },
        "sources": ["35.191.0.0/16"],
        "absentHeaders": ["via"]
      },
      "rewrite": { "path": "/ready" }
    },
    { "name": "source", "match": { "sources": ["10.0.0.0/8"] }, "respond": { "status": 200 } },
    { "name": "passes", "match": { "userAgent": { "prefix": "Knative-" } }, "pass": {} }
  ],
  "strip": ["knative-serving-namespace", "k-network-hash"],
  "environments": {
    "sources": [
      { "header": "env" },
      { "cookie": "env" },
      { "query": "env" },
      { "baggage": "env" },
      { "subdomain": "{env}.dev.test" }
    ],
    "allow": ["env1"],
    "unknown": "ignore",
    "hints": { "headers": { "x-env": "{env}" }, "authority": "app.{env}.svc" }
  },
  "hosts": {
    "private": ["*.svc"],
    "mappings": [{ "host": "a.test", "authority": "b.svc" }],
    "originalHost": "x-forwarded-host"
  }
}"#;

#[test]
fn a_browsers_request_that_all_three_jobs_leave_alone_allocates_nothing() {
    let policy = policy(ALL_JOBS);
    changes_nothing_and_allocates_nothing(&policy, &browser("other.test:8443"));
    changes_nothing_and_allocates_nothing(&policy, &browser("10.1.2.3"));
    changes_nothing_and_allocates_nothing(
        &policy,
        &browser("other.test").header("env", "nonsense").header("env", "env1"),
    );
    changes_nothing_and_allocates_nothing(
        &policy,
        &get("other.test").header("user-agent", "Knative-Ingress-Probe"),
    );
}

#[test]
fn a_host_that_none_of_100_000_mappings_knows_allocates_nothing() {
    let policy = hundred_thousand_mappings();
    changes_nothing_and_allocates_nothing(&policy, &browser("s100000.test.com"));
    changes_nothing_and_allocates_nothing(&policy, &browser("a.b.c.d.e.f.example"));
}

#[test]
fn a_mapped_host_among_100_000_costs_what_it_costs_among_three() {
    let large = hundred_thousand_mappings();
    let small = policy(
        r#"{ "hosts": {
          "originalHost": "x-forwarded-host",
          "mappings": [
            { "host": "s0.test.com", "authority": "s0.default.example.com" },
            { "host": "s50000.test.com", "authority": "x.svc" },
            { "host": "s99999.test.com", "authority": "x.svc" }
          ]
        } }"#,
    );
    for host in ["s0.test.com", "s50000.test.com", "s99999.test.com"] {
        // `x-forwarded-host` is written, too. What the response owes is one text.
        assert_eq!(
            (allocations(&large, &browser(host)), allocations(&small, &browser(host))),
            (1, 1),
            "{host}"
        );
    }
    // The normal form of the client's spelling is one more text, which grows once for its port.
    assert!(allocations(&large, &browser("S99999.Test.com.:443")) <= 6);
}

#[test]
fn a_mapping_without_an_original_host_header_allocates_nothing_at_all() {
    let policy = |responses: &str| {
        policy(&format!(
            r#"{{ "hosts": {{
              "mappings": [{{ "host": "a.test", "authority": "b.svc" }}],
              "responses": "{responses}"
            }} }}"#
        ))
    };
    assert_eq!(allocations(&policy("keep"), &browser("a.test:443")), 0);
    assert_eq!(allocations(&policy("restore"), &browser("a.test:443")), 1, "what is owed");
}

#[test]
fn ten_thousand_environments_allocate_nothing_for_a_request_that_names_none() {
    let allow: Vec<String> = (0..10_000).map(|n| format!(r#""env{n}""#)).collect();
    let policy = policy(&format!(
        r#"{{ "environments": {{
          "sources": [{{ "header": "env" }}, {{ "cookie": "env" }}, {{ "query": "env" }}],
          "allow": [{}],
          "hints": {{ "headers": {{ "x-env": "{{env}}" }} }}
        }} }}"#,
        allow.join(",")
    ));
    changes_nothing_and_allocates_nothing(&policy, &browser("other.test"));
    // A hint allocates the list that holds it, and its value.
    assert!(allocations(&policy, &browser("other.test").header("env", "env9999")) <= 3);
}

#[test]
fn a_refusal_allocates_nothing() {
    let policy = policy(ALL_JOBS);
    for host in ["a.svc", "a b", "", "\u{ff}"] {
        assert_eq!(allocations(&policy, &browser(host)), 0, "{host}");
    }
}

#[test]
fn a_request_that_is_right_already_allocates_only_for_the_results_of_templates() {
    let hints = policy(
        r#"{
          "environments": {
            "sources": [{ "header": "env" }, { "subdomain": "{env}.dev.test" }],
            "allow": ["env1"], "unknown": "ignore",
            "hints": { "headers": { "x-env": "at-{env}" }, "authority": "app.{env}.svc" }
          }
        }"#,
    );
    let right = get("app.env1.svc").header("env", "env1").header("x-env", "at-env1");
    right.decided_by(&hints).is_unchanged();
    // The list of the guarded headers that the client sent is one more.
    assert!(allocations(&hints, &right) <= 3);
    changes_nothing_and_allocates_nothing(&hints, &get("nonsense.dev.test"));
    let literal = get("[2001:db8::1]:443");
    literal.decided_by(&hints).is_unchanged();
    assert!(allocations(&hints, &literal) <= 8, "the canonical text of an IPv6 literal");
    let any = policy(r#"{ "environments": { "sources": [{ "header": "env" }] } }"#);
    // The name of an environment that is not in a list is copied.
    assert!(allocations(&any, &get("a.test").header("env", "Env1")) <= 1);
    let identity =
        policy(r#"{ "hosts": { "mappings": [{ "host": "{a}.test", "authority": "{a}.test" }] } }"#);
    get("x.test").decided_by(&identity).is_unchanged();
    assert!(allocations(&identity, &get("x.test")) <= 2);
    let pass = policy(
        r#"{ "healthChecks": [{
          "name": "own",
          "match": { "method": { "exact": "GET" } },
          "pass": {}
        }] }"#,
    );
    changes_nothing_and_allocates_nothing(&pass, &get("other.test"));
}

#[test]
fn an_environment_that_the_policy_lists_allocates_what_its_response_owes() {
    let hints = |headers: &str| {
        let hints = format!(r#"{{ "headers": {headers}, "authority": "app.{{env}}.svc:50051" }}"#);
        let environments = format!(
            r#"{{
              "sources": [{{ "header": "env" }}],
              "allow": ["env1", "env2"],
              "hints": {hints}
            }}"#
        );
        policy(&format!(r#"{{ "environments": {environments} }}"#))
    };
    let request = get("app.test").header("env", "env2");
    assert_eq!(allocations(&hints(r#"{ "x-env": "{env}" }"#), &request), 1);
    assert_eq!(allocations(&hints(r#"{ "x-env": "{env}", "x-other": "{env}" }"#), &request), 1);
}
