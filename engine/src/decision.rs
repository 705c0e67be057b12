//! What a policy decides about one request, as data: what is to be written, or what is to be
//! answered, and what is to be counted. Nothing here touches a request.

use crate::counter::Counters;
use crate::host::ascii::text;
use crate::reply::Reply;

/// The decision on a request.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Decision<'a> {
    /// What happens to the request.
    pub verdict: Verdict<'a>,
    /// What is counted.
    pub counters: Counters,
}

/// What happens to a request.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Verdict<'a> {
    /// It goes on, with these changes.
    Forward(Writes<'a>),
    /// It is answered here.
    Reply(Reply<'a>),
}

/// The changes of a request. Only what really changes is in here: an empty one leaves the request
/// as it came.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Writes<'a> {
    /// The new `:authority`.
    pub authority: Option<String>,
    /// The new `:path`.
    pub path: Option<&'a str>,
    /// Headers to be removed, with all their values; before any are set.
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
    /// The request has the header, with one other value. Otherwise it has none once the removals
    /// are done, and adding one does: Envoy then builds no index of the headers.
    pub replaces: bool,
}

/// Takes the changes of a request one by one, once it is clear that the request goes on. Values are
/// ASCII. [`Writes`] gathers them; the filter makes them in the proxy.
pub trait HeaderMutations<'a> {
    /// Sets `:authority`.
    fn set_authority(&mut self, value: &[u8]);

    /// Sets `:path`.
    fn set_path(&mut self, value: &'a str);

    /// Removes a header with all its values.
    fn remove(&mut self, name: &'a str);

    /// Sets a header to one value, in place of one other value that the request has, or because it
    /// has none: see [`SetHeader`]. A header that is to be removed, too, was removed before.
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
    /// Whether there is nothing to write.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.authority.is_none()
            && self.path.is_none()
            && self.remove.is_empty()
            && self.set.is_empty()
    }
}
