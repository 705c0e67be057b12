//! The command works where it is installed: without the source tree, in an empty folder.

use std::fs;
use std::process::Command;

#[test]
fn an_installed_command_needs_no_file_but_itself() {
    let folder = tempfile::tempdir().expect("a folder");
    let installed = folder.path().join("gatepost");
    // A link: a file that was written just now may be open in a child of another test, and cannot
    // be run until that child has run its own program.
    let built = env!("CARGO_BIN_EXE_gatepost");
    if fs::hard_link(built, &installed).is_err() {
        fs::copy(built, &installed).expect("a copy");
    }
    for arguments in [&["demo", "--policy", "all-in-one"][..], &["filter", "--out", "filter.wasm"]]
    {
        let ended = Command::new(&installed)
            .args(arguments)
            .current_dir(folder.path())
            .env_clear()
            .output()
            .expect("it can be started");
        assert!(ended.status.success(), "{arguments:?}: {ended:?}");
    }
    let mut left: Vec<_> = fs::read_dir(folder.path())
        .expect("the folder")
        .map(|entry| entry.expect("an entry").file_name())
        .collect();
    left.sort();
    assert_eq!(left, ["filter.wasm", "gatepost"]);
}
