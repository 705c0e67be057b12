//! One request and its answer.

use std::sync::Arc;
use std::time::{Duration, Instant};

use bytes::Bytes;
use http::header::{CONTENT_TYPE, HeaderValue};
use http::{Method, Request, Response, StatusCode};
use http_body_util::{BodyExt as _, Full};
use hyper::body::{Body as _, Incoming};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};

use crate::judge::{Judge, Judged};
use crate::stats::Stats;
use crate::wording::printable;

/// From a request's head to its answer; for the first of a connection, from the connection's
/// beginning. An API server waits as long as the webhook's `timeoutSeconds`, which is longer, so it
/// learns the reason.
pub(crate) const LIMIT: Duration = Duration::from_secs(2);

/// The largest review: an API server takes requests of 3 MiB, and an update has the object twice.
const MAX_BODY: usize = 8 << 20;

/// What the bodies of all requests may take together, in KiB.
const MEMORY: usize = 64 << 10;

/// What answers need.
#[derive(Debug)]
pub(crate) struct Desk {
    judge: Arc<Judge>,
    stats: Stats,
    memory: Arc<Semaphore>,
    judges: Arc<Semaphore>,
}

/// Why there is no verdict.
#[derive(Debug, thiserror::Error)]
enum Failure {
    #[error("reviews are at /validate")]
    NotFound,
    #[error("a review comes by POST")]
    Method,
    #[error("a review has at most {MAX_BODY} bytes")]
    TooLarge,
    #[error("the review did not come whole: {0}")]
    Aborted(hyper::Error),
    #[error("{0}")]
    Malformed(String),
    #[error("too many reviews at once")]
    Overloaded,
    #[error("the review took longer than {} seconds", LIMIT.as_secs())]
    Timeout,
    #[error("the review could not be judged")]
    Broken,
}

impl Failure {
    fn status(&self) -> StatusCode {
        match self {
            Self::NotFound => StatusCode::NOT_FOUND,
            Self::Method => StatusCode::METHOD_NOT_ALLOWED,
            Self::TooLarge => StatusCode::PAYLOAD_TOO_LARGE,
            Self::Aborted(_) | Self::Malformed(_) => StatusCode::BAD_REQUEST,
            Self::Overloaded => StatusCode::SERVICE_UNAVAILABLE,
            Self::Timeout => StatusCode::REQUEST_TIMEOUT,
            Self::Broken => StatusCode::INTERNAL_SERVER_ERROR,
        }
    }

    /// A label of the counter.
    fn reason(&self) -> &'static str {
        match self {
            Self::NotFound | Self::Method => "not_a_review",
            Self::TooLarge => "too_large",
            Self::Aborted(_) => "aborted",
            Self::Malformed(_) => "malformed",
            Self::Overloaded => "overloaded",
            Self::Timeout => "timeout",
            Self::Broken => "broken",
        }
    }
}

impl Desk {
    pub fn new(judge: Judge, stats: Stats) -> Self {
        let cores = std::thread::available_parallelism().map_or(1, std::num::NonZeroUsize::get);
        Self {
            judge: Arc::new(judge),
            stats,
            memory: Arc::new(Semaphore::new(MEMORY)),
            judges: Arc::new(Semaphore::new(cores)),
        }
    }

    /// Answers a request whose time began then.
    pub async fn answer(
        &self,
        begun: Instant,
        request: Request<Incoming>,
    ) -> Response<Full<Bytes>> {
        let until = begun.checked_add(LIMIT).unwrap_or(begun);
        let judged = tokio::time::timeout_at(until.into(), self.judge(request)).await;
        let response = match judged.unwrap_or(Err(Failure::Timeout)) {
            Ok(judged) => {
                self.stats.judged(&judged);
                if let Some(why) = &judged.why {
                    log::info!("denied {}: {why}", judged.object);
                }
                response(StatusCode::OK, "application/json", judged.response)
            }
            Err(failure) => {
                self.stats.failed(failure.reason());
                log::warn!("no verdict: {failure}");
                let text = format!("{failure}\n");
                response(failure.status(), "text/plain; charset=utf-8", text)
            }
        };
        self.stats.took(begun.elapsed());
        response
    }

    async fn judge(&self, request: Request<Incoming>) -> Result<Judged, Failure> {
        if request.uri().path() != "/validate" {
            return Err(Failure::NotFound);
        }
        if *request.method() != Method::POST {
            return Err(Failure::Method);
        }
        let (body, memory) = self.body(request.into_body()).await?;
        let turn = Arc::clone(&self.judges).acquire_owned().await;
        let turn = turn.map_err(|_| Failure::Broken)?;
        let judge = Arc::clone(&self.judge);
        // A review that takes too long goes on, and keeps its memory and its turn until it ends.
        let judged = tokio::task::spawn_blocking(move || {
            let judged = judge.review(&body);
            drop((body, memory, turn));
            judged
        });
        let judged = judged.await.map_err(|_| Failure::Broken)?;
        judged.map_err(|error| Failure::Malformed(printable(&error.to_string())))
    }

    /// Reads a body, and holds its memory.
    async fn body(
        &self,
        mut body: Incoming,
    ) -> Result<(Vec<u8>, Vec<OwnedSemaphorePermit>), Failure> {
        // Told before anything was sent of it.
        if body.size_hint().lower() > MAX_BODY as u64 {
            return Err(Failure::TooLarge);
        }
        let (mut bytes, mut memory) = (Vec::new(), Vec::new());
        let mut held = 0_usize;
        while let Some(frame) = body.frame().await {
            let Ok(data) = frame.map_err(Failure::Aborted)?.into_data() else { continue };
            let needed = bytes.len().saturating_add(data.len());
            if needed > MAX_BODY {
                return Err(Failure::TooLarge);
            }
            if needed > held {
                // Twice as much at a time, as the vector grows.
                let more = needed.max(held.saturating_mul(2)).saturating_sub(held).div_ceil(1024);
                let permits = u32::try_from(more).map_err(|_| Failure::TooLarge)?;
                let permit = Arc::clone(&self.memory).try_acquire_many_owned(permits);
                memory.push(permit.map_err(|_| Failure::Overloaded)?);
                held = held.saturating_add(more.saturating_mul(1024));
            }
            bytes.extend_from_slice(&data);
        }
        Ok((bytes, memory))
    }
}

fn response(status: StatusCode, media: &'static str, body: String) -> Response<Full<Bytes>> {
    let mut response = Response::new(Full::from(body));
    *response.status_mut() = status;
    response.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static(media));
    response
}
