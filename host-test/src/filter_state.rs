//! The values that guests keep on a stream, shared by all its plugins: the part of Envoy's filter
//! state that guests can use.

use std::collections::BTreeMap;

use bytes::Bytes;

use crate::abi::Status;
use crate::limits::Refused;

/// Envoy's prefix for the keys that `proxy_set_property` writes.
const PREFIX: &[u8] = b"wasm.";

/// What an entry counts beside its key and value: its place in the list and its allocations.
const ENTRY_BYTES: usize = 128;

/// Keys and values in the order in which they were first set. `proxy_set_property` writes under the
/// prefix `wasm.`.
///
/// ```
/// use gatepost_host::{Status, FilterState};
///
/// let mut state = FilterState::default();
/// state.set(b"wasm.seen", b"yes", 1000).unwrap(); // at most 100 bytes, keys and values together
/// assert_eq!(state.get("wasm.seen").unwrap(), "yes");
/// assert_eq!(state.set(b"wasm.large", &[0; 100], 100), Err(Status::InternalFailure));
/// assert_eq!(state.iter().count(), 1);
/// ```
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct FilterState {
    entries: Vec<Entry>,
    bytes: usize,
}

#[derive(Clone, Debug, PartialEq, Eq)]
struct Entry {
    key: Bytes,
    value: Bytes,
    /// Declared as read-only: it has its first value for ever.
    read_only: bool,
}

impl FilterState {
    /// The value of a whole key, as in `wasm.seen` or `envoy.tcp_proxy.cluster`.
    ///
    /// ```
    /// # use gatepost_host::*;
    /// let mut state = FilterState::default();
    /// state.set(b"wasm.seen", b"yes", 1000).unwrap(); // the property `seen`
    /// assert_eq!(state.get("wasm.seen").unwrap(), "yes");
    /// assert_eq!(state.get("seen"), None);
    /// ```
    #[must_use]
    pub fn get(&self, key: impl AsRef<[u8]>) -> Option<&Bytes> {
        self.entries.iter().find(|entry| entry.key == key.as_ref()).map(|entry| &entry.value)
    }

    /// The entries in order.
    pub fn iter(&self) -> impl Iterator<Item = (&Bytes, &Bytes)> {
        self.entries.iter().map(|entry| (&entry.key, &entry.value))
    }

    /// Sets a value, if all keys and values together stay within a limit of bytes. Each entry
    /// counts 128 bytes beside its own.
    ///
    /// ```
    /// # use gatepost_host::*;
    /// let mut state = FilterState::default();
    /// let limit = 128 + 3 + 5;
    /// assert_eq!(state.set(b"key", b"value", limit), Ok(()));
    /// assert_eq!(state.set(b"key", b"longer", limit), Err(Status::InternalFailure));
    /// assert_eq!(state.get("key").unwrap(), "value");
    /// ```
    ///
    /// # Errors
    /// `InternalFailure` beyond the limit; then nothing is changed.
    pub fn set(&mut self, key: &[u8], value: &[u8], limit: usize) -> Result<(), Status> {
        self.write(key, value, limit, false).map_err(Refused::status)
    }

    /// As [`set`](Self::set), and names the limit. A value that was set as read-only stays.
    pub(crate) fn write(
        &mut self,
        key: &[u8],
        value: &[u8],
        limit: usize,
        read_only: bool,
    ) -> Result<(), Refused> {
        let at = self.entries.iter().position(|entry| entry.key == key);
        let freed = at
            .and_then(|at| self.entries.get(at))
            .map_or(0, |entry| entry.key.len() + entry.value.len() + ENTRY_BYTES);
        let added = key.len().saturating_add(value.len()).saturating_add(ENTRY_BYTES);
        let bytes = (self.bytes - freed).saturating_add(added);
        if bytes > limit {
            return Err(Refused::Limit("filter_state_bytes"));
        }
        let value = Bytes::copy_from_slice(value);
        match at.and_then(|at| self.entries.get_mut(at)) {
            Some(entry) if entry.read_only => return Err(Status::BadArgument.into()),
            Some(entry) => entry.value = value,
            None => self.entries.push(Entry { key: Bytes::copy_from_slice(key), value, read_only }),
        }
        self.bytes = bytes;
        Ok(())
    }

