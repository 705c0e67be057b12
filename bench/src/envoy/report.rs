//! The results of a run in Envoy: tables for people, JSON for programs and for the plots.

use std::path::Path;

use serde::Serialize;

use super::module::{self, ModuleFigures};
use super::ratios::{self, Ratio};
use super::workload::Workload;
use super::{Figure, Pace, release};
use crate::error::BenchError;
use crate::goal::{self, Goal};
use crate::report::table;
use crate::rounds::LEAST;

/// Arms, and the same arms again.
const CONTROLS: [(&str, &str); 2] =
    [("no filter", "no filter, again (A/A)"), ("Gatepost", "Gatepost, again (A/A)")];

/// All that `just bench envoy` measures. Its JSON form has this shape; [`version`](Self::version)
/// changes when the shape does.
#[derive(Clone, Debug, Serialize)]
pub struct EnvoyReport {
    /// The shape's version.
    pub version: u32,
    /// The processor, as the system names it.
    pub processor: Option<String>,
    /// Envoy's release, or the variable that names an Envoy.
    pub envoy: String,
    /// Rounds that count.
    pub rounds: usize,
    /// Seconds that an arm had in a round.
    pub seconds: f64,
    /// Every arm with every workload.
    pub figures: Vec<Figure>,
    /// The modules themselves, Gatepost's first.
    pub modules: Vec<ModuleFigures>,
    /// How Gatepost's times compare with others.
    pub ratios: Vec<Ratio>,
    /// What Gatepost's module must reach.
    pub goals: Vec<Goal>,
}

impl EnvoyReport {
    /// The figures of a run, compared and judged.
    #[must_use]
    pub fn new(pace: Pace, figures: Vec<Figure>, modules: Vec<ModuleFigures>) -> Self {
        let ratios = ratios::ratios(&figures);
        let goals = modules.first().map(ModuleFigures::goals).unwrap_or_default();
        let processor = crate::report::processor();
        let envoy = release();
        let Pace { rounds, time } = pace;
        Self {
            version: 2,
            processor,
            envoy,
            rounds,
            seconds: time.as_secs_f64(),
            figures,
            modules,
            ratios,
            goals,
        }
    }

    /// The report without its thousands of rounds, as it is recorded.
    #[must_use]
    pub fn without_rounds(&self) -> Self {
        let mut report = self.clone();
        report.figures.iter_mut().for_each(|figure| figure.rounds.clear());
        report
    }

    /// Writes the JSON form.
    ///
    /// # Errors
    /// When the file cannot be written.
    pub fn write(&self, path: &Path) -> Result<(), BenchError> {
        crate::report::write_json(self, path)
    }

    /// The form for people.
    #[must_use]
    pub fn text(&self) -> String {
        let processor = self.processor.as_deref().unwrap_or("an unknown processor");
        let mut text = format!(
            "{processor}; Envoy {}; {} rounds of {} s for each arm, evened\n",
            self.envoy, self.rounds, self.seconds
        );
        let mut seen: Vec<(&str, usize, usize)> = Vec::new();
        for figure in &self.figures {
            let group = (figure.workload, figure.mappings, figure.environments);
            if !seen.contains(&group) {
                seen.push(group);
            }
        }
        for (workload, mappings, environments) in seen {
            text += &format!("\n{workload}, {}\n\n", holds(workload, mappings, environments));
            let of_group = |figure: &&Figure| {
                (figure.workload, figure.mappings, figure.environments)
                    == (workload, mappings, environments)
            };
            text += &figures(self.figures.iter().filter(of_group));
        }
        if !self.modules.is_empty() {
            text += "\nThe module and its policies\n\n";
            text += &module::text(&self.modules);
        }
        if let Some(noise) = self.noise() {
            text += &format!("\nThe same arm twice (A/A) differed by {noise:.2} µs at most.\n");
        }
        if !self.ratios.is_empty() {
            let few = if self.rounds < LEAST { ", from too few rounds to mean much" } else { "" };
            text += &format!("\nTimes compared{few}\n\n{}", ratios::text(&self.ratios));
        }
        if !self.goals.is_empty() {
            text += &format!("\nGoals\n\n{}", goal::table(&self.goals));
        }
        text
    }

    /// The most that an arm and the same arm again differ by, in microseconds.
    #[must_use]
    pub fn noise(&self) -> Option<f64> {
        let again = |figure: &Figure| {
            let (first, _) = CONTROLS.iter().find(|(_, again)| *again == figure.arm)?;
            let same = |other: &&Figure| {
                other.arm == *first
                    && (other.workload, other.mappings, other.environments)
                        == (figure.workload, figure.mappings, figure.environments)
            };
            let other = self.figures.iter().find(same)?;
            Some((figure.nanoseconds.median - other.nanoseconds.median).abs() / 1e3)
        };
        self.figures.iter().filter_map(again).reduce(f64::max)
    }
}

/// The part of a policy's size that matters for a workload.
fn holds(workload: &str, mappings: usize, environments: usize) -> String {
    if [Workload::Environment, Workload::LastEnvironment, Workload::LastEnvironmentByCurl]
        .map(Workload::name)
        .contains(&workload)
    {
        format!("{environments} environments")
    } else {
        format!("{mappings} mappings")
    }
}

fn figures<'a>(figures: impl Iterator<Item = &'a Figure>) -> String {
    let header = ["arm", "CPU µs/request", "least", "most", "added µs", "requests/s"]
        .map(str::to_owned)
        .to_vec();
    let micro = |nanoseconds: f64| format!("{:.2}", nanoseconds / 1e3);
    let rows = figures.map(|figure| {
        vec![
            figure.arm.clone(),
            micro(figure.nanoseconds.median),
            micro(figure.nanoseconds.least),
            micro(figure.nanoseconds.most),
            micro(figure.added),
            format!("{:.0}", figure.per_second.median),
        ]
    });
    table(header, rows)
}
