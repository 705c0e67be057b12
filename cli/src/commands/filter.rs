//! `gatepost filter`: the wasm module as a file.

use std::path::PathBuf;

use super::exit::{CommandError, Exit};

/// Write the filter's wasm module to a file
#[derive(clap::Args)]
pub struct Arguments {
    /// The file to write; one that exists is replaced
    #[arg(long, value_name = "FILE")]
    out: PathBuf,
}

pub fn run(arguments: &Arguments) -> Result<Exit, CommandError> {
    let path = &arguments.out;
    std::fs::write(path, gatepost_filter_wasm::MODULE)
        .map_err(|error| CommandError::Unwritable { path: path.clone(), error })?;
    eprintln!(
        "{}: {} bytes, proxy-wasm ABI 0.2.1",
        path.display(),
        gatepost_filter_wasm::MODULE.len()
    );
    Ok(Exit::Success)
}
