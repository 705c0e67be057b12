//! `gatepost-bench`: measures, prints a table and writes JSON. See the crate's documentation for
//! the method.

mod arguments;

use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use arguments::{
    Arguments, CountedArguments, EVERYTHING, EnvoyArguments, HostArguments, Part, ServeArguments,
    What,
};
use clap::Parser;
use gatepost_bench::alloc::Counting;
use gatepost_bench::counted::case::{CASES, Case};
use gatepost_bench::counted::report::CountedReport;
use gatepost_bench::counted::valgrind::Valgrind;
use gatepost_bench::counted::{self, Requests};
use gatepost_bench::envoy::arm::{Arm, Kind};
use gatepost_bench::envoy::load::Load;
use gatepost_bench::envoy::plan::Part as EnvoyPart;
use gatepost_bench::envoy::report::EnvoyReport;
use gatepost_bench::envoy::{self, Pace};
use gatepost_bench::error::BenchError;
use gatepost_bench::host::compare::Comparison;
use gatepost_bench::host::figures::HostFigures;
use gatepost_bench::host::report::HostReport;
use gatepost_bench::host::{Size, first_answer, memory, starts, streams};
use gatepost_bench::rounds::LEAST;
use gatepost_bench::serve;
use gatepost_bench::serve::report::ServeReport;

/// Where figures are recorded.
const RECORDED: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../docs/speed");

#[global_allocator]
static ALLOCATOR: Counting = Counting::new();

fn main() -> ExitCode {
    match run(Arguments::parse().what) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("error: {error}");
            ExitCode::from(2)
        }
    }
}

fn run(what: Option<What>) -> Result<(), BenchError> {
    match what {
        // The last part of the host's benchmark counts allocations until the process ends.
        None => EVERYTHING
            .into_iter()
            .try_for_each(|part| run(Arguments::parse_from(["gatepost-bench", part]).what)),
        Some(What::Host(arguments)) => host(&arguments),
        Some(What::Envoy(arguments)) => in_envoy(&arguments),
        Some(What::Counted(arguments)) => counts(&arguments),
        Some(What::Serve(arguments)) => served(&arguments),
        Some(What::FirstAnswer { cache }) => answer(cache),
    }
}

fn host(arguments: &HostArguments) -> Result<(), BenchError> {
    let HostArguments { rounds, json, only, without_comparison } = arguments;
    let size = Size { rounds: *rounds, ..Size::FULL };
    let folder = json.parent().unwrap_or(Path::new(".")).join("compare");
    let wanted = |part: Part| only.is_empty() || only.contains(&part);
    let comparison =
        if !without_comparison && wanted(Part::Streams) { built(&folder) } else { None };
    let program = std::env::current_exe()
        .map_err(|error| BenchError::Process { what: "this program".to_owned(), error })?;
    // Memory comes last: from then on every allocation is counted, which takes time.
    let report = HostReport::new(HostFigures {
        streams: if wanted(Part::Streams) {
            streams::measure(size, comparison.as_ref())?
        } else {
            Vec::new()
        },
        starts: if wanted(Part::Starts) { starts::measure(size)? } else { Vec::new() },
        first_answer: if wanted(Part::FirstAnswer) {
            first_answer::measure(size, &program)?
        } else {
            Vec::new()
        },
        memory: wanted(Part::Memory).then(|| memory::measure(size, &ALLOCATOR)).transpose()?,
    });
    print!("{}", report.text());
    report.write(json)?;
    println!("\nWritten to {}", json.display());
    Ok(())
}

fn in_envoy(arguments: &EnvoyArguments) -> Result<(), BenchError> {
    let quick = Pace { rounds: 3, time: arguments.seconds };
    let pace = if arguments.quick {
        quick
    } else {
        Pace { rounds: arguments.rounds, time: arguments.seconds }
    };
    let filters = filters(&arguments.filter)?;
    let wanted = |part: EnvoyPart| match arguments.only.as_slice() {
        [] => part != EnvoyPart::Hostcalls,
        only => only.contains(&part),
    };
    let stages = envoy::plan::stages(wanted, &filters);
    let figures =
        if stages.is_empty() { Vec::new() } else { envoy::measure(&stages, &Load::wrk()?, pace)? };
    let mut modules = Vec::new();
    for arm in [Arm::gatepost()].iter().chain(&filters).filter(|_| wanted(EnvoyPart::Module)) {
        if let Kind::Wasm { module, .. } = &arm.kind {
            modules.push(envoy::module::measure(&arm.name, module, pace.rounds.min(LEAST))?);
        }
    }
    let report = EnvoyReport::new(pace, figures, modules);
    print!("{}", report.text());
    report.write(&arguments.json)?;
    println!("\nWritten to {}", arguments.json.display());
    if arguments.record {
        envoy::record::record(&report, Path::new(RECORDED))?;
        println!("Recorded in docs/speed");
    }
    Ok(())
}

fn counts(arguments: &CountedArguments) -> Result<(), BenchError> {
    let valgrind = Valgrind::find()?;
    let wanted = |case: &Case| arguments.only.is_empty() || arguments.only.contains(case);
    let cases: Vec<Case> = CASES.into_iter().filter(wanted).collect();
    let arms = counted::arms(&filters(&arguments.filter)?);
    let figures = counted::count(&valgrind, &cases, &arms, Requests::FULL)?;
    let report = CountedReport::new(valgrind.version(), Requests::FULL, &figures);
    print!("{}", report.text());
    report.write(&arguments.json)?;
    println!("\nWritten to {}", arguments.json.display());
    if arguments.record {
        report.record(Path::new(RECORDED))?;
        println!("Recorded in docs/speed");
    }
    Ok(())
}

fn served(arguments: &ServeArguments) -> Result<(), BenchError> {
    let mut commands = vec![serve::command()?];
    commands.extend_from_slice(&arguments.command);
    let pace = Pace { rounds: arguments.rounds, time: arguments.seconds };
    let report = ServeReport::new(serve::measure(&commands, &Load::wrk()?, pace)?);
    print!("{}", report.text());
    report.write(&arguments.json)?;
    println!("\nWritten to {}", arguments.json.display());
    Ok(())
}

/// Other modules, each an arm that is named by its path.
fn filters(paths: &[PathBuf]) -> Result<Vec<Arm>, BenchError> {
    let filter = |path: &PathBuf| {
        let bytes = std::fs::read(path)
            .map_err(|error| BenchError::Process { what: path.display().to_string(), error })?;
        Ok(Arm::filter(&path.to_string_lossy(), bytes))
    };
    paths.iter().map(filter).collect()
}

/// The comparison needs a network the first time; the other figures do not depend on it.
fn built(folder: &Path) -> Option<Comparison> {
    match Comparison::build(folder) {
        Ok(comparison) => Some(comparison),
        Err(error) => {
            eprintln!("warning: no comparison: {error}");
            None
        }
    }
}

fn answer(cache: Option<PathBuf>) -> Result<(), BenchError> {
    let answered = first_answer::answer(cache)?;
    let mut out = std::io::stdout().lock();
    let failed = |error| BenchError::Process { what: "standard output".to_owned(), error };
    out.write_all(&[answered]).and_then(|()| out.flush()).map_err(failed)
}
