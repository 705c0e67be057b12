//! One exchange: where each of its two messages stands in the chain, what each plugin holds of
//! them, and how it ends. `iterate` moves the messages on.

use std::collections::VecDeque;
use std::sync::{Arc, Mutex, PoisonError};

use bytes::Bytes;

use super::guests::{Entry, Guests};
use super::message::{Direction, Event, LocalReplySent};
use super::reply::Reply;
use crate::abi::{BufferKind, MapKind, StreamKind};
use crate::error::CallError;
use crate::headers::Headers;
use crate::stream::{Info, Outcome, Pause, StreamId, StreamInfo};
use crate::vm::{FinalMaps, Vm};

/// Whether a message goes on past a plugin (Envoy's `IterationState`).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) enum Iteration {
    #[default]
    Going,
    /// What was shown to the plugin waits; what comes next is shown to it.
    StopSingle,
    /// Nothing more is shown. A body that grows too large fails the stream.
    StopAllBuffer,
    /// Nothing more is shown. A body that grows too large holds the sender back.
    StopAllWatermark,
}

impl Iteration {
    pub(super) fn stops_all(self) -> bool {
        matches!(self, Iteration::StopAllBuffer | Iteration::StopAllWatermark)
    }
}

/// Where one message stands at one plugin.
#[derive(Debug, Default)]
pub(super) struct Cursor {
    pub(super) iteration: Iteration,
    /// The headers have gone past.
    pub(super) headers_continued: bool,
    /// The end of the message has come here.
    pub(super) ended: bool,
    /// Trailers have come here and wait.
    pub(super) trailers: bool,
    /// The plugin is shown all that waits, not only what is new.
    pub(super) buffering: bool,
    /// The sender is held back instead of the stream failed.
    pub(super) streaming: bool,
    /// The body that waits. Nothing, when an empty end waits.
    pub(super) held: Option<Bytes>,
    /// What the VM has of this message between callbacks.
    parked: Parked,
}

#[derive(Clone, Copy, Debug, Default)]
struct Parked {
    headers: bool,
    trailers: bool,
    body: bool,
}

/// A plugin's stream.
#[derive(Clone, Copy, Debug, Default)]
pub(super) enum Life {
    #[default]
    Unborn,
    Living {
        stream: StreamId,
        generation: u32,
    },
    Gone,
}

/// An exchange at one plugin.
#[derive(Debug, Default)]
pub(super) struct Leg {
    pub(super) life: Life,
    cursors: [Cursor; 2],
}

/// One message of the exchange.
#[derive(Debug, Default)]
pub(super) struct Half {
    /// The headers, unless a VM has them because its guest pauses on them.
    pub(super) headers: Option<Headers>,
    pub(super) trailers: Option<Headers>,
    /// The headers have come.
    pub(super) started: bool,
    /// The end has come.
    pub(super) received_end: bool,
    /// The headers have left the chain.
    pub(super) emitted: bool,
    /// The end has left the chain.
    pub(super) emitted_end: bool,
    /// Nothing more of it passes.
    pub(super) aborted: bool,
}

#[derive(Debug, Default)]
pub(super) struct Exchange {
    pub(super) is_open: bool,
    pub(super) generation: u32,
    /// Its own number, for the streams it opens.
    pub(super) slot: u32,
    pub(super) info: Arc<Mutex<StreamInfo>>,
    pub(super) legs: Vec<Leg>,
    halves: [Half; 2],
    pub(super) events: VecDeque<Event>,
    pub(super) reply: Option<LocalReplySent>,
    pub(super) is_head: bool,
    pub(super) is_grpc: bool,
    pub(super) route_cache_cleared: bool,
    /// When it was opened, on the host's monotonic clock.
    pub(super) opened_at: u64,
    /// The VMs and contexts of its streams, while effects are recorded.
    pub(super) contexts: Vec<(usize, u32)>,
    /// A local reply that HTTP cannot carry: the client is reset when it would be out.
    pub(super) is_undeliverable: bool,
    /// There is no upstream left to reset: it ended, or was reset.
    pub(super) upstream_is_gone: bool,
    /// The response is out, or the stream was reset: what is left is the guests' end.
    pub(super) is_over: bool,
    /// The guests have logged and are deleted.
    pub(super) is_ended: bool,
    /// Its slot stands in the worker's list of exchanges that were moved on from elsewhere.
    pub(super) is_moved: bool,
}

