//! A header map with Envoy's rules: ordered, several values for a name, names in lower case,
//! pseudo-headers first, and the headers that Envoy keeps in one slot joined with a comma. It does
//! not check that names and values are valid in HTTP; the sender of a message must.

mod list;
mod scope;
#[cfg(test)]
mod tests;

use bytes::Bytes;
use serde::Serialize;
use serde::ser::SerializeSeq;

use self::list::PairList;
pub use self::scope::HeaderScope;

/// The bytes that each header counts for, beside its name and value.
pub(crate) const HEADER_CHARGE: usize = 32;

/// An ordered multi-map of byte strings with Envoy's semantics.
///
/// ```
/// use gatepost_host::Headers;
///
/// let pairs = [(":method", "GET"), ("X-Tag", "a"), (":authority", "shop.example")];
/// let mut headers = Headers::request(pairs);
/// headers.add("x-tag", "b");
/// assert_eq!(headers.get("x-tag"), Some(&b"a"[..])); // the first value
/// headers.replace("x-tag", "c"); // all values
/// assert_eq!(headers.to_string(), ":method: GET\n:authority: shop.example\nx-tag: c\n");
/// ```
#[derive(Clone, Default, PartialEq, Eq)]
pub struct Headers {
    scope: HeaderScope,
    list: PairList,
    /// The number of pseudo-headers; they are the first entries.
    pseudo: usize,
}

impl Headers {
    /// An empty map.
    ///
    /// ```
    /// # use gatepost_host::*;
    /// let mut trailers = Headers::new(HeaderScope::ResponseTrailers);
    /// trailers.add("grpc-status", "0");
    /// assert_eq!(trailers.len(), 1);
    /// ```
    #[must_use]
    pub fn new(scope: HeaderScope) -> Self {
        Self::with_list(scope, PairList::default())
    }

    /// An empty map with capacity for a number of headers and for the bytes of all their names and
    /// values, and for some more.
    ///
    /// ```
    /// # use gatepost_host::*;
    /// let mut headers = Headers::with_capacity(HeaderScope::Request, 2, 14);
    /// headers.add(":path", "/");
    /// headers.add("x-tag", "abc");
    /// assert_eq!((headers.len(), headers.byte_size()), (2, 14));
    /// ```
    #[must_use]
    pub fn with_capacity(scope: HeaderScope, headers: usize, bytes: usize) -> Self {
        Self::with_list(scope, PairList::with_capacity(headers, bytes))
    }

    fn with_list(scope: HeaderScope, mut list: PairList) -> Self {
        if scope == HeaderScope::AsWritten {
            list.keep_case();
        }
        Self { scope, list, pseudo: 0 }
    }

    /// A request's headers, added in order.
    ///
    /// ```
    /// # use gatepost_host::*;
    /// let headers = Headers::request([(":authority", "shop.example"), (":path", "/")]);
    /// assert_eq!(headers.get("host"), Some(&b"shop.example"[..])); // another name of `:authority`
    /// ```
    pub fn request<N: AsRef<[u8]>, V: AsRef<[u8]>>(
        pairs: impl IntoIterator<Item = (N, V)>,
    ) -> Self {
        Self::collect(HeaderScope::Request, pairs)
    }

    /// A response's headers, added in order.
    ///
    /// ```
    /// # use gatepost_host::*;
    /// let pairs = [(":status", "200"), ("set-cookie", "a=1"), ("set-cookie", "b=2")];
    /// let headers = Headers::response(pairs);
    /// assert_eq!(headers.len(), 3);
    /// ```
    pub fn response<N: AsRef<[u8]>, V: AsRef<[u8]>>(
        pairs: impl IntoIterator<Item = (N, V)>,
    ) -> Self {
        Self::collect(HeaderScope::Response, pairs)
    }

    /// A header map of any scope, added in order.
    ///
    /// ```
    /// # use gatepost_host::*;
    /// let trailers = Headers::collect(HeaderScope::ResponseTrailers, [("grpc-status", "0")]);
    /// assert_eq!(trailers.scope(), HeaderScope::ResponseTrailers);
    /// ```
    pub fn collect<N: AsRef<[u8]>, V: AsRef<[u8]>>(
        scope: HeaderScope,
        pairs: impl IntoIterator<Item = (N, V)>,
    ) -> Self {
        let mut headers = Self::new(scope);
        for (name, value) in pairs {
            headers.add(name, value);
        }
        headers
    }

    /// The message that the map belongs to.
    #[must_use]
    pub fn scope(&self) -> HeaderScope {
        self.scope
    }

    /// The number of entries; a name with two values counts twice.
    #[must_use]
    pub fn len(&self) -> usize {
        self.list.len()
    }

