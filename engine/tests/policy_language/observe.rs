//! "mode: enforce, or observe: decide and count, change nothing." The engine decides in the same
//! way in both modes. The filter, which carries decisions out, reads the mode and leaves the
//! request alone in `observe`.

use gatepost_engine::{Mode, Policy};

use crate::vocabulary::{error, get, policy};

fn in_mode(mode: &str) -> Policy {
    policy(&format!(
        r#"{{ {mode} "hosts": {{
          "private": ["*.svc"],
          "mappings": [{{ "host": "a.test", "authority": "b.test" }}]
        }} }}"#
    ))
}

#[test]
fn mode_is_enforce_unless_the_policy_says_observe() {
    assert_eq!(in_mode("").mode(), Mode::Enforce);
    assert_eq!(in_mode(r#""mode": "enforce","#).mode(), Mode::Enforce);
    assert_eq!(in_mode(r#""mode": "observe","#).mode(), Mode::Observe);
}

#[test]
fn observe_decides_and_counts_as_enforce_does() {
    let (enforce, observe) = (in_mode(""), in_mode(r#""mode": "observe","#));
    for policy in [&enforce, &observe] {
        get("A.test")
            .decided_by(policy)
            .forwards_authority("b.test")
            .counts(&["gatepost.host.mapped"]);
        get("a.svc")
            .decided_by(policy)
            .replies(404, "gatepost.host.private")
            .counts(&["gatepost.host.private"]);
        get("a b")
            .decided_by(policy)
            .replies(400, "gatepost.host.invalid")
            .counts(&["gatepost.host.invalid"]);
    }
    assert_eq!(enforce.counters(), observe.counters());
}

#[test]
fn another_mode_is_an_error() {
    assert_eq!(
        error(r#"{ "mode": "observed" }"#),
        "mode: `observed` is no choice here; did you mean `observe`?"
    );
}
