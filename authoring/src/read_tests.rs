//! Tests of the reader: each text, and what is said about it.

use super::*;

fn reading(text: &str) -> (Source, Reading) {
    let source = Source::new("policy.yaml", text);
    let reading = read(&source);
    (source, reading)
}

/// Each error as `line:column path: message`.
fn errors(text: &str) -> Vec<String> {
    let one = |error: &Diagnostic| {
        let at = error.location.as_ref().expect("a place").start;
        let path = error.path.as_deref().unwrap_or_default();
        format!("{}:{} {path}: {}", at.line, at.column, error.message)
    };
    reading(text).1.errors.iter().map(one).collect()
}

/// The codes of a reading's errors.
fn codes(reading: &Reading) -> Vec<&'static str> {
    reading.errors.iter().map(|error| error.code).collect()
}

fn json(text: &str) -> String {
    let (_, reading) = reading(text);
    assert_eq!(reading.errors, [], "{text:?}");
    reading.root.expect("a root").to_json()
}

#[test]
fn yaml_and_json_give_the_same_tree() {
    assert_eq!(json("a:\n- b: 1\n  c: \"yes\"\n- ~\n"), r#"{"a":[{"b":1,"c":"yes"},null]}"#);
    assert_eq!(
        json("{\n\t\"a\":[{\"b\":1,\"c\":\"yes\"},null]}"),
        r#"{"a":[{"b":1,"c":"yes"},null]}"#
    );
}

#[test]
fn json_escapes_mean_what_they_mean_in_json() {
    assert_eq!(json(r#"{"a":"\/\ud83d\ude00é\t"}"#), "{\"a\":\"/😀é\\t\"}");
}

#[test]
fn a_json_key_may_be_long() {
    let key = "k".repeat(5000);
    assert_eq!(json(&format!("{{\"{key}\":1}}")), format!("{{\"{key}\":1}}"));
}

#[test]
fn byte_order_marks_carriage_returns_and_document_markers_are_no_content() {
    assert_eq!(json("\u{feff}a: 1\r\nb: two\r\n"), r#"{"a":1,"b":"two"}"#);
    assert_eq!(json("%YAML 1.2\n---\na: 1\n...\n"), r#"{"a":1}"#);
}

#[test]
fn an_empty_file_is_null() {
    for text in ["", "\n\n", "# nothing yet\n", "---\n", "\u{feff}"] {
        assert_eq!(json(text), "null", "{text:?}");
    }
}

#[test]
fn quoted_and_tagged_scalars_keep_their_type() {
    assert_eq!(
        json("- '1'\n- !!str 1\n- !!int '1'\n- \"null\"\n- ! 2\n"),
        r#"["1","1",1,"null","2"]"#
    );
    assert_eq!(
        errors("- !!int x\n- !env a\n- .inf\n- !!map []\n"),
        [
            "1:9 [0]: this is no `!!int`",
            "2:3 [1]: the tag `!env` is not known here",
            "3:3 [2]: `.inf` is a number that JSON cannot hold",
            "4:3 [3]: this is no `!!map`",
        ]
    );
}

#[test]
fn aliases_repeat_their_anchor() {
    assert_eq!(json("a: &x { b: [1] }\nc: *x\n"), r#"{"a":{"b":[1]},"c":{"b":[1]}}"#);
    assert_eq!(json("&k a: 1\nb: { *k : 2 }\n"), r#"{"a":1,"b":{"a":2}}"#);
}

#[test]
fn an_alias_without_an_anchor_is_named_and_reading_goes_on() {
    assert_eq!(
        errors("hosts:\n  a: *nope\n  private: [*.svc]\n*k : 1\n"),
        [
            "2:6 hosts.a: no anchor `&nope` stands before this alias",
            "3:13 hosts.private[0]: no anchor `&.svc` stands before this alias",
            "4:1 : no anchor `&k` stands before this alias",
        ]
    );
}

#[test]
fn an_alias_inside_its_own_anchor_is_refused() {
    assert_eq!(
        errors("a: &x [1, *x]\n"),
        ["1:11 a[1]: this alias stands inside the value that it repeats"]
    );
}

#[test]
fn an_alias_bomb_is_refused_before_it_grows() {
    let mut text = "a0: &a0 [x, x, x, x, x, x, x, x, x, x]\n".to_owned();
    for level in 1..20 {
        let below = format!("*a{}, ", level - 1).repeat(10);
        text.push_str(&format!("a{level}: &a{level} [{below}]\n"));
    }
    let (_, reading) = reading(&text);
    assert_eq!(reading.root, None);
    assert_eq!(codes(&reading), ["aliases-too-large"]);
}

#[test]
fn a_long_text_repeated_often_is_a_bomb_too() {
    let text = format!("a: &a {}\nb: [{}]\n", "x".repeat(1 << 20), "*a, ".repeat(1000));
    let (_, reading) = reading(&text);
    assert_eq!(codes(&reading), ["aliases-too-large"]);
}

#[test]
fn depth_is_limited_in_both_notations_and_through_aliases() {
    let flow = "[".repeat(5000);
    let block = "- ".repeat(5000);
    let mixed: String = (0..400).map(|n| if n % 2 == 0 { "[" } else { "{a: " }).collect();
    let aliases = format!(
        "a: &a {}{}\nb: &b {}*a{}\n",
        "[".repeat(60),
        "]".repeat(60),
        "[".repeat(60),
        "]".repeat(60)
    );
    for text in [flow, block, mixed, aliases] {
        let (_, reading) = reading(&text);
        assert_eq!(codes(&reading), ["too-deep"]);
        assert!(reading.errors[0].message.starts_with("more than 100 "));
    }
}

#[test]
fn a_key_given_twice_is_refused_at_the_second_and_names_the_line_of_the_first() {
    let text = "hosts:\n  port: keep\n  private: []\n  port: strip\nhosts: {}\n";
    assert_eq!(
        errors(text),
        [
            "4:3 hosts.port: the key `port` is already on line 2",
            "5:1 hosts: the key `hosts` is already on line 1"
        ]
    );
}

#[test]
fn keys_that_are_no_text_are_refused() {
    assert_eq!(
        errors("1: a\ntrue: b\n[c]: d\n? { e: f }\n: g\n~: h\n"),
        [
            "1:1 : a key must be a string, and this is a number",
            "2:1 : a key must be a string, and this is a boolean",
            "3:1 : a key must be a string, and this is a list",
            "4:3 : a key must be a string, and this is an object",
            "6:1 : a key must be a string, and this is nothing",
        ]
    );
}

#[test]
fn merge_keys_are_explained() {
    assert_eq!(
        errors("a: &a {}\nb:\n  <<: *a\n"),
        ["3:3 b: merge keys (`<<`) are not part of YAML 1.2"]
    );
    assert_eq!(json("'<<': 1\n"), r#"{"<<":1}"#);
}

#[test]
fn a_second_document_is_refused_and_the_first_still_read() {
    let (_, reading) = reading("a: 1\n---\nb: 2\n");
    assert_eq!(
        errors("a: 1\n---\nb: 2\n"),
        ["2:1 : a second document begins here, and a file holds one"]
    );
    assert!(reading.root.is_some());
}

#[test]
fn syntax_errors_have_a_place_and_come_after_what_was_found_before() {
    let cases = [
        (
            "a: b: c\n",
            "1:5 : not valid YAML: no `:` may stand here; check the indentation, \
             or put text that contains `: ` in quotes",
        ),
        ("a:\n\tb: 1\n", "2:1 : not valid YAML: a tab cannot indent"),
        ("a: 1\n\tb: 2\n", "2:1 : not valid YAML: a tab cannot indent"),
        ("a: [1, 2\n", "1:4 : not valid YAML: a bracket is not closed"),
        ("a: {b: 1, c: 2]\n", "1:4 : not valid YAML: the bracket `{` is closed by `]`"),
        ("a: 'b\n", "2:1 : not valid YAML: a quote is not closed"),
        ("{\"a\": 1,, \"b\": 2}", "1:9 : not valid YAML: a value is missing here"),
    ];
    for (text, expected) in cases {
        assert_eq!(errors(text), [expected], "{text:?}");
    }
    let (_, reading) = reading("a: 1\na: 2\nb: *c\nd: e: f\n");
    assert_eq!(reading.errors.len(), 3);
    assert_eq!(reading.root, None);
}

#[test]
fn a_block_collection_ends_with_its_last_value() {
    let (source, reading) = reading("a:\n  b: 1\n\n# about c\nc: 2\n");
    let root = reading.root.expect("a root");
    assert_eq!(source.slice(root.member("a").expect("a").value.span), "b: 1");
}

#[test]
fn what_kubectl_reads_in_another_way_is_an_error_with_its_cure() {
    assert_eq!(
        errors("allow: [no, \"on\", 'yes', se]\nstatus: 0310\naliases: { no: dk, y: x }\n"),
        [
            "1:9 allow[0]: `no` is a string in YAML 1.2, and kubectl, which reads YAML 1.1, sends \
             `false`",
            "2:9 status: `0310` is a number in YAML 1.2, and kubectl, which reads YAML 1.1, sends \
             `200`",
            "3:12 aliases: `no` is a string in YAML 1.2, and kubectl, which reads YAML 1.1, sends \
             `false`",
            "3:20 aliases: `y` is a string in YAML 1.2, and kubectl, which reads YAML 1.1, sends \
             `true`",
        ]
    );
    let (_, reading) = reading("- Off\n- 0310\n- 1_0\n");
    let help: Vec<_> = reading.errors.iter().filter_map(|error| error.help.as_deref()).collect();
    assert_eq!(help, ["write \"Off\"", "write 200 if that is meant, or \"0310\"", "write \"1_0\""]);
}

#[test]
fn a_line_break_of_yaml_1_1_alone_is_an_error() {
    for (character, name) in [('\u{85}', "0085"), ('\u{2028}', "2028"), ('\u{2029}', "2029")] {
        assert_eq!(
            errors(&format!("# a note{character}strip: [x]\n")),
            [format!("1:9 : U+{name} is a line break to kubectl, and a character in YAML 1.2")]
        );
    }
}

#[test]
fn a_placeholder_without_quotes_is_shown_with_them() {
    for (text, expected) in [
        ("authority: {service}.x\n", "1:12 {service}.x"),
        ("a:\n  b: {env}.svc:80\nc: d\n", "2:6 {env}.svc:80"),
        ("- { host: a, authority: {service}.{env}.x }\n", "1:25 {service}.{env}.x"),
        ("hosts: [{a}.example, b]\n", "1:9 {a}.example"),
        ("- {a}-x\n", "1:3 {a}-x"),
    ] {
        let (source, reading) = reading(text);
        let [error] = &reading.errors[..] else { panic!("{text:?}: {:?}", reading.errors) };
        assert_eq!(error.message, "not valid YAML: text that begins with `{` needs quotes");
        let location = error.location.as_ref().expect("a place");
        let (start, written) = (location.start, source.slice(location.span));
        assert_eq!(format!("{}:{} {written}", start.line, start.column), expected);
        assert_eq!(error.help.as_deref(), Some(&*format!("write \"{written}\"")));
    }
}

#[test]
fn a_file_of_json_is_json_and_nothing_more() {
    let errors = |text: &str| -> Vec<String> {
        let reading = read(&Source::new("policy.json", text));
        let place = |error: &Diagnostic| error.location.as_ref().expect("a place").start;
        let one =
            |error| format!("{}:{} {}", place(error).line, place(error).column, error.message);
        reading.errors.iter().map(one).collect()
    };
    for (text, expected) in [
        ("{\"a\": [1, 2,]}", "1:13 not valid JSON: expected value"),
        ("{\"a\": 1,\n}", "2:1 not valid JSON: key must be a string"),
        ("{a: 1}", "1:2 not valid JSON: key must be a string"),
        ("{\"a\": 'x'}", "1:7 not valid JSON: expected value"),
        ("{\"a\": 1} # note", "1:10 not valid JSON: trailing characters"),
        ("{\"a\": 0310}", "1:8 not valid JSON: invalid number"),
        ("{\"a\": 1", "1:7 not valid JSON: EOF while parsing an object"),
        ("a: 1\n", "1:1 not valid JSON: expected value"),
    ] {
        assert_eq!(errors(text), [expected], "{text}");
    }
    assert_eq!(errors("{\"a\": [\"no\", \"\u{2028}\"], \"b\": 1e3}"), [""; 0]);
    assert_eq!(errors("{\"a\": 1, \"a\": 2}"), ["1:10 the key `a` is already on line 1"]);
}

#[test]
fn thousands_of_problems_do_not_fill_the_memory() {
    let (_, reading) = reading(&"a: 1\n".repeat(5000));
    assert_eq!(reading.errors.len(), MAX_ERRORS);
}

/// The characters that mean something in YAML, and a few that do not.
const TEXT: &str = "[-a-c:{}\\[\\],&*!'\"|># \n\t\r\u{e9}~0-9.]{0,60}";

proptest::proptest! {
    #![proptest_config(proptest::test_runner::Config {
        cases: 2000,
        failure_persistence: None,
        ..Default::default()
    })]
    #[test]
    fn any_text_is_read_without_a_panic_and_every_span_is_in_it(text in TEXT) {
        let (source, reading) = reading(&text);
        for error in &reading.errors {
            let span = error.location.as_ref().expect("a place").span;
            proptest::prop_assert!(source.text().get(span.range()).is_some(), "{:?}", error);
        }
        if reading.errors.is_empty() {
            let json = reading.root.map(|root| root.to_json()).unwrap_or_default();
            let value: Result<serde_json::Value, _> = serde_json::from_str(&json);
            proptest::prop_assert!(value.is_ok(), "{}", json);
        }
    }
}
