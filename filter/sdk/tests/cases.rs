//! The example filter carries out the policies that ship as Gatepost's own module does.

use gatepost_gateway::FilterModule;
use gatepost_host::{Engine, EngineOptions, Module};
use gatepost_proxy_wasm_example::HSTS;
use gatepost_testbed::cases::judge;
use gatepost_testbed::cases::offline::Offline;
use gatepost_testbed::shipped;

#[test]
fn every_case_of_every_policy_ends_as_with_gateposts_own_module() {
    let engine = Engine::new(EngineOptions::default()).expect("an engine");
    let example = FilterModule::of(Module::new(&engine, "hsts", HSTS).expect("a module"));
    let own = FilterModule::compile().expect("a module");
    for policy in shipped::ALL {
        let (file, suite) = policy.read().expect("a policy and its tests");
        let [mut example, mut own] =
            [&example, &own].map(|module| Offline::start(module, &file.json).expect("accepted"));
        for case in &suite.cases {
            let mut observed = example.run(case, &suite.routes).expect("no trap");
            let differences: Vec<String> =
                judge(case, &observed, |_| false).iter().map(ToString::to_string).collect();
            assert!(differences.is_empty(), "{}: {}: {differences:?}", policy.name, case.name);
            // The example's own job.
            observed.response.retain(|(name, _)| name != "strict-transport-security");
            assert_eq!(observed, own.run(case, &suite.routes).expect("no trap"), "{}", case.name);
        }
    }
}
