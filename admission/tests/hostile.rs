//! Reviews and objects that nobody well-meaning sends.

use std::time::{Duration, Instant};

use gatepost_admission::{Judge, Verdict};
use proptest::prelude::*;

/// A review of a WasmPlugin whose configuration is this text.
fn review(labels: &str, configuration: &str) -> String {
    format!(
        r#"{{"apiVersion":"admission.k8s.io/v1","kind":"AdmissionReview","request":{{"uid":"1",
        "operation":"CREATE","object":{{"apiVersion":"extensions.istio.io/v1alpha1",
        "kind":"WasmPlugin","metadata":{{"labels":{labels}}},
        "spec":{{"pluginConfig":{configuration}}}}}}}}}"#
    )
}

const LABELLED: &str = r#"{"app.kubernetes.io/name":"gatepost"}"#;

fn nested(depth: usize) -> String {
    format!(r#"{{"apiVersion":"gatepost/v1","hosts":{}{}}}"#, "[".repeat(depth), "]".repeat(depth))
}

/// As long as a judge may need, on a machine that does other things as well.
const WITHIN: Duration = Duration::from_secs(20);

#[test]
fn what_is_no_review_is_told_so() {
    for (text, why) in [
        ("", "EOF"),
        ("{", "EOF"),
        ("[]", "AdmissionReview"),
        ("{}", "missing field"),
        (r#"{"apiVersion":"v1","kind":"Pod","request":{"uid":"1","operation":"CREATE"}}"#, "Pod"),
        (
            r#"{"apiVersion":"admission.k8s.io/v1beta1","kind":"AdmissionReview",
            "request":{"uid":"1","operation":"CREATE"}}"#,
            "v1beta1",
        ),
        (r#"{"apiVersion":"admission.k8s.io/v1","kind":"AdmissionReview"}"#, "missing field"),
        ("\u{feff}{}", "expected value"),
        ("\0", "expected value"),
    ] {
        let error = Judge::default().review(text.as_bytes()).expect_err(text).to_string();
        assert!(error.contains(why), "{text:?}: {error}");
    }
    assert!(Judge::default().review(b"{\"apiVersion\": \"\xff\"}").is_err());
}

#[test]
fn an_object_of_any_depth_is_denied_when_it_is_gateposts_and_else_let_through() {
    let begun = Instant::now();
    for depth in [99, 200, 1_000_000] {
        let judged = Judge::default().review(review("{}", &nested(depth)).as_bytes());
        assert_eq!(judged.expect("a review").verdict, Verdict::Denied, "{depth}");
        let other = nested(depth).replace("gatepost/v1", "example/v1");
        let judged = Judge::default().review(review("{}", &other).as_bytes());
        assert_eq!(judged.expect("a review").verdict, Verdict::Passed, "{depth}");
        let judged = Judge::default().review(review(LABELLED, &other).as_bytes());
        assert_eq!(judged.expect("a review").verdict, Verdict::Denied, "{depth}");
    }
    assert!(begun.elapsed() < WITHIN, "{:?}", begun.elapsed());
}

#[test]
fn eight_megabytes_are_judged_and_leave_no_long_answer() {
    let begun = Instant::now();
    let of = |piece: &str| [piece; 1].concat().repeat((8 << 20) / piece.len());
    let list = |piece: &str| format!("[{}{}]", of(&format!("{piece},")), piece);
    for configuration in [
        // More values than an object may have.
        list("0"),
        // A text of quotes, which grow when they are written again.
        format!("\"{}\"", of("\\\"")),
        list(r#"{"a":"b"}"#),
        format!("{{{}\"z\":1}}", of("\"a\":1,")),
    ] {
        let policy = format!(
            r#"{{"apiVersion":"gatepost/v1","strip":{configuration},
            "hosts":{{"mappings":{configuration}}}}}"#
        );
        let judged = Judge::default().review(review("{}", &policy).as_bytes()).expect("a review");
        assert_eq!(judged.verdict, Verdict::Denied);
        assert!(judged.response.len() < 256 << 10, "{}", judged.response.len());
    }
    assert!(begun.elapsed() < WITHIN * 3, "{:?}", begun.elapsed());
}

/// A ConfigMap with this text in a file.
fn file(name: &str, text: &str) -> String {
    let data = serde_json::json!({ name: text });
    format!(
        r#"{{"apiVersion":"admission.k8s.io/v1","kind":"AdmissionReview","request":{{"uid":"1",
        "operation":"CREATE","object":{{"apiVersion":"v1","kind":"ConfigMap","metadata":{{}},
        "data":{data}}}}}}}"#
    )
}

