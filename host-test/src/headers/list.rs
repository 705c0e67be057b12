//! An ordered list of names and values in two allocations: the text of all of them, and the offsets
//! of each in it. So a clone costs two copies of memory, for any number of headers. The list knows
//! nothing of HTTP: the map decides which names are equal and in which order they stand.

/// Names and values in order, names in lower case.
#[derive(Debug, Default)]
pub(super) struct PairList {
    /// Names and values, each followed by a zero byte, a name before its value: their form in the
    /// ABI. The text of removed entries stays here until it is more than the text in use.
    text: Vec<u8>,
    entries: Vec<Entry>,
    /// The bytes of all names and values in use.
    bytes: usize,
    /// Names keep their case.
    as_written: bool,
}

/// The offset of a name in the text, and the lengths of the name and of its value.
#[derive(Clone, Copy, Debug)]
struct Entry {
    at: u32,
    name: u32,
    value: u32,
}

/// Unused text is removed when there is more of it than of text in use, and more than this.
const SLACK: usize = 256;

/// Extra capacity of a clone, so that a filter can add headers to it without an allocation.
const SPARE_TEXT: usize = 96;
const SPARE_ENTRIES: usize = 4;

impl Entry {
    fn name(self, text: &[u8]) -> &[u8] {
        let at = self.at as usize;
        text.get(at..at + self.name as usize).unwrap_or_default()
    }

    fn value(self, text: &[u8]) -> &[u8] {
        let at = self.at as usize + self.name as usize + 1;
        text.get(at..at + self.value as usize).unwrap_or_default()
    }

    /// The name and the value with their zero bytes.
    fn both(self, text: &[u8]) -> &[u8] {
        text.get(self.at as usize..self.end()).unwrap_or_default()
    }

    /// The bytes of the name and the value.
    fn size(self) -> usize {
        self.name as usize + self.value as usize
    }

    fn end(self) -> usize {
        self.at as usize + self.size() + 2
    }
}

impl PairList {
    /// With capacity for a number of pairs and for the bytes of all of them.
    pub(super) fn with_capacity(pairs: usize, bytes: usize) -> Self {
        let text = Vec::with_capacity(
            bytes.saturating_add(pairs.saturating_mul(2)).saturating_add(SPARE_TEXT),
        );
        let entries = Vec::with_capacity(pairs.saturating_add(SPARE_ENTRIES));
        Self { text, entries, bytes: 0, as_written: false }
    }

    /// From now on names keep their case.
    pub(super) fn keep_case(&mut self) {
        self.as_written = true;
    }

    pub(super) fn len(&self) -> usize {
        self.entries.len()
    }

    /// The bytes of all names and values.
    pub(super) fn bytes(&self) -> usize {
        self.bytes
    }

    pub(super) fn iter(&self) -> impl ExactSizeIterator<Item = (&[u8], &[u8])> {
        self.entries.iter().map(|entry| (entry.name(&self.text), entry.value(&self.text)))
    }

    /// The lengths of each name and value.
    pub(super) fn lengths(&self) -> impl ExactSizeIterator<Item = (u32, u32)> {
        self.entries.iter().map(|entry| (entry.name, entry.value))
    }

    /// Names and values in order, each followed by a zero byte. Entries that are adjacent in the
    /// text are one slice.
    pub(super) fn pieces(&self) -> impl Iterator<Item = &[u8]> {
        let mut entries = self.entries.iter().peekable();
        std::iter::from_fn(move || {
            let first = entries.next()?;
            let mut end = first.end();
            while let Some(next) = entries.next_if(|next| next.at as usize == end) {
                end = next.end();
            }
            Some(self.text.get(first.at as usize..end).unwrap_or_default())
        })
    }

    /// The index of the first entry with this name, in any case, at or after `from`. Lengths are
    /// compared first, because they differ for most names.
    pub(super) fn position(&self, name: &[u8], from: usize) -> Option<usize> {
        let len = u32::try_from(name.len()).ok()?;
        let mut entries = self.entries.get(from..)?.iter();
        let at = entries.position(|entry| {
            entry.name == len && entry.name(&self.text).eq_ignore_ascii_case(name)
        })?;
        Some(from + at)
    }

    pub(super) fn name(&self, at: usize) -> Option<&[u8]> {
        self.entries.get(at).map(|entry| entry.name(&self.text))
    }

    pub(super) fn value(&self, at: usize) -> Option<&[u8]> {
        self.entries.get(at).map(|entry| entry.value(&self.text))
    }

    /// Adds a pair at the end. `false`, and no change, if the list would hold more than 4 GiB.
    pub(super) fn push(&mut self, name: &[u8], value: &[u8]) -> bool {
        let at = self.entries.len();
        self.insert(at, name, value)
    }

