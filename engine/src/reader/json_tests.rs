//! The reader is held to `serde_json`: both take the same documents, find the same in them, and
//! name the same line and column. They differ in this:
//!
//! - `serde_json` takes a value that nobody asked for almost as it stands: its depth, its bytes
//!   that are no UTF-8, and its lone surrogates are not looked at. Here it is as wrong as any
//!   other.
//! - A number too large for a double is an error of syntax there, and a number like any other here.
//! - A fraction that no double holds is rounded there, and a fraction here.
//! - Of an escape `\uXXXX` they name the last byte, and here it is the one that is wrong.
//! - A line end that stands where none may belongs to the line that it ends; there, to column 0 of
//!   the next.

use alloc::string::{String, ToString};
use alloc::vec::Vec;

use fastrand::Rng;
use proptest::prelude::*;

use super::json::read;
use super::{Broken, Given, Number, Scalar};

/// What a document holds, with its numbers as a policy takes them.
#[derive(Debug, PartialEq)]
enum Tree {
    Text(String),
    Number(Number),
    Flag(bool),
    Null,
    List(Vec<Tree>),
    Object(Vec<(String, Tree)>),
}

fn tree(given: Given<'_>) -> Result<Tree, Broken> {
    Ok(match given {
        Given::Scalar(Scalar::Text(text)) => Tree::Text(text.into()),
        Given::Scalar(Scalar::Number(number)) => Tree::Number(number),
        Given::Scalar(Scalar::Flag(flag)) => Tree::Flag(flag),
        Given::Scalar(Scalar::Null) => Tree::Null,
        Given::List(list) => {
            let mut elements = Vec::new();
            while list.next(&mut |given| tree(given).map(|tree| elements.push(tree)))? {}
            Tree::List(elements)
        }
        Given::Object(object) => {
            let (mut entries, mut key) = (Vec::new(), String::new());
            while object.next_key(&mut |name| name.clone_into(&mut key))? {
                object.value(&mut |given| {
                    tree(given).map(|tree| entries.push((key.clone(), tree)))
                })?;
            }
            Tree::Object(entries)
        }
    })
}

fn ours(document: &[u8]) -> Result<Tree, String> {
    let mut found = None;
    read(document, &mut |given| {
        found = Some(tree(given)?);
        Ok(())
    })?;
    Ok(found.expect("a document holds a value"))
}

/// The same document as serde's bridge sees it.
fn theirs(document: &[u8]) -> Result<Tree, serde_json::Error> {
    let mut json = serde_json::Deserializer::from_slice(document);
    let mut found = None;
    super::read_serde(&mut json, &mut |given| {
        found = Some(tree(given)?);
        Ok(())
    })?;
    json.end()?;
    Ok(found.expect("a document holds a value"))
}

/// Passing over a document must judge it as reading does.
fn skipped(document: &[u8]) -> Result<(), String> {
    read(document, &mut |given| match given {
        Given::Scalar(_) => Ok(()),
        Given::List(list) => {
            while list.skip()? {}
            Ok(())
        }
        Given::Object(object) => object.skip_rest(),
    })
}

/// Everything that holds of any bytes.
fn agree(document: &[u8]) {
    let shown = || String::from_utf8_lossy(document).into_owned();
    let (ours, theirs) = (ours(document), theirs(document));
    assert_eq!(
        skipped(document),
        ours.as_ref().map(drop).map_err(Clone::clone),
        "{}: passed over otherwise than read",
        shown()
    );
    // A reader that asks for nothing gets the same judgement.
    assert_eq!(read(document, &mut |_| Ok(())), skipped(document), "{}", shown());
    match (ours, theirs) {
        (Ok(ours), Ok(mut theirs)) => {
            if rounds(document) {
                forgive_rounding(&ours, &mut theirs);
            }
            assert_eq!(ours, theirs, "{}", shown());
        }
        (Err(ours), Err(theirs)) => {
            let at = format!("at line {} column {}", theirs.line(), theirs.column());
            let is_alike = core::str::from_utf8(document).is_ok()
                && theirs.column() != 0
                && !out_of_range(&theirs);
            let is_alike =
                is_alike && !ours.starts_with("expected four") && !ours.starts_with("half of");
            assert!(!is_alike || ours.ends_with(&at), "{}: {ours}, and {theirs}", shown());
        }
        (Ok(_), Err(theirs)) if out_of_range(&theirs) => {}
        (ours, theirs) => panic!("{}: {ours:?}, but {theirs:?}", shown()),
    }
}

