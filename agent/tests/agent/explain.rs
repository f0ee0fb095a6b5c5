//! The story of a packet, from the judge's answer and what is known besides; and the same over the control socket.

use std::sync::{Arc, Mutex};

use agent::{
    command::Command,
    control::{
        api::{ExplainRequest, ExplainView, ModeRequest, RungRequest, StageView},
        view::CONFIGURATION,
    },
    decide::Refusal,
    engine::Engine,
    explain::{Facts, Flag, Probe, Proto, probe, story},
    reasons::Stage,
    tables::{
        Explains, Explanation, LinkState, ListAction, ListHead, ListedBy, Mode, MonotonicNs, Result, Rung, TableError,
        XdpMode,
    },
};
use reqwest::Method;
use xdp_common::Reason;

use crate::{
    served::Served,
    support::{Bench, address, allow, block, later, noon, order},
};

/// A judge that says what it was told to.
#[derive(Debug, Default)]
pub(crate) struct Judge(pub(crate) Mutex<Vec<Explanation>>);

impl Explains for Judge {
    fn explain(&self, frame: &[u8]) -> Result<Vec<Explanation>> {
        assert!(frame.len() > 14, "a whole frame");
        let says = self.0.lock().expect("lock").clone();
        match says.is_empty() {
            true => Err(TableError::Kernel("nobody judges here".to_owned())),
            false => Ok(says),
        }
    }
}

/// A judge for tests that ask nothing of it.
pub(crate) fn nobody() -> Arc<dyn Explains> {
    Arc::new(Judge::default())
}

/// What a CPU says at noon that has just had a packet and knows nothing special.
pub(crate) fn says(reason: Reason) -> Explanation {
    Explanation {
        cpu: 0,
        reason,
        now: noon().mono,
        last_packet: noon().mono,
        listed: None,
        known: false,
        recorded: false,
        can_answer: true,
        source_syns: 3,
        source_used_until: None,
        address_used_until: None,
        known_used_until: None,
        group_used_until: None,
        dry_until: None,
        verify_until: None,
        group_verify_until: None,
    }
}

fn request(source: &str, destination: &str) -> ExplainRequest {
    ExplainRequest {
        source: address(source),
        destination: address(destination),
        proto: Proto::Tcp,
        port: None,
        source_port: None,
        flags: Vec::new(),
        interface: None,
    }
}

fn list_head() -> ListHead {
    ListHead {
        number: 3,
        name: "drop".to_owned(),
        action: ListAction::Block,
        until: None,
        read_at: 0,
        v4: 1,
        v6: 1,
    }
}

fn told(engine: &Engine, request: &ExplainRequest, said: &[Explanation]) -> std::result::Result<ExplainView, Refusal> {
    let snapshot = engine.snapshots().borrow().clone();
    let probe: Probe = probe::of(request, |address| snapshot.kernel.addresses.contains_key(&address))?;
    let facts = Facts {
        now: noon(),
        kernel: &snapshot.kernel,
        overrides: &snapshot.overrides,
        otherwise: CONFIGURATION,
        meter: Some(&snapshot.meter),
        lists: &[list_head()],
        links: &[LinkState {
            interface: "eth0".to_owned(),
            mode: XdpMode::Native,
            warning: None,
        }],
    };
    story(&probe, said, request.interface.as_deref(), &facts)
}

fn of(view: &ExplainView, stage: Stage) -> &StageView {
    view.stages
        .iter()
        .find(|view| view.stage == stage)
        .unwrap_or_else(|| panic!("no {stage:?}: {view:#?}"))
}

fn has_change(view: &ExplainView, what: &str) -> bool {
    view.changes.iter().any(|change| change.what == what)
}

