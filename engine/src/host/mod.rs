//! Hosts: which are private and refused, which a mapping rewrites to a service's own host, and what
//! happens to the rest.

mod address;
pub(crate) mod ascii;
mod authority;
mod fingerprint;
mod ipv4;
mod labels;
mod pattern;
mod private;
mod records;
mod table;
mod template;

use std::borrow::Cow;

use crate::document::{Context, Read, Section, Seen, Value};
use crate::errors::{Path, Place, PolicyErrorKind};
use crate::headers::{HeaderUses, NameUse, read_name};
use crate::policy_fingerprint::PolicyFingerprint;
use private::PrivateHosts;
use table::{MAX_SHAPES, Refused};

pub(crate) use address::{Block, canonical};
pub use authority::{Authority, MAX_LABEL, MAX_NAME};
pub(crate) use fingerprint::Host;
pub use fingerprint::HostKind;
pub(crate) use labels::Labels;
pub(crate) use pattern::HostPattern;
pub use private::{MAX_PRIVATE, MAX_PRIVATE_BLOCKS};
pub(crate) use records::{Record, Records};
pub(crate) use table::HostTable;
pub(crate) use template::{Captures, Template, Values, read_authority};
pub use template::{MAX_PLACEHOLDERS, MAX_TEMPLATE};

/// How many mappings a policy may have.
pub const MAX_MAPPINGS: usize = 200_000;

/// What happens to the port of a host that no mapping rewrites.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(crate) enum Port {
    #[default]
    Keep,
    Strip,
}

/// What happens to a host that no mapping matches.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(crate) enum Unmapped {
    #[default]
    Pass,
    Reject,
}

/// What happens to responses that name the host that was written in place of the client's.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(crate) enum Responses {
    #[default]
    Restore,
    Keep,
}

/// The authority that a mapping gives.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Target<'t> {
    /// The authority itself.
    Text(&'t [u8]),
    Template(&'t Template),
}

/// The first byte of a value that is the number of a template. No authority holds this byte.
const TEMPLATE: u8 = 0;

/// The part of a policy that is about hosts. The default is that of a policy without `hosts`.
#[derive(Debug, Default)]
pub(crate) struct Hosts {
    pub private: PrivateHosts,
    pub port: Port,
    /// The value of each is an authority, or [`TEMPLATE`] and the number of a template.
    pub mappings: HostTable,
    templates: Vec<Template>,
    pub unmapped: Unmapped,
    pub original_host: Option<Box<str>>,
    pub responses: Responses,
    /// The mappings whose authority needs an environment, by their numbers in the document. Only
    /// used while the policy is compiled.
    pub needs_env: Vec<u32>,
}

impl Hosts {
    /// Whether a request's host can change what becomes of the request.
    pub fn decides(&self) -> bool {
        !self.private.is_empty()
            || !self.mappings.is_empty()
            || self.port != Port::Keep
            || self.unmapped != Unmapped::Pass
    }

    /// The authority that a mapping gives.
    pub fn target<'t>(&'t self, mapping: &Record<'t>) -> Option<Target<'t>> {
        match mapping.value {
            [TEMPLATE, number @ ..] => {
                let number = u32::from_le_bytes(*number.first_chunk()?);
                self.templates.get(number as usize).map(Target::Template)
            }
            text => Some(Target::Text(text)),
        }
    }

    /// Adds the rules of hosts to a policy's fingerprint.
    pub fn add_to(&self, fingerprint: &mut PolicyFingerprint) {
        self.private.add_to(fingerprint);
        self.mappings.each_pattern(&mut |pattern, mapping| match self.target(&mapping) {
            Some(Target::Template(template)) => {
                fingerprint.add("hosts.mappings", &[pattern, template.canonical().as_bytes()]);
            }
            Some(Target::Text(text)) => fingerprint.add("hosts.mappings", &[pattern, text]),
            None => {}
        });
        let choices = [
            ("port", "strip", self.port == Port::Strip),
            ("unmapped", "reject", self.unmapped == Unmapped::Reject),
            ("responses", "keep", self.responses == Responses::Keep),
        ];
        for (field, choice, _) in choices.into_iter().filter(|(.., is_chosen)| *is_chosen) {
            fingerprint.add_pair("hosts", field, choice);
        }
        if let Some(name) = &self.original_host {
            fingerprint.add_pair("hosts", "originalHost", name);
        }
    }

    /// Adds `originalHost` to the headers that a client may not send.
    pub fn register(&self, headers: &mut HeaderUses) {
        self.original_host.iter().for_each(|name| headers.guard(name));
    }
}

#[derive(Default)]
pub(crate) struct HostsSection(Hosts);

impl Section for HostsSection {
    type Out = Hosts;
    const FIELDS: &'static [&'static str] =
        &["private", "port", "mappings", "unmapped", "originalHost", "responses", "invalid"];

    fn field(&mut self, context: &mut Context, name: &'static str, value: Value<'_>) -> Read {
        let hosts = &mut self.0;
        match name {
            "private" => hosts.private.read(context, value)?,
            "port" => {
                let choice = value.choice(context, &["keep", "strip"], &[Port::Keep, Port::Strip]);
                hosts.port = choice?.unwrap_or_default();
            }
            "mappings" => {
                let Some(value) = value.unless_left_empty(context, name) else { return Ok(()) };
                let mut mappings = Mappings { hosts, list: context.path().clone() };
                value.list(context, "mappings", MAX_MAPPINGS, &mut |context, value| {
                    if let Some(mapping) = value.section(context, MappingSection::default())? {
                        mappings.add(context, mapping);
                    }
                    Ok(())
                })?;
            }
            "unmapped" => {
                let values = [Unmapped::Pass, Unmapped::Reject];
                let choice = value.choice(context, &["pass", "reject"], &values)?;
                hosts.unmapped = choice.unwrap_or_default();
            }
            "originalHost" => {
                let name = value.parse(context, |text| read_name(text, NameUse::Write))?;
                hosts.original_host = name.map(Into::into);
            }
            "responses" => {
                let values = [Responses::Restore, Responses::Keep];
                let choice = value.choice(context, &["restore", "keep"], &values)?;
                hosts.responses = choice.unwrap_or_default();
            }
            // Earlier versions let requests without a valid authority pass.
            _ => match value.choice(context, &["reject", "pass"], &[false, true])? {
                Some(true) => context.error(PolicyErrorKind::InvalidPass),
                Some(false) => context.warn_at_key(PolicyErrorKind::InvalidReject),
                None => {}
            },
        }
        Ok(())
    }

    fn finish(mut self, _: &mut Context, _: Seen) -> Option<Hosts> {
        self.0.mappings.shrink_to_fit();
        self.0.templates.shrink_to_fit();
        Some(self.0)
    }
}

