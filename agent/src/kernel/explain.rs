//! Asks the judge what would become of a packet: a program of its own over the pinned maps, which writes to none of them and
//! is attached to nothing. It is loaded when somebody asks (the verifier takes some tenths of a second) and kept for the next
//! question, for as long as the maps are the same ones.

use std::{
    fmt,
    path::{Path, PathBuf},
    sync::Mutex,
};

use aya::{
    Ebpf, EbpfLoader, TestRunOptions, include_bytes_aligned,
    maps::{Array, Map, PerCpuArray, ProgramArray},
    programs::{TestRun as _, Xdp},
    util::online_cpus,
};
use nix::{
    sched::{CpuSet, sched_getaffinity, sched_getcpu, sched_setaffinity},
    unistd::Pid,
};
use xdp_common::{CpuState, Explained, Listed, Reason, Settings, explained::bit, map_name};

use super::{
    load::{refused, with_causes},
    lock, maps,
    pins::Pins,
};
use crate::tables::{Explains, Explanation, ListAction, ListedBy, MonotonicNs, Result, TableError};

/// The program, compiled by the build script.
static OBJECT: &[u8] = include_bytes_aligned!(concat!(env!("OUT_DIR"), "/explain"));
/// The judge, and the part of it that knows which answer there would be.
const JUDGE: &str = "explain";
const ANSWER: &str = "explain_answer";
/// The map by which one goes on to the other, and where both leave their notes.
const WAY: &str = "ANSWERS";
const NOTES: &str = "EXPLAINED";
/// How often a question is asked that the scheduler moved to another CPU.
const TRIES: usize = 10;

/// Whoever can be asked, over the maps pinned in a BPF file system.
pub struct Explainer {
    bpffs: PathBuf,
    loaded: Mutex<Option<Loaded>>,
}

impl fmt::Debug for Explainer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Explainer")
            .field("bpffs", &self.bpffs)
            .finish_non_exhaustive()
    }
}

/// The program over the maps of this generation.
struct Loaded {
    ebpf: Ebpf,
    cpus: PerCpuArray<aya::maps::MapData, CpuState>,
    generation: u32,
}

impl Explainer {
    /// Over what is pinned there; nothing is looked at before the first question.
    #[must_use]
    pub fn at(bpffs: &Path) -> Self {
        Self {
            bpffs: bpffs.to_owned(),
            loaded: Mutex::new(None),
        }
    }
}

impl Explains for Explainer {
    fn explain(&self, frame: &[u8]) -> Result<Vec<Explanation>> {
        let pins = Pins::at(&self.bpffs);
        let not_pinned = |_| TableError::NotPinned(pins.root().to_owned());
        let generation = maps::info(&pins, map_name::SETTINGS).map_err(not_pinned)?.id();
        let mut loaded = lock(&self.loaded);
        if loaded.as_ref().is_none_or(|loaded| loaded.generation != generation) {
            *loaded = Some(load(&pins, generation)?);
        }
        match loaded.as_mut() {
            Some(loaded) => on_each_cpu(loaded, frame),
            None => Ok(Vec::new()),
        }
    }
}

fn load(pins: &Pins, generation: u32) -> Result<Loaded> {
    // The loader would make maps that are not there.
    if !pins.exist() {
        return Err(TableError::NotPinned(pins.root().to_owned()));
    }
    maps::check_shapes(pins)?;
    let settings: Array<_, Settings> = maps::open(pins, map_name::SETTINGS, Map::Array)?;
    let settings = settings.get(&0, 0).map_err(|error| cannot(&error))?;
    if settings.seed == [0; 2] {
        return Err(TableError::Kernel(
            "the pinned maps have no settings yet: start the agent with `agent run`".to_owned(),
        ));
    }
    let mut ebpf = object(pins)?;
    for name in [JUDGE, ANSWER] {
        program(&mut ebpf, name)?
            .load()
            .map_err(|error| refused(&format!("XDP program `{name}`"), &error))?;
    }
    let answer = program(&mut ebpf, ANSWER)?
        .fd()
        .and_then(|fd| Ok(fd.try_clone()?))
        .map_err(|error| cannot(&error))?;
    let way = ebpf.map_mut(WAY).ok_or_else(|| missing("map", WAY))?;
    ProgramArray::try_from(way)
        .and_then(|mut way| way.set(0, &answer, 0))
        .map_err(|error| cannot(&error))?;
    Ok(Loaded {
        ebpf,
        cpus: maps::open(pins, map_name::CPU, Map::PerCpuArray)?,
        generation,
    })
}

/// The object over the pinned maps, with none of its programs loaded yet.
pub(super) fn object(pins: &Pins) -> Result<Ebpf> {
    let mut loader = EbpfLoader::new();
    loader.default_map_pin_directory(pins.root());
    loader.map_pin_path(map_name::LISTS, pins.map(map_name::LISTS));
    loader.load(OBJECT).map_err(|error| cannot(&error))
}

