//! What a person looks at: order, filter, pressure, series.

use agent::{
    control::{
        api::{OverviewQuery, OverviewSort, OverviewView},
        view,
    },
    decide::refusal::Kind,
    recent::SECONDS,
};
use xdp_common::Reason;

use crate::{
    support::{address, config},
    watched::{OTHER, VICTIM, Watched},
};

fn overview(lab: &Watched, sort: Option<OverviewSort>, filter: &str) -> OverviewView {
    let query = OverviewQuery {
        sort,
        filter: Some(filter.to_owned()),
        ..OverviewQuery::default()
    };
    view::overview(&lab.engine.snapshots().borrow(), &query).expect("a sound question")
}

fn order(view: &OverviewView) -> Vec<String> {
    view.addresses.iter().map(|line| line.address.to_string()).collect()
}

#[test]
fn who_is_attacked_comes_first_with_what_happens_to_it() {
    let mut lab = Watched::with(config(""));
    lab.counts[1].add(Reason::Syn, 100);
    lab.go_on(3, Reason::AddressRate, 400_000);
    let view = overview(&lab, None, "");
    assert_eq!((view.protected, view.matched), (2, 2));
    assert_eq!(order(&view), [VICTIM, OTHER]);
    let line = &view.addresses[0];
    assert_eq!(line.attack, Some(view.attacks[0].id));
    assert!((line.rates.syn_pps - 400_000.0).abs() < 1.0, "{line:?}");
    let part = 400_000.0 / f64::from(line.limit.syn_rate.per_second());
    assert!((line.pressure - part).abs() < 1e-6, "{line:?}");
    // The first reading has no rate.
    assert_eq!(line.syn_series, [0, 400_000, 400_000]);
    assert_eq!(view.syn_series.last(), Some(&400_000));
    assert_eq!(view.reasons[0].reason, "address_rate");
    assert_eq!(view.reasons[0].action, "drop");
    assert!((view.reasons[0].pps - 400_000.0).abs() < 1.0, "{:?}", view.reasons);
    assert_eq!(view.addresses[1].attack, None);
}

#[test]
fn another_protocol_presses_by_its_own_rate() {
    let mut lab = Watched::with(config("[thresholds.udp]\npackets = \"1k/s\""));
    lab.go_on(2, Reason::UdpRate, 8_000);
    let view = overview(&lab, None, VICTIM);
    assert!((view.addresses[0].pressure - 8.0).abs() < 1e-6, "{:?}", view.addresses);
}

#[test]
fn order_and_filter_are_the_callers() {
    let mut lab = Watched::with(config(""));
    lab.go_on(2, Reason::Syn, 1_000);
    let by = |sort| order(&overview(&lab, Some(sort), ""));
    assert_eq!(by(OverviewSort::Address), [VICTIM, OTHER]);
    assert_eq!(by(OverviewSort::Syn), [VICTIM, OTHER]);
    let only = |filter| order(&overview(&lab, None, filter));
    assert_eq!(only("113.8"), [OTHER]);
    assert_eq!(only("203.0.113.8/32"), [OTHER]);
    assert_eq!(only("LIMIT"), [VICTIM, OTHER]);
    assert_eq!(only("verify"), Vec::<String>::new());
    assert_eq!(only("attack"), Vec::<String>::new());
    let query = OverviewQuery {
        filter: Some("203.0.113.0/99".to_owned()),
        ..OverviewQuery::default()
    };
    let refusal = view::overview(&lab.engine.snapshots().borrow(), &query).expect_err("no prefix");
    assert_eq!(refusal.kind, Kind::Invalid);
}

#[test]
fn only_a_part_is_told_where_only_a_part_is_wanted() {
    let lab = Watched::with(config(""));
    let query = OverviewQuery {
        offset: Some(1),
        limit: Some(1),
        ..OverviewQuery::default()
    };
    let view = view::overview(&lab.engine.snapshots().borrow(), &query).expect("a sound question");
    assert_eq!((order(&view), view.matched), (vec![OTHER.to_owned()], 2));
}

#[test]
fn the_series_forgets_what_is_older_than_two_minutes() {
    let mut lab = Watched::with(config(""));
    lab.go_on(1, Reason::Syn, 5_000);
    lab.go_on(u32::try_from(SECONDS).expect("small"), Reason::Syn, 1_000);
    let series = &overview(&lab, None, VICTIM).addresses[0].syn_series;
    assert_eq!(series, &vec![1_000; SECONDS]);
}

#[test]
fn one_address_closely() {
    let mut lab = Watched::with(config(""));
    lab.go_on(3, Reason::AddressRate, 400_000);
    let attacks = overview(&lab, None, "").attacks;
    let snapshots = lab.engine.snapshots();
    let view = view::address(&snapshots.borrow(), address(VICTIM), attacks.clone()).expect("protected");
    assert_eq!(view.line.address, address(VICTIM));
    assert_eq!(view.attacks, attacks);
    assert!(!view.safe.safe, "{:?}", view.safe);
    assert_eq!(view.reasons[0].reason, "address_rate");
    assert_eq!(view.stats.packets["address_rate"], 1_200_000);
    let refusal = view::address(&snapshots.borrow(), address("192.0.2.1"), Vec::new()).expect_err("not ours");
    assert_eq!(refusal.kind, Kind::NotFound);
    assert!(attacks.iter().all(|attack| view::suffers(attack, address(VICTIM))));
    assert!(!attacks.iter().any(|attack| view::suffers(attack, address(OTHER))));
}
