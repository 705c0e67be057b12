//! Sending a local reply: through the plugins that the request has reached, unless the upstream's
//! response has begun. What it looks like is in `reply`.

use super::event::Direction;
use super::exchange::{Ending, Exchange};
use super::guests::Guests;
use super::message::Part;
use super::reply::Reply;

impl Exchange {
    /// The upstream's stream was reset: answers the client, or resets it if the response has begun.
    pub(super) fn upstream_reset(&mut self, guests: &mut Guests, reason: &str) {
        self.upstream_ended = true;
        if self.message(Direction::Response).started {
            self.reset_client(guests);
        } else {
            self.local_reply(guests, Reply::of_upstream(reason));
        }
    }

    /// Answers the client. The request continues no further, and a response of the upstream is
    /// dropped.
    pub(super) fn local_reply(&mut self, guests: &mut Guests, reply: Reply) {
        if self.is_over {
            return;
        }
        let response = self.message(Direction::Response);
        if response.emitted {
            // Headers were sent, so the client cannot get another status.
            return self.reset_client(guests);
        }
        let has_begun = response.started;
        self.reset_upstream();
        self.abort(guests, Direction::Request);
        self.reply = Some(reply.sent());
        self.info(|info| info.response_code_details = reply.details.0.clone());
        let (headers, body) = reply.message(self.is_head, self.is_grpc);
        let end_stream = body.is_empty();
        if has_begun {
            // Plugins have seen the upstream's response, so none of them sees this one.
            self.abort(guests, Direction::Response);
        }
        let response = self.message_mut(Direction::Response);
        response.started = true;
        response.received_end = true;
        response.trailers = None;
        response.headers = Some(headers.clone());
        self.note_response_code(&headers);
        let response = self.message_mut(Direction::Response);
        if has_begun {
            response.emitted = true;
            self.emit(Direction::Response, Part::Headers { headers, end_stream });
            if !end_stream {
                self.emit(Direction::Response, Part::Data { data: body, end_stream: true });
            }
            return;
        }
        self.headers(guests, Direction::Response, 0, end_stream);
        if !end_stream && !self.is_stopped(Direction::Response) {
            self.data(guests, Direction::Response, 0, body, true);
        }
    }

    /// Ends the exchange as a callback asked for.
    pub(super) fn end_with(&mut self, guests: &mut Guests, ending: Ending) {
        match ending {
            Ending::Reply(reply) => self.local_reply(guests, reply),
            Ending::Close => self.reset_client(guests),
        }
    }
}
