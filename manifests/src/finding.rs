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
/// there once: several gateways may give the same. Of many that are alike the last says how many
/// more there are.
pub(crate) fn reports(findings: Vec<Finding>) -> Vec<Report> {
    let mut files: Vec<(Arc<Source>, Vec<Diagnostic>)> = Vec::new();
    let mut numbers = HashMap::new();
    let mut known = HashSet::new();
    let mut alike: HashMap<_, (usize, usize)> = HashMap::new();
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
        let diagnostics = &mut files[number].1;
        let (count, last) = alike
            .entry((number, diagnostic.code, diagnostic.severity == Severity::Error))
            .or_default();
        *count += 1;
        if *count <= MAX_ALIKE {
            *last = diagnostics.len();
            diagnostics.push(diagnostic);
        }
    }
    for ((number, ..), (count, last)) in alike {
        if count > MAX_ALIKE {
            let more = count - MAX_ALIKE;
            files[number].1[last].message += &format!(", and {more} more like this");
        }
    }
    files.into_iter().map(|(source, diagnostics)| Report::new(source, diagnostics)).collect()
}
