//! A header map with Envoy's rules: ordered, several values per name, names in lower case, pseudo-headers first, and the
//! headers that Envoy keeps in one slot joined with a comma when they are added twice. It does not check that names and
//! values are valid in HTTP; whoever sends them must.

mod inline;

use bytes::Bytes;
use serde::Serialize;
use serde::ser::SerializeSeq;

/// Which message a header map belongs to. It decides which names Envoy keeps in one slot, and that `host` means `:authority`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum HeaderScope {
    /// A request's headers.
    #[default]
    Request,
    /// A response's headers.
    Response,
    /// A request's trailers.
    RequestTrailers,
    /// A response's trailers.
    ResponseTrailers,
}

impl HeaderScope {
    /// Whether Envoy keeps this header, in lower case, in one slot of such a map: a second value is joined to the first with a
    /// comma.
    #[must_use]
    pub fn keeps_in_one_slot(self, name: &[u8]) -> bool {
        inline::is_inline(self, name)
    }
}

/// An ordered multi-map of byte strings with Envoy's semantics.
///
/// ```
/// use gatepost_host::Headers;
///
/// let mut headers = Headers::request([(":method", "GET"), ("X-Tag", "a"), (":authority", "shop.example")]);
/// headers.add("x-tag", "b");
/// assert_eq!(headers.get("x-tag"), Some(&b"a"[..])); // the first value
/// headers.replace("x-tag", "c"); // all values
/// assert_eq!(headers.to_string(), ":method: GET\n:authority: shop.example\nx-tag: c\n");
/// ```
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Headers {
    scope: HeaderScope,
    entries: Vec<(Bytes, Bytes)>,
    /// Pseudo-headers stand in the first so many entries.
    pseudo: usize,
    bytes: usize,
}

impl Headers {
    /// An empty map.
    #[must_use]
    pub fn new(scope: HeaderScope) -> Self {
        Self { scope, ..Self::default() }
    }

    /// A request's headers, added in order.
    pub fn request<N: AsRef<[u8]>, V: AsRef<[u8]>>(pairs: impl IntoIterator<Item = (N, V)>) -> Self {
        Self::collect(HeaderScope::Request, pairs)
    }

    /// A response's headers, added in order.
    pub fn response<N: AsRef<[u8]>, V: AsRef<[u8]>>(pairs: impl IntoIterator<Item = (N, V)>) -> Self {
        Self::collect(HeaderScope::Response, pairs)
    }

    /// A header map of any scope, added in order.
    pub fn collect<N: AsRef<[u8]>, V: AsRef<[u8]>>(scope: HeaderScope, pairs: impl IntoIterator<Item = (N, V)>) -> Self {
        let mut headers = Self::new(scope);
        for (name, value) in pairs {
            headers.add(name, value);
        }
        headers
    }

    /// Which message the map belongs to.
    #[must_use]
    pub fn scope(&self) -> HeaderScope {
        self.scope
    }

    /// How many entries; a name with two values counts twice.
    #[must_use]
    pub fn len(&self) -> usize {
        self.entries.len()
    }

