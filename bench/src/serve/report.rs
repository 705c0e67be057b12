//! What a run of `just bench serve` found: a table for people, JSON for programs.

use std::path::Path;

use serde::Serialize;

use super::{CONTROL, ENVOY, Figure, SERVE};
use crate::error::BenchError;
use crate::goal::{self, Goal};
use crate::report::{processor, table, write_json};

/// The most that a request may cost in `gatepost serve`, to what it costs in Envoy.
const GOAL: f64 = 0.65;

/// All that `just bench serve` measures. Its JSON form has this shape; [`version`](Self::version)
/// changes when the shape does.
#[derive(Clone, Debug, Serialize)]
pub struct ServeReport {
    /// The shape's version.
    pub version: u32,
    /// The processor, as the system names it.
    pub processor: Option<String>,
    /// The arms.
    pub figures: Vec<Figure>,
    /// What was to be reached.
    pub goals: Vec<Goal>,
}

impl ServeReport {
    /// The report of a run on this machine.
    #[must_use]
    pub fn new(figures: Vec<Figure>) -> Self {
        let goals = to_envoy(&figures, SERVE).map(|ratio| Goal {
            what: "processor time of gatepost serve, to Envoy's".to_owned(),
            goal: format!("{GOAL:.2}"),
            figure: format!("{ratio:.2}"),
            met: ratio <= GOAL,
        });
        Self { version: 1, processor: processor(), figures, goals: goals.into_iter().collect() }
    }

    /// The form for people.
    #[must_use]
    pub fn text(&self) -> String {
        let processor = self.processor.as_deref().unwrap_or("an unknown processor");
        let header = ["processor time of a request", "µs", "least", "most", "to Envoy", "/s"];
        let row = |figure: &Figure| {
            let micros = |nanoseconds: f64| format!("{:.1}", nanoseconds / 1e3);
            let Figure { arm, nanoseconds, per_second } = figure;
            let ratio = to_envoy(&self.figures, arm).unwrap_or(f64::NAN);
            vec![
                arm.clone(),
                micros(nanoseconds.median),
                micros(nanoseconds.least),
                micros(nanoseconds.most),
                format!("{ratio:.2}"),
                format!("{:.0}", per_second.median),
            ]
        };
        let figures = table(header.map(str::to_owned).to_vec(), self.figures.iter().map(row));
        format!(
            "{processor}\n{figures}\n{CONTROL:?} is the same process: what it differs by is \
             noise.\n\n{}",
            goal::table(&self.goals)
        )
    }

    /// Writes the JSON form.
    ///
    /// # Errors
    /// When the file cannot be written.
    pub fn write(&self, path: &Path) -> Result<(), BenchError> {
        write_json(self, path)
    }
}

fn to_envoy(figures: &[Figure], arm: &str) -> Option<f64> {
    let of = |name: &str| figures.iter().find(|figure| figure.arm == name);
    Some(of(arm)?.nanoseconds.median / of(ENVOY)?.nanoseconds.median)
}
