//! The invariants of the filter's module and of the host, tested with the seeds of the fuzz
//! targets, with seeds whose bytes are changed, and with any bytes.

use std::collections::BTreeSet;

use gatepost_host::{AbiVersion, HOSTCALLS, RecordedEvent, Status};
use gatepost_invariants_wasm::{filter, seeds, wild};
use proptest::prelude::*;
use proptest::sample::{Index, select};

fn of(target: &str) -> Vec<Vec<u8>> {
    let seeds = seeds::all().into_iter().find(|(name, _)| *name == target).map(|(_, seeds)| seeds);
    seeds.filter(|seeds| !seeds.is_empty()).expect("a target with seeds")
}

/// A seed with a few bytes changed.
fn changed(target: &str) -> impl Strategy<Value = Vec<u8>> {
    let changes = prop::collection::vec((any::<Index>(), any::<u8>()), 0..6);
    (select(of(target)), changes).prop_map(|(mut seed, changes)| {
        for (at, byte) in changes {
            let at = at.index(seed.len());
            seed[at] = byte;
        }
        seed
    })
}

proptest! {
    #![proptest_config(ProptestConfig {
        cases: 1_500,
        failure_persistence: None,
        ..ProptestConfig::default()
    })]

    #[test]
    fn the_filter_does_what_the_engine_decides_for_any_request(case in changed("filter")) {
        filter::holds(&case);
    }

    #[test]
    fn no_pointer_length_or_map_of_a_guest_harms_the_host(program in changed("host_memory")) {
        wild::holds(&program);
    }

    #[test]
    fn no_bytes_make_a_guest_that_harms_the_host(
        program in prop::collection::vec(any::<u8>(), 0..300),
    ) {
        wild::holds(&program);
    }
}

#[test]
fn every_seed_of_every_target_holds() {
    for (target, seeds) in seeds::all() {
        let holds = match target {
            "authority" => gatepost_invariants::authority::holds,
            "compile" => gatepost_invariants::compile::holds,
            "decide" => gatepost_invariants::case::holds,
            "response" => gatepost_invariants::case::response_holds,
            "filter" => filter::holds,
            "host_memory" => wild::holds,
            other => panic!("{other} is no target"),
        };
        seeds.iter().for_each(|seed| holds(seed));
    }
}

#[test]
fn the_seeds_reach_every_hostcall_of_the_newest_version_and_most_of_them_well() {
    let events = of("host_memory")
        .iter()
        .flat_map(|seed| wild::recorded(seed))
        .map(|recorded| recorded.event)
        .collect::<Vec<_>>();
    let called = |only: Option<Status>| -> BTreeSet<&str> {
        let called = events.iter().filter_map(|event| match event {
            RecordedEvent::Called { hostcall, status, .. }
                if only.is_none_or(|only| *status == only) =>
            {
                Some(*hostcall)
            }
            _ => None,
        });
        called.collect()
    };
    let (all, well) = (called(None), called(Some(Status::Ok)));
    // The functions for language runtimes return no status, so they are not recorded.
    let unrecorded = ["pthread_equal", "emscripten_notify_memory_growth", "abort", "seed"];
    let served = HOSTCALLS
        .iter()
        .filter(|call| call.until == AbiVersion::V0_2_1 && !unrecorded.contains(&call.name));
    let missing: Vec<&str> =
        served.map(|call| call.name).filter(|name| !all.contains(name)).collect();
    assert_eq!(missing, [""; 0]);
    assert!(well.len() > all.len() / 2, "only {well:?}");
}

/// Found by fuzzing: the host joins two user agents, as Envoy does, and the result is a probe's.
#[test]
fn a_request_that_passes_by_its_joined_user_agents_keeps_its_trailers() {
    filter::holds(
        b"knative-gclb\n10.0.0.1:4711\n:method: GET\n:path: /\n:authority: a.test\n\
          user-agent: Knative-a\nuser-agent: b\nx-forwarded-host: c\n",
    );
}
