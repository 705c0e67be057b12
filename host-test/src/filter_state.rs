//! The values that guests keep on a stream, shared by all its plugins: the part of Envoy's filter
//! state that guests can use.

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
/// state.set(b"wasm.seen", b"yes", 100).unwrap(); // at most 100 bytes, keys and values together
/// assert_eq!(state.get("wasm.seen").unwrap(), "yes");
/// assert_eq!(state.set(b"wasm.large", &[0; 100], 100), Err(Status::InternalFailure));
/// assert_eq!(state.iter().count(), 1);
/// ```
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct FilterState {
    entries: Vec<(Bytes, Bytes)>,
    bytes: usize,
}

impl FilterState {
    /// The value of a whole key, as in `wasm.seen` or `envoy.tcp_proxy.cluster`.
    ///
    /// ```
    /// # use gatepost_host::*;
    /// let mut state = FilterState::default();
    /// state.set(b"wasm.seen", b"yes", 100).unwrap(); // the property `seen`
    /// assert_eq!(state.get("wasm.seen").unwrap(), "yes");
    /// assert_eq!(state.get("seen"), None);
    /// ```
    #[must_use]
    pub fn get(&self, key: impl AsRef<[u8]>) -> Option<&Bytes> {
        self.entries.iter().find(|(have, _)| have == key.as_ref()).map(|(_, value)| value)
    }

    /// The entries in order.
    pub fn iter(&self) -> impl Iterator<Item = (&Bytes, &Bytes)> {
        self.entries.iter().map(|(key, value)| (key, value))
    }

    /// Sets a value, if all keys and values together stay within a limit of bytes.
    ///
    /// ```
    /// # use gatepost_host::*;
    /// let mut state = FilterState::default();
    /// assert_eq!(state.set(b"key", b"value", 8), Ok(())); // 8 bytes are 3 and 5
    /// assert_eq!(state.set(b"key", b"longer", 8), Err(Status::InternalFailure));
    /// assert_eq!(state.get("key").unwrap(), "value");
    /// ```
    ///
    /// # Errors
    /// `InternalFailure` beyond the limit; then nothing is changed.
    pub fn set(&mut self, key: &[u8], value: &[u8], limit: usize) -> Result<(), Status> {
        self.write(key, value, limit).map_err(Refused::status)
    }

    /// As [`set`](Self::set), and names the limit.
    pub(crate) fn write(&mut self, key: &[u8], value: &[u8], limit: usize) -> Result<(), Refused> {
        let at = self.entries.iter().position(|(have, _)| have == key);
        let freed = at
            .and_then(|at| self.entries.get(at))
            .map_or(0, |(key, value)| key.len() + value.len() + ENTRY_BYTES);
        let added = key.len().saturating_add(value.len()).saturating_add(ENTRY_BYTES);
        let bytes = (self.bytes - freed).saturating_add(added);
        if bytes > limit {
            return Err(Refused::Limit("filter_state_bytes"));
        }
        self.bytes = bytes;
        let value = Bytes::copy_from_slice(value);
        match at.and_then(|at| self.entries.get_mut(at)) {
            Some((_, old)) => *old = value,
            None => self.entries.push((Bytes::copy_from_slice(key), value)),
        }
        Ok(())
    }

    pub(crate) fn set_by_guest(
        &mut self,
        path: &[u8],
        value: &[u8],
        limit: usize,
    ) -> Result<(), Refused> {
        self.write(&[PREFIX, path].concat(), value, limit)
    }

    /// The number of values.
    pub(crate) fn len(&self) -> usize {
        self.entries.len()
    }

    pub(crate) fn get_by_guest(&self, path: &[u8]) -> Option<&Bytes> {
        self.entries
            .iter()
            .find(|(key, _)| key.strip_prefix(PREFIX) == Some(path))
            .map(|(_, value)| value)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_a_guest_sets_has_envoys_prefix_and_is_counted_once() {
        let (mut state, limit) = (FilterState::default(), ENTRY_BYTES + 9);
        state.set_by_guest(b"a", b"123", limit).unwrap();
        state.set_by_guest(b"a", b"12", limit).unwrap();
        assert_eq!(state.get("wasm.a").unwrap(), "12");
        assert_eq!(state.get_by_guest(b"a").unwrap(), "12");
        assert_eq!(state.set(b"b", b"", limit), Err(Status::InternalFailure));
        let full = Err(Refused::Limit("filter_state_bytes"));
        assert_eq!(state.set_by_guest(b"", b"", limit), full, "an entry without bytes counts");
        assert_eq!(state.iter().count(), 1);
    }
}
