//! The callouts that a worker hands out.

use std::sync::Arc;

use crate::callout::{CalloutRequest, CalloutToken};

/// Identifies one callout of one worker while it is open.
///
/// ```
/// # use gatepost_host_fixtures::*;
/// # let mut worker = worker("auth");
/// # let request = Message::new(request());
/// # let id = worker.open(StreamInfo::default());
/// # worker.request(id, request.into_parts().next().unwrap());
/// let callout = worker.callouts().remove(0);
/// assert_eq!(callout.id.token().kind(), CalloutKind::Http);
/// assert!(worker.answer(callout.id, CalloutAnswer::Failed));
/// assert!(!worker.answer(callout.id, CalloutAnswer::Failed)); // it was answered
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct CalloutId {
    /// The number of the VM, and its generation: a rebuilt VM waits for no callout.
    pub(super) vm: usize,
    pub(super) generation: u32,
    pub(super) token: CalloutToken,
}

impl CalloutId {
    /// The kind of the call, and the number that the guest knows.
    #[must_use]
    pub fn token(self) -> CalloutToken {
        self.token
    }
}

/// A request that a guest of a worker wants sent.
///
/// ```
/// use gatepost_host::{CalloutAnswer, CalloutRequest, Event, Headers, Part, StreamInfo};
/// # use gatepost_host_fixtures::*;
/// # let mut worker = worker("auth");
/// # let mut headers = request();
///
/// // This guest makes a call to the cluster `auth` for each request, and waits.
/// let id = worker.open(StreamInfo::default());
/// worker.request(id, Part::Headers { headers, end_stream: true });
/// assert_eq!(worker.next(id), None);
/// for callout in worker.callouts() {
///     let CalloutRequest::Http { cluster, .. } = &callout.request else { continue };
///     assert_eq!((&*callout.plugin, cluster.as_str()), ("auth", "auth"));
///     let answer = CalloutAnswer::http(Headers::response([(":status", "200")]), "ok");
///     worker.answer(callout.id, answer);
/// }
/// assert!(matches!(worker.next(id), Some(Event::Request(_))));
/// ```
#[derive(Clone, Debug, PartialEq)]
pub struct Callout {
    /// Names the callout in its answers.
    pub id: CalloutId,
    /// The plugin whose guest called.
    pub plugin: Arc<str>,
    /// The request.
    pub request: CalloutRequest,
}
