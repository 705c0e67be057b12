//! The scenarios on a real Envoy and on the embedded gateway: every request goes to both, and both
//! must give the same answers. `shipped` runs the policies' own tests; the other modules test what
//! a tests.yaml cannot say.

mod answer;
mod custom_domain;
mod differences;
mod environments;
mod external_mesh;
mod gauges;
mod given;
mod guarded;
mod hang_ups;
mod hostile;
mod hostile_bytes;
mod hostile_framing;
mod hostile_random;
mod hostile_responses;
mod local_responses;
mod login;
mod pair;
mod pin;
mod preflight;
mod probe;
mod raw;
mod redirects;
mod reload;
mod replaceable;
mod request_flow;
mod response_reload;
mod response_stream;
mod responses;
mod shared_vm;
mod shipped;
mod trapped;
mod under_load;
mod vary;
