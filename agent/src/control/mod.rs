//! The control socket: HTTP and JSON over a Unix socket, its language, server and client.

pub mod api;
pub mod client;
mod error;
mod peer;
pub mod server;
pub mod socket;
pub mod view;
