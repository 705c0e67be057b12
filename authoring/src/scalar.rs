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
