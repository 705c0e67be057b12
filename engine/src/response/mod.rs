//! What a response owes to its request. A request whose host was rewritten gets an answer that
//! names the rewritten host: in redirects, which then lead to a name that the client cannot
//! resolve, and in cookies, which the client then throws away. [`Owed::changes`] names the client's
//! host again.

mod cookie;
mod restore;
mod url;

use crate::request::Headers;

pub(crate) use restore::Restore;
pub(crate) use url::Scheme;

/// What the response to one request owes, copied from the request: a policy that changes meanwhile
/// changes none of it. At most some 600 bytes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Owed {
    restore: Restore,
}

/// A header of a response, with all its lines as they are to be.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ChangedHeader {
    /// Its name, in lower case.
    pub name: &'static str,
    /// The value of each line, in order.
    pub lines: Vec<Vec<u8>>,
}

impl Owed {
    pub(crate) fn new(restore: Restore) -> Self {
        Self { restore }
    }

    /// The headers of a response that change, those that a proxy made itself included. What does
    /// not parse as a URL or a cookie stays as it is, and so does every other header.
    #[must_use]
    pub fn changes<'a>(&self, headers: &impl Headers<'a>) -> Vec<ChangedHeader> {
        type Rule = fn(&Restore, &[u8]) -> Option<Vec<u8>>;
        const RULES: [(&str, Rule); 4] = [
            ("location", Restore::url),
            ("content-location", Restore::url),
            ("refresh", Restore::refresh),
            ("set-cookie", Restore::set_cookie),
        ];
        let changed = |(name, rule): (&'static str, Rule)| {
            let lines = headers.clone().filter(|(header, _)| *header == name.as_bytes());
            let mut any = false;
            let lines = lines.map(|(_, line)| {
                let restored = rule(&self.restore, line);
                any |= restored.is_some();
                restored.unwrap_or_else(|| line.to_vec())
            });
            let lines: Vec<Vec<u8>> = lines.collect();
            any.then_some(ChangedHeader { name, lines })
        };
        RULES.into_iter().filter_map(changed).collect()
    }
}