    pub(crate) fn set_by_guest(
        &mut self,
        path: &[u8],
        value: &[u8],
        limit: usize,
        read_only: bool,
    ) -> Result<(), Refused> {
        self.write(&[PREFIX, path].concat(), value, limit, read_only)
    }

    /// The number of values.
    pub(crate) fn len(&self) -> usize {
        self.entries.len()
    }

    pub(crate) fn get_by_guest(&self, path: &[u8]) -> Option<&Bytes> {
        self.entries
            .iter()
            .find(|entry| entry.key.strip_prefix(PREFIX) == Some(path))
            .map(|entry| &entry.value)
    }
}

/// The values that a guest has declared in one context with Envoy's foreign function
/// `declare_property`, and whether each is read-only.
#[derive(Debug, Default)]
pub(crate) struct Declared {
    names: BTreeMap<Box<str>, bool>,
    bytes: usize,
}

impl Declared {
    /// Declares a value once.
    pub(crate) fn declare(
        &mut self,
        name: &str,
        read_only: bool,
        limit: usize,
    ) -> Result<(), Refused> {
        if self.names.contains_key(name) {
            return Err(Status::BadArgument.into());
        }
        let bytes = self.bytes + name.len() + ENTRY_BYTES;
        if bytes > limit {
            return Err(Refused::Limit("filter_state_bytes"));
        }
        self.bytes = bytes;
        self.names.insert(name.into(), read_only);
        Ok(())
    }

    /// Whether the value of this path was declared as read-only.
    pub(crate) fn is_read_only(&self, path: &[u8]) -> bool {
        let name = std::str::from_utf8(path).ok();
        name.and_then(|name| self.names.get(name)).is_some_and(|read_only| *read_only)
    }

    pub(crate) fn clear(&mut self) {
        if !self.names.is_empty() {
            *self = Self::default();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_a_guest_sets_has_envoys_prefix_and_is_counted_once() {
        let (mut state, limit) = (FilterState::default(), ENTRY_BYTES + 9);
        state.set_by_guest(b"a", b"123", limit, false).unwrap();
        state.set_by_guest(b"a", b"12", limit, false).unwrap();
        assert_eq!(state.get("wasm.a").unwrap(), "12");
        assert_eq!(state.get_by_guest(b"a").unwrap(), "12");
        assert_eq!(state.set(b"b", b"", limit), Err(Status::InternalFailure));
        let full = Err(Refused::Limit("filter_state_bytes"));
        assert_eq!(
            state.set_by_guest(b"", b"", limit, false),
            full,
            "an entry without bytes counts"
        );
        assert_eq!(state.iter().count(), 1);
    }

    #[test]
    fn a_value_that_was_declared_read_only_keeps_its_first_value() {
        let (mut declared, mut state) = (Declared::default(), FilterState::default());
        declared.declare("once", true, 1000).unwrap();
        assert_eq!(declared.declare("once", false, 1000), Err(Status::BadArgument.into()));
        let mut set = |name: &[u8], value: &[u8]| {
            state.set_by_guest(name, value, 1000, declared.is_read_only(name))
        };
        assert_eq!((set(b"once", b"1"), set(b"other", b"1")), (Ok(()), Ok(())));
        let stays = Err(Status::BadArgument.into());
        assert_eq!((set(b"once", b"2"), set(b"other", b"2")), (stays, Ok(())));
        let full = declared.declare("second", true, ENTRY_BYTES * 2);
        assert_eq!(full, Err(Refused::Limit("filter_state_bytes")));
    }
}
