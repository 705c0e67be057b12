//! The time from the start of a process to its first answered request. The process compiles the
//! filter, or reads it from a cache, starts a VM with the policy and sends one request through it.
//! It is wall-clock time, which is what a user waits for.

use std::io::Read;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::Instant;

use gatepost_host::{CacheState, EngineOptions, Host};

use super::Size;
use super::guest::Guest;
use super::workload::MAPPED;
use crate::error::BenchError;
use crate::rounds::{Arm, Figure, interleave};

/// The argument that makes a process of the benchmark call [`answer`].
const ORDER: &str = "first-answer";

/// What the process prints when its request is answered, by the origin of its module.
const COMPILED: u8 = b'c';
const CACHED: u8 = b'h';

/// The arm that has a goal.
pub const FROM_CACHE: &str = "gatepost: process start to first answer, module from the cache";

/// Measures every arm. `program` is this benchmark itself.
///
/// # Errors
/// When a process cannot be run, or does not find the module that an earlier one left in the cache.
pub fn measure(size: Size, program: &Path) -> Result<Vec<Figure>, BenchError> {
    let cache = tempfile::tempdir().map_err(|error| BenchError::Process {
        what: "a folder for the cache".to_owned(),
        error,
    })?;
    // The first one fills the cache.
    once(program, Some(cache.path()), COMPILED)?;
    let mut arms = [
        Arm {
            name: FROM_CACHE,
            run: Box::new(|| several(size, || once(program, Some(cache.path()), CACHED))),
        },
        Arm {
            name: "gatepost: process start to first answer, module compiled anew",
            run: Box::new(|| several(size, || once(program, None, COMPILED))),
        },
    ];
    interleave(size.rounds, &mut arms)
}

fn several(size: Size, run: impl Fn() -> Result<f64, BenchError>) -> Result<f64, BenchError> {
    let mut total = 0.0;
    for _ in 0..size.processes {
        total += run()?;
    }
    #[allow(clippy::cast_precision_loss, reason = "a handful")]
    let processes = size.processes as f64;
    Ok(total / processes)
}

fn once(program: &Path, cache: Option<&Path>, expected: u8) -> Result<f64, BenchError> {
    let what = || "the process that answers one request".to_owned();
    let failed = |error| BenchError::Process { what: what(), error };
    let before = Instant::now();
    let mut child = Command::new(program)
        .arg(ORDER)
        .args(cache)
        .stdout(Stdio::piped())
        .spawn()
        .map_err(failed)?;
    let mut said = [0];
    let read = child.stdout.take().map_or(Ok(()), |mut out| out.read_exact(&mut said));
    let nanoseconds = before.elapsed().as_secs_f64() * 1e9;
    child.wait().map_err(failed)?;
    read.map_err(failed)?;
    if said[0] == expected {
        return Ok(nanoseconds);
    }
    Err(BenchError::Answer { what: what(), said: String::from_utf8_lossy(&said).into_owned() })
}

/// What such a process does: everything from its start to one answered request.
///
/// # Errors
/// When the filter does not do what it should.
pub fn answer(cache: Option<PathBuf>) -> Result<u8, BenchError> {
    let guest = Guest::gatepost(EngineOptions { cache, ..EngineOptions::default() })?;
    guest.running(&Host::default())?.check(&MAPPED)?;
    Ok(if matches!(guest.cache(), CacheState::On { hits: 1, .. }) { CACHED } else { COMPILED })
}
