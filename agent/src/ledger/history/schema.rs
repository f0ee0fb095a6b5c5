//! The tables of what happened.

/// One script per version, as for the ledger. Times are milliseconds of the Unix epoch. Attacks and events are kept as the JSON
/// that everybody else gets too, beside the columns that they are looked for by.
pub(in crate::ledger) const HISTORY: &[&str] = &["
    CREATE TABLE attacks (
        id INTEGER PRIMARY KEY NOT NULL,
        subject TEXT NOT NULL,
        started_ms INTEGER NOT NULL,
        ended_ms INTEGER,
        attack TEXT NOT NULL
    ) STRICT;
    CREATE INDEX attacks_open ON attacks (id) WHERE ended_ms IS NULL;
    CREATE TABLE events (
        id INTEGER PRIMARY KEY NOT NULL,
        at_ms INTEGER NOT NULL,
        attack INTEGER,
        severity TEXT NOT NULL,
        name TEXT NOT NULL,
        subject TEXT,
        event TEXT NOT NULL
    ) STRICT;
    CREATE INDEX events_at ON events (at_ms);
    CREATE INDEX events_attack ON events (attack) WHERE attack IS NOT NULL;
    -- The highest numbers that were ever given: they never come again, also when their rows are gone.
    CREATE TABLE numbers (name TEXT PRIMARY KEY NOT NULL, latest INTEGER NOT NULL) STRICT;
    -- What detection learned of a subject, in its own form.
    CREATE TABLE baselines (
        subject TEXT PRIMARY KEY NOT NULL,
        updated_ms INTEGER NOT NULL,
        baseline BLOB NOT NULL
    ) STRICT;
    -- Who sent most while an attack went on.
    CREATE TABLE attack_talkers (
        attack INTEGER NOT NULL,
        prefixes INTEGER NOT NULL,
        rank INTEGER NOT NULL,
        prefix TEXT NOT NULL,
        packets REAL NOT NULL,
        syns REAL NOT NULL,
        drops REAL NOT NULL,
        peak_pps REAL NOT NULL,
        PRIMARY KEY (attack, prefixes, rank)
    ) STRICT, WITHOUT ROWID;
    -- Short numbers for subjects in the blobs of rates.
    CREATE TABLE subjects (id INTEGER PRIMARY KEY NOT NULL, name TEXT UNIQUE NOT NULL) STRICT;
    -- Rates of many subjects: one row of one interval, or one packed row of many (see ledger/rates/block.rs).
    CREATE TABLE rates (
        id INTEGER PRIMARY KEY NOT NULL,
        from_ms INTEGER NOT NULL,
        until_ms INTEGER NOT NULL,
        step_s INTEGER NOT NULL,
        packed INTEGER NOT NULL,
        block BLOB NOT NULL
    ) STRICT;
    CREATE INDEX rates_from ON rates (step_s, packed, from_ms);
    -- Rates of one subject by the second, around its attacks.
    CREATE TABLE seconds (
        id INTEGER PRIMARY KEY NOT NULL,
        subject INTEGER NOT NULL,
        from_ms INTEGER NOT NULL,
        until_ms INTEGER NOT NULL,
        block BLOB NOT NULL
    ) STRICT;
    CREATE INDEX seconds_of ON seconds (subject, from_ms);
    CREATE INDEX seconds_from ON seconds (from_ms);
"];
