//! Builds the examples of `gatepost-guests`, each a guest module.

use gatepost_wasm_build::{Build, Script};

const GUESTS: [&str; 4] = ["probe", "probe_v0_2_0", "probe_v0_1_0", "few_exports"];

fn main() {
    Script::run(build);
}

fn build(script: &Script) -> Result<(), String> {
    script.depends_on(&[
        "host-test/guests/src",
        "host-test/guests/examples",
        "host-test/guests/Cargo.toml",
    ]);
    let build = Build {
        workspace: &script.workspace,
        package: "gatepost-guests",
        profile: "filter",
        arguments: &["--examples"],
        folder: "guests-wasm",
    };
    let modules = build.run().map_err(|error| error.to_string())?.join("examples");
    GUESTS.iter().try_for_each(|guest| {
        let name = format!("{guest}.wasm");
        script.copy(&modules.join(&name), &name)
    })
}
