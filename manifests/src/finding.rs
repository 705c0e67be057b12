//! What is wrong with objects, and the reports on their files.

use std::collections::{HashMap, HashSet};
use std::sync::Arc;

use gatepost_authoring::{Diagnostic, Report, Severity, Source};

/// Something that is wrong with an object, in the file that holds it.
#[derive(Debug)]
pub(crate) struct Finding {
    /// The file.
    pub source: Arc<Source>,
    /// What is wrong.
    pub diagnostic: Diagnostic,
}

/// The most findings of one code in one file. More than these usually have one cause, such as a
/// gateway without routes and a policy of 20,000 mappings.
const MAX_ALIKE: usize = 100;

/// A report for each file that has findings, in the order of the files' first findings. Each is
/// there once: several gateways may give the same.
pub(crate) fn reports(findings: Vec<Finding>) -> Vec<Report> {
    let mut files: Vec<(Arc<Source>, Vec<Diagnostic>)> = Vec::new();
    let mut numbers = HashMap::new();
    let mut known = HashSet::new();
    for Finding { source, diagnostic } in findings {
        let file = Arc::as_ptr(&source);
        let span = diagnostic.location.as_ref().map(|location| location.span);
        if !known.insert((file, diagnostic.code, span, diagnostic.message.clone())) {
            continue;
        }
        let number = *numbers.entry(file).or_insert_with(|| {
            files.push((source, Vec::new()));
            files.len() - 1
        });
        files[number].1.push(diagnostic);
    }
    let reports = files.into_iter();
    let mut reports: Vec<_> =
        reports.map(|(source, diagnostics)| Report::new(source, diagnostics)).collect();
    reports.iter_mut().for_each(sum_up);
    reports
}

/// Leaves the first findings of each code. The last of them says how many more there are.
fn sum_up(report: &mut Report) {
    let kind = |one: &Diagnostic| (one.code, one.severity == Severity::Error);
    let mut counts = HashMap::new();
    report.diagnostics.retain(|one| {
        let count = counts.entry(kind(one)).or_insert(0);
        *count += 1;
        *count <= MAX_ALIKE
    });
    for (of_kind, count) in counts.into_iter().filter(|(_, count)| *count > MAX_ALIKE) {
        let last = report.diagnostics.iter_mut().rfind(|one| kind(one) == of_kind);
        if let Some(last) = last {
            last.message += &format!(", and {} more like this", count - MAX_ALIKE);
        }
    }
}
