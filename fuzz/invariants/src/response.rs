//! The invariants of every response, for any policy, request and response. URLs are read by the
//! crate `url`, as browsers read them.

use gatepost_engine::Policy;
use url::{Host, Url};

use crate::carried::{Arrival, Carried, Header, authority_of, carry_out, values};

/// The headers in which a response may name the host that was written.
const RESTORED: [&str; 4] = ["location", "content-location", "refresh", "set-cookie"];

/// Checks every invariant of this module, for one request and the response to it.
///
/// # Panics
/// When one is broken.
pub fn holds(policy: &Policy, arrival: &Arrival, response: &[Header]) {
    let carried = carry_out(policy, arrival);
    let after = becomes(&carried, response);
    everything_else_is_untouched(response, &after);
    nothing_is_restored_unless_a_host_was_written(arrival, &carried, response, &after);
    a_url_gains_no_host_but_the_clients(arrival, &carried, response, &after);
    a_cookie_keeps_all_but_its_domain(response, &after);
    vary_gains_each_name_once(&carried, response, &after);
    what_was_written_is_restored(arrival, &carried);
}

/// What a response becomes.
#[must_use]
pub fn becomes(carried: &Carried, response: &[Header]) -> Vec<Header> {
    let pairs = response.iter().map(|(name, value)| (name.as_slice(), value.as_slice()));
    carried.owed.changes(&pairs).applied(response)
}

/// Other headers stay, in their order; so do the lines of those that may change, which may gain
/// one line: a pin, or a first `Vary`.
///
/// # Panics
/// When they do not.
pub fn everything_else_is_untouched(before: &[Header], after: &[Header]) {
    let others = |headers: &[Header]| -> Vec<Header> {
        let is_other = |(name, _): &&Header| {
            !RESTORED.iter().chain(&["vary"]).any(|known| known.as_bytes() == name)
        };
        headers.iter().filter(is_other).cloned().collect()
    };
    assert_eq!(others(before), others(after));
    let names = |headers: &[Header]| -> Vec<Vec<u8>> {
        headers.iter().take(before.len()).map(|(name, _)| name.clone()).collect()
    };
    assert_eq!(names(before), names(after), "lines are where they were");
    for (name, _) in after.iter().skip(before.len()) {
        assert!(name == b"set-cookie" || name == b"vary", "a line of {}", name.escape_ascii());
    }
    assert!(after.len() <= before.len() + 2);
}

/// # Panics
/// When something is.
pub fn nothing_is_restored_unless_a_host_was_written(
    arrival: &Arrival,
    carried: &Carried,
    before: &[Header],
    after: &[Header],
) {
    let is_written = carried.upstream.as_deref().is_some_and(|upstream| {
        authority_of(upstream) != authority_of(&arrival.headers) && carried.health_check().is_none()
    });
    if !is_written {
        for name in RESTORED {
            let lines = values(before, name);
            assert_eq!(lines, values(after, name)[..lines.len()], "{arrival:?}");
        }
    }
}

/// The host of a URL as browsers read it, without a dot at its end. A URL without a scheme gets
/// one.
fn host_of(url: &[u8]) -> Option<(Url, Host<String>)> {
    let base = Url::parse("https://base.invalid/").ok()?;
    let url = base.join(std::str::from_utf8(url).ok()?).ok()?;
    let host = match url.host()?.to_owned() {
        Host::Domain(name) => Host::Domain(name.trim_end_matches('.').to_owned()),
        address => address,
    };
    Some((url, host))
}

