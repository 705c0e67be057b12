//! One worker of a pool and the exchanges that are pinned to it. Its lock is held while guests run
//! and never while anything is awaited; tasks that wait for an exchange are woken when something
//! was done to it, by whomever.

#[cfg(test)]
mod tests;

use std::collections::{HashMap, VecDeque};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, TryLockError};
use std::task::{Wake, Waker};

use foldhash::fast::RandomState;
use gatepost_host::{
    Callout, CalloutAnswer, CalloutId, Direction, Event, ExchangeId, LocalReplySent, Part,
    StreamInfo, Worker,
};
use tokio::sync::Notify;

use crate::pool::OnTrap;

pub(crate) struct Seat {
    state: Mutex<State>,
    /// Wakes the task that sends callouts and runs timers. It outlives the seat, so that the task
    /// learns of its end.
    alarm: Arc<Notify>,
    open: AtomicUsize,
    on_trap: Option<OnTrap>,
}

struct State {
    worker: Worker,
    entries: HashMap<ExchangeId, Entry, RandomState>,
    /// Callouts that the task has not taken yet.
    outbox: Vec<Callout>,
    /// When the task wakes by itself, on the host's monotonic clock.
    sleeps_until: u64,
    /// A callout may have timed out, or lost its guest, since the task last looked.
    may_have_lapsed: bool,
}

/// An exchange as its two sides see it: who reads the request behind the chain, and who reads the
/// response before it.
#[derive(Default)]
struct Entry {
    sides: [Side; 2],
    route_cache_cleared: bool,
    /// How many still hold it.
    handles: u8,
}

#[derive(Default)]
struct Side {
    parts: VecDeque<Part>,
    waker: Option<Waker>,
    /// It stopped reading its source, because a plugin holds too much.
    is_held_back: bool,
    /// The last part has come.
    has_end: bool,
    /// No more comes, although the message has not ended.
    is_reset: bool,
}

/// What there is for a side to do.
pub(crate) enum Next {
    /// This goes on.
    Part(Part),
    /// The message is whole.
    End,
    /// It will never be whole.
    Reset,
    /// Nothing yet: the chain wants more of the message.
    Wants,
    /// Nothing yet, and the chain cannot take more of the message.
    HoldsBack,
}

/// A new alarm time of the task, and what it shall send.
pub(crate) struct Turn {
    pub(crate) callouts: Vec<Callout>,
    /// On the host's monotonic clock; none is for ever.
    pub(crate) next: Option<u64>,
    /// Guests may no longer wait for callouts that were sent.
    pub(crate) may_have_lapsed: bool,
}

impl Seat {
    pub(crate) fn new(mut worker: Worker, alarm: Arc<Notify>, on_trap: Option<OnTrap>) -> Self {
        worker.wake_on_queue_items(Waker::from(Arc::new(Ring(Arc::clone(&alarm)))));
        let state = State {
            worker,
            entries: HashMap::default(),
            outbox: Vec::new(),
            sleeps_until: 0,
            may_have_lapsed: false,
        };
        Self { state: Mutex::new(state), alarm, open: AtomicUsize::new(0), on_trap }
    }

    /// How many exchanges are open.
    pub(crate) fn open_count(&self) -> usize {
        self.open.load(Ordering::Relaxed)
    }

    /// Whether a thread acts on it now.
    pub(crate) fn is_at_work(&self) -> bool {
        matches!(self.state.try_lock(), Err(TryLockError::WouldBlock))
    }

    pub(crate) fn open(self: &Arc<Self>, info: StreamInfo) -> Exchange {
        self.open.fetch_add(1, Ordering::Relaxed);
        let id = self.act(None, |state| {
            let id = state.worker.open(info);
            state.entries.insert(id, Entry { handles: 1, ..Entry::default() });
            id
        });
        Exchange { handle: Handle { seat: Arc::clone(self), id } }
    }

    /// Runs what is due and hands over what is to be sent.
    pub(crate) fn turn(&self) -> Turn {
        self.act(None, |state| {
            // What waits in a queue is due now, so the clock is asked afterwards.
            let due = state.worker.next_timer();
            if due.is_some_and(|due| due <= state.worker.host().clock.monotonic_nanos()) {
                state.may_have_lapsed = true;
                state.worker.run_timers();
            }
        });
        let mut state = self.lock();
        let next = state.worker.next_timer();
        state.sleeps_until = next.unwrap_or(u64::MAX);
        let may_have_lapsed = std::mem::take(&mut state.may_have_lapsed);
        Turn { callouts: std::mem::take(&mut state.outbox), next, may_have_lapsed }
    }

