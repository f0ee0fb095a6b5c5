//! Attacks and events as they are told, from the running agent's history or from the file of one that is dead.

use crate::{
    control::api::{AttackView, AttacksQuery, EventView, EventsQuery},
    decide::Refusal,
    detect::Attack,
    ledger::{JournalEntry, LedgerError, Reader, Wanted},
    report,
};

/// Attacks told unless asked for more.
const DEFAULT_ATTACKS: usize = 100;
/// Events told unless asked for more.
const DEFAULT_EVENTS: usize = 1_000;

/// The latest attacks of those that are wanted, newest first.
///
/// # Errors
/// If the history cannot be read.
pub fn latest_attacks(reader: &Reader<'_>, query: AttacksQuery) -> Result<Vec<Attack>, LedgerError> {
    let mut attacks = reader.attacks(query.limit.unwrap_or(DEFAULT_ATTACKS))?;
    if let Some(since) = query.since {
        attacks.retain(|attack| attack.ended.is_none_or(|ended| ended >= since));
    }
    Ok(attacks)
}

/// An attack with all that belongs to it.
///
/// # Errors
/// If the history cannot be read.
pub fn attack(reader: &Reader<'_>, attack: Attack, commands: Vec<JournalEntry>) -> Result<AttackView, LedgerError> {
    let wanted = Wanted {
        attack: Some(attack.id),
        ..Wanted::default()
    };
    let events = reader.events(wanted, report::MOST_EVENTS)?;
    Ok(AttackView {
        events: events.into_iter().map(EventView::from).collect(),
        talkers: reader.talkers(attack.id)?,
        commands: commands.into_iter().map(Into::into).collect(),
        attack,
    })
}

/// The refusal for a number that no attack has.
#[must_use]
pub fn no_such_attack(number: u64) -> Refusal {
    Refusal::not_found(
        format!("there is no attack {number} in the ledger"),
        Some("`agent attacks --all` lists those that there are".to_owned()),
    )
}

/// The first events of those that are wanted, oldest first.
///
/// # Errors
/// If the history cannot be read.
pub fn events(reader: &Reader<'_>, query: EventsQuery) -> Result<Vec<EventView>, LedgerError> {
    let events = reader.events(wanted(query), query.limit.unwrap_or(DEFAULT_EVENTS))?;
    Ok(events.into_iter().map(EventView::from).collect())
}

/// The query as the history understands it.
#[must_use]
pub const fn wanted(query: EventsQuery) -> Wanted {
    Wanted {
        after: match query.after {
            Some(after) => after,
            None => 0,
        },
        since: query.since,
        until: None,
        attack: query.attack,
    }
}
