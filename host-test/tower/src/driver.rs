//! The task of a pooled worker: it runs the guests' timers when they are due, and sends their
//! callouts. It ends with the worker.

use std::collections::HashMap;
use std::sync::{Arc, Weak};
use std::time::Duration;

use gatepost_host::{Callout, CalloutAnswer, CalloutId, CalloutKind, CalloutRequest, Clock};
use tokio::sync::{Notify, Semaphore, mpsc};
use tokio::task::{AbortHandle, JoinSet};

use crate::call::{self, Caller};
use crate::callout::{Callouts, Outgoing};
use crate::grpc;
use crate::pooled_worker::PooledWorker;

/// How many messages of one gRPC stream may wait to be sent. The stream of a guest that sends more
/// fails.
const MAX_MESSAGES: usize = 1024;

/// How many bytes of messages may wait, of all streams of a worker. The stream of the guest that
/// sends more fails.
const MAX_MESSAGE_BYTES: usize = 64 << 20;

/// What the task needs.
pub(crate) struct Driver {
    pub(crate) worker: Weak<PooledWorker>,
    pub(crate) alarm: Arc<Notify>,
    pub(crate) clock: Arc<dyn Clock>,
    pub(crate) callouts: Arc<dyn Callouts>,
    /// How many bytes an answer may have.
    pub(crate) max_bytes: usize,
}

/// A callout that has been sent.
struct Sent {
    task: AbortHandle,
    /// Takes the messages of a gRPC stream until the guest has closed its side.
    messages: Option<mpsc::Sender<Outgoing>>,
}

/// Puts a message among those that wait to be sent; false if it has no room.
fn enqueue(messages: &mpsc::Sender<Outgoing>, room: &Arc<Semaphore>, message: &[u8]) -> bool {
    let frame = grpc::frame(message);
    u32::try_from(frame.len())
        .ok()
        .and_then(|bytes| Arc::clone(room).try_acquire_many_owned(bytes).ok())
        .is_some_and(|room| messages.try_send(Outgoing { frame, _room: room }).is_ok())
}

impl Driver {
    pub(crate) async fn run(self) {
        // Dropping the set ends every call in it.
        let mut calls = JoinSet::new();
        let mut sent: HashMap<CalloutId, Sent> = HashMap::new();
        let room = Arc::new(Semaphore::new(MAX_MESSAGE_BYTES));
        loop {
            let next = {
                let Some(worker) = self.worker.upgrade() else { return };
                let turn = worker.turn();
                for callout in turn.callouts {
                    self.send(callout, &mut calls, &mut sent, &room);
                }
                if turn.may_have_lapsed {
                    sent.retain(|id, sent| {
                        let is_wanted = !sent.task.is_finished() && worker.awaits(*id);
                        if !is_wanted {
                            sent.task.abort();
                        }
                        is_wanted
                    });
                }
                turn.next
            };
            tokio::select! {
                () = self.alarm.notified() => {}
                () = self.sleep(next) => {}
                Some(ended) = calls.join_next() => match ended {
                    Ok(id) => drop(sent.remove(&id)),
                    Err(_) => sent.retain(|_, sent| !sent.task.is_finished()),
                },
            }
        }
    }

    async fn sleep(&self, next: Option<u64>) {
        match next {
            Some(next) => {
                tokio::time::sleep(Duration::from_nanos(
                    next.saturating_sub(self.clock.monotonic_nanos()),
                ))
                .await;
            }
            None => std::future::pending().await,
        }
    }

    fn send(
        &self,
        callout: Callout,
        calls: &mut JoinSet<CalloutId>,
        sent: &mut HashMap<CalloutId, Sent>,
        room: &Arc<Semaphore>,
    ) {
        let Callout { id, request, .. } = callout;
        let worker = Weak::clone(&self.worker);
        let caller = Caller { worker, id, max_bytes: self.max_bytes };
        match request {
            CalloutRequest::GrpcSend { message, end_stream } => {
                let Some(sent) = sent.get_mut(&id) else { return };
                let Some(messages) = &sent.messages else { return };
                if !enqueue(messages, room, &message) && !sent.task.is_finished() {
                    sent.task.abort();
                    caller.answer(CalloutAnswer::Failed);
                } else if end_stream {
                    sent.messages = None;
                }
            }
            CalloutRequest::GrpcClose => {
                if let Some(sent) = sent.get_mut(&id) {
                    sent.messages = None;
                }
            }
            CalloutRequest::GrpcCancel => {
                if let Some(sent) = sent.remove(&id) {
                    sent.task.abort();
                }
            }
            request => {
                let (messages, received) = mpsc::channel(MAX_MESSAGES);
                let call = call::run(caller, Arc::clone(&self.callouts), request, received);
                let task = calls.spawn(async move {
                    call.await;
                    id
                });
                let messages = (id.token().kind() == CalloutKind::GrpcStream).then_some(messages);
                sent.insert(id, Sent { task, messages });
            }
        }
    }
}
