//! Makes sources known that the program has not seen: those that were connected before it ran.

use std::{collections::BTreeSet, net::IpAddr};

use xdp_common::{Address, Settings, known, map_name, sketch};

use super::{convert, maps::Maps};
use crate::tables::{MonotonicNs, Result, TableError};

/// Remembers each source; tells how many were news. A source that the program writes to the same bucket at the same moment
/// may get lost, which costs it one proof.
pub(super) fn remember(maps: &mut Maps, settings: &Settings, sources: &[IpAddr], now: MonotonicNs) -> Result<usize> {
    if settings.seed == [0; 2] {
        return Err(TableError::Kernel(
            "sources can be made known only once the settings are written".to_owned(),
        ));
    }
    let hashes: BTreeSet<u64> = sources
        .iter()
        .map(|source| sketch::hash(Address::from(*source).source(), settings.seed))
        .collect();
    let mut news = 0;
    for hash in hashes {
        let at = known::bucket_of(hash, maps.known.len() - 1);
        let mut bucket = maps
            .known
            .get(&at, 0)
            .map_err(|error| convert::failed("read", map_name::KNOWN, &error))?;
        remember_maybe(maps, hash, known::epoch(now.0, settings.known_ticks))?;
        news += usize::from(!bucket.has(hash, now.0, settings.known_ticks));
        if let Some((word, value)) = bucket.remember(hash, now.0) {
            bucket.words[word] = value;
            maps.known
                .set(at, bucket, 0)
                .map_err(|error| convert::failed("write", map_name::KNOWN, &error))?;
        }
    }
    Ok(news)
}

/// The filter in front of the buckets knows first.
fn remember_maybe(maps: &mut Maps, hash: u64, epoch: u64) -> Result<()> {
    let at = known::maybe_of(hash);
    let mut maybe = maps
        .maybe_known
        .get(&at, 0)
        .map_err(|error| convert::failed("read", map_name::MAYBE_KNOWN, &error))?;
    let Some((word, value)) = maybe.remember(hash, epoch) else {
        return Ok(());
    };
    maybe.words[word] = value;
    maps.maybe_known
        .set(at, maybe, 0)
        .map_err(|error| convert::failed("write", map_name::MAYBE_KNOWN, &error))
}