#[test]
fn a_customer_who_gets_in_is_told_all_that_could_be_in_the_way() {
    let bench = Bench::default();
    let engine = bench.engine();
    let view = told(&engine, &request("192.0.2.9", "203.0.113.7"), &[says(Reason::Syn)]).expect("told");
    assert_eq!((view.action.as_str(), view.reason.as_str()), ("pass", "syn"));
    assert_eq!(view.packet, "192.0.2.9:50000 > 203.0.113.7:443 TCP SYN");
    assert_eq!(view.summary, "passes (syn)");
    let stages: Vec<Stage> = view.stages.iter().map(|stage| stage.stage).collect();
    assert_eq!(
        stages,
        [
            Stage::Lists,
            Stage::Destination,
            Stage::Blackhole,
            Stage::SynRates,
            Stage::Verify,
            Stage::End
        ]
    );
    assert_eq!(of(&view, Stage::Lists).says, ["192.0.2.9 is on no list"]);
    assert!(of(&view, Stage::End).decides);
    let rates = of(&view, Stage::SynRates).says.join("\n");
    assert!(rates.contains("about 3 SYNs in the last second"), "{rates}");
    assert!(of(&view, Stage::Verify).says[0].starts_with("rung limit"), "{view:?}");
    assert!(
        view.next_rung
            .as_deref()
            .is_some_and(|next| next.contains("SYN cookie")),
        "{view:?}"
    );
    assert!(has_change(&view, "agent block-ip 192.0.2.9 --ttl 30m"), "{view:?}");
    assert!(view.by_cpu.is_empty() && view.notes.is_empty());
}

#[test]
fn the_entry_that_decides_is_named_with_who_and_why_and_until_when() {
    let bench = Bench::default();
    let mut engine = bench.engine();
    let mut wish = block("198.51.100.0/24");
    wish.reason = Some("T4711".to_owned());
    order(&mut engine, Command::Block(wish), noon()).expect("blocked");
    let view = told(
        &engine,
        &request("198.51.100.9", "203.0.113.7"),
        &[says(Reason::Blocked)],
    )
    .expect("told");
    let says_of = &of(&view, Stage::Lists).says[0];
    for part in [
        "198.51.100.0/24 is blocked by uid=0 (root)",
        "2025-06-01",
        "(1h)",
        "T4711",
    ] {
        assert!(says_of.contains(part), "{part}: {says_of}");
    }
    assert_eq!(view.stages.len(), 1, "nothing behind it was asked");
    assert!(
        has_change(&view, "agent unblock-ip 198.51.100.0/24")
            && has_change(&view, "agent allow-ip 198.51.100.9 --ttl 1h")
    );
    order(&mut engine, Command::Allow(allow("198.51.100.9")), noon()).expect("allowed");
    let view = told(
        &engine,
        &request("198.51.100.9", "203.0.113.7"),
        &[says(Reason::Allowed)],
    )
    .expect("told");
    assert!(of(&view, Stage::Lists).says[0].starts_with("198.51.100.9 is allowed"));
    assert!(has_change(&view, "agent unallow-ip 198.51.100.9"));
    assert_eq!(view.next_rung, None, "no rung matters");
}

#[test]
fn a_large_list_is_named_with_its_prefix() {
    let bench = Bench::default();
    let engine = bench.engine();
    for (source, bits, prefix) in [
        ("198.18.5.9", 96 + 15, "198.18.0.0/15"),
        ("2001:db8:115:9::9", 48, "2001:db8:115::/48"),
    ] {
        let said = Explanation {
            listed: Some(ListedBy {
                number: 3,
                prefix_bits: bits,
                action: ListAction::Block,
            }),
            ..says(Reason::Blocked)
        };
        let ours = if source.contains(':') {
            "2001:db8:f::7"
        } else {
            "203.0.113.7"
        };
        let view = told(&engine, &request(source, ours), &[said]).expect("told");
        let says_of = &of(&view, Stage::Lists).says[0];
        assert!(
            says_of.contains(&format!("{prefix} is blocked by the large list drop")),
            "{says_of}"
        );
    }
}

#[test]
fn what_is_not_ours_is_told_what_is_near() {
    let bench = Bench::default();
    let engine = bench.engine();
    let view = told(&engine, &request("192.0.2.9", "203.0.113.99"), &[says(Reason::NotOurs)]).expect("told");
    let says_of = of(&view, Stage::Destination).says.join("\n");
    assert!(says_of.contains("203.0.113.99 is not a protected address"), "{says_of}");
    assert!(
        says_of.contains("2 addresses of 203.0.113.0/24 are protected"),
        "{says_of}"
    );
    assert!(view.changes[0].what.contains("`protect`"), "{view:?}");
}

