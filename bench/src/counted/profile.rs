//! The files that callgrind writes, one for each thread: one line names the events, another has
//! their counts.
//!
//! ```text
//! thread: 7
//! events: Ir Dr Dw I1mr D1mr D1mw ILmr DLmr DLmw
//! …
//! totals: 52265076 14607157 10357383 1356549 592662 160021 2018 2894 3826
//! ```

use super::counts::Counts;

/// Reads a profile. Counters at the end that are zero are not written.
///
/// # Errors
/// What is wrong with it.
pub fn parse(text: &str) -> Result<Counts, String> {
    let line = |key: &str| {
        let found = text.lines().find_map(|line| line.strip_prefix(key));
        found.ok_or_else(|| format!("there is no line `{key}`, which callgrind writes"))
    };
    let events: Vec<&str> = line("events:")?.split_whitespace().collect();
    let counted = line("totals:")?.split_whitespace().map(str::parse::<u64>);
    let counted = counted
        .collect::<Result<Vec<u64>, _>>()
        .map_err(|error| format!("no number is in `totals:`: {error}"))?;
    if counted.len() > events.len() {
        return Err(format!("there are {} events and {} totals", events.len(), counted.len()));
    }
    let of = |names: &[&str]| {
        let mut sum = 0;
        for name in names {
            let index = events.iter().position(|event| event == name);
            let index =
                index.ok_or_else(|| format!("{name} is not among the events: {events:?}"))?;
            sum += counted.get(index).copied().unwrap_or(0);
        }
        #[allow(clippy::cast_precision_loss, reason = "counts of a benchmark are far below 2^52")]
        Ok::<f64, String>(sum as f64)
    };
    Ok(Counts {
        instructions: of(&["Ir"])?,
        l1i_misses: of(&["I1mr"])?,
        l1d_misses: of(&["D1mr", "D1mw"])?,
        ll_misses: of(&["ILmr", "DLmr", "DLmw"])?,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    const PROFILE: &str = "\
# callgrind format
version: 1
pid: 42
cmd:  envoy --concurrency 1
part: 1
thread: 7

desc: I1 cache: 32768 B, 64 B, 8-way associative

positions: line
events: Ir Dr Dw I1mr D1mr D1mw ILmr DLmr DLmw
summary: 900 300 200 90

ob=(1) /bin/envoy
fl=(1) ???
fn=(1) 0x1000
0 600 200 100 60 7 5
cfn=(2) 0x2000
calls=3 0
0 400 100 100 40

fn=(2)
0 400 100 100 40 1 1 2 3 4

totals: 1000 300 200 100 8 6 2 3 4
";

    #[test]
    fn the_counters_are_found_by_their_events_names() {
        let counts =
            Counts { instructions: 1000.0, l1i_misses: 100.0, l1d_misses: 14.0, ll_misses: 9.0 };
        assert_eq!(parse(PROFILE), Ok(counts));
        let turned =
            "events: D1mw D1mr I1mr Ir ILmr DLmr DLmw Dr Dw\ntotals: 6 8 100 1000 2 3 4 300 200\n";
        assert_eq!(parse(turned), Ok(counts));
    }

    #[test]
    fn counters_at_the_end_that_are_not_written_are_zero() {
        let short =
            PROFILE.replace("totals: 1000 300 200 100 8 6 2 3 4", "totals: 1000 300 200 100 8");
        assert_eq!(
            parse(&short),
            Ok(Counts { instructions: 1000.0, l1i_misses: 100.0, l1d_misses: 8.0, ll_misses: 0.0 })
        );
    }

    #[test]
    fn a_profile_without_totals_or_caches_is_an_error() {
        let fault = |from: &str, to: &str| parse(&PROFILE.replace(from, to)).unwrap_err();
        assert!(fault("totals:", "total:").contains("`totals:`"));
        assert!(
            fault(" I1mr D1mr D1mw ILmr DLmr DLmw\nsummary", "\nsummary")
                .contains("3 events and 9 totals")
        );
        assert!(fault("I1mr", "Bc").contains("I1mr is not among the events"));
        assert!(fault("totals: 1000", "totals: many").contains("no number"));
    }
}
