//! Pins: an environment that a link names (`?env=pr-17`) goes into a cookie, so that the page's
//! assets and calls follow it.

use crate::document::{Context, Read, Section, Seen, Value};
use crate::errors::PolicyErrorKind;
use crate::headers::read_token;
use crate::policy_fingerprint::PolicyFingerprint;

/// The longest that browsers keep a cookie, in seconds: 400 days (RFC 6265bis §5.5).
pub const MAX_COOKIE_AGE: u32 = 400 * 24 * 60 * 60;

/// The cookie that a query source sets.
#[derive(Debug)]
pub(crate) struct Pin {
    pub cookie: Box<str>,
    /// For how many seconds; without, until the browser ends.
    max_age: Option<u32>,
}

impl Pin {
    /// Adds the pin of a source to a policy's fingerprint. `place` is that of the source.
    pub fn add_to(&self, place: &str, fingerprint: &mut PolicyFingerprint) {
        let line = self.line("");
        fingerprint.add_pair("environments.sources.pin", place, &line);
    }

    /// The line of `Set-Cookie` that pins an environment.
    pub fn line(&self, environment: &str) -> Box<str> {
        line(&self.cookie, environment, self.max_age)
    }
}

/// The line of `Set-Cookie` that makes a browser forget a pin.
pub(super) fn expired(cookie: &str) -> Box<str> {
    line(cookie, "", Some(0))
}

/// A cookie of the host that the client named, for every path, that scripts cannot read and that
/// other sites' pages do not send along.
fn line(cookie: &str, environment: &str, max_age: Option<u32>) -> Box<str> {
    let age = max_age.map(|seconds| format!("; Max-Age={seconds}")).unwrap_or_default();
    format!("{cookie}={environment}; Path=/{age}; Secure; HttpOnly; SameSite=Lax").into()
}

#[derive(Default)]
pub(super) struct PinSection {
    cookie: Option<Box<str>>,
    max_age: Option<u32>,
}

impl Section for PinSection {
    type Out = Pin;
    const FIELDS: &'static [&'static str] = &["cookie", "maxAge"];
    const BARE: Option<&'static str> = Some("cookie");

    fn field(&mut self, context: &mut Context, name: &'static str, value: Value<'_>) -> Read {
        match name {
            "cookie" => self.cookie = value.parse(context, |text| read_token(text, "cookie"))?,
            _ => {
                let age = value.integer(context)?.map(read_age);
                self.max_age = age.and_then(|age| context.check(age));
            }
        }
        Ok(())
    }

    fn finish(self, context: &mut Context, seen: Seen) -> Option<Pin> {
        context.require(seen, &["cookie"]);
        Some(Pin { cookie: self.cookie?, max_age: self.max_age })
    }
}

fn read_age(seconds: i64) -> Result<u32, PolicyErrorKind> {
    let valid = u32::try_from(seconds).ok().filter(|age| (1..=MAX_COOKIE_AGE).contains(age));
    valid.ok_or(PolicyErrorKind::CookieAge(seconds))
}
