//! Plugin configurations: any bytes give either readable errors or a policy that works.

use std::collections::BTreeSet;

use gatepost_engine::compile_json;
use serde_json::Value;

use crate::carried::{Arrival, carry_out};
use crate::decision;

/// Requests that reach most rules of a policy.
const REQUESTS: [&[(&str, &str)]; 4] = [
    &[
        (":method", "GET"),
        (":path", "/"),
        (":authority", "a.test"),
        ("user-agent", "GoogleHC/1.0"),
        ("env", "env1"),
    ],
    &[
        (":method", "GET"),
        (":path", "/a?env=env1"),
        (":authority", "A.b.svc.:080"),
        ("cookie", "env=b"),
        ("baggage", "env=c"),
    ],
    &[
        (":method", "POST"),
        (":path", ""),
        (":authority", "[::1]"),
        ("content-type", "application/grpc"),
        ("env", "\u{fc}"),
    ],
    &[(":authority", "user@a.test, b"), ("env", "a"), ("env", "b")],
];

/// Checks all invariants of a configuration.
///
/// # Panics
/// When one is broken.
pub fn holds(configuration: &[u8]) {
    let shown = || String::from_utf8_lossy(configuration).into_owned();
    let compiled = compile_json(configuration);
    let again = compile_json(configuration).map(drop);
    assert_eq!(
        compiled.as_ref().map(drop).map_err(Clone::clone),
        again,
        "{}: compiling it twice gives two results",
        shown()
    );
    let policy = match compiled {
        Ok(policy) => policy,
        Err(errors) => {
            assert!(!errors.is_empty(), "{}: refused without an error", shown());
            for error in errors {
                let text = error.to_string();
                assert!(
                    !text.is_empty() && !text.contains(char::is_control),
                    "{}: an error is one line: {text:?}",
                    shown()
                );
            }
            return;
        }
    };
    // A policy that another program parsed and wrote again is still valid.
    let document: Value = serde_json::from_slice(configuration)
        .unwrap_or_else(|error| panic!("{}: {error}", shown()));
    compile_json(document.to_string().as_bytes()).unwrap_or_else(|errors| {
        panic!("{}: it has errors after being written again: {errors:?}", shown())
    });
    no_proper_prefix_compiles(configuration);
    let counters: Vec<String> = policy.counters().into_iter().map(|(_, name)| name).collect();
    assert_eq!(
        counters.iter().collect::<BTreeSet<_>>().len(),
        counters.len(),
        "{}: {counters:?}",
        shown()
    );
    for headers in REQUESTS {
        let headers = headers
            .iter()
            .map(|(name, value)| (name.as_bytes().to_vec(), value.as_bytes().to_vec()))
            .collect();
        let arrival = Arrival { headers, source: Some([10, 0, 0, 1].into()) };
        let carried = carry_out(&policy, &arrival);
        decision::an_authority_that_goes_upstream_is_valid(&arrival, &carried);
        decision::a_reply_names_its_rule(&carried);
    }
}

/// A document that is cut anywhere is no policy: a file that is still being written must not take
/// effect. Of long documents some hundred prefixes are tried.
///
/// # Panics
/// When one compiles.
pub fn no_proper_prefix_compiles(configuration: &[u8]) {
    let document = configuration.trim_ascii_end();
    for length in (0..document.len()).step_by(document.len().div_ceil(256)) {
        let prefix = document.get(..length).unwrap_or_default();
        assert!(
            compile_json(prefix).is_err(),
            "{}: the first {length} bytes compile",
            String::from_utf8_lossy(configuration)
        );
    }
}
