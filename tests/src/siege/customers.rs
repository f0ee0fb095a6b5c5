//! Customers one after another, each a real connection from another address, for as long as the siege lasts.

use std::{
    fs::File,
    net::{IpAddr, SocketAddr},
    sync::{
        Arc, Mutex, MutexGuard, PoisonError,
        atomic::{AtomicBool, Ordering},
    },
    thread::{self, JoinHandle},
    time::Duration,
};

use anyhow::{Context as _, Result};
use nix::sched::{CloneFlags, setns};

use crate::{
    addresses::{clients, vips},
    customer,
    netns::{self, Netns},
    server::PORT,
};

/// How long a customer waits: two SYNs may be lost and sent again.
pub(super) const DEADLINE: Duration = Duration::from_secs(4);

/// Between one customer and the next.
const PAUSE: Duration = Duration::from_millis(10);

/// What customers met.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Served {
    /// Customers who got the whole answer.
    pub served: u64,
    /// Customers who did not, within four seconds.
    pub failed: u64,
    /// The longest that one who was served waited.
    pub slowest: Duration,
    /// What the last who failed was told.
    pub trouble: Option<String>,
}

/// They come until this is dropped.
#[derive(Debug)]
pub(super) struct Customers {
    shared: Arc<Shared>,
    thread: Option<JoinHandle<()>>,
}

#[derive(Debug, Default)]
struct Shared {
    stop: AtomicBool,
    served: Mutex<Served>,
}

impl Shared {
    fn served(&self) -> MutexGuard<'_, Served> {
        self.served.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Customers {
    /// They come from this namespace.
    pub(super) fn come(namespace: &Netns) -> Result<Self> {
        let file = netns::path(namespace.name());
        let file = File::open(&file).with_context(|| format!("cannot open the namespace {}", file.display()))?;
        let shared = Arc::new(Shared::default());
        let theirs = Arc::clone(&shared);
        let thread = thread::spawn(move || match setns(&file, CloneFlags::CLONE_NEWNET) {
            Ok(()) => visit_until_stopped(&theirs),
            Err(error) => theirs.served().trouble = Some(format!("cannot enter the customers' namespace: {error}")),
        });
        Ok(Self {
            shared,
            thread: Some(thread),
        })
    }

    /// What those met who came to an end since this was asked last.
    pub(super) fn so_far(&self) -> Served {
        std::mem::take(&mut *self.shared.served())
    }
}

impl Drop for Customers {
    fn drop(&mut self) {
        self.shared.stop.store(true, Ordering::Relaxed);
        if let Some(thread) = self.thread.take() {
            // It is this process's own: a panic has been printed.
            let _panicked = thread.join();
        }
    }
}

fn visit_until_stopped(shared: &Shared) {
    let sources = clients();
    // Both families in turns, as long as either has somebody who was not here lately.
    let (v4, v6): (Vec<IpAddr>, Vec<IpAddr>) = sources.into_iter().partition(IpAddr::is_ipv4);
    let turns = v4.iter().cycle().zip(v6.iter().cycle());
    for source in turns.flat_map(|(v4, v6)| [v4, v6]) {
        if shared.stop.load(Ordering::Relaxed) {
            return;
        }
        let target = vips()[usize::from(source.is_ipv6())];
        let visit = customer::visit(*source, SocketAddr::new(target, PORT), DEADLINE);
        let mut served = shared.served();
        match visit {
            Ok(took) => {
                served.served += 1;
                served.slowest = served.slowest.max(took);
            }
            Err(error) => {
                served.failed += 1;
                served.trouble = Some(format!("{source} to {target}: {error}"));
            }
        }
        drop(served);
        thread::sleep(PAUSE);
    }
}
