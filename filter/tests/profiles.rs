//! The filter on the proxies that `gatepost-host` knows: what a response owes is given on each.

use gatepost_host::{
    Engine, EngineOptions, Headers, Host, Module, Outcome, PluginConfig, Profile, StreamInfo, Vm,
    VmOptions,
};

const POLICY: &str = r#"{
  "apiVersion": "gatepost/v1",
  "environments": {
    "sources": [{ "header": "env" }, { "query": "env", "pin": { "cookie": "env" } },
      { "cookie": "env" }],
    "allow": ["pr-*"],
    "preflight": "pr-1"
  },
  "hosts": { "mappings": [{ "host": "shop.test", "authority": "shop.example" }] }
}"#;

/// The headers that a client gets when the upstream answers a request with these.
fn response(profile: Profile, request: &[(&str, &str)], response: &[(&str, &str)]) -> String {
    let engine = Engine::new(EngineOptions::default()).expect("an engine");
    let module = Module::new(&engine, "gatepost", gatepost_filter_wasm::MODULE).expect("a module");
    let options = VmOptions { profile, ..VmOptions::default() };
    let mut vm = Vm::new(&module, Host::default(), options).expect("a VM");
    let config = PluginConfig { configuration: POLICY.into(), ..PluginConfig::default() };
    let plugin = vm.start_plugin(config).expect("accepted");
    let stream = vm.stream(plugin, StreamInfo::default()).expect("a stream");
    let mut headers = Headers::request(request.iter().copied());
    let outcome = vm.request_headers(stream, &mut headers, true).expect("no trap");
    assert_eq!(outcome, Outcome::Continue);
    let mut headers = Headers::response(response.iter().copied());
    let outcome = vm.response_headers(stream, &mut headers, true).expect("no trap");
    assert_eq!(outcome, Outcome::Continue);
    headers.to_string()
}

#[test]
fn a_login_behind_a_mapped_domain_stays_there_on_every_proxy() {
    let request = [(":method", "GET"), (":path", "/"), (":authority", "shop.test")];
    let redirect = [
        (":status", "302"),
        ("location", "https://shop.example/login"),
        ("set-cookie", "sid=1; Domain=shop.example"),
        ("vary", "accept"),
    ];
    for profile in [Profile::Envoy, Profile::Gcp] {
        let response = response(profile, &request, &redirect);
        let mut lines: Vec<&str> = response.lines().collect();
        lines.sort_unstable();
        let expected = [
            ":status: 302",
            "location: https://shop.test/login",
            "set-cookie: sid=1; Domain=shop.test",
            "vary: accept, env, cookie",
        ];
        assert_eq!(lines, expected, "{profile:?}");
    }
}

#[test]
fn a_link_pins_its_environment_on_every_proxy() {
    let request = [(":method", "GET"), (":path", "/?env=pr-17"), (":authority", "www.test")];
    for profile in [Profile::Envoy, Profile::Gcp] {
        let response = response(profile, &request, &[(":status", "200")]);
        let pin = "set-cookie: env=pr-17; Path=/; Secure; HttpOnly; SameSite=Lax";
        assert_eq!(response, format!(":status: 200\n{pin}\nvary: env\n"), "{profile:?}");
    }
}
