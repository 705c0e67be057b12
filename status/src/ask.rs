//! Asks gateways for their statistics: all of them within one time, some at once, and no answer
//! longer than a gateway's can be.

use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use crate::shown::{Shown, ShownError};

/// Where gateways show their statistics.
pub const PATH: &str = "/stats/prometheus";

/// The longest answer, in bytes. With Istio's default statistics a gateway writes 60 KB, however
/// many clusters it has.
pub const MAX_ANSWER: u64 = 32 << 20;

/// How many gateways are asked at once. Their answers are in memory together.
const AT_ONCE: usize = 8;

/// Why a gateway says nothing.
#[derive(Debug, thiserror::Error)]
pub enum AskError {
    /// No answer, or one that has no end.
    #[error("{0}")]
    Http(String),
    /// There was no time left to ask.
    #[error("there was no time left to ask")]
    NoTime,
    /// The answer has another status than 200.
    #[error("the answer is {0}")]
    Status(u16),
    /// The answer is no text.
    #[error("the answer is no text in UTF-8")]
    Text,
    /// The answer is no statistics.
    #[error(transparent)]
    Shown(#[from] ShownError),
}

/// Asks the gateways at these URLs, and gives their answers in the same order. `within` is what one
/// gateway may take altogether, and all of them have time until `end`.
#[must_use]
pub fn all(
    urls: &[String],
    within: Duration,
    end: Option<Instant>,
) -> Vec<Result<Shown, AskError>> {
    let agent: ureq::Agent = ureq::Agent::config_builder()
        .http_status_as_error(false)
        .max_redirects(0)
        // Pods are inside the cluster, and a proxy leads out of it.
        .proxy(None)
        .user_agent(concat!("gatepost/", env!("CARGO_PKG_VERSION")))
        .build()
        .into();
    let (next, answers) = (AtomicUsize::new(0), Mutex::new(Vec::new()));
    let work = || {
        while let Some((number, url)) = {
            let number = next.fetch_add(1, Ordering::Relaxed);
            urls.get(number).map(|url| (number, url))
        } {
            let left = end.map(|end| end.saturating_duration_since(Instant::now()));
            let answer = match left.unwrap_or(within).min(within) {
                Duration::ZERO => Err(AskError::NoTime),
                within => ask(&agent, url, within),
            };
            answers
                .lock()
                .unwrap_or_else(std::sync::PoisonError::into_inner)
                .push((number, answer));
        }
    };
    std::thread::scope(|scope| {
        for _ in 0..urls.len().min(AT_ONCE) {
            scope.spawn(work);
        }
    });
    let mut answers = answers.into_inner().unwrap_or_else(std::sync::PoisonError::into_inner);
    answers.sort_by_key(|(number, _)| *number);
    answers.into_iter().map(|(_, answer)| answer).collect()
}

fn ask(agent: &ureq::Agent, url: &str, within: Duration) -> Result<Shown, AskError> {
    let failed = |error: ureq::Error| match error {
        ureq::Error::BodyExceedsLimit(limit) => {
            AskError::Http(format!("the answer has more than {} MiB", limit >> 20))
        }
        ureq::Error::Io(error) => AskError::Http(error.to_string()),
        ureq::Error::Timeout(_) => AskError::Http("no whole answer came in time".to_owned()),
        error => AskError::Http(error.to_string()),
    };
    let request = agent.get(url).config().timeout_global(Some(within)).build();
    let mut response = request.call().map_err(failed)?;
    match response.status().as_u16() {
        200 => {}
        status => return Err(AskError::Status(status)),
    }
    let body = response.body_mut().with_config().limit(MAX_ANSWER).read_to_vec().map_err(failed)?;
    let text = String::from_utf8(body).map_err(|_| AskError::Text)?;
    Ok(Shown::read(&text)?)
}
