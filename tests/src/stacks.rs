//! Real TCP stacks to test with: servers and clients of the kernel, with socket options and programs as users have them,
//! and what the kernel says of them.

pub mod client;
pub mod exchange;
pub mod haproxy;
pub mod listener;
pub mod md5;
pub mod nstat;
pub mod programs;
pub mod ss;
