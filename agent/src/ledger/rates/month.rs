//! How large the history gets: what its bounds do, and a simulated month of 4,096 busy addresses. The month takes some ten
//! minutes, so it is run by hand:
//!
//!     cargo test --release -p agent --lib ledger::rates::month -- --ignored --nocapture

use jiff::{Timestamp, ToSpan as _};
use rusqlite::Connection;

use super::{Interval, RatePeaks, RateRow, store, upkeep};
use crate::{
    detect::{HostObservation, Rates, Standing, Subject},
    ladder::Rung,
    ledger::{
        history::{schema::HISTORY, upkeep::BOUNDS},
        schema,
    },
};

const ADDRESSES: u32 = 4_096;
const MINUTES: i64 = 30 * 24 * 60;

/// Random numbers that are the same each time (xorshift64*).
struct Dice(u64);

impl Dice {
    /// Between 0 and 1.
    #[expect(clippy::cast_precision_loss, reason = "53 bits fit")]
    fn next(&mut self) -> f64 {
        self.0 ^= self.0 >> 12;
        self.0 ^= self.0 << 25;
        self.0 ^= self.0 >> 27;
        (self.0.wrapping_mul(0x2545_F491_4F6C_DD1D) >> 11) as f64 / (1_u64 << 53) as f64
    }

    /// A count with this mean, spread as arrivals are.
    fn around(&mut self, mean: f64) -> f64 {
        let normal: f64 = (0..12).map(|_| self.next()).sum::<f64>() - 6.0;
        (mean + normal * mean.sqrt()).max(0.0).round()
    }
}

/// A minute of an address with a daily rhythm: from 0.1 to 2,000 connections a second, by address.
fn minute(dice: &mut Dice, address: u32, minute: i64) -> RateRow {
    #[expect(clippy::cast_precision_loss, reason = "minutes of a month")]
    let day = (minute as f64 / 1_440.0 * std::f64::consts::TAU).sin();
    let usual = 0.1 * 1.0024_f64.powf(f64::from(address)) * (1.0 + 0.6 * day);
    let syn = dice.around(usual * 60.0) / 60.0;
    let handshakes = (dice.around(usual * 58.0) / 60.0).min(syn);
    let tcp = dice.around(usual * 60.0 * 20.0) / 60.0;
    RateRow {
        subject: Subject::Address(std::net::Ipv4Addr::from_bits(0x0a00_0000 + address).into()),
        rates: Rates {
            syn,
            handshakes,
            tcp,
            icmp: dice.around(1.0) / 60.0,
            passed: syn + tcp,
            ..Rates::default()
        },
        peaks: RatePeaks {
            syn: syn + 3.0 * dice.around(syn).sqrt(),
            unproven: dice.around(syn * 0.2),
            packets: (syn + tcp) + 3.0 * dice.around(syn + tcp).sqrt(),
        },
        standing: Standing {
            syn_threshold: Some(20_000.0),
            excess: false,
            rung: Rung::Limit,
            counts_handshakes: true,
        },
    }
}

/// Writes minutes of so many addresses as the history's thread does, hour by hour.
fn write(
    connection: &mut Connection,
    (minutes, addresses): (i64, u32),
    bounds: &upkeep::Bounds,
    mut hour_is_over: impl FnMut(&Connection, i64),
) {
    let mut dice = Dice(0x1234_5678_9abc_def1);
    for number in 0..minutes {
        let from = begin() + number.minutes();
        let rows = (0..addresses)
            .map(|address| minute(&mut dice, address, number))
            .collect();
        let interval = Interval {
            from,
            seconds: 60.0,
            host: HostObservation::default(),
            rows,
        };
        let transaction = connection.transaction().expect("begins");
        store::put_interval(&transaction, &interval).expect("writes");
        let is_over = number % 60 == 59;
        if is_over {
            upkeep::pack(&transaction).expect("packs");
            upkeep::age(&transaction, from, bounds).expect("ages");
            upkeep::fit(&transaction, bounds).expect("fits");
        }
        transaction.commit().expect("commits");
        if is_over {
            hour_is_over(connection, number / 60 + 1);
        }
    }
}

fn begin() -> Timestamp {
    "2025-06-01T00:00:00Z".parse().expect("timestamp")
}

