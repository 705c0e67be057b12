//! `gatepost module`: the wasm host for any proxy-wasm module.

mod inspect;
mod run;
mod test;

use super::exit::{CommandError, Exit};

/// Test anyone's proxy-wasm module, look inside it, or run a program for wasm
#[derive(clap::Args)]
pub struct Arguments {
    #[command(subcommand)]
    command: Command,
}

#[derive(clap::Subcommand)]
enum Command {
    Test(test::Arguments),
    Inspect(inspect::Arguments),
    Run(run::Arguments),
}

pub fn run(arguments: &Arguments) -> Result<Exit, CommandError> {
    match &arguments.command {
        Command::Test(arguments) => test::run(arguments),
        Command::Inspect(arguments) => inspect::run(arguments),
        Command::Run(arguments) => run::run(arguments),
    }
}
