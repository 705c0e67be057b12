//! A scenario's manifests: the folder `deploy/SCENARIO/FORM` with a kustomization.

use std::path::{Path, PathBuf};

use gatepost_testbed::FileError;
use gatepost_testbed::mesh::{Mesh, MeshError};

/// The form that a scenario has in today's versions.
pub const TODAY: &str = "today";

/// The forms that a scenario can have. Its other folders are what forms are made of.
const FORMS: [&str; 2] = ["as-documented", TODAY];

/// Where manifests and charts take the filter's module from.
const MODULES: [&str; 3] =
    ["components/module-configmap/filter.wasm", "envoy/base/filter.wasm", "chart/filter.wasm"];

/// Applies the form of a scenario that is in this folder, as `just mesh` does it, and gives what
/// `kubectl` printed.
///
/// # Errors
/// When the module cannot be written, the API server refuses an object, or a pod does not run.
pub fn apply(mesh: &mut Mesh, deploy: &Path, folder: &Path) -> Result<String, MeshError> {
    write_module(deploy)?;
    let printed = mesh.apply_folder(folder)?;
    mesh.converge()?;
    Ok(printed)
}

/// Writes the filter's module to where the manifests below `deploy` take it from, as
/// `gatepost filter --out` does.
///
/// # Errors
/// When a file cannot be written.
pub fn write_module(deploy: &Path) -> Result<(), FileError> {
    MODULES.iter().map(|file| deploy.join(file)).try_for_each(|path| {
        std::fs::write(&path, gatepost_filter_wasm::MODULE).map_err(FileError::when("write", &path))
    })
}

/// Why there is no such scenario.
#[derive(Debug, thiserror::Error)]
pub enum ScenarioError {
    /// No folder of that name.
    #[error("there is no scenario `{name}`. There is {}", listed(known))]
    Name {
        /// The name asked for.
        name: String,
        /// Those there are.
        known: Vec<String>,
    },
    /// The scenario has no such form.
    #[error("the scenario `{name}` has no form `{form}`. It has {}", listed(known))]
    Form {
        /// The scenario.
        name: String,
        /// The form asked for.
        form: String,
        /// Those it has.
        known: Vec<String>,
    },
}

/// The folder of a scenario's kustomization below `deploy`.
///
/// # Errors
/// When there is none: with those that there are.
pub fn folder(deploy: &Path, name: &str, form: &str) -> Result<PathBuf, ScenarioError> {
    let forms = forms(&deploy.join(name));
    if forms.is_empty() || name.contains('/') {
        let mut known: Vec<String> = all(deploy).into_iter().map(|(name, _)| name).collect();
        known.dedup();
        return Err(ScenarioError::Name { name: name.to_owned(), known });
    }
    if !forms.iter().any(|known| known == form) {
        let (name, form) = (name.to_owned(), form.to_owned());
        return Err(ScenarioError::Form { name, form, known: forms });
    }
    Ok(deploy.join(name).join(form))
}

/// Every scenario below `deploy` with each of its forms.
#[must_use]
pub fn all(deploy: &Path) -> Vec<(String, String)> {
    let forms_of = |name: String| {
        let forms = forms(&deploy.join(&name)).into_iter();
        forms.map(move |form| (name.clone(), form))
    };
    names(deploy).into_iter().flat_map(forms_of).collect()
}

/// The forms of a scenario.
fn forms(scenario: &Path) -> Vec<String> {
    let is_there = |form: &&str| scenario.join(form).join("kustomization.yaml").is_file();
    FORMS.into_iter().filter(is_there).map(str::to_owned).collect()
}

fn names(folder: &Path) -> Vec<String> {
    let entries = std::fs::read_dir(folder).into_iter().flatten().flatten();
    let mut names: Vec<String> =
        entries.map(|entry| entry.file_name().to_string_lossy().into_owned()).collect();
    names.sort();
    names
}

fn listed(known: &[String]) -> String {
    if known.is_empty() { "none".to_owned() } else { known.join(", ") }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn deploy() -> tempfile::TempDir {
        let deploy = tempfile::tempdir().unwrap();
        for form in ["b/today", "b/as-documented", "b/common", "a/today"] {
            std::fs::create_dir_all(deploy.path().join(form)).unwrap();
            std::fs::write(deploy.path().join(form).join("kustomization.yaml"), "").unwrap();
        }
        std::fs::create_dir_all(deploy.path().join("chart")).unwrap();
        deploy
    }

    #[test]
    fn a_scenario_is_found_in_each_of_its_forms() {
        let deploy = deploy();
        let found = folder(deploy.path(), "b", "as-documented").unwrap();
        assert_eq!(found, deploy.path().join("b/as-documented"));
    }

    #[test]
    fn an_unknown_scenario_or_form_lists_those_that_there_are() {
        let deploy = deploy();
        let said = |name, form| folder(deploy.path(), name, form).unwrap_err().to_string();
        for name in ["c", "chart", "", "..", "b/today"] {
            let expected = format!("there is no scenario `{name}`. There is a, b");
            assert_eq!(said(name, TODAY), expected);
        }
        let expected = "the scenario `a` has no form `old`. It has today";
        assert_eq!(said("a", "old"), expected);
        let none = folder(&deploy.path().join("none"), "a", TODAY).unwrap_err().to_string();
        assert_eq!(none, "there is no scenario `a`. There is none");
    }
}
