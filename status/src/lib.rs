//! What gateways show of their policies. A gateway is asked for its statistics ([`ask`]), which are
//! text in the format of Prometheus ([`exposition`]); what the filter, Envoy and Istio's agent say
//! there becomes a [`Shown`]. Which gateways there are comes from URLs, or from what `kubectl get
//! pods -o json` writes ([`pods`]).

pub mod ask;
pub mod exposition;
pub mod pods;
mod shown;

pub use shown::{Count, Plugin, Shown, ShownError};
