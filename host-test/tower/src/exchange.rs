//! An exchange on a pooled worker: what the client's side and the upstream's side do with it. The
//! exchange ends when the client's side is dropped.

#[cfg(test)]
mod tests;

use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::task::Waker;

use gatepost_host::{Direction, ExchangeId, LocalReplySent, Part, StreamInfo};

use crate::pooled_worker::{Entry, PooledWorker, State};

/// What the reader of a message has to do next.
pub(crate) enum Next {
    /// Take this part.
    Part(Part),
    /// Nothing more: the message is complete.
    End,
    /// Nothing more: the message will never be complete.
    Reset,
    /// Read the source: the chain wants more of the message.
    Wants,
    /// Wait: the chain cannot take more of the message.
    HoldsBack,
}

/// Keeps the entry of an exchange on its worker.
#[derive(Debug)]
struct Handle {
    worker: Arc<PooledWorker>,
    id: ExchangeId,
}

impl Handle {
    fn feed(&self, direction: Direction, part: Part) {
        self.worker.act(Some((self.id, direction)), |state| match direction {
            Direction::Request => state.worker.request(self.id, part),
            Direction::Response => state.worker.response(self.id, part),
        });
    }

    /// What the reader of a message has to do next. The waker is kept when it has to wait.
    fn next(&self, direction: Direction, waker: &Waker) -> Next {
        let mut state = self.worker.lock();
        let State { worker, entries, .. } = &mut *state;
        let Some(message) =
            entries.get_mut(&self.id).map(|entry| &mut entry.messages[direction as usize])
        else {
            return Next::Reset;
        };
        // An upstream has no use for part of a request; a client may read part of a response.
        if message.is_reset && direction == Direction::Request {
            return Next::Reset;
        }
        if let Some(part) = message.parts.pop_front() {
            return Next::Part(part);
        }
        if message.is_reset {
            return Next::Reset;
        }
        if message.has_end {
            return Next::End;
        }
        match &mut message.waker {
            Some(kept) => kept.clone_from(waker),
            none => *none = Some(waker.clone()),
        }
        message.is_held_back = worker.holds_back(self.id, direction);
        if message.is_held_back { Next::HoldsBack } else { Next::Wants }
    }
}

impl Drop for Handle {
    fn drop(&mut self) {
        let mut state = self.worker.lock();
        let Some(entry) = state.entries.get_mut(&self.id) else { return };
        entry.handles -= 1;
        if entry.handles == 0 {
            let entry = state.entries.remove(&self.id);
            drop(state);
            // Dropping its parts may run foreign code, which must not run under the lock.
            drop(entry);
        }
    }
}

/// The client's side of an exchange.
#[derive(Debug)]
pub(crate) struct Exchange {
    handle: Handle,
}

impl Exchange {
    pub(crate) fn open(worker: &Arc<PooledWorker>, info: StreamInfo) -> Self {
        worker.open.fetch_add(1, Ordering::Relaxed);
        let id = worker.act(None, |state| {
            let id = state.worker.open(info);
            state.entries.insert(id, Entry { handles: 1, ..Entry::default() });
            id
        });
        Self { handle: Handle { worker: Arc::clone(worker), id } }
    }

    /// Shows a part of a message to the plugins.
    pub(crate) fn feed(&self, direction: Direction, part: Part) {
        self.handle.feed(direction, part);
    }

    /// What the reader of a message has to do next.
    pub(crate) fn next(&self, direction: Direction, waker: &Waker) -> Next {
        self.handle.next(direction, waker)
    }

    /// Answers instead of the upstream.
    pub(crate) fn reply(&self, status: u16, body: &str, details: &str) {
        let by = Some((self.handle.id, Direction::Response));
        self.handle
            .worker
            .act(by, |state| state.worker.reply(self.handle.id, status, body, details));
    }

    pub(crate) fn upstream_reset(&self, reason: &str) {
        let by = Some((self.handle.id, Direction::Response));
        self.handle.worker.act(by, |state| state.worker.upstream_reset(self.handle.id, reason));
    }

    pub(crate) fn local_reply(&self) -> Option<LocalReplySent> {
        self.handle.worker.lock().worker.local_reply(self.handle.id).cloned()
    }

    pub(crate) fn route_cache_cleared(&self) -> bool {
        self.handle
            .worker
            .lock()
            .entries
            .get(&self.handle.id)
            .is_some_and(|entry| entry.route_cache_cleared)
    }

    /// The upstream's side, to be kept while the upstream reads the request.
    pub(crate) fn upstream_side(&self) -> UpstreamSide {
        if let Some(entry) = self.handle.worker.lock().entries.get_mut(&self.handle.id) {
            entry.handles += 1;
        }
        UpstreamSide {
            handle: Handle { worker: Arc::clone(&self.handle.worker), id: self.handle.id },
        }
    }
}

/// The client has its whole response, or has gone away.
impl Drop for Exchange {
    fn drop(&mut self) {
        let Handle { worker, id } = &self.handle;
        worker.act(None, |state| {
            let mut wakers = Vec::new();
            state.worker.client_reset(*id);
            state.collect(*id, None, &mut wakers);
            state.worker.close(*id);
            if let Some(request) = state
                .entries
                .get_mut(id)
                .map(|entry| &mut entry.messages[Direction::Request as usize])
                && !request.has_end
            {
                request.is_reset = true;
                wakers.extend(request.waker.take());
            }
            // A waker only makes a task ready; it does not run it.
            wakers.into_iter().for_each(Waker::wake);
        });
        worker.open.fetch_sub(1, Ordering::Relaxed);
    }
}

/// The upstream's side of an exchange.
#[derive(Debug)]
pub(crate) struct UpstreamSide {
    handle: Handle,
}

impl UpstreamSide {
    pub(crate) fn feed(&self, part: Part) {
        self.handle.feed(Direction::Request, part);
    }

    pub(crate) fn next(&self, waker: &Waker) -> Next {
        self.handle.next(Direction::Request, waker)
    }
}
