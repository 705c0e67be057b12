//! The changes of one response, as data.

/// The changes of one response.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Changes {
    /// The headers that change.
    pub headers: Vec<ChangedHeader>,
    /// Whether one of them names the client's host now, where it named the one that was written.
    pub is_restored: bool,
}

impl Changes {
    /// The headers of a response with the changes made.
    #[must_use]
    pub fn applied(&self, headers: &[(Vec<u8>, Vec<u8>)]) -> Vec<(Vec<u8>, Vec<u8>)> {
        let mut applied = headers.to_vec();
        for ChangedHeader { name, lines, replaces } in &self.headers {
            let name = name.as_bytes();
            let mut lines = lines.iter();
            if *replaces {
                let known = applied.iter_mut().filter(|(known, _)| known == name);
                for ((_, value), line) in known.zip(lines.by_ref()) {
                    value.clone_from(line);
                }
            }
            applied.extend(lines.map(|line| (name.to_vec(), line.clone())));
        }
        applied
    }
}

/// A header of a response that changes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ChangedHeader {
    /// Its name, in lower case.
    pub name: &'static str,
    /// The value of each line, in order.
    pub lines: Vec<Vec<u8>>,
    /// Whether the lines come in place of those that the response has, which are as many. If not,
    /// they are added.
    pub replaces: bool,
}
