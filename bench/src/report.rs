//! What the reports share: tables for people, JSON for programs, and the processor's name.

use std::path::Path;

use comfy_table::{CellAlignment, Table, presets};
use serde::Serialize;

use crate::error::BenchError;

/// Writes a report as JSON, and creates its folder where that is missing.
pub(crate) fn write_json(report: &impl Serialize, path: &Path) -> Result<(), BenchError> {
    let failed = |error| BenchError::Process { what: path.display().to_string(), error };
    if let Some(folder) = path.parent() {
        std::fs::create_dir_all(folder).map_err(failed)?;
    }
    let json = serde_json::to_vec_pretty(report).map_err(|error| failed(error.into()))?;
    std::fs::write(path, json).map_err(failed)
}

/// The processor's name. None where there is no `/proc`.
#[must_use]
pub fn processor() -> Option<String> {
    let info = std::fs::read_to_string("/proc/cpuinfo").ok()?;
    let line = info.lines().find(|line| line.starts_with("model name"))?;
    line.split_once(':').map(|(_, name)| name.trim().to_owned())
}

/// A table. All columns but the first are aligned to the right.
pub(crate) fn table(header: Vec<String>, rows: impl Iterator<Item = Vec<String>>) -> String {
    let mut table = Table::new();
    let columns = header.len();
    table.load_style(presets::NOTHING).set_header(header).add_rows(rows);
    for index in 1..columns {
        if let Some(column) = table.column_mut(index) {
            column.set_cell_alignment(CellAlignment::Right);
        }
    }
    format!("{table}\n")
}
