//! Streams and VMs leak nothing. What a stream or a VM allocates on the host is freed with it, to
//! the byte.

use gatepost_bench::alloc::Counting;
use gatepost_bench::host::guest::Guest;
use gatepost_bench::host::memory::{rebuilds, streams};
use gatepost_bench::host::workload::{MAPPED, PASS_THROUGH, PROBE, SDK};
use gatepost_host::{EngineOptions, Host};

#[global_allocator]
static ALLOCATOR: Counting = Counting::new();

// One test, because the counters belong to the whole process and tests run in parallel.
#[test]
fn ten_thousand_streams_and_two_hundred_vms_leave_nothing_behind() {
    ALLOCATOR.start();
    let host = Host::default();
    let gatepost = Guest::gatepost(EngineOptions::default()).unwrap();
    let sdk = Guest::three_headers(EngineOptions::default()).unwrap();
    for (guest, workload) in
        [(&gatepost, PROBE), (&gatepost, MAPPED), (&gatepost, PASS_THROUGH), (&sdk, SDK)]
    {
        let left = streams(workload.name, guest, &host, workload, 10_000, &ALLOCATOR).unwrap();
        assert_eq!((left.blocks, left.bytes, left.guest_bytes), (0, 0, 0), "{left:?}");
    }
    for (name, guest) in [("gatepost", &gatepost), ("sdk", &sdk)] {
        let left = rebuilds(name, guest, &host, 200, &ALLOCATOR).unwrap();
        assert_eq!((left.blocks, left.bytes), (0, 0), "{left:?}");
    }
}
