//! The bytes between one client and hyper. What an HTTP/1.1 client sends is followed request by
//! request: `request_head` prepares each head, and a client that is silent for too long, or does
//! not read its answer, is not waited for. HTTP/2 passes as it is, but for the time that a
//! connection may be idle.

use std::future::Future;
use std::io;
use std::mem::MaybeUninit;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::time::{Instant, Sleep};

use crate::body_end::BodyEnd;
use crate::client_state::{ClientState, Early};
use crate::options::Timeouts;
use crate::request_head::{self, Head, PREFACE};

/// A head that is longer is hyper's to refuse: it has no room for more either.
pub(crate) const MAX_HEAD: usize = 64 * 1024;

/// How much of a head is read at once.
const READ: usize = 4 * 1024;

/// How long the end of a connection waits for a client that still sends, as Envoy's
/// `delayed_close_timeout`. Without it the client may lose the answer (RFC 9112 §9.6).
const LINGER: Duration = Duration::from_secs(1);

/// Stands for a request that hyper must not see. `service` answers it with what
/// [`ClientState::early`] says.
const STAND_IN: &[u8] = b"GET * HTTP/1.1\r\nhost: -\r\nconnection: close\r\n\r\n";

pub(crate) struct ClientIo<I> {
    inner: I,
    state: Arc<ClientState>,
    timeouts: Timeouts,
    place: Place,
    /// Bytes that came and that hyper did not get yet.
    unread: Vec<u8>,
    /// How many of them hyper may get.
    released: usize,
    /// How many heads hyper may have read.
    heads: u64,
    /// Whether a head began and is not whole.
    is_in_head: bool,
    read_timer: Timer,
    write_timer: Timer,
    linger: Option<Pin<Box<Sleep>>>,
}

/// Where in a connection the next byte from the client is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Place {
    /// Before a head or in it.
    Head,
    Body(BodyEnd),
    /// What comes is not followed: HTTP/2, another protocol, or a head for hyper to refuse.
    Unfollowed,
    /// Nothing more is read, and the request before it is answered.
    Answered,
    /// The client sends nothing more.
    End,
}

/// What a read brought.
enum More {
    /// Bytes in hyper's buffer.
    HandedOut,
    /// Bytes to be followed.
    Unread,
    /// The client sends nothing more.
    End,
}

/// A timer that is set only while it is needed. Boxed once, because most reads find bytes.
#[derive(Default)]
struct Timer {
    sleep: Option<Pin<Box<Sleep>>>,
    is_set: bool,
}

impl Timer {
    fn clear(&mut self) {
        self.is_set = false;
    }

    /// Sets the timer, unless it is set. Without a limit it never ends.
    fn set(&mut self, limit: Option<Duration>) {
        let Some(limit) = limit.filter(|_| !self.is_set) else { return };
        self.is_set = true;
        match &mut self.sleep {
            Some(sleep) => sleep.as_mut().reset(Instant::now() + limit),
            None => self.sleep = Some(Box::pin(tokio::time::sleep(limit))),
        }
    }

    fn is_over(&mut self, cx: &mut Context<'_>) -> bool {
        match &mut self.sleep {
            Some(sleep) if self.is_set => sleep.as_mut().poll(cx).is_ready(),
            _ => false,
        }
    }
}

impl<I: AsyncRead + AsyncWrite + Unpin> ClientIo<I> {
    pub(crate) fn new(inner: I, state: Arc<ClientState>, timeouts: Timeouts) -> Self {
        Self {
            inner,
            state,
            timeouts,
            place: Place::Head,
            unread: Vec::new(),
            released: 0,
            heads: 0,
            is_in_head: false,
            read_timer: Timer::default(),
            write_timer: Timer::default(),
            linger: None,
        }
    }

    /// Gives hyper what it may have. True when it got something.
    fn hand_out(&mut self, buffer: &mut ReadBuf<'_>) -> bool {
        let length = self.released.min(buffer.remaining());
        buffer.put_slice(&self.unread[..length]);
        self.unread.drain(..length);
        self.released -= length;
        length > 0
    }

