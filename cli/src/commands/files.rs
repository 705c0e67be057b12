//! Finds the files that a PATH argument names: the file itself, or the policies and tests in a
//! folder and the folders below it.

use std::path::{Path, PathBuf};

use super::exit::CommandError;

/// Names of policy files in a folder.
const POLICIES: &[&str] = &["policy.yaml", "policy.yml", "policy.json"];
/// Names of files of tests, which are beside the policy that they test.
const TESTS: &[&str] = &["tests.yaml", "tests.yml", "tests.json"];

/// A file and its kind.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub enum Found {
    Policy(PathBuf),
    Tests(PathBuf),
}

/// Every file that the paths name, in the order of the names in a folder. `what` is for the error
/// when a path has none.
pub fn find(paths: &[PathBuf], what: &'static str) -> Result<Vec<Found>, CommandError> {
    let mut found = Vec::new();
    for path in paths {
        let before = found.len();
        walk(path, &mut found)?;
        if found.len() == before {
            return Err(CommandError::Nothing { path: path.clone(), what });
        }
    }
    Ok(found)
}

fn walk(path: &Path, found: &mut Vec<Found>) -> Result<(), CommandError> {
    let failed = |error| CommandError::Unreadable { path: path.to_owned(), error };
    let metadata = std::fs::metadata(path).map_err(failed)?;
    if !metadata.is_dir() {
        let tests = is_one_of(path, TESTS);
        found.push(if tests {
            Found::Tests(path.to_owned())
        } else {
            Found::Policy(path.to_owned())
        });
        return Ok(());
    }
    let mut entries: Vec<PathBuf> = Vec::new();
    for entry in std::fs::read_dir(path).map_err(failed)? {
        entries.push(entry.map_err(failed)?.path());
    }
    entries.sort();
    for entry in entries {
        if is_one_of(&entry, POLICIES) {
            found.push(Found::Policy(entry));
        } else if is_one_of(&entry, TESTS) {
            found.push(Found::Tests(entry));
        } else if entry.is_dir() && !entry.is_symlink() {
            walk(&entry, found)?;
        }
    }
    Ok(())
}

fn is_one_of(path: &Path, names: &[&str]) -> bool {
    path.file_name().and_then(|name| name.to_str()).is_some_and(|name| names.contains(&name))
}

/// The policy that a file of tests is for: the one beside it.
pub fn policy_beside(tests: &Path) -> Result<PathBuf, CommandError> {
    let folder = tests.parent().unwrap_or(Path::new(""));
    let candidates = POLICIES.iter().map(|name| folder.join(name));
    candidates
        .into_iter()
        .find(|path| path.is_file())
        .ok_or_else(|| CommandError::NoPolicy(tests.to_owned()))
}
