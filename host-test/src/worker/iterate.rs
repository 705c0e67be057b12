//! Moving a message through the chain, as Envoy's filter manager does: each part is shown to one
//! plugin after another until one stops it. It then waits at that plugin, and resumes from there
//! when the plugin continues.

use bytes::{Bytes, BytesMut};

use super::event::Direction;
use super::exchange::{Exchange, Iteration, Step, body_kind, map_kinds};
use super::guests::Guests;
use super::message::Part;
use super::reply::Reply;
use crate::abi::StreamKind;
use crate::outcome::Pause;
use crate::vm::Vm;

impl Exchange {
    /// Receives a part of a message. Parts before the headers and after the end are ignored.
    pub(super) fn receive(&mut self, guests: &mut Guests, direction: Direction, part: Part) {
        let message = self.message_mut(direction);
        let is_headers = matches!(part, Part::Headers { .. });
        if message.received_end || message.started == is_headers {
            return;
        }
        message.started = true;
        message.received_end = part.end_stream();
        if self.is_stopped(direction) {
            return;
        }
        match part {
            Part::Headers { headers, end_stream } => {
                if direction == Direction::Request {
                    self.is_head = headers.get(":method") == Some(b"HEAD");
                    self.is_grpc = headers.get("content-type").is_some_and(is_grpc);
                }
                if direction == Direction::Response {
                    self.note_response_code(&headers);
                    self.info(|info| {
                        info.response_code_details = Bytes::from_static(b"via_upstream");
                    });
                }
                self.message_mut(direction).headers = Some(headers);
                self.headers(guests, direction, 0, end_stream);
            }
            Part::Data { data, end_stream } => {
                if direction == Direction::Request {
                    let bytes = u64::try_from(data.len()).unwrap_or(u64::MAX);
                    self.info(|info| info.request_bytes = info.request_bytes.saturating_add(bytes));
                }
                self.data(guests, direction, 0, data, end_stream);
            }
            Part::Trailers(trailers) => {
                self.message_mut(direction).trailers = Some(trailers);
                self.trailers(guests, direction, 0);
            }
        }
    }

    /// Shows the headers to the plugins, starting at a step.
    pub(super) fn headers(
        &mut self,
        guests: &mut Guests,
        direction: Direction,
        from: usize,
        end_stream: bool,
    ) {
        let (kind, _) = map_kinds(direction);
        for step in from..self.plugins.len() {
            if self.is_stopped(direction) {
                return;
            }
            let at = self.index_of(direction, step);
            self.progress(at, direction).ended |= end_stream;
            if direction == Direction::Request && !self.create(guests, at) {
                return self.local_reply(guests, guests.failure_reply(at));
            }
            let Some(mut headers) = self.message_mut(direction).headers.take() else { return };
            let answer = self.call(guests, direction, at, |vm, stream| match direction {
                Direction::Request => vm.request_headers(stream, &mut headers, end_stream),
                Direction::Response => vm.response_headers(stream, &mut headers, end_stream),
            });
            self.message_mut(direction).headers = Some(headers);
            let progress = self.progress(at, direction);
            match answer {
                Step::Stop(ending) => return self.end_with(guests, ending),
                Step::Skip => progress.headers_continued = true,
                Step::Continue => {
                    progress.headers_continued = true;
                    self.continued(guests, at);
                }
                Step::Pause(pause) => {
                    progress.iteration = match pause {
                        Pause::Headers => Iteration::StopSingle,
                        Pause::Buffer => Iteration::StopAllBuffer,
                        Pause::Watermark | Pause::NoBuffer => Iteration::StopAllWatermark,
                    };
                    progress.streaming = progress.iteration == Iteration::StopAllWatermark;
                    self.lend_waiting(guests, direction, at, Some(kind));
                    return self.continued(guests, at);
                }
            }
        }
        if !self.is_stopped(direction) {
            self.emit_headers(guests, direction, end_stream);
        }
    }

