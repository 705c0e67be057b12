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

#[test]
fn without_a_directory_there_is_no_cache() {
    let engine = Engine::new(EngineOptions::default()).unwrap();
    load(&engine);
    assert_eq!(engine.cache(), CacheState::Off);
}

/// What keeps other users from putting machine code into the cache.
#[cfg(unix)]
mod private {
    use std::os::unix::fs::{PermissionsExt, symlink};

    use super::*;

    fn set_mode(path: &Path, mode: u32) {
        fs::set_permissions(path, fs::Permissions::from_mode(mode)).unwrap();
    }

    fn mode(path: &Path) -> u32 {
        fs::metadata(path).unwrap().permissions().mode() & 0o7777
    }

    /// Every directory of a folder, with the folder.
    fn folders(folder: &Path) -> Vec<PathBuf> {
        let mut found = vec![folder.to_owned()];
        for entry in fs::read_dir(folder).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                found.extend(folders(&path));
            }
        }
        found
    }

    /// The problem of a cache that is not used, in which nothing was written.
    fn refused(cache: &Path) -> CacheProblem {
        let before = files(cache);
        let engine = engine(cache);
        load(&engine);
        assert_eq!(files(cache), before);
        match engine.cache() {
            CacheState::Unusable(problem) => problem,
            other => panic!("{other:?}"),
        }
    }

    #[test]
    fn a_directory_that_others_may_write_to_is_not_used() {
        for mode in [0o775, 0o757, 0o720, 0o1777] {
            let folder = tempfile::tempdir().unwrap();
            set_mode(folder.path(), mode);
            let path = folder.path().to_owned();
            assert_eq!(refused(folder.path()), CacheProblem::Shared { path }, "{mode:o}");
        }
    }

    #[test]
    fn all_that_is_made_is_its_owners_alone() {
        let folder = tempfile::tempdir().unwrap();
        let cache = folder.path().join("made/below");
        load(&engine(&cache));
        assert_eq!(mode(&folder.path().join("made")), 0o700);
        for path in files(&cache) {
            assert_eq!(mode(&path), 0o600, "{}", path.display());
        }
        for path in folders(&cache) {
            assert_eq!(mode(&path), 0o700, "{}", path.display());
        }
    }

    #[test]
    fn a_directory_that_others_may_read_is_made_private_and_used() {
        let folder = tempfile::tempdir().unwrap();
        load(&engine(folder.path()));
        folders(folder.path()).iter().for_each(|path| set_mode(path, 0o755));
        files(folder.path()).iter().for_each(|path| set_mode(path, 0o644));
        let again = engine(folder.path());
        load(&again);
        assert_eq!(used(&again), (1, 0));
        assert_eq!(mode(folder.path()), 0o700);
        assert_eq!(mode(&files(folder.path())[0]), 0o600);
    }

    #[test]
    fn what_others_could_write_to_while_they_could_enter_is_not_trusted() {
        let folder = tempfile::tempdir().unwrap();
        load(&engine(folder.path()));
        let modules = folder.path().join("modules");
        set_mode(folder.path(), 0o755);
        set_mode(&modules, 0o777);
        assert_eq!(refused(folder.path()), CacheProblem::Shared { path: modules.clone() });
        set_mode(&modules, 0o700);
        set_mode(folder.path(), 0o755);
        let [file] = &files(folder.path())[..] else { panic!("one module, one file") };
        set_mode(file, 0o666);
        assert_eq!(refused(folder.path()), CacheProblem::Shared { path: file.clone() });
    }

    #[test]
    fn a_directory_below_one_that_others_may_write_to_is_not_used() {
        let folder = tempfile::tempdir().unwrap();
        let between = folder.path().join("between");
        let cache = between.join("cache");
        fs::create_dir_all(&cache).unwrap();
        set_mode(&between, 0o770);
        assert_eq!(refused(&cache), CacheProblem::Shared { path: between.clone() });
        // With the sticky bit, as in `/tmp`, only the owner can rename the directory.
        set_mode(&between, 0o1777);
        load(&engine(&cache));
        assert_eq!(used(&engine(&cache)), (0, 0));
    }

    #[test]
    fn a_symbolic_link_is_not_followed_to_machine_code() {
        let folder = tempfile::tempdir().unwrap();
        let (elsewhere, cache) = (folder.path().join("elsewhere"), folder.path().join("cache"));
        fs::create_dir(&elsewhere).unwrap();
        symlink(&elsewhere, &cache).unwrap();
        assert_eq!(refused(&cache), CacheProblem::Link { path: cache.clone() });
        fs::remove_file(&cache).unwrap();
        fs::create_dir(&cache).unwrap();
        let modules = cache.join("modules");
        symlink(&elsewhere, &modules).unwrap();
        assert_eq!(refused(&cache), CacheProblem::Link { path: modules });
    }

    /// Only root can give files away.
    #[test]
    fn what_belongs_to_another_user_is_not_used() {
        use std::os::unix::fs::chown;

        let folder = tempfile::tempdir().unwrap();
        let cache = folder.path().join("cache");
        load(&engine(&cache));
        let give = |path: &Path, user: u32| chown(path, Some(user), None).is_ok();
        if !give(&cache, 4711) {
            // Then a directory of root's has another owner.
            let foreign = Path::new("/etc");
            let state = engine(foreign).cache();
            let path = foreign.to_owned();
            assert_eq!(state, CacheState::Unusable(CacheProblem::Foreign { path }));
            return;
        }
        assert_eq!(refused(&cache), CacheProblem::Foreign { path: cache.clone() });
        assert!(give(&cache, 0));
        let modules = cache.join("modules");
        let [file] = &files(&cache)[..] else { panic!("one module, one file") };
        for path in [&modules, file] {
            assert!(give(path, 4711));
            assert_eq!(refused(&cache), CacheProblem::Foreign { path: path.clone() });
            assert!(give(path, 0));
        }
        assert!(give(folder.path(), 4711));
        let path = folder.path().to_owned();
        assert_eq!(refused(&cache), CacheProblem::Foreign { path });
    }
}
