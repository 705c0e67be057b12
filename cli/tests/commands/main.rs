//! What the commands print and how they end, as a user sees it: each `.trycmd` file is a session on
//! a command line, in this folder, without a terminal. `serve` and `demo`, which do something over
//! a network, are tested elsewhere.
//!
//! `TRYCMD=overwrite cargo test --test commands` writes what is printed now into the files; read
//! what changed before keeping it.

mod filter;
mod json;
mod plain;

use std::path::Path;
use std::process::{Command, Output};

/// The folder of the sessions and of the policies that they are about.
fn folder() -> &'static Path {
    Path::new(concat!(env!("CARGO_MANIFEST_DIR"), "/tests/commands"))
}

/// The command with these arguments, in the folder.
fn gatepost(arguments: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_gatepost"));
    command
        .args(arguments)
        .current_dir(folder())
        .env_remove("NO_COLOR")
        .env_remove("CLICOLOR")
        .env_remove("CLICOLOR_FORCE");
    command
}

fn output(arguments: &[&str]) -> Output {
    gatepost(arguments).output().expect("it can be started")
}

#[test]
fn every_session_goes_as_it_is_written() {
    // The sessions name policies relative to the folder, so that nothing of this machine is in what
    // they print.
    std::env::set_current_dir(folder()).expect("the folder is there");
    // Help is as wide as a terminal, or as COLUMNS where there is none.
    trycmd::TestCases::new().env("COLUMNS", "100").env("NO_COLOR", "1").case("*.trycmd");
}
