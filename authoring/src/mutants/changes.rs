//! The changes that make mutants: a condition is dropped or widened, an entry or a field dropped,
//! an action swapped, a text changed, neighbours exchanged.

use ipnet::IpNet;
use serde_json::{Map, Value, json};

/// A policy with one change.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Mutant {
    /// Where it was changed: a JSON pointer (RFC 6901) into the policy.
    pub path: String,
    /// What was changed, in words.
    pub change: String,
    /// The changed policy, as the filter receives it. It may be one that is refused.
    pub json: String,
}

/// The fields with a choice: where they stand, and the choices, the default first.
const CHOICES: [(&str, &str, &[&str]); 5] = [
    ("/environments", "unknown", &["reject", "default", "ignore"]),
    ("/environments", "vary", &["add", "keep"]),
    ("/hosts", "unmapped", &["pass", "reject"]),
    ("/hosts", "port", &["keep", "strip"]),
    ("/hosts", "responses", &["restore", "keep"]),
];

/// Every mutant of a policy. `mode` is left alone: it changes no decision.
#[must_use]
pub fn mutants(policy: &Value) -> Vec<Mutant> {
    let mut mutants = Mutants { policy, found: Vec::new() };
    mutants.value("", policy);
    mutants.found
}

struct Mutants<'p> {
    policy: &'p Value,
    found: Vec<Mutant>,
}

impl Mutants<'_> {
    /// Adds the mutants of the value at a path, and of all that is in it.
    fn value(&mut self, path: &str, value: &Value) {
        match value {
            Value::Array(elements) => self.list(path, elements),
            Value::Object(fields) => self.object(path, fields),
            Value::String(text) => self.text(path, text),
            Value::Null | Value::Bool(_) | Value::Number(_) => {}
        }
    }

    fn list(&mut self, path: &str, elements: &[Value]) {
        for (index, element) in elements.iter().enumerate() {
            let at = format!("{path}/{index}");
            self.add(&at, "drop the entry", |policy| {
                let list = policy.pointer_mut(path).and_then(Value::as_array_mut);
                list.into_iter().for_each(|list| drop(list.remove(index)));
            });
            if index > 0 && is_ordered(path) {
                self.add(&at, "exchange it with the entry before", |policy| {
                    let list = policy.pointer_mut(path).and_then(Value::as_array_mut);
                    list.into_iter().for_each(|list| list.swap(index - 1, index));
                });
            }
            self.value(&at, element);
        }
    }

    fn object(&mut self, path: &str, fields: &Map<String, Value>) {
        for (name, value) in fields {
            if path.is_empty() && matches!(name.as_str(), "apiVersion" | "mode") {
                continue;
            }
            let at = format!("{path}/{}", name.replace('~', "~0").replace('/', "~1"));
            self.add(&at, "drop the field", |policy| {
                let fields = policy.pointer_mut(path).and_then(Value::as_object_mut);
                fields.into_iter().for_each(|fields| drop(fields.remove(name)));
            });
            match (name.as_str(), value) {
                ("exact", Value::String(text)) => self.widen(path, "prefix", text),
                ("prefix", Value::String(text)) => {
                    let mut shorter = text.clone();
                    shorter.pop();
                    self.widen(path, "prefix", &shorter);
                }
                ("suffix", Value::String(text)) => {
                    let shorter: String = text.chars().skip(1).collect();
                    self.widen(path, "suffix", &shorter);
                }
                ("rewrite" | "respond" | "pass", _) => self.swap_action(path, name),
                _ => {}
            }
            self.value(&at, value);
        }
        for (_, name, choices) in CHOICES.iter().filter(|(section, ..)| *section == path) {
            let chosen = fields.get(*name).and_then(Value::as_str).or(choices.first().copied());
            for choice in choices.iter().filter(|choice| chosen != Some(choice)) {
                self.set(&format!("{path}/{name}"), &format!("choose {choice}"), json!(choice));
            }
        }
    }

    /// Puts a wider comparison in the place of one with a text.
    fn widen(&mut self, path: &str, kind: &str, text: &str) {
        let wider: Map<String, Value> = [(kind.to_owned(), json!(text))].into_iter().collect();
        self.set(path, "widen the condition", Value::Object(wider));
    }

    fn swap_action(&mut self, path: &str, name: &str) {
        let others = [("pass", json!({})), ("respond", json!({ "status": 200 }))];
        for (other, action) in others.into_iter().filter(|(other, _)| *other != name) {
            self.add(&format!("{path}/{name}"), &format!("{other} instead"), |policy| {
                if let Some(check) = policy.pointer_mut(path).and_then(Value::as_object_mut) {
                    check.remove(name);
                    check.insert(other.to_owned(), action);
                }
            });
        }
    }

    fn text(&mut self, path: &str, text: &str) {
        if let Ok(block) = text.parse::<IpNet>()
            && let Some(wider) = block.supernet()
        {
            self.set(path, "widen the block", json!(wider.to_string()));
        }
        if path.starts_with("/environments/allow/") && !text.contains('*') && text.len() > 1 {
            let start: String = text.chars().take(text.chars().count() - 1).collect();
            self.set(path, "widen the name", json!(format!("{start}*")));
        }
        let is_pattern = path.starts_with("/hosts/private/") || path.ends_with("/host");
        if is_pattern
            && let Some((first, rest)) = text.split_once('.')
            && !rest.is_empty()
        {
            if first == "*" {
                let shorter = rest.split_once('.').map(|(_, rest)| format!("*.{rest}"));
                shorter.into_iter().for_each(|pattern| {
                    self.set(path, "widen the pattern", json!(pattern));
                });
            } else {
                self.set(path, "widen the pattern", json!(format!("*.{rest}")));
            }
        }
        let is_result = ["/authority", "/path", "/body"].iter().any(|end| path.ends_with(end))
            || path.starts_with("/environments/hints/headers/");
        if is_result {
            self.set(path, "change the text", json!(format!("{text}x")));
        }
    }

    fn set(&mut self, path: &str, change: &str, value: Value) {
        self.add(path, change, |policy| {
            let (parent, name) = path.rsplit_once('/').unwrap_or_default();
            match policy.pointer_mut(parent) {
                Some(Value::Object(fields)) => {
                    fields.insert(name.replace("~1", "/").replace("~0", "~"), value);
                }
                Some(Value::Array(elements)) => {
                    let element = name.parse().ok().and_then(|at: usize| elements.get_mut(at));
                    element.into_iter().for_each(|element| *element = value.clone());
                }
                _ => {}
            }
        });
    }

    fn add(&mut self, path: &str, change: &str, edit: impl FnOnce(&mut Value)) {
        let mut policy = self.policy.clone();
        edit(&mut policy);
        if policy != *self.policy {
            let (path, change) = (path.to_owned(), change.to_owned());
            self.found.push(Mutant { path, change, json: policy.to_string() });
        }
    }
}

