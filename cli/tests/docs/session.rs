//! A console block as commands with their output, and the comparison of that output.

use clap::Parser as _;
use gatepost::commands::Cli;

use crate::page::{Block, root};

/// Commands that are not run, by how they begin, and why. Recipes of `just`, and the packages and
/// targets of `cargo`, must exist.
pub const NOT_RUN: &[(&str, &str)] = &[
    ("cargo test --workspace", "this test is one of those"),
    ("cargo test -p ", "the tests of another package run by themselves"),
    ("cargo run -p ", "examples serve until they are stopped"),
    ("cargo install ", "a long build of what these tests already run"),
    ("cargo +nightly ", "needs another toolchain"),
    ("just", "recipes are long builds or measurements"),
    ("kubectl ", "needs a cluster"),
    ("envoy ", "serves until it is stopped; e2e/ runs what `render envoy` writes"),
    ("curl ", "needs a server that another block starts"),
    ("cat ", "shows a file that another command found"),
    ("cd ", "comes before commands that are not run"),
];

/// How the output of a block is checked.
#[derive(Clone, Copy, PartialEq, Eq)]
pub enum Check {
    /// Every line is equal, but for times in seconds.
    Exact,
    /// As `Exact`, without numbers of three and more digits.
    SizesDiffer,
    /// Nothing runs. The command must accept the arguments.
    ArgumentsOnly,
}

/// The check that the words after the language ask for.
pub fn check_of(block: &Block) -> Result<Check, String> {
    let words = block.info.strip_prefix("console").unwrap_or_default().trim();
    if words.is_empty() {
        return Ok(Check::Exact);
    }
    let (check, reason) = words.split_once(' ').unwrap_or((words, ""));
    if !(reason.len() > 2 && reason.starts_with('(') && reason.ends_with(')')) {
        return Err(format!("`{words}` gives no reason in parentheses"));
    }
    match check {
        "sizes-differ" => Ok(Check::SizesDiffer),
        "arguments-only" => Ok(Check::ArgumentsOnly),
        _ => Err(format!("`{check}` is not `arguments-only` or `sizes-differ`")),
    }
}

/// A command line, and the output that the page shows for it.
pub struct Command {
    pub line: String,
    pub shown: String,
}

/// The commands of a block. A command begins with `$ `; a backslash at a line's end continues it.
pub fn commands(block: &Block) -> Result<Vec<Command>, String> {
    let mut commands: Vec<Command> = Vec::new();
    let mut lines = block.text.lines();
    while let Some(line) = lines.next() {
        if let Some(line) = line.strip_prefix("$ ") {
            let mut line = line.to_owned();
            while let Some(begun) = line.strip_suffix('\\') {
                line = format!("{begun}{}", lines.next().ok_or("the command has no end")?.trim());
            }
            commands.push(Command { line, shown: String::new() });
        } else {
            let command = commands.last_mut().ok_or("a console block begins with a command")?;
            command.shown += line;
            command.shown.push('\n');
        }
    }
    Ok(commands)
}

impl Command {
    /// The arguments, when the command is `gatepost` or builds and runs it.
    pub fn gatepost(&self) -> Option<String> {
        ["gatepost ", "cargo run --release -- "]
            .iter()
            .find_map(|program| self.line.strip_prefix(program))
            .map(str::to_owned)
    }
}

/// Whether the command works on the crate that the guide's page shows.
pub fn runs_in_the_guide(line: &str) -> bool {
    line.starts_with("cargo ") && line.ends_with(" --target wasm32-wasip1")
}

/// Whether `gatepost` accepts the arguments.
pub fn parse(arguments: &str) -> Result<(), String> {
    let words = std::iter::once("gatepost".to_owned()).chain(words(arguments));
    Cli::try_parse_from(words).map(drop).map_err(|error| error.to_string())
}

/// The words of a command line up to a redirection or a pipe, as a shell splits them, with both
/// kinds of quotes.
fn words(line: &str) -> Vec<String> {
    let mut words = Vec::new();
    let mut word: Option<String> = None;
    let mut quote = None;
    for character in line.chars() {
        match (quote, character) {
            (Some(open), _) if character == open => quote = None,
            (None, '\'' | '"') => {
                quote = Some(character);
                word.get_or_insert_default();
            }
            (None, '>' | '|' | '&' | '#') if word.is_none() => return words,
            (None, ' ') => words.extend(word.take()),
            _ => word.get_or_insert_default().push(character),
        }
    }
    words.extend(word);
    words
}

