//! The scenarios on a real Envoy and on the embedded gateway: every request goes to both, and both
//! must give the same answers. What a policy's tests.yaml can say is in `shipped`; the other
//! modules hold what it cannot.

mod answer;
mod custom_domain;
mod differences;
mod environments;
mod external_mesh;
mod hang_ups;
mod hostile;
mod hostile_bytes;
mod hostile_framing;
mod hostile_random;
mod pair;
mod probe;
mod raw;
mod reload;
mod request_flow;
mod shared_vm;
mod shipped;
mod trapped;
mod under_load;
