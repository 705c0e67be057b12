//! The state of one exchange: its two messages, how far each has come at each plugin, and the
//! plugins' streams. `iterate` moves the messages, `local_reply` and `ending` end the exchange.

use std::collections::VecDeque;
use std::sync::{Arc, Mutex, PoisonError};

use bytes::Bytes;

use super::event::{Direction, Event, LocalReplySent};
use super::guests::{Availability, Guests};
use super::reply::Reply;
use crate::abi::{BufferKind, MapKind};
use crate::error::CallError;
use crate::headers::Headers;
use crate::outcome::{Outcome, Pause};
use crate::stream::{Info, StreamId, StreamInfo};
use crate::vm::Vm;

/// Whether a message continues past a plugin (Envoy's `IterationState`).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) enum Iteration {
    #[default]
    Continue,
    /// What the plugin has seen waits; what comes next is still shown to it.
    StopSingle,
    /// Everything waits. A body that grows too large fails the stream.
    StopAllBuffer,
    /// Everything waits. A body that grows too large makes the sender wait.
    StopAllWatermark,
}

impl Iteration {
    pub(super) fn stops_all(self) -> bool {
        matches!(self, Iteration::StopAllBuffer | Iteration::StopAllWatermark)
    }
}

/// How far one message has come at one plugin.
#[derive(Debug, Default)]
pub(super) struct Progress {
    pub(super) iteration: Iteration,
    /// The headers have passed the plugin.
    pub(super) headers_continued: bool,
    /// The end of the message has reached the plugin.
    pub(super) ended: bool,
    /// The trailers have reached the plugin and wait.
    pub(super) trailers: bool,
    /// The plugin is shown the whole body that waits, not only the newest piece.
    pub(super) buffering: bool,
    /// A body that grows too large makes the sender wait, and does not fail the stream.
    pub(super) streaming: bool,
    /// The body that waits; empty bytes if only the end of the message waits.
    pub(super) held: Option<Bytes>,
    /// The parts of this message that the VM has between callbacks.
    lent: Lent,
}

/// The parts of a message that are lent to a VM.
#[derive(Clone, Copy, Debug, Default)]
struct Lent {
    headers: bool,
    trailers: bool,
    body: bool,
}

/// The stream of an exchange in a plugin's VM.
#[derive(Clone, Copy, Debug, Default)]
pub(super) enum StreamState {
    #[default]
    NotOpened,
    Open {
        id: StreamId,
        /// The generation of the VM that the stream was opened in.
        generation: u32,
    },
    Closed,
}

/// The state of an exchange at one plugin.
#[derive(Debug, Default)]
pub(super) struct PluginState {
    pub(super) stream: StreamState,
    progress: [Progress; 2],
}

/// The state of one message of the exchange.
#[derive(Debug, Default)]
pub(super) struct MessageState {
    /// The headers, except while they are lent to a VM.
    pub(super) headers: Option<Headers>,
    pub(super) trailers: Option<Headers>,
    /// The headers were received.
    pub(super) started: bool,
    /// The end was received.
    pub(super) received_end: bool,
    /// The headers have left the chain.
    pub(super) emitted: bool,
    /// The end has left the chain.
    pub(super) emitted_end: bool,
    /// Nothing more of it passes the chain.
    pub(super) aborted: bool,
}

/// A request and its response, at all plugins of the chain.
#[derive(Debug, Default)]
pub(super) struct Exchange {
    pub(super) is_open: bool,
    pub(super) generation: u32,
    /// The slot of this exchange in its worker.
    pub(super) slot: u32,
    pub(super) info: Arc<Mutex<StreamInfo>>,
    pub(super) plugins: Vec<PluginState>,
    pub(super) messages: [MessageState; 2],
    pub(super) events: VecDeque<Event>,
    pub(super) reply: Option<LocalReplySent>,
    /// The request's method is `HEAD`: its response has no body.
    pub(super) is_head: bool,
    /// The request is gRPC, and so is a local reply to it.
    pub(super) is_grpc: bool,
    /// A guest has cleared the route cache.
    pub(super) route_cache_cleared: bool,
    /// When it was opened, on the host's monotonic clock.
    pub(super) opened_at: u64,
    /// The VMs and context ids of its streams; only while recording.
    pub(super) contexts: Vec<(usize, u32)>,
    /// The response is a local reply that HTTP cannot carry: at its end the client is reset.
    pub(super) is_undeliverable: bool,
    /// The upstream's stream has ended or was reset.
    pub(super) upstream_ended: bool,
    /// The response was sent, or the stream was reset. The guests' streams may still be open.
    pub(super) is_over: bool,
    /// The guests' streams are logged and deleted.
    pub(super) is_ended: bool,
    /// The exchange is in the worker's list `moved`.
    pub(super) is_moved: bool,
}

