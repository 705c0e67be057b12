//! Which headers a decision writes: hints, the original of a rewritten host, and the removal of what clients may not send.
//! Only what differs from the request is written.

use alloc::borrow::Cow;

use crate::authority::Authority;
use crate::choose::Chosen;
use crate::decision::{SetHeader, Writes};
use crate::policy::Policy;
use crate::request::Headers;
use crate::template::{Template, Values};

impl Policy {
    /// The hints of the environment. One that needs the host of a request without a valid one has no value.
    pub(crate) fn hints<'a, 'v>(
        &'a self,
        chosen: &Chosen<'a>,
        values: Values<'v>,
    ) -> impl Iterator<Item = (&'a str, Wanted<'a>)> + Clone + use<'a, 'v> {
        let environments = self.environments.iter().filter({
            let is_chosen = chosen.name.is_some();
            move |_| is_chosen
        });
        let hints = environments.flat_map(|environments| environments.hints.headers.iter());
        let complete = hints.filter(move |(_, template)| template.is_complete(values));
        let listed = chosen.listed();
        complete.map(move |(name, template)| match listed {
            // The policy has this text already.
            Some(listed) if template.is_env() => (&**name, Wanted::Text(listed.name)),
            _ => (&**name, Wanted::Template(template)),
        })
    }

    /// The header that keeps the original of a host that becomes another one. Bringing a host to canonical form does not
    /// make it another one. The authority that goes upstream is in that form.
    pub(crate) fn original_host<'a>(
        &'a self,
        authority: Option<&Authority<'a>>,
        upstream: Option<&str>,
    ) -> Option<(&'a str, Wanted<'a>)> {
        let name = self.hosts.original_host.as_deref()?;
        // Without a valid authority there is no host to keep: its bytes may be anything.
        let authority = authority?;
        (!authority.has_host_of(upstream?)).then_some((name, Wanted::Text(authority.raw())))
    }

    /// Sets what is wanted and takes away what a client may not send; where the request has it right already, nothing. Whatever
    /// a policy sets is guarded, so without a guarded header in the request nothing has to be looked for.
    pub(crate) fn write_headers<'a>(
        &'a self,
        headers: &impl Headers<'a>,
        guarded: bool,
        wanted: impl Iterator<Item = (&'a str, Wanted<'a>)> + Clone,
        values: Values<'_>,
        writes: &mut Writes<'a>,
    ) {
        if guarded {
            self.write_over(headers, wanted, values, writes);
        } else {
            let set = wanted.map(|(name, wanted)| SetHeader { name, value: wanted.text(values), replaces: false });
            writes.set.extend(set);
        }
    }

    /// As [`write_headers`](Self::write_headers), for a request with a header that a policy guards. Hardly any request has one, so
    /// this is kept out of the way of the others.
    #[inline(never)]
    fn write_over<'a>(
        &'a self,
        headers: &impl Headers<'a>,
        wanted: impl Iterator<Item = (&'a str, Wanted<'a>)> + Clone,
        values: Values<'_>,
        writes: &mut Writes<'a>,
    ) {
        for (name, wanted) in wanted.clone() {
            let mut sent = headers.clone().filter(|(other, _)| *other == name.as_bytes()).map(|(_, value)| value);
            let replaces = match (sent.next(), sent.next()) {
                (Some(value), None) if wanted.is(values, value) => continue,
                // A single value is overwritten; several are collapsed into one.
                (Some(_), None) => true,
                (Some(_), Some(_)) => {
                    writes.remove.push(name);
                    false
                }
                (None, _) => false,
            };
            writes.set.push(SetHeader { name, value: wanted.text(values), replaces });
        }
        for name in headers.clone().filter_map(|(name, _)| self.is_guarded(name)) {
            if !wanted.clone().any(|(wanted, _)| wanted == name) && !writes.remove.contains(&name) {
                writes.remove.push(name);
            }
        }
    }
}

/// What a header is to hold.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Wanted<'a> {
    Text(&'a str),
    Template(&'a Template),
}

impl<'a> Wanted<'a> {
    fn is(self, values: Values<'_>, value: &[u8]) -> bool {
        match self {
            Self::Text(text) => text.as_bytes() == value,
            Self::Template(template) => template.gives(values, value),
        }
    }

    fn text(self, values: Values<'_>) -> Cow<'a, str> {
        match self {
            Self::Text(text) => Cow::Borrowed(text),
            Self::Template(template) => match template.as_literal() {
                Some(text) => Cow::Borrowed(text),
                None => Cow::Owned(template.expand(values).unwrap_or_default()),
            },
        }
    }
}
