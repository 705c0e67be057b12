//! The command line: one file for each command with its arguments, what it prints, and how it ends.
//! The work itself is done in the crates below.

mod admission;
mod arguments;
mod check;
mod demo;
mod envoy;
mod exit;
mod explain;
mod files;
mod filter;
mod fingerprint;
mod image;
mod input;
mod module;
mod output;
mod package;
mod push;
mod render;
mod serve;
mod service;
mod status;
mod table;
mod test;
mod verify;

use clap::{Parser, Subcommand};

pub use exit::{CommandError, Exit};

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
    Fingerprint(fingerprint::Arguments),
    Status(status::Arguments),
    Render(render::Arguments),
    Filter(filter::Arguments),
    Package(package::Arguments),
    Push(push::Arguments),
    Verify(verify::Arguments),
    Admission(admission::Arguments),
    Module(module::Arguments),
}

impl Cli {
    /// Runs the command.
    ///
    /// # Errors
    /// What kept the command from doing its work.
    pub fn run(self) -> Result<Exit, CommandError> {
        match self.command {
            Command::Demo(arguments) => demo::run(&arguments),
            Command::Serve(arguments) => serve::run(arguments),
            Command::Check(arguments) => check::run(&arguments),
            Command::Test(arguments) => test::run(&arguments),
            Command::Explain(arguments) => explain::run(&arguments),
            Command::Fingerprint(arguments) => fingerprint::run(&arguments),
            Command::Status(arguments) => status::run(&arguments),
            Command::Render(arguments) => render::run(&arguments),
            Command::Filter(arguments) => filter::run(&arguments),
            Command::Package(arguments) => package::run(&arguments),
            Command::Push(arguments) => push::run(&arguments),
            Command::Verify(arguments) => verify::run(&arguments),
            Command::Admission(arguments) => admission::run(arguments),
            Command::Module(arguments) => module::run(&arguments),
        }
    }
}