/// Whether a command is one that is not run, and names what exists.
pub fn check_not_run(line: &str) -> Result<(), String> {
    if !NOT_RUN.iter().any(|(begin, _)| line.starts_with(begin)) {
        return Err(format!("`{line}` is neither run nor listed in NOT_RUN"));
    }
    let words = words(line);
    let word_after =
        |flag: &str| words.iter().skip_while(|word| *word != flag).nth(1).map(String::as_str);
    if words[0] == "just" {
        let recipes = std::fs::read_to_string(root().join("justfile")).expect("the justfile");
        let exists = words.get(1).is_none_or(|recipe| {
            let begins = |line: &str| {
                line.strip_prefix(recipe.as_str()).is_some_and(|rest| rest.starts_with([' ', ':']))
            };
            recipes.lines().any(begins)
        });
        return exists.then_some(()).ok_or_else(|| format!("`{line}`: no such recipe"));
    }
    if let Some(package) = word_after("-p") {
        let folder = folder_of(package).ok_or_else(|| format!("`{line}`: no such package"))?;
        for (flag, place) in [("--test", "tests"), ("--example", "examples")] {
            if let Some(target) = word_after(flag)
                && !folder.join(place).join(format!("{target}.rs")).is_file()
                && !folder.join(place).join(target).join("main.rs").is_file()
            {
                return Err(format!("`{line}`: the package has no such target"));
            }
        }
    }
    Ok(())
}

/// The folder of a package of the workspace.
fn folder_of(package: &str) -> Option<std::path::PathBuf> {
    let workspace = std::fs::read_to_string(root().join("Cargo.toml")).expect("the workspace");
    let (_, members) = workspace.split_once("members = [")?;
    let members = members.split_once(']')?.0;
    members.split('"').skip(1).step_by(2).map(|member| root().join(member)).find(|folder| {
        std::fs::read_to_string(folder.join("Cargo.toml"))
            .is_ok_and(|manifest| manifest.contains(&format!("\nname = \"{package}\"\n")))
    })
}

/// Compares the lines that a page shows with those that were printed. The error is the first line
/// of the page that cannot be matched.
pub fn compare(shown: &str, printed: &str, check: Check) -> Result<(), String> {
    let (shown, printed) = (comparable(shown, check), comparable(printed, check));
    if matches(&shown, &printed) {
        return Ok(());
    }
    let begins = |count: &usize| {
        let beginning: Vec<String> =
            shown[..*count].iter().cloned().chain(["[...]".to_owned()]).collect();
        matches(&beginning, &printed)
    };
    let good = (0..=shown.len()).take_while(begins).last().unwrap_or_default();
    Err(shown.get(good).cloned().unwrap_or_else(|| "the end of the output".to_owned()))
}

/// The lines of an output without what is not compared, and without trailing spaces.
fn comparable(text: &str, check: Check) -> Vec<String> {
    let is_size = |word: &str| word.len() > 2 && word.bytes().all(|byte| byte.is_ascii_digit());
    let is_time =
        |word: &str| word.strip_suffix('s').is_some_and(|seconds| seconds.parse::<f64>().is_ok());
    let word = |word: &str| match word {
        _ if check == Check::SizesDiffer && is_size(word) => "SIZE".to_owned(),
        _ if is_time(word) => "TIME".to_owned(),
        _ => word.to_owned(),
    };
    // Numbers of different lengths are aligned with spaces, so a line with a size is compared word
    // by word.
    let line = |line: &str| match check {
        Check::SizesDiffer => line.split_whitespace().map(word).collect::<Vec<_>>().join(" "),
        _ => line.trim_end().split(' ').map(word).collect::<Vec<_>>().join(" "),
    };
    text.trim_matches('\n').lines().map(line).collect()
}

/// Whether lines are as shown, where the line `[...]` matches any number of lines.
fn matches(shown: &[String], printed: &[String]) -> bool {
    let (mut at, mut line) = (0, 0);
    // Where the last `[...]` is, and the first printed line that it does not match.
    let mut elision = None;
    while let Some(found) = printed.get(line) {
        if shown.get(at).is_some_and(|shown| shown == "[...]") {
            elision = Some((at, line));
            at += 1;
        } else if shown.get(at) == Some(found) {
            (at, line) = (at + 1, line + 1);
        } else if let Some((start, end)) = elision {
            elision = Some((start, end + 1));
            (at, line) = (start + 1, end + 1);
        } else {
            return false;
        }
    }
    shown[at..].iter().all(|shown| shown == "[...]")
}

#[test]
fn elided_lines_match_any_lines_and_others_must_be_equal() {
    let is = |shown: &str, printed: &str| compare(shown, printed, Check::Exact).is_ok();
    assert!(is("a\n[...]\nd\n", "a\nb\nc\nd\n"));
    assert!(is("[...]\n", ""));
    assert!(is("finished in 0.01s", "finished in 12.34s"));
    assert!(!is("a\n[...]\nd\n", "a\nb\n"));
    assert!(!is("203585 bytes", "203586 bytes"));
    assert!(!is("", "a"));
    assert_eq!(compare("a\n[...]\nc\nd", "a\nb\nc\ne", Check::Exact), Err("d".to_owned()));
    assert_eq!(compare("size  203585 bytes", "size 99999 bytes", Check::SizesDiffer), Ok(()));
}

#[test]
fn a_command_that_is_not_run_must_exist() {
    assert_eq!(check_not_run("cargo test -p gatepost --test docs"), Ok(()));
    for line in ["cargo test -p nobody", "cargo test -p gatepost --test nothing", "just nothing"] {
        assert!(check_not_run(line).is_err(), "{line}");
    }
    assert!(check_not_run("frobnicate").is_err());
    assert!(parse("explain --policy x GET 'a b' > file").is_ok());
    assert!(parse("explain --polcy x GET a").is_err());
}