/// ConfigMaps take a megabyte of any text.
#[test]
fn yaml_that_grows_or_never_ends_is_denied_in_time() {
    let lines = |line: &str| line.repeat((1 << 20) / line.len());
    let bomb: String = (1..30)
        .map(|level| format!("a{level}: &a{level} [{}]\n", format!("*a{},", level - 1).repeat(9)))
        .collect();
    for (number, text) in [
        format!("apiVersion: gatepost/v1\na0: &a0 x\n{bomb}"),
        format!("apiVersion: gatepost/v1\n{}", lines("- ")),
        format!("apiVersion: gatepost/v1\nstrip: {}", lines("[")),
        format!("apiVersion: gatepost/v1\nstrip: {}", lines("{a: ")),
        format!("apiVersion: gatepost/v1\nstrip: [{}]", lines("x-a, ")),
        format!("apiVersion: gatepost/v1\n{}", lines("? x\n")),
        format!("apiVersion: gatepost/v1\nmode: \"{}\"", lines("\\x41")),
        format!("apiVersion: gatepost/v1\nmode: |\n{}", lines("  x\n")),
        format!("apiVersion: gatepost/v1\nmode: {}", lines("x ")),
        format!("apiVersion: gatepost/v1\n{}", lines("&a !t ")),
        format!("apiVersion: gatepost/v1\n\"{}", lines("\u{2028}")),
    ]
    .into_iter()
    .enumerate()
    {
        let begun = Instant::now();
        let review = file("policy.yaml", &text);
        let judged = Judge::default().review(review.as_bytes()).expect("a review");
        assert_eq!(judged.verdict, Verdict::Denied, "number {number}");
        assert!(judged.response.len() < 256 << 10, "{}", judged.response.len());
        assert!(begun.elapsed() < WITHIN, "{:?}", begun.elapsed());
    }
}

#[test]
fn a_policy_as_large_as_etcd_takes_is_judged() {
    let mapping = |number: usize| {
        format!(
            r#"{{"host":"customer-{number:06}.example.com",
            "authority":"shop.default.svc.cluster.local"}}"#
        )
    };
    let mappings: Vec<String> = (0..16_000).map(mapping).collect();
    let policy = format!(
        r#"{{"apiVersion":"gatepost/v1","hosts":{{"mappings":[{}]}}}}"#,
        mappings.join(",")
    );
    let begun = Instant::now();
    let judged = Judge::default().review(review("{}", &policy).as_bytes()).expect("a review");
    assert_eq!(judged.verdict, Verdict::Allowed);
    assert!(begun.elapsed() < WITHIN, "{:?}", begun.elapsed());
}

#[test]
fn a_denial_has_no_control_characters_of_its_author() {
    let policy = r#"{"apiVersion":"gatepost/v1","mode":"\u001b[2J\u0007\r\u202ex","a\nb":1}"#;
    let judged = Judge::default().review(review("{}", policy).as_bytes()).expect("a review");
    assert_eq!(judged.verdict, Verdict::Denied);
    let answer: serde_json::Value = serde_json::from_str(&judged.response).expect("JSON");
    let message = answer["response"]["status"]["message"].as_str().expect("a message");
    let shown = |c: char| !c.is_control() || c == '\n';
    assert!(message.chars().all(shown) && !message.contains('\u{202e}'), "{message:?}");
    assert!(message.contains(r"\u{1b}[2J"), "{message}");
}

const WHOLE: &str = r#"{"apiVersion":"admission.k8s.io/v1","kind":"AdmissionReview","request":{
"uid":"1","operation":"UPDATE","object":{"apiVersion":"v1","kind":"ConfigMap","metadata":{},
"data":{"policy.yaml":"apiVersion: gatepost/v1\nhosts: {unmapped: reject}\n"}},
"oldObject":{"apiVersion":"v1","kind":"ConfigMap","metadata":{},"data":{}}}}"#;

proptest! {
    #![proptest_config(ProptestConfig {
        cases: 2000,
        failure_persistence: None,
        ..Default::default()
    })]

    #[test]
    fn a_damaged_review_is_refused_or_answered(
        from in 0usize..500, length in 0usize..30, piece in "[\\[\\]{}:,\"a-c0-9\\\\ .\u{e9}]{0,6}",
    ) {
        let from = WHOLE.floor_char_boundary(from.min(WHOLE.len()));
        let to = WHOLE.floor_char_boundary((from + length).min(WHOLE.len()));
        let damaged = [&WHOLE[..from], &piece, &WHOLE[to..]].concat();
        if let Ok(judged) = Judge::default().review(damaged.as_bytes()) {
            let answer: serde_json::Value = serde_json::from_str(&judged.response).expect("JSON");
            let allowed = answer["response"]["allowed"].as_bool().expect("a verdict");
            prop_assert_eq!(allowed, judged.verdict != Verdict::Denied);
        }
    }

    #[test]
    fn bytes_are_refused(bytes in proptest::collection::vec(any::<u8>(), 0..300)) {
        prop_assert!(Judge::default().review(&bytes).is_err());
    }
}
