//! Three load balancers and a real etcd: what is decided for all holds on all, whatever is cut, killed or broken in between.

mod access;
mod decisions;
mod thin;
mod trouble;
