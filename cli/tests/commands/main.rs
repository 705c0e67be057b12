//! What the commands print and their exit codes: each `.trycmd` file is a session on a command
//! line, in this folder, without a terminal. `serve`, which needs clients, is tested in
//! tests/serve, and `demo` in tests/docs.
//!
//! `TRYCMD=overwrite cargo test --test commands` writes what is printed now into the files; read
//! what changed before keeping it.

mod filter;
mod installed;
mod json;
mod plain;

use std::path::Path;
use std::process::{Command, Output};

/// The folder of the sessions and of their policies.
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
    // The width of help texts is that of the terminal, or COLUMNS without one.
    trycmd::TestCases::new().env("COLUMNS", "100").env("NO_COLOR", "1").case("*.trycmd");
}