    /// Reads from the client: a head into `unread`, the rest into hyper's buffer.
    fn poll_more(
        &mut self,
        cx: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<More>> {
        if self.place == Place::Head || !self.unread.is_empty() {
            // hyper's first buffer has the size of the HTTP/2 preface, and a head is read whole.
            let mut space = [const { MaybeUninit::uninit() }; READ];
            let mut space = ReadBuf::uninit(&mut space);
            ready!(Pin::new(&mut self.inner).poll_read(cx, &mut space))?;
            self.unread.extend_from_slice(space.filled());
            let is_end = space.filled().is_empty();
            return Poll::Ready(Ok(if is_end { More::End } else { More::Unread }));
        }
        let before = buffer.filled().len();
        ready!(Pin::new(&mut self.inner).poll_read(cx, buffer))?;
        let read = &buffer.filled()[before..];
        if read.is_empty() {
            return Poll::Ready(Ok(More::End));
        }
        let Place::Body(mut body) = self.place else { return Poll::Ready(Ok(More::HandedOut)) };
        match body.take(read) {
            Ok(taken) => {
                self.unread.extend_from_slice(&read[taken..]);
                buffer.set_filled(before + taken);
                self.body(body);
            }
            // hyper finds the same, and ends the connection.
            Err(_) => self.place = Place::Unfollowed,
        }
        Poll::Ready(Ok(More::HandedOut))
    }

    /// Moves on in the bytes that hyper did not get yet.
    fn follow(&mut self) {
        while self.released < self.unread.len() {
            match self.place {
                // A request that came early waits, so that what `state` says is of one request.
                Place::Head if self.is_answering() => return,
                Place::Head => {
                    let bytes = &self.unread[self.released..];
                    if PREFACE.starts_with(bytes) && bytes.len() < PREFACE.len() {
                        return;
                    }
                    if bytes.starts_with(PREFACE) {
                        self.state.is_not_followed();
                        self.place = Place::Unfollowed;
                        continue;
                    }
                    let head = request_head::read(bytes);
                    if !self.head(head) {
                        return;
                    }
                }
                Place::Body(mut body) => {
                    match body.take(&self.unread[self.released..]) {
                        Ok(taken) => self.released += taken,
                        // hyper finds the same, and ends the connection.
                        Err(_) => self.place = Place::Unfollowed,
                    }
                    if self.place != Place::Unfollowed {
                        self.body(body);
                    }
                }
                Place::Unfollowed => self.released = self.unread.len(),
                Place::Answered | Place::End => return,
            }
        }
    }

    /// Notes a head; false when more bytes are needed.
    fn head(&mut self, head: Head) -> bool {
        match head {
            Head::Partial if self.unread.len() - self.released <= MAX_HEAD => {
                self.state.waits();
                return false;
            }
            Head::Partial | Head::Unclear => {
                self.place = Place::Unfollowed;
                self.state.is_not_followed();
            }
            Head::Refused => self.answer_early(Early::BadRequest),
            Head::Whole { length, body, rewritten, may_switch } => {
                self.heads += 1;
                if let Some(rewritten) = rewritten {
                    let head = self.released..self.released + length;
                    let length = rewritten.len();
                    self.unread.splice(head, rewritten);
                    self.released += length;
                } else {
                    self.released += length;
                }
                self.state.waits();
                if may_switch {
                    self.place = Place::Unfollowed;
                    self.state.is_not_followed();
                } else {
                    self.body(body);
                }
            }
        }
        true
    }

    /// Whether hyper has a request that is not answered yet.
    fn is_answering(&self) -> bool {
        self.heads > self.state.answered()
    }

    fn body(&mut self, body: BodyEnd) {
        if body.is_over() {
            self.place = Place::Head;
            self.state.has_request();
        } else {
            self.place = Place::Body(body);
        }
    }

    /// Lets `service` answer instead of what came, and reads no more.
    fn answer_early(&mut self, early: Early) {
        self.state.answer_early(early);
        self.unread.truncate(self.released);
        self.unread.extend_from_slice(STAND_IN);
        self.released = self.unread.len();
        self.place = Place::Answered;
    }

    /// How long the client may be silent now.
    fn silence(&self) -> Option<Duration> {
        match self.place {
            Place::Head if !self.unread.is_empty() => self.timeouts.head(),
            Place::Head | Place::Unfollowed if self.state.is_idle() => self.timeouts.idle,
            // `service` has the time of a request.
            _ => None,
        }
    }
}

impl<I: AsyncRead + AsyncWrite + Unpin> AsyncRead for ClientIo<I> {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let this = &mut *self;
        loop {
            this.follow();
            if this.hand_out(buffer) || this.place == Place::End {
                return Poll::Ready(Ok(()));
            }
            if this.place == Place::Answered {
                // For hyper an end would mean that nobody waits for the answer. The connection is
                // closed behind it, so nothing needs to wake it.
                return Poll::Pending;
            }
            if this.place == Place::Head && !this.unread.is_empty() && this.is_answering() {
                this.state.wake_when_answered(cx);
                if this.is_answering() {
                    return Poll::Pending;
                }
                continue;
            }
            match this.poll_more(cx, buffer)? {
                Poll::Ready(More::HandedOut) => {
                    this.is_in_head = false;
                    this.read_timer.clear();
                    return Poll::Ready(Ok(()));
                }
                Poll::Ready(More::Unread) => {
                    this.follow();
                    // The time of a head begins with its first byte, and goes on until it is whole.
                    let is_in_head = this.place == Place::Head && this.released == 0;
                    if !(is_in_head && this.is_in_head) {
                        this.read_timer.clear();
                    }
                    this.is_in_head = is_in_head;
                }
                Poll::Ready(More::End) => {
                    // hyper sees how far the request came.
                    this.released = this.unread.len();
                    this.hand_out(buffer);
                    this.place = Place::End;
                    return Poll::Ready(Ok(()));
                }
                Poll::Pending => {
                    let limit = this.silence();
                    if limit.is_none() {
                        this.read_timer.clear();
                    }
                    this.read_timer.set(limit);
                    if !this.read_timer.is_over(cx) {
                        return Poll::Pending;
                    }
                    this.read_timer.clear();
                    if this.place == Place::Head && !this.unread.is_empty() {
                        this.answer_early(Early::Timeout);
                    } else if this.state.is_idle() {
                        return Poll::Ready(Err(io::ErrorKind::TimedOut.into()));
                    }
                }
            }
        }
    }
}

