//! Complete HTTP streams on one core, by the processor time of the thread that runs them. A figure
//! includes a clone of the request's headers and of the stream's properties, every callback, and
//! freeing all of it. It does not include parsing a request, sockets, or a response.

use gatepost_host::{EngineOptions, Headers, Host};

use super::driven::Driven;
use super::guest::{Guest, Running, info};
use super::workload::{MAPPED, PASS_THROUGH, PROBE, SDK, Workload};
use super::{Size, timed};
use crate::error::BenchError;
use crate::host::compare::Comparison;
use crate::rounds::{Arm, Figure, interleave};

/// The arms that have a goal.
pub const GOAL_ARMS: [&str; 4] =
    ["gatepost: probe", CONTROLLED, "gatepost: pass-through", "sdk: three headers"];

/// The arm that is measured twice.
pub const CONTROLLED: &str = "gatepost: mapped host";

/// Its second measurement. The difference of the two is noise.
pub const CONTROL: &str = "gatepost: mapped host, again (A/A)";

/// Measures every arm.
///
/// # Errors
/// When a module does not start, or does not do what a workload says.
pub fn measure(size: Size, comparison: Option<&Comparison>) -> Result<Vec<Figure>, BenchError> {
    let host = Host::default();
    let gatepost = Guest::gatepost(EngineOptions::default())?;
    let sdk = Guest::three_headers(EngineOptions::default())?;
    let mut arms = vec![
        arm(GOAL_ARMS[0], &gatepost, &host, PROBE, size)?,
        arm(CONTROLLED, &gatepost, &host, MAPPED, size)?,
        arm(GOAL_ARMS[2], &gatepost, &host, PASS_THROUGH, size)?,
        arm(GOAL_ARMS[3], &sdk, &host, SDK, size)?,
        arm(CONTROL, &gatepost, &host, MAPPED, size)?,
        driven(
            "gatepost: mapped host, request and response through a Worker",
            &gatepost,
            &host,
            MAPPED,
            size,
        )?,
        no_guest(size),
    ];
    for (name, guest, workload) in [
        ("gatepost: probe, on proxy-wasm-host 0.2.0", &gatepost, PROBE),
        ("gatepost: mapped host, on proxy-wasm-host 0.2.0", &gatepost, MAPPED),
        ("gatepost: pass-through, on proxy-wasm-host 0.2.0", &gatepost, PASS_THROUGH),
        ("sdk: three headers, on proxy-wasm-host 0.2.0", &sdk, SDK),
    ] {
        let Some(comparison) = comparison else { break };
        let mut compared = comparison.start(guest, &workload)?;
        // It is warmed up as the other arms are.
        compared.round(size.streams / 10)?;
        arms.push(Arm { name, run: Box::new(move || compared.round(size.streams)) });
    }
    interleave(size.rounds, &mut arms)
}

fn arm<'a>(
    name: &'static str,
    guest: &Guest,
    host: &Host,
    workload: Workload,
    size: Size,
) -> Result<Arm<'a>, BenchError> {
    let mut running: Running = guest.running(host)?;
    running.check(&workload)?;
    let request = Headers::request(workload.request.iter().copied());
    running.streams(&request, size.streams / 10)?;
    Ok(Arm {
        name,
        run: Box::new(move || timed(size.streams, || running.streams(&request, size.streams))),
    })
}

/// The same through the stream driver, with a response: two messages instead of one.
fn driven<'a>(
    name: &'static str,
    guest: &Guest,
    host: &Host,
    workload: Workload,
    size: Size,
) -> Result<Arm<'a>, BenchError> {
    let mut driven = Driven::start(guest, host)?;
    driven.check(&workload)?;
    let request = Headers::request(workload.request.iter().copied());
    driven.exchanges(&request, size.streams / 10);
    let run = move || {
        timed(size.streams, || {
            driven.exchanges(&request, size.streams);
            Ok(())
        })
    };
    Ok(Arm { name, run: Box::new(run) })
}

/// What the benchmark itself adds to each stream of a mapped host. It is in the other figures, too.
fn no_guest<'a>(size: Size) -> Arm<'a> {
    let request = Headers::request(MAPPED.request.iter().copied());
    let run = move || {
        timed(size.streams, || {
            for _ in 0..size.streams {
                std::hint::black_box((&mut request.clone(), info()));
            }
            Ok(())
        })
    };
    Arm { name: "no module: the mapped host's headers made and freed", run: Box::new(run) }
}
