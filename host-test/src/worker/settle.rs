//! What a call leads to beyond the exchange that it was made for: guests act on streams from other
//! contexts, calls to clusters that do not exist fail, and a trap fails the streams that wait at
//! the plugin.

use std::sync::Arc;

use super::exchange::{Exchange, Iteration, Life};
use super::guests::Guests;
use super::reply::Reply;
use super::{Direction, ExchangeId, Worker};
use crate::stream::StreamId;

impl Worker {
    /// Ends the guests' streams of an exchange that is over.
    pub(super) fn conclude(&mut self, slot: u32) {
        let exchange = &mut self.exchanges[slot as usize];
        if exchange.is_over && !exchange.is_ended {
            exchange.finish(&mut self.guests);
        }
        let id = ExchangeId { slot, generation: exchange.generation };
        for context in &exchange.contexts {
            self.contexts.insert(*context, id);
        }
    }

    /// What guests have done to streams from other contexts, and what traps mean for streams that
    /// wait.
    pub(super) fn settle(&mut self) {
        loop {
            let mut touched = Vec::new();
            for (number, guest) in self.guests.vms.iter_mut().enumerate() {
                touched.extend(
                    guest
                        .vm
                        .take_touched_owners()
                        .into_iter()
                        .map(|(stream, owner)| (number, stream, owner)),
                );
            }
            self.tell_refused();
            let trapped = std::mem::take(&mut self.guests.has_fresh_trap);
            if touched.is_empty() && !trapped {
                break;
            }
            for (vm, stream, owner) in touched {
                self.touched(vm, stream, owner);
            }
            if trapped {
                self.fail_waiting();
            }
        }
        self.collect_effects();
    }

    /// Calls to clusters that do not exist fail as soon as the callback is over that made them.
    fn tell_refused(&mut self) {
        for number in 0..self.guests.vms.len() {
            if let Err(error) = self.guests.vms[number].vm.fail_refused_callouts() {
                self.guests.caught(error);
            }
        }
    }

    fn touched(&mut self, number: usize, stream: StreamId, owner: u64) {
        let (slot, at) = ((owner & u64::from(u32::MAX)) as u32, (owner >> 32) as usize);
        let Self { guests, exchanges, .. } = self;
        let Some(exchange) = exchanges.get_mut(slot as usize).filter(|exchange| exchange.is_open)
        else {
            return;
        };
        let lives =
            |life: &Life| matches!(life, Life::Living { stream: here, .. } if *here == stream);
        if !exchange.legs.get(at).is_some_and(|leg| lives(&leg.life)) {
            return;
        }
        let vm = &mut guests.vms[number].vm;
        exchange.route_cache_cleared |= vm.take_route_cache_cleared(stream).unwrap_or(false);
        let (reply, closed) =
            (vm.take_local_reply(stream).ok().flatten(), vm.take_closed(stream).unwrap_or(false));
        if let Some(reply) = reply {
            let plugin = guests.residents.get(at).map(|resident| Arc::clone(&resident.name));
            exchange.local_reply(guests, Reply::of_guest(plugin, reply));
        } else if closed {
            exchange.reset_client(guests);
        } else {
            exchange.continued(guests, at);
        }
        self.note_moved(slot);
        self.conclude(slot);
    }

    pub(super) fn note_moved(&mut self, slot: u32) {
        if !std::mem::replace(&mut self.exchanges[slot as usize].is_moved, true) {
            self.moved.push(slot);
        }
    }

    /// Streams that wait at a plugin whose VM has trapped would wait for ever.
    fn fail_waiting(&mut self) {
        for slot in 0..self.exchanges.len() {
            let Self { guests, exchanges, .. } = &mut *self;
            let exchange = &mut exchanges[slot];
            if !exchange.is_open || exchange.is_over {
                continue;
            }
            let is_moved = exchange.fail_waiting(guests);
            let slot = u32::try_from(slot).unwrap_or(u32::MAX);
            if is_moved {
                self.note_moved(slot);
            }
            self.conclude(slot);
        }
    }
}

impl Exchange {
    /// Whether something waited at a plugin whose VM has trapped.
    fn fail_waiting(&mut self, guests: &mut Guests) -> bool {
        let mut has_waited = false;
        for at in 0..self.legs.len() {
            for direction in [Direction::Request, Direction::Response] {
                let waits = self.cursor(at, direction).iteration != Iteration::Going
                    && !self.is_stopped(direction);
                let trapped = self.living(guests, at).is_some_and(|(vm, _)| vm.trap().is_some());
                if !waits || !trapped {
                    continue;
                }
                has_waited = true;
                if guests.is_open(at) {
                    self.resume(guests, direction, at);
                } else {
                    let reply = guests.failed(at);
                    self.local_reply(guests, reply);
                }
            }
        }
        has_waited
    }
}
