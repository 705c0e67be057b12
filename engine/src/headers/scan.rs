//! One pass over a request's headers, which finds all that the rules need.

use super::table::{Field, Found, HeaderTable};
use crate::request::Headers;

/// The result of the scan. Of a header that comes more than once it holds the last value.
#[derive(Debug, Default)]
pub(crate) struct HeaderScan<'a> {
    /// Values, and how often each came, indexed by [`Field`]. Arrays, because separate fields would
    /// need a branch each in the loop over all headers of a request.
    values: [&'a [u8]; Field::COUNT],
    counts: [u32; Field::COUNT],
    /// The request has a header that clients may not send.
    pub is_guarded: bool,
    /// Bit n: the request has a header that must be absent for health check n.
    pub present_for: u64,
}

impl<'a> HeaderScan<'a> {
    #[inline]
    pub fn of(headers: impl Headers<'a>, table: &HeaderTable) -> Self {
        let mut scan = Self::default();
        for (name, value) in headers {
            let Some(Found { roles, is_exact }) = table.find(name) else { continue };
            let field = if is_exact { roles.field } else { Field::None } as usize;
            if let (Some(last), Some(count)) =
                (scan.values.get_mut(field), scan.counts.get_mut(field))
            {
                *last = value;
                *count = count.saturating_add(1);
            }
            scan.is_guarded |= roles.is_guarded;
            scan.present_for |= roles.absent_for;
        }
        scan
    }

    #[inline]
    fn value(&self, field: Field) -> &'a [u8] {
        self.values.get(field as usize).copied().unwrap_or_default()
    }

    fn count(&self, field: Field) -> u32 {
        self.counts.get(field as usize).copied().unwrap_or_default()
    }

    pub fn method(&self) -> &'a [u8] {
        self.value(Field::Method)
    }

    pub fn path(&self) -> &'a [u8] {
        self.value(Field::Path)
    }

    pub fn authority(&self) -> &'a [u8] {
        self.value(Field::Authority)
    }

    /// The user agent, if the request has exactly one. No load balancer sends two.
    pub fn user_agent(&self) -> Option<&'a [u8]> {
        (self.count(Field::UserAgent) == 1).then(|| self.value(Field::UserAgent))
    }

    /// The value of the header that [`HeaderUses::source`](super::HeaderUses::source) named, if the
    /// request has one. Nothing, if it has several.
    pub fn source(&self) -> Option<Option<&'a [u8]>> {
        match self.count(Field::Source) {
            0 => Some(None),
            1 => Some(Some(self.value(Field::Source))),
            _ => None,
        }
    }

    /// The path before its query.
    pub fn path_only(&self) -> &'a [u8] {
        self.path().split(|b| *b == b'?').next().unwrap_or_default()
    }

    /// The query behind the path, without its question mark.
    pub fn query(&self) -> &'a [u8] {
        let start = self.path_only().len().saturating_add(1);
        self.path().get(start..).unwrap_or_default()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::headers::HeaderUses;

    fn scan<const N: usize>(headers: [(&'static [u8], &'static [u8]); N]) -> HeaderScan<'static> {
        HeaderScan::of(headers.into_iter(), &HeaderTable::default())
    }

    #[test]
    fn a_repeated_user_agent_is_none() {
        let headers =
            [(&b"user-agent"[..], &b"GoogleHC/1.0"[..]), (&b"user-agent"[..], &b"curl"[..])];
        assert_eq!(scan(headers).user_agent(), None);
        let [first, _] = headers;
        assert_eq!(scan([first]).user_agent(), Some(&b"GoogleHC/1.0"[..]));
        assert_eq!(scan([]).user_agent(), None);
    }

    #[test]
    fn the_header_of_a_source_is_found_unless_it_is_repeated() {
        let mut uses = HeaderUses::default();
        assert!(!uses.source("user-agent"), "it has a field of its own");
        assert!(uses.source("env"));
        let table = HeaderTable::new(uses);
        let header = (&b"env"[..], &b"a"[..]);
        let scan = |headers: &[_]| HeaderScan::of(headers.iter().copied(), &table);
        assert_eq!(scan(&[]).source(), Some(None));
        assert_eq!(scan(&[header]).source(), Some(Some(&b"a"[..])));
        assert_eq!(scan(&[header, header]).source(), None);
    }

    #[test]
    fn path_and_query_are_told_apart() {
        for (path, only, query) in
            [("/a?b?c", "/a", "b?c"), ("/?", "/", ""), ("/", "/", ""), ("", "", "")]
        {
            let scan = scan([(&b":path"[..], path.as_bytes())]);
            assert_eq!((scan.path_only(), scan.query()), (only.as_bytes(), query.as_bytes()));
        }
    }
}
