//! Processes of the mesh: each with a folder of its own and its log in it.

use std::fs::File;
use std::io;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use super::error::MeshError;
use crate::FileError;

/// How often a starting process is asked whether it is ready.
const POLL: Duration = Duration::from_millis(50);

/// How many of a log's last lines an error shows.
const TAIL: usize = 40;

/// A process, killed when this is dropped.
#[derive(Debug)]
pub(super) struct Process {
    name: String,
    child: Child,
    log: PathBuf,
}

impl Process {
    /// Starts a command with its log in `folder`.
    pub fn start(name: &str, command: &mut Command, folder: &Path) -> Result<Self, MeshError> {
        let log = folder.join("log");
        let out = File::create(&log).map_err(FileError::when("create", &log))?;
        let both = out.try_clone().map_err(FileError::when("open", &log))?;
        let child = command
            .stdin(Stdio::null())
            .stdout(out)
            .stderr(both)
            .spawn()
            .map_err(FileError::when("run", Path::new(command.get_program())))?;
        Ok(Self { name: name.to_owned(), child, log })
    }

    pub fn id(&self) -> u32 {
        self.child.id()
    }

    /// Asks what it runs to end: the processes that it has started.
    pub fn terminate_children(&self) {
        let id = self.id();
        let children = std::fs::read_to_string(format!("/proc/{id}/task/{id}/children"));
        for child in children.unwrap_or_default().split_whitespace() {
            let child = child.parse().ok().and_then(rustix::process::Pid::from_raw);
            if let Some(child) = child {
                // An error means that it has ended already.
                let _ = rustix::process::kill_process(child, rustix::process::Signal::TERM);
            }
        }
    }

    /// That it ended by itself, if so, with the end of its log.
    pub fn ended(&mut self) -> Option<MeshError> {
        let status = self.child.try_wait().ok().flatten()?;
        Some(MeshError::Ended { name: self.name.clone(), status, log: tail(&self.log()) })
    }

    /// What it printed so far. A log that cannot be read is empty.
    pub fn log(&self) -> String {
        String::from_utf8_lossy(&std::fs::read(&self.log).unwrap_or_default()).into_owned()
    }

    /// Waits until `check` finds what it looks for.
    pub fn ready<T>(
        &mut self,
        within: Duration,
        mut check: impl FnMut() -> Option<T>,
    ) -> Result<T, MeshError> {
        let started = Instant::now();
        loop {
            if let Some(found) = check() {
                return Ok(found);
            }
            if let Some(ended) = self.ended() {
                return Err(ended);
            }
            if started.elapsed() >= within {
                let (name, log) = (self.name.clone(), tail(&self.log()));
                return Err(MeshError::NotReady { name, waited: within, log });
            }
            std::thread::sleep(POLL);
        }
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        // An error means that it has ended already.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

fn tail(log: &str) -> String {
    let lines: Vec<&str> = log.lines().collect();
    lines[lines.len().saturating_sub(TAIL)..].join("\n")
}

/// Why a command gave no output.
pub(super) enum Failed {
    /// It does not run.
    NotRun(io::Error),
    /// It ended with an error: what it printed.
    Said(String),
}

/// Runs a command to its end, and gives what it printed on standard output.
pub(super) fn output(command: &mut Command) -> Result<String, Failed> {
    let output = command.stdin(Stdio::null()).output().map_err(Failed::NotRun)?;
    if output.status.success() {
        return Ok(String::from_utf8_lossy(&output.stdout).into_owned());
    }
    let both = [output.stdout.as_slice(), output.stderr.as_slice()].concat();
    Err(Failed::Said(String::from_utf8_lossy(&both).trim().to_owned()))
}

/// Makes a folder for a process.
pub(super) fn folder(parent: &Path, name: &str) -> Result<PathBuf, MeshError> {
    let folder = parent.join(name);
    std::fs::create_dir_all(&folder).map_err(FileError::when("create", &folder))?;
    Ok(folder)
}

/// Writes a file, and the folders above it.
pub(super) fn write(path: &Path, text: &str) -> Result<(), MeshError> {
    if let Some(parent) = path.parent() {
        std::fs::create_dir_all(parent).map_err(FileError::when("create", parent))?;
    }
    std::fs::write(path, text).map_err(FileError::when("write", path))?;
    Ok(())
}

/// The status of an answer to a GET with these headers, if there is one.
pub(super) fn status(url: &str, headers: &[(&str, &str)]) -> Option<u16> {
    let config = ureq::Agent::config_builder()
        .timeout_global(Some(Duration::from_secs(2)))
        .http_status_as_error(false)
        // A proxy from the environment must not be used in here.
        .proxy(None);
    let agent: ureq::Agent = config.build().into();
    let request =
        headers.iter().fold(agent.get(url), |request, (name, value)| request.header(*name, *value));
    Some(request.call().ok()?.status().as_u16())
}
