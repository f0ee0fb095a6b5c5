//! One capture for somebody who asked: what is dropped and what passes to an address, for a bounded number and time.

use std::{net::IpAddr, sync::Arc, time::Duration};

use serde::{Deserialize, Serialize};
use tokio::{
    sync::{broadcast, mpsc, watch},
    task::JoinSet,
};

use super::{
    packet::{Captured, destination},
    wire::Wire,
};
use crate::{clock::Now, snapshot::Snapshot, tables::Sample};

/// Packets of one capture at most: some 20 MB in a file.
pub const MOST_PACKETS: u32 = 100_000;
/// Packets that wait for a slow reader.
const WAITING: usize = 256;

/// Which packets.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Which {
    /// Dropped ones and those that passed.
    #[default]
    All,
    /// Dropped ones: samples of the program.
    Dropped,
    /// Those that passed.
    Passed,
}

/// What is wanted.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Wish {
    /// A protected address.
    pub address: IpAddr,
    /// Packets at most.
    pub count: u32,
    /// Time at most.
    pub time: Duration,
    /// Which of them.
    pub which: Which,
    /// With what is behind the headers, as far as it was copied.
    pub payload: bool,
}

/// Why a capture ended, and what it does not show.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Ended {
    /// Packets that were dropped (or would have been).
    pub dropped: u32,
    /// Packets that passed.
    pub passed: u32,
    /// The time was up before there were enough.
    pub timed_out: bool,
    /// What it does not show, in sentences.
    pub gaps: Vec<String>,
}

/// One step of a capture.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Step {
    /// A packet.
    Packet(Captured),
    /// It is over.
    End(Ended),
}

/// Captures, and hands each packet on as it comes; ends early when nobody takes them any more.
pub async fn run(
    wish: Wish,
    snapshots: watch::Receiver<Arc<Snapshot>>,
    mut samples: broadcast::Receiver<Arc<Vec<Sample>>>,
    out: mpsc::Sender<Step>,
) {
    let mut ended = Ended::default();
    let (passed, mut wires) = mpsc::channel(WAITING);
    let mut reading = JoinSet::new();
    if wish.which != Which::Dropped {
        listen(
            &wish,
            &snapshots.borrow().config.interfaces,
            &passed,
            &mut reading,
            &mut ended,
        );
    }
    drop(passed);
    let (mut samples_go_on, mut wires_go_on) = (wish.which != Which::Passed, wish.which != Which::Dropped);
    let deadline = tokio::time::sleep(wish.time);
    tokio::pin!(deadline);
    while ended.dropped + ended.passed < wish.count {
        let mut fresh = Vec::new();
        tokio::select! {
            // What waits is taken before the time is up.
            biased;
            sampled = samples.recv(), if samples_go_on => match sampled {
                Ok(sampled) => fresh = dropped(&wish, &sampled, &snapshots.borrow()),
                Err(broadcast::error::RecvError::Lagged(_)) => gap(&mut ended, "some sampled headers came too fast to be taken"),
                Err(broadcast::error::RecvError::Closed) => samples_go_on = false,
            },
            seen = wires.recv(), if wires_go_on => match seen {
                Some((packet, left_out)) => {
                    if left_out {
                        gap(&mut ended, "more packets passed than the 1,000 a second that are looked at");
                    }
                    fresh.push(packet);
                }
                None => wires_go_on = false,
            },
            () = out.closed() => return,
            () = &mut deadline => {
                ended.timed_out = true;
                break;
            }
        }
        for packet in fresh {
            if ended.dropped + ended.passed == wish.count {
                break;
            }
            let count = if packet.fate == super::Fate::Passed {
                &mut ended.passed
            } else {
                &mut ended.dropped
            };
            *count += 1;
            let packet = if wish.payload { packet } else { packet.headers_only() };
            if out.send(Step::Packet(packet)).await.is_err() {
                return;
            }
        }
    }
    tell_of_samples(&wish, &snapshots.borrow(), &mut ended);
    // Somebody who is gone does not need the end.
    let _ = out.send(Step::End(ended)).await;
}

fn listen(
    wish: &Wish,
    interfaces: &[String],
    passed: &mpsc::Sender<(Captured, bool)>,
    reading: &mut JoinSet<()>,
    ended: &mut Ended,
) {
    for interface in interfaces {
        match Wire::listen(interface, wish.address) {
            Ok(wire) => {
                let (interface, passed) = (interface.clone(), passed.clone());
                reading.spawn(async move {
                    if let Err(error) = wire.read(passed).await {
                        tracing::warn!(interface, "a capture cannot go on there: {error}");
                    }
                });
            }
            Err(error) => {
                let forbidden = error.kind() == std::io::ErrorKind::PermissionDenied
                    // What systemd's RestrictAddressFamilies= answers.
                    || error.raw_os_error() == Some(nix::libc::EAFNOSUPPORT);
                let way_out = if forbidden {
                    "; give the agent CAP_NET_RAW (levee.service: see captures.conf among its examples)"
                } else {
                    ""
                };
                let text = format!(
                    "what passed at {interface} is missing: a packet socket cannot be opened there: {error}{way_out}"
                );
                gap(ended, &text);
            }
        }
    }
}

/// The samples that are wanted.
fn dropped(wish: &Wish, samples: &[Sample], snapshot: &Snapshot) -> Vec<Captured> {
    let now = Now::read();
    let ours = |sample: &&Sample| destination(&sample.header) == Some(wish.address);
    let mode = snapshot.kernel.settings.mode;
    samples
        .iter()
        .filter(ours)
        .map(|sample| Captured::of_sample(sample, now, mode))
        .collect()
}

fn tell_of_samples(wish: &Wish, snapshot: &Snapshot, ended: &mut Ended) {
    if wish.which == Which::Passed {
        return;
    }
    match snapshot.config.samples_per_second {
        0 => gap(ended, "nothing that was dropped is here: samples.per_second is 0"),
        most if ended.dropped > 0 => gap(
            ended,
            &format!(
                "of what was dropped, at most {most} headers a second are sampled on the whole host (samples.per_second)"
            ),
        ),
        _ => {}
    }
}

fn gap(ended: &mut Ended, text: &str) {
    if !ended.gaps.iter().any(|known| known == text) {
        ended.gaps.push(text.to_owned());
    }
}