/// What a callback means for its message.
pub(super) enum Step {
    /// The plugin has no stream here.
    Skip,
    Continue,
    Pause(Pause),
    Stop(Ending),
}

/// How an exchange ends early.
pub(super) enum Ending {
    Reply(Reply),
    Close,
}

impl Exchange {
    /// Resets the slot to an open exchange of a number of plugins. Its memory is reused.
    pub(super) fn open(&mut self, slot: u32, count: usize, info: StreamInfo, now: u64) {
        let generation = self.generation.wrapping_add(1);
        let mut plugins = std::mem::take(&mut self.plugins);
        plugins.clear();
        plugins.resize_with(count, PluginState::default);
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
            plugins,
            events,
            is_moved,
            ..Self::default()
        };
    }

    pub(super) fn message(&self, direction: Direction) -> &MessageState {
        &self.messages[direction as usize]
    }

    pub(super) fn message_mut(&mut self, direction: Direction) -> &mut MessageState {
        &mut self.messages[direction as usize]
    }

    pub(super) fn progress(&mut self, at: usize, direction: Direction) -> &mut Progress {
        &mut self.plugins[at].progress[direction as usize]
    }

    /// The index in the chain of the nth plugin that a message passes.
    pub(super) fn index_of(&self, direction: Direction, step: usize) -> usize {
        match direction {
            Direction::Request => step,
            Direction::Response => self.plugins.len() - 1 - step,
        }
    }

    /// The order in which a message passes the plugin at an index: the inverse of
    /// [`index_of`](Self::index_of), which is its own inverse.
    pub(super) fn step_of(&self, direction: Direction, at: usize) -> usize {
        self.index_of(direction, at)
    }

    pub(super) fn iterations(&self, direction: Direction) -> impl Iterator<Item = Iteration> {
        self.plugins.iter().map(move |plugin| plugin.progress[direction as usize].iteration)
    }

    pub(super) fn is_stopped(&self, direction: Direction) -> bool {
        self.is_over || self.message(direction).aborted
    }

    /// Whether the sender of a message should wait, because a plugin buffers more than the limit.
    pub(super) fn holds_back(&self, direction: Direction, limit: usize) -> bool {
        let held = |plugin: &PluginState| {
            plugin.progress[direction as usize].held.as_ref().map_or(0, Bytes::len)
        };
        !self.is_stopped(direction) && self.plugins.iter().any(|plugin| held(plugin) > limit)
    }

    pub(super) fn info<T>(&self, with: impl FnOnce(&mut StreamInfo) -> T) -> T {
        with(&mut self.info.lock().unwrap_or_else(PoisonError::into_inner))
    }

    /// The VM of the plugin at an index, and the open stream in it.
    pub(super) fn open_stream_at<'g>(
        &self,
        guests: &'g mut Guests,
        at: usize,
    ) -> Option<(&'g mut Vm, StreamId)> {
        let StreamState::Open { id, generation } = self.plugins.get(at)?.stream else {
            return None;
        };
        let vm = guests.plugins.get(at)?.vm;
        let guest = guests.vms.get_mut(vm).filter(|guest| guest.generation == generation)?;
        Some((&mut guest.vm, id))
    }

    /// Opens the plugin's stream if that was not done. False when the plugin has failed and its
    /// policy fails the exchange.
    pub(super) fn create(&mut self, guests: &mut Guests, at: usize) -> bool {
        if !matches!(self.plugins[at].stream, StreamState::NotOpened) {
            return true;
        }
        match guests.availability(at) {
            Availability::Run => match self.open_stream(guests, at) {
                Ok(()) => true,
                Err(()) => guests.fails_open(at),
            },
            Availability::Skip => {
                self.plugins[at].stream = StreamState::Closed;
                true
            }
            Availability::Fail => {
                self.plugins[at].stream = StreamState::Closed;
                false
            }
        }
    }

    /// Opens the plugin's stream, and keeps an error for the worker.
    pub(super) fn open_stream(&mut self, guests: &mut Guests, at: usize) -> Result<(), ()> {
        let (vm, plugin) = (guests.plugins[at].vm, guests.plugins[at].plugin);
        let generation = guests.vms[vm].generation;
        let owner = u64::from(self.slot) | (at as u64) << 32;
        match guests.vms[vm].vm.open(plugin, Info::Shared(Arc::clone(&self.info)), owner) {
            Ok(id) => {
                self.plugins[at].stream = StreamState::Open { id, generation };
                if guests.is_recording() {
                    self.contexts.push((vm, id.context()));
                }
                Ok(())
            }
            Err(error) => {
                self.plugins[at].stream = StreamState::Closed;
                guests.note_failure(error);
                Err(())
            }
        }
    }

    /// Makes a callback of a plugin; returns what that means for the message.
    pub(super) fn call(
        &mut self,
        guests: &mut Guests,
        direction: Direction,
        at: usize,
        call: impl FnOnce(&mut Vm, StreamId) -> Result<Outcome, CallError>,
    ) -> Step {
        self.take_back_body(guests, direction, at);
        let StreamState::Open { id, generation } = self.plugins[at].stream else {
            return Step::Skip;
        };
        let number = guests.plugins[at].vm;
        let guest = &mut guests.vms[number];
        if guest.generation != generation || guest.vm.trap().is_some() {
            self.plugins[at].stream = StreamState::Closed;
            return if guests.fails_open(at) {
                Step::Skip
            } else {
                Step::Stop(Ending::Reply(guests.failure_reply(at)))
            };
        }
        let vm = &mut guest.vm;
        let called = call(vm, id);
        if direction == Direction::Request && !self.route_cache_cleared {
            self.route_cache_cleared = vm.take_route_cache_cleared(id).unwrap_or(false);
        }
        match called {
            Ok(Outcome::Continue) => Step::Continue,
            Ok(Outcome::Pause(pause)) => Step::Pause(pause),
            Ok(Outcome::LocalReply(reply)) => {
                let plugin = Some(Arc::clone(&guests.plugins[at].name));
                Step::Stop(Ending::Reply(Reply::of_guest(plugin, *reply)))
            }
            Ok(Outcome::Close) => Step::Stop(Ending::Close),
            Err(error) => {
                self.plugins[at].stream = StreamState::Closed;
                guests.note_failure(error);
                Step::Stop(Ending::Reply(guests.failure_reply(at)))
            }
        }
    }

    /// Lends what waits at a plugin to its VM, so that the guest can change it in callbacks of
    /// other contexts: in a tick, or when a callout is answered.
    pub(super) fn lend_waiting(
        &mut self,
        guests: &mut Guests,
        direction: Direction,
        at: usize,
        map: Option<MapKind>,
    ) {
        let StreamState::Open { id, .. } = self.plugins[at].stream else { return };
        let Some((vm, _)) = self.open_stream_at(guests, at) else { return };
        let (message, progress) = (
            &mut self.messages[direction as usize],
            &mut self.plugins[at].progress[direction as usize],
        );
        if let Some(kind) = map {
            let is_trailers = matches!(kind, MapKind::RequestTrailers | MapKind::ResponseTrailers);
            let map = if is_trailers { &mut message.trailers } else { &mut message.headers };
            if let Some(mut map) = map.take() {
                let _ = vm.lend_map(id, kind, &mut map);
                if is_trailers {
                    progress.lent.trailers = true;
                } else {
                    progress.lent.headers = true;
                }
            }
        }
        if progress.buffering
            && let Some(mut held) = progress.held.take()
        {
            let _ = vm.swap_body(id, body_kind(direction), &mut held);
            progress.lent.body = true;
        }
    }

    /// Takes back everything of a message that is lent to a VM. It also works after a trap.
    pub(super) fn take_back(&mut self, guests: &mut Guests, direction: Direction, at: usize) {
        self.take_back_body(guests, direction, at);
        let lent = std::mem::take(&mut self.progress(at, direction).lent);
        let (headers, trailers) = map_kinds(direction);
        if lent.headers {
            self.message_mut(direction).headers = self.reclaim(guests, at, headers);
        }
        if lent.trailers {
            self.message_mut(direction).trailers = self.reclaim(guests, at, trailers);
        }
    }

    fn reclaim(&mut self, guests: &mut Guests, at: usize, kind: MapKind) -> Option<Headers> {
        let (vm, stream) = self.open_stream_at(guests, at)?;
        let mut map = Headers::default();
        vm.reclaim_map(stream, kind, &mut map).ok()?;
        Some(map)
    }

    pub(super) fn take_back_body(&mut self, guests: &mut Guests, direction: Direction, at: usize) {
        if std::mem::take(&mut self.progress(at, direction).lent.body) {
            let mut held = Bytes::new();
            if let Some((vm, stream)) = self.open_stream_at(guests, at) {
                let _ = vm.swap_body(stream, body_kind(direction), &mut held);
            }
            self.progress(at, direction).held = Some(held);
        }
    }

    /// Keeps the response's status for the attribute `response.code`.
    pub(super) fn note_response_code(&self, headers: &Headers) {
        let code = headers
            .get(":status")
            .and_then(|status| std::str::from_utf8(status).ok()?.parse().ok());
        self.info(|info| info.response_code = code);
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
