//! The rung `verify` with real TCP stacks at both ends: customers, listeners of every kind, forged and malformed segments,
//! the way up the ladder and down again. One program, so that what has to wait does so beside the others.

mod aging;
mod common;
mod customers;
mod forgery;
mod guard;
mod ladder;
mod listeners;
mod lost;
mod on_the_wire;
mod settings;
