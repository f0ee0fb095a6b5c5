//! How the engine begins: what the ledger knows, what the kernel holds, and what the configuration wants become one.

use std::{collections::BTreeMap, net::IpAddr, sync::Arc};

use tokio::sync::{broadcast, watch};

use super::{Engine, SetLogLevel, detect::Detecting, events, look::Watch, poll::Polls, read_list};
use crate::{
    apply::apply,
    clock::Now,
    config::Config,
    decide::{
        KernelState, Refusal,
        adopt::{Found, adopt},
        ladder::Ladder,
    },
    detect::{Meter, Tally},
    failpoint::{Point, reach},
    feeds::first,
    host::{Host, TcpFacts},
    ledger::{JournalEntry, Ledger},
    overrides::{ADOPTED, Change, Overrides},
    recent::Recent,
    snapshot::{Detection, LedgerHealth, Reload, Snapshot},
    tables::{KernelTables, LinkState},
};

/// Readings of samples that a slow follower may be behind.
const SAMPLES_BEHIND: usize = 64;

/// What an engine is made of.
pub struct Parts {
    /// The kernel's tables.
    pub tables: Box<dyn KernelTables>,
    /// The ledger.
    pub ledger: Ledger,
    /// The configuration.
    pub config: Config,
    /// The host beside the tables.
    pub host: Box<dyn Host>,
    /// Its TCP now.
    pub tcp: TcpFacts,
    /// What was not as it should be on the way here; shown in `status` as long as the daemon runs.
    pub warnings: Vec<String>,
    /// Changes how much is logged.
    pub set_log_level: SetLogLevel,
}

impl std::fmt::Debug for Parts {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Parts")
            .field("config", &self.config)
            .finish_non_exhaustive()
    }
}

impl Engine {
    /// Fills the tables (taking over what is in force), then attaches: no packet meets a program without its settings.
    ///
    /// # Errors
    /// If the kernel refuses a write or an attachment.
    pub fn start(parts: Parts, now: Now) -> Result<Self, Refusal> {
        let Parts {
            mut tables,
            mut ledger,
            config,
            host,
            tcp,
            mut warnings,
            set_log_level,
        } = parts;
        let (overrides, kernel, unclear) = take_over(&mut *tables, &mut ledger, &config, &tcp, now)?;
        if let Err(error) = first::put_last_good(&mut *tables, &config, now) {
            warnings.push(format!(
                "the lists are not in force before the program is attached: {error}"
            ));
        }
        warnings.extend(carry_counters(&mut *tables));
        // In this order: whoever connects from now on is remembered, whoever is connected is made known, and only then
        // may anybody be asked for a proof.
        warnings.extend(watch_handshakes(&mut *tables, &*host, &kernel, now));
        attach_all(&mut *tables, &config).map_err(|refusal| leave_nothing_useless(&mut *tables, refusal))?;
        let reading = tables.counters()?;
        let meter = Meter::first(reading.clone(), now);
        warnings.extend(unclear);
        let (detecting, forgotten) = Detecting::begin(&ledger);
        warnings.extend(forgotten);
        warnings.extend(config.warnings.iter().map(ToString::to_string));
        let watch = Watch::begin(&tcp, now);
        let first = first_snapshot(config, overrides, kernel, meter, tcp, now);
        let mut engine = Self {
            tables,
            ledger,
            config: Arc::clone(&first.config),
            reload: first.reload.clone(),
            overrides: Arc::clone(&first.overrides),
            kernel: Arc::clone(&first.kernel),
            meter: Arc::clone(&first.meter),
            recent: Recent::default(),
            upstream: Arc::default(),
            fleet: Arc::default(),
            following: super::follow::Following::default(),
            telling: super::fleet::Telling::default(),
            tally: Tally::default(),
            talkers: Arc::default(),
            who: super::who::Who::default(),
            host,
            tcp: Arc::clone(&first.tcp),
            watch,
            listeners: Arc::default(),
            lists: Arc::default(),
            list_packets: Arc::default(),
            links: Arc::default(),
            attached: super::attached::Attached::default(),
            fills: Arc::default(),
            programs: Arc::default(),
            samples: Arc::default(),
            polls: Polls::begin(reading, now),
            detecting,
            fresh_samples: broadcast::Sender::new(SAMPLES_BEHIND),
            ladder: Ladder::new(&first.overrides, now),
            watched: Arc::default(),
            ladder_problem: None,
            lasting_warnings: warnings,
            started: now.wall,
            snapshots: watch::Sender::new(Arc::new(first)),
            events: broadcast::Sender::new(events::BEHIND),
            set_log_level,
            detached: false,
        };
        engine.remember_installed();
        reach(Point::InstalledNoted);
        engine.tell_listeners();
        engine.tick(now);
        Ok(engine)
    }
}

/// What is known before the first poll, which replaces it at once.
fn first_snapshot(
    config: Config,
    overrides: Overrides,
    kernel: KernelState,
    meter: Meter,
    tcp: TcpFacts,
    now: Now,
) -> Snapshot {
    Snapshot {
        now,
        started: now.wall,
        config: Arc::new(config),
        reload: Reload {
            loaded: now.wall,
            refused: false,
        },
        overrides: Arc::new(overrides),
        kernel: Arc::new(kernel),
        meter: Arc::new(meter),
        recent: Recent::default(),
        upstream: Arc::default(),
        fleet: Arc::default(),
        not_here: Vec::new(),
        report: Arc::default(),
        talkers: Arc::default(),
        watched: Arc::default(),
        tcp: Arc::new(tcp),
        listeners: Arc::default(),
        lists: Arc::default(),
        list_packets: Arc::default(),
        links: Arc::default(),
        unprotected: Vec::new(),
        without: BTreeMap::new(),
        fills: Arc::default(),
        programs: Arc::default(),
        samples: Arc::default(),
        detection: Detection::default(),
        ledger: LedgerHealth::default(),
        warnings: Vec::new(),
    }
}

