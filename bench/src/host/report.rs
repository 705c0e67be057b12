//! What a run of the embedding SDK's benchmark found: tables for people, JSON for programs.

use std::path::Path;

use serde::Serialize;

use super::figures::HostFigures;
use super::goals::goals;
use super::memory::Memory;
use super::streams::{CONTROL, CONTROLLED};
use crate::error::BenchError;
use crate::goal;
use crate::report::{processor, table, write_json};
use crate::rounds::Figure;

/// All that `just bench host` measures. Its JSON form has this shape; [`version`](Self::version)
/// changes when the shape does.
#[derive(Clone, Debug, Serialize)]
pub struct HostReport {
    /// The shape's version.
    pub version: u32,
    /// The processor, as the system names it.
    pub processor: Option<String>,
    /// How many cores the process may use.
    pub cores: usize,
    /// The figures.
    #[serde(flatten)]
    pub figures: HostFigures,
}

impl HostReport {
    /// The report of a run on this machine.
    #[must_use]
    pub fn new(figures: HostFigures) -> Self {
        Self {
            version: 1,
            processor: processor(),
            cores: std::thread::available_parallelism().map_or(1, std::num::NonZeroUsize::get),
            figures,
        }
    }

    /// The slower of the control arm and the arm that it repeats, divided by the quicker. A smaller
    /// difference is noise.
    #[must_use]
    pub fn noise(&self) -> Option<f64> {
        let of = |name: &str| {
            let streams = &self.figures.streams;
            streams.iter().find(|figure| figure.arm == name).map(|figure| figure.nanoseconds)
        };
        let (one, other) = (of(CONTROLLED)?, of(CONTROL)?);
        Some(one.max(other) / one.min(other))
    }

    /// Writes the JSON form.
    ///
    /// # Errors
    /// When the file cannot be written.
    pub fn write(&self, path: &Path) -> Result<(), BenchError> {
        write_json(self, path)
    }

    /// The form for people.
    #[must_use]
    pub fn text(&self) -> String {
        let HostFigures { streams, starts, first_answer, memory } = &self.figures;
        let mut text = String::new();
        let processor = self.processor.as_deref().unwrap_or("an unknown processor");
        text += &format!("{processor}, {} cores\n", self.cores);
        if !streams.is_empty() {
            text += "\nComplete HTTP streams, one core\n";
            let per_second = |figure: &Figure| format!("{:.0}", figure.per_second());
            text += &figures(streams, 1.0, "ns", Some(("streams/s", &per_second)));
        }
        if let Some(noise) = self.noise() {
            text += &format!("The same arm twice differs by a factor of {noise:.3}.\n");
        }
        if !starts.is_empty() {
            text += "\nA fresh VM from a compiled module, without configuration\n";
            text += &figures(starts, 1e3, "µs", None);
        }
        if !first_answer.is_empty() {
            text += "\nA process from its start to its first answered request\n";
            text += &figures(first_answer, 1e6, "ms", None);
        }
        if let Some(memory) = memory {
            text += "\nAn idle VM with its plugin\n";
            text += &idle(memory);
            text += "\nWhat is left after many\n";
            text += &left(memory);
        }
        text += "\nGoals\n";
        text += &goal::table(&goals(&self.figures));
        text
    }
}

type Column<'a> = (&'static str, &'a dyn Fn(&Figure) -> String);

fn figures(figures: &[Figure], unit: f64, name: &str, more: Option<Column<'_>>) -> String {
    let mut header =
        vec!["arm".to_owned(), format!("median {name}"), "least".to_owned(), "most".to_owned()];
    header.extend(more.map(|(name, _)| name.to_owned()));
    let rows = figures.iter().map(|figure| {
        let number = |nanoseconds: f64| format!("{:.1}", nanoseconds / unit);
        let mut row = vec![
            figure.arm.to_owned(),
            number(figure.nanoseconds),
            number(figure.least),
            number(figure.most),
        ];
        row.extend(more.map(|(_, show)| show(figure)));
        row
    });
    table(header, rows)
}

fn idle(memory: &Memory) -> String {
    let header = ["module", "guest's own KiB", "allocated KiB", "resident KiB, guest's among it"]
        .map(str::to_owned)
        .to_vec();
    let rows = memory.idle.iter().map(|idle| {
        let guest = i64::try_from(idle.guest_bytes).ok();
        vec![
            idle.module.to_owned(),
            kib(guest),
            kib(Some(idle.allocated_bytes)),
            kib(idle.resident_bytes),
        ]
    });
    table(header, rows)
}

fn left(memory: &Memory) -> String {
    let header =
        ["of", "many", "blocks", "bytes", "guest's KiB", "resident KiB", "allocations each"]
            .map(str::to_owned)
            .to_vec();
    let rows = memory.left.iter().map(|left| {
        vec![
            left.what.to_owned(),
            left.count.to_string(),
            left.blocks.to_string(),
            left.bytes.to_string(),
            kib(Some(left.guest_bytes)),
            kib(left.resident_bytes),
            format!("{:.1}", left.allocations_each),
        ]
    });
    table(header, rows)
}

fn kib(bytes: Option<i64>) -> String {
    #[allow(clippy::cast_precision_loss, reason = "far below 2^52")]
    bytes.map_or_else(|| "-".to_owned(), |bytes| format!("{:.1}", bytes as f64 / 1024.0))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn report(medians: [f64; 2]) -> HostReport {
        let [one, other] = medians;
        let figure = |arm, nanoseconds| Figure {
            arm,
            nanoseconds,
            least: nanoseconds,
            most: nanoseconds,
            rounds: vec![nanoseconds],
        };
        HostReport {
            version: 1,
            processor: None,
            cores: 1,
            figures: HostFigures {
                streams: vec![figure(CONTROLLED, one), figure(CONTROL, other)],
                ..HostFigures::default()
            },
        }
    }

    #[test]
    fn the_noise_is_what_the_same_arm_twice_differs_by() {
        assert_eq!(report([100.0, 110.0]).noise(), Some(1.1));
        assert_eq!(report([110.0, 100.0]).noise(), Some(1.1));
    }

    #[test]
    fn a_goal_is_met_or_missed_by_the_median() {
        let verdict = |nanoseconds| {
            goals(&report([nanoseconds, 0.0]).figures).pop().map(|goal| (goal.figure, goal.met))
        };
        assert_eq!(verdict(1000.0), Some(("1000000 streams/s".to_owned(), true)));
        assert_eq!(verdict(1001.0), Some(("999001 streams/s".to_owned(), false)));
    }

    #[test]
    fn the_table_shows_streams_in_a_second() {
        let text = report([1000.0, 1000.0]).text();
        let mut lines = text.lines().filter(|line| line.contains("mapped host"));
        assert!(lines.next().is_some_and(|line| line.trim_end().ends_with("1000000")), "{text}");
    }
}
