//! Runs an Envoy under valgrind's callgrind. It counts nothing at first, so that Envoy starts
//! quickly, and receives commands by `vgdb` while Envoy runs.

use std::ffi::OsString;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use super::counts::{CACHES, Counts};
use super::error::CountedError;
use super::profile;
use crate::envoy::error::EnvoyError;
use crate::error::BenchError;

/// Seconds that a command may take. It takes a tenth of one.
const WITHIN: u32 = 60;

/// The programs.
#[derive(Clone, Debug)]
pub struct Valgrind {
    valgrind: PathBuf,
    vgdb: PathBuf,
    version: String,
}

impl Valgrind {
    /// Finds them in the search path.
    ///
    /// # Errors
    /// [`CountedError::NoValgrind`] when they are not there, and when they do not run.
    pub fn find() -> Result<Self, BenchError> {
        let paths = std::env::var_os("PATH").unwrap_or_default();
        Self::find_in(&std::env::split_paths(&paths).collect::<Vec<PathBuf>>())
    }

    fn find_in(folders: &[PathBuf]) -> Result<Self, BenchError> {
        let find = |name: &'static str| {
            let found = folders.iter().map(|folder| folder.join(name)).find(|path| path.is_file());
            found.ok_or(CountedError::NoValgrind(name))
        };
        let (valgrind, vgdb) = (find("valgrind")?, find("vgdb")?);
        let asked = Command::new(&valgrind)
            .arg("--version")
            .output()
            .map_err(EnvoyError::system(valgrind.display().to_string()))?;
        let version = String::from_utf8_lossy(&asked.stdout).trim().to_owned();
        Ok(Self { valgrind, vgdb, version })
    }

    /// Its release, such as `valgrind-3.19.0`.
    #[must_use]
    pub fn version(&self) -> &str {
        &self.version
    }

    /// The command that an Envoy is started with: valgrind and its options. `folder` is for its
    /// pipes and profiles.
    #[must_use]
    pub fn command(&self, folder: &Path) -> Vec<OsString> {
        let with_path = |option: &str, name: &str| {
            let mut argument = OsString::from(option);
            argument.push(folder.join(name));
            argument
        };
        let mut command: Vec<OsString> = vec![self.valgrind.clone().into()];
        // V8 generates code, so valgrind must check its translation of all code that is not in a
        // file.
        let fixed =
            ["--tool=callgrind", "--instr-atstart=no", "--separate-threads=yes", "--cache-sim=yes"];
        command.extend(fixed.into_iter().chain(["--smc-check=all-non-file"]).map(OsString::from));
        command.extend(CACHES.into_iter().map(|cache| OsString::from(cache.option())));
        command.extend([
            with_path("--vgdb-prefix=", PIPES),
            with_path("--callgrind-out-file=", PROFILES),
        ]);
        command
    }

    /// Takes control of the process, and turns counting on.
    ///
    /// # Errors
    /// When valgrind does not answer, or has no such thread. `worker` is the system's id of the
    /// worker's thread.
    pub fn count(&self, process: u32, worker: &str, folder: &Path) -> Result<Counting, BenchError> {
        let mut counting = Counting {
            vgdb: self.vgdb.clone(),
            process,
            folder: folder.to_owned(),
            thread: String::new(),
            profiles: 0,
        };
        let said = counting.monitor(&["v.info", "scheduler"])?;
        let thread = thread(&said, worker).map(str::to_owned);
        counting.thread =
            thread.ok_or_else(|| CountedError::NoWorker { id: worker.to_owned(), said })?;
        counting.monitor(&["instrumentation", "on"])?;
        Ok(counting)
    }
}

/// The beginning of the pipes' names.
const PIPES: &str = "pipe";
/// The beginning of the profiles' names.
const PROFILES: &str = "profile";

/// A process that is counted.
#[derive(Debug)]
pub struct Counting {
    vgdb: PathBuf,
    process: u32,
    folder: PathBuf,
    /// Valgrind's own number of the worker's thread.
    thread: String,
    /// Profiles written so far.
    profiles: usize,
}

impl Counting {
    /// Sets all counters to zero, and keeps the contents of the simulated caches.
    ///
    /// # Errors
    /// When valgrind does not.
    pub fn zero(&self) -> Result<(), BenchError> {
        self.monitor(&["zero"]).map(drop)
    }

    /// The worker's counts since then.
    ///
    /// # Errors
    /// When valgrind does not write them.
    pub fn counts(&mut self) -> Result<Counts, BenchError> {
        self.monitor(&["dump"])?;
        self.profiles += 1;
        let file = self.folder.join(format!("{PROFILES}.{}-{:0>2}", self.profiles, self.thread));
        let text = std::fs::read_to_string(&file)
            .map_err(EnvoyError::system(file.display().to_string()))?;
        let fault = |fault| CountedError::Profile { file: file.display().to_string(), fault };
        Ok(profile::parse(&text).map_err(fault)?)
    }

    fn monitor(&self, words: &[&str]) -> Result<String, BenchError> {
        let mut prefix = OsString::from("--vgdb-prefix=");
        prefix.push(self.folder.join(PIPES));
        let output = Command::new(&self.vgdb)
            .args([format!("--pid={}", self.process), format!("--cmd-time-out={WITHIN}")])
            .arg(prefix)
            .args(words)
            .stdin(Stdio::null())
            .output()
            .map_err(EnvoyError::system(self.vgdb.display().to_string()))?;
        let said = String::from_utf8_lossy(&output.stdout).into_owned();
        if output.status.success() {
            return Ok(said);
        }
        let said = format!("{said}{}", String::from_utf8_lossy(&output.stderr));
        Err(CountedError::Monitor { command: words.join(" "), said: said.trim().to_owned() }.into())
    }
}

/// Valgrind's number of the thread with the system's id `worker`, from a line such as `Thread 7:
/// status = VgTs_WaitSys syscall 232 (lwpid 23400)`.
fn thread<'a>(said: &'a str, worker: &str) -> Option<&'a str> {
    let id = format!("(lwpid {worker})");
    let line = said.lines().find(|line| line.trim_end().ends_with(&id))?;
    let (number, _) = line.strip_prefix("Thread ")?.split_once(':')?;
    number.bytes().all(|byte| byte.is_ascii_digit()).then_some(number)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_thread_is_found_by_the_systems_id() {
        let said = "sched status:\n  running_tid=7\n\n\
                    Thread 1: status = VgTs_WaitSys syscall 232 (lwpid 400)\n\
                    ==4==    at 0x7B7FF36\n\
                    Thread 12: status = VgTs_WaitSys syscall 232 (lwpid 23400)\n";
        assert_eq!(thread(said, "23400"), Some("12"));
        assert_eq!(thread(said, "400"), Some("1"));
        assert_eq!(thread(said, "3400"), None);
    }

    #[test]
    fn the_error_of_a_machine_without_valgrind_says_how_to_install_it() {
        let error = Valgrind::find_in(&[PathBuf::from("/nonexistent")]).unwrap_err().to_string();
        assert!(
            error.contains("valgrind is not installed")
                && error.contains("apt-get install valgrind"),
            "{error}"
        );
    }
}