    /// Whether there is no entry.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.entries.is_empty()
    }

    /// The bytes of all names and values, without separators (`proxy_get_header_map_size`).
    #[must_use]
    pub fn byte_size(&self) -> usize {
        self.bytes
    }

    /// The entries in order, names in lower case.
    pub fn iter(&self) -> impl Iterator<Item = (&Bytes, &Bytes)> {
        self.entries.iter().map(|(name, value)| (name, value))
    }

    /// The first value of a name, whatever the case it is asked in.
    pub fn get(&self, name: impl AsRef<[u8]>) -> Option<&[u8]> {
        self.get_bytes(name.as_ref()).map(Bytes::as_ref)
    }

    /// As [`get`](Self::get), sharing the value's bytes.
    pub fn get_bytes(&self, name: &[u8]) -> Option<&Bytes> {
        let name = self.canonical(name);
        self.entries.iter().find(|(have, _)| same_name(have, name)).map(|(_, value)| value)
    }

    /// Every value of a name, in order.
    pub fn get_all<'a>(&'a self, name: &'a [u8]) -> impl Iterator<Item = &'a Bytes> {
        let name = self.canonical(name);
        self.entries.iter().filter(move |(have, _)| same_name(have, name)).map(|(_, value)| value)
    }

    /// Every value of a name, joined with commas as Envoy's `request.headers` property shows them.
    #[must_use]
    pub fn joined(&self, name: &[u8]) -> Option<Bytes> {
        let mut values = self.get_all(name);
        let first = values.next()?;
        let Some(second) = values.next() else { return Some(first.clone()) };
        let mut joined = first.to_vec();
        for value in std::iter::once(second).chain(values) {
            joined.push(b',');
            joined.extend_from_slice(value);
        }
        Some(joined.into())
    }

    /// Adds a value after the others of its name. A header that Envoy keeps in one slot grows by a comma and the value instead.
    pub fn add(&mut self, name: impl AsRef<[u8]>, value: impl AsRef<[u8]>) {
        self.add_bytes(lower_case(name.as_ref()), Bytes::copy_from_slice(value.as_ref()));
    }

    /// As [`add`](Self::add), without copying. The name must be in lower case.
    pub fn add_bytes(&mut self, name: Bytes, value: Bytes) {
        let name = if self.is_host_alias(&name) { Bytes::from_static(b":authority") } else { name };
        // The table of such headers is looked at only for a repeat: most names come once.
        if let Some((_, have)) = self.entries.iter_mut().find(|(have, _)| *have == name)
            && inline::is_inline(self.scope, &name)
        {
            let joined = [have, &b","[..], &value].concat();
            self.bytes += value.len() + 1;
            *have = joined.into();
            return;
        }
        self.bytes += name.len() + value.len();
        if name.first() == Some(&b':') {
            self.entries.insert(self.pseudo, (name, value));
            self.pseudo += 1;
        } else {
            self.entries.push((name, value));
        }
    }

    /// Removes every value of a name and adds this one: it moves to the end, or to the end of the pseudo-headers.
    pub fn replace(&mut self, name: impl AsRef<[u8]>, value: impl AsRef<[u8]>) {
        let asked = self.canonical(name.as_ref());
        // A name that is there already is stored in lower case: share it instead of making it again.
        let stored = self.entries.iter().find(|(have, _)| same_name(have, asked)).map(|(have, _)| have.clone());
        let name = match stored {
            Some(stored) => {
                self.remove(&stored);
                stored
            }
            None => lower_case(asked),
        };
        self.add_bytes(name, Bytes::copy_from_slice(value.as_ref()));
    }

    /// Writes a value over the first one of its name, which keeps its place, and removes the others; adds it when there is none.
    pub fn set(&mut self, name: impl AsRef<[u8]>, value: impl AsRef<[u8]>) {
        let (name, value) = (self.canonical(name.as_ref()).to_vec(), Bytes::copy_from_slice(value.as_ref()));
        let Some(first) = self.entries.iter().position(|(have, _)| same_name(have, &name)) else {
            self.add_bytes(lower_case(&name), value);
            return;
        };
        let (stored, _) = self.entries[first].clone();
        let is_pseudo = first < self.pseudo;
        self.remove(&stored);
        self.bytes += stored.len() + value.len();
        self.pseudo += usize::from(is_pseudo);
        self.entries.insert(first, (stored, value));
    }

    /// Removes every value of a name; how many there were.
    pub fn remove(&mut self, name: impl AsRef<[u8]>) -> usize {
        let name = self.canonical(name.as_ref());
        let (before, mut freed, mut pseudo) = (self.entries.len(), 0, 0);
        self.entries.retain(|(have, value)| {
            let gone = same_name(have, name);
            if gone {
                freed += have.len() + value.len();
                pseudo += usize::from(have.first() == Some(&b':'));
            }
            !gone
        });
        self.bytes -= freed;
        self.pseudo -= pseudo;
        before - self.entries.len()
    }

    /// Removes every entry and keeps the scope and the memory.
    pub fn clear(&mut self) {
        self.entries.clear();
        self.pseudo = 0;
        self.bytes = 0;
    }

    fn is_host_alias(&self, name: &[u8]) -> bool {
        self.scope == HeaderScope::Request && name.eq_ignore_ascii_case(b"host")
    }

    fn canonical<'a>(&self, name: &'a [u8]) -> &'a [u8] {
        if self.is_host_alias(name) { b":authority" } else { name }
    }
}

