//! The command line of `gatepost-bench`.

use std::path::PathBuf;
use std::time::Duration;

use clap::builder::RangedU64ValueParser;
use clap::{Args, Parser, Subcommand, ValueEnum};
use gatepost_bench::counted::case::Case;
use gatepost_bench::envoy::plan::Part as EnvoyPart;
use gatepost_bench::rounds::LEAST;

/// Measurements, side by side. Without a command: the filter in Envoy, then the embedding SDK.
#[derive(Debug, Parser)]
#[command(version)]
pub struct Arguments {
    #[command(subcommand)]
    pub what: Option<What>,
}

/// The commands that run when none is given, in this order.
pub const EVERYTHING: [&str; 2] = ["envoy", "host"];

#[derive(Debug, Subcommand)]
pub enum What {
    /// The embedding SDK: streams, VM starts, a process's first answer, memory.
    Host(HostArguments),
    /// The filter in a real Envoy, beside other ways to do its work. Requests are sent by wrk.
    Envoy(EnvoyArguments),
    /// Instructions and cache misses of a request in a real Envoy, counted by valgrind. What
    /// Gatepost must reach is judged by these.
    Counted(CountedArguments),
    /// The embedded gateway, `gatepost serve`, beside an Envoy with the same filter. Requests are
    /// sent by wrk.
    Serve(ServeArguments),
    /// Answers one request and prints that it did. The benchmark starts this process itself.
    #[command(hide = true)]
    FirstAnswer {
        /// A folder for compiled modules. Without it the module is compiled again.
        cache: Option<PathBuf>,
    },
}

#[derive(Debug, Args)]
pub struct HostArguments {
    /// Rounds; medians of fewer than eleven are not taken.
    #[arg(long, default_value_t = LEAST, value_parser = rounds())]
    pub rounds: usize,
    /// Where the figures go besides the terminal.
    #[arg(long, value_name = "FILE", default_value = "target/bench/host.json")]
    pub json: PathBuf,
    /// Measures only these
    #[arg(long, value_enum, value_delimiter = ',')]
    pub only: Vec<Part>,
    /// Leaves out the arms on the crate proxy-wasm-host, which is fetched and built the first time.
    #[arg(long)]
    pub without_comparison: bool,
}

#[derive(Debug, Args)]
pub struct EnvoyArguments {
    /// Rounds; medians of fewer than eleven are not taken.
    #[arg(long, default_value_t = 45, value_parser = rounds())]
    pub rounds: usize,
    /// Seconds that each arm has in a round
    #[arg(long, default_value = "0.1", value_parser = seconds)]
    pub seconds: Duration,
    /// Three short rounds, to see that it works: no figure of them means much.
    #[arg(long, conflicts_with_all = ["rounds", "record"])]
    pub quick: bool,
    /// Measures only these
    #[arg(long, value_enum, value_delimiter = ',')]
    pub only: Vec<EnvoyPart>,
    /// Measures another module that takes the same policies, beside Gatepost's own. May be given
    /// more than once.
    #[arg(long, value_name = "FILE.wasm")]
    pub filter: Vec<PathBuf>,
    /// Where the figures go besides the terminal.
    #[arg(long, value_name = "FILE", default_value = "target/bench/envoy.json")]
    pub json: PathBuf,
    /// Writes the figures, the plots and the tables into docs/speed, too.
    #[arg(long, conflicts_with_all = ["only", "filter"])]
    pub record: bool,
}

#[derive(Debug, Args)]
pub struct CountedArguments {
    /// Counts only these
    #[arg(long, value_enum, value_delimiter = ',')]
    pub only: Vec<Case>,
    /// Counts another module that takes the same policies, beside Gatepost's own. May be given more
    /// than once.
    #[arg(long, value_name = "FILE.wasm")]
    pub filter: Vec<PathBuf>,
    /// Where the figures go besides the terminal.
    #[arg(long, value_name = "FILE", default_value = "target/bench/counted.json")]
    pub json: PathBuf,
    /// Writes the figures and the tables into docs/speed, too.
    #[arg(long, conflicts_with_all = ["only", "filter"])]
    pub record: bool,
}

#[derive(Debug, Args)]
pub struct ServeArguments {
    /// Rounds; medians of fewer than eleven are not taken.
    #[arg(long, default_value_t = LEAST, value_parser = rounds())]
    pub rounds: usize,
    /// Seconds that each arm has in a round
    #[arg(long, default_value = "2", value_parser = seconds)]
    pub seconds: Duration,
    /// Measures another build of the command, too. May be given more than once.
    #[arg(long, value_name = "FILE")]
    pub command: Vec<PathBuf>,
    /// Where the figures go besides the terminal.
    #[arg(long, value_name = "FILE", default_value = "target/bench/serve.json")]
    pub json: PathBuf,
}

/// A part of the embedding SDK's benchmark.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum Part {
    Streams,
    Starts,
    FirstAnswer,
    Memory,
}

fn rounds() -> RangedU64ValueParser<usize> {
    RangedU64ValueParser::new().range(LEAST as u64..)
}

/// A time for one arm in one round: longer than it takes to connect, shorter than the load
/// generator runs without being stopped.
fn seconds(text: &str) -> Result<Duration, String> {
    let seconds: f64 = text.parse().map_err(|_| "it is no number".to_owned())?;
    if (0.05..=30.0).contains(&seconds) {
        Ok(Duration::from_secs_f64(seconds))
    } else {
        Err("it must lie from 0.05 to 30".to_owned())
    }
}

#[cfg(test)]
mod tests {
    use clap::CommandFactory;

    use super::*;

    #[test]
    fn everything_that_runs_without_a_command_needs_no_argument() {
        Arguments::command().debug_assert();
        for what in EVERYTHING {
            assert!(Arguments::try_parse_from(["gatepost-bench", what]).unwrap().what.is_some());
        }
    }

    #[test]
    fn each_workload_can_be_counted_alone() {
        for workload in ["probe", "pass-through", "mapped-host", "environment", "reject"] {
            let arguments =
                Arguments::try_parse_from(["gatepost-bench", "counted", "--only", workload])
                    .unwrap();
            let Some(What::Counted(CountedArguments { only, .. })) = arguments.what else {
                panic!("{workload}")
            };
            assert_eq!(
                only.first().map(|only| only.name().replace(' ', "-")).as_deref(),
                Some(workload)
            );
        }
        assert!(
            Arguments::try_parse_from([
                "gatepost-bench",
                "counted",
                "--only",
                "many-mappings,many-environments"
            ])
            .is_ok()
        );
        assert!(
            Arguments::try_parse_from(["gatepost-bench", "counted", "--only", "probe", "--record"])
                .is_err()
        );
    }

    #[test]
    fn medians_of_few_rounds_and_times_that_are_none_are_refused() {
        for wrong in
            [["--rounds", "10"], ["--seconds", "0"], ["--seconds", "NaN"], ["--seconds", "-1"]]
        {
            let line = ["gatepost-bench", "envoy"].into_iter().chain(wrong);
            assert!(Arguments::try_parse_from(line).is_err(), "{wrong:?}");
        }
    }
}
