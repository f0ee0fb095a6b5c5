//! Keeps the sources of open connections known. Who holds a connection for longer than a source is known, and comes again
//! from the same port because it lost its own end, must reach the kernel: only that finds out that the old connection is
//! dead (RFC 9293, section 3.10.7.4), and a SYN cookie would meet it there.

use std::{collections::BTreeSet, net::IpAddr, sync::Arc, time::Duration};

use tokio::{
    sync::{mpsc, watch},
    time::sleep,
};

use crate::{
    command::Message,
    host::{self, Peers},
    snapshot::Snapshot,
};

/// A source is made known anew so many times while it would be known.
const OFTEN: u32 = 4;
/// However long sources are known: an agent that was stopped and started again must not wait for days.
const AT_MOST: Duration = Duration::from_secs(900);
/// Sources that the engine takes at a time, so that commands in between do not wait.
const BATCH: usize = 4_096;
/// Between two batches.
const PAUSE: Duration = Duration::from_millis(100);

/// Asks the kernel's sockets again and again, as long as there is an engine to be told.
pub async fn keep_known(snapshots: watch::Receiver<Arc<Snapshot>>, engine: mpsc::Sender<Message>) {
    loop {
        let known_for = snapshots.borrow().config.verify.known_for.duration();
        sleep(interval(known_for)).await;
        let snapshot = Arc::clone(&snapshots.borrow());
        let found =
            tokio::task::spawn_blocking(move || host::peers(|address| snapshot.kernel.terminates(address))).await;
        let peers = match found {
            Ok(Ok(peers)) => peers,
            Ok(Err(error)) => {
                tracing::error!("cannot see who is connected; whoever comes again must prove itself: {error}");
                continue;
            }
            // The runtime is going down.
            Err(_) => return,
        };
        for batch in batches(peers) {
            if engine.send(Message::Connected(batch)).await.is_err() {
                return;
            }
            sleep(PAUSE).await;
        }
    }
}

fn interval(known_for: Duration) -> Duration {
    (known_for / OFTEN).min(AT_MOST)
}

/// Each address once.
fn batches(peers: Peers) -> Vec<Vec<IpAddr>> {
    let once: BTreeSet<IpAddr> = peers.addresses.into_iter().collect();
    let once: Vec<IpAddr> = once.into_iter().collect();
    once.chunks(BATCH).map(<[IpAddr]>::to_vec).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_source_is_made_known_again_before_it_is_forgotten() {
        assert_eq!(interval(Duration::from_secs(60)), Duration::from_secs(15));
        assert_eq!(interval(Duration::from_secs(86_400)), AT_MOST);
    }

    #[test]
    fn each_address_comes_once() {
        let address = |last: u32| IpAddr::from((0x0a00_0000 + last).to_be_bytes());
        let addresses = (0..10_000).chain(0..10_000).map(address).collect();
        let batches = batches(Peers {
            addresses,
            cut_off: false,
        });
        assert_eq!(batches.iter().map(Vec::len).collect::<Vec<_>>(), [4_096, 4_096, 1_808]);
    }
}
