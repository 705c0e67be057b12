//! The counts of a run: tables for people, JSON for programs.

use std::path::Path;

use serde::Serialize;

use super::case::CASES;
use super::counts::{self, CACHES, Cache, Counts};
use super::goals::goals;
use super::{Figure, Requests};
use crate::envoy;
use crate::envoy::arm::Arm;
use crate::envoy::error::EnvoyError;
use crate::envoy::plot;
use crate::error::BenchError;
use crate::goal::{self, Goal};
use crate::page;
use crate::report::table;

/// All that `just bench counted` finds. Its JSON form has this shape; [`version`](Self::version)
/// changes when the shape does.
#[derive(Clone, Debug, Serialize)]
pub struct CountedReport {
    /// The shape's version.
    pub version: u32,
    /// The processor, as the system names it: libraries choose their instructions by it.
    pub processor: Option<String>,
    /// Envoy's release, or the variable that names an Envoy.
    pub envoy: String,
    /// Valgrind's release.
    pub valgrind: String,
    /// The simulated caches.
    pub caches: [Cache; 3],
    /// How cycles are computed from counts.
    pub model: String,
    /// Requests for each arm and workload.
    pub requests: Requests,
    /// Every arm with every workload.
    pub figures: Vec<Row>,
    /// What Gatepost must reach.
    pub goals: Vec<Goal>,
}

/// A figure, and how it compares.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Row {
    /// What was counted for a request.
    #[serde(flatten)]
    pub figure: Figure,
    /// The model's cycles for it.
    pub cycles: f64,
    /// What the arm adds to the counts without a filter.
    pub added: Counts,
    /// The model's cycles for that.
    pub added_cycles: f64,
    /// The same as multiples of what others add; empty for those that others are compared with, and
    /// where one of them was not counted.
    pub ratios: Vec<Ratio>,
}

/// The cycles that an arm adds, as a multiple of those that another adds.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Ratio {
    /// The other arm.
    pub to: String,
    /// The multiple.
    pub ratio: f64,
}

/// The arms that others are compared with.
fn compared_with() -> [Arm; 5] {
    [Arm::lua(), Arm::native(), Arm::empty(), Arm::careful(), Arm::naive()]
}

impl CountedReport {
    /// The figures of a run, compared.
    #[must_use]
    pub fn new(valgrind: &str, requests: Requests, figures: &[Figure]) -> Self {
        let processor = crate::report::processor();
        Self {
            version: 3,
            processor,
            envoy: envoy::release(),
            valgrind: valgrind.to_owned(),
            caches: CACHES,
            model: counts::model(),
            requests,
            figures: rows(figures),
            goals: goals(figures),
        }
    }

    /// Writes the JSON form.
    ///
    /// # Errors
    /// When the file cannot be written.
    pub fn write(&self, path: &Path) -> Result<(), BenchError> {
        crate::report::write_json(self, path)
    }

    /// Writes `counted.json` and the plot into a folder, and the tables into its `README.md`,
    /// between two marks.
    ///
    /// # Errors
    /// When a file cannot be written, or the marks are not there.
    pub fn record(&self, folder: &Path) -> Result<(), BenchError> {
        self.write(&folder.join("counted.json"))?;
        if let Some(plot) = self.plot() {
            let path = folder.join("counted.svg");
            std::fs::write(&path, plot).map_err(EnvoyError::system(path.display().to_string()))?;
        }
        page::write(&folder.join("README.md"), "just bench counted --record", &self.text())
    }

    /// What each arm adds to a request, as a picture. None when something was not counted.
    #[must_use]
    pub fn plot(&self) -> Option<String> {
        let heading = "Cycles added to a request in Envoy, counted, by what is done";
        let note =
            "thousands of cycles in the model beside a request without a filter; less is better";
        plot::bars(heading, note, |arm, workload| {
            find(&self.figures, workload.name(), &arm.name).map(|row| row.added_cycles / 1e3)
        })
    }

    /// The form for people.
    #[must_use]
    pub fn text(&self) -> String {
        let processor = self.processor.as_deref().unwrap_or("an unknown processor");
        let Requests { warm_up, counted, processes } = self.requests;
        let mut text = format!(
            "{processor}; Envoy {}; {}; {counted} requests after {warm_up}, \
             in each of {processes} processes\n",
            self.envoy, self.valgrind
        );
        let caches: Vec<String> = self
            .caches
            .iter()
            .map(|cache| format!("{} {} KiB, {} ways", cache.name, cache.kib, cache.ways))
            .collect();
        text += &format!("Simulated caches: {}\n{}\n", caches.join("; "), self.model);
        for group in self.figures.chunk_by(|one, next| one.figure.workload == next.figure.workload)
        {
            let workload = group.first().map_or("", |row| &row.figure.workload);
            text += &format!("\n{workload}: for a request, and + what the arm adds\n\n");
            text += &counted_by(group);
        }
        text += "\nCycles added, to those that others add\n\n";
        text += &ratios(&self.figures);
        let grown = grown(&self.figures);
        if !grown.is_empty() {
            text += &format!(
                "\nCycles added at a large policy, to those at the smallest\n\n{}",
                grown_table(&grown)
            );
        }
        if let Some(noise) = self.noise() {
            text += &format!(
                "\nThe same arm twice (A/A) differed by {:.0} instructions ({:.2} %) \
                 and {:.0} cycles ({:.2} %) at most.\n",
                noise.instructions, noise.instructions_percent, noise.cycles, noise.cycles_percent
            );
        }
        if !self.goals.is_empty() {
            text += &format!("\nGoals\n\n{}", goal::table(&self.goals));
        }
        text
    }

