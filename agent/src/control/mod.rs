//! The control socket: HTTP and JSON over a Unix socket, its language, server and client.

pub mod access;
mod acl;
pub mod api;
pub mod client;
mod error;
pub mod peer;
pub mod server;
pub mod socket;
pub mod view;
