//! Hosts: which are refused from outside, which are a customer's and become the service's own, and
//! what happens to the rest.

use crate::fault::{FaultKind, Path, Place};
use crate::header::{HeaderTable, Marks, Use, read_name};
use crate::host_table::{HostTable, MAX_SHAPES, Refused};
use crate::pattern::HostPattern;
use crate::reader::{Broken, Choice, Context, List, Object, Parsed, Section, Seen, Value};
use crate::records::Record;
use crate::template::{Authored, Template, read_authority};
use alloc::borrow::ToOwned;
use alloc::boxed::Box;
use alloc::string::String;
use alloc::vec::Vec;

/// How many mappings a policy may have.
pub const MAX_MAPPINGS: usize = 200_000;
/// How many private host patterns a policy may have.
pub const MAX_PRIVATE: usize = 10_000;

/// What happens to a request whose Host is no valid authority.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(crate) enum Invalid {
    #[default]
    Reject,
    Pass,
}

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

/// What a mapping gives: most give plain text, which stands beside the mapping's pattern.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Target<'t> {
    /// An authority.
    Text(&'t [u8]),
    Template(&'t Template),
}

/// Stands before the number of a template. No authority holds it.
const TEMPLATE: u8 = 0;

/// The part of a policy that is about hosts. The default is what a policy without it does.
#[derive(Debug, Default)]
pub(crate) struct Hosts {
    pub invalid: Invalid,
    pub private: HostTable,
    pub port: Port,
    /// The value of each is an authority, or [`TEMPLATE`] and the number of a template.
    pub mappings: HostTable,
    templates: Vec<Template>,
    pub unmapped: Unmapped,
    pub original_host: Option<Box<str>>,
    /// The mappings whose authority needs an environment, by their numbers in the document; for the
    /// compiler alone.
    pub needs_env: Vec<u32>,
}

impl Hosts {
    /// Whether mappings have anything to say: there are some, or a host without one is refused.
    #[inline]
    pub fn may_map(&self) -> bool {
        !self.mappings.is_empty() || self.unmapped == Unmapped::Reject
    }

    /// What a mapping gives.
    #[inline]
    pub fn target<'t>(&'t self, mapping: &Record<'t>) -> Option<Target<'t>> {
        match mapping.value {
            [TEMPLATE, number @ ..] => {
                let number = u32::from_le_bytes(*number.first_chunk()?);
                self.templates.get(number as usize).map(Target::Template)
            }
            text => Some(Target::Text(text)),
        }
    }

    pub fn register(&self, headers: &mut HeaderTable) {
        if let Some(roles) = self.original_host.as_deref().and_then(|name| headers.roles_mut(name))
        {
            roles.marks |= Marks::GUARDED;
        }
    }
}

#[derive(Default)]
pub(crate) struct HostsSection(Hosts);

impl Section for HostsSection {
    type Out = Hosts;
    const FIELDS: &'static [&'static str] =
        &["invalid", "private", "port", "mappings", "unmapped", "originalHost"];

    fn field(&mut self, name: &'static str, value: Value<'_>) -> Result<(), Broken> {
        let hosts = &mut self.0;
        match name {
            "invalid" => {
                let choice = Choice(&["reject", "pass"], &[Invalid::Reject, Invalid::Pass]);
                hosts.invalid = value.read(choice)?.unwrap_or_default();
            }
            "private" => {
                let list = value.context.path().clone();
                let private = &mut hosts.private;
                let take = |context: &mut Context, pattern: HostPattern| {
                    if let Err(refused) = private.add(&pattern, context.number(), b"") {
                        context
                            .fault(refusal(refused, &pattern, |first| list.clone().index(first)));
                    }
                };
                let make = || Parsed(HostPattern::read);
                value.read(List { what: "private hosts", limit: MAX_PRIVATE, make, take })?;
            }
            "port" => {
                hosts.port = value
                    .read(Choice(&["keep", "strip"], &[Port::Keep, Port::Strip]))?
                    .unwrap_or_default();
            }
            "mappings" => {
                let list = value.context.path().clone();
                let mut mappings = MappingReader { hosts, list, authority: String::new() };
                value.elements("mappings", MAX_MAPPINGS, &mut |value| {
                    let mapping = MappingSection {
                        mappings: &mut mappings,
                        host: None,
                        has_authority: false,
                    };
                    value.read(Object(mapping)).map(drop)
                })?;
            }
            "unmapped" => {
                let choice = Choice(&["pass", "reject"], &[Unmapped::Pass, Unmapped::Reject]);
                hosts.unmapped = value.read(choice)?.unwrap_or_default();
            }
            _ => {
                hosts.original_host =
                    value.read(Parsed(|text: &str| read_name(text, Use::Write)))?.map(Into::into)
            }
        }
        Ok(())
    }

    fn finish(mut self, _: &mut Context, _: Seen) -> Option<Hosts> {
        self.0.private.shrink_to_fit();
        self.0.mappings.shrink_to_fit();
        self.0.templates.shrink_to_fit();
        Some(self.0)
    }
}

