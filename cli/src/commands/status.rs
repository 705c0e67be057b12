//! `gatepost status`: which policy each gateway runs, asked of the gateways themselves.

mod report;
mod targets;
mod text;

use std::path::PathBuf;
use std::time::{Duration, Instant};

use gatepost_status::ask;

use self::report::{Gateway, Report, Wanted};
use self::targets::{Target, TargetArguments};
use super::arguments::read_policy;
use super::exit::{CommandError, Exit};
use super::output::{Format, print};

/// Show which policy each gateway runs, and what it decided
///
/// Asks gateways for their statistics, as Prometheus does. Ends with 1 when a gateway runs no
/// policy or another one than the others, is not ready, or does not answer; with --policy, when one
/// runs another policy.
#[derive(clap::Args)]
pub struct Arguments {
    #[command(flatten)]
    targets: TargetArguments,
    /// The policy that all are to run: a policy file, or a manifest that holds one
    #[arg(long, value_name = "FILE")]
    policy: Option<PathBuf>,
    /// The plugin that is meant where gateways have several, as NAMESPACE.NAME of its object
    #[arg(long, value_name = "NAME")]
    plugin: Option<String>,
    /// Ask again until all gateways run the policy, or --timeout is over. A pod that was not ready
    /// when it was listed counts by what it runs
    #[arg(long, requires = "policy")]
    wait: bool,
    /// How long --wait waits
    #[arg(long, value_name = "TIME", value_parser = time, default_value = "60s")]
    timeout: Duration,
    /// How long one gateway may take to answer
    #[arg(long, value_name = "TIME", value_parser = time, default_value = "5s")]
    within: Duration,
    /// `text` for people; `json` for programs, one object on one line
    #[arg(long, value_enum, default_value_t)]
    format: Format,
}

/// How soon --wait asks again.
const PAUSE: Duration = Duration::from_millis(500);

pub fn run(arguments: &Arguments) -> Result<Exit, CommandError> {
    let policy = arguments.policy.as_deref().map(read_policy).transpose()?;
    let wanted = Wanted {
        fingerprint: policy.map(|file| file.policy.fingerprint()),
        plugin: arguments.plugin.clone(),
    };
    let mut targets = arguments.targets.read()?;
    if arguments.wait {
        // The list of pods is of before, and what a pod runs is asked now.
        targets.iter_mut().for_each(|target| target.is_ready = true);
    }
    let end = arguments.wait.then(|| Instant::now() + arguments.timeout);
    let mut before = None;
    let report = loop {
        let report = asked(&targets, &wanted, arguments.within, end);
        let left = end.map(|end| end.saturating_duration_since(Instant::now()));
        if report.is_fine() {
            break report;
        }
        // What the end of the time cut short says less than what was said before it.
        if left.is_some_and(|left| left.is_zero()) {
            break before.unwrap_or(report);
        }
        // In less time than the pause nobody could be asked again, who has an answer now.
        if left.is_none_or(|left| left <= PAUSE) {
            break report;
        }
        before = Some(report);
        std::thread::sleep(PAUSE);
    };
    print(&match arguments.format {
        Format::Text => text::of(&report),
        Format::Json => report.json(),
    })?;
    Ok(if report.is_fine() { Exit::Success } else { Exit::Findings })
}

/// Asks all that have an address.
fn asked(targets: &[Target], wanted: &Wanted, within: Duration, end: Option<Instant>) -> Report {
    let urls: Vec<String> = targets.iter().filter_map(|target| target.url.clone()).collect();
    let mut answers = ask::all(&urls, within, end).into_iter();
    let gateways = targets.iter().map(|target| {
        let answer = target.url.as_ref().and_then(|_| answers.next());
        Gateway::of(target, answer, wanted)
    });
    Report::of(gateways.collect(), wanted)
}

/// A time with its unit: `500ms`, `60s`, `5m`.
fn time(text: &str) -> Result<Duration, String> {
    const DAY: Duration = Duration::from_secs(86_400);
    let end = text.find(|letter: char| !letter.is_ascii_digit()).unwrap_or(text.len());
    let (number, unit) = text.split_at(end);
    let time = number.parse().ok().and_then(|number: u64| match unit {
        "ms" => Some(Duration::from_millis(number)),
        "s" => Some(Duration::from_secs(number)),
        "m" => Some(Duration::from_secs(number.checked_mul(60)?)),
        _ => None,
    });
    let possible = Duration::from_millis(1)..=DAY;
    time.filter(|time| possible.contains(time))
        .ok_or_else(|| "write a time with its unit, as in 500ms, 60s or 5m".to_owned())
}