    /// The most that Gatepost and Gatepost again differ by.
    #[must_use]
    pub fn noise(&self) -> Option<Noise> {
        let again = Arm::gatepost_again().name;
        let differs = |row: &Row| {
            let other = find(&self.figures, &row.figure.workload, &Arm::gatepost().name)?;
            let instructions = (row.added.instructions - other.added.instructions).abs();
            let cycles = (row.added_cycles - other.added_cycles).abs();
            Some(Noise {
                instructions,
                instructions_percent: 100.0 * instructions / other.added.instructions,
                cycles,
                cycles_percent: 100.0 * cycles / other.added_cycles,
            })
        };
        let most = |one: Noise, other: Noise| Noise {
            instructions: one.instructions.max(other.instructions),
            instructions_percent: one.instructions_percent.max(other.instructions_percent),
            cycles: one.cycles.max(other.cycles),
            cycles_percent: one.cycles_percent.max(other.cycles_percent),
        };
        self.figures.iter().filter(|row| row.figure.arm == again).filter_map(differs).reduce(most)
    }
}

/// What the same arm twice differs by, in itself and in percent of what it adds.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Noise {
    /// Instructions for a request.
    pub instructions: f64,
    /// In percent of those it adds.
    pub instructions_percent: f64,
    /// Cycles for a request.
    pub cycles: f64,
    /// In percent of those it adds.
    pub cycles_percent: f64,
}

fn find<'a>(rows: &'a [Row], workload: &str, arm: &str) -> Option<&'a Row> {
    rows.iter().find(|row| row.figure.workload == workload && row.figure.arm == arm)
}

fn rows(figures: &[Figure]) -> Vec<Row> {
    let of = |workload: &str, arm: &Arm| {
        let found =
            figures.iter().find(|figure| figure.workload == workload && figure.arm == arm.name);
        found.map(|figure| figure.counts)
    };
    let (nothing, others) = (Arm::nothing(), compared_with());
    let row = |figure: &Figure| {
        let without = of(&figure.workload, &nothing)?;
        let added = figure.counts - without;
        let ratio = |other: &Arm| {
            let others = of(&figure.workload, other)? - without;
            Some(Ratio { to: other.name.clone(), ratio: added.cycles() / others.cycles() })
        };
        let compared = others.iter().chain([&nothing]).all(|other| other.name != figure.arm);
        let ratios = || others.iter().map(ratio).collect::<Option<Vec<_>>>();
        Some(Row {
            cycles: figure.counts.cycles(),
            added,
            added_cycles: added.cycles(),
            ratios: compared.then(ratios).flatten().unwrap_or_default(),
            figure: figure.clone(),
        })
    };
    figures.iter().filter_map(row).collect()
}

fn counted_by(rows: &[Row]) -> String {
    let header = ["arm", "instructions", "L1i misses", "L1d misses", "LL misses", "cycles"];
    let added = ["+ instr.", "+ L1i", "+ L1d", "+ LL", "+ cycles"];
    let row = |row: &Row| {
        let figures = |counts: &Counts, cycles: f64| {
            let Counts { instructions, l1i_misses, l1d_misses, ll_misses } = counts;
            [
                format!("{instructions:.0}"),
                format!("{l1i_misses:.1}"),
                format!("{l1d_misses:.1}"),
                format!("{ll_misses:.2}"),
                format!("{cycles:.0}"),
            ]
        };
        let own = figures(&row.figure.counts, row.cycles);
        [row.figure.arm.clone()]
            .into_iter()
            .chain(own)
            .chain(figures(&row.added, row.added_cycles))
            .collect()
    };
    table(header.into_iter().chain(added).map(str::to_owned).collect(), rows.iter().map(row))
}

fn ratios(rows: &[Row]) -> String {
    let header = compared_with().map(|other| format!("to {}", other.name));
    let row = |row: &Row| {
        let name = format!("{}: {}", row.figure.workload, row.figure.arm);
        let ratios = row.ratios.iter().map(|Ratio { ratio, .. }| format!("{ratio:.3} x"));
        [name].into_iter().chain(ratios).collect()
    };
    let header = ["workload and arm".to_owned()].into_iter().chain(header).collect();
    table(header, rows.iter().filter(|row| !row.ratios.is_empty()).map(row))
}

/// An arm at a large policy, and the cycles that it adds at the smallest.
struct Grown<'a> {
    row: &'a Row,
    small: f64,
}

