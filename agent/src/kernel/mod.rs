//! The kernel's side: the only room that knows aya. [`Kernel`] implements [`KernelTables`] over pinned BPF maps.
//!
//! Two ways in: [`Kernel::load`] (the daemon: loads the program, takes over what is pinned) and [`Kernel::open`] (the
//! command line while the daemon is dead: the pinned maps alone).

mod addresses;
mod answers;
mod attach;
mod attached;
mod batch;
mod bpffs;
mod carry;
mod convert;
mod counters;
mod explain;
mod filter;
mod form;
mod groups;
mod handshakes;
pub mod inspect;
mod keep;
mod known;
mod links;
mod list;
mod list_table;
mod listeners;
mod load;
mod maps;
mod outer;
mod pins;
mod probe;
mod programs;
mod requirements;
mod run;
mod samples;
mod settings;
mod sources;
mod syscall;
mod tally;
mod vectors;
mod verified;

use std::{
    collections::BTreeMap,
    fmt,
    net::IpAddr,
    path::{Path, PathBuf},
    sync::{Mutex, MutexGuard, PoisonError},
};

use ipnet::IpNet;
use xdp_common::map_name;

use crate::failpoint::{Point, reach};
use crate::tables::{
    AddressState, CounterReading, Gain, GroupState, KernelSettings, KernelTables, LinkState, ListEntry, ListImage,
    ListPackets, Listener, MapFill, MonotonicNs, ProgramStats, Result, Sample, SourceUsage, Standing, TableError,
    XdpMode,
};
use crate::traffic::TallyReading;
use addresses::Addresses;
use counters::Counters;
use groups::{Groups, Membership};
use keep::Keep;
use links::Link;
use list::SourceList;
use list_table::ListTable;
use listeners::Listeners;
use load::Loaded;
use maps::Maps;
use pins::Pins;
use samples::Samples;
use tally::Tallies;

pub use bpffs::is_bpffs;
pub use explain::Explainer;
pub use filter::mark;
pub use form::{Form, is_levee};
pub use probe::{Probed, probe};
pub use requirements::missing_feature;
pub use run::Run;
pub use verified::{Accepted, Verified, verify};
pub use xdp_common::layout::Capacity;

/// The SHA-256 of the BPF object that is in this binary, as `sha256sum` prints it.
#[must_use]
pub fn object_digest() -> String {
    let digest = ring::digest::digest(&ring::digest::SHA256, load::OBJECT);
    digest.as_ref().iter().map(|byte| format!("{byte:02x}")).collect()
}

/// Bytes that each map of these sizes takes on this machine, by its name.
///
/// # Errors
/// If the kernel does not tell how many CPUs there can be.
pub fn memory_by_map(capacity: &Capacity) -> Result<Vec<(&'static str, u64)>> {
    let cpus =
        aya::util::nr_cpus().map_err(|(file, error)| TableError::Kernel(format!("cannot read {file}: {error}")))?;
    Ok(capacity.memory_by_map(cpus as u64).to_vec())
}

/// Whether an agent of any version has left anything in the kernel.
///
/// # Errors
/// [`TableError::NotPinned`] when there is nothing.
pub fn anything_pinned(bpffs: &Path) -> Result<()> {
    if Pins::of_every_version(bpffs).is_empty() {
        return Err(TableError::NotPinned(Pins::at(bpffs).root().to_owned()));
    }
    Ok(())
}

/// Takes the programs of every version off every interface and removes every pin. Tells the interfaces.
///
/// # Errors
/// Why a pin stays.
pub fn take_off(bpffs: &Path) -> Result<Vec<String>> {
    let mut interfaces = Vec::new();
    for pins in Pins::of_every_version(bpffs) {
        interfaces.extend(pins.links()?.into_iter().map(|link| link.interface));
        pins.remove_all()?;
    }
    Ok(interfaces)
}

/// Where the maps are and how large they are to be.
#[derive(Debug, Clone)]
pub struct LoadOptions {
    /// Mount point of the BPF file system; mounted if it is not.
    pub bpffs: PathBuf,
    /// Sizes for maps that do not exist yet.
    pub capacity: Capacity,
}

