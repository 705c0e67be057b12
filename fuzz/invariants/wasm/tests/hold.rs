//! The invariants of the filter's module and of the host, tried with the seeds of the fuzz targets, with what becomes of them when bytes
//! are changed, and with any bytes.

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
    #![proptest_config(ProptestConfig { cases: 1_500, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn the_filter_does_what_the_engine_decides_for_any_request(case in changed("filter")) {
        filter::holds(&case);
    }

    #[test]
    fn no_pointer_length_or_map_of_a_guest_harms_the_host(program in changed("host_memory")) {
        wild::holds(&program);
    }

    #[test]
    fn no_bytes_make_a_guest_that_harms_the_host(program in prop::collection::vec(any::<u8>(), 0..300)) {
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
            "filter" => filter::holds,
            "host_memory" => wild::holds,
            other => panic!("{other} is no target"),
        };
        seeds.iter().for_each(|seed| holds(seed));
    }
}
