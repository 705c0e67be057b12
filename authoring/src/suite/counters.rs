//! The counters of Gatepost that a test may name.

use gatepost_diagnostics::suggest;

/// The counters whose names are fixed.
const COUNTERS: &[&str] = &[
    "gatepost.environment.selected",
    "gatepost.environment.default",
    "gatepost.environment.unknown",
    "gatepost.environment.rejected",
    "gatepost.environment.preflight",
    "gatepost.environment.pinned",
    "gatepost.host.mapped",
    "gatepost.host.private",
    "gatepost.host.invalid",
    "gatepost.host.unmapped",
    "gatepost.response.restored",
];

/// The counters of health checks begin so, and end with the check's name.
const HEALTH_CHECK: &str = "gatepost.health_check.";

/// Whether the filter can have a counter of that name.
pub(super) fn is_counter(name: &str) -> bool {
    let check = |name: &str| {
        (1..=63).contains(&name.len())
            && name.bytes().all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'-')
    };
    COUNTERS.contains(&name) || name.strip_prefix(HEALTH_CHECK).is_some_and(check)
}

/// What to write instead of a name that is no counter's.
pub(super) fn help(name: &str) -> String {
    if name.starts_with(HEALTH_CHECK) {
        return format!(
            "`{HEALTH_CHECK}` is followed by a health check's name: 1 to 63 of a-z, 0-9 and `-`"
        );
    }
    suggest(name, COUNTERS)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_counters_known_here_are_those_of_the_engine() {
        let policy = br#"{
            "apiVersion": "gatepost/v1",
            "healthChecks": [
                { "name": "gclb", "match": { "method": { "exact": "GET" } }, "pass": {} }
            ],
            "environments": { "default": "env1", "hints": { "headers": { "x-env": "{env}" } } }
        }"#;
        let policy = gatepost_engine::compile_json(policy).expect("a good policy");
        let names: Vec<String> = policy.counters().into_iter().map(|(_, name)| name).collect();
        assert!(names.iter().all(|name| is_counter(name)), "{names:?}");
        assert!(COUNTERS.iter().all(|name| names.iter().any(|known| known == name)), "{names:?}");
        assert!(!is_counter("gatepost.health_check."));
    }
}
