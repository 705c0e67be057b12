//! What the README shows is what happens: its policies compile, and the output that it shows is the
//! command's own.

use std::path::{Path, PathBuf};
use std::process::Command;

use gatepost_authoring::PolicyFile;

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("..")
}

fn readme() -> String {
    std::fs::read_to_string(root().join("README.md")).expect("the README is there")
}

/// The blocks of a language.
fn blocks(language: &str) -> Vec<String> {
    let readme = readme();
    let parts: Vec<&str> = readme.split("```").collect();
    let blocks = parts.iter().skip(1).step_by(2).filter_map(|block| block.strip_prefix(language));
    blocks.map(|block| block.trim_start_matches('\n').to_owned()).collect()
}

/// Runs a command line of the README in the workspace; what it prints, standard error behind
/// standard output.
fn run(line: &str) -> String {
    let mut words = shell_words(line);
    assert_eq!(words.remove(0), "gatepost");
    let output = Command::new(env!("CARGO_BIN_EXE_gatepost"))
        .args(words)
        .current_dir(root())
        .output()
        .expect("it runs");
    String::from_utf8_lossy(&[output.stdout, output.stderr].concat()).into_owned()
}

/// Words as a shell splits them, single quotes included.
fn shell_words(line: &str) -> Vec<String> {
    let mut words = Vec::new();
    for (number, part) in line.split('\'').enumerate() {
        match number % 2 {
            0 => words.extend(part.split_whitespace().map(str::to_owned)),
            _ => words.push(part.to_owned()),
        }
    }
    words
}

#[test]
fn the_policy_in_ten_lines_is_the_example_and_compiles() {
    let policy = blocks("yaml").remove(0);
    assert_eq!(policy.lines().count(), 10);
    assert_eq!(
        policy,
        std::fs::read_to_string(root().join("docs/examples/policy.yaml"))
            .expect("the example is there")
    );
    PolicyFile::parse("README.md", &policy).expect("a good policy");
}

#[test]
fn the_wasm_plugin_carries_a_good_policy() {
    let plugin = blocks("yaml").remove(1);
    let (_, config) = plugin.split_once("pluginConfig:").expect("a plugin configuration");
    let (_, config) = config.split_once('\n').expect("lines behind it");
    PolicyFile::parse("README.md", config).expect("a good policy");
}

#[test]
fn what_the_commands_print_is_what_they_print() {
    let mut compared = 0;
    for block in blocks("console") {
        let (line, shown) = block.split_once('\n').expect("a command and its output");
        let line = line.strip_prefix("$ ").expect("a prompt");
        if line.starts_with("gatepost explain") || line.starts_with("gatepost check") {
            assert_eq!(run(line).trim_end(), shown.trim_end(), "{line}");
            compared += 1;
        }
    }
    assert_eq!(compared, 2);
}
