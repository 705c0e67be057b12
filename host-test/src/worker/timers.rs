//! The timers of a worker: ticks, timeouts of callouts, and items in queues.

use super::state::Worker;
use crate::callout::{CalloutAnswer, CalloutKind};

impl Worker {
    /// Runs what is due by the host's clock: ticks, timeouts of callouts, and items in queues.
    ///
    /// ```
    /// # use std::{sync::Arc, time::Duration};
    /// # use gatepost_host_fixtures::*;
    /// # let chain = chain("auth");
    /// # let mut headers = request();
    /// let clock = VirtualClock::default();
    /// let host = Host { clock: Arc::new(clock.clone()), ..Host::default() };
    /// let mut worker = Worker::new(&chain, host)?;
    /// let id = worker.open(StreamInfo::default());
    /// worker.request(id, Part::Headers { headers, end_stream: true });
    /// let _unanswered = worker.callouts();
    ///
    /// // This guest gives its call a timeout of one second, and answers 403 after that.
    /// assert_eq!(worker.next_timer(), Some(1_000_000_000));
    /// clock.advance(Duration::from_secs(1));
    /// worker.run_timers();
    /// assert_eq!(worker.local_reply(id).unwrap().status, 403);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn run_timers(&mut self) {
        let now = self.now();
        for index in 0..self.guests.plugins.len() {
            let plugin = &self.guests.plugins[index];
            let (number, plugin) = (plugin.vm, plugin.plugin);
            let vm = &mut self.guests.vms[number].vm;
            if vm.trap().is_none() && vm.next_tick(plugin).is_some_and(|due| due <= now) {
                if let Err(error) = vm.tick(plugin) {
                    self.guests.note_failure(error);
                }
                self.settle();
            }
        }
        while let Some(entry) = self.deadlines.first_entry().filter(|entry| entry.key().0 <= now) {
            let id = entry.remove();
            let answer = match id.token.kind() {
                CalloutKind::Http => CalloutAnswer::timeout(),
                CalloutKind::GrpcCall | CalloutKind::GrpcStream => CalloutAnswer::grpc_timeout(),
            };
            if self.awaits(id) {
                self.answer(id, answer);
            }
        }
        for number in 0..self.guests.vms.len() {
            let vm = &mut self.guests.vms[number].vm;
            if vm.trap().is_none() && vm.has_queue_items() {
                if let Err(error) = vm.deliver_queue_items() {
                    self.guests.note_failure(error);
                }
                self.settle();
            }
        }
    }

    /// When [`run_timers`](Self::run_timers) is due next, in nanoseconds of the host's monotonic
    /// clock.
    ///
    /// ```
    /// # use std::time::Duration;
    /// # use gatepost_host_fixtures::*;
    /// # let mut worker = worker("count");
    /// // This guest sets a tick period of one second.
    /// let due = worker.next_timer().unwrap();
    /// let now = worker.host().clock.monotonic_nanos();
    /// let sleep = Duration::from_nanos(due.saturating_sub(now));
    /// assert!(sleep <= Duration::from_secs(1));
    /// ```
    #[must_use]
    pub fn next_timer(&mut self) -> Option<u64> {
        while let Some(entry) = self.deadlines.first_entry() {
            let id = *entry.get();
            let guest =
                self.guests.vms.get(id.vm).filter(|guest| guest.generation == id.generation);
            if guest.is_some_and(|guest| guest.vm.trap().is_none() && guest.vm.awaits(id.token)) {
                break;
            }
            entry.remove();
        }
        let deadline = self.deadlines.first_key_value().map(|((due, _), _)| *due);
        let guests = &self.guests;
        let has_items =
            guests.vms.iter().any(|guest| guest.vm.trap().is_none() && guest.vm.has_queue_items());
        let ticks = guests.plugins.iter().filter_map(|plugin| {
            let vm = &guests.vms[plugin.vm].vm;
            vm.next_tick(plugin.plugin).filter(|_| vm.trap().is_none())
        });
        ticks.chain(deadline).chain(has_items.then(|| guests.host.clock.monotonic_nanos())).min()
    }

    /// Sets a waker that is woken when an item comes into a queue of this worker's guests, also
    /// from another worker: then [`run_timers`](Self::run_timers) is due. It must not call the
    /// host.
    pub fn wake_on_queue_items(&mut self, waker: std::task::Waker) {
        self.guests.wake_on_queue_items(waker);
    }
}
