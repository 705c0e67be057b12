//! The commands, one file each: what they take, what they print, and how they end. What they do is
//! elsewhere.

mod check;
mod demo;
mod envoy;
mod explain;
mod files;
mod filter;
mod module;
mod render;
mod serve;
mod table;
mod test;

use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use clap::{Parser, Subcommand};
use gatepost_authoring::{FileError, PolicyFile, Render, Report};

/// Health-check rewrite, environment routing hints and custom-domain hosts at the edge of a mesh,
/// from one policy.
#[derive(Parser)]
#[command(
    name = "gatepost",
    version,
    max_term_width = 100,
    after_help = "Exit codes: 0 fine, 1 findings or failures, 2 usage or I/O."
)]
pub struct Cli {
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand)]
enum Command {
    Demo(demo::Arguments),
    Serve(serve::Arguments),
    Check(check::Arguments),
    Test(test::Arguments),
    Explain(explain::Arguments),
    Render(render::Arguments),
    Filter(filter::Arguments),
    Module(module::Arguments),
}

/// How a command ends when nothing went wrong with itself.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Ended {
    /// Nothing to complain about.
    Fine,
    /// Findings, or tests that failed.
    Findings,
    /// As the program that it ran did.
    Code(u8),
}

impl From<Ended> for ExitCode {
    fn from(ended: Ended) -> Self {
        match ended {
            Ended::Fine => Self::SUCCESS,
            Ended::Findings => Self::from(1),
            Ended::Code(code) => Self::from(code),
        }
    }
}

/// What kept a command from doing its work.
#[derive(Debug, thiserror::Error)]
pub enum CommandError {
    /// A file that cannot be read.
    #[error("cannot read {}: {error}", path.display())]
    Unreadable {
        /// The file.
        path: PathBuf,
        /// What the system said.
        error: std::io::Error,
    },
    /// A file that cannot be written.
    #[error("cannot write {}: {error}", path.display())]
    Unwritable {
        /// The file.
        path: PathBuf,
        /// What the system said.
        error: std::io::Error,
    },
    /// An address on which nobody can listen, or somebody does already.
    #[error("cannot listen on {address}: {error}")]
    Listen {
        /// The address.
        address: SocketAddr,
        /// What the system said.
        error: std::io::Error,
    },
    /// A folder without anything to work on.
    #[error("{}: no {what} here", path.display())]
    Nothing {
        /// The folder.
        path: PathBuf,
        /// What was looked for.
        what: &'static str,
    },
    /// Tests without the policy that they are about.
    #[error("{}: no policy.yaml, policy.yml or policy.json beside these tests", .0.display())]
    NoPolicy(PathBuf),
    /// Standard output cannot be written to.
    #[error("standard output: {0}")]
    Output(std::io::Error),
    /// Findings that were told already, on standard error.
    #[error("{0}")]
    Findings(String),
    /// Anything else, in its own words.
    #[error(transparent)]
    Other(Box<dyn std::error::Error + Send + Sync>),
}

impl CommandError {
    fn other(error: impl std::error::Error + Send + Sync + 'static) -> Self {
        Self::Other(Box::new(error))
    }

    /// The exit code: findings are 1 here as everywhere.
    #[must_use]
    pub fn code(&self) -> ExitCode {
        ExitCode::from(if matches!(self, Self::Findings(_)) { 1 } else { 2 })
    }
}

impl Cli {
    /// Runs the command.
    ///
    /// # Errors
    /// What kept it from doing its work.
    pub fn run(self) -> Result<Ended, CommandError> {
        match self.command {
            Command::Demo(arguments) => demo::run(&arguments),
            Command::Serve(arguments) => serve::run(arguments),
            Command::Check(arguments) => check::run(&arguments),
            Command::Test(arguments) => test::run(&arguments),
            Command::Explain(arguments) => explain::run(&arguments),
            Command::Render(arguments) => render::run(&arguments),
            Command::Filter(arguments) => filter::run(&arguments),
            Command::Module(arguments) => module::run(&arguments),
        }
    }
}

/// Output for people or for programs.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, clap::ValueEnum)]
enum Format {
    #[default]
    Text,
    Json,
}

/// Writes to standard output. A reader that has gone away, such as `head`, has seen enough: the
/// exit code still tells the rest.
fn print(text: &str) -> Result<(), CommandError> {
    use std::io::{ErrorKind, Write as _};
    match anstream::stdout().write_all(text.as_bytes()) {
        Err(error) if error.kind() != ErrorKind::BrokenPipe => Err(CommandError::Output(error)),
        _ => Ok(()),
    }
}

/// How findings look on a terminal, which [`anstream`] knows to strip colours for when it is none.
fn for_people() -> Render {
    Render::Text { color: true }
}

/// A policy without errors. The errors of another are printed on standard error.
fn read_policy(path: &Path) -> Result<PolicyFile, CommandError> {
    PolicyFile::read(path).map_err(unusable)
}

/// A file that gave nothing to work with. What is wrong in it is printed on standard error.
fn unusable(error: FileError) -> CommandError {
    match error {
        FileError::Unreadable { path, error } => CommandError::Unreadable { path, error },
        FileError::Invalid(report) => findings(report),
    }
}

fn findings(report: Report) -> CommandError {
    let summary = format!("{} cannot be used", report.source.name());
    anstream::eprint!("{}", for_people().render(&[report]));
    CommandError::Findings(summary)
}

/// An address to listen on. Names are not looked up: which of a name's addresses is meant would be
/// a guess.
fn address(text: &str) -> Result<SocketAddr, String> {
    text.parse().map_err(|_| {
        "write an IP address and a port, as in 127.0.0.1:8080 or [::1]:8080".to_owned()
    })
}

/// A runtime for the commands that have to do with a network.
fn runtime() -> Result<tokio::runtime::Runtime, CommandError> {
    tokio::runtime::Builder::new_multi_thread().enable_all().build().map_err(CommandError::other)
}
