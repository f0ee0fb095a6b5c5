//! The agent's log on standard error; systemd keeps it from there.

use std::io::IsTerminal as _;

use tracing::level_filters::LevelFilter;
use tracing_subscriber::{
    Layer as _, Registry, filter::Targets, fmt, layer::SubscriberExt as _, reload, util::SubscriberInitExt as _,
};

use crate::{
    config::file::{Log, LogFormat, LogLevel},
    engine::SetLogLevel,
};

/// Targets whose level the configuration sets: the agent, and the XDP program's rare events (aya-log names its crate).
const OURS: [&str; 3] = ["agent", "levee", "xdp_ebpf"];

/// Starts the log; the result changes its level.
///
/// # Errors
/// If a log was started before.
pub fn start(log: &Log) -> anyhow::Result<SetLogLevel> {
    let (filter, handle) = reload::Layer::<Targets, Registry>::new(targets(log.level));
    let lines = fmt::layer()
        .with_writer(std::io::stderr)
        .with_ansi(std::io::stderr().is_terminal());
    let layer = match log.format {
        LogFormat::Text => lines.boxed(),
        LogFormat::Json => lines.json().boxed(),
    };
    tracing_subscriber::registry()
        .with(layer.with_filter(filter))
        .try_init()?;
    Ok(Box::new(move |level| {
        if let Err(error) = handle.reload(targets(level)) {
            tracing::error!("cannot change the log's level: {error}");
        }
    }))
}

/// Ours at the configured level, libraries only when something is wrong.
fn targets(level: LogLevel) -> Targets {
    let level = match level {
        LogLevel::Error => LevelFilter::ERROR,
        LogLevel::Warn => LevelFilter::WARN,
        LogLevel::Info => LevelFilter::INFO,
        LogLevel::Debug => LevelFilter::DEBUG,
        LogLevel::Trace => LevelFilter::TRACE,
    };
    OURS.into_iter().fold(
        Targets::new().with_default(level.min(LevelFilter::WARN)),
        |targets, ours| targets.with_target(ours, level),
    )
}