impl<I: AsyncWrite + Unpin> ClientIo<I> {
    /// Fails when the client did not take anything for as long as a stream may be idle.
    fn waited<T>(
        &mut self,
        cx: &mut Context<'_>,
        polled: Poll<io::Result<T>>,
    ) -> Poll<io::Result<T>> {
        if polled.is_ready() {
            self.write_timer.clear();
            return polled;
        }
        self.write_timer.set(self.timeouts.stream_idle);
        if self.write_timer.is_over(cx) {
            return Poll::Ready(Err(io::ErrorKind::TimedOut.into()));
        }
        Poll::Pending
    }
}

impl<I: AsyncRead + AsyncWrite + Unpin> AsyncWrite for ClientIo<I> {
    fn poll_write(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        let polled = Pin::new(&mut self.inner).poll_write(cx, bytes);
        self.waited(cx, polled)
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        let polled = Pin::new(&mut self.inner).poll_flush(cx);
        self.waited(cx, polled)
    }

    /// Says that nothing more is sent. A client that is still sending a request gets some time to
    /// read its answer: a socket that is closed with unread bytes takes the answer back.
    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        let this = &mut *self;
        if this.linger.is_none() {
            ready!(Pin::new(&mut this.inner).poll_shutdown(cx))?;
            if !matches!(this.place, Place::Body(_) | Place::Answered) {
                return Poll::Ready(Ok(()));
            }
        }
        let linger = this.linger.get_or_insert_with(|| Box::pin(tokio::time::sleep(LINGER)));
        let mut space = [0; 4096];
        loop {
            if linger.as_mut().poll(cx).is_ready() {
                return Poll::Ready(Ok(()));
            }
            let mut buffer = ReadBuf::new(&mut space);
            match ready!(Pin::new(&mut this.inner).poll_read(cx, &mut buffer)) {
                Ok(()) if !buffer.filled().is_empty() => {}
                _ => return Poll::Ready(Ok(())),
            }
        }
    }

    fn is_write_vectored(&self) -> bool {
        self.inner.is_write_vectored()
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        slices: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        let polled = Pin::new(&mut self.inner).poll_write_vectored(cx, slices);
        self.waited(cx, polled)
    }
}
