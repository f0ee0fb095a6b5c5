//! SYNs to an address in verify, of every shape: what is sent back is sound, and what a client answers to it is taken back.

use std::net::SocketAddr;

use xdp_common::{
    Action, Address, AddressPolicy, Method, Reason, Rung,
    listener::{ListenerFacts, state},
    rate,
};
use xdp_ebpf::Listener;

use crate::{
    answers::assert_answers,
    host_tables::HostTables,
    packet::flag,
    random_packet::Random,
    segment::{CWR, ECE, Segment},
};

/// Numbers among which a challenge's answer is found.
const BLOCK: u32 = 1 << 15;

pub(super) fn run(data: &[u8]) {
    let mut random = Random::of_bytes(data);
    let method = *random.one(&[Method::Cookie, Method::Challenge]);
    let syn = syn(&mut random);
    let host = host(&mut random, syn.destination, method);
    let frame = syn.frame();
    let (judgement, back) = host.reply(&frame);
    if judgement.reason.action() != Action::Reply {
        assert_eq!(back, frame, "what is not answered is not changed");
        return;
    }
    assert_answers("answer", &frame, &back);
    let answer = Segment::read(&back).expect("a segment");
    assert!(answer.payload.is_empty(), "no data");
    match judgement.reason {
        Reason::ReplyChallenge => challenge(&host, &syn, &answer, &mut random),
        _ => cookie(&host, &syn, &answer),
    }
}

fn syn(random: &mut Random) -> Segment {
    let pairs = [
        ("203.0.113.7:4000", "198.51.100.10:443"),
        ("[2001:db8:2::7]:4000", "[2001:db8:1::10]:443"),
    ];
    let (source, destination) = *random.one(&pairs);
    let address = |text: &str| -> SocketAddr { text.parse().expect("an address") };
    let options = random.below(41);
    Segment {
        sequence: random.bits() as u32,
        flags: flag::SYN | *random.one(&[0, ECE | CWR, ECE, CWR]),
        options: (0..options).map(|_| random.below(256) as u8).collect(),
        payload: vec![0x55; *random.one(&[0, 0, 1, 60])],
        ip_options: *random.one(&[0, 0, 8, 40]),
        vlans: random.one::<&[u16]>(&[&[], &[], &[100], &[200, 100]]).to_vec(),
        ..Segment::syn(address(source), address(destination))
    }
}

fn host(random: &mut Random, destination: SocketAddr, method: Method) -> HostTables {
    let mut host = HostTables::default();
    let limit = rate::Limit::new(100_000, 100_000);
    host.settings.source_syn = limit;
    host.settings.known_ticks = 100;
    let policy = AddressPolicy {
        syn: limit,
        calm: limit,
        rung_until_ns: u64::MAX,
        slot: 1,
        rung: Rung::Verify as u8,
        method: method as u8,
        local: u8::from(method == Method::Cookie),
        ..AddressPolicy::default()
    };
    host.policies.insert(Address::from(destination.ip()), policy);
    host.listener.set(Listener {
        state: *random.one(&[state::COOKIES, state::COOKIES, state::KERNEL, state::FULL, state::NONE]),
        facts: ListenerFacts {
            window: random.bits() as u16,
            mss: *random.one(&[0, 536, 1_400]),
            window_scale: random.below(15) as u8,
            options: random.below(16) as u8,
            learned: 1,
            reserved: 0,
        },
    });
    host.now_ns.set(host.now_ns.get() + random.bits() % (1 << 50));
    host
}

/// What this host's kernel reads back from it (`cookie_timestamp_decode` in its net/ipv4/syncookies.c).
fn cookie(host: &HostTables, syn: &Segment, answer: &Segment) {
    assert_eq!(answer.acknowledgement, syn.sequence.wrapping_add(1));
    assert_eq!(answer.flags & !ECE, flag::SYN | flag::ACK);
    assert!(answer.option(2).is_some(), "an MSS");
    let Some(timestamp) = answer.option(8) else {
        assert_eq!(answer.flags & ECE, 0, "without timestamps nothing keeps ECN");
        assert!(
            answer.option(3).is_none() && answer.option(4).is_none(),
            "nor anything else"
        );
        return;
    };
    let number = |bytes: &[u8]| u32::from_be_bytes([bytes[0], bytes[1], bytes[2], bytes[3]]);
    let now_ms = (host.now_ns.get() / 1_000_000) as u32;
    let kept = number(timestamp);
    assert!(
        now_ms.wrapping_sub(kept) < 2 << 6,
        "a timestamp of just now: {kept} at {now_ms}"
    );
    let scale = (kept & 0xf != 0xf).then_some(kept as u8 & 0xf);
    let offered = |kind| Segment::option(syn, kind);
    if let Some(scale) = scale {
        assert!(scale <= 14 && offered(3).is_some(), "a scale that was offered");
    }
    assert_eq!(answer.option(3).is_some(), scale.is_some(), "said is what is kept");
    assert_eq!(answer.option(4).is_some(), kept & 1 << 4 != 0, "SACK");
    assert_eq!(answer.flags & ECE != 0, kept & 1 << 5 != 0, "ECN");
    assert!(
        answer.flags & ECE == 0 || syn.flags & (ECE | CWR) == ECE | CWR,
        "ECN was asked for"
    );
}

fn challenge(host: &HostTables, syn: &Segment, answer: &Segment, random: &mut Random) {
    assert_eq!(answer.flags, flag::SYN | flag::ACK);
    let below = syn.sequence.wrapping_sub(answer.acknowledgement);
    assert!(
        (1..=2 * BLOCK).contains(&below),
        "just below the client's own number, by {below}"
    );
    let reset = answer.reset();
    let changed = Segment {
        sequence: reset.sequence ^ (1 + random.below(BLOCK as usize - 1) as u32),
        ..reset.clone()
    };
    assert_ne!(
        host.examine(&changed.frame()).reason,
        Reason::ChallengePassed,
        "a changed number"
    );
    let acknowledges = Segment {
        flags: flag::RST | flag::ACK,
        ..reset.clone()
    };
    assert_ne!(
        host.examine(&acknowledges.frame()).reason,
        Reason::ChallengePassed,
        "another segment"
    );
    let again = host.examine(&syn.frame()).reason;
    assert_ne!(again, Reason::Known, "nothing was proved yet");
    assert_eq!(host.examine(&reset.frame()).reason, Reason::ChallengePassed);
    assert_eq!(
        host.examine(&syn.frame()).reason,
        Reason::Known,
        "its source has proved itself"
    );
}