    pub(crate) fn answer(&self, id: CalloutId, answer: CalloutAnswer) {
        self.act(None, |state| state.worker.answer(id, answer));
    }

    pub(crate) fn awaits(&self, id: CalloutId) -> bool {
        self.lock().worker.awaits(id)
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Does something to the worker and then whatever follows from it. `by` is not woken: it looks
    /// itself.
    fn act<T>(&self, by: Option<(ExchangeId, Direction)>, act: impl FnOnce(&mut State) -> T) -> T {
        let mut wakers = Vec::new();
        let mut state = self.lock();
        let result = act(&mut state);
        let rings = state.settle(by, &mut wakers);
        let errors = state.worker.errors();
        if !errors.is_empty() {
            state.may_have_lapsed = true;
        }
        drop(state);
        if rings || !errors.is_empty() {
            self.alarm.notify_one();
        }
        wakers.into_iter().for_each(Waker::wake);
        if let Some(on_trap) = &self.on_trap {
            errors.iter().for_each(|error| on_trap(error));
        }
        result
    }
}

/// Wakes the task when the guests of another worker have put something into a queue of these.
struct Ring(Arc<Notify>);

impl Wake for Ring {
    fn wake(self: Arc<Self>) {
        self.0.notify_one();
    }
}

/// The task must not wait for a timer to learn that there is nothing left to do.
impl Drop for Seat {
    fn drop(&mut self) {
        self.alarm.notify_one();
    }
}

impl State {
    /// Whether the task has something to do that it does not know of.
    fn settle(&mut self, by: Option<(ExchangeId, Direction)>, wakers: &mut Vec<Waker>) -> bool {
        for id in self.worker.moved() {
            self.collect(id, by.filter(|by| by.0 == id).map(|by| by.1), wakers);
        }
        if let Some((id, direction)) = by {
            self.collect(id, Some(direction), wakers);
        }
        let callouts = self.worker.callouts();
        let mut rings = !callouts.is_empty();
        self.outbox.extend(callouts);
        let next = self.worker.next_timer().unwrap_or(u64::MAX);
        if next < self.sleeps_until {
            self.sleeps_until = next;
            rings = true;
        }
        rings
    }

    /// Sorts what has left the chain by who waits for it.
    fn collect(&mut self, id: ExchangeId, by: Option<Direction>, wakers: &mut Vec<Waker>) {
        let Self { worker, entries, .. } = self;
        let Some(entry) = entries.get_mut(&id) else { return };
        let mut changed = [false; 2];
        while let Some(event) = worker.next(id) {
            let (direction, part) = match event {
                Event::RouteCacheCleared => {
                    entry.route_cache_cleared = true;
                    continue;
                }
                Event::Request(part) => (Direction::Request, Some(part)),
                Event::RequestReset => (Direction::Request, None),
                Event::Response(part) => (Direction::Response, Some(part)),
                Event::ResponseReset => (Direction::Response, None),
            };
            changed[direction as usize] = true;
            let side = &mut entry.sides[direction as usize];
            match part {
                Some(part) => {
                    side.has_end |= part.end_stream();
                    side.parts.push_back(part);
                }
                None => side.is_reset = true,
            }
        }
        let response = &mut entry.sides[Direction::Response as usize];
        if worker.is_over(id) && !response.has_end && !response.is_reset {
            response.is_reset = true;
            changed[Direction::Response as usize] = true;
        }
        for direction in [Direction::Request, Direction::Response] {
            let side = &mut entry.sides[direction as usize];
            if side.is_held_back && !worker.holds_back(id, direction) {
                side.is_held_back = false;
                changed[direction as usize] = true;
            }
            if changed[direction as usize] && by != Some(direction) {
                wakers.extend(side.waker.take());
            }
        }
    }
}

/// One of those who hold an exchange.
#[derive(Debug)]
struct Handle {
    seat: Arc<Seat>,
    id: ExchangeId,
}

impl std::fmt::Debug for Seat {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Seat").field("open", &self.open_count()).finish_non_exhaustive()
    }
}

