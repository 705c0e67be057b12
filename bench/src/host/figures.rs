//! What the embedding SDK's benchmark measures.

use serde::Serialize;

use super::memory::Memory;
use crate::rounds::Figure;

/// The figures of a run; what was not measured is empty.
#[derive(Clone, Debug, Default, Serialize)]
pub struct HostFigures {
    /// Complete HTTP streams.
    pub streams: Vec<Figure>,
    /// Fresh VMs.
    pub starts: Vec<Figure>,
    /// Processes from their start to their first answer.
    pub first_answer: Vec<Figure>,
    /// Memory.
    pub memory: Option<Memory>,
}