fn error_of(refused: Refused, pattern: &str, path: impl Fn(usize) -> Path) -> PolicyErrorKind {
    match refused {
        Refused::Duplicate(first) => {
            PolicyErrorKind::Duplicate { value: pattern.to_owned(), first: path(first as usize) }
        }
        Refused::TooManyShapes => {
            let what = "different arrangements of labels, captures and `*`";
            PolicyErrorKind::TooMany { what, limit: MAX_SHAPES }
        }
    }
}

/// Reads mappings, and adds each to the table.
struct Mappings<'h> {
    hosts: &'h mut Hosts,
    list: Path,
}

impl Mappings<'_> {
    /// Adds a mapping, and an error for each of its parts that is wrong. A part that is missing or
    /// no string has its error already.
    fn add(&mut self, context: &mut Context, mapping: MappingSection) {
        let MappingSection { host, authority } = mapping;
        let captures = host.as_ref().map_or(Captures::Unknown, Captures::Of);
        let template = authority.and_then(|authority| {
            let path = context.path().clone().key("authority");
            let template = read_authority(&authority, captures);
            template.map_err(|kind| context.error_at(path, Place::Value, kind)).ok()
        });
        let Some(pattern) = &host else { return };
        if template.as_ref().is_some_and(Template::needs_env) {
            self.hosts.needs_env.push(context.number());
        }
        let value = match template.as_ref().map(Template::as_literal) {
            Some(Some(text)) => Cow::Borrowed(text.as_bytes()),
            // An invalid authority: the host is added for later ones to be compared with.
            None => Cow::Borrowed(&b""[..]),
            Some(None) => {
                let number = u32::try_from(self.hosts.templates.len()).unwrap_or(u32::MAX);
                Cow::Owned([&[TEMPLATE][..], &number.to_le_bytes()].concat())
            }
        };
        if let Err(refused) = self.hosts.mappings.add(pattern, context.number(), &value) {
            let first = |first| self.list.clone().index(first).key("host");
            let kind = error_of(refused, &pattern.text(), first);
            return context.error_at(context.path().clone().key("host"), Place::Value, kind);
        }
        let is_template = |template: &Template| template.as_literal().is_none();
        self.hosts.templates.extend(template.filter(is_template));
    }
}

/// The fields of a mapping.
#[derive(Default)]
struct MappingSection {
    host: Option<HostPattern>,
    authority: Option<String>,
}

impl Section for MappingSection {
    type Out = Self;
    const FIELDS: &'static [&'static str] = &["host", "authority"];

    fn field(&mut self, context: &mut Context, name: &'static str, value: Value<'_>) -> Read {
        match name {
            "host" => self.host = value.parse(context, HostPattern::read)?,
            _ => self.authority = value.text(context)?.map(str::to_owned),
        }
        Ok(())
    }

    fn finish(self, context: &mut Context, seen: Seen) -> Option<Self> {
        context.require(seen, Self::FIELDS);
        Some(self)
    }
}
