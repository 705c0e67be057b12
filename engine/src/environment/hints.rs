//! Hints: the headers and the authority by which the gateway's routes select on the environment.

use crate::document::{Context, Read, Section, Seen, Value};
use crate::errors::PolicyErrorKind;
use crate::headers::{NameUse, is_value, read_name};
use crate::host::{Authority, Captures, MAX_TEMPLATE, Template, Values, read_authority};
use crate::policy_fingerprint::PolicyFingerprint;

/// How many hint headers a policy may have.
pub const MAX_HINT_HEADERS: usize = 16;

/// What is written for a request with an environment.
#[derive(Debug, Default)]
pub(crate) struct Hints {
    pub headers: Vec<Hint>,
    pub authority: Option<Template>,
}

/// A header that is set.
#[derive(Debug)]
pub(crate) struct Hint {
    pub name: Box<str>,
    pub template: Template,
}

impl Hints {
    /// Adds the hints to a policy's fingerprint.
    pub fn add_to(&self, fingerprint: &mut PolicyFingerprint) {
        for Hint { name, template } in &self.headers {
            fingerprint.add_pair("environments.hints.headers", name, &template.canonical());
        }
        if let Some(authority) = &self.authority {
            fingerprint.add_pair("environments.hints.authority", &authority.canonical(), "");
        }
    }

    /// The canonical authority for an environment; nothing if there is none, or if it depends on
    /// the request as well.
    pub fn authority_for(&self, env: &[u8]) -> Option<Vec<u8>> {
        let values = Values { env: Some(env), ..Values::default() };
        let text = self.authority.as_ref()?.expand(values)?;
        Some(Authority::parse(&text).ok()?.to_text().into_owned())
    }
}

#[derive(Default)]
pub(super) struct HintsSection(Hints);

impl Section for HintsSection {
    type Out = Hints;
    const FIELDS: &'static [&'static str] = &["headers", "authority"];

    fn field(&mut self, context: &mut Context, name: &'static str, value: Value<'_>) -> Read {
        let Hints { headers, authority } = &mut self.0;
        match name {
            "headers" => {
                let what = "hint headers";
                value.entries(context, what, MAX_HINT_HEADERS, &mut |context, name, value| {
                    let template = value.parse(context, read_hint)?.unwrap_or_default();
                    match read_name(name, NameUse::Write) {
                        Ok(name) if headers.iter().any(|hint| *hint.name == *name) => {
                            context.error_at_key(PolicyErrorKind::DuplicateField(name));
                        }
                        Ok(name) => headers.push(Hint { name: name.into(), template }),
                        Err(kind) => context.error_at_key(kind),
                    }
                    Ok(())
                })?;
            }
            _ => *authority = value.parse(context, |text| read_authority(text, Captures::None))?,
        }
        Ok(())
    }

    fn finish(self, context: &mut Context, seen: Seen) -> Option<Hints> {
        context.require_any(seen, Self::FIELDS);
        Some(self.0)
    }
}

fn read_hint(text: &str) -> Result<Template, PolicyErrorKind> {
    if !is_value(text) {
        return Err(PolicyErrorKind::HeaderValue);
    }
    if text.len() > MAX_TEMPLATE {
        return Err(PolicyErrorKind::TextTooLong { size: text.len(), limit: MAX_TEMPLATE });
    }
    Template::parse(text, Captures::None)
        .map_err(|error| PolicyErrorKind::Template { value: text.to_owned(), error })
}
