//! Writes figures into a page of the documentation, between two marks.

use std::path::Path;

use crate::error::BenchError;

/// The mark at the end of what is written.
const END: &str = "<!-- end of figures -->";

/// Writes what a command printed into a page, in place of everything between `<!-- figures: written
/// by ... -->`, which names the command, and `<!-- end of figures -->`.
///
/// # Errors
/// When the page cannot be read or written, or the marks are not in it.
pub fn write(page: &Path, command: &str, text: &str) -> Result<(), BenchError> {
    let failed = |error| BenchError::Process { what: page.display().to_string(), error };
    let begin = begin(command);
    let before = std::fs::read_to_string(page).map_err(failed)?;
    let missing = || failed(std::io::Error::other(format!("no `{begin}` … `{END}` in it")));
    std::fs::write(page, replaced(&before, &begin, text).ok_or_else(missing)?).map_err(failed)
}

fn begin(command: &str) -> String {
    format!("<!-- figures: written by `{command}` -->")
}

fn replaced(page: &str, begin: &str, text: &str) -> Option<String> {
    let (before, rest) = page.split_once(begin)?;
    let (_, after) = rest.split_once(END)?;
    Some(format!("{before}{begin}\n```\n{}\n```\n{END}{after}", trimmed(text)))
}

/// Removes the blanks at the ends of lines, which tables leave.
fn trimmed(text: &str) -> String {
    text.lines().map(str::trim_end).collect::<Vec<_>>().join("\n")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_what_stands_between_a_commands_marks_is_replaced() {
        let [one, other] = ["just bench one --record", "just bench other --record"].map(begin);
        let page = format!("before\n{one}\nold\n{END}\nbetween\n{other}\nold, too\n{END}\nafter\n");
        let once = replaced(&page, &other, "new  \n").unwrap();
        assert_eq!(
            once,
            format!("before\n{one}\nold\n{END}\nbetween\n{other}\n```\nnew\n```\n{END}\nafter\n")
        );
        assert_eq!(replaced(&once, &other, "new"), Some(once.clone()));
        assert_eq!(replaced(&once, &begin("just bench third"), "new"), None);
    }
}