fn program<'a>(ebpf: &'a mut Ebpf, name: &str) -> Result<&'a mut Xdp> {
    ebpf.program_mut(name)
        .and_then(|program| program.try_into().ok())
        .ok_or_else(|| missing("XDP program", name))
}

/// Every CPU has a part of each budget, and knows other things than its neighbours: each is asked.
fn on_each_cpu(loaded: &mut Loaded, frame: &[u8]) -> Result<Vec<Explanation>> {
    let cpus = online_cpus().map_err(|(file, error)| TableError::Kernel(format!("cannot read {file}: {error}")))?;
    let myself = Pid::from_raw(0);
    let before = sched_getaffinity(myself).map_err(|error| cannot(&error))?;
    let mut explanations = Vec::new();
    let mut problem = None;
    for cpu in cpus {
        let mut only = CpuSet::new();
        // One that this process may not run on cannot be asked; the others can.
        if only
            .set(cpu as usize)
            .and_then(|()| sched_setaffinity(myself, &only))
            .is_err()
        {
            continue;
        }
        match on_this_cpu(loaded, cpu, frame) {
            Ok(explanation) => explanations.push(explanation),
            Err(error) => {
                problem = Some(error);
                break;
            }
        }
    }
    let restored = sched_setaffinity(myself, &before);
    match (problem, restored) {
        (Some(problem), _) => Err(problem),
        // Where a process may not choose its CPU, the one that it is on is asked.
        (None, _) if explanations.is_empty() => wherever(loaded, frame).map(|explanation| vec![explanation]),
        (None, Err(error)) => Err(cannot(&error)),
        (None, Ok(())) => Ok(explanations),
    }
}

/// On the CPU that this thread happens to be on, if it stays there meanwhile.
fn wherever(loaded: &mut Loaded, frame: &[u8]) -> Result<Explanation> {
    for _ in 0..TRIES {
        let cpu = sched_getcpu().map_err(|error| cannot(&error))?;
        let explanation = on_this_cpu(loaded, cpu as u32, frame)?;
        if sched_getcpu() == Ok(cpu) {
            return Ok(explanation);
        }
    }
    Err(TableError::Kernel(
        "the question was moved from CPU to CPU; ask again".to_owned(),
    ))
}

fn on_this_cpu(loaded: &mut Loaded, cpu: u32, frame: &[u8]) -> Result<Explanation> {
    let options = TestRunOptions {
        data_in: Some(frame),
        repeat: 1,
        ..TestRunOptions::default()
    };
    let result = program(&mut loaded.ebpf, JUDGE)?
        .test_run(options)
        .map_err(|error| cannot(&error))?;
    let reason = Reason::ALL
        .iter()
        .find(|reason| reason.index() == result.return_value as usize)
        .ok_or_else(|| {
            TableError::Kernel(format!(
                "the program `{JUDGE}` answered {}, which is no reason",
                result.return_value
            ))
        })?;
    let notes = loaded.ebpf.map(NOTES).ok_or_else(|| missing("map", NOTES))?;
    let notes: PerCpuArray<_, Explained> = PerCpuArray::try_from(notes).map_err(|error| cannot(&error))?;
    let all = notes.get(&0, 0).map_err(|error| cannot(&error))?;
    let states = loaded.cpus.get(&0, 0).map_err(|error| cannot(&error))?;
    let (Some(notes), Some(state)) = (all.get(cpu as usize), states.get(cpu as usize)) else {
        return Err(TableError::Kernel(format!("the maps know no CPU {cpu}")));
    };
    Ok(explanation(cpu, *reason, notes, MonotonicNs(state.now_ns)))
}

fn explanation(cpu: u32, reason: Reason, notes: &Explained, last_packet: MonotonicNs) -> Explanation {
    let listed = Listed::from_bits(notes.listed);
    let until = |instant: u64| (instant > notes.now_ns).then_some(MonotonicNs(instant));
    Explanation {
        cpu,
        reason,
        now: MonotonicNs(notes.now_ns),
        last_packet,
        listed: (!listed.is_none()).then(|| ListedBy {
            number: listed.list() as u8,
            prefix_bits: listed.prefix_len() as u8,
            action: if listed.blocks() {
                ListAction::Block
            } else {
                ListAction::Allow
            },
        }),
        known: notes.has(bit::KNOWN),
        recorded: notes.has(bit::RECORDED),
        can_answer: notes.has(bit::CAN_ANSWER),
        source_syns: notes.source_syns,
        source_used_until: until(notes.source_tat_ns),
        address_used_until: until(notes.address_tat_ns),
        known_used_until: until(notes.known_tat_ns),
        group_used_until: until(notes.group_tat_ns),
        dry_until: until(notes.address_dry_until_ns),
        verify_until: until(notes.verify_until_ns),
        group_verify_until: until(notes.group_verify_until_ns),
    }
}

fn missing(what: &str, name: &str) -> TableError {
    TableError::Kernel(format!("the agent's own object has no {what} `{name}`"))
}

fn cannot(error: &dyn std::error::Error) -> TableError {
    TableError::Kernel(format!(
        "cannot ask the XDP program about a packet: {}",
        with_causes(error)
    ))
}
