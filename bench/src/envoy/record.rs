//! Writes a run into the documentation: the JSON, the plots, and the tables within a page.

use std::path::Path;

use super::error::EnvoyError;
use super::plot;
use super::report::EnvoyReport;
use crate::error::BenchError;
use crate::page;

/// Writes `envoy.json` and the plots into a folder, and the tables into its `README.md` between two
/// marks.
///
/// # Errors
/// When a file cannot be written, or the marks are not there.
pub fn record(report: &EnvoyReport, folder: &Path) -> Result<(), BenchError> {
    report.without_rounds().write(&folder.join("envoy.json"))?;
    let plots = [
        ("added.svg", report.noise().and_then(|noise| plot::added(&report.figures, noise))),
        ("environments.svg", plot::environments(&report.figures)),
        ("mappings.svg", plot::mappings(&report.figures)),
    ];
    for (name, plot) in plots {
        if let Some(plot) = plot {
            let path = folder.join(name);
            std::fs::write(&path, plot).map_err(EnvoyError::system(path.display().to_string()))?;
        }
    }
    page::write(&folder.join("README.md"), "just bench envoy --record", &report.text())
}
