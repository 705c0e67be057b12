//! A run written down where the documentation shows it: the JSON, the plots, and the tables in the middle of a page.

use std::path::Path;

use super::error::EnvoyError;
use super::plot;
use super::report::EnvoyReport;
use crate::subject::BenchError;

const BEGIN: &str = "<!-- figures: written by `just bench envoy --record` -->";
const END: &str = "<!-- end of figures -->";

/// Writes `envoy.json` and the plots into a folder, and the tables into its `README.md` between two marks.
///
/// # Errors
/// When a file cannot be written, or the marks are not there.
pub fn record(report: &EnvoyReport, folder: &Path) -> Result<(), BenchError> {
    report.write(&folder.join("envoy.json"))?;
    let plots = [
        ("added.svg", report.noise().and_then(|noise| plot::added(&report.figures, noise))),
        ("environments.svg", plot::environments(&report.figures)),
        ("mappings.svg", plot::mappings(&report.figures)),
    ];
    for (name, plot) in plots {
        if let Some(plot) = plot {
            write(&folder.join(name), &plot)?;
        }
    }
    let page = folder.join("README.md");
    let text = std::fs::read_to_string(&page).map_err(EnvoyError::system(page.display().to_string()))?;
    let missing =
        || EnvoyError::system(page.display().to_string())(std::io::Error::other(format!("no `{BEGIN}` … `{END}` in it")));
    write(&page, &replaced(&text, &report.text()).ok_or_else(missing)?)
}

fn replaced(page: &str, tables: &str) -> Option<String> {
    let (before, rest) = page.split_once(BEGIN)?;
    let (_, after) = rest.split_once(END)?;
    Some(format!("{before}{BEGIN}\n```\n{}\n```\n{END}{after}", trimmed(tables)))
}

/// Without the blanks that tables leave at the ends of lines.
fn trimmed(text: &str) -> String {
    text.lines().map(str::trim_end).collect::<Vec<_>>().join("\n")
}

fn write(path: &Path, text: &str) -> Result<(), BenchError> {
    Ok(std::fs::write(path, text).map_err(EnvoyError::system(path.display().to_string()))?)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_what_stands_between_the_marks_is_replaced() {
        let page = format!("before\n{BEGIN}\nold\n{END}\nafter\n");
        let once = replaced(&page, "new  \n").unwrap();
        assert_eq!(once, format!("before\n{BEGIN}\n```\nnew\n```\n{END}\nafter\n"));
        assert_eq!(replaced(&once, "new"), Some(once));
        assert_eq!(replaced("nothing", "new"), None);
    }
}
