//! The path of a value in a policy document.

use std::borrow::Cow;
use std::fmt;

/// One step of a [`Path`].
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Segment {
    /// A field of an object.
    Key(Cow<'static, str>),
    /// An element of a list, counted from 0.
    Index(usize),
}

/// The path of a value from the document's root: `hosts.mappings[3].authority`.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Path(Vec<Segment>);

impl Path {
    /// The steps from the document's root.
    #[must_use]
    pub fn segments(&self) -> &[Segment] {
        &self.0
    }

    /// This path and one more field.
    #[must_use]
    pub fn key(mut self, key: &str) -> Self {
        self.0.push(Segment::Key(key.to_owned().into()));
        self
    }

    /// This path and one more element.
    #[must_use]
    pub fn index(mut self, index: usize) -> Self {
        self.0.push(Segment::Index(index));
        self
    }

    pub(crate) fn push(&mut self, segment: Segment) {
        self.0.push(segment);
    }

    /// Replaces the last step, to go from one member of a list or an object to another.
    pub(crate) fn replace_last(&mut self, segment: Segment) {
        if let Some(last) = self.0.last_mut() {
            *last = segment;
        }
    }

    pub(crate) fn pop(&mut self) {
        self.0.pop();
    }
}

impl fmt::Display for Path {
    /// The root itself is `.`. A key with other characters than letters, digits, `-` and `_` is
    /// quoted: `hints.headers["x.y"]`.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.0.is_empty() {
            return f.write_str(".");
        }
        for (position, segment) in self.0.iter().enumerate() {
            match segment {
                Segment::Index(index) => write!(f, "[{index}]")?,
                Segment::Key(key) if needs_quotes(key) => write!(f, "[{key:?}]")?,
                Segment::Key(key) if position == 0 => f.write_str(key)?,
                Segment::Key(key) => write!(f, ".{key}")?,
            }
        }
        Ok(())
    }
}

fn needs_quotes(key: &str) -> bool {
    key.is_empty() || !key.bytes().all(|b| b.is_ascii_alphanumeric() || matches!(b, b'-' | b'_'))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_path_is_written_as_people_write_it() {
        let path = Path::default().key("hosts").key("mappings").index(3).key("authority");
        assert_eq!(path.to_string(), "hosts.mappings[3].authority");
        assert_eq!(Path::default().to_string(), ".");
        assert_eq!(Path::default().key("hints").key("x.y").to_string(), "hints[\"x.y\"]");
        assert_eq!(Path::default().index(0).key("a\"\\\u{7}").to_string(), r#"[0]["a\"\\\u{7}"]"#);
    }
}