/// What a callback means for the message.
pub(super) enum Step {
    /// The plugin has no stream here.
    Skip,
    Continue,
    Pause(Pause),
    Stop(Ending),
}

/// Why a message goes no further.
pub(super) enum Ending {
    Reply(Reply),
    Close,
}

impl Exchange {
    /// Makes the slot an open exchange of so many plugins. Its memory is used again.
    pub(super) fn open(&mut self, slot: u32, plugins: usize, info: StreamInfo, now: u64) {
        let generation = self.generation.wrapping_add(1);
        let mut legs = std::mem::take(&mut self.legs);
        legs.clear();
        legs.resize_with(plugins, Leg::default);
        let mut events = std::mem::take(&mut self.events);
        events.clear();
        let mut shared = std::mem::take(&mut self.info);
        match Arc::get_mut(&mut shared) {
            Some(only) => *only.get_mut().unwrap_or_else(PoisonError::into_inner) = info,
            None => shared = Arc::new(Mutex::new(info)),
        }
        let is_moved = self.is_moved;
        *self = Self {
            is_open: true,
            generation,
            slot,
            opened_at: now,
            info: shared,
            legs,
            events,
            is_moved,
            ..Self::default()
        };
    }

    pub(super) fn half(&self, direction: Direction) -> &Half {
        &self.halves[direction as usize]
    }

    pub(super) fn half_mut(&mut self, direction: Direction) -> &mut Half {
        &mut self.halves[direction as usize]
    }

    pub(super) fn cursor(&mut self, at: usize, direction: Direction) -> &mut Cursor {
        &mut self.legs[at].cursors[direction as usize]
    }

    /// The place in the chain of the nth plugin that a message passes.
    pub(super) fn place(&self, direction: Direction, step: usize) -> usize {
        match direction {
            Direction::Request => step,
            Direction::Response => self.legs.len() - 1 - step,
        }
    }

    /// The number of a place in the order that a message passes; its own inverse.
    pub(super) fn step(&self, direction: Direction, at: usize) -> usize {
        self.place(direction, at)
    }

    pub(super) fn iterations(&self, direction: Direction) -> impl Iterator<Item = Iteration> {
        self.legs.iter().map(move |leg| leg.cursors[direction as usize].iteration)
    }

    pub(super) fn is_stopped(&self, direction: Direction) -> bool {
        self.is_over || self.half(direction).aborted
    }

    /// Whether the sender of a message should wait, because plugins keep more of it than they
    /// should.
    pub(super) fn holds_back(&self, direction: Direction, limit: usize) -> bool {
        let held = |leg: &Leg| leg.cursors[direction as usize].held.as_ref().map_or(0, Bytes::len);
        !self.is_stopped(direction) && self.legs.iter().any(|leg| held(leg) > limit)
    }

    pub(super) fn info<T>(&self, with: impl FnOnce(&mut StreamInfo) -> T) -> T {
        with(&mut self.info.lock().unwrap_or_else(PoisonError::into_inner))
    }

