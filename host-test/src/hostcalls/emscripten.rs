//! Functions that Emscripten's runtime imports from `env`, as Envoy serves them. They answer no
//! status and are not recorded.

use super::definition::{Definition, Hostcall};
use crate::abi::AbiVersion::{V0_1_0, V0_2_1};

pub(super) const FAMILY: &[Definition] = &[
    Definition {
        hostcall: Hostcall {
            name: "pthread_equal",
            since: V0_1_0,
            until: V0_2_1,
            params: "ii",
            results: "i",
        },
        link: |linker| {
            let equal = |left: u32, right: u32| u32::from(left == right);
            linker.func_wrap("env", "pthread_equal", equal).map(drop)
        },
    },
    Definition {
        hostcall: Hostcall {
            name: "emscripten_notify_memory_growth",
            since: V0_1_0,
            until: V0_2_1,
            params: "i",
            results: "",
        },
        link: |linker| {
            linker.func_wrap("env", "emscripten_notify_memory_growth", |_memory: u32| {}).map(drop)
        },
    },
];
