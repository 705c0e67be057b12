//! What a plain scalar means: the core schema of YAML 1.2.2 (section 10.3.2). So `yes` and `0:30`
//! are text, `0o17` is 15, and the infinities, which JSON cannot hold, are refused.

use crate::tree::{Number, Value};
use serde_json::Number as Json;

/// The value of a plain, untagged scalar, or `None` for an infinity or a NaN.
pub(crate) fn plain(text: &str) -> Option<Value> {
    let value = match text {
        "" | "~" | "null" | "Null" | "NULL" => Value::Null,
        "true" | "True" | "TRUE" => Value::Bool(true),
        "false" | "False" | "FALSE" => Value::Bool(false),
        _ if is_not_finite(text) => return None,
        _ => number(text).map_or_else(|| Value::String(text.to_owned()), Value::Number),
    };
    Some(value)
}

/// The number that a scalar is by the core schema, if it is one.
pub(crate) fn number(text: &str) -> Option<Number> {
    let value = integer(text).or_else(|| float(text))?;
    Some(Number { value, text: text.to_owned() })
}

fn is_not_finite(text: &str) -> bool {
    let unsigned = text.strip_prefix(['+', '-']).unwrap_or(text);
    matches!(unsigned, ".inf" | ".Inf" | ".INF") || matches!(text, ".nan" | ".NaN" | ".NAN")
}

fn integer(text: &str) -> Option<Json> {
    let radix = |digits: &str, radix| match digits.starts_with(['+', '-']) {
        true => None,
        false => u64::from_str_radix(digits, radix).ok().map(Json::from),
    };
    if let Some(digits) = text.strip_prefix("0o") {
        return radix(digits, 8);
    }
    if let Some(digits) = text.strip_prefix("0x") {
        return radix(digits, 16);
    }
    let unsigned = text.strip_prefix('+').unwrap_or(text);
    unsigned.parse::<u64>().map(Json::from).or_else(|_| text.parse::<i64>().map(Json::from)).ok()
}

/// `[-+]? ( \. [0-9]+ | [0-9]+ ( \. [0-9]* )? ) ( [eE] [-+]? [0-9]+ )?`
fn float(text: &str) -> Option<Json> {
    let unsigned = text.strip_prefix(['+', '-']).unwrap_or(text);
    let (mantissa, exponent) = match unsigned.split_once(['e', 'E']) {
        Some((mantissa, exponent)) => {
            (mantissa, Some(exponent.strip_prefix(['+', '-']).unwrap_or(exponent)))
        }
        None => (unsigned, None),
    };
    let digits = |part: &str| part.bytes().all(|byte| byte.is_ascii_digit());
    let (whole, fraction) = mantissa.split_once('.').unwrap_or((mantissa, ""));
    let has_mantissa =
        !(whole.is_empty() && fraction.is_empty()) && digits(whole) && digits(fraction);
    let has_exponent = exponent.is_none_or(|part| !part.is_empty() && digits(part));
    if !has_mantissa || !has_exponent {
        return None;
    }
    text.parse().ok().and_then(Json::from_f64)
}

/// The value of a plain scalar as kubectl reads it. What JSON cannot hold stays text.
pub(crate) fn as_kubectl(text: &str) -> Value {
    match read_by_kubectl(text).as_deref() {
        Some("true") => Value::Bool(true),
        Some("false") => Value::Bool(false),
        theirs => plain(theirs.unwrap_or(text)).unwrap_or_else(|| Value::String(text.to_owned())),
    }
}

/// How kubectl, kustomize and helm read a plain scalar that is something else here, in the form in
/// which they pass it on. Their parsers read YAML 1.1, and numbers as Go does.
pub(crate) fn read_by_kubectl(text: &str) -> Option<String> {
    match text {
        "y" | "Y" | "yes" | "Yes" | "YES" | "on" | "On" | "ON" => return Some("true".to_owned()),
        "n" | "N" | "no" | "No" | "NO" | "off" | "Off" | "OFF" => return Some("false".to_owned()),
        _ => {}
    }
    let theirs = integer_of_go(text)?;
    let ours = integer(text).and_then(|number| number.as_i128());
    (ours != Some(theirs)).then(|| theirs.to_string())
}

