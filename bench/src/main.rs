//! `gatepost-bench`: measures, prints a table and writes JSON. See the crate's documentation for the method.

use std::io::Write;
use std::path::PathBuf;
use std::process::ExitCode;
use std::time::Duration;

use clap::{Args, Parser, Subcommand, ValueEnum};
use gatepost_bench::alloc::Counting;
use gatepost_bench::envoy::arm::Arm;
use gatepost_bench::envoy::load::Load;
use gatepost_bench::envoy::report::EnvoyReport;
use gatepost_bench::envoy::{self, Pace};
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
    /// The filter in a real Envoy, beside other ways to do its work; sent by wrk.
    Envoy(EnvoyArguments),
    /// Answers one request and says so. The benchmark starts this itself.
    #[command(hide = true)]
    FirstAnswer {
        /// Where compiled modules are kept; they are compiled anew without it.
        cache: Option<PathBuf>,
    },
}

#[derive(Debug, Args)]
struct EnvoyArguments {
    /// Rounds; medians of fewer than eleven are not taken.
    #[arg(long, default_value_t = rounds::LEAST, value_parser = clap::builder::RangedU64ValueParser::<usize>::new().range(rounds::LEAST as u64..))]
    rounds: usize,
    /// Seconds that each arm has in a round
    #[arg(long, default_value_t = 0.4)]
    seconds: f64,
    /// Three short rounds, to see that it works: no figure of them means much.
    #[arg(long, conflicts_with_all = ["rounds", "record"])]
    quick: bool,
    /// Measures only these
    #[arg(long, value_enum, value_delimiter = ',')]
    only: Vec<envoy::plan::Part>,
    /// Measures another module that takes the same policies, beside Gatepost's own. May be given more than once.
    #[arg(long, value_name = "FILE.wasm")]
    filter: Vec<PathBuf>,
    /// Where the figures go besides the terminal.
    #[arg(long, value_name = "FILE", default_value = "target/bench/envoy.json")]
    json: PathBuf,
    /// Writes figures, plots and tables into docs/speed, too.
    #[arg(long, conflicts_with_all = ["only", "filter"])]
    record: bool,
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
        What::Envoy(arguments) => in_envoy(&arguments),
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

fn in_envoy(arguments: &EnvoyArguments) -> Result<(), BenchError> {
    let seconds = if arguments.quick { arguments.seconds.min(0.2) } else { arguments.seconds };
    let pace = Pace { rounds: if arguments.quick { 3 } else { arguments.rounds }, time: Duration::from_secs_f64(seconds) };
    let filter = |path: &PathBuf| {
        let bytes = std::fs::read(path).map_err(|error| BenchError::Process { what: path.display().to_string(), error })?;
        Ok(Arm::filter(&path.file_name().unwrap_or_default().to_string_lossy(), bytes))
    };
    let filters = arguments.filter.iter().map(filter).collect::<Result<Vec<Arm>, BenchError>>()?;
    let wanted = |part: envoy::plan::Part| arguments.only.is_empty() || arguments.only.contains(&part);
    let stages = envoy::plan::stages(wanted, &filters);
    let figures = if stages.is_empty() { Vec::new() } else { envoy::measure(&stages, &Load::wrk()?, pace)? };
    let module = wanted(envoy::plan::Part::Module).then(|| envoy::module::measure(gatepost_filter_wasm::MODULE, pace.rounds));
    let report = EnvoyReport::new(pace.rounds, seconds, figures, module.transpose()?);
    print!("{}", report.text());
    report.write(&arguments.json)?;
    println!("\nWritten to {}", arguments.json.display());
    if arguments.record {
        let folder = std::path::Path::new(concat!(env!("CARGO_MANIFEST_DIR"), "/../docs/speed"));
        envoy::record::record(&report, folder)?;
        println!("Recorded in docs/speed");
    }
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