/// Whether the order of a list matters.
fn is_ordered(path: &str) -> bool {
    matches!(path, "/healthChecks" | "/environments/sources")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn changes(policy: Value) -> Vec<String> {
        mutants(&policy)
            .into_iter()
            .map(|mutant| format!("{} {}", mutant.path, mutant.change))
            .collect()
    }

    #[test]
    fn a_health_check_loses_and_widens_its_conditions_and_swaps_its_action() {
        let policy = json!({ "apiVersion": "gatepost/v1", "mode": "enforce", "healthChecks": [{
            "match": { "path": { "exact": "/" }, "sources": ["10.0.0.0/8"] },
            "pass": {}
        }] });
        assert_eq!(
            changes(policy),
            [
                "/healthChecks drop the field",
                "/healthChecks/0 drop the entry",
                "/healthChecks/0/match drop the field",
                "/healthChecks/0/match/path drop the field",
                "/healthChecks/0/match/path/exact drop the field",
                "/healthChecks/0/match/path widen the condition",
                "/healthChecks/0/match/sources drop the field",
                "/healthChecks/0/match/sources/0 drop the entry",
                "/healthChecks/0/match/sources/0 widen the block",
                "/healthChecks/0/pass drop the field",
                "/healthChecks/0/pass respond instead",
            ]
        );
    }

    #[test]
    fn each_mutant_has_its_one_change() {
        let policy = json!({ "hosts": { "private": ["*.a.b", "x.c"], "port": "strip" } });
        let changed = |path: &str, change: &str| {
            let of = |mutant: &Mutant| mutant.path == path && mutant.change == change;
            mutants(&policy).into_iter().find(of).map(|mutant| mutant.json).expect("a mutant")
        };
        assert_eq!(
            changed("/hosts/private/0", "widen the pattern"),
            json!({ "hosts": { "private": ["*.b", "x.c"], "port": "strip" } }).to_string()
        );
        assert_eq!(
            changed("/hosts/private/1", "widen the pattern"),
            json!({ "hosts": { "private": ["*.a.b", "*.c"], "port": "strip" } }).to_string()
        );
        assert_eq!(
            changed("/hosts/port", "choose keep"),
            json!({ "hosts": { "private": ["*.a.b", "x.c"], "port": "keep" } }).to_string()
        );
        assert_eq!(
            changed("/hosts/unmapped", "choose reject"),
            json!({
                "hosts": { "private": ["*.a.b", "x.c"], "port": "strip", "unmapped": "reject" }
            })
            .to_string()
        );
    }

    #[test]
    fn each_field_with_a_choice_gets_every_other_one_also_where_it_is_omitted() {
        let policy = json!({
            "environments": { "unknown": "ignore" },
            "hosts": { "responses": "keep", "port": "strip" }
        });
        let chosen: Vec<String> =
            changes(policy).into_iter().filter(|change| change.contains("choose")).collect();
        assert_eq!(
            chosen,
            [
                "/environments/unknown choose reject",
                "/environments/unknown choose default",
                "/environments/vary choose keep",
                "/hosts/unmapped choose reject",
                "/hosts/port choose keep",
                "/hosts/responses choose restore",
            ]
        );
    }

    #[test]
    fn a_preflight_and_a_pin_are_dropped() {
        let sources = json!([{ "query": "env", "pin": { "cookie": "env" } }]);
        let policy = json!({ "environments": { "sources": sources, "preflight": "env1" } });
        let changes = changes(policy);
        let has = |change: &str| changes.iter().any(|known| known == change);
        assert!(has("/environments/sources/0/pin drop the field"), "{changes:#?}");
        assert!(has("/environments/preflight drop the field"), "{changes:#?}");
    }
}
