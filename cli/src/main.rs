//! The `gatepost` command.

use std::process::ExitCode;

use clap::Parser as _;
use gatepost::commands::Cli;

fn main() -> ExitCode {
    match Cli::parse().run() {
        Ok(exit) => exit.into(),
        Err(error) => {
            eprintln!("gatepost: {error}");
            error.code()
        }
    }
}