    /// Whether the map is empty.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// The bytes of all names and values, without separators (`proxy_get_header_map_size`).
    ///
    /// ```
    /// # use gatepost_host::*;
    /// assert_eq!(Headers::request([(":path", "/"), ("x", "12")]).byte_size(), 9);
    /// ```
    #[must_use]
    pub fn byte_size(&self) -> usize {
        self.list.bytes()
    }

    /// The bytes that count for [`Limits::header_map_bytes`](crate::Limits): 32 more for each
    /// header, as HTTP/2 counts, so that empty headers are not free.
    pub(crate) fn charge(&self) -> usize {
        self.byte_size().saturating_add(self.len().saturating_mul(HEADER_CHARGE))
    }

    /// The entries in order, names in lower case.
    ///
    /// ```
    /// # use gatepost_host::*;
    /// let headers = Headers::request([("X-Tag", "a"), (":path", "/")]);
    /// let names: Vec<_> = headers.iter().map(|(name, _)| name).collect();
    /// assert_eq!(names, [&b":path"[..], b"x-tag"]); // pseudo-headers stand first
    /// ```
    pub fn iter(&self) -> impl ExactSizeIterator<Item = (&[u8], &[u8])> {
        self.list.iter()
    }

    /// The lengths of each name and value, in order.
    pub(crate) fn lengths(&self) -> impl ExactSizeIterator<Item = (u32, u32)> {
        self.list.lengths()
    }

    /// Names and values in order, each followed by a zero byte, which is their form in the ABI.
    /// They come in few slices, mostly in one.
    pub(crate) fn pieces(&self) -> impl Iterator<Item = &[u8]> {
        self.list.pieces()
    }

    /// The first value of a name, in any case.
    ///
    /// ```
    /// # use gatepost_host::*;
    /// let headers = Headers::request([("x-tag", "a"), ("x-tag", "b")]);
    /// assert_eq!(headers.get("X-Tag"), Some(&b"a"[..]));
    /// assert_eq!(headers.get("x-other"), None);
    /// ```
    pub fn get(&self, name: impl AsRef<[u8]>) -> Option<&[u8]> {
        self.value_at(self.find(name.as_ref())?)
    }

    /// The index of the first entry of a name.
    pub(crate) fn find(&self, name: &[u8]) -> Option<usize> {
        self.list.position(self.canonical(name), 0)
    }

    pub(crate) fn value_at(&self, at: usize) -> Option<&[u8]> {
        self.list.value(at)
    }

    /// Every value of a name, in order.
    ///
    /// ```
    /// # use gatepost_host::*;
    /// let headers = Headers::request([("x-tag", "a"), ("x-other", ""), ("X-TAG", "b")]);
    /// assert_eq!(headers.get_all(b"x-tag").collect::<Vec<_>>(), [b"a", b"b"]);
    /// ```
    pub fn get_all<'a>(&'a self, name: &'a [u8]) -> impl Iterator<Item = &'a [u8]> {
        let name = self.canonical(name);
        self.iter().filter(move |(have, _)| have.eq_ignore_ascii_case(name)).map(|(_, value)| value)
    }

    /// Every value of a name, joined with commas as in Envoy's attribute `request.headers`.
    ///
    /// ```
    /// # use gatepost_host::*;
    /// let headers = Headers::request([("x-tag", "a"), ("x-tag", "b")]);
    /// assert_eq!(headers.joined(b"x-tag").unwrap(), "a,b");
    /// ```
    #[must_use]
    pub fn joined(&self, name: &[u8]) -> Option<Bytes> {
        let mut values = self.get_all(name);
        let mut joined = values.next()?.to_vec();
        for value in values {
            joined.push(b',');
            joined.extend_from_slice(value);
        }
        Some(joined.into())
    }

    /// Adds a value. If Envoy keeps the header in one slot, the value is joined to the first one
    /// with a comma. A map holds at most 4 GiB; a value beyond that is not added.
    ///
    /// ```
    /// # use gatepost_host::*;
    /// let mut headers = Headers::request([("x-tag", "a"), ("via", "one")]);
    /// headers.add("x-tag", "b");
    /// headers.add("via", "two"); // kept in one slot
    /// assert_eq!(headers.to_string(), "x-tag: a\nvia: one,two\nx-tag: b\n");
    /// ```
    pub fn add(&mut self, name: impl AsRef<[u8]>, value: impl AsRef<[u8]>) {
        let (name, value) = (self.canonical(name.as_ref()), value.as_ref());
        // Most names come once. Only for a repeated name the table is searched.
        let repeated = self.list.position(name, 0);
        match repeated
            .filter(|at| self.list.name(*at).is_some_and(|name| self.scope.keeps_in_one_slot(name)))
        {
            Some(at) => {
                self.list.extend(at, [b",", value]);
            }
            None => self.append(name, value),
        }
    }