/// Stored names are in lower case, so only the asked name needs folding.
fn same_name(stored: &[u8], asked: &[u8]) -> bool {
    stored.len() == asked.len() && stored.eq_ignore_ascii_case(asked)
}

pub(crate) fn lower_case(name: &[u8]) -> Bytes {
    let mut name = name.to_vec();
    name.make_ascii_lowercase();
    name.into()
}

/// One `name: value` line per entry, bytes that are no UTF-8 replaced.
impl std::fmt::Display for Headers {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        for (name, value) in self.iter() {
            writeln!(f, "{}: {}", String::from_utf8_lossy(name), String::from_utf8_lossy(value))?;
        }
        Ok(())
    }
}

/// A sequence of pairs of strings, bytes that are no UTF-8 replaced.
impl Serialize for Headers {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut pairs = serializer.serialize_seq(Some(self.len()))?;
        for (name, value) in self.iter() {
            pairs.serialize_element(&(String::from_utf8_lossy(name), String::from_utf8_lossy(value)))?;
        }
        pairs.end()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pseudo_headers_stay_first_whenever_they_are_added() {
        let mut headers = Headers::request([("a", "1"), (":path", "/"), ("b", "2")]);
        headers.replace(":path", "/new");
        headers.add(":scheme", "http");
        assert_eq!(headers.to_string(), ":path: /new\n:scheme: http\na: 1\nb: 2\n");
        headers.remove(":path");
        headers.add(":method", "GET");
        assert_eq!(headers.to_string(), ":scheme: http\n:method: GET\na: 1\nb: 2\n");
    }

    #[test]
    fn replacing_removes_every_repeat_and_moves_to_the_end() {
        let mut headers = Headers::request([("env", "a"), ("x", "1"), ("env", "b")]);
        headers.replace("ENV", "c");
        assert_eq!(headers.to_string(), "x: 1\nenv: c\n");
    }

    #[test]
    fn get_gives_the_first_of_repeated_values_and_joined_all_of_them() {
        let headers = Headers::request([("env", "a"), ("Env", "b")]);
        assert_eq!(headers.get("eNv"), Some(&b"a"[..]));
        assert_eq!(headers.joined(b"env").unwrap(), "a,b");
        assert_eq!(headers.joined(b"none"), None);
    }

    #[test]
    fn two_hosts_become_one_authority_joined_with_a_comma() {
        let headers = Headers::request([(":authority", "a.example"), ("Host", "b.example")]);
        assert_eq!(headers.get("host"), Some(&b"a.example,b.example"[..]));
        assert_eq!(headers.len(), 1);
    }

    #[test]
    fn host_is_an_ordinary_name_in_a_response() {
        let headers = Headers::response([("host", "a")]);
        assert_eq!(headers.to_string(), "host: a\n");
    }

    #[test]
    fn the_byte_size_follows_every_change() {
        let mut headers = Headers::request([("ab", "c"), ("user-agent", "x")]);
        assert_eq!(headers.byte_size(), 14);
        headers.add("user-agent", "yy");
        assert_eq!(headers.byte_size(), 17);
        headers.replace("ab", "");
        assert_eq!(headers.byte_size(), 16);
        headers.remove("user-agent");
        assert_eq!(headers.byte_size(), 2);
        headers.clear();
        assert_eq!((headers.byte_size(), headers.len()), (0, 0));
    }
}
