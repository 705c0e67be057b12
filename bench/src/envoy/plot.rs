//! Plots of the figures: what each arm adds to a request, and how that changes when a policy grows.

use super::Figure;
use super::arm::{Arm, Selection};
use super::plan::SMALL;
use super::svg::{Anchor, FAINT, Picture, TEXT};
use super::workload::{WORKLOADS, Workload};

const WIDTH: f64 = 920.0;
const HEIGHT: f64 = 440.0;
const LEFT: f64 = 64.0;
const RIGHT: f64 = 24.0;
const TOP: f64 = 92.0;
const BOTTOM: f64 = 56.0;

/// An arm in a plot, and its colour. Gatepost has the strongest.
struct Series {
    arm: Arm,
    colour: &'static str,
}

fn series(arms: &[Arm]) -> Vec<Series> {
    let colour = |arm: &Arm| match arm.name.as_str() {
        "Gatepost" => "#0969da",
        "Lua" => "#bf8700",
        "SDK, naive" => "#cf222e",
        "SDK, with care" => "#bf3989",
        "native module" => "#57606a",
        "empty module" => "#afb8c1",
        "native routes, linear" => "#8250df",
        "native routes, by hash" => "#1a7f37",
        _ => "#8c959f",
    };
    arms.iter().map(|arm| Series { arm: arm.clone(), colour: colour(arm) }).collect()
}

/// Bars: the processor time that each arm adds to a request, and its noise, in microseconds. None
/// when something was not measured.
#[must_use]
pub fn added(figures: &[Figure], noise: f64) -> Option<String> {
    let heading = "CPU time added to a request in Envoy, by what is done";
    let note = format!(
        "µs of the worker thread beside a request without a filter; less is better; \
         the same arm twice differs by up to {noise:.1} µs"
    );
    bars(heading, &note, |arm, workload| {
        let same = |figure: &&Figure| {
            figure.arm == arm.name && figure.workload == workload.name() && is_small(figure)
        };
        figures.iter().find(same).map(|figure| figure.added / 1e3)
    })
}

/// Bars, grouped by workload, of every arm but the routes. None when one has no value.
#[must_use]
pub fn bars(
    heading: &str,
    note: &str,
    value: impl Fn(&Arm, Workload) -> Option<f64>,
) -> Option<String> {
    let series = series(&[
        Arm::native(),
        Arm::empty(),
        Arm::gatepost(),
        Arm::lua(),
        Arm::careful(),
        Arm::naive(),
    ]);
    let groups: Vec<(Workload, Vec<f64>)> = WORKLOADS
        .into_iter()
        .map(|workload| {
            Some((
                workload,
                series.iter().map(|series| value(&series.arm, workload)).collect::<Option<_>>()?,
            ))
        })
        .collect::<Option<_>>()?;
    let most = groups.iter().flat_map(|(_, bars)| bars).copied().fold(0.0, f64::max);
    let axis = Axis::up_to(most);
    // A bar is too narrow for three digits and a point.
    let decimals = usize::from(most < 20.0);
    let mut picture = Picture::new(WIDTH, HEIGHT);
    title(&mut picture, heading, note, &series);
    axis.draw(&mut picture, |value| format!("{value}"));
    let group = (WIDTH - LEFT - RIGHT) / WORKLOADS.len() as f64;
    let bar = group * 0.76 / series.len() as f64;
    for (number, (workload, bars)) in groups.iter().enumerate() {
        let start = LEFT + group * (number as f64 + 0.12);
        for (place, (value, series)) in bars.iter().zip(&series).enumerate() {
            let x = start + bar * place as f64;
            let y = axis.y(value.max(0.0));
            picture.rectangle((x + 1.0, y), (bar - 2.0, HEIGHT - BOTTOM - y), series.colour);
            picture.text(
                (x + bar / 2.0, y - 5.0),
                12.0,
                Anchor::Middle,
                TEXT,
                &format!("{value:.decimals$}"),
            );
        }
        let middle = LEFT + group * (number as f64 + 0.5);
        picture.text((middle, HEIGHT - BOTTOM + 22.0), 14.0, Anchor::Middle, TEXT, workload.name());
    }
    Some(picture.document())
}

/// Lines: requests in a second over the number of environments.
#[must_use]
pub fn environments(figures: &[Figure]) -> Option<String> {
    let arms = [
        Arm::nothing(),
        Arm::gatepost(),
        Arm::lua(),
        Arm::routes(Selection::Hash),
        Arm::routes(Selection::Linear),
    ];
    let lines = lines(figures, Workload::Environment, &arms, |figure| {
        (figure.environments, figure.per_second.median)
    });
    growing(
        lines?,
        "Requests per second on one core, by number of environments",
        "each request names an environment in a header; more is better",
        "environments",
        |value| if value > 0.0 { format!("{}k", value / 1e3) } else { "0".to_owned() },
    )
}

/// Lines: the processor time added over the number of mappings.
#[must_use]
pub fn mappings(figures: &[Figure]) -> Option<String> {
    let arms = [Arm::gatepost(), Arm::lua(), Arm::routes(Selection::Hash)];
    let lines =
        lines(figures, Workload::MappedHost, &arms, |figure| (figure.mappings, figure.added / 1e3));
    growing(
        lines?,
        "CPU time added to a request with a mapped host, by number of mappings",
        "µs of the worker thread beside a request without a filter; less is better",
        "mappings",
        |value| format!("{value}"),
    )
}

type Lines = Vec<(Series, Vec<(usize, f64)>)>;

