//! Compares recorded hostcalls with the hostcalls that a test lists.

use gatepost_host::{Recorded, RecordedEvent, Value};

use super::model::Hostcall;

/// Whether a recorded call is the expected one. Arguments that the test does not name may be
/// anything.
pub(super) fn fits(expected: &Hostcall, effect: &Recorded) -> bool {
    let RecordedEvent::Called { hostcall, arguments, status, .. } = &effect.event else {
        return false;
    };
    *hostcall == expected.call.value
        && expected.status.as_ref().is_none_or(|want| *want == format!("{status:?}"))
        && expected
            .arguments
            .iter()
            .all(|(name, matcher)| matcher.matches(arguments.get(name).map(bytes).as_deref()))
}

/// Whether a recorded call is of the same hostcall.
pub(super) fn has_name(expected: &Hostcall, effect: &Recorded) -> bool {
    let RecordedEvent::Called { hostcall, .. } = &effect.event else { return false };
    *hostcall == expected.call.value
}

/// A value as a test writes it.
fn bytes(value: &Value) -> Vec<u8> {
    match value {
        Value::Number(number) => number.to_string().into_bytes(),
        Value::Truth(truth) => truth.to_string().into_bytes(),
        Value::Word(word) => word.as_bytes().to_vec(),
        Value::Text(text) => text.as_bytes().to_vec(),
        Value::Pairs(pairs) => pairs
            .iter()
            .map(|(name, value)| format!("{name}: {value}"))
            .collect::<Vec<_>>()
            .join("\n")
            .into_bytes(),
    }
}

/// A hostcall that was made, in words.
pub(super) fn event(effect: &Recorded) -> String {
    effect.event.to_string().trim_start().to_owned()
}

/// A hostcall in words.
pub(super) fn show(expected: &Hostcall) -> String {
    let arguments: Vec<String> =
        expected.arguments.iter().map(|(name, matcher)| format!("{name}: {matcher}")).collect();
    let status = expected.status.as_ref().map(|status| format!(" = {status}")).unwrap_or_default();
    format!("{}({}){status}", expected.call.value, arguments.join(", "))
}
