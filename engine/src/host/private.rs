//! Private hosts: names by patterns, and addresses by themselves or by CIDR blocks. Nothing that
//! another program may read as one of them is let in.

use std::borrow::Cow;
use std::io::Write;
use std::net::{IpAddr, Ipv6Addr};

use super::address::{Block, addresses_of};
use super::fingerprint::{Host, HostKind};
use super::pattern::HostPattern;
use super::table::{HostTable, Refused};
use super::{ascii, error_of};
use crate::document::{Context, Read, Value};
use crate::errors::PolicyErrorKind;
use crate::policy_fingerprint::PolicyFingerprint;

/// How many private hosts a policy may have.
pub const MAX_PRIVATE: usize = 10_000;
/// How many of them may be CIDR blocks. A host that is an address is compared with each block.
pub const MAX_PRIVATE_BLOCKS: usize = 1024;

/// The private hosts of a policy.
#[derive(Debug, Default)]
pub(crate) struct PrivateHosts {
    /// Patterns, and addresses in the form in which they are compared.
    patterns: HostTable,
    /// CIDR blocks of more than one address, each with its number in the document.
    blocks: Vec<(Block, u32)>,
}

/// One entry of the list.
enum Entry {
    Pattern(HostPattern),
    Block(Block),
}

impl PrivateHosts {
    /// Reads the list `hosts.private`.
    pub fn read(&mut self, context: &mut Context, value: Value<'_>) -> Read {
        let list = context.path().clone();
        value.list(context, "private hosts", MAX_PRIVATE, &mut |context, value| {
            let Some(entry) = value.parse(context, read_entry)? else { return Ok(()) };
            if let Err(kind) = self.add(&entry, context.number(), |refused, pattern| {
                error_of(refused, pattern, |first| list.clone().index(first))
            }) {
                context.error(kind);
            }
            Ok(())
        })?;
        self.patterns.shrink_to_fit();
        Ok(())
    }

    fn add(
        &mut self,
        entry: &Entry,
        number: u32,
        error: impl Fn(Refused, &str) -> PolicyErrorKind,
    ) -> Result<(), PolicyErrorKind> {
        match entry {
            Entry::Pattern(pattern) => self
                .patterns
                .add(pattern, number, b"")
                .map_err(|refused| error(refused, &pattern.text())),
            Entry::Block(block) => {
                if let Some((_, first)) = self.blocks.iter().find(|(known, _)| known == block) {
                    return Err(error(Refused::Duplicate(*first), &block.to_string()));
                }
                if self.blocks.len() >= MAX_PRIVATE_BLOCKS {
                    let (what, limit) = ("private CIDR blocks", MAX_PRIVATE_BLOCKS);
                    return Err(PolicyErrorKind::TooMany { what, limit });
                }
                self.blocks.push((*block, number));
                Ok(())
            }
        }
    }

    /// Adds the private hosts to a policy's fingerprint.
    pub fn add_to(&self, fingerprint: &mut PolicyFingerprint) {
        self.patterns.each_pattern(&mut |pattern, _| {
            fingerprint.add("hosts.private", &[b"", pattern]);
        });
        let mut blocks = self.blocks.iter().map(|(block, _)| block.to_string());
        fingerprint.add_set("hosts.private", "", &mut blocks);
    }

    pub fn is_empty(&self) -> bool {
        self.patterns.is_empty() && self.blocks.is_empty()
    }

    /// The entry that a host matches, in canonical form.
    #[inline]
    pub fn find(&self, host: &Host<'_>) -> Option<Cow<'_, str>> {
        match self.patterns.find(host) {
            Some(found) => Some(Cow::Borrowed(ascii::text(found.key))),
            None if host.fingerprint.may_be_address => self.find_address(host),
            None => None,
        }
    }

    /// The entry that one of the addresses matches as which the host may be read.
    #[cold]
    fn find_address(&self, host: &Host<'_>) -> Option<Cow<'_, str>> {
        addresses_of(host.text).find_map(|address| {
            let mut room = [0; LONGEST_ADDRESS];
            let host = Host::new(written_in(&mut room, address), HostKind::IpLiteral);
            if let Some(found) = self.patterns.find(&host) {
                return Some(Cow::Borrowed(ascii::text(found.key)));
            }
            let mut blocks = self.blocks.iter().map(|(block, _)| block);
            blocks.find(|block| block.contains(address)).map(|block| Cow::Owned(block.to_string()))
        })
    }
}

/// The bytes of the longest address, with its brackets.
const LONGEST_ADDRESS: usize = "[0000:0000:0000:0000:0000:ffff:255.255.255.255]".len();

/// The address as an authority writes it.
fn written_in(room: &mut [u8; LONGEST_ADDRESS], address: IpAddr) -> &[u8] {
    let mut rest = &mut room[..];
    let written = match address {
        IpAddr::V4(v4) => write!(rest, "{v4}"),
        IpAddr::V6(v6) => write!(rest, "[{v6}]"),
    };
    let length = LONGEST_ADDRESS.saturating_sub(rest.len());
    room.get(..length).filter(|_| written.is_ok()).unwrap_or_default()
}

/// Reads a host pattern, an address with or without brackets, or a CIDR block. An address is
/// brought to the form in which it is compared.
fn read_entry(text: &str) -> Result<Entry, PolicyErrorKind> {
    if text.contains('/') {
        return Block::parse(text).map(Entry::Block);
    }
    let text = match text.parse::<Ipv6Addr>() {
        Ok(bare) => Cow::Owned(format!("[{bare}]")),
        Err(_) => Cow::Borrowed(text),
    };
    let pattern = HostPattern::read(&text)?;
    let address = match &pattern {
        HostPattern::Exact(host) => addresses_of(host.as_bytes()).next(),
        HostPattern::Labels(_) => None,
    };
    match (address, pattern.text()) {
        (None, _) => Ok(Entry::Pattern(pattern)),
        // A number that some programs read as an address and others as a name: its author means
        // the address.
        (Some(address), host) if HostKind::of(host.as_bytes()) == HostKind::Name => {
            Err(PolicyErrorKind::NumericHost { value: host.into_owned(), address })
        }
        (Some(address), _) => {
            let host = ascii::text(written_in(&mut [0; LONGEST_ADDRESS], address)).to_owned();
            Ok(Entry::Pattern(HostPattern::Exact(host)))
        }
    }
}
