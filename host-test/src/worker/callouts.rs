//! The callouts of a worker: taking requests, and giving answers to the guests that wait for them.

use super::callout_id::{Callout, CalloutId};
use super::state::Worker;
use crate::callout::{CalloutAnswer, CalloutRequest};
use crate::error::CallError;

impl Worker {
    /// Takes the requests that guests have made since the last call, in order for each VM. Their
    /// timeouts start now.
    ///
    /// ```
    /// # use gatepost_host_fixtures::*;
    /// # let mut worker = worker("auth");
    /// # let mut headers = request();
    /// let id = worker.open(StreamInfo::default());
    /// worker.request(id, Part::Headers { headers, end_stream: true });
    /// assert_eq!(worker.callouts().len(), 1);
    /// assert!(worker.callouts().is_empty()); // each is returned once
    /// assert!(worker.has_callouts()); // the guest still waits
    /// ```
    pub fn callouts(&mut self) -> Vec<Callout> {
        let now = self.now();
        let mut all = Vec::new();
        for (number, guest) in self.guests.vms.iter_mut().enumerate() {
            let generation = guest.generation;
            for callout in guest.vm.take_callouts() {
                let id = CalloutId { vm: number, generation, token: callout.token };
                all.push(Callout { id, plugin: callout.plugin, request: callout.request });
            }
        }
        for callout in &all {
            if let CalloutRequest::Http { timeout: Some(timeout), .. }
            | CalloutRequest::GrpcCall { timeout: Some(timeout), .. } = &callout.request
            {
                let due = now.saturating_add(u64::try_from(timeout.as_nanos()).unwrap_or(u64::MAX));
                self.next_deadline += 1;
                self.deadlines.insert((due, self.next_deadline), callout.id);
            }
        }
        self.drop_old_deadlines();
        all
    }

    /// Drops the deadlines of callouts that no guest awaits any more, when they are most of all: a
    /// guest can make calls that are answered at once, each with a timeout of weeks.
    fn drop_old_deadlines(&mut self) {
        const FEW: usize = 64;
        let open: usize = self.guests.vms.iter().map(|guest| guest.vm.open_callouts()).sum();
        if self.deadlines.len() > 2 * open + FEW {
            let mut deadlines = std::mem::take(&mut self.deadlines);
            deadlines.retain(|_, id| self.awaits(*id));
            self.deadlines = deadlines;
        }
    }

    /// Delivers the answer of a callout. False if the guest does not wait for such an answer: the
    /// callout was cancelled or timed out, or its VM was rebuilt.
    ///
    /// ```
    /// # use gatepost_host_fixtures::*;
    /// # let mut worker = worker("auth");
    /// # let mut headers = request();
    /// # let id = worker.open(StreamInfo::default());
    /// # worker.request(id, Part::Headers { headers, end_stream: true });
    /// // This guest continues the request when the answer is `ok`.
    /// let callout = worker.callouts().remove(0);
    /// let answer = CalloutAnswer::http(Headers::response([(":status", "200")]), "ok");
    /// assert!(worker.answer(callout.id, answer));
    /// assert_eq!(worker.paused(id), None);
    /// assert!(!worker.answer(callout.id, CalloutAnswer::Failed));
    /// ```
    pub fn answer(&mut self, id: CalloutId, answer: CalloutAnswer) -> bool {
        let Some(guest) =
            self.guests.vms.get_mut(id.vm).filter(|guest| guest.generation == id.generation)
        else {
            return false;
        };
        let answered = guest.vm.answer(id.token, answer);
        let was_awaited =
            !matches!(answered, Err(CallError::UnknownCallout { .. } | CallError::Poisoned(_)));
        if let Err(error) = answered {
            self.guests.note_failure(error);
        }
        self.settle();
        was_awaited
    }

    /// Whether a guest waits for an answer, or has made a request that was not taken.
    ///
    /// ```
    /// # use gatepost_host_fixtures::*;
    /// # let mut worker = worker("auth");
    /// # let mut headers = request();
    /// let id = worker.open(StreamInfo::default());
    /// worker.request(id, Part::Headers { headers, end_stream: true }); // this guest makes a call
    /// assert!(worker.has_callouts());
    /// let callout = worker.callouts().remove(0);
    /// worker.answer(callout.id, CalloutAnswer::Failed);
    /// assert!(!worker.has_callouts());
    /// ```
    #[must_use]
    pub fn has_callouts(&self) -> bool {
        self.guests.vms.iter().any(|guest| guest.vm.has_callouts())
    }

    /// Whether a guest has made a request that [`callouts`](Self::callouts) has not returned yet.
    ///
    /// ```
    /// # use gatepost_host_fixtures::*;
    /// # let mut worker = worker("auth");
    /// # let mut headers = request();
    /// let id = worker.open(StreamInfo::default());
    /// worker.request(id, Part::Headers { headers, end_stream: true }); // this guest makes a call
    /// assert!(worker.has_new_callouts());
    /// let _taken = worker.callouts();
    /// assert!(!worker.has_new_callouts());
    /// ```
    #[must_use]
    pub fn has_new_callouts(&self) -> bool {
        self.guests.vms.iter().any(|guest| guest.vm.has_new_callouts())
    }

    /// Whether a guest still waits for an answer to this callout. If none does, the request can be
    /// given up.
    #[must_use]
    pub fn awaits(&self, id: CalloutId) -> bool {
        let guest = self.guests.vms.get(id.vm).filter(|guest| guest.generation == id.generation);
        guest.is_some_and(|guest| guest.vm.awaits(id.token))
    }
}
