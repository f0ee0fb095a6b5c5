//! Packets as evidence: what an address was sent, by its headers, as pcapng that Wireshark opens.
//!
//! Two sources, and neither is every packet. What was dropped is sampled by the XDP program, so many headers per second for the
//! whole host (`samples.per_second`). What passed is seen behind it by packet sockets, for a bounded number and time. `session`
//! joins both for `agent capture`; `keeper` writes the first dropped headers of each attack by itself.

mod filter;
mod keeper;
mod packet;
mod pcapng;
mod session;
mod store;
mod wire;

pub use keeper::Keeper;
pub use packet::{Captured, Fate, SNAP};
pub use pcapng::Pcapng;
pub use session::{Ended, MOST_PACKETS, Step, Which, Wish, run};
pub use store::{Store, of_attack};
