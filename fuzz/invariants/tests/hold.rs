//! The invariants, tested with inputs made of the words in the fuzz targets' dictionaries and of
//! arbitrary bytes.

use gatepost_invariants::case::{CHANGES, POLICIES};
use gatepost_invariants::{authority, case, compile};
use proptest::prelude::*;
use proptest::sample::select;

/// The words of a dictionary: the text between the quotes of each line.
fn words(dictionary: &str) -> Vec<Vec<u8>> {
    let quoted = dictionary
        .lines()
        .filter(|line| !line.starts_with('#'))
        .filter_map(|line| line.strip_prefix('"')?.strip_suffix('"'));
    let words: Vec<Vec<u8>> = quoted.map(unescaped).collect();
    assert!(words.len() > 10, "{} words", words.len());
    words
}

/// A word as libFuzzer reads it: `\"`, `\\` and `\xHH` are escapes.
fn unescaped(word: &str) -> Vec<u8> {
    let mut bytes = Vec::new();
    let mut rest = word;
    while let Some((before, after)) = rest.split_once('\\') {
        bytes.extend(before.bytes());
        let (byte, end) = match after.strip_prefix('x') {
            Some(digits) => {
                (u8::from_str_radix(&digits[..2], 16).expect("two digits"), &digits[2..])
            }
            None => (after.as_bytes()[0], &after[1..]),
        };
        bytes.push(byte);
        rest = end;
    }
    bytes.extend(rest.bytes());
    bytes
}

/// A sequence of words and arbitrary bytes.
fn text(words: Vec<Vec<u8>>, pieces: usize) -> impl Strategy<Value = Vec<u8>> {
    let piece = prop_oneof![6 => select(words), 1 => prop::collection::vec(any::<u8>(), 0..4)];
    prop::collection::vec(piece, 0..pieces).prop_map(|pieces| pieces.concat())
}

const AUTHORITY: &str = include_str!("../../dictionaries/authority.dict");
const COMPILE: &str = include_str!("../../dictionaries/compile.dict");
const CASE: &str = include_str!("../../dictionaries/case.dict");

/// The first two lines of a case.
fn head() -> impl Strategy<Value = Vec<u8>> {
    let changes = prop::sample::subsequence(CHANGES.map(|(word, _)| word).to_vec(), 0..4);
    (
        select(POLICIES.map(|(name, _)| name).to_vec()),
        changes,
        select(vec!["", "10.0.0.1:1", "[2001:db8::1]:1"]),
    )
        .prop_map(|(policy, changes, source)| {
            format!("{policy} {}\n{source}\n", changes.join(" ")).into_bytes()
        })
}

/// A header that a policy uses, with a value made of words.
fn line() -> impl Strategy<Value = Vec<u8>> {
    let names = [
        ":authority",
        ":path",
        ":method",
        "env",
        "cookie",
        "baggage",
        "x-env",
        "k-hash",
        "x-original",
        "user-agent",
        "via",
    ];
    (select(names.to_vec()), text(words(AUTHORITY), 5))
        .prop_map(|(name, value)| [name.as_bytes(), b": ", &value, b"\n"].concat())
}

/// A header of a response that may change, with a value made of words.
fn response() -> impl Strategy<Value = Vec<u8>> {
    let names = ["location", "content-location", "refresh", "set-cookie", "vary", "link"];
    (select(names.to_vec()), text(words(CASE), 5)).prop_map(|(name, value)| {
        let value: Vec<u8> = value.into_iter().filter(|byte| *byte != b'\n').collect();
        [name.as_bytes(), b": ", &value, b"\n"].concat()
    })
}

proptest! {
    #![proptest_config(ProptestConfig {
        cases: 4_000,
        failure_persistence: None,
        ..ProptestConfig::default()
    })]

    #[test]
    fn every_invariant_of_an_authority_holds_for_any_bytes(raw in text(words(AUTHORITY), 8)) {
        authority::holds(&raw);
    }

    #[test]
    fn every_invariant_of_a_configuration_holds_for_any_bytes(
        configuration in text(words(COMPILE), 40),
    ) {
        compile::holds(&configuration);
    }

    #[test]
    fn every_invariant_of_a_decision_holds_for_any_request(
        head in head(),
        lines in prop::collection::vec(line(), 0..6),
        rest in text(words(CASE), 8),
    ) {
        case::holds(&[head, lines.concat(), rest].concat());
    }

    #[test]
    fn every_invariant_of_a_response_holds_for_any_bytes(
        head in head(),
        lines in prop::collection::vec(line(), 0..6),
        response in prop::collection::vec(response(), 0..5),
        rest in text(words(CASE), 8),
    ) {
        let response = [b"\n".to_vec(), response.concat(), rest].concat();
        case::response_holds(&[head, lines.concat(), response].concat());
    }
}

#[test]
fn every_policy_and_every_change_of_a_case_is_in_the_dictionary() {
    let words = words(CASE);
    for name in POLICIES.iter().map(|(name, _)| *name).chain(CHANGES.iter().map(|(word, _)| *word))
    {
        assert!(words.iter().any(|word| word == name.as_bytes()), "{name}");
    }
}
