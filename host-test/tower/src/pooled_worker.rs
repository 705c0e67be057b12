//! A worker of the pool behind a lock, and what has left its chain for each open exchange. The lock
//! is held while guests run and never while anything is awaited. Tasks that wait for an exchange
//! are woken when something was done to it.

use std::collections::{HashMap, VecDeque};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, TryLockError};
use std::task::{Wake, Waker};

use foldhash::fast::RandomState;
use gatepost_host::{
    CallError, Callout, CalloutAnswer, CalloutId, Direction, Event, ExchangeId, Part, Worker,
};
use tokio::sync::Notify;

/// Called for each trap of a guest.
pub type OnTrap = Arc<dyn Fn(&CallError) + Send + Sync>;

/// A worker, the exchanges on it, and what wakes its driver.
pub(crate) struct PooledWorker {
    state: Mutex<State>,
    /// Wakes the task that sends callouts and runs timers. It outlives the worker, so that the task
    /// learns that the worker is gone.
    alarm: Arc<Notify>,
    /// How many exchanges are open.
    pub(crate) open: AtomicUsize,
    on_trap: Option<OnTrap>,
}

/// What the lock protects.
pub(crate) struct State {
    pub(crate) worker: Worker,
    pub(crate) entries: HashMap<ExchangeId, Entry, RandomState>,
    /// When the driver wakes by itself, on the host's monotonic clock.
    sleeps_until: u64,
    /// A callout may have timed out, or its guest may be gone, since the driver last took them.
    may_have_lapsed: bool,
}

/// What has left the chain for one exchange.
#[derive(Default)]
pub(crate) struct Entry {
    /// The request, read by the upstream, and the response, read by the client.
    pub(crate) messages: [Message; 2],
    pub(crate) route_cache_cleared: bool,
    /// How many handles there are. The entry goes with the last one.
    pub(crate) handles: u8,
}

/// One message of an exchange behind the chain, as far as it has come.
#[derive(Default)]
pub(crate) struct Message {
    pub(crate) parts: VecDeque<Part>,
    /// Wakes the reader.
    pub(crate) waker: Option<Waker>,
    /// The reader stopped reading the source, because a plugin holds too much.
    pub(crate) is_held_back: bool,
    /// The last part has come.
    pub(crate) has_end: bool,
    /// No more comes, although the message has not ended.
    pub(crate) is_reset: bool,
}

/// What the driver has to do after [`PooledWorker::turn`].
pub(crate) struct Turn {
    /// Callouts to send.
    pub(crate) callouts: Vec<Callout>,
    /// When the next timer is due, on the host's monotonic clock; `None` when there is no timer.
    pub(crate) next: Option<u64>,
    /// Guests may no longer wait for callouts that were sent.
    pub(crate) may_have_lapsed: bool,
}

impl PooledWorker {
    pub(crate) fn new(mut worker: Worker, alarm: Arc<Notify>, on_trap: Option<OnTrap>) -> Self {
        worker.wake_on_queue_items(Waker::from(Arc::new(Alarm(Arc::clone(&alarm)))));
        let state =
            State { worker, entries: HashMap::default(), sleeps_until: 0, may_have_lapsed: false };
        Self { state: Mutex::new(state), alarm, open: AtomicUsize::new(0), on_trap }
    }

    /// How many exchanges are open.
    pub(crate) fn open_count(&self) -> usize {
        self.open.load(Ordering::Relaxed)
    }

    /// Whether a thread runs guests on it now.
    pub(crate) fn is_busy(&self) -> bool {
        matches!(self.state.try_lock(), Err(TryLockError::WouldBlock))
    }

    /// Runs the timers that are due, and hands over what the driver has to do.
    pub(crate) fn turn(&self) -> Turn {
        self.act(None, |state| {
            // What waits in a queue is due now, so the clock is read afterwards.
            let due = state.worker.next_timer();
            if due.is_some_and(|due| due <= state.worker.host().clock.monotonic_nanos()) {
                state.may_have_lapsed = true;
                state.worker.run_timers();
            }
        });
        let mut state = self.lock();
        let callouts = state.worker.callouts();
        let next = state.worker.next_timer();
        state.sleeps_until = next.unwrap_or(u64::MAX);
        let may_have_lapsed = std::mem::take(&mut state.may_have_lapsed);
        Turn { callouts, next, may_have_lapsed }
    }