/// The points of each arm that was measured at more than one size. None when there is no such arm.
fn lines(
    figures: &[Figure],
    workload: Workload,
    arms: &[Arm],
    point: impl Fn(&Figure) -> (usize, f64),
) -> Option<Lines> {
    let of = |series: Series| {
        let same =
            |figure: &&Figure| figure.arm == series.arm.name && figure.workload == workload.name();
        let mut points: Vec<(usize, f64)> = figures.iter().filter(same).map(&point).collect();
        points.sort_by_key(|(size, _)| *size);
        (series, points)
    };
    let lines: Lines =
        series(arms).into_iter().map(of).filter(|(_, points)| points.len() > 1).collect();
    (!lines.is_empty()).then_some(lines)
}

fn growing(
    lines: Lines,
    heading: &str,
    note: &str,
    what: &str,
    show: impl Fn(f64) -> String,
) -> Option<String> {
    let points = || lines.iter().flat_map(|(_, points)| points);
    let axis = Axis::up_to(points().map(|(_, value)| *value).fold(0.0, f64::max));
    let mut sizes: Vec<usize> = points().map(|(size, _)| *size).collect();
    sizes.sort_unstable();
    sizes.dedup();
    let (least, most) = ((*sizes.first()? as f64).ln(), (*sizes.last()? as f64).ln());
    let x = |size: usize| {
        LEFT + 30.0 + ((size as f64).ln() - least) / (most - least) * (WIDTH - LEFT - RIGHT - 60.0)
    };
    let mut picture = Picture::new(WIDTH, HEIGHT);
    let (series, lines): (Vec<Series>, Vec<_>) = lines.into_iter().unzip();
    title(&mut picture, heading, note, &series);
    axis.draw(&mut picture, show);
    for size in sizes {
        picture.grid((x(size), TOP), (x(size), HEIGHT - BOTTOM));
        picture.text(
            (x(size), HEIGHT - BOTTOM + 20.0),
            13.0,
            Anchor::Middle,
            TEXT,
            &thousands(size),
        );
    }
    picture.text(
        ((LEFT + WIDTH - RIGHT) / 2.0, HEIGHT - BOTTOM + 42.0),
        13.0,
        Anchor::Middle,
        FAINT,
        &format!("{what} (logarithmic)"),
    );
    for (series, points) in series.iter().zip(&lines) {
        let points: Vec<(f64, f64)> =
            points.iter().map(|(size, value)| (x(*size), axis.y(value.max(0.0)))).collect();
        picture.line(&points, series.colour);
    }
    Some(picture.document())
}

fn is_small(figure: &Figure) -> bool {
    figure.mappings == SMALL.mappings && figure.environments == SMALL.environments
}

fn title(picture: &mut Picture, heading: &str, note: &str, series: &[Series]) {
    picture.text((LEFT - 40.0, 26.0), 17.0, Anchor::Start, TEXT, heading);
    picture.text((LEFT - 40.0, 46.0), 12.5, Anchor::Start, FAINT, note);
    let mut x = LEFT - 40.0;
    for Series { arm, colour } in series {
        picture.rectangle((x, 58.0), (12.0, 12.0), colour);
        picture.text((x + 18.0, 69.0), 13.0, Anchor::Start, TEXT, &arm.name);
        // A letter of this size is about seven pixels wide.
        x += 46.0 + 7.0 * arm.name.chars().count() as f64;
    }
}

/// The vertical axis, from 0.
struct Axis {
    step: f64,
    top: f64,
}

impl Axis {
    /// Up to a value, in four to eight steps of a round size.
    fn up_to(most: f64) -> Self {
        let rough = (most / 4.0).max(f64::MIN_POSITIVE);
        let power = 10f64.powf(rough.log10().floor());
        let step = [5.0, 2.0, 1.0]
            .into_iter()
            .map(|factor| factor * power)
            .find(|step| *step <= rough)
            .unwrap_or(power);
        Self { step, top: (most * 1.04 / step).ceil() * step }
    }

    fn y(&self, value: f64) -> f64 {
        HEIGHT - BOTTOM - value / self.top * (HEIGHT - BOTTOM - TOP)
    }

    fn draw(&self, picture: &mut Picture, show: impl Fn(f64) -> String) {
        let steps = (self.top / self.step).round() as usize;
        for number in 0..=steps {
            let value = number as f64 * self.step;
            picture.grid((LEFT, self.y(value)), (WIDTH - RIGHT, self.y(value)));
            picture.text((LEFT - 8.0, self.y(value) + 4.0), 12.0, Anchor::End, FAINT, &show(value));
        }
    }
}

fn thousands(number: usize) -> String {
    let digits = number.to_string();
    let mut text = String::new();
    for (place, digit) in digits.chars().enumerate() {
        if place > 0 && (digits.len() - place).is_multiple_of(3) {
            text.push(',');
        }
        text.push(digit);
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_axis_has_round_steps_and_room_for_the_most() {
        for most in [0.7, 3.2, 9.9, 55.0, 43_000.0] {
            let axis = Axis::up_to(most);
            let steps = axis.top / axis.step;
            assert!(
                axis.top >= most && (4.0..=11.0).contains(&steps),
                "{most}: {steps} steps of {}",
                axis.step
            );
        }
    }

    #[test]
    fn numbers_are_shown_in_groups_of_three() {
        assert_eq!([3, 999, 1000, 100_000].map(thousands), ["3", "999", "1,000", "100,000"]);
    }

    #[test]
    fn what_was_not_measured_is_not_drawn() {
        assert_eq!((added(&[], 0.0), environments(&[]), mappings(&[])), (None, None, None));
    }
}
