//! `gatepost-bench`: measures, prints a table and writes JSON. See the crate's documentation for the method.

use std::io::Write;
use std::path::PathBuf;
use std::process::ExitCode;

use clap::{Parser, Subcommand, ValueEnum};
use gatepost_bench::alloc::Counting;
use gatepost_bench::host::compare::Comparison;
use gatepost_bench::host::{Size, first_answer, memory, starts, streams};
use gatepost_bench::report::{HostReport, processor};
use gatepost_bench::rounds;
use gatepost_bench::subject::BenchError;

#[global_allocator]
static ALLOCATOR: Counting = Counting::new();

/// Measurements, side by side.
#[derive(Debug, Parser)]
#[command(version)]
struct Arguments {
    #[command(subcommand)]
    what: What,
}

#[derive(Debug, Subcommand)]
enum What {
    /// The embedding SDK: streams, VM starts, a process's first answer, memory.
    Host {
        /// Rounds; medians of fewer than eleven are not taken.
        #[arg(long, default_value_t = Size::FULL.rounds, value_parser = clap::builder::RangedU64ValueParser::<usize>::new().range(rounds::LEAST as u64..))]
        rounds: usize,
        /// Where the figures go besides the terminal.
        #[arg(long, value_name = "FILE", default_value = "target/bench/host.json")]
        json: PathBuf,
        /// Measures only these
        #[arg(long, value_enum, value_delimiter = ',')]
        only: Vec<Part>,
        /// Leaves out the arms on the crate proxy-wasm-host, which is fetched and built the first time.
        #[arg(long)]
        without_comparison: bool,
    },
    /// Answers one request and says so. The benchmark starts this itself.
    #[command(hide = true)]
    FirstAnswer {
        /// Where compiled modules are kept; they are compiled anew without it.
        cache: Option<PathBuf>,
    },
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum Part {
    Streams,
    Starts,
    FirstAnswer,
    Memory,
}

fn main() -> ExitCode {
    let done = match Arguments::parse().what {
        What::Host { rounds, json, only, without_comparison } => host(rounds, &json, &only, !without_comparison),
        What::FirstAnswer { cache } => answer(cache),
    };
    match done {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("error: {error}");
            ExitCode::from(2)
        }
    }
}

fn host(rounds: usize, json: &std::path::Path, only: &[Part], comparison: bool) -> Result<(), BenchError> {
    let size = Size { rounds, ..Size::FULL };
    let folder = json.parent().unwrap_or(std::path::Path::new(".")).join("compare");
    let wanted = |part: Part| only.is_empty() || only.contains(&part);
    let comparison = if comparison && wanted(Part::Streams) { built(&folder) } else { None };
    let program = std::env::current_exe().map_err(|error| BenchError::Process { what: "this program".to_owned(), error })?;
    // Memory comes last: from there on every allocation is counted, which takes time.
    let report = HostReport {
        version: 1,
        processor: processor(),
        cores: std::thread::available_parallelism().map_or(1, std::num::NonZeroUsize::get),
        streams: if wanted(Part::Streams) { streams::measure(size, comparison.as_ref())? } else { Vec::new() },
        starts: if wanted(Part::Starts) { starts::measure(size)? } else { Vec::new() },
        first_answer: if wanted(Part::FirstAnswer) { first_answer::measure(size, &program)? } else { Vec::new() },
        memory: wanted(Part::Memory).then(|| memory::measure(size, &ALLOCATOR)).transpose()?,
    };
    print!("{}", report.text());
    report.write(json)?;
    println!("\nWritten to {}", json.display());
    Ok(())
}

/// The comparison needs a network the first time; the other figures do not depend on it.
fn built(folder: &std::path::Path) -> Option<Comparison> {
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
