//! The control socket: HTTP and JSON over a Unix socket, its language, server and client.

pub mod api;