/// # Panics
/// When a changed URL names another host than the client's, named another one than the written
/// one before, or differs in more than its host and port.
pub fn a_url_gains_no_host_but_the_clients(
    arrival: &Arrival,
    carried: &Carried,
    before: &[Header],
    after: &[Header],
) {
    let own = |authority: &[u8]| {
        let (_, host) = host_of(&[b"https://", authority, b"/"].concat())?;
        Some(host)
    };
    for ((name, old), (_, new)) in before.iter().zip(after).filter(|(old, new)| old != new) {
        if name != b"location" && name != b"content-location" {
            continue;
        }
        let context = format!("{} became {}", old.escape_ascii(), new.escape_ascii());
        let upstream = carried.upstream.as_deref().unwrap_or_default();
        // A host that browsers refuse, such as one with `_` or a broken Punycode label, gives none.
        let (Some((old, was)), Some((new, is))) = (host_of(old), host_of(new)) else { continue };
        assert_eq!(Some(was), own(authority_of(upstream)), "{context}");
        assert_eq!(Some(is), own(authority_of(&arrival.headers)), "{context}");
        let rest =
            |url: &Url| (url.scheme().to_owned(), url[url::Position::BeforePath..].to_owned());
        assert_eq!(rest(&old), rest(&new), "{context}");
        assert_eq!((old.username(), old.password()), ("", None), "{context}");
    }
}

/// # Panics
/// When a line of `Set-Cookie` changes in anything but its `Domain`.
pub fn a_cookie_keeps_all_but_its_domain(before: &[Header], after: &[Header]) {
    let rest = |line: &[u8]| -> Vec<Vec<u8>> {
        let is_domain = |part: &[u8]| {
            part.trim_ascii_start()
                .get(..6)
                .is_some_and(|name| name.eq_ignore_ascii_case(b"domain"))
        };
        let parts = line.split(|byte| *byte == b';').enumerate();
        let kept = parts.filter(|(number, part)| *number == 0 || !is_domain(part));
        kept.map(|(_, part)| part.to_vec()).collect()
    };
    for ((name, old), (_, new)) in before.iter().zip(after) {
        if name == b"set-cookie" {
            assert_eq!(rest(old), rest(new), "{}", new.escape_ascii());
        }
    }
}

/// # Panics
/// When `Vary` loses a name, gains one twice or one that chose nothing, or gains one beside `*`.
pub fn vary_gains_each_name_once(carried: &Carried, before: &[Header], after: &[Header]) {
    let names = |headers: &[Header]| -> Vec<String> {
        let lines = values(headers, "vary").join(&b","[..]);
        let names = lines.split(|byte| *byte == b',').map(<[u8]>::trim_ascii);
        let texts = names.filter(|name| !name.is_empty()).map(String::from_utf8_lossy);
        texts.map(|name| name.to_ascii_lowercase()).collect()
    };
    let (old, new) = (names(before), names(after));
    assert_eq!(old, new[..old.len()]);
    let gained = &new[old.len()..];
    let owed: Vec<&str> =
        carried.owed.vary().map(|names| names.split(", ").collect()).unwrap_or_default();
    if old.iter().any(|name| name == "*") {
        assert_eq!(gained, [""; 0]);
    } else {
        let missing = owed.iter().filter(|name| !old.iter().any(|old| old == *name));
        assert!(gained.iter().eq(missing), "{gained:?} of {owed:?} beside {old:?}");
    }
}

/// A redirect to the authority that went upstream leads to the client's host, as it wrote it, and
/// to its port or none.
///
/// # Panics
/// When it does not.
pub fn what_was_written_is_restored(arrival: &Arrival, carried: &Carried) {
    let Some((written, client)) = carried.owed.restores() else { return };
    let sent = String::from_utf8_lossy(authority_of(&arrival.headers)).into_owned();
    let (host, port) = match client.rsplit_once(':') {
        Some((host, port)) if !client.ends_with(']') => (host, port),
        _ => (client.as_str(), ""),
    };
    assert!(sent.starts_with(host), "{client}: {arrival:?}");
    let sent_port = sent[host.len()..].trim_start_matches(':').trim_start_matches('0');
    assert_eq!(port.trim_start_matches('0'), sent_port, "{client}: {arrival:?}");
    for scheme in ["https:", "http:", ""] {
        let url = format!("{scheme}//{written}/p?q#f");
        let response = [(b"location".to_vec(), url.into_bytes())];
        let after = becomes(carried, &response);
        let location = String::from_utf8(values(&after, "location").concat()).expect("a text");
        let with = |authority: &str| format!("{scheme}//{authority}/p?q#f");
        assert!(location == with(&client) || location == with(host), "{location}: {arrival:?}");
    }
}
