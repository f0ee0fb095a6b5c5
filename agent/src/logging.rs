//! The agent's log on standard error; systemd keeps it from there.

use std::io::IsTerminal as _;

use tracing::{Subscriber, level_filters::LevelFilter};
use tracing_subscriber::{
    Layer, Registry, filter::Targets, fmt, layer::SubscriberExt as _, registry::LookupSpan, reload,
    util::SubscriberInitExt as _,
};

use crate::{
    config::operation::{Log, LogFormat, LogLevel},
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
    let layer = lines(log.format, std::io::stderr, std::io::stderr().is_terminal());
    tracing_subscriber::registry()
        .with(layer.with_filter(filter))
        .try_init()?;
    Ok(Box::new(move |level| {
        if let Err(error) = handle.reload(targets(level)) {
            tracing::error!("cannot change the log's level: {error}");
        }
    }))
}

/// Writes each event as one line, in a form; `docs/logs.md` is what is promised of the second.
pub fn lines<S, W>(format: LogFormat, writer: W, colours: bool) -> Box<dyn Layer<S> + Send + Sync>
where
    S: Subscriber + for<'span> LookupSpan<'span>,
    W: for<'writer> fmt::MakeWriter<'writer> + Send + Sync + 'static,
{
    let lines = fmt::layer().with_writer(writer);
    match format {
        LogFormat::Text => lines.with_ansi(colours).boxed(),
        // Libraries have spans of their own; what a line holds must not depend on them.
        LogFormat::Json => lines.json().with_current_span(false).with_span_list(false).boxed(),
    }
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
