//! Asking the network above: addresses on the rung `upstream` become routes of BIRD 2 on this host, and its BGP sessions take them
//! to the provider. The agent owns one file that BIRD includes, and nothing else of BIRD's.
//!
//! ```text
//! snapshot → wanted → plan (budget) → include → BIRD: check, configure → routes read back → engine
//! ```

mod bird;
mod books;
mod include;
mod plan;
mod routes;
mod state;
mod task;
mod wanted;

pub use bird::{Bird, BirdError, Reply};
pub use books::Books;
pub(crate) use books::write_whole;
pub use include::{announced, text};
pub use plan::{Plan, Refused, plan, rail};
pub use routes::{exported, sessions};
pub use state::{Route, RouteState, UpstreamState};
pub use task::{Order, Task};
pub use wanted::{Wanted, wanted};
