//! `gatepost module test`: runs files of tests against a module, without a proxy.

use std::path::{Path, PathBuf};

use gatepost_host_testing::{FileError, Report, Runner, TestFile};

use crate::commands::exit::{CommandError, Exit};
use crate::commands::output::{for_people, print};
use crate::{cache, wait};

/// Run test files against a module
///
/// Files called .yaml, .yml or .json say what a client sends, what the upstream and the plugin's
/// callouts answer, and what is expected of requests, responses, log lines, metrics and hostcalls.
/// Others are those of Google's Service Extensions samples (tests.textpb), unchanged.
#[derive(clap::Args)]
pub struct Arguments {
    /// The module to test
    #[arg(value_name = "FILE.wasm")]
    module: PathBuf,
    /// Files of tests, or folders that hold tests.yaml, *.tests.yaml (or .yml, .json), *.textpb or
    /// *.textproto
    #[arg(required = true, value_name = "TESTS")]
    tests: Vec<PathBuf>,
    /// A file with the plugin configuration, instead of what the tests name. `TESTS=FILE` is for
    /// one file of tests only, as in `--config strict.textpb=strict.conf`; may be repeated
    #[arg(long, value_name = "[TESTS=]FILE")]
    config: Vec<String>,
    /// Run only the tests whose name contains this
    #[arg(long, visible_alias = "filter", value_name = "NAME")]
    test: Option<String>,
    /// `text` for people, a line for each case; `json` for programs, one object on one line;
    /// `junit` for CI systems
    #[arg(long, value_enum, default_value_t)]
    format: Format,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, clap::ValueEnum)]
enum Format {
    #[default]
    Text,
    Json,
    Junit,
}

pub fn run(arguments: &Arguments) -> Result<Exit, CommandError> {
    let mut paths = Vec::new();
    for path in &arguments.tests {
        let before = paths.len();
        walk(path, true, &mut paths)?;
        if paths.len() == before {
            return Err(CommandError::Nothing {
                path: path.clone(),
                what: "tests.yaml, *.tests.yaml, *.textpb or *.textproto",
            });
        }
    }
    let compiling = format!("compiling {}", arguments.module.display());
    let mut runner =
        wait::saying(&compiling, || Runner::read(&arguments.module, cache::directory()))
            .map_err(CommandError::other)?;
    cache::report(&runner.cache());
    let configurations = Configurations::read(&arguments.config)?;
    runner.only.clone_from(&arguments.test);
    let (mut files, mut unusable) = (Vec::new(), Vec::new());
    for path in paths {
        match TestFile::read(&path) {
            Ok(file) => {
                runner.configuration = configurations.of(&path).map(Into::into);
                files.push(runner.run(&file).map_err(CommandError::other)?);
            }
            // The other files are tested nevertheless.
            Err(FileError::Invalid(report)) => {
                anstream::eprint!("{}", for_people().render(std::slice::from_ref(&report)));
                unusable.push(report.into());
            }
            Err(FileError::Unreadable { path, error }) => {
                return Err(CommandError::Unreadable { path, error });
            }
        }
    }
    if let Some(name) = &arguments.test {
        files.retain(|file| !file.cases.is_empty());
        if files.is_empty() && unusable.is_empty() {
            let error = format!("no test has a name that contains {name:?}");
            return Err(CommandError::other(std::io::Error::other(error)));
        }
    }
    let report = Report::new(&arguments.module.display().to_string(), files, unusable);
    match arguments.format {
        Format::Text => print(&report.text())?,
        Format::Json => {
            print(&format!("{}\n", serde_json::to_string(&report).map_err(CommandError::other)?))?;
        }
        Format::Junit => print(&report.junit())?,
    }
    Ok(if report.is_fine() { Exit::Success } else { Exit::Findings })
}

/// The plugin configurations of the command line.
struct Configurations {
    of_all: Option<Vec<u8>>,
    of_files: Vec<(PathBuf, Vec<u8>)>,
}

impl Configurations {
    fn read(given: &[String]) -> Result<Self, CommandError> {
        let read = |path: &str| {
            let path = PathBuf::from(path);
            std::fs::read(&path).map_err(|error| CommandError::Unreadable { path, error })
        };
        let mut configurations = Self { of_all: None, of_files: Vec::new() };
        for one in given {
            // A file whose own name has the sign is taken whole.
            match one.split_once('=').filter(|_| !Path::new(one).exists()) {
                Some((tests, file)) => {
                    configurations.of_files.push((PathBuf::from(tests), read(file)?));
                }
                None => configurations.of_all = Some(read(one)?),
            }
        }
        Ok(configurations)
    }

    /// The configuration for a file of tests, which is named by the end of its path.
    fn of(&self, tests: &Path) -> Option<Vec<u8>> {
        let own = self.of_files.iter().find(|(named, _)| tests.ends_with(named));
        own.map(|(_, configuration)| configuration).or(self.of_all.as_ref()).cloned()
    }
}

/// Finds files of tests. A file that the user names (`named`) counts under any name; in a folder,
/// only files with the names of tests do.
fn walk(path: &Path, named: bool, found: &mut Vec<PathBuf>) -> Result<(), CommandError> {
    let failed = |error| CommandError::Unreadable { path: path.to_owned(), error };
    if !std::fs::metadata(path).map_err(failed)?.is_dir() {
        let name = path.file_name().and_then(|name| name.to_str()).unwrap_or_default();
        if named || is_tests(name) {
            found.push(path.to_owned());
        }
        return Ok(());
    }
    let entries: Result<Vec<PathBuf>, _> = std::fs::read_dir(path)
        .map_err(failed)?
        .map(|entry| entry.map(|entry| entry.path()))
        .collect();
    let mut entries = entries.map_err(failed)?;
    entries.sort();
    entries
        .iter()
        .filter(|entry| !(entry.is_dir() && entry.is_symlink()))
        .try_for_each(|entry| walk(entry, false, found))
}

/// Whether a name is that of a file of tests.
fn is_tests(name: &str) -> bool {
    let own = [".yaml", ".yml", ".json"].iter().filter_map(|end| name.strip_suffix(end));
    let is_own = own.into_iter().any(|stem| stem == "tests" || stem.ends_with(".tests"));
    is_own || [".textpb", ".textproto"].iter().any(|end| name.ends_with(end))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_of_tests_is_known_by_its_name() {
        for name in ["tests.yaml", "auth.tests.yml", "tests.json", "tests.textpb", "a.textproto"] {
            assert!(is_tests(name), "{name}");
        }
        for name in
            ["test.yaml", "mytests.yaml", "policy.yaml", "tests.yaml.orig", "config.json", "tests"]
        {
            assert!(!is_tests(name), "{name}");
        }
    }
}
