//! What `compile_json` says of a document is what `compile` says of it when `serde_json` reads it:
//! the policies that ship, cut off at each byte, and damaged.

use std::path::Path;

use fastrand::Rng;
use gatepost_engine::{Fault, FaultKind, Policy, compile, compile_json};
use serde_json::{Deserializer, Value};

/// Stands for what either reader says of syntax, which is left to the engine's own tests.
const SYNTAX: &str = "syntax";

/// The policies that ship, as the filter receives them: on one line, and on many.
fn policies() -> Vec<String> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../policies");
    let folders = folder.read_dir().expect("policies").map(|entry| entry.expect("an entry").path());
    let texts = folders
        .map(|folder| std::fs::read_to_string(folder.join("policy.yaml")).expect("a policy"));
    let values: Vec<Value> =
        texts.map(|text| serde_saphyr::from_str(&text).expect("YAML")).collect();
    assert!(values.len() >= 5, "only {} policies found", values.len());
    values.iter().flat_map(|value| [value.to_string(), format!("{value:#}")]).collect()
}

fn shown(outcome: Result<Policy, Vec<Fault>>) -> Vec<String> {
    let faults = outcome.err().unwrap_or_default();
    let show = |fault: &Fault| {
        if let FaultKind::Syntax(_) = fault.kind { SYNTAX.to_owned() } else { fault.to_string() }
    };
    faults.iter().map(show).collect()
}

fn agree(document: &[u8]) {
    let ours = compile_json(document);
    if ours.as_ref().is_ok_and(Policy::is_pass_through) {
        return;
    }
    let mut json = Deserializer::from_slice(document);
    let mut theirs = shown(compile(&mut json));
    if !theirs.iter().any(|fault| fault == SYNTAX) && json.end().is_err() {
        theirs.push(SYNTAX.to_owned());
    }
    assert_eq!(shown(ours), theirs, "{}", String::from_utf8_lossy(document));
}

#[test]
fn a_shipped_policy_that_is_cut_off_anywhere_has_the_same_faults() {
    for policy in policies() {
        (1..=policy.len()).for_each(|end| agree(&policy.as_bytes()[..end]));
    }
}

#[test]
fn a_shipped_policy_that_is_damaged_has_the_same_faults() {
    let random = &mut Rng::with_seed(1);
    for policy in policies() {
        for at in 0..policy.len() {
            let mut document = policy.clone().into_bytes();
            match random.u32(0..3) {
                0 => drop(document.remove(at)),
                1 => document[at] = random.u8(0..0x80),
                _ => document.insert(at, b"\"\\{}[]:,019.-etfn \n"[random.usize(0..19)]),
            }
            agree(&document);
        }
    }
}
