//! HTTP messages: in parts, as a worker takes and gives them, and whole, as tests have them.

use bytes::Bytes;

use crate::headers::Headers;

/// A part of a message. The headers come first and once, then any number of data parts, then
/// trailers or none. `end_stream` is true on the last part.
///
/// ```
/// use gatepost_host::{Headers, Part};
///
/// # let headers = Headers::request([(":method", "POST"), (":path", "/")]);
/// let parts = [
///     Part::Headers { headers, end_stream: false },
///     Part::Data { data: "one".into(), end_stream: false },
///     Part::Data { data: "two".into(), end_stream: true },
/// ];
/// assert_eq!(parts.map(|part| part.end_stream()), [false, false, true]);
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Part {
    /// The headers, with the pseudo-headers.
    Headers {
        /// The headers.
        headers: Headers,
        /// Whether nothing follows.
        end_stream: bool,
    },
    /// A piece of the body.
    Data {
        /// The bytes; it may be empty.
        data: Bytes,
        /// Whether nothing follows.
        end_stream: bool,
    },
    /// The trailers. Nothing follows.
    Trailers(Headers),
}

impl Part {
    /// Whether nothing follows.
    #[must_use]
    pub fn end_stream(&self) -> bool {
        match self {
            Part::Headers { end_stream, .. } | Part::Data { end_stream, .. } => *end_stream,
            Part::Trailers(_) => true,
        }
    }
}

/// How a message ends.
///
/// ```
/// use gatepost_host::{End, Headers, Message};
///
/// let message = Message::new(Headers::request([(":path", "/")])).with_body("all");
/// assert_eq!(message.clone().into_parts().count(), 2);
/// // Some clients end a body with an empty piece, and a plugin must accept that.
/// assert_eq!(Message { end: End::Empty, ..message }.into_parts().count(), 3);
/// ```
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum End {
    /// With its last part.
    #[default]
    OnLast,
    /// With an empty piece of body after its last part. A message with trailers ends with those.
    Empty,
}

/// A whole message.
///
/// ```
/// use gatepost_host::{HeaderScope, Headers, Message, Part};
///
/// let headers = Headers::request([(":method", "POST"), (":path", "/")]);
/// let mut message = Message::new(headers).with_body("one ");
/// message.body.push("two".into()); // in pieces, as a client may send it
/// message.trailers = Some(Headers::collect(HeaderScope::RequestTrailers, [("x-sum", "42")]));
/// assert_eq!(message.whole_body(), "one two");
///
/// let parts: Vec<Part> = message.clone().into_parts().collect();
/// assert_eq!(parts.len(), 4); // headers, two pieces of body, trailers
///
/// let mut again = Message::default();
/// parts.into_iter().for_each(|part| again.push(part));
/// assert_eq!(again, message);
/// ```
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Message {
    /// The headers.
    pub headers: Headers,
    /// The pieces of the body, in order.
    pub body: Vec<Bytes>,
    /// The trailers.
    pub trailers: Option<Headers>,
    /// How the message ends.
    pub end: End,
}

impl Message {
    /// A message without a body.
    #[must_use]
    pub fn new(headers: Headers) -> Self {
        Self { headers, ..Self::default() }
    }

    /// This message with a body of one piece.
    ///
    /// ```
    /// # use gatepost_host::*;
    /// let message = Message::new(Headers::response([(":status", "200")])).with_body("hello");
    /// assert_eq!(message.body, ["hello"]);
    /// assert_eq!(message.end, End::OnLast);
    /// ```
    #[must_use]
    pub fn with_body(mut self, body: impl Into<Bytes>) -> Self {
        self.body = vec![body.into()];
        self
    }

    /// The body in one piece.
    ///
    /// ```
    /// # use gatepost_host::*;
    /// let mut message = Message::new(Headers::request([(":path", "/")]));
    /// message.body = vec!["one ".into(), "two".into()];
    /// assert_eq!(message.whole_body(), "one two");
    /// ```
    #[must_use]
    pub fn whole_body(&self) -> Bytes {
        match &self.body[..] {
            [one] => one.clone(),
            many => many.concat().into(),
        }
    }

    /// The parts in order.
    ///
    /// ```
    /// # use gatepost_host::*;
    /// let message = Message::new(Headers::request([(":path", "/")])).with_body("all");
    /// let ends: Vec<bool> = message.into_parts().map(|part| part.end_stream()).collect();
    /// assert_eq!(ends, [false, true]);
    /// ```
    pub fn into_parts(self) -> impl Iterator<Item = Part> {
        let Message { headers, body, trailers, end } = self;
        let mut parts = vec![Part::Headers { headers, end_stream: false }];
        parts.extend(body.into_iter().map(|data| Part::Data { data, end_stream: false }));
        if trailers.is_none() && end == End::Empty {
            parts.push(Part::Data { data: Bytes::new(), end_stream: false });
        }
        parts.extend(trailers.map(Part::Trailers));
        if let Some(Part::Headers { end_stream, .. } | Part::Data { end_stream, .. }) =
            parts.last_mut()
        {
            *end_stream = true;
        }
        parts.into_iter()
    }

    /// Adds a part that was received.
    ///
    /// ```
    /// # use gatepost_host::*;
    /// let mut message = Message::default();
    /// message.push(Part::Data { data: "one".into(), end_stream: false });
    /// message.push(Part::Data { data: "".into(), end_stream: true }); // an empty piece is dropped
    /// assert_eq!(message.body, ["one"]);
    /// ```
    pub fn push(&mut self, part: Part) {
        match part {
            Part::Headers { headers, .. } => self.headers = headers,
            Part::Data { data, .. } => {
                if !data.is_empty() {
                    self.body.push(data);
                }
            }
            Part::Trailers(trailers) => self.trailers = Some(trailers),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::headers::HeaderScope;

    fn shape(message: Message) -> Vec<(&'static str, bool)> {
        let name = |part: &Part| match part {
            Part::Headers { .. } => "headers",
            Part::Data { .. } => "data",
            Part::Trailers(_) => "trailers",
        };
        message.into_parts().map(|part| (name(&part), part.end_stream())).collect()
    }

    #[test]
    fn a_message_ends_with_its_last_part_or_with_an_empty_one() {
        let bare = || Message::new(Headers::request([(":path", "/")]));
        assert_eq!(shape(bare()), [("headers", true)]);
        assert_eq!(
            shape(Message { end: End::Empty, ..bare() }),
            [("headers", false), ("data", true)]
        );
        assert_eq!(shape(bare().with_body("a")), [("headers", false), ("data", true)]);
        let trailers = Some(Headers::new(HeaderScope::RequestTrailers));
        let parts = shape(Message { trailers, end: End::Empty, ..bare().with_body("a") });
        assert_eq!(parts, [("headers", false), ("data", false), ("trailers", true)]);
    }
}
