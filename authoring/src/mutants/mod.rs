//! Mutants of a policy: the policy with one change each, as a tired author might make it. A
//! policy's tests are good when they fail for every mutant that decides differently; [`surviving`]
//! lists those for which they pass.
//!
//! ```
//! use gatepost_authoring::{PolicyFile, Suite, mutants::surviving};
//!
//! let policy = "apiVersion: gatepost/v1\nhosts: { private: [\"*.svc\", \"*.local\"] }\n";
//! let tests = "tests:
//! - name: a service is not reached from outside
//!   request: { authority: db.svc }
//!   expect: { reply: { status: 404 } }
//! ";
//! let policy = PolicyFile::parse("policy.yaml", policy).expect("good");
//! let tests = Suite::parse("tests.yaml", tests).expect("good");
//! let survivors = surviving(&policy, &tests);
//! // No test would notice that `*.local` is gone: a request for `x.local` shows it.
//! let survivor = survivors.iter().find(|survivor| survivor.mutant.path == "/hosts/private/1");
//! assert_eq!(survivor.expect("it survives").witness.request.authority, "x.local");
//! ```

mod changes;
mod probes;

use crate::policy::PolicyFile;
use crate::suite::{Decided, Fate, Request, Response, Suite, decide, mismatch};
use gatepost_engine::{Policy, compile_json};
use serde_json::Value;

pub use changes::{Mutant, mutants};

/// A mutant that decides differently, and for which all tests pass.
#[derive(Debug)]
pub struct Survivor {
    /// The mutant.
    pub mutant: Mutant,
    /// An exchange that policy and mutant decide differently.
    pub witness: Witness,
}

/// A request and what an upstream answers, which show a difference between two policies.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Witness {
    /// The request.
    pub request: Request,
    /// The response. It has headers only where they show the difference.
    pub response: Response,
}

impl Witness {
    /// A request, and a response that names the written host if a policy writes one.
    fn of(policy: &Policy, request: Request) -> Self {
        let response = match decide(policy, &request, &Response::default()).fate {
            Fate::Upstream { authority, .. } if authority != request.authority => {
                probes::response(&authority)
            }
            _ => Response::default(),
        };
        Self { request, response }
    }

    fn decided(&self, policy: &Policy) -> Decided {
        decide(policy, &self.request, &self.response)
    }

    /// Without the response if the request alone shows the difference.
    fn shortened(&self, one: &Policy, other: &Policy) -> Self {
        let shorter = Self { request: self.request.clone(), response: Response::default() };
        if shorter.decided(one) == shorter.decided(other) { self.clone() } else { shorter }
    }
}

/// The mutants of a policy for which its tests pass although they decide differently. A mutant for
/// which no request is found that shows a difference counts as equivalent.
#[must_use]
pub fn surviving(file: &PolicyFile, suite: &Suite) -> Vec<Survivor> {
    let Ok(document) = serde_json::from_str::<Value>(&file.json) else { return Vec::new() };
    let policy = &file.policy;
    let probes = probes::requests(&document, suite).into_iter().map(|request| {
        let probe = Witness::of(policy, request);
        let decided = probe.decided(policy);
        (probe, decided)
    });
    let probes: Vec<(Witness, Decided)> = probes.collect();
    let survives = |mutant: Mutant| {
        let changed = compile_json(mutant.json.as_bytes()).ok()?;
        if suite.cases.iter().any(|case| mismatch(&changed, suite, case).is_some()) {
            return None;
        }
        let (witness, _) =
            probes.iter().find(|(probe, decided)| probe.decided(&changed) != *decided)?;
        Some(Survivor { mutant, witness: witness.shortened(policy, &changed) })
    };
    mutants(&document).into_iter().filter_map(survives).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Where the policy was changed, how, and the request and the response that show it.
    fn survivors(policy: &str, tests: &str) -> Vec<(String, String, Witness)> {
        let policy = PolicyFile::parse("policy.yaml", policy).expect("a good policy");
        let suite = Suite::parse("tests.yaml", tests).expect("good tests");
        let survivors = surviving(&policy, &suite).into_iter();
        survivors.map(|one| (one.mutant.path, one.mutant.change, one.witness)).collect()
    }

    const POLICY: &str = "
apiVersion: gatepost/v1
environments:
  sources: [{ header: env }, { query: env, pin: { cookie: env } }, { cookie: env }]
  allow: [env1, env2]
  preflight: env1
hosts:
  mappings: [{ host: shop.test, authority: shop.default.example }]
";

    #[test]
    fn what_only_a_response_shows_is_missed_by_tests_that_expect_none() {
        let tests = "
tests:
- name: a mapped host
  request: { authority: shop.test, headers: { env: env1 } }
  expect: { forward: { authority: shop.default.example } }
";
        let survivors = survivors(POLICY, tests);
        let witness = |path: &str, change: &str| {
            let survivor = survivors.iter().find(|(at, how, _)| (&**at, &**how) == (path, change));
            survivor.map(|(.., witness)| witness.clone()).expect("it survives")
        };
        let responses = witness("/hosts/responses", "choose keep");
        let location = ("location".to_owned(), "//shop.default.example/".to_owned());
        assert_eq!(responses.request.authority, "shop.test");
        assert_eq!(responses.response.headers, [location]);
        let vary = witness("/environments/vary", "choose keep");
        assert_eq!(vary.response, Response::default());
        let preflight = witness("/environments/preflight", "drop the field");
        assert_eq!(preflight.request.method, "OPTIONS");
        let pin = witness("/environments/sources/1/pin", "drop the field");
        assert_eq!(pin.response, Response::default());
    }

    #[test]
    fn tests_that_expect_responses_notice_it() {
        let tests = "
tests:
- name: a redirect
  request: { authority: shop.test, headers: { env: env1 } }
  response: { headers: { location: //shop.default.example/ } }
  expect:
    forward: { authority: shop.default.example }
    response: { headers: { location: //shop.test/, vary: env } }
- name: a link
  request: { authority: a.test, path: /?env=env2 }
  expect:
    forward: {}
    response: { headers: { set-cookie: env=env2; Path=/; Secure; HttpOnly; SameSite=Lax } }
- name: a preflight
  request:
    method: OPTIONS
    authority: a.test
    headers: { origin: http://b.test, access-control-request-method: GET }
  expect: { forward: {}, counters: [gatepost.environment.preflight, gatepost.host.unmapped] }
";
        for (path, change, _) in survivors(POLICY, tests) {
            let of_responses =
                ["/hosts/responses", "/environments/vary", "/environments/preflight"];
            assert!(!of_responses.contains(&&*path) && !path.contains("/pin"), "{path} {change}");
        }
    }
}
