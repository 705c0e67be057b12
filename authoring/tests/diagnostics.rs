//! What authors see of their mistakes: each file of `tests/bad`, as text and as JSON.

use gatepost_authoring::{Policies, PolicyFile, Render, Report, Severity, Suite};
use std::path::Path;

/// The report on a file of `tests/bad`.
fn report(name: &str) -> Report {
    let text =
        std::fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/bad").join(name))
            .expect("the file");
    PolicyFile::parse(name, &text).expect_err("the policy is bad")
}

fn text(reports: &[Report]) -> String {
    Render::Text { color: false }.render(reports)
}

macro_rules! shown_as {
    ($($test:ident: $file:literal,)*) => {$(
        #[test]
        fn $test() {
            insta::assert_snapshot!(stringify!($test), text(&[report($file)]));
        }
    )*};
}

shown_as! {
    a_typo_in_a_field: "typo-in-a-field.yaml",
    a_wrong_type: "wrong-type.yaml",
    a_missing_field: "missing-field.yaml",
    a_duplicate_key: "duplicate-key.yaml",
    bad_yaml: "bad-yaml.yaml",
    a_tab: "tab.yaml",
    a_star_without_quotes: "star-without-quotes.yaml",
    many_faults_at_once: "many-faults.yaml",
    faults_of_a_json_file: "json.json",
    wide_characters: "wide-characters.yaml",
    carriage_returns: "carriage-returns.yaml",
    two_documents: "two-documents.yaml",
    a_list_at_the_root: "list-at-the-root.yaml",
    a_merge_key: "merge-key.yaml",
    words_of_yaml_1_1: "yaml-1-1.yaml",
    an_international_name: "international-name.yaml",
    a_placeholder_alone: "placeholder-alone.yaml",
    texts_in_place_of_objects: "bare-texts.yaml",
    a_manifest_with_a_policy: "wasm-plugin.yaml",
    a_manifest_without_a_policy: "service.yaml",
    a_policy_as_text_in_an_envoyfilter: "envoy-filter.yaml",
    a_struct_in_an_envoyfilter_reaches_no_filter: "envoy-filter-struct.yaml",
    an_envoyfilter_for_something_else: "envoy-filter-routes.yaml",
    a_policy_in_a_config_map: "config-map.yaml",
    texts_of_a_config_map_that_are_not_written_as_they_are: "config-map-texts.yaml",
    a_policy_in_a_resource_of_envoys_in_a_config_map: "config-map-ecds.yaml",
    a_policy_in_a_file_that_envoy_watches: "ecds.json",
    a_config_map_of_something_else: "config-map-other.yaml",
    a_list_of_objects: "list.yaml",
}

