//! Says when the policy's file may have a new content: when it was closed after it was written, or
//! when it or anything on the way to it was renamed, linked or removed. An editor that renames a
//! new file, a shell that writes in place and the kubelet that swaps `..data` all end in one of
//! these. While the file is open and was written to, its content is not complete and does not
//! count.

use std::collections::BTreeSet;
use std::ffi::OsString;
use std::path::{Component, Path, PathBuf};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use notify::event::{AccessKind, AccessMode, CreateKind, EventKind, ModifyKind};
use notify::{Event, RecommendedWatcher, RecursiveMode, Watcher};

/// How long the file must be left alone before it is read, and again before what was read counts.
/// It joins the events of one change; that a write is complete is known from the events.
const SETTLED: Duration = Duration::from_millis(50);

/// As many symbolic links as Linux follows.
const MAX_LINKS: usize = 40;

/// Watches one path.
pub struct FileWatch {
    path: PathBuf,
    watcher: RecommendedWatcher,
    folders: BTreeSet<PathBuf>,
    shared: Arc<Shared>,
}

#[derive(Default)]
struct Shared {
    state: Mutex<State>,
    changed: Condvar,
}

#[derive(Default)]
struct State {
    way: Way,
    /// Whether there may be a new content.
    is_changed: bool,
    /// Whether the file was written to and is not closed yet.
    is_written: bool,
    /// Counts the events that concern the content.
    events: u64,
}

/// How a path leads to a file.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
struct Way {
    /// Each name that is looked up, with symbolic links followed, and its folder before it.
    names: BTreeSet<PathBuf>,
    /// The file, without symbolic links.
    file: PathBuf,
}

impl FileWatch {
    /// Begins to watch. What changes from now on is seen.
    ///
    /// # Errors
    /// When the system cannot watch files, or not the file's folder.
    pub fn start(path: &Path) -> notify::Result<Self> {
        let shared = Arc::new(Shared::default());
        let seen = shared.clone();
        let watcher = notify::recommended_watcher(move |event| seen.event(event))?;
        let path = std::path::absolute(path)?;
        let mut watch = Self { path, watcher, folders: BTreeSet::new(), shared };
        let way = watch.follow();
        let folder = way.file.parent().unwrap_or(&way.file).to_owned();
        // The error of the folder that must be watched is the one that matters.
        watch.watcher.watch(&folder, RecursiveMode::NonRecursive)?;
        Ok(watch)
    }

    /// Waits until the file may have a new content, reads it, and gives what was read when nothing
    /// happened to the file meanwhile.
    pub fn next<T>(&mut self, read: impl Fn(&Path) -> T) -> T {
        loop {
            self.shared.wait_for_change();
            let before = self.shared.settle();
            if before.is_written {
                continue;
            }
            self.shared.lock().is_changed = false;
            self.follow();
            let content = read(&self.path);
            let after = self.shared.settle();
            if after.events == before.events {
                return content;
            }
        }
    }

    /// Finds out anew how the path leads to the file, and watches each folder on the way. A folder
    /// that is there again under an old name is another one, so all are watched again.
    fn follow(&mut self) -> Way {
        let way = Way::of(&self.path);
        self.shared.lock().way = way.clone();
        let folders: BTreeSet<PathBuf> =
            way.names.iter().filter_map(|name| name.parent()).map(Path::to_owned).collect();
        for gone in self.folders.difference(&folders) {
            let _ = self.watcher.unwatch(gone);
        }
        for folder in &folders {
            // A folder that may not be read cannot be watched, and need not be: what changes below
            // it is seen where the file is.
            let _ = self.watcher.watch(folder, RecursiveMode::NonRecursive);
        }
        self.folders = folders;
        way
    }
}

impl Shared {
    fn event(&self, event: notify::Result<Event>) {
        let mut state = self.lock();
        match event {
            Ok(event) if !event.need_rescan() => {
                if !state.note(&event) {
                    return;
                }
            }
            // Events were lost.
            _ => state.is_changed = true,
        }
        state.events += 1;
        self.changed.notify_all();
    }

    fn wait_for_change(&self) {
        let state = self.lock();
        drop(
            self.changed
                .wait_while(state, |state| !state.is_changed || state.is_written)
                .unwrap_or_else(PoisonError::into_inner),
        );
    }

