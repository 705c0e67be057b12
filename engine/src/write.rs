//! Which headers a decision sets and removes. Only what differs from the request is written.

use std::borrow::Cow;

use crate::decision::HeaderMutations;
use crate::environment::Hint;
use crate::headers::{HeaderScan, HeaderTable};
use crate::host::Values;
use crate::host::ascii::text;
use crate::request::Headers;

/// The headers that a decision wants set: hints, and the original of a rewritten host.
#[derive(Clone, Copy, Default)]
pub(crate) struct Wanted<'a, 'v> {
    pub hints: &'a [Hint],
    /// The values for the placeholders in the hints' templates.
    pub values: Values<'v>,
    pub original_host: Option<(&'a str, &'v [u8])>,
}

impl<'a, 'v> Wanted<'a, 'v>
where
    'a: 'v,
{
    /// The name of each header, and the value to be set.
    fn iter(self) -> impl Iterator<Item = (&'a str, Cow<'v, [u8]>)> {
        let hints = self
            .hints
            .iter()
            .filter_map(move |hint| Some((&*hint.name, hint.template.expand(self.values)?)));
        hints.chain(self.original_host.map(|(name, text)| (name, Cow::Borrowed(text))))
    }
}

/// Sets the wanted headers and removes those that a client may not send. A header that already has
/// the wanted value is not written.
pub(crate) fn write_headers<'a>(
    headers: &impl Headers<'a>,
    scan: &HeaderScan<'a>,
    table: &HeaderTable,
    wanted: Wanted<'a, '_>,
    mutations: &mut impl HeaderMutations<'a>,
) {
    // Every header that a policy sets is guarded. A request without a guarded header has nothing to
    // replace or remove.
    if scan.is_guarded {
        let guarded = headers.clone().filter(|(name, _)| table.is_guarded(name)).collect();
        write_over(guarded, wanted, mutations);
    } else {
        wanted.iter().for_each(|(name, value)| mutations.set(name, &value, false));
    }
}

/// As [`write_headers`], for a request with headers that the policy guards. Few requests have one.
#[cold]
#[inline(never)]
fn write_over<'a>(
    guarded: Vec<(&'a [u8], &'a [u8])>,
    wanted: Wanted<'a, '_>,
    mutations: &mut dyn HeaderMutations<'a>,
) {
    for (name, value) in wanted.iter() {
        let mut sent = guarded.iter().filter(|(other, _)| *other == name.as_bytes());
        match (sent.next(), sent.next()) {
            (Some((_, sent)), None) if **sent == *value => {}
            (Some(_), None) => mutations.set(name, &value, true),
            (None, _) => mutations.set(name, &value, false),
            (Some(_), Some(_)) => {
                mutations.remove(name);
                mutations.set(name, &value, false);
            }
        }
    }
    // An upstream may take another spelling of a name for that name.
    let mut removed = Vec::new();
    for (name, _) in guarded {
        let is_set = wanted.iter().any(|(wanted, _)| wanted.as_bytes() == name);
        if !is_set && !removed.contains(&name) {
            removed.push(name);
            mutations.remove(text(name));
        }
    }
}
