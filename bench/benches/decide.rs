//! The processor time of a decision of the engine in native code, and the check that a decision
//! allocates nothing.

use std::hint::black_box;
use std::net::IpAddr;
use std::time::Duration;

use criterion::measurement::{Measurement, ValueFormatter, WallTime};
use criterion::{BatchSize, Criterion, criterion_group, criterion_main};
use gatepost_bench::alloc::Counting;
use gatepost_bench::clock::thread_time;
use gatepost_bench::envoy::plan::{LARGEST, SMALL};
use gatepost_bench::envoy::policy::{Shape, Size, mapping};
use gatepost_bench::host::workload::{MAPPED, PASS_THROUGH, PROBE, Workload};
use gatepost_engine::{Policy, Request, compile_json};

#[global_allocator]
static ALLOCATOR: Counting = Counting::new();

/// The thread's processor time, which does not include that of other programs. It is formatted as
/// wall-clock time.
struct ProcessorTime;

impl Measurement for ProcessorTime {
    type Intermediate = Duration;
    type Value = Duration;

    fn start(&self) -> Duration {
        thread_time()
    }

    fn end(&self, start: Duration) -> Duration {
        thread_time().saturating_sub(start)
    }

    fn add(&self, one: &Duration, other: &Duration) -> Duration {
        *one + *other
    }

    fn zero(&self) -> Duration {
        Duration::ZERO
    }

    fn to_f64(&self, value: &Duration) -> f64 {
        WallTime.to_f64(value)
    }

    fn formatter(&self) -> &dyn ValueFormatter {
        WallTime.formatter()
    }
}

const SOURCE: Option<IpAddr> = None;

/// How many hosts the requests of mapped hosts go through in turn. They are spread over all hosts.
const ROTATION: usize = 1000;

fn policy(size: Size) -> Policy {
    let document = Shape::Knative.configuration(size).expect("the shipped policy");
    compile_json(document.as_bytes()).expect("a good policy")
}

/// The workload's headers under a Host.
fn headers<'a>(workload: &Workload, host: &'a str) -> Vec<(&'a [u8], &'a [u8])> {
    let header = |(name, value): &(&'static str, &'static str)| {
        (name.as_bytes(), if *name == ":authority" { host.as_bytes() } else { value.as_bytes() })
    };
    workload.request.iter().map(header).collect()
}

fn decide(policy: &Policy, headers: &[(&[u8], &[u8])]) {
    let request = Request { headers: headers.iter().copied(), source: &SOURCE };
    black_box(policy.decide(black_box(&request)));
}

fn bench(
    criterion: &mut Criterion<ProcessorTime>,
    name: &str,
    policy: &Policy,
    requests: &[Vec<(&[u8], &[u8])>],
) {
    ALLOCATOR.start();
    let before = ALLOCATOR.held();
    requests.iter().for_each(|request| decide(policy, request));
    let allocations = ALLOCATOR.held().since(before).calls;
    assert_eq!(allocations, 0, "{name}: {} decisions allocate {allocations} times", requests.len());
    let mut requests = requests.iter().cycle();
    criterion.bench_function(name, |bencher| {
        let next = || requests.next().map(Vec::as_slice).unwrap_or_default();
        bencher.iter_batched(next, |request| decide(policy, request), BatchSize::SmallInput);
    });
}

fn decisions(criterion: &mut Criterion<ProcessorTime>) {
    let small = policy(SMALL);
    bench(criterion, "probe", &small, &[headers(&PROBE, "10.0.0.7")]);
    bench(criterion, "pass-through", &small, &[headers(&PASS_THROUGH, "www.example.com")]);
    for size in [SMALL, LARGEST] {
        let policy = policy(size);
        let step = size.mappings.div_ceil(ROTATION);
        let hosts: Vec<String> =
            (0..size.mappings).step_by(step).map(|number| mapping(number).0).collect();
        let requests: Vec<_> = hosts.iter().map(|host| headers(&MAPPED, host)).collect();
        bench(criterion, &format!("mapped host among {}", size.mappings), &policy, &requests);
        if size == LARGEST {
            bench(
                criterion,
                "pass-through beside 100000 mappings",
                &policy,
                &[headers(&PASS_THROUGH, "www.example.com")],
            );
        }
    }
}

criterion_group! {
    name = benches;
    config = Criterion::default().with_measurement(ProcessorTime);
    targets = decisions
}
criterion_main!(benches);