/// An integer as Go reads it with any base: `0b1`, `0o7`, `07`, `0x7`, with a sign and with
/// underscores between the digits.
fn integer_of_go(text: &str) -> Option<i128> {
    let (sign, digits) = match text.as_bytes().first()? {
        b'-' => (-1, text.get(1..)?),
        b'+' => (1, text.get(1..)?),
        _ => (1, text),
    };
    let (radix, digits) = match digits.to_ascii_lowercase().as_bytes() {
        [b'0', b'x', ..] => (16, digits.get(2..)?),
        [b'0', b'o', ..] => (8, digits.get(2..)?),
        [b'0', b'b', ..] => (2, digits.get(2..)?),
        [b'0', _, ..] => (8, digits.get(1..)?),
        _ => (10, digits),
    };
    let has_prefix = radix != 10;
    let is_number = has_prefix || digits.starts_with(|first: char| first.is_ascii_digit());
    let digits = digits.replace('_', "");
    let number = i128::from_str_radix(&digits, radix).ok().filter(|_| is_number)?;
    (number <= i128::from(u64::MAX)).then_some(sign * number)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn json(text: &str) -> String {
        match plain(text) {
            Some(Value::Number(number)) => number.value.to_string(),
            Some(other) => other.kind().to_owned(),
            None => "not finite".to_owned(),
        }
    }

    #[test]
    fn words_of_yaml_1_1_are_text() {
        for word in [
            "yes",
            "no",
            "on",
            "off",
            "y",
            "n",
            "1_000",
            "0:30",
            "1.2.3",
            "0b1",
            "2001-01-01",
            "-",
            "+",
            ".",
            "e5",
            "1e",
            "0x",
        ] {
            assert_eq!(json(word), "a string", "{word}");
        }
    }

    #[test]
    fn what_kubectl_reads_in_another_way_is_known() {
        for (text, theirs) in [
            ("no", "false"),
            ("NO", "false"),
            ("n", "false"),
            ("Off", "false"),
            ("yes", "true"),
            ("on", "true"),
            ("Y", "true"),
            ("0310", "200"),
            ("-010", "-8"),
            ("1_000", "1000"),
            ("0b101", "5"),
            ("0x_1F", "31"),
            ("-0x1F", "-31"),
            ("0O17", "15"),
            ("0_7", "7"),
        ] {
            assert_eq!(read_by_kubectl(text).as_deref(), Some(theirs), "{text}");
        }
        for text in [
            "nO",
            "yEs",
            "oN",
            "true",
            "null",
            "~",
            "15",
            "-15",
            "+15",
            "0",
            "0o17",
            "0x1F",
            "089",
            "0:30",
            "1.5",
            "1e3",
            "se",
            "pr-0310",
            "_1",
            "0x",
            "0b2",
            "10.0.0.1",
            "2001-01-01",
            "18446744073709551615",
            "x_1",
        ] {
            assert_eq!(read_by_kubectl(text), None, "{text}");
        }
    }

    #[test]
    fn integers_come_in_three_bases() {
        assert_eq!(
            [json("15"), json("+15"), json("-15"), json("0o17"), json("0xF"), json("007")],
            ["15", "15", "-15", "15", "15", "7"]
        );
        assert_eq!(json("0x-F"), "a string");
        assert_eq!(json("18446744073709551615"), "18446744073709551615");
    }

    #[test]
    fn floats_are_finite_or_refused() {
        assert_eq!(
            [json("1.0"), json(".5"), json("1."), json("1e3"), json("-1.5E-1")],
            ["1.0", "0.5", "1.0", "1000.0", "-0.15"]
        );
        assert_eq!([json(".inf"), json("-.INF"), json(".nan")], ["not finite"; 3]);
        assert_eq!(json("inf"), "a string");
        assert_eq!(
            json("1e999"),
            "a string",
            "beyond a double, and no number that JSON readers agree on"
        );
    }

    #[test]
    fn null_and_booleans_have_three_spellings_each() {
        assert_eq!([json("null"), json("~"), json(""), json("NULL")], ["nothing"; 4]);
        assert_eq!([json("true"), json("False")], ["a boolean"; 2]);
        assert_eq!(json("nULL"), "a string");
    }
}
