//! A scenario, from its manifests to its smoke test.

use gatepost_e2e::scenario;
use gatepost_testbed::mesh::Mesh;

use crate::{analysis, kinds, root, steps};

/// Does what the README of a scenario says.
pub fn follow(mesh: &mut Mesh, name: &str, form: &str) {
    let deploy = root().join("deploy");
    let mut readme = steps::readme(&deploy, name);
    let steps = steps::of(&readme, form);
    let form_of_mesh = if steps.scenario == name { form } else { scenario::TODAY };
    let folder = scenario::folder(&deploy, &steps.scenario, form_of_mesh).unwrap();
    scenario::apply(mesh, &deploy, &folder).unwrap();
    for step in &steps.commands {
        let printed = mesh.shell(step, &root()).unwrap();
        println!("$ {step}\n{printed}");
        mesh.converge().unwrap();
    }
    let smoke_test = steps.commands.iter().find(|step| step.ends_with("/smoke.sh")).unwrap();
    if steps.scenario == name {
        analysis::is_explained(mesh, &readme);
        kinds::are_alike(mesh, smoke_test);
    } else {
        readme += &steps::readme(&deploy, &steps.scenario);
        analysis::is_explained(mesh, &readme);
    }
}