    /// Gives a guest the answer to a callout.
    pub(crate) fn answer(&self, id: CalloutId, answer: CalloutAnswer) {
        self.act(None, |state| state.worker.answer(id, answer));
    }

    /// Whether a guest still waits for the answer to a callout.
    pub(crate) fn awaits(&self, id: CalloutId) -> bool {
        self.lock().worker.awaits(id)
    }

    pub(crate) fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Does something to the worker, and wakes the tasks that wait for what came of it. The reader
    /// of `by` is not woken: it reads next itself.
    pub(crate) fn act<T>(
        &self,
        by: Option<(ExchangeId, Direction)>,
        act: impl FnOnce(&mut State) -> T,
    ) -> T {
        let mut wakers = Vec::new();
        let mut state = self.lock();
        let result = act(&mut state);
        let wakes_driver = state.settle(by, &mut wakers);
        let errors = state.worker.errors();
        if !errors.is_empty() {
            state.may_have_lapsed = true;
        }
        drop(state);
        if wakes_driver || !errors.is_empty() {
            self.alarm.notify_one();
        }
        wakers.into_iter().for_each(Waker::wake);
        if let Some(on_trap) = &self.on_trap {
            errors.iter().for_each(|error| on_trap(error));
        }
        result
    }
}

/// Wakes the driver when guests of another worker put something into a queue of this worker's.
struct Alarm(Arc<Notify>);

impl Wake for Alarm {
    fn wake(self: Arc<Self>) {
        self.0.notify_one();
    }
}

/// The driver must not wait for a timer to learn that the worker is gone.
impl Drop for PooledWorker {
    fn drop(&mut self) {
        self.alarm.notify_one();
    }
}

impl State {
    /// Takes what has left the chain, and the callouts. The result is whether the driver has to be
    /// woken.
    fn settle(&mut self, by: Option<(ExchangeId, Direction)>, wakers: &mut Vec<Waker>) -> bool {
        for id in self.worker.moved() {
            self.collect(id, by.filter(|by| by.0 == id).map(|by| by.1), wakers);
        }
        if let Some((id, direction)) = by {
            self.collect(id, Some(direction), wakers);
        }
        // They stay in the VM, which bounds them, until the driver takes them.
        let mut wakes_driver = self.worker.has_new_callouts();
        let next = self.worker.next_timer().unwrap_or(u64::MAX);
        if next < self.sleeps_until {
            self.sleeps_until = next;
            wakes_driver = true;
        }
        wakes_driver
    }

    /// Takes what has left the chain for one exchange, and the wakers of those who wait for it.
    pub(crate) fn collect(
        &mut self,
        id: ExchangeId,
        by: Option<Direction>,
        wakers: &mut Vec<Waker>,
    ) {
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
            let message = &mut entry.messages[direction as usize];
            match part {
                Some(part) => {
                    message.has_end |= part.end_stream();
                    message.parts.push_back(part);
                }
                None => message.is_reset = true,
            }
        }
        let response = &mut entry.messages[Direction::Response as usize];
        if worker.is_over(id) && !response.has_end && !response.is_reset {
            response.is_reset = true;
            changed[Direction::Response as usize] = true;
        }
        for direction in [Direction::Request, Direction::Response] {
            let message = &mut entry.messages[direction as usize];
            if message.is_held_back && !worker.holds_back(id, direction) {
                message.is_held_back = false;
                changed[direction as usize] = true;
            }
            if changed[direction as usize] && by != Some(direction) {
                wakers.extend(message.waker.take());
            }
        }
    }
}

impl std::fmt::Debug for PooledWorker {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("PooledWorker").field("open", &self.open_count()).finish_non_exhaustive()
    }
}