/// Whether a number may be in it that a double rounds: one of more digits than a double holds, or
/// an exponent below its least.
fn rounds(document: &[u8]) -> bool {
    let is_long = |digits: &[u8]| digits.iter().filter(|byte| **byte != b'.').count() > 15;
    let mut numbers = document.split(|byte| !byte.is_ascii_digit() && *byte != b'.');
    let mut exponents = document.split(|byte| matches!(byte, b'e' | b'E')).skip(1);
    numbers.any(is_long)
        || exponents.any(|rest| {
            rest.strip_prefix(b"-")
                .is_some_and(|rest| rest.iter().take_while(|b| b.is_ascii_digit()).count() > 2)
        })
}

/// Takes a whole number for the fraction that was rounded to it.
fn forgive_rounding(ours: &Tree, theirs: &mut Tree) {
    match (ours, theirs) {
        (Tree::Number(Number::Fraction), Tree::Number(rounded)) => *rounded = Number::Fraction,
        (Tree::List(ours), Tree::List(theirs)) => {
            ours.iter().zip(theirs).for_each(|(ours, theirs)| forgive_rounding(ours, theirs));
        }
        (Tree::Object(ours), Tree::Object(theirs)) => {
            ours.iter()
                .zip(theirs)
                .for_each(|((_, ours), (_, theirs))| forgive_rounding(ours, theirs));
        }
        _ => {}
    }
}

fn out_of_range(error: &serde_json::Error) -> bool {
    error.to_string().contains("out of range")
}

fn error(document: &str) -> String {
    ours(document.as_bytes()).expect_err(document)
}

#[test]
fn a_document_says_what_it_holds() {
    let document =
        r#" { "a" : [ 1 , -2.0 , "b" ] , "a" : { } , "" : [ ] , "c" : [ true , false , null ] } "#;
    let (text, number) =
        (|text: &str| Tree::Text(text.into()), |number| Tree::Number(Number::Integer(number)));
    let expected = Tree::Object(vec![
        ("a".into(), Tree::List(vec![number(1), number(-2), text("b")])),
        ("a".into(), Tree::Object(vec![])),
        (String::new(), Tree::List(vec![])),
        ("c".into(), Tree::List(vec![Tree::Flag(true), Tree::Flag(false), Tree::Null])),
    ]);
    assert_eq!(ours(document.as_bytes()), Ok(expected));
}

#[test]
fn every_escape_stands_for_its_letter() {
    let document = r#""\"\\\/\b\f\n\r\t\u0041\u00e9\u20AC\ud83d\uDE00 plain \u0000""#;
    assert_eq!(
        ours(document.as_bytes()),
        Ok(Tree::Text("\"\\/\x08\x0c\n\r\tAé€😀 plain \0".into()))
    );
}

#[test]
fn half_of_a_surrogate_pair_is_refused() {
    for document in [
        r#""\ud83d""#,
        r#""\ude00""#,
        r#""\ud83d\ud83d""#,
        r#""\ud83dx""#,
        r#""\ud83d\n""#,
        r#""\udbff\u0041""#,
    ] {
        assert!(
            error(document).starts_with("half of a surrogate pair at line 1 column "),
            "{document}: {}",
            error(document)
        );
        agree(document.as_bytes());
    }
}