    /// Waits until no event came for a while.
    fn settle(&self) -> Settled {
        let mut state = self.lock();
        loop {
            let events = state.events;
            let waited =
                self.changed.wait_timeout_while(state, SETTLED, |state| state.events == events);
            let (now, _) = waited.unwrap_or_else(PoisonError::into_inner);
            if now.events == events {
                return Settled { events, is_written: now.is_written };
            }
            state = now;
        }
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

struct Settled {
    events: u64,
    is_written: bool,
}

impl State {
    /// Notes an event; false when it does not concern the file.
    fn note(&mut self, event: &Event) -> bool {
        if !event.paths.iter().any(|path| self.way.names.contains(path)) {
            return false;
        }
        let is_file = event.paths.contains(&self.way.file);
        match event.kind {
            EventKind::Access(AccessKind::Close(AccessMode::Write)) if is_file => {
                (self.is_changed, self.is_written) = (true, false);
            }
            EventKind::Modify(ModifyKind::Data(_)) if is_file => self.is_written = true,
            // A file that was just made is open for its writer. A link is there at once.
            EventKind::Create(CreateKind::File) if is_file && is_new_file(&self.way.file) => {
                self.is_written = true;
            }
            EventKind::Access(_) | EventKind::Modify(ModifyKind::Data(_)) => return false,
            // Another file is there now, or none, or it may be read now.
            _ => (self.is_changed, self.is_written) = (true, false),
        }
        true
    }
}

/// Whether this is a file of its own, and no link to one that was there.
fn is_new_file(path: &Path) -> bool {
    let Ok(metadata) = path.symlink_metadata() else { return false };
    #[cfg(unix)]
    let is_linked = std::os::unix::fs::MetadataExt::nlink(&metadata) > 1;
    #[cfg(not(unix))]
    let is_linked = false;
    metadata.is_file() && !is_linked
}

impl Way {
    /// Follows a path as far as it leads.
    fn of(path: &Path) -> Self {
        let parts = |path: &Path| -> Vec<OsString> {
            path.components().rev().map(|part| part.as_os_str().to_owned()).collect()
        };
        let mut names = BTreeSet::new();
        let mut file = PathBuf::new();
        // The next part is the last one.
        let mut rest = parts(path);
        let mut links = 0;
        while let Some(part) = rest.pop() {
            match Path::new(&part).components().next() {
                Some(Component::ParentDir) => {
                    file.pop();
                }
                Some(Component::CurDir) | None => {}
                // A root replaces what was there.
                Some(Component::RootDir | Component::Prefix(_)) => file.push(&part),
                Some(Component::Normal(_)) => {
                    file.push(&part);
                    names.insert(file.clone());
                    if links < MAX_LINKS
                        && let Ok(target) = file.read_link()
                    {
                        links += 1;
                        file.pop();
                        rest.extend(parts(&target));
                    }
                }
            }
        }
        Self { names, file }
    }
}

#[cfg(all(test, unix))]
mod tests {
    use std::os::unix::fs::symlink;

    use super::*;

    #[test]
    fn a_way_has_every_link_on_it() {
        let folder = tempfile::tempdir().unwrap();
        let root = folder.path().canonicalize().unwrap();
        std::fs::create_dir(root.join("..1")).unwrap();
        std::fs::write(root.join("..1/p"), "").unwrap();
        symlink("..1", root.join("..data")).unwrap();
        symlink("..data/p", root.join("p")).unwrap();
        symlink(&root, root.join("self")).unwrap();
        let way = Way::of(&root.join("self/./x/../p"));
        assert_eq!(way.file, root.join("..1/p"));
        for name in ["self", "p", "..data", "..1", "..1/p"] {
            assert!(way.names.contains(&root.join(name)), "{name} of {way:?}");
        }
        assert!(way.names.contains(&root));
    }

    #[test]
    fn links_that_lead_in_a_circle_end() {
        let folder = tempfile::tempdir().unwrap();
        let root = folder.path().canonicalize().unwrap();
        symlink("b", root.join("a")).unwrap();
        symlink("a", root.join("b")).unwrap();
        assert!(Way::of(&root.join("a")).names.contains(&root.join("b")));
    }
}
