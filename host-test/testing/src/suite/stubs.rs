//! Finds the stub that answers a plugin's call, and makes its answers. When they arrive is decided
//! in `drive.rs`.

use std::collections::HashMap;
use std::time::Duration;

use bytes::Bytes;
use gatepost_host::{CalloutAnswer, CalloutId, CalloutRequest, HeaderScope, Headers};
use serde_saphyr::Spanned;

use super::content::{self, Missing};
use super::model::{Callout, CalloutReply, GrpcReply};
use super::observed::Called;
use super::read::Suite;
use super::values::HeaderList;

/// The stubs of a test, and how often each has answered.
pub(super) struct Stubs<'a> {
    stubs: Vec<Stub<'a>>,
    /// The stub that answers each open gRPC stream.
    streams: HashMap<CalloutId, usize>,
}

struct Stub<'a> {
    fits: &'a Callout,
    used: u32,
    answer: Answer,
}

/// A stub's answer, with the contents of the files that it names.
enum Answer {
    Http { headers: Headers, body: Bytes, trailers: Headers },
    Grpc { initial: Headers, message: Option<Bytes>, trailing: Headers, status: u32, text: String },
    Unreachable,
    Nothing,
}

/// A call, or a further message on a stream, with its answers.
pub(super) struct Answers {
    /// The call, when it is a new one.
    pub(super) called: Option<Called>,
    /// The answers, and after how long they arrive; `None` when no stub fits.
    pub(super) answers: Option<(Duration, Vec<CalloutAnswer>)>,
}

impl<'a> Stubs<'a> {
    pub(super) fn new(suite: &Suite, callouts: &'a [Spanned<Callout>]) -> Result<Self, Missing> {
        let stub = |callout: &'a Spanned<Callout>| {
            Ok(Stub { fits: &callout.value, used: 0, answer: Answer::new(suite, &callout.value)? })
        };
        Ok(Self {
            stubs: callouts.iter().map(stub).collect::<Result<_, _>>()?,
            streams: HashMap::new(),
        })
    }

    /// The answers to something that a plugin wants sent.
    pub(super) fn take(&mut self, id: CalloutId, request: &CalloutRequest) -> Answers {
        if let Some(called) = called(request) {
            let answers = self.find(&called, request).map(|at| self.begin(at, id, request));
            return Answers { called: Some(called), answers };
        }
        let answers = match request {
            CalloutRequest::GrpcSend { end_stream, .. } => self.go_on(id, true, *end_stream),
            CalloutRequest::GrpcClose => self.go_on(id, false, true),
            _ => {
                self.streams.remove(&id);
                (Duration::ZERO, Vec::new())
            }
        };
        Answers { called: None, answers: Some(answers) }
    }

    fn find(&self, called: &Called, request: &CalloutRequest) -> Option<usize> {
        let is_http = matches!(request, CalloutRequest::Http { .. });
        self.stubs.iter().position(|stub| {
            let Callout { cluster, path, method, headers, times, .. } = stub.fits;
            let kind = match stub.answer {
                Answer::Http { .. } => is_http,
                Answer::Grpc { .. } => !is_http,
                Answer::Unreachable | Answer::Nothing => true,
            };
            kind && times.is_none_or(|times| stub.used < times)
                && cluster
                    .as_ref()
                    .is_none_or(|cluster| cluster.matches(Some(called.cluster.as_bytes())))
                && path.as_ref().is_none_or(|path| path.matches(Some(called.path.as_bytes())))
                && method.as_ref().is_none_or(|method| {
                    method.matches(Some(called.headers.get(":method").unwrap_or(b"POST")))
                })
                && headers.iter().all(|(name, matcher)| {
                    matcher.matches(called.headers.joined(name.as_bytes()).as_deref())
                })
        })
    }

    fn begin(
        &mut self,
        at: usize,
        id: CalloutId,
        request: &CalloutRequest,
    ) -> (Duration, Vec<CalloutAnswer>) {
        let stub = &mut self.stubs[at];
        stub.used += 1;
        let is_stream = matches!(request, CalloutRequest::GrpcStream { .. });
        let answers = match &stub.answer {
            Answer::Http { headers, body, trailers } => {
                vec![CalloutAnswer::Http {
                    headers: headers.clone(),
                    body: body.clone(),
                    trailers: trailers.clone(),
                }]
            }
            Answer::Grpc { initial, status, .. } if is_stream => {
                self.streams.insert(id, at);
                let mut answers = vec![CalloutAnswer::GrpcInitialMetadata(initial.clone())];
                if *status != 0 {
                    answers.extend(stub.answer.end());
                }
                answers
            }
            Answer::Grpc { message, status: 0, .. } => {
                vec![CalloutAnswer::GrpcMessage(message.clone().unwrap_or_default())]
            }
            Answer::Grpc { status, text, .. } => {
                vec![CalloutAnswer::GrpcClose { status: *status, message: of_upstream(text) }]
            }
            Answer::Unreachable if matches!(request, CalloutRequest::Http { .. }) => {
                vec![CalloutAnswer::unreachable()]
            }
            Answer::Unreachable => CalloutAnswer::grpc_unreachable(id.token().kind()),
            Answer::Nothing => Vec::new(),
        };
        (stub.fits.delay.0, answers)
    }

    /// The guest sends on a stream: each message is answered with one message, and the end of the
    /// stream with its end.
    fn go_on(
        &mut self,
        id: CalloutId,
        is_message: bool,
        is_end: bool,
    ) -> (Duration, Vec<CalloutAnswer>) {
        let Some(stub) = self.streams.get(&id).and_then(|at| self.stubs.get(*at)) else {
            return (Duration::ZERO, Vec::new());
        };
        let mut answers = Vec::new();
        if let Answer::Grpc { message: Some(message), status: 0, .. } = &stub.answer
            && is_message
        {
            answers.push(CalloutAnswer::GrpcMessage(message.clone()));
        }
        if is_end && !matches!(stub.answer, Answer::Grpc { status: 1.., .. }) {
            answers.extend(stub.answer.end());
        }
        (stub.fits.delay.0, answers)
    }
}

