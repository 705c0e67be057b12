//! The policy reference for authors agrees with the engine: every example in it compiles, the
//! errors that it shows are the ones that the engine reports, and no field, refusal or counter is
//! missing from it.

use gatepost_engine::{Policy, PolicyError, PolicyErrorKind, compile_json};

const REFERENCE: &str = include_str!("../../docs/policy/reference.md");

/// The code blocks of the reference with this info string.
fn blocks(info: &str) -> Vec<&'static str> {
    let fenced = REFERENCE.split("\n```").skip(1).step_by(2);
    fenced
        .filter_map(|block| block.split_once('\n'))
        .filter(|(found, _)| *found == info)
        .map(|(_, text)| text)
        .collect()
}

fn compile_yaml(text: &str) -> Result<Policy, Vec<PolicyError>> {
    let document: serde_json::Value = serde_saphyr::from_str(text).expect("YAML");
    compile_json(document.to_string().as_bytes())
}

fn errors_of(outcome: Result<Policy, Vec<PolicyError>>) -> Vec<PolicyError> {
    outcome.err().unwrap_or_default()
}

#[test]
fn every_example_compiles() {
    let examples = blocks("yaml");
    assert!(examples.len() >= 15, "only {} examples found", examples.len());
    for example in examples {
        let errors: Vec<String> =
            errors_of(compile_yaml(example)).iter().map(ToString::to_string).collect();
        assert!(errors.is_empty(), "{example}\n{}", errors.join("\n"));
    }
}

#[test]
fn every_refused_example_has_the_errors_that_the_reference_shows() {
    let (examples, shown) = (blocks("yaml,refused"), blocks("text"));
    assert!(!examples.is_empty());
    assert_eq!(examples.len(), shown.len());
    for (example, shown) in examples.iter().zip(shown) {
        let mut found: Vec<String> =
            errors_of(compile_yaml(example)).iter().map(ToString::to_string).collect();
        // As JSON, the example has its fields in another order.
        let mut shown: Vec<&str> = shown.lines().collect();
        found.sort();
        shown.sort_unstable();
        assert_eq!(found, shown);
    }
}

/// A policy with an unknown field in every object of the language: its errors list all fields of
/// the language.
const UNKNOWN_EVERYWHERE: &str = r#"{
  "apiVersion": "gatepost/v1",
  "?": 0,
  "healthChecks": [
    {
      "?": 0,
      "name": "a",
      "match": { "?": 0, "path": { "?": 0, "exact": "/" } },
      "rewrite": { "?": 0, "path": "/" }
    },
    { "name": "b", "match": { "path": { "exact": "/" } }, "respond": { "?": 0, "status": 200 } }
  ],
  "environments": {
    "?": 0,
    "sources": [{ "?": 0, "header": "env" }],
    "hints": { "?": 0, "headers": {} }
  },
  "hosts": { "?": 0, "mappings": [{ "?": 0, "host": "a.test", "authority": "b.test" }] }
}"#;

#[test]
fn every_field_of_the_language_is_in_the_reference() {
    let errors = errors_of(compile_json(UNKNOWN_EVERYWHERE.as_bytes()));
    let known: Vec<&str> = errors
        .iter()
        .flat_map(|error| match &error.kind {
            PolicyErrorKind::UnknownField { known, .. } => known.iter().copied(),
            _ => [].iter().copied(),
        })
        .collect();
    assert!(known.len() > 40, "{known:?}");
    for field in known {
        assert!(REFERENCE.contains(&format!("`{field}`")), "{field} is missing from the reference");
    }
}

#[test]
fn every_counter_is_in_the_reference() {
    let policy =
        compile_json(br#"{ "apiVersion": "gatepost/v1", "environments": { "default": "a" } }"#)
            .expect("no error");
    for (_, name) in policy.counters() {
        assert!(
            REFERENCE.contains(&format!("| `{name}` |")),
            "{name} is missing from the reference"
        );
    }
}
