//! What operators do to gateways behind a load balancer, under load, with the requests counted that
//! fail: none may.

mod balancer;
mod mistakes;
mod page;
mod pods;
mod world;

use std::process::ExitCode;

use gatepost_e2e::in_mesh;

use world::Worlds;

/// A test: it panics when it fails.
type Test = fn(&mut Worlds);

const TESTS: &[(&str, Test)] = &[
    ("no_request_fails_while_pods_end_and_start_with_and_without_a_policy", pods::start_and_end),
    ("a_dozen_mistakes_in_a_policy_reach_no_gateway", mistakes::reach_no_gateway),
    ("the_commands_of_the_page_of_operations_let_no_request_fail", page::follow),
];

fn main() -> ExitCode {
    let tests = TESTS.iter().map(|(name, test)| ((*name).to_owned(), Box::new(*test) as _));
    in_mesh::run(tests.collect(), Worlds::default)
}
