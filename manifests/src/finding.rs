//! What is wrong with objects, and the reports on their files.

use std::collections::{HashMap, HashSet};
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
    files.into_iter().map(|(source, diagnostics)| Report::new(source, diagnostics)).collect()
}
