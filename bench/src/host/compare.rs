//! The same modules and requests on the crate `proxy-wasm-host`, for comparison. That crate needs
//! another wasmtime, so each arm is a process of `bench/compare`, which runs its rounds on command
//! and is idle in between.

use std::io::{BufRead, BufReader, Write};
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdin, ChildStdout, Command, Stdio};

use super::guest::Guest;
use super::workload::Workload;
use crate::error::BenchError;

/// The program of the comparison, built.
#[derive(Debug)]
pub struct Comparison {
    folder: PathBuf,
    program: PathBuf,
}

/// A process of that program with one module and one request, ready for rounds.
#[derive(Debug)]
pub struct Compared {
    child: Child,
    orders: Option<ChildStdin>,
    answers: BufReader<ChildStdout>,
}

const WHAT: &str = "the comparison arm on proxy-wasm-host";

fn failed(error: std::io::Error) -> BenchError {
    BenchError::Process { what: WHAT.to_owned(), error }
}

impl Comparison {
    /// Builds the program with cargo into `target`. Its crate names a newer Rust than Gatepost's as
    /// its minimum, which it does not need.
    ///
    /// # Errors
    /// When it cannot be built. The first time it needs a network.
    pub fn build(target: &Path) -> Result<Self, BenchError> {
        let crate_folder = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("compare");
        let target = std::path::absolute(target)
            .map_err(|error| BenchError::Process { what: target.display().to_string(), error })?;
        let mut cargo = Command::new(std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into()));
        cargo
            .args([
                "build",
                "--release",
                "--locked",
                "--ignore-rust-version",
                "--quiet",
                "--target-dir",
            ])
            .arg(&target)
            .current_dir(&crate_folder);
        if !cargo.status().map_err(failed)?.success() {
            return Err(failed(std::io::Error::other("cargo could not build it")));
        }
        let program = target.join("release").join("compare-proxy-wasm-host");
        Ok(Self { folder: target, program })
    }

    /// Starts a process with a module and a request.
    ///
    /// # Errors
    /// When it cannot be started.
    pub fn start(&self, guest: &Guest, workload: &Workload) -> Result<Compared, BenchError> {
        let module = self.folder.join(format!("{}.wasm", guest.name()));
        let configuration = self.folder.join(format!("{}.json", guest.name()));
        std::fs::write(&module, guest.wasm()).map_err(failed)?;
        std::fs::write(&configuration, guest.configuration()).map_err(failed)?;
        let mut child = Command::new(&self.program)
            .arg(module)
            .arg(configuration)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .map_err(failed)?;
        let (Some(mut orders), Some(answers)) = (child.stdin.take(), child.stdout.take()) else {
            return Err(failed(std::io::Error::other("it has no input or output")));
        };
        let headers: Vec<String> =
            workload.request.iter().map(|(name, value)| format!("{name}={value}")).collect();
        let (name, value) = workload.leaves;
        writeln!(orders, "{}\n{name}={value}", headers.join("\t")).map_err(failed)?;
        Ok(Compared { child, orders: Some(orders), answers: BufReader::new(answers) })
    }
}

impl Compared {
    /// Runs `streams` streams in the process, and gives what one cost in nanoseconds.
    ///
    /// # Errors
    /// When it has ended.
    pub fn round(&mut self, streams: usize) -> Result<f64, BenchError> {
        if let Some(orders) = &mut self.orders {
            writeln!(orders, "{streams}").and_then(|()| orders.flush()).map_err(failed)?;
        }
        let mut said = String::new();
        self.answers.read_line(&mut said).map_err(failed)?;
        said.trim().parse().map_err(|_| BenchError::Answer { what: WHAT.to_owned(), said })
    }
}

impl Drop for Compared {
    fn drop(&mut self) {
        // The process ends when its input does. How it ends does not matter any more.
        self.orders = None;
        let _ = self.child.wait();
    }
}