    /// Shows a piece of body to the plugins, starting at a step. It waits at the first plugin that
    /// has stopped everything.
    pub(super) fn data(
        &mut self,
        guests: &mut Guests,
        direction: Direction,
        from: usize,
        data: Bytes,
        end_stream: bool,
    ) {
        let (mut data, mut end_stream, mut trailers_from) = (data, end_stream, None);
        let mut passed = true;
        for step in from..self.plugins.len() {
            let at = self.index_of(direction, step);
            let progress = self.progress(at, direction);
            progress.ended |= end_stream;
            if progress.iteration.stops_all() {
                self.hold(guests, direction, at, data);
                data = Bytes::new();
                passed = false;
                break;
            }
            self.take_back_body(guests, direction, at);
            let progress = self.progress(at, direction);
            let mut is_too_large = false;
            if progress.buffering
                && let Some(held) = progress.held.take()
            {
                data = joined(held, &data);
                is_too_large = data.len() > guests.chain.options().buffer_bytes;
                if is_too_large && direction == Direction::Response {
                    return self.too_large(guests, direction);
                }
            }
            let answer = self.call(guests, direction, at, |vm, stream| match direction {
                Direction::Request => vm.request_body(stream, &mut data, end_stream),
                Direction::Response => vm.response_body(stream, &mut data, end_stream),
            });
            if let Step::Stop(ending) = answer {
                return self.end_with(guests, ending);
            }
            if is_too_large {
                // As Envoy: it shows the plugin a request's body that is too large, and then
                // answers 413, whatever the plugin returned.
                return self.too_large(guests, direction);
            }
            if end_stream && self.take_added_trailers(guests, direction, at) {
                end_stream = false;
                trailers_from = Some(step + 1);
            }
            match answer {
                Step::Stop(_) => return,
                Step::Skip | Step::Continue => {
                    if self.progress(at, direction).iteration == Iteration::Continue {
                        self.continued(guests, at);
                        if self.is_stopped(direction) {
                            return;
                        }
                        continue;
                    }
                    self.progress(at, direction).buffering = false;
                    self.append(direction, at, data);
                    self.wait_for_added(direction, at, &mut trailers_from, step);
                    self.resume(guests, direction, at);
                    data = Bytes::new();
                }
                Step::Pause(pause) => {
                    let progress = self.progress(at, direction);
                    progress.iteration = Iteration::StopSingle;
                    progress.buffering = matches!(pause, Pause::Buffer | Pause::Headers);
                    progress.streaming = pause == Pause::Watermark;
                    if pause != Pause::NoBuffer {
                        self.hold(guests, direction, at, data);
                    } else if progress.ended && progress.held.is_none() {
                        // The end of the message waits, too.
                        progress.held = Some(Bytes::new());
                    }
                    data = Bytes::new();
                    if self.is_stopped(direction) {
                        return;
                    }
                    self.wait_for_added(direction, at, &mut trailers_from, step);
                    self.lend_waiting(guests, direction, at, None);
                    self.continued(guests, at);
                }
            }
            passed = false;
            break;
        }
        if self.is_stopped(direction) {
            return;
        }
        if passed {
            self.emit_data(direction, data, end_stream);
        }
        if let Some(step) = trailers_from {
            self.trailers(guests, direction, step);
        }
    }

    /// Trailers wait with the body if the plugin that added them stops the body.
    fn wait_for_added(
        &mut self,
        direction: Direction,
        at: usize,
        trailers_from: &mut Option<usize>,
        step: usize,
    ) {
        if *trailers_from == Some(step + 1) {
            *trailers_from = None;
            self.progress(at, direction).trailers = true;
        }
    }

    /// Shows the trailers to the plugins, starting at a step.
    pub(super) fn trailers(&mut self, guests: &mut Guests, direction: Direction, from: usize) {
        let (_, kind) = map_kinds(direction);
        for step in from..self.plugins.len() {
            if self.is_stopped(direction) {
                return;
            }
            let at = self.index_of(direction, step);
            let progress = self.progress(at, direction);
            progress.ended = true;
            if progress.iteration.stops_all() {
                progress.trailers = true;
                return;
            }
            let Some(mut trailers) = self.message_mut(direction).trailers.take() else { return };
            self.take_back_body(guests, direction, at);
            // The plugin can still change the body that it has buffered.
            let progress = self.progress(at, direction);
            let mut held = if progress.buffering { progress.held.take() } else { None };
            let answer = self.call(guests, direction, at, |vm, stream| {
                let swap = |vm: &mut Vm, held: &mut Option<Bytes>| {
                    held.as_mut().map(|held| vm.swap_body(stream, body_kind(direction), held))
                };
                swap(vm, &mut held);
                let answer = match direction {
                    Direction::Request => vm.request_trailers(stream, &mut trailers),
                    Direction::Response => vm.response_trailers(stream, &mut trailers),
                };
                swap(vm, &mut held);
                answer
            });
            let progress = self.progress(at, direction);
            progress.held = held.or(progress.held.take());
            self.message_mut(direction).trailers = Some(trailers);
            let progress = self.progress(at, direction);
            match answer {
                Step::Stop(ending) => return self.end_with(guests, ending),
                Step::Skip | Step::Continue => {
                    if progress.iteration != Iteration::Continue {
                        progress.trailers = true;
                        return self.resume(guests, direction, at);
                    }
                    self.continued(guests, at);
                }
                Step::Pause(_) => {
                    progress.trailers = true;
                    if progress.iteration == Iteration::Continue {
                        progress.iteration = Iteration::StopSingle;
                    }
                    self.lend_waiting(guests, direction, at, Some(kind));
                    return self.continued(guests, at);
                }
            }
        }
        if !self.is_stopped(direction) {
            self.emit_trailers(direction);
        }
    }

