//! `filter --out`: the file is the module, with no more exports than promised.

use super::{gatepost, output};

#[test]
fn the_written_file_is_the_module() {
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path().join("filter.wasm");
    let ended = output(&["filter", "--out", &path.to_string_lossy()]);
    assert_eq!(ended.status.code(), Some(0));
    assert!(ended.stdout.is_empty(), "standard output is for what can be piped on");

    let bytes = std::fs::read(&path).expect("the file is there");
    assert!(bytes.starts_with(b"\0asm"));
    assert_eq!(bytes, gatepost_filter_wasm::MODULE);
    assert!(String::from_utf8_lossy(&ended.stderr).contains(&format!("{} bytes", bytes.len())));
}

#[test]
fn a_file_that_exists_is_replaced() {
    let folder = tempfile::tempdir().expect("a folder");
    std::fs::write(folder.path().join("filter.wasm"), vec![b'x'; 10_000_000])
        .expect("a larger file");
    let ended = gatepost(&["filter", "--out", "filter.wasm"])
        .current_dir(&folder)
        .output()
        .expect("it can be started");
    assert_eq!(String::from_utf8_lossy(&ended.stderr).split(':').next(), Some("filter.wasm"));
    assert_eq!(
        std::fs::read(folder.path().join("filter.wasm")).expect("the file"),
        gatepost_filter_wasm::MODULE
    );
}

#[test]
fn a_folder_is_no_file_to_write() {
    let folder = tempfile::tempdir().expect("a folder");
    let ended = output(&["filter", "--out", &folder.path().to_string_lossy()]);
    assert_eq!(ended.status.code(), Some(2));
    assert!(
        String::from_utf8_lossy(&ended.stderr).starts_with("gatepost: cannot write "),
        "{ended:?}"
    );
}
