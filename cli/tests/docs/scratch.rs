//! The folder in which the commands of a page run.

use std::ffi::OsStr;
use std::fs;
use std::path::Path;
use std::process::{Command as Process, Output};

use crate::page::{Page, root};
use crate::session::{self, Check, Command};

/// The folder is deleted when this is dropped.
pub struct Scratch {
    folder: tempfile::TempDir,
}

impl Scratch {
    /// An empty folder. What cargo builds in it is kept under this name for the next run.
    pub fn with_builds(name: &str) -> Self {
        let folder = tempfile::tempdir().expect("a folder");
        let target = Path::new(env!("CARGO_TARGET_TMPDIR")).join(name);
        fs::create_dir_all(&target).expect("a folder for builds");
        std::os::unix::fs::symlink(target, folder.path().join("target")).expect("a link");
        Self { folder }
    }

    /// A folder for a page: with copies of docs/ and policies/, and the files that a reader of the
    /// page writes.
    pub fn of(page: &Page) -> Self {
        let scratch = Self::with_builds(&page.path.replace('/', "-"));
        for name in ["docs", "policies"] {
            copy(&root().join(name), &scratch.folder.path().join(name));
        }
        scratch.write_files_of(page);
        scratch
    }

    /// Writes the files that a reader of the page writes. A crate also gets the example's lock
    /// file, so that its build uses the tested versions.
    pub fn write_files_of(&self, page: &Page) {
        for block in &page.blocks {
            let Some(file) = &block.file else { continue };
            if block.is_of_the_repository() {
                continue;
            }
            self.write(file, &block.text);
            if file == "Cargo.toml" {
                let lock = fs::read_to_string(root().join("docs/examples/filter/Cargo.lock"));
                self.write("Cargo.lock", &lock.expect("the example has a lock file"));
            }
        }
    }

    pub fn write(&self, name: &str, text: &str) {
        let path = self.folder.path().join(name);
        fs::create_dir_all(path.parent().expect("a folder")).expect("a folder");
        fs::write(path, text).expect("a file");
    }

    /// Runs a command line and compares what it prints, as a terminal shows it, with what the page
    /// shows. Of cargo's output only what the program prints is compared.
    pub fn compare(&self, line: &str, command: &Command, check: Check) -> Result<(), String> {
        let both = if line.starts_with("cargo ") { "" } else { "exec 2>&1; " };
        let output = self.shell(&format!("{both}{line}"));
        let printed = text(&output.stdout);
        if command.shown.is_empty() && !output.status.success() {
            return Err(format!("`{line}` failed:\n{printed}{}", text(&output.stderr)));
        }
        session::compare(&command.shown, &printed, check).map_err(|shown| {
            let errors = text(&output.stderr);
            format!("`{line}` does not print the line\n{shown}\nbut this:\n{printed}{errors}")
        })
    }

    /// Runs a command line as a shell does, where `gatepost` is the command that is tested.
    pub fn shell(&self, line: &str) -> Output {
        let bin = Path::new(env!("CARGO_BIN_EXE_gatepost")).parent().expect("a folder").to_owned();
        let path = std::env::var_os("PATH").unwrap_or_default();
        let path = std::env::join_paths(std::iter::once(bin).chain(std::env::split_paths(&path)))
            .expect("a path");
        let mut command = Process::new("sh");
        command
            .args(["-c", line])
            .current_dir(self.folder.path())
            .env("PATH", path)
            .env("NO_COLOR", "1")
            .env("XDG_CACHE_HOME", env!("CARGO_TARGET_TMPDIR"));
        // Settings for the build of these tests are not for the builds in the folder.
        for name in [
            "RUSTFLAGS",
            "CARGO_ENCODED_RUSTFLAGS",
            "CARGO_TARGET_DIR",
            "CARGO_BUILD_TARGET",
            "RUSTC_WORKSPACE_WRAPPER",
        ] {
            command.env_remove(name);
        }
        command.output().expect("there is a shell")
    }
}

/// Output as text.
pub fn text(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}

fn copy(from: &Path, to: &Path) {
    fs::create_dir_all(to).expect("a folder");
    for entry in fs::read_dir(from).expect("a folder") {
        let entry = entry.expect("an entry");
        let (from, to) = (entry.path(), to.join(entry.file_name()));
        if from.is_dir() {
            if entry.file_name() != OsStr::new("target") {
                copy(&from, &to);
            }
        } else {
            fs::copy(from, to).expect("a copy");
        }
    }
}