    /// Resumes what waits at a plugin. A plugin that has stopped everything is first shown the body
    /// and the trailers that came since.
    pub(super) fn resume(&mut self, guests: &mut Guests, direction: Direction, at: usize) {
        self.take_back(guests, direction, at);
        let next = self.step_of(direction, at) + 1;
        let progress = self.progress(at, direction);
        let from = if progress.iteration.stops_all() { next - 1 } else { next };
        progress.iteration = Iteration::Continue;
        progress.buffering = false;
        let (held, trailers) = (progress.held.take(), std::mem::take(&mut progress.trailers));
        let (ended, headers_continued) =
            (progress.ended, std::mem::replace(&mut progress.headers_continued, true));
        if !headers_continued {
            self.headers(guests, direction, next, ended && held.is_none() && !trailers);
        }
        if let Some(held) = held
            && !self.is_stopped(direction)
        {
            self.data(guests, direction, from, held, ended && !trailers);
        }
        if trailers && !self.is_stopped(direction) {
            self.trailers(guests, direction, from);
        }
    }

    /// Resumes the messages that wait at a plugin and that its guest has continued.
    pub(super) fn continued(&mut self, guests: &mut Guests, at: usize) {
        for (direction, kind) in [
            (Direction::Request, StreamKind::HttpRequest),
            (Direction::Response, StreamKind::HttpResponse),
        ] {
            let asked = self
                .open_stream_at(guests, at)
                .is_some_and(|(vm, id)| vm.take_continued(id, kind).unwrap_or(false));
            if asked
                && !self.is_stopped(direction)
                && self.progress(at, direction).iteration != Iteration::Continue
            {
                self.resume(guests, direction, at);
            }
        }
    }

    /// Keeps a piece of body at a plugin. Too much of it fails the stream, unless the sender has to
    /// wait.
    fn hold(&mut self, guests: &mut Guests, direction: Direction, at: usize, data: Bytes) {
        self.append(direction, at, data);
        let progress = self.progress(at, direction);
        let held = progress.held.as_ref().map_or(0, Bytes::len);
        if !progress.streaming && held > guests.chain.options().buffer_bytes {
            self.too_large(guests, direction);
        }
    }

    fn append(&mut self, direction: Direction, at: usize, data: Bytes) {
        let progress = self.progress(at, direction);
        progress.held = Some(match progress.held.take() {
            Some(held) => joined(held, &data),
            None => data,
        });
    }

    fn too_large(&mut self, guests: &mut Guests, direction: Direction) {
        let reply = match direction {
            Direction::Request => {
                Reply::of_chain(413, "Payload Too Large", "request_payload_too_large")
            }
            Direction::Response => {
                Reply::of_chain(500, "Internal Server Error", "response_payload_too_large")
            }
        };
        self.local_reply(guests, reply);
    }

    fn take_added_trailers(
        &mut self,
        guests: &mut Guests,
        direction: Direction,
        at: usize,
    ) -> bool {
        let (_, kind) = map_kinds(direction);
        let added = self
            .open_stream_at(guests, at)
            .and_then(|(vm, stream)| vm.take_added_trailers(stream, kind).ok().flatten());
        let has_added = added.is_some();
        if has_added {
            self.message_mut(direction).trailers = added;
        }
        has_added
    }
}

/// Whether a request is gRPC, by Envoy's rule.
fn is_grpc(content_type: &[u8]) -> bool {
    content_type
        .strip_prefix(b"application/grpc")
        .is_some_and(|rest| matches!(rest.first(), None | Some(b'+')))
}

fn joined(held: Bytes, data: &[u8]) -> Bytes {
    let mut held = held.try_into_mut().unwrap_or_else(|shared| BytesMut::from(&shared[..]));
    held.extend_from_slice(data);
    held.freeze()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_grpc_and_its_subtypes_are_grpc() {
        for (content_type, expected) in [
            ("application/grpc", true),
            ("application/grpc+proto", true),
            ("application/grpc-web", false),
            ("application/grpc; charset=utf-8", false),
            ("text/plain", false),
        ] {
            assert_eq!(is_grpc(content_type.as_bytes()), expected, "{content_type}");
        }
    }

    #[test]
    fn held_data_grows_in_order() {
        let held = joined(joined(Bytes::new(), b"one"), b"two");
        assert_eq!(held, "onetwo");
        let other = held.clone();
        assert_eq!((joined(held, b"!"), other), (Bytes::from("onetwo!"), Bytes::from("onetwo")));
    }
}
