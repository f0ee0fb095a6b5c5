//! Who sent most while an attack went on.

use ipnet::IpNet;
use rusqlite::{Connection, params};
use serde::{Deserialize, Serialize};

/// One source or prefix of an attack. The tally does not tell to which address a packet goes: these are of all traffic to protected
/// addresses while the attack went on.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct AttackTalker {
    /// Who.
    pub prefix: IpNet,
    /// Packets.
    pub packets: f64,
    /// Of them, SYNs.
    pub syns: f64,
    /// Of them, packets whose verdict was drop.
    pub drops: f64,
    /// Packets per second at most, over ten seconds.
    pub peak_pps: f64,
}

/// The heaviest of an attack, heaviest first.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct AttackTalkers {
    /// Sources.
    pub sources: Vec<AttackTalker>,
    /// Prefixes.
    pub prefixes: Vec<AttackTalker>,
}

/// Writes those of an attack in place of what was there.
pub(super) fn put(connection: &Connection, attack: u64, talkers: &AttackTalkers) -> rusqlite::Result<()> {
    let attack = i64::try_from(attack).unwrap_or(i64::MAX);
    connection.execute("DELETE FROM attack_talkers WHERE attack = ?1", [attack])?;
    let mut statement = connection.prepare_cached(
        "INSERT INTO attack_talkers (attack, prefixes, rank, prefix, packets, syns, drops, peak_pps) \
         VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8)",
    )?;
    for (prefixes, list) in [(false, &talkers.sources), (true, &talkers.prefixes)] {
        for (rank, talker) in (1_i64..).zip(list) {
            statement.execute(params![
                attack,
                prefixes,
                rank,
                talker.prefix.to_string(),
                talker.packets,
                talker.syns,
                talker.drops,
                talker.peak_pps
            ])?;
        }
    }
    Ok(())
}

/// Those of an attack.
pub(super) fn of(connection: &Connection, attack: u64) -> rusqlite::Result<AttackTalkers> {
    let mut statement = connection.prepare(
        "SELECT prefixes, prefix, packets, syns, drops, peak_pps FROM attack_talkers WHERE attack = ?1 ORDER BY prefixes, rank",
    )?;
    let rows = statement.query_map([i64::try_from(attack).unwrap_or(i64::MAX)], |row| {
        let prefix: String = row.get(1)?;
        Ok((
            row.get::<_, bool>(0)?,
            prefix.parse().ok().map(|prefix| AttackTalker {
                prefix,
                packets: row.get(2).unwrap_or_default(),
                syns: row.get(3).unwrap_or_default(),
                drops: row.get(4).unwrap_or_default(),
                peak_pps: row.get(5).unwrap_or_default(),
            }),
        ))
    })?;
    let mut talkers = AttackTalkers::default();
    for row in rows {
        match row? {
            (false, Some(talker)) => talkers.sources.push(talker),
            (true, Some(talker)) => talkers.prefixes.push(talker),
            (_, None) => {}
        }
    }
    Ok(talkers)
}