/// The program and its maps.
pub struct Kernel {
    bpffs: PathBuf,
    pins: Pins,
    maps: Maps,
    addresses: Addresses,
    groups: Groups,
    list: SourceList,
    lists: ListTable,
    listeners: Listeners,
    samples: Samples,
    /// Links of the interfaces that this process attached to, by name.
    attached: BTreeMap<String, Link>,
    keep: Keep,
    /// Readers with buffers of their own, which are nobody else's affair.
    counters: Mutex<Counters>,
    tallies: Mutex<Tallies>,
    program: Option<Loaded>,
}

impl fmt::Debug for Kernel {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Kernel")
            .field("pins", &self.pins)
            .field("loaded", &self.program.is_some())
            .finish_non_exhaustive()
    }
}

impl Kernel {
    /// Loads the program into the kernel over the maps that are pinned, or over new ones. Attaches nothing. The second
    /// value lists what the operator should know, such as sizes that stay as they were.
    ///
    /// # Errors
    /// The kernel lacks a feature or refuses the program, the BPF file system cannot be mounted, or what is pinned there
    /// was made by an incompatible version.
    pub fn load(options: &LoadOptions) -> Result<(Self, Vec<String>)> {
        Self::load_one_of(&Form::ALL, options)
    }

    /// As [`Self::load`], with the first of these forms of the program that the kernel takes.
    ///
    /// # Errors
    /// As for [`Self::load`].
    pub fn load_one_of(forms: &[Form], options: &LoadOptions) -> Result<(Self, Vec<String>)> {
        if let Some(missing) = missing_feature() {
            return Err(TableError::Kernel(missing));
        }
        bpffs::ensure_mounted(&options.bpffs)?;
        let pins = Pins::at(&options.bpffs);
        pins.create()?;
        reach(Point::PinsMade);
        let warnings = maps::check_pinned(&pins, &options.capacity)?;
        let loaded = load::load(&pins, &options.capacity, forms)?;
        let mut kernel = Self::assemble(&options.bpffs, pins, Some(loaded))?;
        kernel.listeners.remove_strays(&mut kernel.maps)?;
        Ok((kernel, warnings))
    }

    /// Opens the pinned maps. [`KernelTables::attach`] does not work on them.
    ///
    /// # Errors
    /// [`TableError::NotPinned`] when there are none.
    pub fn open(bpffs: &Path) -> Result<Self> {
        let pins = Pins::at(bpffs);
        if !pins.exist() {
            return Err(match Pins::of_other_versions(bpffs).first() {
                Some(other) => TableError::OtherVersion(other.root().to_owned()),
                None => TableError::NotPinned(pins.root().to_owned()),
            });
        }
        Self::assemble(bpffs, pins, None)
    }

    /// Runs the loaded program on a frame that never was on a wire (`BPF_PROG_TEST_RUN`), `repeat` times.
    ///
    /// # Errors
    /// The program is not loaded ([`Self::open`]), or the kernel refuses the frame (shorter than 14 bytes, or longer than
    /// a page).
    pub fn run(&mut self, frame: &[u8], repeat: u32) -> Result<Run> {
        let Some(loaded) = &mut self.program else {
            return Err(TableError::Kernel(
                "only the process that loaded the program can run it".to_owned(),
            ));
        };
        run::run(loaded.form.program(&mut loaded.ebpf)?, frame, repeat)
    }

    /// The kernel's id of the loaded program, by which its accounting is found.
    ///
    /// # Errors
    /// The program is not loaded ([`Self::open`]).
    pub fn program_id(&self) -> Result<u32> {
        self.program
            .as_ref()
            .map(|loaded| loaded.id)
            .ok_or_else(|| TableError::Kernel("only the process that loaded the program knows it".to_owned()))
    }

    fn assemble(bpffs: &Path, pins: Pins, program: Option<Loaded>) -> Result<Self> {
        let maps = Maps::open(&pins)?;
        let groups = Groups::read(&maps)?;
        let addresses = Addresses::read(&maps, &groups)?;
        let capacity = maps::capacity(&pins, map_name::LISTENERS)?;
        Ok(Self {
            list: SourceList::open(&pins)?,
            lists: ListTable::open(&pins)?,
            listeners: Listeners::read(&maps, &addresses, capacity)?,
            samples: Samples::open(&pins)?,
            counters: Mutex::new(Counters::open(&pins)?),
            tallies: Mutex::new(Tallies::open(&pins)?),
            bpffs: bpffs.to_owned(),
            attached: BTreeMap::new(),
            keep: Keep::default(),
            pins,
            maps,
            addresses,
            groups,
            program,
        })
    }
}

