//! Loads the program over the pinned maps.

use aya::{Ebpf, EbpfError, EbpfLoader, VerifierLogLevel, include_bytes_aligned, programs::ProgramError};
use aya_log::EbpfLogger;
use tracing::info;
use xdp_common::{layout::Capacity, map_name};

use super::{answers, form::Form, handshakes, list_table, maps, pins::Pins};
use crate::{
    failpoint::{Point, reach},
    tables::{Result, TableError},
};

/// The XDP program, compiled by the build script.
pub(super) static OBJECT: &[u8] = include_bytes_aligned!(concat!(env!("OUT_DIR"), "/levee"));

/// What only the daemon has.
pub(super) struct Loaded {
    /// The kernel's id of the XDP program.
    pub(super) id: u32,
    pub(super) form: Form,
    pub(super) ebpf: Ebpf,
    pub(super) logger: EbpfLogger<&'static dyn log::Log>,
}

/// Loads the programs, the XDP program in the first of these forms that the kernel takes; maps that are pinned already are
/// taken as they are, the others are made and pinned.
pub(super) fn load(pins: &Pins, capacity: &Capacity, forms: &[Form]) -> Result<Loaded> {
    let (mut ebpf, form) = first_accepted(pins, capacity, forms)?;
    reach(Point::ProgramLoaded);
    let logger = EbpfLogger::init(&mut ebpf)
        .map_err(|error| TableError::Kernel(format!("cannot read the program's events: {error}")))?;
    let info = form.program(&mut ebpf)?.info();
    let id = info.map_err(|error| refused("XDP program", &error))?.id();
    answers::load(&mut ebpf, pins, id)?;
    reach(Point::AnswersPinned);
    handshakes::program(&mut ebpf)?
        .load()
        .map_err(|error| refused("tracepoint program", &error))?;
    Ok(Loaded { id, form, ebpf, logger })
}

/// The object with the XDP program loaded in the first of these forms that the kernel takes.
fn first_accepted(pins: &Pins, capacity: &Capacity, forms: &[Form]) -> Result<(Ebpf, Form)> {
    let (last, before) = forms
        .split_last()
        .ok_or_else(|| TableError::Kernel("no form of the XDP program is to be loaded".to_owned()))?;
    for form in before {
        let mut ebpf = object(pins, capacity, Refusals::InAWord)?;
        match form.program(&mut ebpf)?.load() {
            Ok(()) => return Ok((ebpf, *form)),
            Err(error) => info!(
                program = form.entry(),
                error = with_causes(&error),
                "the kernel does not take the XDP program in this form; it is loaded in one that costs each packet a little more"
            ),
        }
    }
    let mut ebpf = object(pins, capacity, Refusals::WithTheVerifiersLog)?;
    let loaded = last.program(&mut ebpf)?.load();
    loaded.map_err(|error| refused("XDP program", &error))?;
    Ok((ebpf, *last))
}

/// What the kernel says where it refuses a program.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Refusals {
    /// An error number. A verifier that is to write its log takes minutes to walk half a million instructions, which makes no
    /// way of finding out whether there is need of another form.
    InAWord,
    /// What the verifier stumbled over.
    WithTheVerifiersLog,
}

/// The object over its maps, with none of its programs loaded yet.
pub(super) fn object(pins: &Pins, capacity: &Capacity, refusals: Refusals) -> Result<Ebpf> {
    let mut loader = EbpfLoader::new();
    if refusals == Refusals::InAWord {
        loader.verifier_log_level(VerifierLogLevel::DISABLE);
    }
    loader.default_map_pin_directory(pins.root());
    let words = xdp_common::list_table::words(capacity.list_prefixes);
    list_table::ensure(pins, words)?;
    reach(Point::ListsMade);
    loader.map_pin_path(map_name::LISTS, pins.map(map_name::LISTS));
    for (name, entries) in maps::sizes(capacity) {
        loader.map_max_entries(name, entries);
    }
    let ebpf = loader.load(OBJECT).map_err(|error| cannot_load(&error))?;
    reach(Point::MapsMade);
    list_table::note_size(pins, words)?;
    Ok(ebpf)
}

fn cannot_load(error: &EbpfError) -> TableError {
    TableError::Kernel(format!(
        "cannot make the maps of the XDP program: {}",
        with_causes(error)
    ))
}

/// What the kernel said of a program that it does not take.
pub(super) fn refused(what: &str, error: &ProgramError) -> TableError {
    TableError::Kernel(format!(
        "the kernel refused the {what}: {}",
        why_refused(&with_causes(error))
    ))
}

/// The verifier's log is long: its end says what was refused. Where it is a feature of the host that is off, that is said instead.
fn why_refused(text: &str) -> String {
    const TAIL: usize = 600;
    // kernel/bpf/verifier.c: "tail_calls are not allowed in non-JITed programs with bpf-to-bpf calls".
    if text.contains("non-JITed") {
        return "the kernel interprets BPF programs (net.core.bpf_jit_enable is 0), and its interpreter cannot run this one: \
                `sysctl -w net.core.bpf_jit_enable=1`, and start the agent again"
            .to_owned();
    }
    let from = text.char_indices().rev().nth(TAIL).map_or(0, |(at, _)| at);
    text[from..].to_owned()
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

#[cfg(test)]
mod tests {
    use super::why_refused;

    #[test]
    fn what_is_off_is_named_instead_of_the_log() {
        let log =
            "30: (85) call bpf_tail_call#12\ntail_calls are not allowed in non-JITed programs with bpf-to-bpf calls\n";
        assert!(why_refused(log).contains("sysctl -w net.core.bpf_jit_enable=1"));
        let log = format!("{}the end", "x".repeat(5_000));
        assert!(why_refused(&log).ends_with("the end") && why_refused(&log).len() < 700);
    }
}
