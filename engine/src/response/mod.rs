//! What a response owes to its request. A request whose host was rewritten gets an answer that
//! names the rewritten host: in redirects, which then lead to a name that the client cannot
//! resolve, and in cookies, which the client then throws away. An answer of a chosen environment
//! must tell caches what chose it, and may set the cookie that keeps the choice. [`Owed::changes`]
//! says what a response becomes.

mod changes;
mod cookie;
mod restore;
mod url;
mod vary;

use std::sync::Arc;

use crate::request::Headers;

pub use changes::{ChangedHeader, Changes};
pub(crate) use restore::Restore;
pub(crate) use url::Scheme;

/// What the response to one request owes, copied from the request: a policy that changes meanwhile
/// changes none of it. At most 1 KiB, and the text of `vary`, which all streams of a policy share.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Owed {
    /// The client's host, which the response names where it names the one that was written.
    pub(crate) restore: Option<Restore>,
    /// The names that `Vary` gains.
    pub(crate) vary: Option<Arc<str>>,
    /// A line of `Set-Cookie`: a pin, or the end of one.
    pub(crate) cookie: Option<Box<str>>,
}

/// The headers in which a response can name the written host, and what restores a line of each.
type Rule = fn(&Restore, &[u8]) -> Option<Vec<u8>>;
const RESTORED: [(&str, Rule); 4] = [
    ("location", Restore::url),
    ("content-location", Restore::url),
    ("refresh", Restore::refresh),
    (SET_COOKIE, Restore::set_cookie),
];
const SET_COOKIE: &str = "set-cookie";

impl Owed {
    /// Whether every response may go as it came.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.restore.is_none() && self.vary.is_none() && self.cookie.is_none()
    }

    /// The names that `Vary` gains, such as `env, cookie`.
    #[must_use]
    pub fn vary(&self) -> Option<&str> {
        self.vary.as_deref()
    }

    /// The line of `Set-Cookie` that the response gains.
    #[must_use]
    pub fn cookie(&self) -> Option<&str> {
        self.cookie.as_deref()
    }

    /// The authority that went upstream, and the client's host and port, which responses name in
    /// its place.
    #[must_use]
    pub fn restores(&self) -> Option<(&str, String)> {
        self.restore.as_ref().and_then(Restore::shown)
    }

    /// What a response becomes, one that a proxy made itself included. What does not parse as a URL
    /// or a cookie stays as it is, and so does every other header.
    #[must_use]
    pub fn changes<'a>(&self, headers: &impl Headers<'a>) -> Changes {
        self.changes_of(&mut |name| {
            let lines = headers.clone().filter(|(header, _)| *header == name.as_bytes());
            lines.map(|(_, line)| line.to_vec()).collect()
        })
    }

    /// As [`Owed::changes`], for a response that is read piece by piece: `lines` gives the lines of
    /// a header. It is asked once for each header that may change.
    #[inline(never)]
    pub fn changes_of(&self, lines: &mut dyn FnMut(&'static str) -> Vec<Vec<u8>>) -> Changes {
        let mut changes = Changes::default();
        for (name, rule) in RESTORED {
            let Some(restore) = &self.restore else { break };
            let (mut lines, mut replaces) = (lines(name), false);
            for line in &mut lines {
                if let Some(restored) = rule(restore, line) {
                    (*line, replaces) = (restored, true);
                }
            }
            if replaces {
                changes.headers.push(ChangedHeader { name, lines, replaces });
                changes.is_restored = true;
            }
        }
        if let Some(cookie) = &self.cookie {
            let lines = vec![cookie.as_bytes().to_vec()];
            changes.headers.push(ChangedHeader { name: SET_COOKIE, lines, replaces: false });
        }
        if let Some(names) = &self.vary {
            changes.headers.extend(vary::with(names, lines(vary::NAME)));
        }
        changes
    }
}