impl Kernel {
    /// Holds open what is pinned now.
    fn hold(&mut self) -> Result<()> {
        self.attached = attached::of(&self.pins)?;
        self.keep = Keep::hold(&self.pins)?;
        Ok(())
    }

    /// Writes the addresses of a group anew, with what they must know of it.
    fn tell_members(&mut self, prefix: IpNet, membership: Membership) -> Result<()> {
        let states = self.addresses.states();
        for state in states.iter().filter(|state| state.group == Some(prefix)) {
            self.addresses.put(&mut self.maps, state, membership)?;
        }
        Ok(())
    }
}

/// A reader that panicked left nothing that the next one minds.
fn lock<T>(reader: &Mutex<T>) -> MutexGuard<'_, T> {
    reader.lock().unwrap_or_else(PoisonError::into_inner)
}

impl KernelTables for Kernel {
    fn generation(&self) -> u64 {
        self.maps.generation()
    }

    fn settings(&self) -> Result<KernelSettings> {
        settings::read(&self.maps)
    }

    fn put_settings(&mut self, settings: &KernelSettings) -> Result<()> {
        settings::write(&mut self.maps, settings)
    }

    fn addresses(&self) -> Result<Vec<AddressState>> {
        Ok(self.addresses.states())
    }

    fn put_address(&mut self, state: &AddressState) -> Result<()> {
        if self.addresses.slot(state.address).is_none() {
            lock(&self.counters).forget_places();
        }
        self.addresses
            .put(&mut self.maps, state, self.groups.membership(state.group))
    }

    fn remove_address(&mut self, address: IpAddr) -> Result<()> {
        let Some(slot) = self.addresses.slot(address) else {
            return Ok(());
        };
        lock(&self.counters).forget_places();
        self.addresses.remove(&mut self.maps, address)?;
        self.listeners.remove_all_of(&mut self.maps, address, slot)
    }

    fn groups(&self) -> Result<Vec<GroupState>> {
        Ok(self.groups.states())
    }

    fn put_group(&mut self, group: &GroupState) -> Result<()> {
        let before = self.groups.membership(Some(group.prefix));
        self.groups.put(&mut self.maps, group)?;
        let membership = self.groups.membership(Some(group.prefix));
        if before == membership {
            return Ok(());
        }
        self.tell_members(group.prefix, membership)
    }

    fn remove_group(&mut self, prefix: IpNet) -> Result<()> {
        // First its addresses leave it: its number may be another's at once.
        self.tell_members(prefix, Membership::default())?;
        self.groups.remove(&mut self.maps, prefix)
    }

    fn entries(&self) -> Result<Vec<ListEntry>> {
        Ok(self.list.entries())
    }

    fn put_entry(&mut self, entry: &ListEntry) -> Result<()> {
        self.list.put(entry)
    }

    fn remove_entry(&mut self, prefix: IpNet) -> Result<()> {
        self.list.remove(prefix)
    }

    fn put_lists(&mut self, image: &ListImage) -> Result<()> {
        // What can fail comes first, where nobody sees it.
        self.list.check_room(image.long.len())?;
        let table = if image.words.is_empty() {
            None
        } else {
            Some(self.lists.make(image)?)
        };
        self.lists.write_heads(&image.heads)?;
        reach(Point::ListHeadsWritten);
        self.list.add_lists(image)?;
        self.lists.swap(table.as_ref())?;
        reach(Point::ListsSwapped);
        self.list.keep_only_lists(image)?;
        self.lists.keep_only(&image.heads)
    }

    fn lists(&self) -> Result<Vec<ListPackets>> {
        self.lists.packets()
    }

    fn listeners(&self) -> Vec<Listener> {
        self.listeners.all()
    }

    fn put_listener(&mut self, listener: &Listener) -> Result<()> {
        self.listeners.put(&mut self.maps, &self.addresses, listener)
    }

    fn remove_listener(&mut self, address: IpAddr, port: u16) -> Result<()> {
        self.listeners.remove(&mut self.maps, &self.addresses, address, port)
    }

    fn remember(&mut self, sources: &[IpAddr], now: MonotonicNs) -> Result<usize> {
        let settings = settings::stored(&self.maps)?;
        known::remember(&mut self.maps, &settings, sources, now)
    }

