//! The invariants of every decision, for any policy and any request.

use gatepost_engine::{Authority, Origin, Policy, Step};

use crate::carried::{Arrival, Carried, Header, authority_of, carry_out, values};
use crate::document::{Document, is_spelling_of};
use crate::readings;

/// Checks every invariant of this module, for one request.
///
/// # Panics
/// When one is broken.
pub fn holds(document: &Document, policy: &Policy, arrival: &Arrival) {
    let carried = carry_out(policy, arrival);
    an_authority_that_goes_upstream_is_valid(arrival, &carried);
    a_private_host_is_not_reachable(document, arrival, &carried);
    no_hint_survives_from_the_client(document, policy, arrival, &carried);
    normalisation_is_idempotent(document, policy, arrival, &carried);
    a_reply_names_its_rule(&carried);
}

/// The authority that goes upstream is valid and in normal form. Only a health check that sets no
/// authority leaves it as the client wrote it.
///
/// # Panics
/// When it is not.
pub fn an_authority_that_goes_upstream_is_valid(arrival: &Arrival, carried: &Carried) {
    let Some(upstream) = carried.upstream.as_deref() else { return };
    let (before, after) = (authority_of(&arrival.headers), authority_of(upstream));
    let left_alone = before == after && carried.health_check().is_some();
    if !left_alone {
        let parsed = Authority::parse(after);
        assert_eq!(
            parsed.as_ref().map(|parsed| parsed.as_str().as_bytes()),
            Ok(after),
            "{arrival:?}"
        );
    }
}

/// A request for a private host is not forwarded, in any spelling that a parser behind the gateway
/// may understand. Nor is a request whose own host became a private one by shortening. Requests
/// that a health check matches are not checked, because it ends the decision before private hosts.
///
/// # Panics
/// When one is reached.
pub fn a_private_host_is_not_reachable(document: &Document, arrival: &Arrival, carried: &Carried) {
    let Some(upstream) = carried.upstream.as_deref().filter(|_| carried.health_check().is_none())
    else {
        return;
    };
    let private = |raw: &[u8]| readings::of(raw).into_iter().find(|host| document.is_private(host));
    let sent = authority_of(&arrival.headers);
    assert_eq!(
        private(sent),
        None,
        "{} goes on as {}",
        sent.escape_ascii(),
        authority_of(upstream).escape_ascii()
    );
    let by_policy = matches!(
        carried.steps.last(),
        Some(Step::Upstream { from: Origin::Mapping | Origin::Environment, .. })
    );
    if !by_policy {
        assert_eq!(private(authority_of(upstream)), None, "{} became private", sent.escape_ascii());
    }
}

/// A client's own value of a guarded header, in any spelling of its name, makes no difference: the
/// upstream receives the same as without it, one value at most, and no other spelling. A health
/// check that passes a request leaves it as it came.
///
/// # Panics
/// When a client's value makes a difference.
pub fn no_hint_survives_from_the_client(
    document: &Document,
    policy: &Policy,
    arrival: &Arrival,
    carried: &Carried,
) {
    if carried.health_check().is_some_and(|name| document.passes(name)) {
        return;
    }
    let guarded = document.guarded();
    let is_guarded = |name: &[u8]| guarded.iter().any(|known| is_spelling_of(known, name));
    let mut honest = arrival.clone();
    honest.headers.retain(|(name, _)| !is_guarded(name));
    let honest = carry_out(policy, &honest);
    assert_eq!(
        sorted(carried.upstream.as_deref()),
        sorted(honest.upstream.as_deref()),
        "{arrival:?}"
    );
    assert_eq!(carried.reply, honest.reply, "{arrival:?}");
    for name in guarded {
        let upstream = carried.upstream.as_deref().unwrap_or_default();
        let count = values(upstream, &name).len();
        assert!(count <= 1, "{name} has {count} values: {arrival:?}");
        for (other, _) in upstream.iter().filter(|(other, _)| is_spelling_of(&name, other)) {
            let other = String::from_utf8_lossy(other);
            assert_eq!(other, name, "a form of {name} arrives: {arrival:?}");
        }
    }
}

/// The headers in sorted order, because the order of different headers has no meaning.
fn sorted(headers: Option<&[Header]>) -> Option<Vec<Header>> {
    let mut headers = headers?.to_vec();
    headers.sort();
    Some(headers)
}

/// If the policy rewrites nothing, a request that went through the gateway goes through it a second
/// time unchanged.
///
/// # Panics
/// When it changes again.
pub fn normalisation_is_idempotent(
    document: &Document,
    policy: &Policy,
    arrival: &Arrival,
    carried: &Carried,
) {
    let Some(upstream) = carried.upstream.as_ref().filter(|_| !document.rewrites()) else { return };
    let again = Arrival { headers: upstream.clone(), source: arrival.source };
    let again = carry_out(policy, &again);
    assert!(again.unchanged, "{arrival:?} changes twice: {:?}, {:?}", again.upstream, again.reply);
}

/// A reply has a valid HTTP status, and details that name a rule of the gateway.
///
/// # Panics
/// When it does not.
pub fn a_reply_names_its_rule(carried: &Carried) {
    let Some(reply) = &carried.reply else { return };
    assert!((200..=599).contains(&reply.status), "{reply:?}");
    assert!(
        reply.details.starts_with("gatepost.") && !reply.details.contains(char::is_whitespace),
        "{reply:?}"
    );
    assert!(reply.grpc_status.is_none_or(|status| status <= 16), "{reply:?}");
}