#[test]
fn a_manifest_may_hold_several_policies() {
    let text = "apiVersion: v1\nkind: ConfigMap\ndata:\n  a.yaml: 'apiVersion: gatepost/v1'\n  \
                b.json: '{\"apiVersion\": \"gatepost/v1\", \
                \"hosts\": {\"invalid\": \"reject\"}}'\n";
    let policies = Policies::parse("map.yaml", text).expect("good policies");
    let paths: Vec<_> =
        policies.policies.iter().map(|policy| policy.path.as_deref().unwrap_or(".")).collect();
    assert_eq!(paths, [r#"data["a.yaml"]"#, r#"data["b.json"]"#]);
    assert_eq!(policies.report().count(Severity::Warning), 1);
    let report = PolicyFile::parse("map.yaml", text).expect_err("which of them?");
    assert!(report.to_string().contains("holds 2 policies"), "{report}");
}

#[test]
fn json_holds_every_finding_of_every_file() {
    let good = PolicyFile::parse("good.yaml", "apiVersion: gatepost/v1\n")
        .expect("a good policy")
        .report();
    let json = Render::Json.render(&[good, report("json.json"), report("wide-characters.yaml")]);
    let value: serde_json::Value = serde_json::from_str(&json).expect("JSON");
    insta::assert_snapshot!(serde_json::to_string_pretty(&value).expect("JSON"));
}

#[test]
fn colour_comes_only_when_asked_for() {
    assert!(!text(&[report("tab.yaml")]).contains('\u{1b}'));
    assert!(Render::Text { color: true }.render(&[report("tab.yaml")]).contains('\u{1b}'));
}

#[test]
fn a_report_without_findings_says_nothing() {
    let good = PolicyFile::parse("good.yaml", "apiVersion: gatepost/v1\n")
        .expect("a good policy")
        .report();
    assert!(good.is_usable());
    assert_eq!(text(&[good]), "");
}

#[test]
fn an_empty_document_is_no_policy() {
    for empty in ["", "# later\n", "null\n", "---\n", "{}\n"] {
        let report = PolicyFile::parse("policy.yaml", empty).expect_err("no policy");
        assert_eq!(report.count(Severity::Error), 1, "{empty:?}");
    }
    insta::assert_snapshot!(text(&[
        PolicyFile::parse("policy.yaml", "# later\n").expect_err("no policy")
    ]));
}

#[test]
fn what_a_policy_should_no_longer_say_is_a_warning() {
    let file =
        PolicyFile::parse("policy.yaml", "apiVersion: gatepost/v1\nhosts:\n  invalid: reject\n");
    insta::assert_snapshot!(text(&[file.expect("a policy").report()]));
}

#[test]
fn a_good_policy_comes_with_the_json_that_the_filter_receives() {
    let file = PolicyFile::parse(
        "policy.yaml",
        "apiVersion: gatepost/v1\nhosts:\n  port: strip   # as our routes\n",
    )
    .expect("good");
    assert_eq!(file.json, r#"{"apiVersion":"gatepost/v1","hosts":{"port":"strip"}}"#);
}

#[test]
fn mistakes_of_a_tests_file_look_the_same() {
    let suite = "\
routes: { a.example: a }
tests:
- name: one
  request: { authorty: a.example, source: nowhere }
  expect:
    forward: { upstream: b }
";
    insta::assert_snapshot!(text(&[Suite::parse("tests.yaml", suite).expect_err("a bad file")]));
}

/// Twenty thousand mappings, of which the last has a typo.
fn many_mappings(begin: &str, separator: &str, end: &str) -> String {
    let mapping = |number| {
        let host = format!("shop-{number}");
        format!(r#"{{"host": "{host}.example", "authority": "{host}.default.example.com"}}"#)
    };
    let mut mappings: Vec<String> = (0..20_000).map(mapping).collect();
    mappings
        .push(r#"{"hots": "a.example", "host": "b.example", "authority": "c.example"}"#.to_owned());
    [begin, &mappings.join(separator), end].concat()
}

#[test]
fn a_large_policy_is_read_in_reasonable_time() {
    let begun = std::time::Instant::now();
    let yaml = many_mappings("apiVersion: gatepost/v1\nhosts:\n  mappings:\n  - ", "\n  - ", "\n");
    // All on one line, where a column that is counted for every key would make the time quadratic.
    let json =
        many_mappings(r#"{"apiVersion": "gatepost/v1", "hosts": {"mappings": ["#, ",", "]}}");
    for (policy, line) in [(yaml, 20_004), (json, 1)] {
        let report = PolicyFile::parse("policy.yaml", &policy).expect_err("a typo");
        assert_eq!(report.diagnostics.len(), 1);
        let location = report.diagnostics[0].location.as_ref();
        assert_eq!(location.map(|location| location.start.line), Some(line));
        assert!(text(&[report]).len() < 1000);
    }
    assert!(begun.elapsed().as_secs() < 20, "{:?}", begun.elapsed());
}

#[test]
fn a_text_that_ends_with_its_file_is_reported_within_it() {
    // A literal block's last line end is there, even where the file has none.
    let map = "apiVersion: v1\nkind: ConfigMap\ndata:\n  policy.json: |+\n    {\"apiVersion\": 1,";
    let report = Policies::parse("map.yaml", map).expect_err("no JSON");
    let place = report.diagnostics[0].location.as_ref().expect("a place").span;
    assert!(map.get(place.range()).is_some(), "{place:?}");
}

const COMPLETE: &str = include_str!("../../policies/all-in-one/policy.yaml");
const COMPLETE_TESTS: &str = include_str!("../../policies/all-in-one/tests.yaml");

/// Texts inside texts.
const MAP: &str = include_str!("bad/config-map-ecds.yaml");
const FILTER: &str = include_str!("bad/envoy-filter.yaml");

/// A text with a piece cut out and another put in.
fn damaged(text: &str, from: usize, length: usize, piece: &str) -> String {
    let from = text.floor_char_boundary(from % text.len());
    let to = text.floor_char_boundary(from + length).max(from);
    [&text[..from], piece, text.get(to..).unwrap_or_default()].concat()
}

/// The characters that mean something in YAML, and a few that do not.
const PIECE: &str = "[-a-c:{}\\[\\],&*!'\"|>#% \n\r\t\u{e9}\u{5143}0-9.]{0,6}";

proptest::proptest! {
    #![proptest_config(proptest::test_runner::Config {
        cases: 1500,
        failure_persistence: None,
        ..Default::default()
    })]
    #[test]
    fn a_damaged_file_is_reported_within_its_text(
        from in 0usize..20_000, length in 0usize..40, piece in PIECE,
    ) {
        let policy = damaged(COMPLETE, from, length, &piece);
        let tests = damaged(COMPLETE_TESTS, from, length, &piece);
        let reports = [
            PolicyFile::parse("policy.yaml", &policy).err(),
            Suite::parse("tests.yaml", &tests).err(),
            Policies::parse("map.yaml", &damaged(MAP, from, length, &piece)).err(),
            Policies::parse("filter.yaml", &damaged(FILTER, from, length, &piece)).err(),
        ];
        for report in reports.into_iter().flatten() {
            proptest::prop_assert!(!report.is_usable());
            for diagnostic in &report.diagnostics {
                let place = diagnostic.location.as_ref().expect("a place");
                let text = report.source.text().get(place.span.range());
                proptest::prop_assert!(text.is_some(), "{:?}", diagnostic);
                proptest::prop_assert!(place.start <= place.end, "{:?}", diagnostic);
            }
            proptest::prop_assert!(text(std::slice::from_ref(&report)).contains("-->"));
        }
    }
}
