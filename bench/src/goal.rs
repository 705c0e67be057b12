//! A goal, and whether a run reached it.

use serde::Serialize;

use crate::report;

/// One goal and its verdict.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Goal {
    /// What is measured.
    pub what: String,
    /// What it must reach.
    pub goal: String,
    /// What it reached.
    pub figure: String,
    /// Whether that is enough.
    pub met: bool,
}

/// Goals as a table for people.
pub(crate) fn table(goals: &[Goal]) -> String {
    let header = ["what", "goal", "figure", "verdict"].map(str::to_owned).to_vec();
    let row = |Goal { what, goal, figure, met }: &Goal| {
        let verdict = if *met { "met" } else { "MISSED" };
        vec![what.clone(), goal.clone(), figure.clone(), verdict.to_owned()]
    };
    report::table(header, goals.iter().map(row))
}