    /// Adds a pair before the entry `at`; otherwise as [`push`](Self::push).
    pub(super) fn insert(&mut self, at: usize, name: &[u8], value: &[u8]) -> bool {
        let Some(entry) = self.write(name, value) else { return false };
        self.bytes += entry.size();
        if at < self.entries.len() {
            self.entries.insert(at, entry);
        } else {
            self.entries.push(entry);
        }
        true
    }

    /// Extends an entry's value.
    pub(super) fn extend(&mut self, at: usize, parts: [&[u8]; 2]) -> bool {
        let Some(entry) = self.entries.get(at).copied() else { return false };
        let more = parts[0].len() + parts[1].len();
        if entry.end() == self.text.len() {
            // The entry is the last in the text: it grows in place, so that many small additions do
            // not copy it each time.
            let (Ok(value), Ok(_)) =
                (u32::try_from(entry.value as usize + more), u32::try_from(self.text.len() + more))
            else {
                return false;
            };
            self.text.pop();
            for part in parts {
                self.text.extend_from_slice(part);
            }
            self.text.push(0);
            self.bytes += more;
            if let Some(entry) = self.entries.get_mut(at) {
                entry.value = value;
            }
            return true;
        }
        let longer = [entry.value(&self.text), parts[0], parts[1]].concat();
        self.overwrite(at, &longer)
    }

    /// Replaces the value of an entry, whose name this is, and moves the entry to the place before
    /// `end`.
    pub(super) fn renew(&mut self, at: usize, end: usize, name: &[u8], value: &[u8]) -> bool {
        let Some(old) = self.entries.get(at).copied() else { return false };
        let Some(new) = self.write(name, value) else { return false };
        self.bytes = self.bytes - old.size() + new.size();
        if let Some(part) = self.entries.get_mut(at..end) {
            part.rotate_left(1);
            if let Some(last) = part.last_mut() {
                *last = new;
            }
        }
        true
    }

    /// Replaces the value of an entry.
    pub(super) fn overwrite(&mut self, at: usize, value: &[u8]) -> bool {
        let Some(old) = self.entries.get(at).copied() else { return false };
        let name = old.name(&self.text).to_vec();
        let Some(new) = self.write(&name, value) else { return false };
        self.bytes = self.bytes - old.size() + new.size();
        if let Some(entry) = self.entries.get_mut(at) {
            *entry = new;
        }
        true
    }

    pub(super) fn remove(&mut self, at: usize) {
        if at < self.entries.len() {
            let entry = self.entries.remove(at);
            self.bytes -= entry.size();
        }
    }

    /// Removes all entries and keeps the memory.
    pub(super) fn clear(&mut self) {
        self.entries.clear();
        self.text.clear();
        self.bytes = 0;
    }

    /// Appends a pair to the text. Removes unused text before that, if there is too much of it.
    fn write(&mut self, name: &[u8], value: &[u8]) -> Option<Entry> {
        let needed = name.len() + value.len() + 2;
        if self.text.len() > 2 * self.in_use() + SLACK
            || self.text.len() + needed > u32::MAX as usize
        {
            self.compact();
        }
        let at = self.text.len();
        u32::try_from(at + needed).ok()?;
        let len = |len: usize| u32::try_from(len).ok();
        let entry = Entry { at: len(at)?, name: len(name.len())?, value: len(value.len())? };
        self.text.reserve(needed);
        self.text.extend_from_slice(name);
        if let Some(name) = self.text.get_mut(at..).filter(|_| !self.as_written) {
            name.make_ascii_lowercase();
        }
        self.text.push(0);
        self.text.extend_from_slice(value);
        self.text.push(0);
        Some(entry)
    }

    fn in_use(&self) -> usize {
        self.bytes + 2 * self.entries.len()
    }

    #[cold]
    fn compact(&mut self) {
        let mut text = Vec::with_capacity(self.in_use() + SLACK);
        for entry in &mut self.entries {
            // It fits: the text gets shorter.
            let at = u32::try_from(text.len()).unwrap_or(u32::MAX);
            text.extend_from_slice(entry.both(&self.text));
            entry.at = at;
        }
        self.text = text;
    }

    /// The bytes of the text, with its unused part.
    #[cfg(test)]
    pub(super) fn held(&self) -> usize {
        self.text.len()
    }
}

/// With extra capacity: a clone goes through filters, which add headers.
impl Clone for PairList {
    fn clone(&self) -> Self {
        let mut text = Vec::with_capacity(self.text.len() + SPARE_TEXT);
        text.extend_from_slice(&self.text);
        let mut entries = Vec::with_capacity(self.entries.len() + SPARE_ENTRIES);
        entries.extend_from_slice(&self.entries);
        Self { text, entries, bytes: self.bytes, as_written: self.as_written }
    }
}

impl PartialEq for PairList {
    fn eq(&self, other: &Self) -> bool {
        self.bytes == other.bytes && self.iter().eq(other.iter())
    }
}

impl Eq for PairList {}
