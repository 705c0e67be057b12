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
//! assert_eq!(survivor.expect("it survives").witness.authority, "x.local");
//! ```

mod changes;
mod probes;

use crate::policy::PolicyFile;
use crate::suite::{Request, Response, Suite, decide, mismatch};
use gatepost_engine::{Policy, compile_json};
use serde_json::Value;

pub use changes::{Mutant, mutants};

/// A mutant that decides differently, and for which all tests pass.
#[derive(Debug)]
pub struct Survivor {
    /// The mutant.
    pub mutant: Mutant,
    /// A request on which policy and mutant decide differently.
    pub witness: Request,
}

/// The mutants of a policy for which its tests pass although they decide differently. A mutant for
/// which no request is found that shows a difference counts as equivalent.
#[must_use]
pub fn surviving(file: &PolicyFile, suite: &Suite) -> Vec<Survivor> {
    let Ok(document) = serde_json::from_str::<Value>(&file.json) else { return Vec::new() };
    let probes = probes::requests(&document, suite);
    let survives = |mutant: Mutant| {
        let changed = compile_json(mutant.json.as_bytes()).ok()?;
        if suite.cases.iter().any(|case| mismatch(&changed, suite, case).is_some()) {
            return None;
        }
        let witness = witness(&file.policy, &changed, &probes)?.clone();
        Some(Survivor { mutant, witness })
    };
    mutants(&document).into_iter().filter_map(survives).collect()
}

/// The first of some requests on which two policies decide differently.
#[must_use]
pub fn witness<'r>(one: &Policy, other: &Policy, requests: &'r [Request]) -> Option<&'r Request> {
    let response = Response::default();
    let decided = |policy, request| decide(policy, request, &response);
    requests.iter().find(|request| decided(one, request) != decided(other, request))
}
