//! The guide to testing one's own filter is what happens: the files that it shows are written into
//! an empty folder, its commands are run there, and what they print is compared with what it shows.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};

use gatepost_host_testing::TestFile;

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("..")
}

/// A fenced block of the guide.
struct Block {
    language: String,
    /// The file that the line before it names, as in "`src/lib.rs`:".
    file: Option<String>,
    text: String,
}

fn blocks() -> Vec<Block> {
    let guide = fs::read_to_string(root().join("docs/host/test-your-filter.md"))
        .expect("the guide is there");
    let parts: Vec<&str> = guide.split("\n```").collect();
    let pairs = parts.iter().zip(parts.iter().skip(1)).step_by(2);
    let block = |(before, block): (&&str, &&str)| {
        let (language, text) = block.split_once('\n').expect("a block has lines");
        let last = before.trim_end().lines().last().unwrap_or_default();
        let file =
            last.strip_suffix("`:").and_then(|line| line.rsplit('`').next()).map(str::to_owned);
        Block { language: language.to_owned(), file, text: format!("{text}\n") }
    };
    pairs.map(block).collect()
}

/// An empty folder, whose builds are kept from run to run.
struct Folder {
    folder: tempfile::TempDir,
}

impl Folder {
    fn new(builds: &str) -> Self {
        let folder = tempfile::tempdir().expect("a folder");
        let target = Path::new(env!("CARGO_TARGET_TMPDIR")).join(builds);
        fs::create_dir_all(&target).expect("a folder for builds");
        std::os::unix::fs::symlink(target, folder.path().join("target")).expect("a link");
        Self { folder }
    }

    fn write(&self, name: &str, text: &str) {
        let path = self.folder.path().join(name);
        fs::create_dir_all(path.parent().expect("a folder")).expect("a folder");
        fs::write(path, text).expect("a file");
    }

    /// The files of the guide, and the versions of the crates that were tested.
    fn with_guide(self) -> Self {
        for block in blocks() {
            if let Some(file) = &block.file {
                self.write(file, &block.text);
            }
        }
        let lock = fs::read_to_string(root().join("docs/examples/filter/Cargo.lock"))
            .expect("it is there");
        self.write("Cargo.lock", &lock);
        self
    }