#[test]
fn a_blackhole_and_a_rung_say_who_put_them_there() {
    let bench = Bench::default();
    let mut engine = bench.engine();
    order(&mut engine, Command::Block(block("203.0.113.7")), noon()).expect("blackholed");
    let view = told(
        &engine,
        &request("192.0.2.9", "203.0.113.7"),
        &[says(Reason::Blackhole)],
    )
    .expect("told");
    assert!(
        of(&view, Stage::Blackhole).says[0].starts_with("blackholed by uid=0 (root)"),
        "{view:?}"
    );
    assert!(has_change(&view, "agent unblock-ip 203.0.113.7") && has_change(&view, "agent safe 203.0.113.7"));
    let wish = RungRequest {
        target: "203.0.113.8".to_owned(),
        rung: Some(Rung::Verify),
        ttl: None,
        reason: Some("T4712".to_owned()),
        force: false,
        ..RungRequest::default()
    };
    order(&mut engine, Command::SetRung(wish), noon()).expect("forced");
    let view = told(
        &engine,
        &request("192.0.2.9", "203.0.113.8"),
        &[says(Reason::ReplyCookie)],
    )
    .expect("told");
    assert_eq!(view.summary, "is answered by Levee (cookie)");
    let says_of = of(&view, Stage::Verify).says.join("\n");
    assert!(
        says_of.contains("rung verify, by uid=0 (root)") && says_of.contains("T4712"),
        "{says_of}"
    );
    assert!(says_of.contains("192.0.2.9 is not known"), "{says_of}");
    assert!(
        view.next_rung
            .is_some_and(|next| next.starts_with("known: it would be dropped"))
    );
    let known = Explanation {
        known: true,
        ..says(Reason::Known)
    };
    let view = told(&engine, &request("192.0.2.9", "203.0.113.8"), &[known]).expect("told");
    assert!(
        of(&view, Stage::Verify).says.join("\n").contains("it is known"),
        "{view:?}"
    );
}

#[test]
fn a_used_up_bucket_is_told_as_such() {
    let bench = Bench::default();
    let engine = bench.engine();
    let limit = engine.config().source_limit;
    let half = u64::from(limit.syn_burst.events()) * 1_000_000_000 / u64::from(limit.syn_rate.per_second()) / 2;
    let said = Explanation {
        recorded: true,
        source_used_until: Some(MonotonicNs(noon().mono.0 + half)),
        verify_until: Some(later(noon(), 30).mono),
        ..says(Reason::SourceRate)
    };
    let view = told(&engine, &request("192.0.2.9", "203.0.113.7"), &[said]).expect("told");
    let says_of = of(&view, Stage::SynRates).says.join("\n");
    assert!(
        says_of.contains("it was heavy lately; 50 % of its burst is used up"),
        "{says_of}"
    );
    let says_of = of(&view, Stage::Verify).says.join("\n");
    assert!(
        says_of.contains("rung verify, because the address was over its rate, until"),
        "{says_of}"
    );
    assert!(has_change(&view, "agent threshold set source --syn-rate N"));
}

#[test]
fn cpus_that_differ_are_told_and_the_busy_ones_speak() {
    let bench = Bench::default();
    let engine = bench.engine();
    let idle = Explanation {
        cpu: 1,
        last_packet: MonotonicNs(0),
        ..says(Reason::Syn)
    };
    let other_idle = Explanation { cpu: 2, ..idle };
    let said = [says(Reason::AddressRate), idle, other_idle];
    let view = told(&engine, &request("192.0.2.9", "203.0.113.7"), &said).expect("told");
    assert_eq!(
        view.reason, "address_rate",
        "two CPUs without packets do not outvote the one that has them"
    );
    assert_eq!(view.by_cpu.len(), 3);
    assert!(
        view.notes[0].starts_with("2 of 3 CPUs say otherwise (CPU 1: syn)"),
        "{view:?}"
    );
    assert!(
        told(&engine, &request("192.0.2.9", "203.0.113.7"), &[]).is_err(),
        "nobody could be asked"
    );
}

