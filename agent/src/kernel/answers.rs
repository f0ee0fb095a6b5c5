//! The programs to which the one on the interface goes on (tail calls): one answers packets, one looks at a packet of many for
//! the tally.
//!
//! The way from one to the others is a map of that load alone, because the packet that goes that way is laid out as that
//! build wants it. The kernel empties such a map when nobody in user space holds it any more: it is pinned under the id of
//! the program on the interface, for as long as that is on any.

use aya::{
    Ebpf,
    maps::ProgramArray,
    programs::{ProgramError, Xdp},
};

use super::{
    load::{refused, with_causes},
    pins::Pins,
    programs,
};
use crate::tables::{Result, TableError};

/// Names of the programs, by their place in the map.
const PROGRAMS: [&str; 2] = ["answer", "look"];
/// The map by which it is found.
const MAP: &str = "ANSWERS";

/// Loads the programs, and makes them those that program `caller` goes on to.
pub(super) fn load(ebpf: &mut Ebpf, pins: &Pins, caller: u32) -> Result<()> {
    let mut loaded = Vec::new();
    for name in PROGRAMS {
        let program = program(ebpf, name)?;
        program
            .load()
            .map_err(|error| refused(&format!("XDP program `{name}`"), &error))?;
        let descriptor = program.fd().and_then(|fd| Ok(fd.try_clone()?));
        loaded.push(descriptor.map_err(|error: ProgramError| join_failed(&error))?);
    }
    let map = ebpf
        .map_mut(MAP)
        .ok_or_else(|| TableError::Kernel(format!("the agent's own object has no map `{MAP}`")))?;
    let mut answers = ProgramArray::try_from(map).map_err(|error| join_failed(&error))?;
    for (place, descriptor) in (0..).zip(&loaded) {
        answers.set(place, descriptor, 0).map_err(|error| join_failed(&error))?;
    }
    answers.pin(pins.answers(caller)).map_err(|error| join_failed(&error))
}

/// Lets go of the answers of programs that are on no interface any more; those of `caller` stay.
pub(super) fn remove_unused(pins: &Pins, caller: u32) -> Result<()> {
    let linked = programs::linked(pins)?;
    pins.remove_answers(|id| id != caller && !linked.contains(&id))
}

fn program<'a>(ebpf: &'a mut Ebpf, name: &str) -> Result<&'a mut Xdp> {
    ebpf.program_mut(name)
        .and_then(|program| program.try_into().ok())
        .ok_or_else(|| TableError::Kernel(format!("the agent's own object has no XDP program `{name}`")))
}

fn join_failed(error: &dyn std::error::Error) -> TableError {
    TableError::Kernel(format!(
        "cannot join the XDP program with those that it goes on to: {}",
        with_causes(error)
    ))
}
