//! What a policy decides about one request, as data: the headers to write or the answer to give,
//! and the counters to raise. Nothing here touches a request.

use crate::counter::Counters;
use crate::host::ascii::text;
use crate::reply::Reply;
use crate::response::Owed;

/// The decision on a request.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Decision<'a> {
    /// What happens to the request.
    pub verdict: Verdict<'a>,
    /// What is counted.
    pub counters: Counters,
    /// What the response owes, a reply of the gateway's own included.
    pub owed: Owed,
}

/// What happens to a request.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Verdict<'a> {
    /// It goes on, with these changes.
    Forward(Writes<'a>),
    /// The gateway answers it itself.
    Reply(Reply<'a>),
}

/// How a request goes on.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Forward {
    /// Without the headers that a client may not send. Its trailers must not have them either: see
    /// [`Policy::guards`](crate::Policy::guards).
    Guarded,
    /// As it came, with its trailers: a health check passes it.
    Passed,
}

/// The changes of a request. Only values that differ from the request's are in here, so an empty
/// one leaves the request as it came.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Writes<'a> {
    /// The new `:authority`.
    pub authority: Option<String>,
    /// The new `:path`.
    pub path: Option<&'a str>,
    /// Headers to be removed, with all their values, before any header is set.
    pub remove: Vec<&'a str>,
    /// Headers to be set to one value.
    pub set: Vec<SetHeader<'a>>,
}

/// A header to be set to one value.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SetHeader<'a> {
    /// Its name, in lower case.
    pub name: &'a str,
    /// The value.
    pub value: String,
    /// True when the request has the header with one other value, which is replaced. False when the
    /// request has no such header once the removals are done: then the header is added, which
    /// spares Envoy an index of the headers.
    pub replaces: bool,
}

/// Takes the changes of a request one by one, once it is clear that the request is forwarded.
/// Values are ASCII. [`Writes`] gathers the changes; the filter makes them in the proxy.
pub trait HeaderMutations<'a> {
    /// Sets `:authority`.
    fn set_authority(&mut self, value: &[u8]);

    /// Sets `:path`.
    fn set_path(&mut self, value: &'a str);

    /// Removes a header with all its values.
    fn remove(&mut self, name: &'a str);

    /// Sets a header to one value. `replaces` has the meaning of [`SetHeader::replaces`]. All
    /// removals were made before.
    fn set(&mut self, name: &'a str, value: &[u8], replaces: bool);
}

impl<'a> HeaderMutations<'a> for Writes<'a> {
    fn set_authority(&mut self, value: &[u8]) {
        self.authority = Some(text(value).to_owned());
    }

    fn set_path(&mut self, value: &'a str) {
        self.path = Some(value);
    }

    fn remove(&mut self, name: &'a str) {
        self.remove.push(name);
    }

    fn set(&mut self, name: &'a str, value: &[u8], replaces: bool) {
        self.set.push(SetHeader { name, value: text(value).to_owned(), replaces });
    }
}

impl Writes<'_> {
    /// Whether there is nothing to write into the request.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.authority.is_none()
            && self.path.is_none()
            && self.remove.is_empty()
            && self.set.is_empty()
    }
}
