//! What a command would do, before it does it.

use serde::{Deserialize, Serialize};

use super::{AllowRequest, BlockRequest, Done, ModeRequest, RatesView, RemoveRequest, RungRequest};

/// `POST /v1/preview`: a command that is not carried out.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "command", rename_all = "snake_case")]
pub enum PreviewRequest {
    /// `block-ip`.
    Block(BlockRequest),
    /// `unblock-ip`.
    Unblock(RemoveRequest),
    /// `allow-ip`.
    Allow(AllowRequest),
    /// `unallow-ip`.
    Unallow(RemoveRequest),
    /// `rung`.
    Rung(RungRequest),
    /// `mode`.
    Mode(ModeRequest),
}

/// What it would do. A command that would be refused is refused here in the same words.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct PreviewView {
    /// The command as one would type it.
    pub command: String,
    /// The answer that it would have.
    pub done: Done,
    /// The blast radius: whom it reaches.
    pub reach: ReachView,
}

/// Whom a command reaches, as things are now.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct ReachView {
    /// Protected addresses that it is about; for a source entry, those that its traffic goes to are not known: all.
    pub addresses: usize,
    /// What arrives at them, or comes from the sources, per second. Of sources only the heaviest are known.
    pub rates: Option<RatesView>,
    /// Packets per second that come from the sources, as far as the tally knows them; absent for a command about addresses.
    pub source_pps: Option<f64>,
    /// Open TCP connections of this host that it is about: peers among the sources, or at the addresses.
    pub connections: u64,
    /// What becomes of them and of new ones, in a sentence.
    pub consequence: String,
}
