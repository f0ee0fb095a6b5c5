//! The same packets through the loaded program (`BPF_PROG_TEST_RUN`) and through the judge on the host, over tables in plain
//! memory: the same verdict for each, and the same counters. And what `agent explain` says of each is what it meets.
//!
//! Packets come in batches. All tables begin anew with each batch, which takes a fraction of the time in which anything that
//! was used up comes back (see [`protected`]); one that was slower tells nothing, and is done again by whoever asked.

pub mod protected;

use std::{
    collections::{BTreeMap, HashSet},
    fmt,
    net::IpAddr,
    time::{Duration, Instant},
};

use agent::{
    clock::Now,
    kernel::{Capacity, Form},
    tables::{AddressState, Counts, Explains, KernelTables as _},
};
use anyhow::{Context as _, Result, bail, ensure};
use nix::{
    sched::{CpuSet, sched_setaffinity},
    unistd::Pid,
};
use xdp_common::{Action, Address, Reason, listener::state};
use xdp_ebpf::{Listener, parse};

use crate::{cores::Cores, host_tables::HostTables, prog_run::ProgRun};
use protected::{KNOWN, addresses, groups, list, settings};

/// A batch must not take longer, or time would begin to matter.
const BATCH_AT_MOST: Duration = Duration::from_millis(700);

/// Offset of the sequence number in a TCP header (RFC 9293, section 3.1).
const SEQUENCE_AT: usize = 4;
/// Between the sequence numbers of one batch and the next: odd, so that they come back after 2^32 batches.
const APART: u32 = 0x9e37_79b1;

/// A SYN that passed where the model answers with a challenge: two bits of a filter may have said that it comes again (see
/// `xdp_common::retry`), which other sequence numbers do not say again.
#[derive(Debug)]
pub struct TakenForRetransmission(String);

