//! What people read of a verdict: the message of a denial, which `kubectl` prints as it is, and
//! warnings, which travel in headers.

use gatepost_authoring::Diagnostic;

use crate::review::{Cause, Denial};

/// The longest message, in bytes. It is far more than anybody reads, and far less than what an API
/// server takes of a webhook.
const MAX_MESSAGE: usize = 64 << 10;

/// The longest part of an error: a name that its author wrote may be as long as the object.
const MAX_PART: usize = 1024;

/// An API server may cut longer warnings, and all of an answer's beyond the sum.
const MAX_WARNING: usize = 256;
const MAX_WARNINGS: usize = 4096;

/// Says why an object is denied: each error with its code, its path and what to do.
pub(crate) fn denial(errors: &[Diagnostic]) -> Denial {
    let count = errors.len();
    let mut message = match count {
        1 => "gatepost finds an error".to_owned(),
        _ => format!("gatepost finds {count} errors"),
    };
    let mut causes = Vec::new();
    let part = |text: &str| cut(printable(text), MAX_PART);
    for (number, error) in errors.iter().enumerate() {
        let mut lines = format!("\nerror[{}]: {}", error.code, part(&error.message));
        for (name, text) in [("path", &error.path), ("help", &error.help)] {
            if let Some(text) = text {
                lines.push_str(&format!("\n  {name}: {}", part(text)));
            }
        }
        if message.len().saturating_add(lines.len()) > MAX_MESSAGE {
            let more = count.saturating_sub(number);
            message.push_str(&format!("\nand {more} more: `gatepost check` shows all"));
            break;
        }
        message.push_str(&lines);
        causes.push(Cause {
            reason: error.code,
            message: part(&error.message),
            field: part(error.path.as_deref().unwrap_or_default()),
        });
    }
    Denial { message, causes }
}

/// Warnings that an API server passes on whole.
pub(crate) fn warnings(found: &[Diagnostic]) -> Vec<String> {
    let mut warnings = Vec::new();
    let mut room = MAX_WARNINGS;
    for (number, warning) in found.iter().enumerate() {
        let text = one_line(warning);
        let more = found.len().saturating_sub(number);
        let rest = format!("gatepost: {more} more: `gatepost check` shows all");
        // The last that fits leaves room for the count of the others.
        let needed = text.len().saturating_add(if more > 1 { rest.len() } else { 0 });
        if needed > room {
            warnings.push(rest);
            break;
        }
        room = room.saturating_sub(text.len());
        warnings.push(text);
    }
    warnings
}

fn one_line(warning: &Diagnostic) -> String {
    let path = warning.path.as_deref().map(|path| format!("{path}: ")).unwrap_or_default();
    let text = format!("gatepost[{}]: {path}{}", warning.code, warning.message);
    let text = printable(&text);
    match &warning.help {
        Some(help) if text.len().saturating_add(help.len()).saturating_add(2) <= MAX_WARNING => {
            format!("{text}; {}", printable(help))
        }
        _ => cut(text, MAX_WARNING),
    }
}

/// At most so many bytes of a text.
fn cut(mut text: String, limit: usize) -> String {
    const END: &str = "…";
    if text.len() > limit {
        text.truncate(text.floor_char_boundary(limit.saturating_sub(END.len())));
        text.push_str(END);
    }
    text
}

/// A text of somebody's without control characters: in a terminal they could show anything, and in
/// a header they may not be.
pub(crate) fn printable(text: &str) -> String {
    let mut printed = String::with_capacity(text.len());
    for character in text.chars() {
        // What turns the direction of a text hides as much as a control character.
        let hides = matches!(character, '\u{200e}'..='\u{200f}' | '\u{2028}'..='\u{202e}'
            | '\u{2066}'..='\u{2069}');
        if character.is_control() || hides {
            printed.extend(character.escape_default());
        } else {
            printed.push(character);
        }
    }
    printed
}

#[cfg(test)]
mod tests {
    use super::*;

    fn warning(message: &str) -> Diagnostic {
        Diagnostic::warning("code", message).with_path(Some("spec.pluginConfig.hosts".to_owned()))
    }

    #[test]
    fn warnings_keep_to_the_limits_of_the_api_server() {
        let long = warning(&"ü\n".repeat(500));
        for count in [1, 2, 15, 16, 17, 100] {
            let warnings = warnings(&vec![long.clone(); count]);
            let sum: usize = warnings.iter().map(String::len).sum();
            assert!(sum <= MAX_WARNINGS, "{count}: {sum}");
            for warning in &warnings {
                assert!(warning.len() <= MAX_WARNING && !warning.contains(char::is_control));
            }
            let last = warnings.last().unwrap();
            assert_eq!(last.contains("more: `gatepost check`"), count > warnings.len(), "{last}");
        }
    }

    #[test]
    fn help_is_left_away_where_it_does_not_fit() {
        let help = |length: usize| {
            warnings(&[warning("short").with_help(Some("h".repeat(length)))]).remove(0)
        };
        assert!(help(20).ends_with("; hhhhhhhhhhhhhhhhhhhh"));
        assert!(help(300).ends_with("short"));
    }

    #[test]
    fn a_denial_of_a_thousand_errors_says_how_many_it_leaves_out() {
        let error = Diagnostic::error("code", "m".repeat(200)).with_path(Some("a.b".to_owned()));
        let Denial { message, causes } = denial(&vec![error; 1000]);
        assert!(message.len() < MAX_MESSAGE + 100, "{}", message.len());
        assert!(message.ends_with("more: `gatepost check` shows all"));
        assert!(causes.len() < 1000 && !causes.is_empty());
    }

    #[test]
    fn what_a_terminal_would_obey_is_escaped() {
        assert_eq!(printable("a\u{1b}[2J\u{202e}é"), "a\\u{1b}[2J\\u{202e}é");
    }
}
