//! The language of the probe guests: lines of `callback: command words`. This module splits lines
//! into words and finds the lines of a callback; the interpreter runs the commands.
//!
//! - `callback` runs at each call, `callback#2` at the second of its context, `callback.end` when
//!   the stream ends with this call, `callback.more` when it does not.
//! - Words are separated by spaces. `"…"` is one word, with the escapes `\n`, `\r`, `\t`, `\0`,
//!   `\"`, `\\` and `\xHH`. `a*1000` is `a` a thousand times. `$` is the result of the last
//!   hostcall.
//! - A line that starts with `//` is a comment. Empty lines are skipped.

/// A word of a command.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Word {
    /// These bytes.
    Bytes(Vec<u8>),
    /// The result of the last hostcall.
    Last,
}

/// When a line runs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum When {
    /// At each call of the callback.
    Always,
    /// At the call of this number, from 1.
    Call(u32),
    /// At calls that end the stream.
    End,
    /// At calls that do not end the stream.
    More,
}

/// One line.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Line {
    /// The callback's name without `proxy_on_`.
    pub callback: String,
    /// The calls that it runs at.
    pub when: When,
    /// The command's name.
    pub command: String,
    /// The command's words.
    pub words: Vec<Word>,
    /// The command and its words, as written.
    pub text: String,
}

/// A script.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Script(Vec<Line>);

impl Script {
    /// Reads a script.
    ///
    /// # Errors
    /// The line that is wrong, and the reason.
    pub fn parse(text: &str) -> Result<Self, String> {
        let lines =
            text.lines().map(str::trim).filter(|line| !line.is_empty() && !line.starts_with("//"));
        lines
            .map(|line| Line::parse(line).map_err(|error| format!("{line}: {error}")))
            .collect::<Result<_, _>>()
            .map(Self)
    }

    /// The lines that a call of a callback runs, in order. `call` is its number in its context,
    /// from 1.
    pub fn lines<'a>(
        &'a self,
        callback: &'a str,
        call: u32,
        end: bool,
    ) -> impl Iterator<Item = &'a Line> {
        self.0.iter().filter(move |line| {
            line.callback == callback
                && match line.when {
                    When::Always => true,
                    When::Call(number) => number == call,
                    When::End => end,
                    When::More => !end,
                }
        })
    }
}

impl Line {
    fn parse(line: &str) -> Result<Self, String> {
        let (head, rest) = line.split_once(':').ok_or("a line is `callback: command`")?;
        let (callback, when) = if let Some((callback, number)) = head.split_once('#') {
            (callback, When::Call(number.parse().map_err(|error| format!("{number}: {error}"))?))
        } else if let Some(callback) = head.strip_suffix(".end") {
            (callback, When::End)
        } else if let Some(callback) = head.strip_suffix(".more") {
            (callback, When::More)
        } else {
            (head, When::Always)
        };
        let mut words = words(rest)?.into_iter();
        let Some(Word::Bytes(command)) = words.next() else { return Err("no command".to_owned()) };
        let command = String::from_utf8(command).map_err(|error| error.to_string())?;
        Ok(Self {
            callback: callback.to_owned(),
            when,
            command,
            words: words.collect(),
            text: rest.trim().to_owned(),
        })
    }
}

fn words(text: &str) -> Result<Vec<Word>, String> {
    let mut words = Vec::new();
    let mut rest = text.trim_start();
    while !rest.is_empty() {
        if let Some(quoted) = rest.strip_prefix('"') {
            let (word, after) = quoted_word(quoted)?;
            words.push(Word::Bytes(word));
            rest = after.trim_start();
            continue;
        }
        let end = rest.find(' ').unwrap_or(rest.len());
        words.push(bare_word(&rest[..end]));
        rest = rest[end..].trim_start();
    }
    Ok(words)
}

fn bare_word(word: &str) -> Word {
    if word == "$" {
        return Word::Last;
    }
    if let Some((unit, times)) = word.split_once('*')
        && let Ok(times) = times.parse()
    {
        return Word::Bytes(unit.as_bytes().repeat(times));
    }
    Word::Bytes(word.as_bytes().to_vec())
}

/// The bytes up to the closing quote, and what follows it.
fn quoted_word(text: &str) -> Result<(Vec<u8>, &str), String> {
    let mut word = Vec::new();
    let mut letters = text.char_indices();
    while let Some((at, letter)) = letters.next() {
        match letter {
            '"' => return Ok((word, &text[at + 1..])),
            '\\' => {
                let (at, escape) = letters.next().ok_or("the text ends in a backslash")?;
                word.push(match escape {
                    'n' => b'\n',
                    'r' => b'\r',
                    't' => b'\t',
                    '0' => 0,
                    '"' => b'"',
                    '\\' => b'\\',
                    'x' => {
                        let digits = text.get(at + 1..at + 3).ok_or("\\x needs two digits")?;
                        letters.nth(1);
                        u8::from_str_radix(digits, 16)
                            .map_err(|error| format!("\\x{digits}: {error}"))?
                    }
                    other => return Err(format!("\\{other} is no escape")),
                });
            }
            letter => word.extend_from_slice(letter.encode_utf8(&mut [0; 4]).as_bytes()),
        }
    }
    Err("a quote is not closed".to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn commands(script: &str, callback: &str, call: u32, end: bool) -> Vec<String> {
        let script = Script::parse(script).expect("a script");
        script.lines(callback, call, end).map(|line| line.command.clone()).collect()
    }

    #[test]
    fn a_line_runs_at_the_calls_that_its_head_names() {
        let script = "body: a\n// no line\nbody#2: b\nbody.end: c\nbody.more: d\nother: e\n";
        assert_eq!(commands(script, "body", 1, false), ["a", "d"]);
        assert_eq!(commands(script, "body", 2, true), ["a", "b", "c"]);
    }

    #[test]
    fn words_are_split_at_spaces_outside_of_quotes() {
        let line = Line::parse(r#"x: put one "two \"3\" \x00\n" $ ab*2 """#).expect("a line");
        let bytes = |bytes: &[u8]| Word::Bytes(bytes.to_vec());
        assert_eq!(
            line.words,
            [bytes(b"one"), bytes(b"two \"3\" \0\n"), Word::Last, bytes(b"abab"), bytes(b"")]
        );
    }

    #[test]
    fn a_line_that_is_not_understood_is_named() {
        assert_eq!(Script::parse("x: a \"b").unwrap_err(), "x: a \"b: a quote is not closed");
        assert!(Script::parse("nothing").is_err());
        assert!(Script::parse("x#y: a").is_err());
    }
}
