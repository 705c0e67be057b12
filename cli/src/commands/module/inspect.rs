//! `gatepost module inspect`: a module's imports, exports and sizes, without running it.

use std::path::PathBuf;

use gatepost_authoring::{MAX_MODULE_FILE, read_file};
use gatepost_host_testing::Inspection;

use crate::commands::exit::{CommandError, Exit};
use crate::commands::output::{Format, print};

/// Show a module's ABI, imports, exports, memory and size, and whether this host serves all it asks
/// for
#[derive(clap::Args)]
pub struct Arguments {
    /// The module
    #[arg(value_name = "FILE.wasm")]
    module: PathBuf,
    /// `text` for people; `json` for programs, one object on one line
    #[arg(long, value_enum, default_value_t)]
    format: Format,
}

/// A module that imports something that the host does not serve is a finding, and so is one that
/// cannot be run.
pub fn run(arguments: &Arguments) -> Result<Exit, CommandError> {
    let Arguments { module: path, format } = arguments;
    let wasm = read_file(path, MAX_MODULE_FILE)
        .map_err(|error| CommandError::Unreadable { path: path.clone(), error })?;
    let inspection =
        Inspection::of(&path.display().to_string(), &wasm).map_err(CommandError::other)?;
    match format {
        Format::Text => print(&inspection.text())?,
        Format::Json => print(&format!(
            "{}\n",
            serde_json::to_string(&inspection).map_err(CommandError::other)?
        ))?,
    }
    Ok(if inspection.is_served() { Exit::Success } else { Exit::Findings })
}
