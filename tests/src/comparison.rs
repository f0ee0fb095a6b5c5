//! The programs that benchmarks and tests compare with, loaded; and what the kernel accounts to a program.

use anyhow::{Context as _, Result};
use aya::{
    Ebpf, TestRun as _, TestRunOptions,
    maps::ProgramArray,
    programs::{Xdp, XdpMode, loaded_programs},
};

use crate::{command::output, netns::Netns, object};

/// One of the comparators of `tests/ebpf/src/compare.rs`; `next` is the program that it calls, if it calls one.
pub struct Comparator {
    object: Ebpf,
    name: &'static str,
}

impl std::fmt::Debug for Comparator {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter
            .debug_struct("Comparator")
            .field("name", &self.name)
            .finish_non_exhaustive()
    }
}

impl Comparator {
    /// Loads the comparator `name`.
    ///
    /// # Errors
    /// The kernel refuses it, or there is no program `next`.
    pub fn load(name: &'static str, next: Option<u32>) -> Result<Self> {
        let object = Ebpf::load(object::COMPARE).context("cannot load the comparators")?;
        let mut this = Self { object, name };
        if let Some(id) = next {
            let info = loaded_programs().filter_map(Result::ok).find(|info| info.id() == id);
            let descriptor = info.context("the program to measure is gone")?.fd()?;
            let map = this
                .object
                .map_mut("NEXT")
                .context("the comparators have no map NEXT")?;
            ProgramArray::try_from(map)?
                .set(0, &descriptor, 0)
                .context("cannot set the program to call")?;
        }
        this.program()?
            .load()
            .with_context(|| format!("cannot load comparator {name}"))?;
        Ok(this)
    }

    fn program(&mut self) -> Result<&mut Xdp> {
        let name = self.name;
        Ok(self
            .object
            .program_mut(name)
            .with_context(|| format!("there is no comparator {name}"))?
            .try_into()?)
    }

    /// The kernel's id of the program.
    ///
    /// # Errors
    /// The kernel does not tell.
    pub fn id(&mut self) -> Result<u32> {
        Ok(self.program()?.info()?.id())
    }

    /// Attaches natively to an interface of the calling thread's namespace, until this is dropped.
    ///
    /// # Errors
    /// The kernel refuses.
    pub fn attach(&mut self, interface: &str) -> Result<()> {
        let name = self.name;
        self.program()?
            .attach(interface, XdpMode::Driver)
            .with_context(|| format!("cannot attach comparator {name}"))?;
        Ok(())
    }

    /// Mean time of a test run on this frame, ns.
    ///
    /// # Errors
    /// The kernel refuses.
    pub fn test_run_ns(&mut self, frame: &[u8], repeat: u32) -> Result<f64> {
        let options = TestRunOptions {
            data_in: Some(frame),
            repeat,
            ..TestRunOptions::default()
        };
        let result = self.program()?.test_run(options)?;
        Ok(result.duration.as_nanos() as f64)
    }
}

/// The kernel's id of the XDP program on an interface.
///
/// # Errors
/// There is none.
pub fn attached(namespace: &Netns, interface: &str) -> Result<u32> {
    let text = output(
        namespace
            .command("ip")
            .args(["-json", "link", "show", "dev", interface]),
    )?;
    let links: serde_json::Value = serde_json::from_str(&text).context("`ip -json` printed no JSON")?;
    let id = links[0]["xdp"]["prog"]["id"].as_u64();
    let id = id.with_context(|| format!("{interface} has no XDP program: {text}"))?;
    Ok(u32::try_from(id)?)
}

/// Run count and time of a program, as the kernel accounts them.
#[derive(Clone, Copy, Debug)]
pub struct Accounting {
    runs: u64,
    time_ns: u64,
}

impl Accounting {
    /// What the kernel has accounted to the program with this id so far.
    ///
    /// # Errors
    /// The program is gone.
    pub fn of(id: u32) -> Result<Self> {
        let info = loaded_programs().filter_map(Result::ok).find(|info| info.id() == id);
        let info = info.with_context(|| format!("program {id} is gone"))?;
        Ok(Self {
            runs: info.run_count(),
            time_ns: info.run_time().as_nanos() as u64,
        })
    }

    /// Runs since `earlier`.
    #[must_use]
    pub const fn runs_since(self, earlier: Self) -> u64 {
        self.runs - earlier.runs
    }

    /// Nanoseconds of a run since `earlier`.
    #[must_use]
    pub fn per_run_since(self, earlier: Self) -> f64 {
        (self.time_ns - earlier.time_ns) as f64 / (self.runs - earlier.runs).max(1) as f64
    }
}