    /// Runs a command line as a shell does, where `gatepost` is the command that is tested.
    fn shell(&self, line: &str) -> Output {
        let bin = Path::new(env!("CARGO_BIN_EXE_gatepost")).parent().expect("a folder").to_owned();
        let path = std::env::var_os("PATH").unwrap_or_default();
        let path = std::env::join_paths(std::iter::once(bin).chain(std::env::split_paths(&path)))
            .expect("a path");
        let mut command = Command::new("sh");
        command
            .args(["-c", line])
            .current_dir(self.folder.path())
            .env("PATH", path)
            .env("NO_COLOR", "1");
        // What was meant for the build of these tests.
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

fn text(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}

/// The lines of an output without what differs from machine to machine: sizes, since a module holds
/// paths, and times.
fn lines(text: &str) -> Vec<String> {
    let plain = |word: &str| match word {
        _ if word.len() > 2 && word.bytes().all(|byte| byte.is_ascii_digit()) => "N".to_owned(),
        _ if word.strip_suffix('s').is_some_and(|seconds| seconds.parse::<f64>().is_ok()) => {
            "T".to_owned()
        }
        _ => word.to_owned(),
    };
    text.trim()
        .lines()
        .map(|line| line.split_whitespace().map(plain).collect::<Vec<_>>().join(" "))
        .collect()
}

/// Whether lines are as shown, where the line `[...]` stands for any lines.
fn is_as_shown(shown: &[String], found: &[String]) -> bool {
    match (shown.split_first(), found.split_first()) {
        (None, None) => true,
        (Some((first, rest)), _) if first == "[...]" => {
            (0..=found.len()).any(|skipped| is_as_shown(rest, &found[skipped..]))
        }
        (Some((first, shown)), Some((line, found))) => first == line && is_as_shown(shown, found),
        _ => false,
    }
}

#[test]
fn what_the_guide_shows_is_what_happens() {
    let folder = Folder::new("guide").with_guide();
    let mut compared = 0;
    for block in blocks().iter().filter(|block| block.language == "console") {
        for session in format!("\n{}", block.text).split("\n$ ").skip(1) {
            let (line, shown) = session.split_once('\n').unwrap_or((session, ""));
            let output = folder.shell(line);
            // A mistake is told before the results; what cargo tells of its progress differs from
            // machine to machine.
            let is_cargo = line.starts_with("cargo");
            let told = if is_cargo {
                text(&output.stdout)
            } else {
                text(&output.stderr) + &text(&output.stdout)
            };
            let (shown, found) = (lines(shown), lines(&told));
            let (joined, errors) = (found.join("\n"), text(&output.stderr));
            assert!(
                is_as_shown(&shown, &found),
                "{line}\nshown\n{}\nfound\n{joined}\n{errors}",
                shown.join("\n")
            );
            compared += 1;
        }
    }
    assert!(compared > 5, "{compared}");
}

#[test]
fn every_file_of_tests_in_the_guide_can_be_read() {
    let is_tests = |block: &&Block| {
        block.language == "yaml" && block.text.contains("\ntests:\n")
            || block.text.starts_with("tests:\n")
    };
    let blocks = blocks();
    let (faulty, fine): (Vec<_>, Vec<_>) = blocks
        .iter()
        .filter(is_tests)
        .partition(|block| TestFile::parse(Path::new("tests.yaml"), &block.text).is_err());
    assert_eq!(fine.len(), 3);
    assert_eq!(
        faulty.iter().map(|block| block.file.as_deref()).collect::<Vec<_>>(),
        [Some("faulty.tests.yaml")]
    );
}

#[test]
fn the_files_of_the_guide_are_those_of_the_example() {
    let example = root().join("docs/examples/filter");
    let mut compared = 0;
    for block in blocks() {
        let Some(file) = block.file else { continue };
        if let Ok(text) = fs::read_to_string(example.join(&file)) {
            assert_eq!(block.text, text, "{file}");
            compared += 1;
        }
    }
    assert_eq!(compared, 4);
}

#[test]
fn tests_of_a_crate_for_a_filter_run_under_cargo_and_one_that_fails_fails_cargo() {
    let folder = Folder::new("guide-tests").with_guide();
    let source =
        fs::read_to_string(root().join("docs/examples/filter/src/lib.rs")).expect("it is there");
    let more = r#"
#[cfg(test)]
mod outside {
    use proxy_wasm::{hostcalls, types::LogLevel};

    #[test]
    fn there_is_no_request_and_a_line_can_be_logged() {
        assert!(matches!(hostcalls::get_property(vec!["request", "path"]), Ok(None)));
        hostcalls::log(LogLevel::Warn, "from a test").unwrap();
        assert!(hostcalls::get_current_time().unwrap() > std::time::UNIX_EPOCH);
        assert_eq!(std::env::var("GUIDE").as_deref(), Ok("yes"));
    }

    #[test]
    fn this_one_fails() {
        assert_eq!(std::env::var("FAIL"), Err(std::env::VarError::NotPresent), "it was told to");
    }
}
"#;
    folder.write("src/lib.rs", &(source + more));

    let fine = folder.shell("GUIDE=yes cargo test --target wasm32-wasip1");
    assert!(fine.status.success(), "{}{}", text(&fine.stdout), text(&fine.stderr));
    assert!(text(&fine.stdout).contains("test result: ok. 4 passed"), "{}", text(&fine.stdout));
    assert!(text(&fine.stderr).contains("warn: from a test"), "{}", text(&fine.stderr));

    let one = folder.shell(
        "GUIDE=yes cargo test --target wasm32-wasip1 -- --exact tests::each_line_is_a_caller",
    );
    assert!(
        text(&one.stdout).contains("1 passed; 0 failed; 0 ignored; 0 measured; 3 filtered out"),
        "{}",
        text(&one.stdout)
    );

    let failed = folder.shell("GUIDE=yes FAIL=1 cargo test --target wasm32-wasip1");
    assert_eq!(failed.status.code(), Some(134), "{}{}", text(&failed.stdout), text(&failed.stderr));
    let told = text(&failed.stderr);
    for part in ["it was told to", "trapped in _start", "exit status: 134"] {
        assert!(told.contains(part), "{part} is not in\n{told}");
    }
}
