//! The cache of compiled modules: it is used again, and its errors never make loading a module
//! fail.

mod common;

use std::fs;
use std::path::{Path, PathBuf};

use gatepost_host::{AbiVersion, CacheProblem, CacheState, Engine, EngineOptions, Module};

fn engine(cache: &Path) -> Engine {
    Engine::new(EngineOptions { cache: Some(cache.to_owned()), ..EngineOptions::default() })
        .unwrap()
}

fn load(engine: &Engine) -> Module {
    Module::new(engine, "cached", &common::wasm(AbiVersion::V0_2_1, "", "")).unwrap()
}

fn used(engine: &Engine) -> (usize, usize) {
    match engine.cache() {
        CacheState::On { hits, written } => (hits, written),
        other => panic!("{other:?}"),
    }
}

/// The files of compiled modules; wasmtime keeps statistics beside them.
fn files(folder: &Path) -> Vec<PathBuf> {
    let mut found = Vec::new();
    for entry in fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            found.extend(files(&path));
        } else if path.extension().is_none() {
            found.push(path);
        }
    }
    found
}

#[test]
fn the_second_engine_finds_what_the_first_has_compiled() {
    let folder = tempfile::tempdir().unwrap();
    let cache = folder.path().join("not/there/yet");
    let first = engine(&cache);
    load(&first);
    assert_eq!(used(&first), (0, 1));
    let second = engine(&cache);
    let module = load(&second);
    assert_eq!(used(&second), (1, 0));
    assert_eq!(module.capabilities(), load(&first).capabilities());
}

#[test]
fn other_settings_compile_other_code() {
    let folder = tempfile::tempdir().unwrap();
    load(&engine(folder.path()));
    let options = EngineOptions {
        fuel: true,
        cache: Some(folder.path().to_owned()),
        ..EngineOptions::default()
    };
    let counting = Engine::new(options).unwrap();
    load(&counting);
    assert_eq!(used(&counting), (0, 1));
}

#[test]
fn a_damaged_file_is_compiled_anew_and_written_again() {
    let folder = tempfile::tempdir().unwrap();
    load(&engine(folder.path()));
    let [file] = &files(folder.path())[..] else { panic!("one module, one file") };
    let whole = fs::read(file).unwrap();
    for damaged in [&whole[..whole.len() / 2], b"no machine code", b""] {
        fs::write(file, damaged).unwrap();
        let again = engine(folder.path());
        load(&again);
        assert_eq!(used(&again), (0, 1));
        assert_eq!(fs::read(file).unwrap(), whole);
    }
}

#[test]
fn a_directory_that_cannot_be_made_is_named_and_the_module_runs() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("file");
    fs::write(&file, "").unwrap();
    let engine = engine(&file.join("below"));
    load(&engine);
    match engine.cache() {
        CacheState::Unusable(CacheProblem::Directory { path, .. }) => {
            assert_eq!(path, file.join("below"));
        }
        other => panic!("{other:?}"),
    }
}

#[test]
fn a_file_that_cannot_be_written_does_not_stop_the_module() {
    let folder = tempfile::tempdir().unwrap();
    // A file in place of wasmtime's directory: root cannot write there either. It is created before
    // any engine writes, because wasmtime removes such a file after the first write.
    let modules = folder.path().join("modules");
    fs::write(&modules, "").unwrap();
    let engine = engine(folder.path());
    load(&engine);
    assert_eq!(used(&engine), (0, 0));
    assert_eq!(files(folder.path()), [modules]);
}

#[cfg(unix)]
#[test]
fn a_directory_that_others_may_write_to_is_not_used() {
    use std::os::unix::fs::PermissionsExt;

    let folder = tempfile::tempdir().unwrap();
    fs::set_permissions(folder.path(), fs::Permissions::from_mode(0o775)).unwrap();
    let engine = engine(folder.path());
    load(&engine);
    assert_eq!(
        engine.cache(),
        CacheState::Unusable(CacheProblem::Shared { path: folder.path().to_owned() })
    );
    assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 0);
}

#[cfg(unix)]
#[test]
fn a_directory_that_is_made_is_its_owners_alone() {
    use std::os::unix::fs::PermissionsExt;

    let folder = tempfile::tempdir().unwrap();
    let cache = folder.path().join("made");
    load(&engine(&cache));
    assert_eq!(fs::metadata(&cache).unwrap().permissions().mode() & 0o777, 0o700);
}

#[test]
fn without_a_directory_there_is_no_cache() {
    let engine = Engine::new(EngineOptions::default()).unwrap();
    load(&engine);
    assert_eq!(engine.cache(), CacheState::Off);
}
