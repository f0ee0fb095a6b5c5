//! What this kernel's verifier makes of each program: how much it looked at, how long that took, or why it refused. Every
//! program is loaded as the agent loads it and let go at once; nothing is attached.

use std::time::{Duration, Instant};

use aya::{
    Ebpf,
    programs::{Program, ProgramError, ProgramInfo},
};

use super::{
    LoadOptions, bpffs, explain,
    form::Form,
    load::{self, Refusals, refused},
    pins::Pins,
};
use crate::tables::Result;

/// One program, and what came of it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Verified {
    /// Name of its entry point.
    pub program: String,
    /// What the kernel tells of it, or why it was refused.
    pub outcome: std::result::Result<Accepted, String>,
}

/// A program that the kernel took.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Accepted {
    /// Instructions that the verifier looked at on all ways through (`verified_insns` of `bpf_prog_info`); the kernel refuses
    /// a program at 1,000,000 (`BPF_COMPLEXITY_LIMIT_INSNS`, kernel/bpf/verifier.c).
    pub verified: u32,
    /// Instructions that it consists of.
    pub instructions: u32,
    /// Time from asking until the answer: relocation, verification, JIT.
    pub took: Duration,
}

/// Size of one instruction (`struct bpf_insn`), bytes.
const INSTRUCTION_BYTES: u32 = 8;

/// Loads every program of the agent, one after the other.
///
/// # Errors
/// The maps cannot be made. A program that is refused is no error: the others are tried too.
pub fn verify(options: &LoadOptions) -> Result<Vec<Verified>> {
    bpffs::ensure_mounted(&options.bpffs)?;
    let pins = Pins::at(&options.bpffs);
    pins.create()?;
    let whole = Form::Whole.entry();
    let quiet = load::object(&pins, &options.capacity, Refusals::InAWord)?;
    let mut verified = each(quiet, |name| name == whole);
    let telling = load::object(&pins, &options.capacity, Refusals::WithTheVerifiersLog)?;
    verified.extend(each(telling, |name| name != whole));
    verified.extend(each(explain::object(&pins)?, |_| true));
    verified.sort_by(|left, right| left.program.cmp(&right.program));
    Ok(verified)
}

fn each(mut ebpf: Ebpf, wanted: impl Fn(&str) -> bool) -> Vec<Verified> {
    let programs = ebpf.programs_mut().filter(|(name, _)| wanted(name));
    programs
        .map(|(name, program)| Verified {
            program: name.to_owned(),
            outcome: accepted(program).map_err(|error| refused(name, &error).to_string()),
        })
        .collect()
}

fn accepted(program: &mut Program) -> std::result::Result<Accepted, ProgramError> {
    let start = Instant::now();
    let info = load_one(program)?;
    Ok(Accepted {
        took: start.elapsed(),
        verified: info.verified_instruction_count().unwrap_or(0),
        instructions: info.size_translated().unwrap_or(0) / INSTRUCTION_BYTES,
    })
}

fn load_one(program: &mut Program) -> std::result::Result<ProgramInfo, ProgramError> {
    match program {
        Program::Xdp(program) => program.load()?,
        Program::TracePoint(program) => program.load()?,
        // A test of `probe` holds that there are no others.
        _ => return Err(ProgramError::UnexpectedProgramType),
    }
    program.info()
}
