//! The steps of a README that run in the mesh.

use std::path::Path;

/// The section with the steps.
const SECTION: &str = "## Without a cluster";

/// The command by which a README runs something in the mesh.
const IN_MESH: &str = "$in_mesh ";

/// How a README brings the mesh up.
const MESH: &str = "`just mesh ";

/// What a README says.
pub struct Steps {
    /// The scenario that its mesh has, and its form.
    pub scenario: String,
    /// The commands, as a shell in the repository's folder takes them.
    pub commands: Vec<String>,
}

/// The README of a scenario.
pub fn readme(deploy: &Path, scenario: &str) -> String {
    std::fs::read_to_string(deploy.join(scenario).join("README.md")).unwrap()
}

/// Reads the steps of a README. It shows the form `today`.
pub fn of(readme: &str, form: &str) -> Steps {
    let section = readme.split(SECTION).nth(1).unwrap_or_else(|| panic!("no {SECTION}"));
    let section = section.split("\n## ").next().unwrap_or_default();
    let mesh = section.replace("    just mesh ", MESH);
    let scenario = mesh.split(MESH).nth(1).expect("just mesh SCENARIO");
    let scenario = scenario.split(|end: char| end.is_whitespace() || end == '`').next();
    let commands = section.lines().filter_map(|line| line.trim_start().strip_prefix(IN_MESH));
    let commands: Vec<String> =
        commands.map(|command| command.replace("/today", &format!("/{form}"))).collect();
    assert!(!commands.is_empty(), "no step");
    Steps { scenario: scenario.unwrap_or_default().to_owned(), commands }
}
