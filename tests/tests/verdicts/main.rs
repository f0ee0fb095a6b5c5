//! The packet table: each row runs through the loaded program in both modes, and through the host build of its pure
//! modules; verdict and counters must be the same, and what the row says.
#![expect(clippy::unwrap_used, reason = "a test that cannot go on stops there, and says where")]

mod decided;
mod malformed;
mod rows;
mod well_formed;
mod world;

use std::net::IpAddr;

use agent::{kernel::Form, tables::Mode};
use lab::{expect, packet::Packet, prog_run::ProgRun};
use rows::{CLIENT4, Row, V4, table};
use world::{ADDRESSES, fill_kernel, host_tables, monotonic_ns, set_mode};
use xdp_common::{Action, Preset, Reason};

#[test]
fn every_row_in_the_kernel_in_both_modes_and_forms() {
    let loaded = Form::ALL.map(|form| (form, ProgRun::load_one_of(&[form], ProgRun::CAPACITY)));
    // Of the forms, a kernel need take one: which took which is in docs/kernels.md.
    assert!(loaded.iter().any(|(_, run)| run.is_ok()), "{loaded:?}");
    for (form, run) in loaded {
        match run {
            Ok(run) => every_row_in_the_kernel(run),
            Err(refused) => eprintln!("{}: {refused:#}", form.entry()),
        }
    }
}

fn every_row_in_the_kernel(mut run: ProgRun) {
    fill_kernel(&mut run, monotonic_ns());
    for mode in [Mode::Monitor, Mode::Enforce] {
        set_mode(&mut run, mode);
        let enforce = mode == Mode::Enforce;
        for Row(what, frame, address, reason) in table() {
            // The kernel's test run refuses frames without a whole Ethernet header and a byte behind it.
            let (outcome, moved) = run.frame(&frame).unwrap_or_else(|error| panic!("{what}: {error:#}"));
            let address = address.map(|address| address.parse::<IpAddr>().unwrap());
            assert_eq!(
                expect::moved(&moved),
                [(address, reason, 1)],
                "{what}, {mode}: {frame:02x?}"
            );
            assert_eq!(outcome.action, expect::action(reason, enforce), "{what}, {mode}");
            let drops = u64::from(reason.action() == Action::Drop);
            let (dropped, would_drop) = if enforce { (drops, 0) } else { (0, drops) };
            assert_eq!(
                (moved.host.dropped, moved.host.would_drop),
                (dropped, would_drop),
                "{what}, {mode}"
            );
        }
    }
}

#[test]
fn every_row_on_the_host() {
    let tables = host_tables(1_000_000_000_000);
    for Row(what, frame, address, reason) in table() {
        let judgement = tables.examine(&frame);
        assert_eq!(judgement.reason, reason, "{what}: {frame:02x?}");
        let slot = address.map_or(0, |address| {
            ADDRESSES
                .iter()
                .position(|(known, ..)| *known == address)
                .expect("the row's address is known")
                + 1
        });
        assert_eq!(judgement.slot() as usize, slot, "{what}");
    }
}

/// Frames that end before anything can be read: only the host build can be given them.
#[test]
fn frames_shorter_than_ethernet() {
    let tables = host_tables(1_000_000_000_000);
    for len in 0..14 {
        let judgement = tables.examine(&Packet::syn(CLIENT4, V4).bytes()[..len]);
        assert_eq!(
            (judgement.slot(), judgement.reason),
            (0, Reason::Unreadable),
            "{len} bytes"
        );
    }
}

/// Reasons that need more than one packet, or sockets, have tests of their own (`rates.rs`, `vectors.rs`, `groups.rs`,
/// `blackhole.rs`, `proofs.rs`).
#[test]
fn the_table_meets_every_reason() {
    let needs_more = [
        Reason::SourceRate,
        Reason::AddressRate,
        Reason::Known,
        Reason::SynKernel,
        Reason::CookieAck,
        Reason::Retransmitted,
        Reason::Retry,
        Reason::NotKnown,
        Reason::NoListener,
        Reason::AcceptFull,
        Reason::Guard,
        Reason::ChallengePassed,
        Reason::ReplyCookie,
        Reason::ReplyCookiePlain,
        Reason::ReplyCookieData,
        Reason::ReplyCookieMalformed,
        Reason::ReplyChallenge,
        Reason::UdpRate,
        Reason::IcmpRate,
        Reason::OtherRate,
        Reason::FragmentRate,
        Reason::OutOfState,
        Reason::GroupRate,
        Reason::GroupVectorRate,
    ];
    let amplified = Preset::ALL.iter().map(|preset| preset.reason());
    let needs_more: Vec<Reason> = needs_more.into_iter().chain(amplified).collect();
    let rows = table();
    for reason in Reason::ALL {
        let met = rows.iter().any(|Row(.., row)| row == reason);
        assert!(met || needs_more.contains(reason), "no row for {reason:?}");
    }
}
