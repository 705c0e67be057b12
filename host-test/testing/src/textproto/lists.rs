//! In protobuf's text format the colon before a list of messages may be left out,
//! `header [ { … }, { … } ]`, and Google's samples do so. The parser here needs it, so it is
//! added before parsing.

/// A text with every colon, and where each was added.
pub(super) struct Colons {
    pub(super) text: String,
    at: Vec<usize>,
}

impl Colons {
    pub(super) fn put_into(written: &str) -> Self {
        let (mut text, mut at) = (String::with_capacity(written.len()), Vec::new());
        // Whether a list that begins here belongs to a field's name that no colon follows.
        let (mut after_name, mut after_colon) = (None, false);
        let mut rest = written;
        while let Some(c) = rest.chars().next() {
            let token = rest.get(..token(rest, c)).unwrap_or(rest);
            match c {
                _ if c.is_whitespace() || c == '#' => {}
                '[' => {
                    if let Some(end) = after_name.take() {
                        at.push(end);
                        text.insert(end, ':');
                    }
                    after_colon = false;
                }
                _ => {
                    let is_name = c.is_ascii_alphabetic() || c == '_';
                    text.push_str(token);
                    after_name = (is_name && !after_colon).then_some(text.len());
                    after_colon = c == ':';
                    rest = rest.get(token.len()..).unwrap_or_default();
                    continue;
                }
            }
            text.push_str(token);
            rest = rest.get(token.len()..).unwrap_or_default();
        }
        Self { text, at }
    }

    /// Where a place in the new text is in the original one.
    pub(super) fn written(&self, offset: usize) -> usize {
        offset - self.at.iter().filter(|at| **at < offset).count()
    }
}

/// The length of the token that a text begins with: white space, a comment, a string, a word, or
/// one character.
fn token(text: &str, first: char) -> usize {
    let until = |stop: &dyn Fn(char) -> bool| text.find(stop).unwrap_or(text.len());
    match first {
        _ if first.is_whitespace() => until(&|c| !c.is_whitespace()),
        '#' => until(&|c| c == '\n'),
        '"' | '\'' => {
            let mut escaped = false;
            let end = text.char_indices().skip(1).find(|(_, c)| {
                let ends = !escaped && (*c == first || *c == '\n');
                escaped = !escaped && *c == '\\';
                ends
            });
            end.map_or(text.len(), |(at, c)| at + c.len_utf8())
        }
        _ if first.is_alphanumeric() || first == '_' => {
            until(&|c| !(c.is_alphanumeric() || c == '_'))
        }
        _ => first.len_utf8(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_list_of_messages_gets_its_colon_and_nothing_else_changes() {
        for (written, expected) in [
            ("header [ {}, {} ]", "header: [ {}, {} ]"),
            ("a {\n  header\n  # why [\n  [ {} ] }", "a {\n  header:\n  # why [\n  [ {} ] }"),
            ("header: [ {} ]", "header: [ {} ]"),
            (
                "regex: \"a [b] \\\" c [d]\" regex: 'x [' b [ ]",
                "regex: \"a [b] \\\" c [d]\" regex: 'x [' b: [ ]",
            ),
            ("level: INFO [ext]: 1", "level: INFO [ext]: 1"),
            ("{ [ext] { } }", "{ [ext] { } }"),
            ("a: \"unclosed [", "a: \"unclosed ["),
            ("é [", "é ["),
            ("", ""),
        ] {
            assert_eq!(Colons::put_into(written).text, expected);
        }
    }

    #[test]
    fn a_place_is_told_as_it_was_written() {
        let colons = Colons::put_into("a [ ] b [ ! ]");
        assert_eq!(colons.text, "a: [ ] b: [ ! ]");
        let at = colons.text.find('!').unwrap();
        assert_eq!((colons.written(0), colons.written(at)), (0, 10));
    }
}