#[test]
fn what_is_wrong_is_told_in_plain_words_with_its_line_and_column() {
    for (document, expected) in [
        ("", "the document ends early at line 1 column 1"),
        ("{\n  \"a\": [1,\n", "the document ends early at line 3 column 1"),
        ("\"abc", "the document ends early at line 1 column 4"),
        ("apiVersion: x", "no JSON value begins so at line 1 column 1"),
        ("{\n  'a': 1 }", "expected a field's name in double quotes at line 2 column 3"),
        ("{ \"a\" 1 }", "expected `:` behind the field's name at line 1 column 7"),
        ("{ \"a\": 1 \"b\": 2 }", "expected `,` or `}` at line 1 column 10"),
        ("[1 2]", "expected `,` or `]` at line 1 column 4"),
        ("[1,\n]", "a comma before the end of a list or an object at line 2 column 1"),
        ("[1,,2]", "no JSON value begins so at line 1 column 4"),
        ("nul1", "no JSON value begins so at line 1 column 4"),
        ("01", "no valid number at line 1 column 2"),
        ("[1.]", "no valid number at line 1 column 4"),
        ("\"a\tb\"", "a control character in a string, which must be escaped at line 1 column 3"),
        ("\"a\nb\"", "a control character in a string, which must be escaped at line 1 column 3"),
        ("\"\\x\"", "no such escape in a string at line 1 column 3"),
        ("\"\\u12g4\"", "expected four hexadecimal digits behind `\\u` at line 1 column 6"),
        ("{} }", "something stands behind the document's end at line 1 column 4"),
    ] {
        assert_eq!(error(document), expected, "{document}");
    }
}

#[test]
fn bytes_that_are_no_utf_8_are_named_where_they_stand() {
    for (document, column) in [
        (&b"{\n \"a\": \"b\xff\" }"[..], 9),
        (b"{\n \"\\n\": \"\xc3\" }", 9),
        (b"{\n       \xff", 8),
        (b"{\n\"a\":10 \x80", 8),
        (b"\n{} \xff", 4),
    ] {
        assert_eq!(
            ours(document),
            Err(format!("a byte that is no UTF-8 at line 2 column {column}")),
            "{document:?}"
        );
        agree(document);
    }
}

#[test]
fn lists_and_objects_may_be_nested_127_times_and_no_more() {
    for (open, close) in [("[", "]"), ("{\"a\":", "}")] {
        let nested = |depth| format!("{}1{}", open.repeat(depth), close.repeat(depth));
        assert!(ours(nested(127).as_bytes()).is_ok());
        let column = open.len() * 127 + 1;
        assert_eq!(
            error(&nested(128)),
            format!("lists and objects are nested too deeply at line 1 column {column}")
        );
        [126, 127, 128, 129].iter().for_each(|depth| agree(nested(*depth).as_bytes()));
        let unclosed = open.repeat(100_000);
        assert_eq!(skipped(unclosed.as_bytes()), Err(error(&nested(128))));
    }
}

#[test]
fn a_number_is_what_it_is_worth() {
    for (number, expected) in [
        ("0", Number::Integer(0)),
        ("-0.0e5", Number::Integer(0)),
        ("200.0", Number::Integer(200)),
        ("2.00E+2", Number::Integer(200)),
        ("20000e-2", Number::Integer(200)),
        ("0.002e5", Number::Integer(200)),
        ("-12.5e1", Number::Integer(-125)),
        ("200.5", Number::Fraction),
        ("9223372036854775807", Number::Integer(i64::MAX)),
        ("-9223372036854775808", Number::Integer(i64::MIN)),
        ("9223372036854775808", Number::Huge),
        ("9007199254740992.0", Number::Integer(1 << 53)),
        ("9007199254740994.0", Number::Huge),
        ("1e16", Number::Huge),
        ("1e300", Number::Huge),
        ("0e99999999999999999999", Number::Integer(0)),
    ] {
        assert_eq!(ours(number.as_bytes()), Ok(Tree::Number(expected)), "{number}");
        agree(number.as_bytes());
    }
    assert_eq!(ours(b"1e999"), Ok(Tree::Number(Number::Huge)));
}

