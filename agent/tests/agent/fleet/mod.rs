//! Many nodes as people meet them: commands that hold for all, what each node does of them, and what is shown.

mod commands;
pub(crate) mod fake;
mod followed;
