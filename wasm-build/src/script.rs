//! What the build scripts that build modules have in common.

use std::env;
use std::path::{Path, PathBuf};

/// Where a build script runs.
#[derive(Debug)]
pub struct Script {
    /// The folder of the workspace, which has the lock.
    pub workspace: PathBuf,
    /// The folder for what the script makes.
    pub out: PathBuf,
}

impl Script {
    /// Runs a build script. An error is printed and ends it.
    pub fn run(build: impl FnOnce(&Self) -> Result<(), String>) {
        if let Err(message) = Self::here().and_then(|script| build(&script)) {
            eprintln!("error: {message}");
            std::process::exit(1);
        }
    }

    fn here() -> Result<Self, String> {
        let folder =
            |name| env::var(name).map(PathBuf::from).map_err(|error| format!("{name}: {error}"));
        let (manifest, out) = (folder("CARGO_MANIFEST_DIR")?, folder("OUT_DIR")?);
        let workspace = manifest.ancestors().find(|folder| folder.join("Cargo.lock").is_file());
        let workspace = workspace.ok_or("no folder above this crate has a Cargo.lock")?.to_owned();
        Ok(Self { workspace, out })
    }

    /// Cargo runs the script again when it changes itself, or one of these below the workspace.
    pub fn depends_on(&self, inputs: &[&str]) {
        println!("cargo:rerun-if-changed=build.rs");
        for input in inputs {
            println!("cargo:rerun-if-changed={}", self.workspace.join(input).display());
        }
    }

    /// Copies a module into the script's folder.
    ///
    /// # Errors
    /// What the system says, with the module's name.
    pub fn copy(&self, module: &Path, name: &str) -> Result<(), String> {
        let copied = std::fs::copy(module, self.out.join(name));
        copied.map(drop).map_err(|error| format!("{}: {error}", module.display()))
    }
}