/// A document, with everything in it that JSON has.
fn document(random: &mut Rng, depth: u32, text: &mut String) {
    const SPACE: [&str; 5] = ["", "", "", " ", "\n\t\r "];
    const STRINGS: [&str; 9] =
        ["a", "", "host", "b c", r"\n", r"\u00fc", r"\ud83d\ude00", "ü😀", r#"\"\\\/"#];
    const SCALARS: [&str; 12] = [
        "true",
        "false",
        "null",
        "0",
        "-1",
        "200.0",
        "2e2",
        "0.5",
        "-0.0",
        "1E-3",
        "123456789012",
        "1e999",
    ];
    fn string(random: &mut Rng, text: &mut String) {
        text.push('"');
        (0..random.u32(0..4)).for_each(|_| text.push_str(STRINGS[random.usize(0..STRINGS.len())]));
        text.push('"');
    }
    let space =
        |random: &mut Rng, text: &mut String| text.push_str(SPACE[random.usize(0..SPACE.len())]);
    space(random, text);
    match random.u32(0..if depth == 0 { 3 } else { 6 }) {
        0 => text.push_str(SCALARS[random.usize(0..SCALARS.len())]),
        1 | 2 => string(random, text),
        list @ 3 => members(random, depth, text, list == 4),
        other => members(random, depth, text, other > 3),
    }
    space(random, text);

    fn members(random: &mut Rng, depth: u32, text: &mut String, is_object: bool) {
        text.push(if is_object { '{' } else { '[' });
        for number in 0..random.u32(0..4) {
            text.push_str(if number > 0 { "," } else { "" });
            if is_object {
                string(random, text);
                text.push(':');
            }
            document(random, depth - 1, text);
        }
        text.push(if is_object { '}' } else { ']' });
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(2_000))]

    #[test]
    fn a_generated_document_is_read_as_serde_json_reads_it(seed: u64) {
        let mut text = String::new();
        document(&mut Rng::with_seed(seed), 5, &mut text);
        agree(text.as_bytes());
    }

    #[test]
    fn a_damaged_document_is_judged_as_serde_json_judges_it(seed: u64) {
        let random = &mut Rng::with_seed(seed);
        let mut text = String::new();
        document(random, 4, &mut text);
        let mut bytes = text.into_bytes();
        for _ in 0..random.u32(1..4) {
            const BYTES: &[u8] = b"\"\\{}[]:,0123456789.eE+-truefalsn \n\x00\x1f\x7f\x80\xc3\xff";
            let (at, byte) = (random.usize(0..=bytes.len()), BYTES[random.usize(0..BYTES.len())]);
            match (random.u32(0..4), at < bytes.len()) {
                (0, true) => drop(bytes.remove(at)),
                (1, true) => bytes[at] = byte,
                (2, _) => bytes.truncate(at),
                _ => bytes.insert(at, byte),
            }
        }
        agree(&bytes);
    }

    #[test]
    fn a_number_is_read_as_serde_json_reads_it(number in "-?[0-9]{1,4}(\\.[0-9]{1,4})?([eE][+-]?[0-9]{1,2})?") {
        agree(number.as_bytes());
    }

    #[test]
    fn any_bytes_are_judged_as_serde_json_judges_them(bytes: Vec<u8>, text in "[\\[\\]{}\":,0-9a-f\\\\u \n.-]{0,40}") {
        agree(&bytes);
        agree(text.as_bytes());
    }
}

#[test]
fn a_fraction_that_no_double_holds_is_still_a_fraction() {
    // serde_json rounds them.
    for (number, rounded) in [("200.00000000000000000001", 200), ("1e-400", 0)] {
        assert_eq!(ours(number.as_bytes()), Ok(Tree::Number(Number::Fraction)));
        assert_eq!(
            theirs(number.as_bytes()).expect(number),
            Tree::Number(Number::Integer(rounded))
        );
        agree(format!(r#"{{"a": [{number}, 200]}}"#).as_bytes());
    }
}