fn grown<'a>(rows: &'a [Row]) -> Vec<Grown<'a>> {
    let grown = |row: &'a Row| {
        let case = CASES.into_iter().find(|case| case.name() == row.figure.workload)?;
        Some(Grown { row, small: find(rows, &case.small()?.name(), &row.figure.arm)?.added_cycles })
    };
    rows.iter().filter(|row| row.figure.arm != Arm::nothing().name).filter_map(grown).collect()
}

fn grown_table(grown: &[Grown<'_>]) -> String {
    let header =
        ["workload and arm", "cycles", "at the smallest", "ratio"].map(str::to_owned).to_vec();
    let row = |Grown { row, small }: &Grown<'_>| {
        let ratio = row.added_cycles / small;
        vec![
            format!("{}: {}", row.figure.workload, row.figure.arm),
            format!("{:.0}", row.added_cycles),
            format!("{small:.0}"),
            format!("{ratio:.3} x"),
        ]
    };
    table(header, grown.iter().map(row))
}

#[cfg(test)]
mod tests {
    use super::*;

    use crate::counted::case::Case;

    fn figure(arm: &Arm, instructions: f64) -> Figure {
        let counts = Counts { instructions, l1i_misses: 10.0, l1d_misses: 20.0, ll_misses: 0.5 };
        Figure { workload: "probe".to_owned(), arm: arm.name.clone(), counts }
    }

    fn report() -> CountedReport {
        let figures = [
            figure(&Arm::nothing(), 10_000.0),
            figure(&Arm::gatepost(), 18_000.0),
            figure(&Arm::filter("other.wasm", Vec::new()), 20_000.0),
            figure(&Arm::native(), 11_000.0),
            figure(&Arm::empty(), 12_000.0),
            figure(&Arm::careful(), 20_000.0),
            figure(&Arm::naive(), 26_000.0),
            figure(&Arm::lua(), 14_000.0),
            figure(&Arm::gatepost_again(), 18_080.0),
        ];
        CountedReport::new("valgrind-3.19.0", Requests::FULL, &figures)
    }

    #[test]
    fn a_ratio_is_that_of_the_cycles_that_are_added() {
        let report = report();
        let of = |arm: &str| -> Vec<f64> {
            let row = find(&report.figures, "probe", arm).unwrap();
            row.ratios.iter().map(|ratio| ratio.ratio).collect()
        };
        assert_eq!(of("Gatepost"), [2.0, 8.0, 4.0, 0.8, 0.5]);
        assert_eq!(of("other.wasm"), [2.5, 10.0, 5.0, 1.0, 0.625]);
        assert!(of("Lua").is_empty() && of("no filter").is_empty());
    }

    #[test]
    fn the_noise_is_what_the_same_arm_twice_differs_by() {
        let noise = Noise {
            instructions: 80.0,
            instructions_percent: 1.0,
            cycles: 20.0,
            cycles_percent: 1.0,
        };
        assert_eq!(report().noise(), Some(noise));
    }

    #[test]
    fn a_row_shows_what_was_counted_and_what_the_arm_adds() {
        assert!(report().text().contains("probe: cycles added, to those of Lua"));
        let text = report().text();
        let row = |name: &str| -> Vec<String> {
            let line = text.lines().find(|line| line.trim_start().starts_with(name)).unwrap();
            line.trim_start()
                .trim_start_matches(name)
                .split_whitespace()
                .map(str::to_owned)
                .collect()
        };
        assert_eq!(
            row("Lua"),
            ["14000", "10.0", "20.0", "0.50", "3945", "4000", "0.0", "0.0", "0.00", "1000"]
        );
        let ratios = ["2.000", "x", "8.000", "x", "4.000", "x", "0.800", "x", "0.500", "x"];
        assert_eq!(row("probe: Gatepost "), ratios);
        assert!(
            text.contains("cycles = 0.25 x instructions")
                && text.contains("(A/A) differed by 80 instructions (1.00 %)"),
            "{text}"
        );
    }

    #[test]
    fn a_large_policy_is_compared_with_the_smallest() {
        let figure = |case: Case, arm: &Arm, instructions| Figure {
            workload: case.name(),
            ..figure(arm, instructions)
        };
        let figures = [
            figure(Case::Environment, &Arm::nothing(), 10_000.0),
            figure(Case::Environment, &Arm::gatepost(), 18_000.0),
            figure(Case::ManyEnvironments, &Arm::nothing(), 11_000.0),
            figure(Case::ManyEnvironments, &Arm::gatepost(), 21_000.0),
        ];
        let rows = rows(&figures);
        let grown: Vec<_> =
            grown(&rows).into_iter().map(|grown| (grown.row.added_cycles, grown.small)).collect();
        assert_eq!(grown, [(2500.0, 2000.0)]);
        let text = CountedReport::new("valgrind-3.19.0", Requests::FULL, &figures).text();
        assert!(
            text.contains("environment among 10000: Gatepost    2500             2000  1.250 x"),
            "{text}"
        );
    }

    #[test]
    fn an_arm_that_nothing_was_counted_beside_has_no_row() {
        assert_eq!(rows(&[figure(&Arm::gatepost(), 1.0)]), []);
    }
}
