//! What docs/host/test-your-filter.md shows beside its console blocks: its test files can be read,
//! its files are those of the example, and unit tests run on wasm as it says.

use std::fs;
use std::path::Path;

use gatepost_host_testing::TestFile;

use crate::page::{Block, Page, page, root};
use crate::scratch::{Scratch, text};

fn guide() -> Page {
    page("docs/host/test-your-filter.md")
}

#[test]
fn every_file_of_tests_in_the_guide_can_be_read() {
    let is_tests = |block: &&Block| {
        block.language() == "yaml" && block.text.contains("\ntests:\n")
            || block.text.starts_with("tests:\n")
    };
    let guide = guide();
    let (faulty, fine): (Vec<_>, Vec<_>) = guide
        .blocks
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
    for block in guide().blocks {
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
    let folder = Scratch::with_builds("guide-tests");
    folder.write_files_of(&guide());
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
