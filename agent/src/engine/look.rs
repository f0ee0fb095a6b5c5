//! What the engine makes of each look at the host: facts of listeners for the program, methods by what the kernel can do,
//! sysctls that are watched, and set in calm where the configuration asks for it.

use std::{
    collections::{BTreeMap, BTreeSet},
    net::IpAddr,
    sync::Arc,
    time::Duration,
};

use super::Engine;
use crate::{
    clock::{Now, boot_id},
    decide::{KernelState, verify},
    host::{Sysctl, Sysctls, TcpFacts, load::Load},
    ladder::{Rung, Syncookies},
    ledger::{FormerSysctls, JournalEntry},
    listeners::{self, View},
    tables::{self, Listener, ListenerFacts},
};

/// The kernel must have sent no cookie for so long before its sysctls are changed: the last one has come back or never
/// will.
const QUIET_NS: u64 = 3_000_000_000;
/// Who does what nobody asked for by hand.
const ACTOR: &str = "agent";

/// What is remembered from look to look.
#[derive(Debug, Default)]
pub(super) struct Watch {
    /// The sysctls as this agent found them, or set them.
    agreed: Sysctls,
    /// Receive buffers that nobody chose: the defaults that there were.
    default_buffers: BTreeSet<u32>,
    /// The cookies that the kernel has sent, and since when it sends no more.
    quiet: Option<(u64, Now)>,
    /// What keeps the program from being told of its listeners.
    listeners_problem: Option<String>,
    /// Why sysctls that are to be set are not.
    sysctls_problem: Option<String>,
    /// When the last look was that did not fail.
    looked: Option<Now>,
    /// Why the last look failed.
    look_problem: Option<String>,
}

impl Watch {
    pub(super) fn begin(tcp: &TcpFacts, now: Now) -> Self {
        Self {
            agreed: tcp.sysctls.clone(),
            default_buffers: [tcp.sysctls.receive_memory[1]].into(),
            quiet: Some((tcp.cookies_sent, now)),
            ..Self::default()
        }
    }

    /// What is not as it should be.
    pub(super) fn warnings(&self, tcp: &TcpFacts) -> impl Iterator<Item = String> {
        let changed = self.agreed.differences(&tcp.sysctls);
        let changed = changed
            .into_iter()
            .map(|(name, was, is)| format!("{name} was changed behind our back, from {was} to {is}"));
        let problems = [&self.listeners_problem, &self.sysctls_problem, &self.look_problem];
        let problems: Vec<String> = problems.into_iter().flatten().cloned().collect();
        changed.chain(problems).chain(tcp.problems.clone())
    }
}

impl Engine {
    /// Takes in what the host's TCP is like now.
    pub fn look(&mut self, looked: Result<Box<TcpFacts>, String>, now: Now) {
        match looked {
            Ok(tcp) => {
                self.watch.look_problem = None;
                self.note_changes(&tcp, now);
                self.note_load(&tcp, now);
                self.tcp = Arc::from(tcp);
                self.follow_host();
                self.set_sysctls(now);
            }
            Err(error) => {
                tracing::error!("cannot look at the host: {error}");
                self.watch.look_problem = Some(format!("what is known of the listeners and sysctls is old: {error}"));
            }
        }
        self.publish(now);
    }

    /// Makes those known who are connected.
    pub fn keep_known(&mut self, peers: &[IpAddr], now: Now) {
        match self.tables.remember(peers, now.mono) {
            Ok(news) => tracing::debug!(peers = peers.len(), news, "made the sources of open connections known"),
            Err(error) => tracing::error!("cannot make the sources of open connections known: {error}"),
        }
    }

    /// Brings tables and listeners to what follows from the host as it is.
    pub(super) fn follow_host(&mut self) {
        let wanted = KernelState::wanted(&self.config, &self.overrides, &self.tcp);
        if wanted != *self.kernel {
            let (config, overrides) = (Arc::clone(&self.config), (*self.overrides).clone());
            if let Err(error) = self.move_to(&config, overrides) {
                tracing::error!("cannot follow what changed on this host: {error}");
            }
        }
        self.tell_listeners();
    }

    /// Tells the program what its listeners are like. What fails is tried again at the next look.
    pub(super) fn tell_listeners(&mut self) {
        let view = View {
            tcp: &self.tcp,
            interfaces: &self.config.interfaces,
            default_buffers: &self.watch.default_buffers,
        };
        let wanted = listeners::facts(&view, self.kernel.addresses.keys().copied());
        let problem = self
            .tell_of(&wanted)
            .err()
            .map(|error| format!("connections made by cookie to some listeners have no window scaling: {error}"));
        if let Some(problem) = problem.as_ref().filter(|_| problem != self.watch.listeners_problem) {
            tracing::error!("{problem}");
        }
        self.watch.listeners_problem = problem;
        self.listeners = Arc::new(self.tables.listeners());
    }

    fn tell_of(&mut self, wanted: &BTreeMap<(IpAddr, u16), ListenerFacts>) -> tables::Result<()> {
        let told: BTreeMap<(IpAddr, u16), ListenerFacts> = self
            .tables
            .listeners()
            .into_iter()
            .map(|Listener { address, port, facts }| ((address, port), facts))
            .collect();
        for (address, port) in told.keys().filter(|place| !wanted.contains_key(place)) {
            tracing::debug!(%address, port, "a listener went");
            self.tables.remove_listener(*address, *port)?;
        }
        for (&(address, port), &facts) in wanted.iter().filter(|(place, facts)| told.get(place) != Some(facts)) {
            tracing::debug!(%address, port, ?facts, "a listener came or changed");
            self.tables.put_listener(&Listener { address, port, facts })?;
        }
        Ok(())
    }

