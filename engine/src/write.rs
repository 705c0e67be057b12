//! Which headers a decision writes: hints, the original of a rewritten host, and the removal of
//! what clients may not send. Only what differs from the request is written.

use alloc::borrow::Cow;
use alloc::vec::Vec;

use crate::authority::Authority;
use crate::choose::Chosen;
use crate::decision::Effects;
use crate::environment::{Environments, Hint};
use crate::policy::Policy;
use crate::request::Headers;
use crate::template::{Template, Values};

/// The headers that a decision wants set.
#[derive(Clone, Copy, Default)]
pub(crate) struct Wants<'a> {
    hints: &'a [Hint],
    /// The environment's name, if it is the policy's.
    listed: Option<&'a [u8]>,
    original: Option<(&'a str, &'a [u8])>,
}

impl<'a> Wants<'a> {
    /// The hints of the environment, and the original of a rewritten host.
    #[inline(always)]
    pub fn of(
        environments: Option<(&'a Environments, &Chosen<'a>)>,
        original: Option<(&'a str, &'a [u8])>,
    ) -> Self {
        match environments.map(|(environments, chosen)| (environments, &chosen.environment)) {
            Some((environments, Some(environment))) => {
                let listed =
                    if let Cow::Borrowed(name) = environment.name { Some(name) } else { None };
                Self { hints: &environments.hints.headers, listed, original }
            }
            _ => Self { hints: &[], listed: None, original },
        }
    }

    /// Each header's name, and what it is to hold. A hint that needs the host of a request without
    /// a valid one has no value.
    fn iter(&self, values: Values<'_>) -> impl Iterator<Item = (&'a str, Wanted<'a>)> {
        let has_host = values.host.is_some();
        let original = self.original.map(|(name, text)| (name, Wanted::Text(text)));
        let (mut hints, mut original) = (self.hints.iter(), original.into_iter());
        core::iter::from_fn(move || {
            let Some(hint) = hints.find(|hint| !hint.needs_host || has_host) else {
                return original.next();
            };
            Some(match self.listed {
                // The policy has this text already.
                Some(name) if hint.is_env => (&*hint.name, Wanted::Text(name)),
                _ => (&*hint.name, Wanted::Template(&hint.template)),
            })
        })
    }
}

impl Policy {
    /// The header that keeps the original of a host that becomes another one. Bringing a host to
    /// canonical form does not make it another one. The authority that goes upstream is in that
    /// form.
    #[inline]
    pub(crate) fn original_host<'a>(
        &'a self,
        authority: Option<&Authority<'a>>,
        upstream: &[u8],
    ) -> Option<(&'a str, &'a [u8])> {
        let name = self.hosts.original_host.as_deref()?;
        // Without a valid authority there is no host to keep: its bytes may be anything.
        let authority = authority?;
        (!authority.has_host_of(upstream)).then_some((name, authority.raw()))
    }

    /// Sets what is wanted and takes away what a client may not send; where the request has it
    /// right already, nothing. Whatever a policy sets is guarded, so without a guarded header in
    /// the request nothing has to be looked for.
    #[inline(always)]
    pub(crate) fn write_headers<'a, 'v>(
        &'a self,
        headers: &impl Headers<'a>,
        guarded: bool,
        wants: Wants<'a>,
        values: impl Fn() -> Values<'v>,
        effects: &mut impl Effects<'a>,
    ) {
        if guarded {
            self.write_over(headers, &wants, &values(), effects);
        } else {
            for hint in wants.hints {
                match wants.listed {
                    // The policy has this text already.
                    Some(name) if hint.is_env => {
                        effects.set(&hint.name, Cow::Borrowed(name), false)
                    }
                    _ => set_hint(hint, &values(), effects),
                }
            }
            if let Some((name, text)) = wants.original {
                effects.set(name, Cow::Borrowed(text), false);
            }
        }
    }

    /// As [`write_headers`](Self::write_headers), for a request with a header that a policy guards.
    /// Hardly any request has one, so this is kept out of the way of the others.
    #[inline(never)]
    fn write_over<'a>(
        &'a self,
        headers: &impl Headers<'a>,
        wants: &Wants<'a>,
        values: &Values<'_>,
        effects: &mut impl Effects<'a>,
    ) {
        let mut removed = Vec::new();
        for (name, wanted) in wants.iter(*values) {
            let mut sent = headers
                .clone()
                .filter(|(other, _)| *other == name.as_bytes())
                .map(|(_, value)| value);
            let replaces = match (sent.next(), sent.next()) {
                (Some(value), None) if wanted.is(*values, value) => continue,
                // A single value is overwritten; several are collapsed into one.
                (Some(_), None) => true,
                (Some(_), Some(_)) => {
                    effects.remove(name);
                    false
                }
                (None, _) => false,
            };
            effects.set(name, wanted.text(*values), replaces);
        }
        for name in headers.clone().filter_map(|(name, _)| self.is_guarded(name)) {
            if !wants.iter(*values).any(|(wanted, _)| wanted == name) && !removed.contains(&name) {
                removed.push(name);
                effects.remove(name);
            }
        }
    }
}

/// Sets a header to what its hint gives for this request. A hint that needs the host of a request
/// without a valid one has no value.
#[inline(never)]
fn set_hint<'a>(hint: &'a Hint, values: &Values<'_>, effects: &mut impl Effects<'a>) {
    if !hint.needs_host || values.host.is_some() {
        effects.set(&hint.name, Wanted::Template(&hint.template).text(*values), false);
    }
}

/// What a header is to hold.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Wanted<'a> {
    Text(&'a [u8]),
    Template(&'a Template),
}

impl<'a> Wanted<'a> {
    fn is(self, values: Values<'_>, value: &[u8]) -> bool {
        match self {
            Self::Text(text) => text == value,
            Self::Template(template) => template.gives(values, value),
        }
    }

    fn text(self, values: Values<'_>) -> Cow<'a, [u8]> {
        match self {
            Self::Text(text) => Cow::Borrowed(text),
            Self::Template(template) => match template.as_literal() {
                Some(text) => Cow::Borrowed(text.as_bytes()),
                None => Cow::Owned(template.expand(values).unwrap_or_default()),
            },
        }
    }
}