fn open(path: &std::path::Path) -> Connection {
    let mut connection = Connection::open(path).expect("opens");
    connection
        .execute_batch("PRAGMA auto_vacuum = INCREMENTAL; PRAGMA journal_mode = WAL; PRAGMA synchronous = OFF;")
        .expect("settings");
    schema::migrate(&mut connection, HISTORY).expect("schema");
    connection
}

/// Gives back room, and tells how large the file is.
fn size(connection: &Connection, path: &std::path::Path) -> u64 {
    connection
        .execute_batch("PRAGMA incremental_vacuum; PRAGMA wal_checkpoint(TRUNCATE);")
        .expect("gives back room");
    path.metadata().expect("file").len()
}

#[test]
fn what_is_too_much_becomes_coarse_and_then_goes_the_oldest_first() {
    let directory = tempfile::tempdir().expect("directory");
    let path = directory.path().join("history.db");
    let mut connection = open(&path);
    let small = upkeep::Bounds {
        bytes: 400_000,
        ..BOUNDS
    };
    let minutes = 3 * 1_440;
    write(&mut connection, (minutes, 40), &small, |connection, hour| {
        if hour % 12 == 0 {
            let bytes = size(connection, &path);
            assert!(bytes <= 450_000, "hour {hour}: {bytes} bytes");
        }
    });
    let mut kept: Vec<(i64, f64)> = Vec::new();
    let span = (begin(), begin() + minutes.minutes());
    let unclear = store::each_interval(&connection, span, None, &mut |interval| {
        assert_eq!(interval.rows.len(), 40);
        let passed = interval.from.duration_since(begin()).as_secs();
        kept.push((passed, interval.seconds));
    });
    assert_eq!(unclear, Ok(0));
    assert!(
        kept.windows(2).all(|pair| pair[0].0 < pair[1].0),
        "in order, and none twice"
    );
    let coarse = kept.iter().filter(|(_, seconds)| *seconds > 60.0).count();
    assert!(coarse > 0, "the oldest are coarse");
    assert!(kept[0].1 > 60.0, "{:?}", kept[0]);
    assert_eq!(kept.last(), Some(&((minutes - 1) * 60, 60.0)), "the latest are fine");
}

#[test]
fn what_is_old_becomes_coarse_and_then_goes() {
    let directory = tempfile::tempdir().expect("directory");
    let mut connection = open(&directory.path().join("history.db"));
    let short = upkeep::Bounds {
        fine_days: 1,
        days: 3,
        ..BOUNDS
    };
    let minutes = 5 * 1_440;
    write(&mut connection, (minutes, 2), &short, |_, _| {});
    let (mut first, mut fine, mut coarse) = (None, 0, 0);
    let span = (begin(), begin() + minutes.minutes());
    store::each_interval(&connection, span, None, &mut |interval| {
        first.get_or_insert(interval.from);
        if interval.seconds > 60.0 {
            assert_eq!(interval.seconds, 600.0);
            coarse += 1;
        } else {
            fine += 1;
        }
    })
    .expect("reads");
    let first = first.expect("some are kept").duration_since(begin()).as_secs();
    assert!(
        (86_400..=2 * 86_400).contains(&first),
        "three days at least, four at most: {first}"
    );
    assert!(coarse > 144 && fine >= 1_440, "{coarse} {fine}");
}

#[test]
#[ignore = "takes some ten minutes: run by hand, see the head of the file"]
fn a_month_of_busy_addresses_stays_small() {
    let directory = tempfile::tempdir().expect("directory");
    let path = directory.path().join("history.db");
    let mut connection = open(&path);
    let mut largest = 0;
    write(&mut connection, (MINUTES, ADDRESSES), &BOUNDS, |connection, hour| {
        let bytes = size(connection, &path);
        largest = largest.max(bytes);
        if hour % 24 == 0 {
            println!("day {}: {bytes} bytes", hour / 24);
        }
    });
    let (mut fine, mut coarse) = (0, 0);
    let span = (begin(), begin() + MINUTES.minutes());
    store::each_interval(&connection, span, None, &mut |interval| {
        assert_eq!(interval.rows.len(), 4_096);
        if interval.seconds > 60.0 {
            coarse += 1;
        } else {
            fine += 1;
        }
    })
    .expect("reads");
    println!("largest {largest} bytes; {fine} minutes and {coarse} ten-minutes of 4,096 addresses are left");
    assert!(largest < 80_000_000, "{largest}");
    assert!(fine * 60 + coarse * 600 > 14 * 86_400, "two weeks at least are there");
}