fn refusal(refused: Refused, pattern: &HostPattern, path: impl Fn(usize) -> Path) -> FaultKind {
    match refused {
        Refused::Duplicate(first) => {
            FaultKind::Duplicate { value: pattern.text().into_owned(), first: path(first as usize) }
        }
        Refused::TooManyShapes => FaultKind::TooMany {
            what: "different arrangements of labels, captures and `*`",
            limit: MAX_SHAPES,
        },
    }
}

/// Puts mappings into the table while they are read.
struct MappingReader<'h> {
    hosts: &'h mut Hosts,
    list: Path,
    /// The authority of the mapping that is being read. One text serves all mappings.
    authority: String,
}

impl MappingReader<'_> {
    fn add(&mut self, context: &mut Context, pattern: &HostPattern) {
        let authored = match read_authority(&self.authority, Some(pattern)) {
            Ok(authored) => authored,
            Err(kind) => {
                return context.fault_at(
                    context.path().clone().key("authority"),
                    Place::Value,
                    kind,
                );
            }
        };
        let [n0, n1, n2, n3] =
            u32::try_from(self.hosts.templates.len()).unwrap_or(u32::MAX).to_le_bytes();
        let reference = [TEMPLATE, n0, n1, n2, n3];
        let value = match &authored {
            Authored::Text(text) => text.as_bytes(),
            Authored::Template(template) => {
                if template.needs_env() {
                    self.hosts.needs_env.push(context.number());
                }
                &reference
            }
        };
        if let Err(refused) = self.hosts.mappings.add(pattern, context.number(), value) {
            let kind =
                refusal(refused, pattern, |first| self.list.clone().index(first).key("host"));
            return context.fault_at(context.path().clone().key("host"), Place::Value, kind);
        }
        if let Authored::Template(template) = authored {
            self.hosts.templates.push(template);
        }
    }
}

struct MappingSection<'m, 'h> {
    mappings: &'m mut MappingReader<'h>,
    host: Option<HostPattern>,
    has_authority: bool,
}

impl Section for MappingSection<'_, '_> {
    type Out = ();
    const FIELDS: &'static [&'static str] = &["host", "authority"];

    fn field(&mut self, name: &'static str, value: Value<'_>) -> Result<(), Broken> {
        match name {
            "host" => self.host = value.read(Parsed(HostPattern::read))?,
            _ => {
                if let Some((_, text)) = value.text()? {
                    text.clone_into(&mut self.mappings.authority);
                    self.has_authority = true;
                }
            }
        }
        Ok(())
    }

    fn finish(self, context: &mut Context, seen: Seen) -> Option<()> {
        context.require(seen, <Self as Section>::FIELDS);
        // Without a valid pattern nobody knows which placeholders the authority may name.
        let pattern = self.host.filter(|_| self.has_authority)?;
        self.mappings.add(context, &pattern);
        Some(())
    }
}