impl Handle {
    fn feed(&self, direction: Direction, part: Part) {
        self.seat.act(Some((self.id, direction)), |state| match direction {
            Direction::Request => state.worker.request(self.id, part),
            Direction::Response => state.worker.response(self.id, part),
        });
    }

    /// What there is to do; the waker is kept when it is nothing.
    fn next(&self, direction: Direction, waker: &Waker) -> Next {
        let mut state = self.seat.lock();
        let State { worker, entries, .. } = &mut *state;
        let Some(side) =
            entries.get_mut(&self.id).map(|entry| &mut entry.sides[direction as usize])
        else {
            return Next::Reset;
        };
        // What the upstream has got so far is of no use to it; what the client has got it has.
        if side.is_reset && direction == Direction::Request {
            return Next::Reset;
        }
        if let Some(part) = side.parts.pop_front() {
            return Next::Part(part);
        }
        if side.is_reset {
            return Next::Reset;
        }
        if side.has_end {
            return Next::End;
        }
        match &mut side.waker {
            Some(kept) => kept.clone_from(waker),
            none => *none = Some(waker.clone()),
        }
        side.is_held_back = worker.holds_back(self.id, direction);
        if side.is_held_back { Next::HoldsBack } else { Next::Wants }
    }
}

impl Drop for Handle {
    fn drop(&mut self) {
        let mut state = self.seat.lock();
        let Some(entry) = state.entries.get_mut(&self.id) else { return };
        entry.handles -= 1;
        if entry.handles == 0 {
            let entry = state.entries.remove(&self.id);
            drop(state);
            // Its parts may have owners whose end is not ours to wait for under the lock.
            drop(entry);
        }
    }
}

/// The client's side of an exchange, which it ends with.
#[derive(Debug)]
pub(crate) struct Exchange {
    handle: Handle,
}

impl Exchange {
    pub(crate) fn feed(&self, direction: Direction, part: Part) {
        self.handle.feed(direction, part);
    }

    pub(crate) fn next(&self, direction: Direction, waker: &Waker) -> Next {
        self.handle.next(direction, waker)
    }

    /// Answers in the upstream's place.
    pub(crate) fn reply(&self, status: u16, body: &str, details: &str) {
        let by = Some((self.handle.id, Direction::Response));
        self.handle.seat.act(by, |state| state.worker.reply(self.handle.id, status, body, details));
    }

    pub(crate) fn upstream_reset(&self, reason: &str) {
        let by = Some((self.handle.id, Direction::Response));
        self.handle.seat.act(by, |state| state.worker.upstream_reset(self.handle.id, reason));
    }

    pub(crate) fn local_reply(&self) -> Option<LocalReplySent> {
        self.handle.seat.lock().worker.local_reply(self.handle.id).cloned()
    }

    pub(crate) fn route_cache_cleared(&self) -> bool {
        self.handle
            .seat
            .lock()
            .entries
            .get(&self.handle.id)
            .is_some_and(|entry| entry.route_cache_cleared)
    }

    /// The upstream's side, for as long as it reads the request.
    pub(crate) fn upstream_side(&self) -> UpstreamSide {
        if let Some(entry) = self.handle.seat.lock().entries.get_mut(&self.handle.id) {
            entry.handles += 1;
        }
        UpstreamSide { handle: Handle { seat: Arc::clone(&self.handle.seat), id: self.handle.id } }
    }
}

/// The client has its response, or went away.
impl Drop for Exchange {
    fn drop(&mut self) {
        let Handle { seat, id } = &self.handle;
        seat.act(None, |state| {
            let mut wakers = Vec::new();
            state.worker.client_reset(*id);
            state.collect(*id, None, &mut wakers);
            state.worker.close(*id);
            if let Some(request) =
                state.entries.get_mut(id).map(|entry| &mut entry.sides[Direction::Request as usize])
                && !request.has_end
            {
                request.is_reset = true;
                wakers.extend(request.waker.take());
            }
            // A waker only makes a task ready; it does not run it.
            wakers.into_iter().for_each(Waker::wake);
        });
        seat.open.fetch_sub(1, Ordering::Relaxed);
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