    fn counters(&self) -> Result<CounterReading> {
        let mut reading = lock(&self.counters).read(&self.addresses)?;
        reading.groups = self.groups.readings(&self.maps)?;
        Ok(reading)
    }

    fn recount(&mut self, reading: &mut CounterReading) -> Result<Vec<Gain>> {
        let gains = lock(&self.counters).recount(&self.addresses, reading)?;
        reading.groups = self.groups.readings(&self.maps)?;
        Ok(gains)
    }

    fn sources(&self) -> Result<Vec<SourceUsage>> {
        sources::read(&self.maps)
    }

    fn tally(&self, now: MonotonicNs) -> Result<TallyReading> {
        lock(&self.tallies).read(now)
    }

    fn fills(&self) -> Result<Vec<MapFill>> {
        let mut fills = maps::fills(
            &self.pins,
            self.addresses.len(),
            self.groups.len(),
            self.list.len(),
            sources::len(&self.maps)?,
            self.listeners.len(),
        )?;
        if let Some(fill) = fills.iter_mut().find(|fill| fill.name == map_name::LISTS) {
            let (used, capacity) = self.lists.fill()?;
            fill.used = Some(used);
            fill.capacity = capacity;
            fill.memory_bytes += self.lists.memory_bytes();
        }
        Ok(fills)
    }

    fn programs(&self) -> Result<Vec<ProgramStats>> {
        programs::stats(&self.pins, self.program.as_ref().map(|loaded| &loaded.ebpf))
    }

    fn watch_handshakes(&mut self) -> Result<()> {
        let Some(loaded) = &mut self.program else {
            return Err(TableError::Kernel(
                "only the process that loaded the program can attach it".to_owned(),
            ));
        };
        handshakes::attach(&mut loaded.ebpf, &self.pins)
    }

    fn carry_counters(&mut self) -> Result<Vec<String>> {
        if !self.pins.links()?.is_empty() {
            return Ok(Vec::new());
        }
        let mut sentences = Vec::new();
        for other in Pins::of_other_versions(&self.bpffs) {
            sentences.extend(carry::carry(&other, &self.pins, &self.addresses, &self.lists)?);
        }
        Ok(sentences)
    }

    fn links(&self) -> Result<Vec<LinkState>> {
        if self.program.is_none() {
            return self.pins.links();
        }
        Ok(self.attached.iter().filter_map(attached::state).collect())
    }

    fn standing(&self, interface: &str) -> Result<Standing> {
        attached::standing(self.attached.get(interface), interface, self.program_id()?)
    }

    fn keep_pinned(&mut self) -> Result<bool> {
        self.keep.put_back(&self.bpffs, &self.pins)
    }

    fn attach(&mut self, interface: &str, mode: XdpMode) -> Result<LinkState> {
        let Some(loaded) = &mut self.program else {
            return Err(TableError::Kernel(format!(
                "cannot attach to {interface}: only a running agent loads the program; start it with `agent run`"
            )));
        };
        let others = Pins::of_other_versions(&self.bpffs);
        let program = loaded.form.program(&mut loaded.ebpf)?;
        let state = attach::attach(program, &self.pins, &others, interface, mode)?;
        answers::remove_unused(&self.pins, loaded.id)?;
        reach(Point::AnswersTidied);
        self.hold()?;
        Ok(state)
    }

    fn detach(&mut self, interface: &str) -> Result<()> {
        let pinned = self.pins.all_links()?;
        for link in pinned.iter().filter(|link| link.is_of(interface)) {
            link.take_off()?;
        }
        self.hold()
    }

    fn remove_other_versions(&mut self) -> Result<Vec<String>> {
        let mut kept = Vec::new();
        for link in self.pins.all_links()? {
            kept.extend(link.leads()?.to);
        }
        let mut bare = Vec::new();
        for other in Pins::of_other_versions(&self.bpffs) {
            bare.extend(other.remove_beside(&kept)?);
        }
        Ok(bare)
    }

    fn detach_all(&mut self) -> Result<()> {
        self.keep = Keep::default();
        self.attached.clear();
        self.pins.remove_all()
    }

    fn drain_samples(&mut self, at_most: usize) -> Vec<Sample> {
        if let Some(loaded) = &mut self.program {
            // The few events that the program tells in words (aya-log) come by the same turn.
            loaded.logger.flush();
        }
        self.samples.drain(at_most)
    }
}
