//! Files that are no manifests: each gives an error at its place, and the files beside it are read.

use gatepost_diagnostics::{Render, Report};
use gatepost_manifests::{ManifestError, Manifests, judge};
use proptest::prelude::*;

const CLEAN: &str = concat!(
    include_str!("clean/ingress.yaml"),
    "---
",
    include_str!("clean/envoy-filter.yaml")
);

fn read(text: &str) -> Manifests {
    Manifests::read_from("a.yaml", text.as_bytes()).expect("objects or errors")
}

/// The code and the line of each error.
fn errors(reports: &[Report]) -> Vec<(&'static str, usize)> {
    let diagnostics = reports.iter().flat_map(|report| &report.diagnostics);
    diagnostics
        .map(|found| (found.code, found.location.as_ref().map_or(0, |place| place.start.line)))
        .collect()
}

#[test]
fn a_file_that_was_cut_off_is_an_error_at_its_end() {
    let text = CLEAN.split_once("sources: [35.191").expect("the policy").0;
    let manifests = read(&format!("{text}sources: [35.191.0.0/16,"));
    let found = errors(&manifests.errors);
    assert_eq!(found.len(), 1);
    assert_eq!(found[0].0, "syntax");
    assert_eq!(found[0].1, text.lines().count(), "{found:?}");
    // The objects before are there.
    assert!(manifests.objects.iter().any(|object| object.is("", "Service")));
}

#[test]
fn a_helm_template_is_told_to_be_rendered() {
    let template = "{{- if .Values.enabled }}\napiVersion: v1\nkind: Service\nmetadata:\n  \
                    name: {{ .Release.Name }}\n{{- end }}\n";
    let manifests = read(template);
    let text = Render::Text { color: false }.render(&judge(&manifests, &[]));
    assert!(text.contains("--> a.yaml:1:"), "{text}");
    assert!(text.contains("if this is a Helm template, give the output of `helm template`"));
}

#[test]
fn aliases_that_would_fill_the_memory_are_an_error() {
    let mut bomb = "a0: &a0 [x, x, x, x, x, x, x, x, x, x]\n".to_owned();
    for level in 1..12 {
        let above = format!("*a{}", level - 1);
        let items = [above.as_str(); 10].join(", ");
        bomb.push_str(&format!("a{level}: &a{level} [{items}]\n"));
    }
    let manifests = read(&format!("{CLEAN}---\n{bomb}"));
    let found = errors(&manifests.errors);
    assert_eq!(found.first().map(|error| error.0), Some("aliases-too-large"));
    assert!(!manifests.objects.is_empty());
}

#[test]
fn nesting_that_would_overflow_the_stack_is_an_error() {
    for deep in ["[".repeat(100_000), "{a: ".repeat(100_000), "- ".repeat(100_000)] {
        let manifests = read(&format!("apiVersion: v1\nkind: List\nitems: {deep}\n"));
        assert!(!manifests.errors.is_empty());
    }
}

#[test]
fn a_file_beyond_the_limit_is_not_read() {
    let folder = tempfile::tempdir().expect("a folder");
    let file = std::fs::File::create(folder.path().join("large.yaml")).expect("a file");
    file.set_len(100 << 20).expect("a sparse file");
    let error = Manifests::read(folder.path()).expect_err("too large");
    assert!(matches!(&error, ManifestError::Unreadable { .. }));
    assert!(error.to_string().contains("large.yaml: it is 104857600 bytes"), "{error}");
    let endless = std::io::repeat(b' ');
    let error = Manifests::read_from("standard input", endless).expect_err("too large");
    assert!(
        error.to_string().contains("standard input: it has more bytes than the limit of 16777216"),
        "{error}"
    );
}

#[test]
fn more_objects_than_can_be_compared_are_an_error() {
    let object = "apiVersion: v1\nkind: Service\nmetadata: {name: a}\n---\n".repeat(10_001);
    let error = Manifests::read_from("a.yaml", object.as_bytes()).expect_err("too many");
    assert!(error.to_string().contains("more than the limit of 10000 objects"), "{error}");
}

#[test]
fn of_findings_that_are_alike_the_last_says_how_many_more_there_are() {
    let mapping = "      - { host: www.customer.example, authority: app.shop.example }\n";
    let mappings = (0..300).map(|number| {
        format!("      - {{ host: h{number}.example, authority: nowhere.example }}\n")
    });
    let changed =
        include_str!("clean/ingress.yaml").replacen(mapping, &mappings.collect::<String>(), 1);
    let reports = judge(&read(&changed), &[]);
    let found = &reports[0].diagnostics;
    assert_eq!(found.len(), 100);
    let message = "no route of the gateway is for `nowhere.example`";
    assert_eq!(found[0].message, message);
    assert_eq!(found[99].message, format!("{message}, and 200 more like this"));
}

#[test]
fn manifests_of_other_tools_are_passed_over() {
    let other = "Resources:\n  Bucket:\n    Type: AWS::S3::Bucket\n---\nversion: '3'\nservices: \
                 {web: {image: nginx}}\n---\napiVersion: argoproj.io/v1alpha1\nkind: Application\n\
                 metadata: {name: app}\nspec: [1, 2]\n";
    let manifests = read(other);
    assert_eq!(manifests.objects.len(), 1);
    assert!(judge(&manifests, &[]).is_empty());
}

#[test]
fn kubectls_yaml_is_read_as_kubectl_reads_it() {
    let merged = "x: &common { labels: { app.kubernetes.io/name: gatepost } }\napiVersion: v1\n\
                  kind: Service\nmetadata:\n  <<: *common\n  name: a\nspec:\n  \
                  ports: [{ port: 0o120 }]\n\
                  \x20 8080: yes\n";
    let manifests = read(merged);
    assert!(manifests.errors.is_empty(), "{:?}", manifests.errors);
    assert_eq!(manifests.services[0].ports[0].port, 80);
}

/// Values of other types than most fields have, and odd ones.
const VALUES: &[&str] = &[
    "",
    "~",
    "[]",
    "{}",
    "-1",
    "-9223372036854775808",
    "x",
    "'*'",
    "[[[1]]]",
    "{a: {b: 1}}",
    "'{env}'",
];

proptest! {
    #[test]
    fn no_text_makes_reading_or_judging_panic(text in "\\PC{0,200}") {
        if let Ok(manifests) = Manifests::read_from("a.yaml", text.as_bytes()) {
            let _ = judge(&manifests, &[]);
        }
    }

    /// Clean manifests with a line that is gone, moved, or has another value.
    #[test]
    fn no_change_of_a_line_makes_judging_panic(
        line in 0..CLEAN.lines().count(),
        value in prop::sample::select(VALUES),
    ) {
        let changed = CLEAN.lines().enumerate().map(|(number, text)| match text.split_once(": ") {
            Some((key, _)) if number == line => format!("{key}: {value}\n"),
            _ if number == line => String::new(),
            _ => format!("{text}\n"),
        });
        let text: String = changed.collect();
        let manifests = read(&text);
        let _ = judge(&manifests, &[]);
    }
}
