//! Samples of dropped headers, from the ring buffer.

use aya::maps::{Map, MapData, RingBuf};
use xdp_common::{Reason, Sample as KernelSample, map_name};

use super::{maps, pins::Pins};
use crate::tables::{MonotonicNs, Result, Sample};

pub(super) struct Samples {
    ring: RingBuf<MapData>,
}

impl Samples {
    pub(super) fn open(pins: &Pins) -> Result<Self> {
        Ok(Self {
            ring: maps::open(pins, map_name::SAMPLES, Map::RingBuf)?,
        })
    }

    /// At most so many samples that have come since the last call.
    pub(super) fn drain(&mut self, at_most: usize) -> Vec<Sample> {
        let mut samples = Vec::new();
        while samples.len() < at_most
            && let Some(item) = self.ring.next()
        {
            samples.extend(decode(&item));
        }
        samples
    }
}

fn decode(bytes: &[u8]) -> Option<Sample> {
    if bytes.len() < size_of::<KernelSample>() {
        return None;
    }
    // SAFETY: long enough; integers and bytes alone, so any bytes are a value; the read makes no claim of alignment.
    let sample = unsafe { bytes.as_ptr().cast::<KernelSample>().read_unaligned() };
    let reason = Reason::ALL
        .iter()
        .copied()
        .find(|reason| *reason as u8 == sample.reason)?;
    let header = sample.bytes.get(..usize::from(sample.captured))?.to_vec();
    Some(Sample {
        at: MonotonicNs(sample.now_ns),
        reason,
        ifindex: sample.ifindex,
        header,
        frame_len: sample.frame_len,
    })
}
