//! The settings of the whole program.

use std::{fs, net::IpAddr, time::Duration};

use xdp_common::{Address, Mode as KernelMode, Settings, map_name};

use super::{convert, maps::Maps};
use crate::{
    config::units::Rate,
    tables::{KernelSettings, KnownFor, Mode, Result, Syncookies, TableError},
};

/// Linux' default range of local ports, where the sysctl cannot be read.
const DEFAULT_PORTS: (u16, u16) = (32_768, 60_999);

pub(super) fn read(maps: &Maps) -> Result<KernelSettings> {
    let settings = stored(maps)?;
    let mode = if settings.mode == KernelMode::Enforce as u32 {
        Mode::Enforce
    } else {
        Mode::Monitor
    };
    let samples_per_second = match settings.sample_interval_ns {
        0 => 0,
        interval => u32::try_from(second_ns() / interval).unwrap_or(u32::MAX),
    };
    Ok(KernelSettings {
        mode,
        source_limit: convert::limit_back(settings.source_syn),
        samples_per_second,
        syncookies: Syncookies::from_sysctl(settings.syncookies),
        answers_per_second: Rate::new(settings.answers_per_s),
        known_for: KnownFor::from_ticks(settings.known_ticks),
        resolvers: settings
            .resolvers
            .map(|address| (address != Address::default()).then(|| IpAddr::from(address))),
    })
}

pub(super) fn write(maps: &mut Maps, wanted: &KernelSettings) -> Result<()> {
    let before = stored(maps)?;
    let (ephemeral_low, ephemeral_high) = local_ports();
    let settings = Settings {
        source_syn: convert::limit(wanted.source_limit),
        seed: if before.seed == [0; 2] {
            draw_seed()?
        } else {
            before.seed
        },
        sample_interval_ns: match wanted.samples_per_second {
            0 => 0,
            rate => second_ns() / u64::from(rate),
        },
        mode: match wanted.mode {
            Mode::Monitor => KernelMode::Monitor,
            Mode::Enforce => KernelMode::Enforce,
        } as u32,
        address_mask: maps.addresses.len() - 1,
        ephemeral_low,
        ephemeral_high,
        syncookies: wanted.syncookies.sysctl(),
        answers_per_s: wanted.answers_per_second.map_or(0, Rate::per_second),
        known_ticks: wanted.known_for.ticks(),
        known_mask: maps.known.len() - 1,
        retry_mask: maps.retry.len() - 1,
        resolvers: wanted
            .resolvers
            .map(|resolver| resolver.map_or_else(Address::default, Address::from)),
    };
    maps.settings
        .set(0, settings, 0)
        .map_err(|error| convert::failed("write", map_name::SETTINGS, &error))
}

pub(super) fn stored(maps: &Maps) -> Result<Settings> {
    maps.settings
        .get(&0, 0)
        .map_err(|error| convert::failed("read", map_name::SETTINGS, &error))
}

const fn second_ns() -> u64 {
    Duration::from_secs(1).as_nanos() as u64
}

/// The secret of the source hash: drawn once for as long as the maps live.
fn draw_seed() -> Result<[u64; 2]> {
    let draw = || getrandom::u64().map_err(|error| TableError::Kernel(format!("cannot draw a random seed: {error}")));
    Ok([draw()?, draw()?])
}

/// `net.ipv4.ip_local_port_range` (it holds for IPv6 too).
fn local_ports() -> (u16, u16) {
    fs::read_to_string("/proc/sys/net/ipv4/ip_local_port_range")
        .ok()
        .and_then(|text| {
            let mut numbers = text.split_whitespace().map(str::parse);
            Some((numbers.next()?.ok()?, numbers.next()?.ok()?))
        })
        .unwrap_or(DEFAULT_PORTS)
}
