//! Tests of the agent without a kernel: its tables are a fake in memory, its ledger and sockets are real.

mod api;
mod attacks;
mod capture;
mod cli;
mod config;
mod engine;
mod guard_rails;
mod history;
mod host;
mod ladder;
mod ladder_engine;
mod ledger;
mod lists;
mod notify;
mod reload;
mod report;
mod restarts;
mod rungs;
mod support;
mod usual;
mod vectors;
