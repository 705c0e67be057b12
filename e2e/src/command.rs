//! The `gatepost` command in the mesh: a program that starts a mesh is also what images of Gatepost
//! have.

use std::path::Path;
use std::process::ExitCode;

use clap::Parser as _;
use gatepost::commands::Cli;

/// Runs the command and gives how it ended, if this program is called `gatepost`.
#[must_use]
pub fn called() -> Option<ExitCode> {
    let name = std::env::args_os().next()?;
    if Path::new(&name).file_name()? != "gatepost" {
        return None;
    }
    Some(match Cli::parse().run() {
        Ok(exit) => exit.into(),
        Err(error) => {
            eprintln!("gatepost: {error}");
            error.code()
        }
    })
}
