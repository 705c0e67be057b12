//! What is wrong with objects, and the reports on their files.

use std::sync::Arc;

use gatepost_authoring::{Diagnostic, Report, Source};

/// Something that is wrong with an object, in the file that holds it.
#[derive(Debug)]
pub(crate) struct Finding {
    /// The file.
    pub source: Arc<Source>,
    /// What is wrong.
    pub diagnostic: Diagnostic,
}

/// A report for each file that has findings, in the order of the files' first findings.
pub(crate) fn reports(findings: Vec<Finding>) -> Vec<Report> {
    let mut files: Vec<(Arc<Source>, Vec<Diagnostic>)> = Vec::new();
    for Finding { source, diagnostic } in findings {
        match files.iter_mut().find(|(known, _)| Arc::ptr_eq(known, &source)) {
            Some((_, diagnostics)) if diagnostics.contains(&diagnostic) => {}
            Some((_, diagnostics)) => diagnostics.push(diagnostic),
            None => files.push((source, vec![diagnostic])),
        }
    }
    files.into_iter().map(|(source, diagnostics)| Report::new(source, diagnostics)).collect()
}
