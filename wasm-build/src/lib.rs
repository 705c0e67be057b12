//! Builds packages of a workspace for wasm32-wasip1 in a build script. It runs a cargo of its own,
//! because a build cannot depend on a crate for another target. What happens to the modules is up
//! to the build script.

use std::env;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};

mod script;

pub use script::Script;

/// The target that modules are built for.
pub const TARGET: &str = "wasm32-wasip1";

/// Why there is no module.
#[derive(Debug, thiserror::Error)]
pub enum BuildError {
    /// Cargo sets this variable for build scripts.
    #[error("{name}: {source}; this runs in build scripts only")]
    Variable {
        /// The variable.
        name: &'static str,
        /// The reason.
        source: env::VarError,
    },
    /// A program cannot be run.
    #[error("{program} cannot be run ({source}); {}", by_hand())]
    Run {
        /// The program.
        program: String,
        /// The system's error.
        source: std::io::Error,
    },
    /// The target is missing and cannot be added.
    #[error("rustup could not add the target; {}\n{output}", by_hand())]
    Target {
        /// The output of rustup.
        output: String,
    },
    /// The package does not build.
    #[error("{package} does not build:\n{output}")]
    Compile {
        /// The package.
        package: String,
        /// The output of cargo.
        output: String,
    },
}

fn by_hand() -> String {
    format!(
        "install the standard library of {TARGET} for this toolchain, \
         as with: rustup target add {TARGET}"
    )
}

/// A package to build.
#[derive(Clone, Copy, Debug)]
pub struct Build<'a> {
    /// The folder of the workspace.
    pub workspace: &'a Path,
    /// The package's name.
    pub package: &'a str,
    /// The cargo profile.
    pub profile: &'a str,
    /// Further arguments of `cargo build`, such as `--examples`.
    pub arguments: &'a [&'a str],
    /// The name of the build's folder, which is beside the profiles' folders. All profiles of the
    /// outer build share it, because the module does not depend on the profile.
    pub folder: &'a str,
}

impl Build<'_> {
    /// Builds the package, and adds the target to the toolchain before if it is missing. Returns
    /// the folder of the modules; those of examples are in its `examples/`.
    ///
    /// # Errors
    /// No target, or a build that fails.
    pub fn run(self) -> Result<PathBuf, BuildError> {
        ensure_target(self.workspace)?;
        let out = PathBuf::from(variable("OUT_DIR")?);
        // target/<profile>/build/<package>/out
        let target_dir = out.ancestors().nth(4).unwrap_or(&out).join(self.folder);
        let mut command = tool("cargo", "CARGO", self.workspace)?;
        command
            .args([
                "build",
                "--package",
                self.package,
                "--profile",
                self.profile,
                "--target",
                TARGET,
            ])
            .args(self.arguments)
            .arg("--target-dir")
            .arg(&target_dir)
            .env("CARGO_ENCODED_RUSTFLAGS", rustflags(self.workspace));
        // Settings for the outer build: its flags, its lints, its target.
        for name in [
            "RUSTFLAGS",
            "RUSTC_WORKSPACE_WRAPPER",
            "CARGO_BUILD_TARGET",
            "CARGO_TARGET_DIR",
            "CARGO_BUILD_RUSTFLAGS",
        ] {
            command.env_remove(name);
        }
        let output = run(&mut command)?;
        if !output.status.success() {
            let output = String::from_utf8_lossy(&output.stderr).into_owned();
            return Err(BuildError::Compile { package: self.package.to_owned(), output });
        }
        let folder = if self.profile == "dev" { "debug" } else { self.profile };
        Ok(target_dir.join(TARGET).join(folder))
    }
}

fn variable(name: &'static str) -> Result<String, BuildError> {
    env::var(name).map_err(|source| BuildError::Variable { name, source })
}

/// A program of the toolchain that builds modules. Under rustup it is the workspace's toolchain,
/// even when another one runs the outer build. So a module is the same in every build, and a
/// toolchain for fuzzing does not need the wasm target. Without rustup it is the outer build's
/// toolchain.
fn tool(
    program: &'static str,
    outer: &'static str,
    workspace: &Path,
) -> Result<Command, BuildError> {
    let mut command = if env::var_os("RUSTUP_TOOLCHAIN").is_some() {
        let mut command = Command::new(program);
        for name in ["RUSTUP_TOOLCHAIN", "CARGO", "RUSTC", "RUSTDOC"] {
            command.env_remove(name);
        }
        command
    } else {
        Command::new(variable(outer)?)
    };
    command.current_dir(workspace);
    Ok(command)
}

fn run(command: &mut Command) -> Result<Output, BuildError> {
    command.output().map_err(|source| BuildError::Run {
        program: command.get_program().display().to_string(),
        source,
    })
}

/// Adds the wasm target to the toolchain that builds modules, if it is missing.
fn ensure_target(workspace: &Path) -> Result<(), BuildError> {
    if has_target(workspace)? {
        return Ok(());
    }
    println!(
        "cargo:warning=adding the Rust target {TARGET} through rustup, to build modules for proxies"
    );
    let mut rustup = Command::new("rustup");
    let output = run(rustup
        .args(["target", "add", TARGET])
        .current_dir(workspace)
        .env_remove("RUSTUP_TOOLCHAIN"))?;
    if !output.status.success() || !has_target(workspace)? {
        return Err(BuildError::Target {
            output: String::from_utf8_lossy(&output.stderr).into_owned(),
        });
    }
    Ok(())
}

fn has_target(workspace: &Path) -> Result<bool, BuildError> {
    let mut rustc = tool("rustc", "RUSTC", workspace)?;
    let output = run(rustc.args(["--print", "target-libdir", "--target", TARGET]))?;
    let folder = PathBuf::from(String::from_utf8_lossy(&output.stdout).trim());
    let entries = std::fs::read_dir(folder).into_iter().flatten().flatten();
    Ok(entries.into_iter().any(|entry| entry.file_name().to_string_lossy().starts_with("libstd-")))
}

/// The flags that modules are built with, in the form of `CARGO_ENCODED_RUSTFLAGS`. They remove
/// paths from panic messages, which would make the module another one on every machine.
#[must_use]
pub fn rustflags(workspace: &Path) -> String {
    let home = env::var("CARGO_HOME")
        .map(PathBuf::from)
        .or_else(|_| env::var("HOME").map(|home| Path::new(&home).join(".cargo")));
    let mut flags = vec![format!("--remap-path-prefix={}=gatepost", workspace.display())];
    flags.extend(home.map(|home| format!("--remap-path-prefix={}=cargo", home.display())));
    flags.join("\u{1f}")
}
