//! Moving a message through the chain, as Envoy's filter manager does: each part is shown to one
//! plugin after another until one stops it; what it stopped waits at that plugin, and goes on from
//! there when the plugin continues.

use bytes::{Bytes, BytesMut};

use super::exchange::{Exchange, Iteration, Step, body_kind, map_kinds};
use super::guests::Guests;
use super::message::{Direction, Event, Part};
use super::reply::Reply;
use super::verify;
use crate::headers::Headers;
use crate::stream::Pause;
use crate::vm::Vm;

impl Exchange {
    /// Takes a part from outside. Parts before the headers, after the end, or of a message that is
    /// over are nobody's.
    pub(super) fn receive(&mut self, guests: &mut Guests, direction: Direction, part: Part) {
        let half = self.half_mut(direction);
        let is_headers = matches!(part, Part::Headers { .. });
        if half.received_end || half.started == is_headers {
            return;
        }
        half.started = true;
        half.received_end = part.end_stream();
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
                        info.response_code_details = Bytes::from_static(b"via_upstream")
                    });
                }
                self.half_mut(direction).headers = Some(headers);
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
                self.half_mut(direction).trailers = Some(trailers);
                self.trailers(guests, direction, 0);
            }
        }
    }

    /// Shows the headers to the plugins from this step on.
    pub(super) fn headers(
        &mut self,
        guests: &mut Guests,
        direction: Direction,
        from: usize,
        end_stream: bool,
    ) {
        let (kind, _) = map_kinds(direction);
        for step in from..self.legs.len() {
            if self.is_stopped(direction) {
                return;
            }
            let at = self.place(direction, step);
            self.cursor(at, direction).ended |= end_stream;
            if direction == Direction::Request && !self.create(guests, at) {
                return self.local_reply(guests, guests.failed(at));
            }
            let Some(mut headers) = self.half_mut(direction).headers.take() else { return };
            let answer = self.call(guests, direction, at, |vm, stream| match direction {
                Direction::Request => vm.request_headers(stream, &mut headers, end_stream),
                Direction::Response => vm.response_headers(stream, &mut headers, end_stream),
            });
            self.half_mut(direction).headers = Some(headers);
            let cursor = self.cursor(at, direction);
            match answer {
                Step::Stop(ending) => return self.end_with(guests, ending),
                Step::Skip => cursor.headers_continued = true,
                Step::Continue => {
                    cursor.headers_continued = true;
                    self.continued(guests, at);
                }
                Step::Pause(pause) => {
                    cursor.iteration = match pause {
                        Pause::Headers => Iteration::StopSingle,
                        Pause::Buffer => Iteration::StopAllBuffer,
                        Pause::Watermark | Pause::NoBuffer => Iteration::StopAllWatermark,
                    };
                    cursor.streaming = cursor.iteration == Iteration::StopAllWatermark;
                    self.park(guests, direction, at, Some(kind));
                    return self.continued(guests, at);
                }
            }
        }
        if !self.is_stopped(direction) {
            self.emit_headers(guests, direction, end_stream);
        }
    }

    /// Shows a piece of body to the plugins from this step on. One that stopped everything keeps it
    /// instead.
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
        for step in from..self.legs.len() {
            let at = self.place(direction, step);
            let cursor = self.cursor(at, direction);
            cursor.ended |= end_stream;
            if cursor.iteration.stops_all() {
                self.hold(guests, direction, at, data);
                data = Bytes::new();
                passed = false;
                break;
            }
            self.unpark_body(guests, direction, at);
            let cursor = self.cursor(at, direction);
            let mut is_too_large = false;
            if cursor.buffering
                && let Some(held) = cursor.held.take()
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
                // Envoy shows a request's plugin what is too much, and then answers whatever the
                // plugin says.
                return self.too_large(guests, direction);
            }
            if end_stream && self.take_added_trailers(guests, direction, at) {
                end_stream = false;
                trailers_from = Some(step + 1);
            }
            match answer {
                Step::Stop(_) => return,
                Step::Skip | Step::Continue => {
                    if self.cursor(at, direction).iteration == Iteration::Going {
                        self.continued(guests, at);
                        if self.is_stopped(direction) {
                            return;
                        }
                        continue;
                    }
                    self.cursor(at, direction).buffering = false;
                    self.append(direction, at, data);
                    self.wait_for_added(direction, at, &mut trailers_from, step);
                    self.resume(guests, direction, at);
                    data = Bytes::new();
                }
                Step::Pause(pause) => {
                    let cursor = self.cursor(at, direction);
                    cursor.iteration = Iteration::StopSingle;
                    cursor.buffering = matches!(pause, Pause::Buffer | Pause::Headers);
                    cursor.streaming = pause == Pause::Watermark;
                    if pause != Pause::NoBuffer {
                        self.hold(guests, direction, at, data);
                    } else if cursor.ended && cursor.held.is_none() {
                        // The end itself has to wait, too.
                        cursor.held = Some(Bytes::new());
                    }
                    data = Bytes::new();
                    if self.is_stopped(direction) {
                        return;
                    }
                    self.wait_for_added(direction, at, &mut trailers_from, step);
                    self.park(guests, direction, at, None);
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

    /// Trailers that the plugin added which now stops the body wait with it.
    fn wait_for_added(
        &mut self,
        direction: Direction,
        at: usize,
        trailers_from: &mut Option<usize>,
        step: usize,
    ) {
        if *trailers_from == Some(step + 1) {
            *trailers_from = None;
            self.cursor(at, direction).trailers = true;
        }
    }

    /// Shows the trailers to the plugins from this step on.
    pub(super) fn trailers(&mut self, guests: &mut Guests, direction: Direction, from: usize) {
        let (_, kind) = map_kinds(direction);
        for step in from..self.legs.len() {
            if self.is_stopped(direction) {
                return;
            }
            let at = self.place(direction, step);
            let cursor = self.cursor(at, direction);
            cursor.ended = true;
            if cursor.iteration.stops_all() {
                cursor.trailers = true;
                return;
            }
            let Some(mut trailers) = self.half_mut(direction).trailers.take() else { return };
            self.unpark_body(guests, direction, at);
            // What the plugin has buffered it can still change.
            let cursor = self.cursor(at, direction);
            let mut held = if cursor.buffering { cursor.held.take() } else { None };
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
            let cursor = self.cursor(at, direction);
            cursor.held = held.or(cursor.held.take());
            self.half_mut(direction).trailers = Some(trailers);
            let cursor = self.cursor(at, direction);
            match answer {
                Step::Stop(ending) => return self.end_with(guests, ending),
                Step::Skip | Step::Continue => {
                    if cursor.iteration != Iteration::Going {
                        cursor.trailers = true;
                        return self.resume(guests, direction, at);
                    }
                    self.continued(guests, at);
                }
                Step::Pause(_) => {
                    cursor.trailers = true;
                    if cursor.iteration == Iteration::Going {
                        cursor.iteration = Iteration::StopSingle;
                    }
                    self.park(guests, direction, at, Some(kind));
                    return self.continued(guests, at);
                }
            }
        }
        if !self.is_stopped(direction) {
            self.emit_trailers(direction);
        }
    }

    /// Lets what waits at a plugin go on. A plugin that had stopped everything is shown the body
    /// and the trailers that came meanwhile itself.
    pub(super) fn resume(&mut self, guests: &mut Guests, direction: Direction, at: usize) {
        self.unpark(guests, direction, at);
        let next = self.step(direction, at) + 1;
        let cursor = self.cursor(at, direction);
        let from = if cursor.iteration.stops_all() { next - 1 } else { next };
        cursor.iteration = Iteration::Going;
        cursor.buffering = false;
        let (held, trailers) = (cursor.held.take(), std::mem::take(&mut cursor.trailers));
        let (ended, headers_continued) =
            (cursor.ended, std::mem::replace(&mut cursor.headers_continued, true));
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

    /// Keeps a piece of body at a plugin; too much of it fails the stream, unless the sender can be
    /// held back.
    fn hold(&mut self, guests: &mut Guests, direction: Direction, at: usize, data: Bytes) {
        self.append(direction, at, data);
        let cursor = self.cursor(at, direction);
        let held = cursor.held.as_ref().map_or(0, Bytes::len);
        if !cursor.streaming && held > guests.chain.options().buffer_bytes {
            self.too_large(guests, direction);
        }
    }

    fn append(&mut self, direction: Direction, at: usize, data: Bytes) {
        let cursor = self.cursor(at, direction);
        cursor.held = Some(match cursor.held.take() {
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
            .living(guests, at)
            .and_then(|(vm, stream)| vm.take_added_trailers(stream, kind).ok().flatten());
        let has_added = added.is_some();
        if has_added {
            self.half_mut(direction).trailers = added;
        }
        has_added
    }

    fn emit_headers(&mut self, guests: &mut Guests, direction: Direction, end_stream: bool) {
        let Some(headers) = self.half(direction).headers.clone() else { return };
        let checked = match direction {
            Direction::Request => verify::request(&headers),
            Direction::Response => verify::response(&headers),
        };
        match checked {
            Err(_) if direction == Direction::Response && self.reply.is_some() => {
                self.is_undeliverable = true
            }
            Err(reply) => return self.local_reply(guests, reply),
            Ok(()) => {}
        }
        if direction == Direction::Request && self.route_cache_cleared {
            self.events.push_back(Event::RouteCacheCleared);
        }
        self.half_mut(direction).emitted = true;
        self.emit(direction, Part::Headers { headers, end_stream });
    }

    fn emit_data(&mut self, direction: Direction, data: Bytes, end_stream: bool) {
        if end_stream || !data.is_empty() {
            self.emit(direction, Part::Data { data, end_stream });
        }
    }

    fn emit_trailers(&mut self, direction: Direction) {
        let trailers = self
            .half(direction)
            .trailers
            .clone()
            .unwrap_or_else(|| Headers::new(direction.trailers()));
        self.emit(direction, Part::Trailers(trailers));
    }

    pub(super) fn emit(&mut self, direction: Direction, part: Part) {
        let end_stream = part.end_stream();
        self.half_mut(direction).emitted_end |= end_stream;
        match direction {
            Direction::Request => self.events.push_back(Event::Request(part)),
            Direction::Response => {
                if let Part::Data { data, .. } = &part {
                    let bytes = u64::try_from(data.len()).unwrap_or(u64::MAX);
                    self.info(|info| {
                        info.response_bytes = info.response_bytes.saturating_add(bytes)
                    });
                }
                if !self.is_undeliverable {
                    self.events.push_back(Event::Response(part));
                }
                if end_stream {
                    self.response_is_out();
                }
            }
        }
    }

    /// The response is out. What is left of the request is of no use to anyone.
    fn response_is_out(&mut self) {
        self.reset_upstream();
        if self.is_undeliverable {
            self.events.push_back(Event::ResponseReset);
        }
        self.is_over = true;
    }
}

/// Envoy's rule for a request that wants a gRPC answer.
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
