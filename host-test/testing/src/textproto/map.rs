//! A header map as Google's runner has it: one value for each name, and later ones are joined to it
//! with a comma and a space. Names are compared without case, kept as first written, and sorted.

use bytes::Bytes;
use gatepost_host::{HeaderScope, Headers};

#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct HeaderMap(Vec<(Bytes, Bytes)>);

impl HeaderMap {
    pub(super) fn get(&self, name: &[u8]) -> Option<&Bytes> {
        self.0.iter().find(|(have, _)| have.eq_ignore_ascii_case(name)).map(|(_, value)| value)
    }

    pub(super) fn iter(&self) -> impl Iterator<Item = (&Bytes, &Bytes)> {
        self.0.iter().map(|(name, value)| (name, value))
    }

    /// Adds a value to those of its name. An empty one is replaced.
    pub(super) fn append(&mut self, name: &[u8], value: &[u8]) {
        let value = Bytes::copy_from_slice(value);
        match self.0.iter_mut().find(|(have, _)| have.eq_ignore_ascii_case(name)) {
            Some((_, have)) if have.is_empty() => *have = value,
            Some((_, have)) => *have = [&have[..], b", ", &value].concat().into(),
            None => self.place(name, value),
        }
    }

    /// Sets the value of a name.
    pub(super) fn set(&mut self, name: &[u8], value: &[u8]) {
        let value = Bytes::copy_from_slice(value);
        match self.0.iter_mut().find(|(have, _)| have.eq_ignore_ascii_case(name)) {
            Some((_, have)) => *have = value,
            None => self.place(name, value),
        }
    }

    fn place(&mut self, name: &[u8], value: Bytes) {
        let folded = name.to_ascii_lowercase();
        let at = self.0.partition_point(|(have, _)| have.to_ascii_lowercase() < folded);
        self.0.insert(at, (Bytes::copy_from_slice(name), value));
    }

    /// The map that the guest sees.
    pub(super) fn lend(&self) -> Headers {
        Headers::collect(HeaderScope::AsWritten, self.iter())
    }

    /// The map after the guest's changes.
    pub(super) fn returned(headers: &Headers) -> Self {
        let mut map = Self::default();
        for (name, value) in headers.iter() {
            map.append(name, value);
        }
        map
    }

    /// The lines `name: value`.
    pub(super) fn lines(&self) -> Vec<Bytes> {
        self.iter().map(|(name, value)| [&name[..], b": ", value].concat().into()).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn values_of_one_name_are_joined_and_the_first_spelling_stays() {
        let mut map = HeaderMap::default();
        for (name, value) in [
            ("b", "1"),
            ("Set-Cookie", "x"),
            ("set-cookie", "y"),
            (":path", "/"),
            ("e", ""),
            ("E", "z"),
        ] {
            map.append(name.as_bytes(), value.as_bytes());
        }
        assert_eq!(map.lines(), [":path: /", "b: 1", "e: z", "Set-Cookie: x, y"]);
        map.set(b"B", b"2");
        assert_eq!(map.get(b"b").unwrap(), "2");
    }

    #[test]
    fn what_the_guest_returns_keeps_the_first_spelling_and_joins_what_it_added() {
        let mut map = HeaderMap::default();
        map.append(b"User-Token", b"good");
        map.append(b"Host", b"a.example");
        let mut lent = map.lend();
        assert_eq!(lent.get("host"), Some(&b"a.example"[..]));
        lent.set("user-token", "bad");
        lent.add("Content-type", "a");
        lent.add("content-type", "b");
        assert_eq!(
            HeaderMap::returned(&lent).lines(),
            ["Content-type: a, b", "Host: a.example", "User-Token: bad"]
        );
    }
}