#[test]
fn monitor_mode_and_other_interfaces() {
    let bench = Bench::default();
    let mut engine = bench.engine();
    let wish = ModeRequest {
        mode: Some(Mode::Monitor),
        ttl: None,
        reason: None,
        ..ModeRequest::default()
    };
    order(&mut engine, Command::SetMode(wish), noon()).expect("set");
    let mut question = request("192.0.2.9", "203.0.113.7");
    let view = told(&engine, &question, &[says(Reason::AddressRate)]).expect("told");
    assert_eq!(
        view.summary,
        "passes, and is counted as dropped (address_rate): the mode is monitor"
    );
    assert!(
        !view.carried_out && has_change(&view, "agent mode set enforce"),
        "{view:?}"
    );
    question.interface = Some("eth1".to_owned());
    let refused = told(&engine, &question, &[says(Reason::Syn)]).expect_err("no program there");
    assert!(refused.error.contains("passes unseen") && refused.hint.is_some_and(|hint| hint.contains("eth0")));
    question.interface = Some("eth0".to_owned());
    assert!(told(&engine, &question, &[says(Reason::Syn)]).is_ok());
}

#[test]
fn every_reason_has_a_story() {
    let bench = Bench::default();
    let engine = bench.engine();
    for reason in Reason::ALL {
        for (proto, flags) in [
            (Proto::Tcp, &[][..]),
            (Proto::Tcp, &[Flag::Ack]),
            (Proto::Udp, &[]),
            (Proto::Icmp, &[]),
        ] {
            let question = ExplainRequest {
                proto,
                flags: flags.to_vec(),
                ..request("192.0.2.9", "203.0.113.7")
            };
            let view = told(&engine, &question, &[says(*reason)]).expect("told");
            assert_eq!(
                view.stages.iter().filter(|stage| stage.decides).count(),
                1,
                "{reason:?}: {view:#?}"
            );
            assert!(view.stages.iter().all(|stage| !stage.says.is_empty()), "{reason:?}");
            assert!(!view.summary.is_empty() && !view.changes.is_empty(), "{reason:?}");
        }
    }
}

#[tokio::test]
async fn packets_are_explained_over_the_socket_and_impossible_ones_refused() {
    let served = Served::new().await;
    let question = r#"{"source": "192.0.2.9", "destination": "203.0.113.7", "proto": "udp", "source_port": 53}"#;
    let (status, text) = served.http(Method::POST, "/v1/explain", question).await;
    assert_eq!(status, 500, "nobody judges yet: {text}");
    served.judge.0.lock().expect("lock").push(says(Reason::AmplifiedDns));
    let (status, text) = served.http(Method::POST, "/v1/explain", question).await;
    let view: ExplainView = serde_json::from_str(&text).unwrap_or_else(|error| panic!("{status} {error}: {text}"));
    assert_eq!((view.reason.as_str(), view.action.as_str()), ("amplified_dns", "drop"));
    assert_eq!(view.packet, "192.0.2.9:53 > 203.0.113.7:443 UDP");
    for (refused, part) in [
        (
            r#"{"source": "2001:db8::9", "destination": "203.0.113.7"}"#,
            "one family",
        ),
        (
            r#"{"source": "203.0.113.8", "destination": "203.0.113.7"}"#,
            "one of our own addresses",
        ),
        (
            r#"{"source": "192.0.2.9", "destination": "203.0.113.7", "proto": "gre"}"#,
            "gre",
        ),
        (
            r#"{"source": "192.0.2.9", "destination": "203.0.113.7", "port": 0}"#,
            "--port 0",
        ),
        (
            r#"{"source": "192.0.2.9", "destination": "203.0.113.7", "prot": 0}"#,
            "prot",
        ),
    ] {
        let (status, text) = served.http(Method::POST, "/v1/explain", refused).await;
        assert!(status == 400 && text.contains(part), "{status}: {text}");
    }
}