/// Makes one of what the ledger knows, what the kernel holds and what the configuration wants: in the tables, and as the
/// result. The sentences tell what in the ledger nobody understands.
fn take_over(
    tables: &mut dyn KernelTables,
    ledger: &mut Ledger,
    config: &Config,
    tcp: &TcpFacts,
    now: Now,
) -> Result<(Overrides, KernelState, Vec<String>), Refusal> {
    let (mut overrides, unclear) = ledger
        .overrides(now)
        .unwrap_or_else(|error| (Overrides::default(), vec![error.to_string()]));
    let found = KernelState::read(tables)?;
    let installed = ledger.installed().unwrap_or_default();
    let adopted = adopt(&Found {
        kernel: &found,
        ledger: &overrides,
        config_list: &config.list,
        former_list: &read_list(&installed.config_list),
        same_tables: installed.tables == identity(tables),
        now,
    });
    for (change, _) in &adopted {
        overrides.apply(change);
    }
    let wanted = KernelState::wanted(config, &overrides, tcp);
    let writes = apply(tables, &found, &wanted)?;
    let (entries, addresses) = (wanted.entries.len(), wanted.addresses.len());
    tracing::info!(writes, entries, addresses, "the kernel's tables are filled");
    reach(Point::TablesFilled);
    record_adopted(ledger, &adopted, now);
    reach(Point::Adopted);
    Ok((overrides, wanted, unclear))
}

/// Goes on counting where an agent of another version stopped. The sentences tell where that cannot be.
fn carry_counters(tables: &mut dyn KernelTables) -> Vec<String> {
    let sentences = tables
        .carry_counters()
        .unwrap_or_else(|error| vec![format!("counters begin anew: {error}")]);
    reach(Point::CountersCarried);
    sentences
}

/// Begins to remember whose handshakes complete, and makes known whose have. Where that cannot be, the agent protects
/// without it, and the sentences say what it costs.
fn watch_handshakes(tables: &mut dyn KernelTables, host: &dyn Host, kernel: &KernelState, now: Now) -> Vec<String> {
    let mut warnings = Vec::new();
    if let Err(error) = tables.watch_handshakes() {
        warnings.push(format!(
            "completed handshakes are neither counted nor remembered, so every client must prove itself while an address is in \
             verify: {error}"
        ));
    }
    let ours = |address: IpAddr| kernel.terminates(address);
    let made_known = host.peers(&ours).map_err(|error| error.to_string()).and_then(|peers| {
        let news = tables
            .remember(&peers.addresses, now.mono)
            .map_err(|error| error.to_string())?;
        Ok((peers, news))
    });
    match made_known {
        Ok((peers, news)) => {
            let connections = peers.addresses.len();
            tracing::info!(connections, news, "made the sources of open connections known");
            if peers.cut_off {
                tracing::warn!("there are more connections: their sources must prove themselves once");
            }
        }
        Err(error) => warnings.push(format!(
            "sources that were connected before the agent started are not known, and must prove themselves once: {error}"
        )),
    }
    warnings
}

/// Which tables these are: they are made anew by a reboot and by `detach`.
pub(super) fn identity(tables: &dyn KernelTables) -> String {
    format!("{}/{}", crate::clock::boot_id(), tables.generation())
}

fn record_adopted(ledger: &mut Ledger, adopted: &[(Change, String)], now: Now) {
    for (change, sentence) in adopted {
        tracing::warn!(actor = ADOPTED, "{sentence}");
        let entry = JournalEntry {
            at: now.wall,
            actor: ADOPTED.to_owned(),
            command: "start".to_owned(),
            reason: None,
            succeeded: true,
            result: sentence.clone(),
        };
        if let Err(error) = ledger.record(std::slice::from_ref(change), &entry) {
            tracing::error!("{error}");
        }
    }
}

/// Maps without a program on any interface protect nothing: after a start that failed they go, and the ledger keeps what
/// they held. Where an earlier agent's program still runs, they stay.
fn leave_nothing_useless(tables: &mut dyn KernelTables, refusal: Refusal) -> Refusal {
    if tables.links().is_ok_and(|links| links.is_empty())
        && let Err(error) = tables.detach_all()
    {
        tracing::warn!("{error}");
    }
    refusal
}

/// Attaches to every configured interface and lets go of every other one.
fn attach_all(tables: &mut dyn KernelTables, config: &Config) -> Result<(), Refusal> {
    for interface in &config.interfaces {
        tables.attach(interface, config.xdp_mode)?;
    }
    let strangers: Vec<LinkState> = tables
        .links()?
        .into_iter()
        .filter(|link| !config.interfaces.contains(&link.interface))
        .collect();
    for interface in tables.remove_other_versions()? {
        tracing::warn!(
            interface,
            "detached an agent of another version: the configuration does not name the interface any more"
        );
    }
    reach(Point::AllAttached);
    for link in strangers {
        tables.detach(&link.interface)?;
        tracing::warn!(
            interface = link.interface,
            "detached: the configuration does not name it any more"
        );
    }
    Ok(())
}
