//! Keeps the history within its bounds: by rows, by age, by size. What is oldest goes first.

use rusqlite::Connection;

use super::{attacks, events};

/// Drops what is too much.
pub(super) fn keep_within(connection: &Connection) -> rusqlite::Result<()> {
    connection.execute(
        "DELETE FROM attacks WHERE id <= (SELECT MAX(id) FROM attacks) - ?1",
        [attacks::KEEP_ROWS],
    )?;
    connection.execute(
        "DELETE FROM attack_talkers WHERE attack < (SELECT MIN(id) FROM attacks)",
        [],
    )?;
    connection.execute(
        "DELETE FROM events WHERE id <= (SELECT MAX(id) FROM events) - ?1",
        [events::KEEP_ROWS],
    )?;
    Ok(())
}
