//! A simulated month of 4,096 busy addresses: how large the history gets. It takes a quarter of an hour, so it is run by hand:
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

#[test]
#[ignore = "takes a quarter of an hour: run by hand, see the head of the file"]
fn a_month_of_busy_addresses_stays_small() {
    let directory = tempfile::tempdir().expect("directory");
    let path = directory.path().join("history.db");
    let mut connection = Connection::open(&path).expect("opens");
    connection
        .execute_batch("PRAGMA auto_vacuum = INCREMENTAL; PRAGMA journal_mode = WAL; PRAGMA synchronous = OFF;")
        .expect("settings");
    schema::migrate(&mut connection, HISTORY).expect("schema");
    let begin: Timestamp = "2025-06-01T00:00:00Z".parse().expect("timestamp");
    let mut dice = Dice(0x1234_5678_9abc_def1);
    let mut largest = 0;
    for number in 0..MINUTES {
        let from = begin + number.minutes();
        let rows = (0..ADDRESSES)
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
        if number % 60 == 59 {
            upkeep::pack(&transaction).expect("packs");
            upkeep::age(&transaction, from, &BOUNDS).expect("ages");
            upkeep::fit(&transaction, &BOUNDS).expect("fits");
        }
        transaction.commit().expect("commits");
        if number % 60 == 59 {
            connection
                .execute_batch("PRAGMA incremental_vacuum; PRAGMA wal_checkpoint(TRUNCATE);")
                .expect("gives back room");
            largest = path.metadata().expect("file").len().max(largest);
        }
        if number % 1_440 == 1_439 {
            println!(
                "day {}: {} bytes",
                number / 1_440 + 1,
                path.metadata().expect("file").len()
            );
        }
    }
    let (mut fine, mut coarse) = (0, 0);
    let span = (begin, begin + MINUTES.minutes());
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
