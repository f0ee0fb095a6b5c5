//! Loads the program over the pinned maps.

use aya::{Ebpf, EbpfError, EbpfLoader, include_bytes_aligned, programs::ProgramError};
use aya_log::EbpfLogger;
use xdp_common::{layout::Capacity, map_name};

use super::{answers, attach, handshakes, list_table, maps, pins::Pins};
use crate::tables::{Result, TableError};

/// The XDP program, compiled by the build script.
static OBJECT: &[u8] = include_bytes_aligned!(concat!(env!("OUT_DIR"), "/levee"));

/// Loads the program; maps that are pinned already are taken as they are, the others are made and pinned.
pub(super) fn load(pins: &Pins, capacity: &Capacity) -> Result<(Ebpf, EbpfLogger<&'static dyn log::Log>)> {
    let mut loader = EbpfLoader::new();
    loader.default_map_pin_directory(pins.root());
    let words = xdp_common::list_table::words(capacity.list_prefixes);
    list_table::ensure(pins, words)?;
    loader.map_pin_path(map_name::LISTS, pins.map(map_name::LISTS));
    for (name, entries) in maps::sizes(capacity) {
        loader.map_max_entries(name, entries);
    }
    let mut ebpf = loader.load(OBJECT).map_err(|error| cannot_load(&error))?;
    list_table::note_size(pins, words)?;
    let logger = EbpfLogger::init(&mut ebpf)
        .map_err(|error| TableError::Kernel(format!("cannot read the program's events: {error}")))?;
    let program = attach::program(&mut ebpf)?;
    program.load().map_err(|error| refused("XDP program", &error))?;
    let id = program.info().map_err(|error| refused("XDP program", &error))?.id();
    answers::load(&mut ebpf, pins, id)?;
    handshakes::program(&mut ebpf)?
        .load()
        .map_err(|error| refused("tracepoint program", &error))?;
    Ok((ebpf, logger))
}

fn cannot_load(error: &EbpfError) -> TableError {
    TableError::Kernel(format!(
        "cannot make the maps of the XDP program: {}",
        with_causes(error)
    ))
}

/// The verifier's log is long: its end says what was refused.
pub(super) fn refused(what: &str, error: &ProgramError) -> TableError {
    const TAIL: usize = 600;
    let text = with_causes(error);
    let from = text.char_indices().rev().nth(TAIL).map_or(0, |(at, _)| at);
    TableError::Kernel(format!("the kernel refused the {what}: {}", &text[from..]))
}

/// An error with all that is behind it.
pub(super) fn with_causes(error: &dyn std::error::Error) -> String {
    let mut text = error.to_string();
    let mut cause = error.source();
    while let Some(inner) = cause {
        let inner_text = inner.to_string();
        if !text.contains(&inner_text) {
            text = format!("{text}: {inner_text}");
        }
        cause = inner.source();
    }
    text
}
