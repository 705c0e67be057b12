//! What a policy protected and the next one does not. A reload that lifts a protection may be
//! meant; it is said, so that nobody has to find it out from what reaches an upstream.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::Value;

/// The protections of `old` that `new` does not have, each as the end of "the new policy no
/// longer …". Both are plugin configurations that the filter accepted.
pub fn lost(old: &str, new: &str) -> Vec<String> {
    let read = |json: &str| serde_json::from_str::<Value>(json).unwrap_or_default();
    let (old, new) = (read(old), read(new));
    let mut lost = Vec::new();
    let enforces = |policy: &Value| policy["mode"] != "observe";
    if enforces(&old) && !enforces(&new) {
        lost.push("enforces anything: its mode is observe".to_owned());
    }
    let mut names = |what: &str, old: BTreeSet<String>, new: &BTreeSet<String>| {
        lost.extend(old.difference(new).map(|name| format!("{what} `{name}`")));
    };
    let private = |policy: &Value| texts(&policy["hosts"]["private"]);
    names("refuses the private host", private(&old), &private(&new));
    names("guards the header", guarded(&old), &guarded(&new));
    lost.extend(settings(&old, &new));
    lost.extend(conditions(&old, &new));
    lost
}

/// The headers that a client cannot set.
fn guarded(policy: &Value) -> BTreeSet<String> {
    let mut names = texts(&policy["strip"]);
    names.extend(keys(&policy["environments"]["hints"]["headers"]));
    names.extend(policy["hosts"]["originalHost"].as_str().map(ToOwned::to_owned));
    names.into_iter().map(|name| name.to_ascii_lowercase()).collect()
}

/// Settings that refuse what their other values let through.
fn settings(old: &Value, new: &Value) -> Vec<String> {
    let mut lost = Vec::new();
    let rejects = |policy: &Value, section: &str, field: &str, default: &str| {
        let section = &policy[section];
        section.is_object() && section[field].as_str().unwrap_or(default) == "reject"
    };
    if rejects(old, "environments", "unknown", "reject")
        && !rejects(new, "environments", "unknown", "reject")
    {
        lost.push("refuses unknown environments".to_owned());
    }
    if rejects(old, "hosts", "unmapped", "pass") && !rejects(new, "hosts", "unmapped", "pass") {
        lost.push("refuses hosts without a mapping".to_owned());
    }
    let allow = |policy: &Value| policy["environments"]["allow"].is_array();
    if allow(old) && !allow(new) {
        lost.push("limits environments to a list".to_owned());
    }
    lost
}

/// The conditions of health checks that are in both policies: each narrows who is taken for a
/// probe.
fn conditions(old: &Value, new: &Value) -> Vec<String> {
    let checks = |policy: &Value| -> BTreeMap<String, Value> {
        let checks = policy["healthChecks"].as_array().map(Vec::as_slice).unwrap_or_default();
        let named = |check: &Value| Some((check["name"].as_str()?.to_owned(), check.clone()));
        checks.iter().filter_map(named).collect()
    };
    let new = checks(new);
    let mut lost = Vec::new();
    for (name, check) in checks(old) {
        let Some(now) = new.get(&name) else { continue };
        let conditions = keys(&check["match"]);
        lost.extend(
            conditions
                .difference(&keys(&now["match"]))
                .map(|condition| format!("asks for `{condition}` in the health check `{name}`")),
        );
        // A list of sources that grew, or another user agent, takes other requests.
        lost.extend(conditions.intersection(&keys(&now["match"])).filter_map(|condition| {
            let (before, now) = (&check["match"][condition], &now["match"][condition]);
            let is_weaker = match condition.as_str() {
                "sources" => !texts(now).is_subset(&texts(before)),
                "absentHeaders" => !texts(before).is_subset(&texts(now)),
                _ => before != now,
            };
            is_weaker
                .then(|| format!("asks for the same `{condition}` in the health check `{name}`"))
        }));
    }
    lost
}

