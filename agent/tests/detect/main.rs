//! Tests of detection on traces: what it finds, when, and what it leaves alone. `docs/detection.md` is made from them:
//! `cargo test -p agent --test detect -- --ignored write` writes it anew.

mod baselines;
mod fleet;
mod properties;
mod recorded;
mod replay;
mod run;
mod scenarios;
mod table;
mod traces;
mod week;
mod world;
