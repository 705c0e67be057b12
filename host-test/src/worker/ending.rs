//! How an exchange ends: aborted messages, resets of the client and the upstream, and the end of
//! the guests' streams.

use super::event::{Direction, Event};
use super::exchange::{Exchange, Iteration, StreamState};
use super::guests::{Availability, Guests};
use crate::vm::FinalMaps;

impl Exchange {
    /// Ends a message: nothing more of it passes the chain.
    pub(super) fn abort(&mut self, guests: &mut Guests, direction: Direction) {
        for at in 0..self.plugins.len() {
            self.take_back(guests, direction, at);
            let progress = self.progress(at, direction);
            progress.held = None;
            progress.iteration = Iteration::Continue;
        }
        self.message_mut(direction).aborted = true;
    }

    /// Resets the upstream's stream, unless it is complete or has not begun.
    pub(super) fn reset_upstream(&mut self) {
        let (request, response) =
            (self.message(Direction::Request), self.message(Direction::Response));
        let is_complete = request.emitted_end && response.received_end;
        if request.emitted && !is_complete && !std::mem::replace(&mut self.upstream_ended, true) {
            self.events.push_back(Event::RequestReset);
        }
    }

    pub(super) fn reset_client(&mut self, guests: &mut Guests) {
        if self.is_over {
            return;
        }
        self.reset_upstream();
        self.abort(guests, Direction::Request);
        self.abort(guests, Direction::Response);
        self.events.push_back(Event::ResponseReset);
        self.is_over = true;
    }

    /// The client has reset its stream.
    pub(super) fn client_reset(&mut self, guests: &mut Guests) {
        if !self.is_over {
            self.reset_upstream();
            self.abort(guests, Direction::Request);
            self.abort(guests, Direction::Response);
            self.is_over = true;
        }
    }

    /// Ends the guests' streams: every plugin logs, in the order of the request, and then each is
    /// done and deleted. As in Envoy, plugins that the request has not reached log, too.
    pub(super) fn finish(&mut self, guests: &mut Guests) {
        if std::mem::replace(&mut self.is_ended, true) {
            return;
        }
        let now = guests.host.clock.monotonic_nanos();
        self.info(|info| info.request_duration_nanos = Some(now.saturating_sub(self.opened_at)));
        for at in 0..self.plugins.len() {
            if matches!(self.plugins[at].stream, StreamState::NotOpened)
                && guests.availability(at) == Availability::Run
            {
                let _ = self.open_stream(guests, at);
            }
            let [request, response] = &mut self.messages;
            let StreamState::Open { id, generation } = self.plugins[at].stream else { continue };
            let number = guests.plugins[at].vm;
            let Some(guest) =
                guests.vms.get_mut(number).filter(|guest| guest.generation == generation)
            else {
                continue;
            };
            let maps = FinalMaps {
                request_headers: request.headers.as_mut(),
                response_headers: response.headers.as_mut(),
                response_trailers: response.trailers.as_mut(),
            };
            if let Err(error) = guest.vm.log(id, maps) {
                guests.note_failure(error);
            }
        }
        for at in 0..self.plugins.len() {
            let Some((vm, id)) = self.open_stream_at(guests, at) else { continue };
            let deleted = vm.delete(id);
            self.plugins[at].stream = StreamState::Closed;
            if let Err(error) = deleted {
                guests.note_failure(error);
            }
        }
    }
}
