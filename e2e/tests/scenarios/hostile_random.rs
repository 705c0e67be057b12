//! Some hundred requests of random lines and bytes, the same in every run.

use fastrand::Rng;

use crate::hostile::{assert_no_vm_failed, assert_serves, pairs};
use crate::raw;

const SEEDS: u64 = 400;

const NAMES: &[&str] = &[
    "Host",
    "env",
    "x-env",
    "cookie",
    "baggage",
    "via",
    "user-agent",
    "x-gatepost-env",
    "x-forwarded-host",
    "x-forwarded-for",
    "content-type",
    "knative-serving-revision",
    "te",
    "expect",
    "x-request-id",
    "traceparent",
];
const VALUES: &[&str] = &[
    "",
    "env1",
    "env2",
    "stg",
    "app.example",
    "env=env2",
    "a=b; env=env1",
    "env2.dev.example.com",
    "GoogleHC/1.0",
    "1.1 google",
    "application/grpc",
    "my-service.test.com.:443",
    "a.svc.cluster.local",
    "[::1]:80",
    "35.191.0.1",
    "{env}",
    "%65nv1",
];
const TARGETS: &[&str] = &[
    "/",
    "/up",
    "/?env=env2",
    "/?env=%65nv2&env",
    "http://app.example/",
    "http://env2.dev.example.com:1/x",
    "*",
    "//",
];

fn pick<'a>(random: &mut Rng, from: &[&'a str]) -> &'a [u8] {
    from[random.usize(..from.len())].as_bytes()
}

/// A value: a known one, random bytes without line ends, or a known one with random bytes inside.
fn value(random: &mut Rng) -> Vec<u8> {
    let noise = |random: &mut Rng, most: usize| -> Vec<u8> {
        let length = random.usize(..=most);
        std::iter::repeat_with(|| random.u8(..))
            .filter(|byte| !matches!(byte, b'\r' | b'\n'))
            .take(length)
            .collect()
    };
    match random.u8(..4) {
        0 => pick(random, VALUES).to_vec(),
        1 => noise(random, 40),
        2 => noise(random, 3000),
        _ => {
            let mut value = pick(random, VALUES).to_vec();
            let at = random.usize(..=value.len());
            value.splice(at..at, noise(random, 4));
            value
        }
    }
}

fn request(seed: u64) -> Vec<u8> {
    let mut random = Rng::with_seed(seed);
    let method: &[u8] = if random.u8(..8) == 0 { b"HEAD" } else { b"GET" };
    let mut target = pick(&mut random, TARGETS).to_vec();
    if random.u8(..4) == 0 {
        let length = random.usize(..30);
        target.extend(std::iter::repeat_with(|| random.u8(0x21..)).take(length));
    }
    let first = [method, b" ", &target, b" HTTP/1.1"].concat();
    let mut lines: Vec<Vec<u8>> = Vec::new();
    if random.u8(..8) != 0 {
        lines.push(b"Host: app.example".to_vec());
    }
    for _ in 0..random.usize(..30) {
        lines.push([pick(&mut random, NAMES), b": ", &value(&mut random)].concat());
    }
    lines.push(b"Connection: close".to_vec());
    raw::request(&first, &lines.iter().map(Vec::as_slice).collect::<Vec<_>>())
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn random_requests_take_nothing_down() {
    for (policy, pair) in pairs().await {
        for seed in 0..SEEDS {
            let request = request(seed);
            for (gateway, testbed) in pair.each() {
                if let Some(answer) = raw::send(testbed.address(), &request).await {
                    assert!(
                        !matches!(answer.status, 500 | 502..=599),
                        "{policy}, {gateway}, seed {seed}: {answer:?}"
                    );
                }
                assert_serves(testbed, &format!("seed {seed} ({policy}, {gateway})")).await;
            }
        }
        assert_no_vm_failed(&pair.envoy);
    }
}
