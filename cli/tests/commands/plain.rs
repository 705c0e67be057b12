//! Output is coloured on a terminal only, and a reader that closes the pipe early is not an error.

use std::io::Read as _;
use std::process::Stdio;

use super::{gatepost, output};

const FAULTY: &[&str] = &["check", "policies/bad/many-faults.yaml"];
const FAILING: &[&str] = &["test", "policies/failing"];
const EXPLAINED: &[&str] =
    &["explain", "--policy", "policies/bad/many-faults.yaml", "GET", "shop.test"];

#[test]
fn without_a_terminal_no_escape_sequence_is_written() {
    for arguments in [FAULTY, FAILING, EXPLAINED, &["check", "--help"], &["frob"]] {
        let ended = output(arguments);
        assert!(
            !ended.stdout.contains(&0x1b) && !ended.stderr.contains(&0x1b),
            "{arguments:?}: {ended:?}"
        );
        assert!(ended.stdout.len() + ended.stderr.len() > 50, "{arguments:?}");
    }
}

#[test]
fn colours_can_be_forced_and_forbidden() {
    for arguments in [FAULTY, FAILING] {
        let forced =
            gatepost(arguments).env("CLICOLOR_FORCE", "1").output().expect("it can be started");
        assert!(forced.stdout.contains(&0x1b), "{arguments:?}");
        let plain = gatepost(arguments).env("NO_COLOR", "1").output().expect("it can be started");
        assert!(!plain.stdout.contains(&0x1b), "{arguments:?}");
    }
}

#[test]
fn a_reader_that_leaves_early_changes_neither_the_exit_code_nor_what_is_said() {
    let mut child = gatepost(FAULTY)
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .expect("it can be started");
    drop(child.stdout.take());
    let mut said = String::new();
    child.stderr.take().expect("it is piped").read_to_string(&mut said).expect("text");
    assert_eq!((child.wait().expect("it ends").code(), said.as_str()), (Some(1), ""));
}