    /// The VM of a place and the stream in it, while both live.
    pub(super) fn living<'g>(
        &self,
        guests: &'g mut Guests,
        at: usize,
    ) -> Option<(&'g mut Vm, StreamId)> {
        let Life::Living { stream, generation } = self.legs.get(at)?.life else { return None };
        let vm = guests.residents.get(at)?.vm;
        let guest = guests.vms.get_mut(vm).filter(|guest| guest.generation == generation)?;
        Some((&mut guest.vm, stream))
    }

    /// Opens the plugin's stream if there is none yet. False when the plugin has failed and takes
    /// the exchange with it.
    pub(super) fn create(&mut self, guests: &mut Guests, at: usize) -> bool {
        if !matches!(self.legs[at].life, Life::Unborn) {
            return true;
        }
        match guests.entry(at) {
            Entry::Run => match self.born(guests, at) {
                Ok(()) => true,
                Err(()) => guests.is_open(at),
            },
            Entry::Skip => {
                self.legs[at].life = Life::Gone;
                true
            }
            Entry::Fail => {
                self.legs[at].life = Life::Gone;
                false
            }
        }
    }

    fn born(&mut self, guests: &mut Guests, at: usize) -> Result<(), ()> {
        let (vm, plugin) = (guests.residents[at].vm, guests.residents[at].plugin);
        let generation = guests.vms[vm].generation;
        let owner = u64::from(self.slot) | (at as u64) << 32;
        match guests.vms[vm].vm.open(plugin, Info::Shared(Arc::clone(&self.info)), owner) {
            Ok(stream) => {
                self.legs[at].life = Life::Living { stream, generation };
                if guests.is_recording() {
                    self.contexts.push((vm, stream.context()));
                }
                Ok(())
            }
            Err(error) => {
                self.legs[at].life = Life::Gone;
                guests.caught(error);
                Err(())
            }
        }
    }

    /// Calls into a plugin about a message and says what that means for the message.
    pub(super) fn call(
        &mut self,
        guests: &mut Guests,
        direction: Direction,
        at: usize,
        call: impl FnOnce(&mut Vm, StreamId) -> Result<Outcome, CallError>,
    ) -> Step {
        self.unpark_body(guests, direction, at);
        let Life::Living { stream, generation } = self.legs[at].life else { return Step::Skip };
        let number = guests.residents[at].vm;
        let guest = &mut guests.vms[number];
        if guest.generation != generation || guest.vm.trap().is_some() {
            self.legs[at].life = Life::Gone;
            return if guests.is_open(at) {
                Step::Skip
            } else {
                Step::Stop(Ending::Reply(guests.failed(at)))
            };
        }
        let vm = &mut guest.vm;
        let called = call(vm, stream);
        if direction == Direction::Request && !self.route_cache_cleared {
            self.route_cache_cleared = vm.take_route_cache_cleared(stream).unwrap_or(false);
        }
        match called {
            Ok(Outcome::Continue) => Step::Continue,
            Ok(Outcome::Pause(pause)) => Step::Pause(pause),
            Ok(Outcome::LocalReply(reply)) => {
                let plugin = Some(Arc::clone(&guests.residents[at].name));
                Step::Stop(Ending::Reply(Reply::of_guest(plugin, *reply)))
            }
            Ok(Outcome::Close) => Step::Stop(Ending::Close),
            Err(error) => {
                self.legs[at].life = Life::Gone;
                guests.caught(error);
                Step::Stop(Ending::Reply(guests.failed(at)))
            }
        }
    }

    pub(super) fn end_with(&mut self, guests: &mut Guests, ending: Ending) {
        match ending {
            Ending::Reply(reply) => self.local_reply(guests, reply),
            Ending::Close => self.reset_client(guests),
        }
    }

    /// What the guest asked for beside its answer: to let a message go on that waits at its plugin.
    pub(super) fn continued(&mut self, guests: &mut Guests, at: usize) {
        for (direction, kind) in [
            (Direction::Request, StreamKind::HttpRequest),
            (Direction::Response, StreamKind::HttpResponse),
        ] {
            let asked = self
                .living(guests, at)
                .is_some_and(|(vm, stream)| vm.take_continued(stream, kind).unwrap_or(false));
            if asked
                && !self.is_stopped(direction)
                && self.cursor(at, direction).iteration != Iteration::Going
            {
                self.resume(guests, direction, at);
            }
        }
    }

    /// Leaves what waits where the guest reaches it from other contexts: in a tick, or when a
    /// callout is answered.
    pub(super) fn park(
        &mut self,
        guests: &mut Guests,
        direction: Direction,
        at: usize,
        map: Option<MapKind>,
    ) {
        let Life::Living { stream, .. } = self.legs[at].life else { return };
        let Some((vm, _)) = self.living(guests, at) else { return };
        let (half, cursor) =
            (&mut self.halves[direction as usize], &mut self.legs[at].cursors[direction as usize]);
        if let Some(kind) = map {
            let is_trailers = matches!(kind, MapKind::RequestTrailers | MapKind::ResponseTrailers);
            let map = if is_trailers { &mut half.trailers } else { &mut half.headers };
            if let Some(mut map) = map.take() {
                let _ = vm.lend_map(stream, kind, &mut map);
                if is_trailers {
                    cursor.parked.trailers = true
                } else {
                    cursor.parked.headers = true
                }
            }
        }
        if cursor.buffering
            && let Some(mut held) = cursor.held.take()
        {
            let _ = vm.swap_body(stream, body_kind(direction), &mut held);
            cursor.parked.body = true;
        }
    }

    /// Takes back all of a message that a VM has between callbacks. It works on a VM that has
    /// trapped, too.
    pub(super) fn unpark(&mut self, guests: &mut Guests, direction: Direction, at: usize) {
        self.unpark_body(guests, direction, at);
        let parked = std::mem::take(&mut self.cursor(at, direction).parked);
        let (headers, trailers) = map_kinds(direction);
        if parked.headers {
            self.half_mut(direction).headers = self.reclaimed(guests, at, headers);
        }
        if parked.trailers {
            self.half_mut(direction).trailers = self.reclaimed(guests, at, trailers);
        }
    }

    fn reclaimed(&mut self, guests: &mut Guests, at: usize, kind: MapKind) -> Option<Headers> {
        let (vm, stream) = self.living(guests, at)?;
        let mut map = Headers::default();
        vm.reclaim_map(stream, kind, &mut map).ok()?;
        Some(map)
    }

    pub(super) fn unpark_body(&mut self, guests: &mut Guests, direction: Direction, at: usize) {
        if std::mem::take(&mut self.cursor(at, direction).parked.body) {
            let mut held = Bytes::new();
            if let Some((vm, stream)) = self.living(guests, at) {
                let _ = vm.swap_body(stream, body_kind(direction), &mut held);
            }
            self.cursor(at, direction).held = Some(held);
        }
    }

    /// The response's status, for properties.
    pub(super) fn note_response_code(&self, headers: &Headers) {
        let code = headers
            .get(":status")
            .and_then(|status| std::str::from_utf8(status).ok()?.parse().ok());
        self.info(|info| info.response_code = code);
    }

    /// Nothing more of the request passes.
    pub(super) fn abort(&mut self, guests: &mut Guests, direction: Direction) {
        for at in 0..self.legs.len() {
            self.unpark(guests, direction, at);
            let cursor = self.cursor(at, direction);
            cursor.held = None;
            cursor.iteration = Iteration::Going;
        }
        self.half_mut(direction).aborted = true;
    }

    /// The request is no longer the upstream's business, if it ever was.
    pub(super) fn reset_upstream(&mut self) {
        let (request, response) = (self.half(Direction::Request), self.half(Direction::Response));
        let is_complete = request.emitted_end && response.received_end;
        if request.emitted && !is_complete && !std::mem::replace(&mut self.upstream_is_gone, true) {
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

    /// The client went away.
    pub(super) fn client_gone(&mut self, guests: &mut Guests) {
        if !self.is_over {
            self.reset_upstream();
            self.abort(guests, Direction::Request);
            self.abort(guests, Direction::Response);
            self.is_over = true;
        }
    }

    /// The guests' end: all log, in the order of the request, then each is done and deleted.
    /// Plugins that the request has not come to log, too, as in Envoy.
    pub(super) fn finish(&mut self, guests: &mut Guests) {
        if std::mem::replace(&mut self.is_ended, true) {
            return;
        }
        let now = guests.host.clock.monotonic_nanos();
        self.info(|info| info.request_duration_nanos = Some(now.saturating_sub(self.opened_at)));
        for at in 0..self.legs.len() {
            if matches!(self.legs[at].life, Life::Unborn) && guests.entry(at) == Entry::Run {
                let _ = self.born(guests, at);
            }
            let [request, response] = &mut self.halves;
            let Life::Living { stream, generation } = self.legs[at].life else { continue };
            let number = guests.residents[at].vm;
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
            if let Err(error) = guest.vm.log(stream, maps) {
                guests.caught(error);
            }
        }
        for at in 0..self.legs.len() {
            let Some((vm, stream)) = self.living(guests, at) else { continue };
            let deleted = vm.delete(stream);
            self.legs[at].life = Life::Gone;
            if let Err(error) = deleted {
                guests.caught(error);
            }
        }
    }
}

pub(super) fn body_kind(direction: Direction) -> BufferKind {
    match direction {
        Direction::Request => BufferKind::HttpRequestBody,
        Direction::Response => BufferKind::HttpResponseBody,
    }
}

/// The headers and the trailers of a direction.
pub(super) fn map_kinds(direction: Direction) -> (MapKind, MapKind) {
    match direction {
        Direction::Request => (MapKind::RequestHeaders, MapKind::RequestTrailers),
        Direction::Response => (MapKind::ResponseHeaders, MapKind::ResponseTrailers),
    }
}