impl Answer {
    fn new(suite: &Suite, callout: &Callout) -> Result<Self, Missing> {
        let all = |body| content::whole(suite, body);
        Ok(match callout {
            Callout { reply: Some(CalloutReply { status, headers, body, trailers }), .. } => {
                let body = body.as_ref().map(all).transpose()?.unwrap_or_default();
                let status = [(":status".to_owned(), status.to_string())];
                Self::Http {
                    headers: Headers::response(
                        status.iter().chain(&headers.0).map(|(name, value)| (name, value)),
                    ),
                    body,
                    trailers: map(HeaderScope::ResponseTrailers, trailers),
                }
            }
            Callout { grpc: Some(grpc), .. } => {
                let GrpcReply {
                    initial_metadata,
                    message,
                    trailing_metadata,
                    status,
                    status_message,
                } = grpc;
                let own = [(":status", "200"), ("content-type", "application/grpc")]
                    .map(|(name, value)| (name.to_owned(), value.to_owned()));
                let last = [("grpc-status".to_owned(), status.to_string())];
                let initial =
                    own.iter().chain(&initial_metadata.0).map(|(name, value)| (name, value));
                let trailing =
                    last.iter().chain(&trailing_metadata.0).map(|(name, value)| (name, value));
                Self::Grpc {
                    initial: Headers::response(initial),
                    message: message.as_ref().map(all).transpose()?,
                    trailing: Headers::collect(HeaderScope::ResponseTrailers, trailing),
                    status: *status,
                    text: status_message.clone(),
                }
            }
            Callout { fail: true, .. } => Self::Unreachable,
            Callout { .. } => Self::Nothing,
        })
    }

    /// The answers that end a stream.
    fn end(&self) -> Vec<CalloutAnswer> {
        let Self::Grpc { trailing, status, text, .. } = self else { return Vec::new() };
        // Envoy's guests get the status, and the reason for the end of the stream instead of the
        // other side's message.
        let message = if *status == 0 { "via_upstream".to_owned() } else { of_upstream(text) };
        vec![
            CalloutAnswer::GrpcTrailingMetadata(trailing.clone()),
            CalloutAnswer::GrpcClose { status: *status, message },
        ]
    }
}

/// A status message that came from the other side, as Envoy's guests get it.
fn of_upstream(text: &str) -> String {
    format!("{text}{{via_upstream}}")
}

pub(super) fn map(scope: HeaderScope, list: &HeaderList) -> Headers {
    Headers::collect(scope, list.0.iter().map(|(name, value)| (name, value)))
}

/// The call that a request begins; `None` for a further message of a stream.
fn called(request: &CalloutRequest) -> Option<Called> {
    Some(match request {
        CalloutRequest::Http { cluster, headers, body, .. } => Called {
            cluster: cluster.clone(),
            path: String::from_utf8_lossy(headers.get(":path").unwrap_or_default()).into_owned(),
            headers: headers.clone(),
            body: body.clone(),
        },
        CalloutRequest::GrpcCall {
            service,
            service_name,
            method_name,
            initial_metadata,
            message,
            ..
        } => Called {
            cluster: service.target.clone(),
            path: format!("/{service_name}/{method_name}"),
            headers: initial_metadata.clone(),
            body: message.clone(),
        },
        CalloutRequest::GrpcStream { service, service_name, method_name, initial_metadata } => {
            Called {
                cluster: service.target.clone(),
                path: format!("/{service_name}/{method_name}"),
                headers: initial_metadata.clone(),
                body: Bytes::new(),
            }
        }
        CalloutRequest::GrpcSend { .. }
        | CalloutRequest::GrpcClose
        | CalloutRequest::GrpcCancel => return None,
    })
}
