//! What the READMEs of `deploy/` say, done: each scenario in each of its forms is applied to a mesh
//! of its own, and the steps of its section "Without a cluster" lead to its smoke test.

mod analysis;
mod kinds;
mod scenario;
mod steps;

use std::path::{Path, PathBuf};
use std::process::ExitCode;

use gatepost_e2e::in_mesh::{self, TARGET, Test};
use gatepost_e2e::scenario as scenarios;
use gatepost_testbed::mesh::Mesh;

/// The repository.
fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("..")
}

/// What tests share: that only one of them has a mesh.
struct OneMesh;

impl OneMesh {
    fn start(&mut self) -> Mesh {
        Mesh::start(Path::new(TARGET)).unwrap()
    }
}

fn main() -> ExitCode {
    let mut tests: Vec<(String, Test<OneMesh>)> = Vec::new();
    for (name, form) in scenarios::all(&root().join("deploy")) {
        let sentence = format!("the_readme_of_{name}_leads_to_its_smoke_test_{form}");
        let test = move |one: &mut OneMesh| scenario::follow(&mut one.start(), &name, &form);
        tests.push((sentence.replace('-', "_"), Box::new(test)));
    }
    assert!(!tests.is_empty(), "deploy/ has no scenario");
    in_mesh::run(tests, || OneMesh)
}
