//! What leaves the chain: parts that have passed every plugin become events, after the checks that
//! Envoy makes before it sends them.

use bytes::Bytes;

use super::event::{Direction, Event};
use super::exchange::Exchange;
use super::guests::Guests;
use super::message::Part;
use super::verify;
use crate::headers::Headers;

impl Exchange {
    /// The headers leave the chain, if they can be sent.
    pub(super) fn emit_headers(
        &mut self,
        guests: &mut Guests,
        direction: Direction,
        end_stream: bool,
    ) {
        let Some(headers) = self.message(direction).headers.clone() else { return };
        let checked = match direction {
            Direction::Request => verify::request(&headers),
            Direction::Response => verify::response(&headers),
        };
        match checked {
            Err(_) if direction == Direction::Response && self.reply.is_some() => {
                self.is_undeliverable = true;
            }
            Err(reply) => return self.local_reply(guests, reply),
            Ok(()) => {}
        }
        if direction == Direction::Request && self.route_cache_cleared {
            self.events.push_back(Event::RouteCacheCleared);
        }
        self.message_mut(direction).emitted = true;
        self.emit(direction, Part::Headers { headers, end_stream });
    }

    /// A piece of body leaves the chain.
    pub(super) fn emit_data(&mut self, direction: Direction, data: Bytes, end_stream: bool) {
        if end_stream || !data.is_empty() {
            self.emit(direction, Part::Data { data, end_stream });
        }
    }

    /// The trailers leave the chain.
    pub(super) fn emit_trailers(&mut self, direction: Direction) {
        let trailers = self
            .message(direction)
            .trailers
            .clone()
            .unwrap_or_else(|| Headers::new(direction.trailers()));
        self.emit(direction, Part::Trailers(trailers));
    }

    /// A part leaves the chain, as an event.
    pub(super) fn emit(&mut self, direction: Direction, part: Part) {
        let end_stream = part.end_stream();
        self.message_mut(direction).emitted_end |= end_stream;
        match direction {
            Direction::Request => self.events.push_back(Event::Request(part)),
            Direction::Response => {
                if let Part::Data { data, .. } = &part {
                    let bytes = u64::try_from(data.len()).unwrap_or(u64::MAX);
                    self.info(|info| {
                        info.response_bytes = info.response_bytes.saturating_add(bytes);
                    });
                }
                if !self.is_undeliverable {
                    self.events.push_back(Event::Response(part));
                }
                if end_stream {
                    self.end_response();
                }
            }
        }
    }

    /// The response was sent. The rest of the request is dropped.
    fn end_response(&mut self) {
        self.reset_upstream();
        if self.is_undeliverable {
            self.events.push_back(Event::ResponseReset);
        }
        self.is_over = true;
    }
}
