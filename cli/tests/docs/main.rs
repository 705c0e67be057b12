//! The documentation shows what happens. Every ` ```console ` block of README.md, docs/ and
//! policies/ is a session: its `gatepost` commands run in a scratch folder, and their output must
//! be the output that the page shows.
//!
//! - A line `[...]` in the output elides any number of lines.
//! - The blocks of one page share one folder, in their order: a later block may use files that an
//!   earlier one wrote. The folder has copies of docs/ and policies/.
//! - A block shows a file when the line before it ends in the file's name, as in "`src/lib.rs`:". A
//!   name below docs/ or policies/ is a file of the repository, and the block must be equal to it.
//!   Any other file is written into the folder.
//! - A word after ` ```console ` says what is not compared, with the reason in parentheses:
//!   `arguments-only` runs nothing and checks that the command accepts the arguments;
//!   `sizes-differ` does not compare numbers of three and more digits.
//! - `cargo run --release -- …` is `gatepost …`. Commands of other programs are in
//!   [`session::NOT_RUN`], each with its reason.

mod guide;
mod page;
mod scratch;
mod session;

use std::fs;

use gatepost_authoring::PolicyFile;

use page::{Page, pages, root};
use scratch::Scratch;
use session::{Check, Command};

#[test]
fn every_console_block_shows_what_its_commands_print() {
    let mut failures = Vec::new();
    let mut compared = 0;
    for page in pages() {
        let mut scratch = None;
        for block in page.blocks.iter().filter(|block| block.language() == "console") {
            let place = format!("{}:{}", page.path, block.line);
            let checked = session::check_of(block).and_then(|check| {
                session::commands(block)?.iter().try_for_each(|command| {
                    compared += 1;
                    run(command, check, &page, &mut scratch)
                })
            });
            failures.extend(checked.err().map(|failure| format!("{place}: {failure}")));
        }
    }
    assert!(failures.is_empty(), "{}", failures.join("\n\n"));
    assert!(compared > 10, "only {compared} commands were found");
}

/// Checks one command of a page. The page's folder is made for its first command that runs.
fn run(
    command: &Command,
    check: Check,
    page: &Page,
    scratch: &mut Option<Scratch>,
) -> Result<(), String> {
    let line = match command.gatepost() {
        Some(arguments) if check == Check::ArgumentsOnly => return session::parse(&arguments),
        Some(arguments) => format!("gatepost {arguments}"),
        None if session::runs_in_the_guide(&command.line) => command.line.clone(),
        None => return session::check_not_run(&command.line),
    };
    scratch.get_or_insert_with(|| Scratch::of(page)).compare(&line, command, check)
}

#[test]
fn a_file_of_the_repository_is_shown_as_it_is() {
    for page in pages() {
        for block in &page.blocks {
            let Some(file) = block.file.as_ref().filter(|_| block.is_of_the_repository()) else {
                continue;
            };
            let text = fs::read_to_string(root().join(file)).unwrap_or_default();
            assert_eq!(block.text, text, "{}:{}: {file}", page.path, block.line);
        }
    }
}

#[test]
fn every_link_to_a_file_leads_to_one() {
    for page in pages() {
        let path = root().join(&page.path);
        let folder = path.parent().expect("a page is in a folder");
        for link in page.links.iter().filter(|link| !link.contains("://")) {
            let file = link.split('#').next().unwrap_or_default();
            assert!(file.is_empty() || folder.join(file).exists(), "{}: {link}", page.path);
        }
    }
}

#[test]
fn every_policy_in_the_readme_compiles() {
    let pages = pages();
    let readme = pages.iter().filter(|page| page.path == "README.md");
    let blocks = readme.flat_map(|page| &page.blocks);
    let is_policy = |block: &&page::Block| block.text.contains("apiVersion: gatepost/");
    let policies = blocks.filter(|block| block.language() == "yaml").filter(is_policy);
    for block in policies {
        let place = format!("README.md:{}", block.line);
        PolicyFile::parse(&place, &block.text).unwrap_or_else(|report| panic!("{report:?}"));
    }
}
