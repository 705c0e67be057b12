//! Pages of Markdown, and the fenced blocks in them.

use std::fs;
use std::path::{Path, PathBuf};

/// The root of the repository.
pub fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("..")
}

pub struct Page {
    /// Relative to the root.
    pub path: String,
    pub blocks: Vec<Block>,
    /// The targets of its links, without those of blocks.
    pub links: Vec<String>,
}

/// A fenced block.
pub struct Block {
    /// The line of its opening fence, from 1.
    pub line: usize,
    /// The text after the opening fence: the language, and further words.
    pub info: String,
    /// The file that the line before it names, as in "`src/lib.rs`:".
    pub file: Option<String>,
    pub text: String,
}

impl Block {
    pub fn language(&self) -> &str {
        self.info.split(' ').next().unwrap_or_default()
    }

    /// Whether the file is one of the repository, and not one that a reader writes.
    pub fn is_of_the_repository(&self) -> bool {
        let file = self.file.as_deref().unwrap_or_default();
        ["docs/", "policies/"].iter().any(|folder| file.starts_with(folder))
    }
}

/// README.md, and every page below docs/ and policies/.
pub fn pages() -> Vec<Page> {
    let mut paths = vec![PathBuf::from("README.md")];
    for folder in ["docs", "policies"] {
        find(Path::new(folder), &mut paths);
    }
    paths.iter().map(|path| page(&path.to_string_lossy())).collect()
}

fn find(folder: &Path, paths: &mut Vec<PathBuf>) {
    let entries = fs::read_dir(root().join(folder)).expect("the folder can be read");
    let mut names: Vec<_> = entries.map(|entry| entry.expect("an entry").file_name()).collect();
    names.sort();
    for name in names.iter().filter(|name| *name != "target") {
        let path = folder.join(name);
        if root().join(&path).is_dir() {
            find(&path, paths);
        } else if path.extension().is_some_and(|extension| extension == "md") {
            paths.push(path);
        }
    }
}

/// Reads one page.
pub fn page(path: &str) -> Page {
    let text = fs::read_to_string(root().join(path)).expect("the page can be read");
    let (mut blocks, mut links) = (Vec::new(), Vec::new());
    let mut before = "";
    let mut lines = text.lines().enumerate();
    while let Some((number, line)) = lines.next() {
        if let Some(info) = line.strip_prefix("```") {
            let text = lines.by_ref().map(|(_, line)| line).take_while(|line| *line != "```");
            blocks.push(Block {
                line: number + 1,
                info: info.to_owned(),
                file: before
                    .strip_suffix("`:")
                    .and_then(|line| line.rsplit('`').next())
                    .map(str::to_owned),
                text: text.map(|line| format!("{line}\n")).collect(),
            });
        }
        for after in line.split("](").skip(1) {
            links.extend(after.split_once(')').map(|(link, _)| link.to_owned()));
        }
        if !line.is_empty() {
            before = line;
        }
    }
    Page { path: path.to_owned(), blocks, links }
}
