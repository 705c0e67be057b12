//! The `gatepost` command.

use std::io::Write as _;
use std::process::ExitCode;

use clap::Parser as _;
use gatepost::commands::Cli;

fn main() -> ExitCode {
    match Cli::parse().run() {
        Ok(exit) => exit.into(),
        Err(error) => {
            // Where standard error cannot be written to, the exit code still says it.
            let _ = writeln!(std::io::stderr(), "gatepost: {error}");
            error.code()
        }
    }
}
