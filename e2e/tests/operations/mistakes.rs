//! Mistakes in a policy that somebody applies past every check of their own: the webhook denies
//! each, and neither a gateway nor a request sees it.

use std::path::Path;

use crate::world::{World, Worlds};

/// Changes of the plugin, each with what is said of it.
const MISTAKES: [(&str, &str); 12] = [
    (r#"{"op":"add","path":"POLICY/hosts/unmaped","value":"reject"}"#, "did you mean `unmapped`?"),
    (r#"{"op":"add","path":"POLICY/hosts/port","value":80}"#, "expected a string"),
    (r#"{"op":"replace","path":"POLICY/apiVersion","value":"gatepost/v2"}"#, "gatepost/v1"),
    (r#"{"op":"remove","path":"POLICY/apiVersion"}"#, "apiVersion"),
    (r#"{"op":"replace","path":"POLICY","value":{}}"#, "error["),
    (r#"{"op":"remove","path":"POLICY"}"#, "where its policy would be"),
    (r#"{"op":"add","path":"POLICY/hosts/private/0","value":"10.0.0.0/33"}"#, "10.0.0.0/33"),
    (r#"{"op":"add","path":"POLICY/hosts/invalid","value":"pass"}"#, "invalid"),
    (r#"{"op":"replace","path":"POLICY/hosts/mappings/0/host","value":"a b"}"#, "a b"),
    (r#"{"op":"replace","path":"POLICY/healthChecks/1/name","value":"gclb"}"#, "gclb"),
    (r#"{"op":"replace","path":"/spec/match/0/mode","value":"SERVER"}"#, "plugin-mode"),
    (r#"{"op":"replace","path":"/spec/wasm/failStrategy","value":"FAIL_OPEN"}"#, "fail-open"),
];

pub fn reach_no_gateway(worlds: &mut Worlds) {
    let world = worlds.today();
    install(world);
    let before = policies(world);
    for (mistake, said) in MISTAKES {
        let patch = format!("[{}]", mistake.replace("POLICY", "/spec/wasm/pluginConfig"));
        let denied = world.try_patch_plugin(&patch).unwrap_err();
        assert!(denied.contains("denied the request"), "{mistake}: {denied}");
        assert!(denied.contains(said), "{mistake}: {denied}");
    }
    world.answers(1000);
    assert_eq!(policies(world), before);
    assert_eq!(world.balancer.failed(), Vec::<String>::new());
    // What is no mistake is admitted, and takes effect.
    let path = "/spec/wasm/pluginConfig/hosts/unmapped";
    world.patch_plugin(&format!(r#"[{{"op":"add","path":"{path}","value":"reject"}}]"#));
    world.until("it takes effect", |world| policies(world) != before);
}

/// The webhook, as its README says.
fn install(world: &mut World) {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../deploy/admission");
    world.mesh.apply_folder(&folder).unwrap();
    world.mesh.shell("./certificate.sh", &folder).unwrap();
    world.mesh.converge().unwrap();
    // The API server follows its objects within moments; until then it fails the change.
    let mistake = r#"[{"op":"remove","path":"/spec/wasm/pluginConfig/apiVersion"}]"#;
    world.until("the webhook answers", |world| {
        world.try_patch_plugin(mistake).is_err_and(|error| error.contains("denied the request"))
    });
}

/// Which policy each gateway runs.
fn policies(world: &mut World) -> String {
    let folder = world.mesh.folder().join("mistakes");
    std::fs::create_dir_all(&folder).unwrap();
    let status = "kubectl get pods -n istio-system -l istio=ingressgateway -o json | gatepost \
                  status - | grep enforces";
    world.shell(status, &folder).unwrap()
}