impl fmt::Display for TakenForRetransmission {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl std::error::Error for TakenForRetransmission {}

type Verdicts = BTreeMap<(Option<IpAddr>, &'static str), u64>;
type Counted = BTreeMap<Option<IpAddr>, Counts>;

/// What a CPU holds of a bucket, only it can spend: this thread stays on the CPU that is returned, so all packets come to it.
///
/// # Errors
/// The kernel does not let it.
pub fn stay_on_one_cpu() -> Result<usize> {
    let cpu = Cores::detect()?.others;
    let mut core = CpuSet::new();
    core.set(cpu)?;
    sched_setaffinity(Pid::from_raw(0), &core).context("staying on one CPU")?;
    Ok(cpu)
}

/// The loaded program, told of what is [`protected`].
#[derive(Debug)]
pub struct Kernel {
    run: ProgRun,
    /// Batches so far, those that were done again included.
    batches: u32,
}

impl Kernel {
    /// Loads it in this form.
    ///
    /// # Errors
    /// Not root, or the kernel refuses the program.
    pub fn new(form: Form) -> Result<Self> {
        let mut run = ProgRun::load_one_of(
            &[form],
            Capacity {
                retry_lines: 1 << 17,
                ..ProgRun::CAPACITY
            },
        )?;
        run.kernel.put_settings(&settings())?;
        for entry in list() {
            run.kernel.put_entry(&entry)?;
        }
        for group in groups() {
            run.kernel.put_group(&group)?;
        }
        for state in addresses() {
            run.kernel.put_address(state)?;
        }
        Ok(Self { run, batches: 0 })
    }

    /// Whoever tells what would become of a frame.
    #[must_use]
    pub fn explainer(&self) -> impl Explains + use<> {
        self.run.explainer()
    }

    /// Addresses that these frames go to, and the groups, as if they had just come, with empty buckets. Each takes the kernel a
    /// while, so the others are left as they are.
    fn renew(&mut self, frames: &[Vec<u8>]) -> Result<()> {
        let met = frames.iter().filter_map(|frame| parse(&frame.as_slice()).ok());
        let met: HashSet<IpAddr> = met.map(|packet| packet.destination.into()).collect();
        let met: Vec<&AddressState> = addresses()
            .iter()
            .filter(|state| met.contains(&state.address))
            .collect();
        let kernel = &mut self.run.kernel;
        for group in groups()
            .iter()
            .filter(|group| met.iter().any(|state| state.group == Some(group.prefix)))
        {
            kernel.remove_group(group.prefix)?;
            kernel.put_group(group)?;
        }
        for state in met {
            kernel.remove_address(state.address)?;
            kernel.put_address(state)?;
        }
        let known: Vec<IpAddr> = KNOWN.iter().map(|source| source.parse()).collect::<Result<_, _>>()?;
        kernel.remember(&known, Now::read().mono)?;
        Ok(())
    }

    fn action(&mut self, frame: &[u8]) -> Result<Action> {
        Ok(self.run.kernel.run(frame, 1)?.action)
    }

    fn counted(&self) -> Result<Counted> {
        let reading = self.run.kernel.counters()?;
        let counts = reading.addresses.into_iter().map(|found| (found.address, found.counts));
        Ok(counts.collect())
    }

    /// The frames, with sequence numbers in their SYNs that no batch before had: by these alone does the program tell that a SYN
    /// comes again, which it remembers for longer than a batch takes, and the model does not.
    fn set_apart(&mut self, frames: &[Vec<u8>]) -> Vec<Vec<u8>> {
        self.batches = self.batches.wrapping_add(1);
        let mut frames = frames.to_vec();
        for frame in &mut frames {
            let Ok(packet) = parse(&frame.as_slice()) else {
                continue;
            };
            let at = usize::from(packet.transport_at) + SEQUENCE_AT;
            if let (true, Some(bytes)) = (packet.is_syn(), frame.get_mut(at..at + 4)) {
                let sequence = packet.sequence.wrapping_add(self.batches.wrapping_mul(APART));
                bytes.copy_from_slice(&sequence.to_be_bytes());
            }
        }
        frames
    }

    /// One batch in the kernel and in the model; `None` when it was too slow to tell anything.
    ///
    /// # Errors
    /// They differ, with the packet where they do ([`TakenForRetransmission`] where that may be by chance); or the kernel refuses to run.
    pub fn agrees(&mut self, frames: &[Vec<u8>]) -> Result<Option<Vec<Reason>>> {
        self.renew(frames)?;
        let frames = self.set_apart(frames);
        let before = self.counted()?;
        let start = Instant::now();
        let actions = frames
            .iter()
            .map(|frame| self.action(frame))
            .collect::<Result<Vec<_>>>()?;
        let took = start.elapsed();
        let verdicts = since(&self.counted()?, &before);
        let (reasons, expected) = modelled(&frames)?;
        if took > BATCH_AT_MOST {
            return Ok(None);
        }
        for (at, (action, reason)) in actions.iter().zip(&reasons).enumerate() {
            if *action == reason.action() {
                continue;
            }
            let frame = &frames[at];
            let difference = format!("packet {at}: the kernel says {action:?}, the model {reason:?}: {frame:02x?}");
            if (*action, *reason) == (Action::Pass, Reason::ReplyChallenge) {
                return Err(TakenForRetransmission(difference).into());
            }
            bail!(difference);
        }
        ensure!(
            verdicts == expected,
            "the counters differ: the kernel's are {verdicts:?}, the model's {expected:?}"
        );
        Ok(Some(reasons))
    }

    /// One batch, of which the last `asked` packets are asked about, each just before it comes to `cpu` (those before them use
    /// up rates, and asking takes a hundred times as long); `None` when it was too slow to tell anything.
    ///
    /// # Errors
    /// What was said of a packet is not what it met; or the kernel refuses to run.
    pub fn explains(
        &mut self,
        explainer: &impl Explains,
        cpu: u32,
        frames: &[Vec<u8>],
        asked: usize,
    ) -> Result<Option<Vec<Reason>>> {
        self.renew(frames)?;
        let frames = self.set_apart(frames);
        let start = Instant::now();
        let (first, frames) = frames.split_at(frames.len().saturating_sub(asked));
        for frame in first {
            self.action(frame)?;
        }
        let before = self.counted()?;
        let mut each = Vec::new();
        for frame in frames {
            let asked_of_each = explainer.explain(frame)?;
            let asked = asked_of_each.iter().find(|asked| asked.cpu == cpu);
            let explained = asked.context("this CPU explains nothing")?.reason;
            each.push((explained, self.action(frame)?));
        }
        let took = start.elapsed();
        let verdicts = since(&self.counted()?, &before);
        if took > BATCH_AT_MOST {
            return Ok(None);
        }
        let mut said: BTreeMap<&'static str, u64> = BTreeMap::new();
        for (at, ((reason, action), frame)) in each.iter().zip(frames).enumerate() {
            ensure!(
                reason.action() == *action,
                "packet {at}: explained as {reason:?}, and it met {action:?}: {frame:02x?}"
            );
            *said.entry(reason.name()).or_default() += 1;
        }
        let mut counted: BTreeMap<&'static str, u64> = BTreeMap::new();
        for ((_, reason), packets) in verdicts {
            *counted.entry(reason).or_default() += packets;
        }
        ensure!(said == counted, "explained: {said:?}; counted: {counted:?}");
        Ok(Some(each.into_iter().map(|(reason, _)| reason).collect()))
    }
}

/// The model, told of the same.
///
/// # Errors
/// Never: what is parsed is written here.
pub fn host() -> Result<HostTables> {
    let mut host = HostTables::default();
    host.put_settings(&settings());
    for group in groups() {
        host.put_group(&group);
    }
    for state in addresses() {
        host.put_address(state);
    }
    for entry in list() {
        host.put_entry(&entry);
    }
    for source in KNOWN {
        host.make_known(Address::from(source.parse::<IpAddr>()?));
    }
    host.listener.set(Listener {
        state: state::NONE,
        ..Listener::NONE
    });
    Ok(host)
}

/// What the model says of each frame, and all of them by address and reason.
fn modelled(frames: &[Vec<u8>]) -> Result<(Vec<Reason>, Verdicts)> {
    let host = host()?;
    let ours: Vec<IpAddr> = addresses().iter().map(|state| state.address).collect();
    let mut verdicts = Verdicts::new();
    let reasons = frames.iter().map(|frame| {
        let judgement = host.reply(frame).0;
        let address = (judgement.slot() != 0).then(|| ours[judgement.slot() as usize - 1]);
        *verdicts.entry((address, judgement.reason.name())).or_default() += 1;
        judgement.reason
    });
    Ok((reasons.collect(), verdicts))
}

fn since(now: &Counted, before: &Counted) -> Verdicts {
    let moved = now.iter().flat_map(|(address, counts)| {
        let counts = before
            .get(address)
            .map_or_else(|| counts.clone(), |before| counts.since(before));
        let met: Vec<_> = counts
            .nonzero()
            .map(|(reason, packets)| ((*address, reason.name()), packets))
            .collect();
        met
    });
    moved.collect()
}