    /// Replaces every value of a name by this one, which stands at the end, or at the end of the
    /// pseudo-headers.
    ///
    /// ```
    /// # use gatepost_host::*;
    /// let pairs = [(":path", "/a"), (":method", "GET"), ("x-tag", "a"), ("x-other", "o")];
    /// let mut headers = Headers::request(pairs);
    /// headers.replace("x-tag", "b");
    /// headers.replace(":path", "/b");
    /// assert_eq!(headers.to_string(), ":method: GET\n:path: /b\nx-other: o\nx-tag: b\n");
    /// ```
    pub fn replace(&mut self, name: impl AsRef<[u8]>, value: impl AsRef<[u8]>) {
        let (name, value) = (self.canonical(name.as_ref()), value.as_ref());
        match self.list.position(name, 0) {
            Some(first) => {
                self.remove_from(name, first + 1);
                let end = if first < self.pseudo { self.pseudo } else { self.len() };
                self.list.renew(first, end, name, value);
            }
            None => self.append(name, value),
        }
    }

    /// Replaces the first value of a name in place and removes its other values. Adds the value if
    /// there is none.
    ///
    /// ```
    /// # use gatepost_host::*;
    /// let mut headers = Headers::request([("x-tag", "a"), ("x-other", "o"), ("x-tag", "b")]);
    /// headers.set("x-tag", "c");
    /// assert_eq!(headers.to_string(), "x-tag: c\nx-other: o\n");
    /// ```
    pub fn set(&mut self, name: impl AsRef<[u8]>, value: impl AsRef<[u8]>) {
        let (name, value) = (self.canonical(name.as_ref()), value.as_ref());
        match self.list.position(name, 0) {
            Some(first) => {
                self.remove_from(name, first + 1);
                self.list.overwrite(first, value);
            }
            None => self.append(name, value),
        }
    }

    /// Removes every value of a name; returns their number.
    ///
    /// ```
    /// # use gatepost_host::*;
    /// let mut headers = Headers::request([("x-tag", "a"), ("x-tag", "b")]);
    /// assert_eq!(headers.remove("X-Tag"), 2);
    /// assert!(headers.is_empty());
    /// ```
    pub fn remove(&mut self, name: impl AsRef<[u8]>) -> usize {
        self.remove_from(self.canonical(name.as_ref()), 0)
    }

    /// Removes every entry. The scope and the memory stay.
    ///
    /// ```
    /// # use gatepost_host::*;
    /// let mut headers = Headers::response([(":status", "200")]);
    /// headers.clear();
    /// assert!(headers.is_empty());
    /// assert_eq!(headers.scope(), HeaderScope::Response);
    /// ```
    pub fn clear(&mut self) {
        self.list.clear();
        self.pseudo = 0;
    }

    fn append(&mut self, name: &[u8], value: &[u8]) {
        if name.first() != Some(&b':') {
            self.list.push(name, value);
        } else if self.list.insert(self.pseudo, name, value) {
            self.pseudo += 1;
        }
    }

    fn remove_from(&mut self, name: &[u8], mut from: usize) -> usize {
        let before = self.len();
        while let Some(at) = self.list.position(name, from) {
            self.list.remove(at);
            self.pseudo -= usize::from(at < self.pseudo);
            from = at;
        }
        before - self.len()
    }

    fn is_host_alias(&self, name: &[u8]) -> bool {
        self.scope == HeaderScope::Request && name.eq_ignore_ascii_case(b"host")
    }

    fn canonical<'a>(&self, name: &'a [u8]) -> &'a [u8] {
        if self.is_host_alias(name) { b":authority" } else { name }
    }
}

pub(crate) fn lower_case(name: &[u8]) -> Bytes {
    let mut name = name.to_vec();
    name.make_ascii_lowercase();
    name.into()
}

impl std::fmt::Debug for Headers {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let pairs = self
            .iter()
            .map(|(name, value)| (String::from_utf8_lossy(name), String::from_utf8_lossy(value)));
        write!(f, "{:?} ", self.scope)?;
        f.debug_list().entries(pairs).finish()
    }
}

/// A line `name: value` for each entry. Bytes that are not UTF-8 are replaced.
impl std::fmt::Display for Headers {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        for (name, value) in self.iter() {
            writeln!(f, "{}: {}", String::from_utf8_lossy(name), String::from_utf8_lossy(value))?;
        }
        Ok(())
    }
}

/// A sequence of pairs of strings. Bytes that are not UTF-8 are replaced.
impl Serialize for Headers {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut pairs = serializer.serialize_seq(Some(self.len()))?;
        for (name, value) in self.iter() {
            pairs.serialize_element(&(
                String::from_utf8_lossy(name),
                String::from_utf8_lossy(value),
            ))?;
        }
        pairs.end()
    }
}