/// The texts of a list.
fn texts(list: &Value) -> BTreeSet<String> {
    let items = list.as_array().map(Vec::as_slice).unwrap_or_default();
    items.iter().filter_map(|item| item.as_str().map(ToOwned::to_owned)).collect()
}

fn keys(object: &Value) -> BTreeSet<String> {
    object.as_object().map(|object| object.keys().cloned().collect()).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    const OLD: &str = r#"{
        "apiVersion": "gatepost/v1",
        "healthChecks": [{ "name": "lb", "match": {
            "userAgent": { "prefix": "GoogleHC" }, "sources": ["35.191.0.0/16"],
            "absentHeaders": ["via"] }, "pass": {} }],
        "strip": ["X-Secret"],
        "environments": { "allow": ["a"], "hints": { "headers": { "x-env": "{env}" } } },
        "hosts": { "private": ["*.svc", "10.0.0.0/8"], "unmapped": "reject",
                   "originalHost": "x-original" }
    }"#;

    fn lost_with(change: impl Fn(&mut Value)) -> Vec<String> {
        let mut new = serde_json::from_str(OLD).unwrap();
        change(&mut new);
        lost(OLD, &new.to_string())
    }

    #[test]
    fn the_same_policy_loses_nothing_and_a_stricter_one_neither() {
        assert_eq!(lost_with(|_| {}), [""; 0]);
        let stricter = |new: &mut Value| {
            new["strip"] = serde_json::json!(["x-secret", "x-more"]);
            new["hosts"]["private"] = serde_json::json!(["*.svc", "10.0.0.0/8", "a"]);
            new["healthChecks"][0]["match"]["method"] = serde_json::json!({ "exact": "GET" });
        };
        assert_eq!(lost_with(stricter), [""; 0]);
    }

    #[test]
    fn each_protection_that_is_gone_is_named() {
        let take = |new: &mut Value, path: &[&str], field: &str| {
            let section = path.iter().fold(new, |value, name| &mut value[*name]);
            section.as_object_mut().unwrap().remove(field);
        };
        let cases: [(&[&str], &str, &[&str]); 6] = [
            (&[], "strip", &["guards the header `x-secret`"]),
            (
                &["hosts"],
                "private",
                &["refuses the private host `*.svc`", "refuses the private host `10.0.0.0/8`"],
            ),
            (&["hosts"], "unmapped", &["refuses hosts without a mapping"]),
            (&["hosts"], "originalHost", &["guards the header `x-original`"]),
            (&["environments"], "allow", &["limits environments to a list"]),
            (&["environments", "hints"], "headers", &["guards the header `x-env`"]),
        ];
        for (path, field, gone) in cases {
            let found = lost_with(|new| take(new, path, field));
            assert_eq!(found.len(), gone.len(), "{field}: {found:?}");
            assert!(gone.iter().all(|gone| found.contains(&(*gone).to_owned())), "{found:?}");
        }
        assert_eq!(
            lost_with(|new| new["mode"] = "observe".into()),
            ["enforces anything: its mode is observe"]
        );
        assert_eq!(
            lost_with(|new| new["environments"]["unknown"] = "ignore".into()),
            ["refuses unknown environments"]
        );
    }

    #[test]
    fn a_health_check_that_takes_more_is_named() {
        let matching = |new: &mut Value, field: &str, value: Value| {
            new["healthChecks"][0]["match"][field] = value;
        };
        for (field, value) in [
            ("sources", serde_json::json!(["35.191.0.0/16", "0.0.0.0/0"])),
            ("absentHeaders", serde_json::json!([])),
            ("userAgent", serde_json::json!({ "prefix": "G" })),
        ] {
            assert_eq!(
                lost_with(|new| matching(new, field, value.clone())),
                [format!("asks for the same `{field}` in the health check `lb`")]
            );
            let found = lost_with(|new| {
                new["healthChecks"][0]["match"].as_object_mut().unwrap().remove(field);
            });
            assert_eq!(found, [format!("asks for `{field}` in the health check `lb`")]);
        }
    }
}