    /// Notes what changed since the last look.
    fn note_changes(&mut self, tcp: &TcpFacts, now: Now) {
        for (name, was, is) in self.tcp.sysctls.differences(&tcp.sysctls) {
            tracing::warn!("{name} was changed behind our back, from {was} to {is}");
        }
        self.watch.default_buffers.insert(tcp.sysctls.receive_memory[1]);
        if self.watch.quiet.is_none_or(|(sent, _)| sent != tcp.cookies_sent) {
            self.watch.quiet = Some((tcp.cookies_sent, now));
        }
    }

    /// Notes how the host kept up since the last look.
    fn note_load(&mut self, tcp: &TcpFacts, now: Now) {
        if let Some(looked) = self.watch.looked.replace(now) {
            let seconds = Duration::from_nanos(now.mono.0.saturating_sub(looked.mono.0)).as_secs_f64();
            self.polls.load = Load::between(&self.tcp, tcp, seconds, &self.config.interfaces);
        }
    }

    /// What the host's settings cost, and what changed about them.
    pub(super) fn host_warnings(&self) -> Vec<String> {
        let advice = verify::advice(&self.config, &self.tcp);
        self.watch.warnings(&self.tcp).chain(advice).collect()
    }

    /// Sets what the configuration asks for, once all is calm: cookies on their way would be misread after it.
    fn set_sysctls(&mut self, now: Now) {
        self.watch.sysctls_problem = None;
        if !self.config.verify.set_sysctls || self.detached {
            return;
        }
        let boot = boot_id();
        let former = self.ledger.former_sysctls().unwrap_or_default();
        let ours = |sysctl: &Sysctl| former.boot == boot && former.values.contains_key(sysctl);
        // What was set once and is not so any more, somebody changed: the warning says so, and it stays theirs.
        let wanted: Vec<Sysctl> = Sysctl::ALL
            .into_iter()
            .filter(|sysctl| sysctl.of(&self.tcp.sysctls) != Sysctl::WANTED && !ours(sysctl))
            .collect();
        if wanted.is_empty() {
            return;
        }
        self.watch.sysctls_problem = match self.not_calm(now) {
            Some(why) => Some(format!(
                "{} will be set to {} when all is calm: {why}",
                names(&wanted),
                Sysctl::WANTED
            )),
            None => self.set_each(&wanted, former, &boot, now).err(),
        };
    }

    fn set_each(&mut self, wanted: &[Sysctl], former: FormerSysctls, boot: &str, now: Now) -> Result<(), String> {
        let mut former = former;
        for &sysctl in wanted {
            let before = sysctl.of(&self.tcp.sysctls);
            former = former.with(boot, sysctl, before);
            // First what it was, then what it is to be: nothing may be set that nobody can put back.
            self.ledger
                .set_former_sysctls(&former)
                .map_err(|error| format!("{sysctl} is not set, because its former value cannot be noted: {error}"))?;
            self.host.set_sysctl(sysctl, Sysctl::WANTED).map_err(|error| {
                format!(
                    "{sysctl} cannot be set to {} (verify.set_sysctls): {error}",
                    Sysctl::WANTED
                )
            })?;
            let mut tcp = (*self.tcp).clone();
            tcp.sysctls.set(sysctl);
            self.watch.agreed.set(sysctl);
            self.tcp = Arc::new(tcp);
            let entry = JournalEntry {
                at: now.wall,
                actor: ACTOR.to_owned(),
                command: format!("set {sysctl}"),
                reason: None,
                succeeded: true,
                result: format!(
                    "Set {sysctl} from {before} to {}; `agent detach` puts it back.",
                    Sysctl::WANTED
                ),
            };
            // Not recorded is not lost: the former value is noted already.
            let _ = self.record(&[], &entry);
        }
        self.follow_host();
        Ok(())
    }

    /// Why sysctls that cookies depend on cannot be changed now.
    fn not_calm(&self, now: Now) -> Option<&'static str> {
        let addresses = || self.meter.addresses.iter();
        if addresses().any(|found| found.current_excess(now).is_some()) {
            return Some("SYNs are over a rate");
        }
        let forced = |rung: Rung| rung >= Rung::Verify;
        let verifying = self
            .kernel
            .addresses
            .values()
            .any(|state| state.rung.and_then(|rung| rung.at(now.mono)).is_some_and(forced));
        if verifying || addresses().any(|found| found.verify.is_some_and(|verify| verify.is_on(now.mono))) {
            return Some("an address is in verify");
        }
        let quiet = self
            .watch
            .quiet
            .is_some_and(|(_, since)| now.mono.0.saturating_sub(since.mono.0) >= QUIET_NS);
        // A kernel that uses cookies always is never without one on its way.
        (self.tcp.sysctls.syncookies == Syncookies::WhenFull && !quiet).then_some("the kernel sent cookies lately")
    }
}

fn names(sysctls: &[Sysctl]) -> String {
    let names: Vec<&str> = sysctls.iter().map(|sysctl| sysctl.name()).collect();
    names.join(" and ")
}
