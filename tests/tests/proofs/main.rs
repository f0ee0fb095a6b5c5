//! What SYNs to an address in verify meet, and what is sent back: each step through the loaded program, in a namespace
//! with real listeners, and through the host build of the pure modules. Every answer's checksums are checked.
#![expect(clippy::unwrap_used, reason = "a test that cannot go on stops there, and says where")]

mod world;

use std::{
    net::{IpAddr, SocketAddr, TcpListener, TcpStream},
    thread,
    time::Duration,
};

use agent::{
    ladder::Syncookies,
    tables::{KernelTables as _, Mode},
};
use lab::{
    answers::headers,
    expect,
    packet::{Packet, extension, flag},
};
use xdp_common::{Action, Reason, listener, retry::WINDOW_NS};
use xdp_ebpf::Connection;

use world::*;

#[test]
fn syns_are_answered_with_cookies() {
    in_namespace(|mut sides| {
        sides.host_listens(listener::state::COOKIES);
        for (client, address) in families(COOKIE) {
            sides.kernel_learns(address);
            let frame = |transport| Packet::new(client, address, transport).bytes();
            for (what, options, data, reason) in [
                ("Linux", LINUX, 0, Reason::ReplyCookie),
                ("the longest options", LONGEST, 0, Reason::ReplyCookie),
                ("Windows", WINDOWS, 0, Reason::ReplyCookiePlain),
                ("no options", &[], 0, Reason::ReplyCookiePlain),
                ("data", LINUX, 100, Reason::ReplyCookieData),
                ("Fast Open", FAST_OPEN, 0, Reason::ReplyCookieData),
                ("lying options", LYING, 0, Reason::ReplyCookieMalformed),
                ("MD5", MD5, 0, Reason::SynKernel),
            ] {
                let answers = sides.expect(what, &frame(segment(flag::SYN, ISN, 0, options, data)), reason);
                if reason.action() == Action::Reply {
                    answers
                        .iter()
                        .for_each(|answer| assert_syn_ack(what, answer, options.len() >= LINUX.len()));
                }
            }
            let tagged = Packet::new(client, address, syn(LINUX)).vlan(&[0x8100]).bytes();
            sides.expect("VLAN", &tagged, Reason::ReplyCookie);
        }
        let options = Packet::new(CLIENTS[0], COOKIE[0], syn(LINUX)).ip_options(40).bytes();
        sides.expect("IPv4 options", &options, Reason::ReplyCookie);
        let extended = Packet::new(CLIENTS[1], COOKIE[1], syn(LINUX)).extension(extension::DESTINATION, 16);
        sides.expect("an extension header", &extended.bytes(), Reason::ReplyCookie);
    });
}

/// A SYN-ACK of ours, with the facts of [`Sides::kernel_learns`].
fn assert_syn_ack(what: &str, answer: &[u8], timestamps: bool) {
    use etherparse::TcpOptionElement as Option;
    let (_, tcp) = headers(answer);
    assert!(tcp.syn && tcp.ack && !tcp.rst && !tcp.fin && !tcp.psh, "{what}");
    assert_eq!(tcp.acknowledgment_number, ISN.wrapping_add(1), "{what}");
    assert_eq!(tcp.window_size, 64_240, "{what}");
    let options: Vec<_> = tcp.options_iterator().map(|option| option.unwrap()).collect();
    assert_eq!(options[0], Option::MaximumSegmentSize(1_400), "{what}");
    if timestamps {
        assert_eq!(options[1], Option::SelectiveAcknowledgementPermitted, "{what}");
        assert!(
            matches!(options[2], Option::Timestamp(_, 0x0102_0304)),
            "{what}: {:?}",
            options[2]
        );
        assert!(options.contains(&Option::WindowScale(7)), "{what}");
        let Option::Timestamp(value, _) = options[2] else {
            unreachable!()
        };
        // The client's scale of 7, SACK, no ECN, as `cookie_init_timestamp` lays them out.
        assert_eq!(value & 0x3f, 0x17, "{what}: what the kernel finds again in the echo");
    } else {
        assert_eq!(options.len(), 1, "{what}: without timestamps nothing else survives");
    }
}

#[test]
fn the_kernel_takes_its_cookie_back_and_nothing_else() {
    in_namespace(|mut sides| {
        sides.host_listens(listener::state::COOKIES);
        for (client, address) in families(COOKIE) {
            let frame = |transport| Packet::new(client, address, transport).bytes();
            let [answer, _] = sides.expect("SYN", &frame(syn(WINDOWS)), Reason::ReplyCookiePlain);
            let cookie = headers(&answer).1.sequence_number;
            let ack = |port, sequence: u32, acknowledgement: u32| {
                frame(from_port(port, OPEN, flag::ACK, sequence, acknowledgement, &[], 0))
            };
            sides.host.connection.set(Connection::Cookie);
            sides.expect(
                "the acknowledgement",
                &ack(40_000, ISN + 1, cookie.wrapping_add(1)),
                Reason::CookieAck,
            );
            sides.host.connection.set(Connection::None);
            for (what, forged) in [
                ("another cookie", ack(40_000, ISN + 1, cookie.wrapping_add(1_000))),
                ("from another port", ack(40_001, ISN + 1, cookie.wrapping_add(1))),
                (
                    "with another sequence number",
                    ack(40_000, ISN + 100, cookie.wrapping_add(1)),
                ),
                ("none at all", ack(40_000, ISN + 1, 0)),
                (
                    "to a port where nobody listens",
                    frame(from_port(1, CLOSED, flag::ACK, 1, 1, &[], 0)),
                ),
                ("a reset", frame(segment(flag::RST, ISN + 1, 0, &[], 0))),
                ("a SYN-ACK", frame(segment(flag::SYN | flag::ACK, 9, 9, &[], 0))),
                ("data", frame(segment(flag::ACK | flag::PSH, 9, 9, &[], 1_000))),
                ("a FIN", frame(segment(flag::ACK | flag::FIN, 9, 9, &[], 0))),
            ] {
                sides.expect(what, &forged, Reason::Guard);
            }
        }
    });
}

#[test]
fn connections_pass_the_guard() {
    in_namespace(|mut sides| {
        for (client, address) in families(COOKIE) {
            let (client, address) = (client.parse::<IpAddr>().unwrap(), address.parse::<IpAddr>().unwrap());
            let stream = connect_from(client, SocketAddr::new(address, OPEN));
            let port = stream.local_addr().unwrap().port();
            let packet = Packet::new(
                &client.to_string(),
                &address.to_string(),
                from_port(port, OPEN, flag::ACK, 7, 7, &[], 10),
            );
            sides.host.connection.set(Connection::Exists);
            sides.expect("data of a connection", &packet.bytes(), Reason::Tcp);
            let again = Packet::new(
                &client.to_string(),
                &address.to_string(),
                from_port(port, OPEN, flag::SYN, 7, 0, LINUX, 0),
            );
            sides.host_listens(listener::state::KERNEL);
            sides.expect("a SYN from the same port", &again.bytes(), Reason::SynKernel);
            drop(stream);
        }
    });
}

#[test]
fn what_no_listener_would_answer_is_not_answered() {
    in_namespace(|mut sides| {
        let full = TcpListener::bind(("::", FULL)).unwrap();
        // A backlog of none takes one connection, which nobody accepts.
        nix::sys::socket::listen(&full, nix::sys::socket::Backlog::new(0).unwrap()).unwrap();
        let _waiting = TcpStream::connect((COOKIE[0], FULL)).unwrap();
        for (client, address) in families(COOKIE) {
            let frame =
                |port| Packet::new(client, address, from_port(40_000, port, flag::SYN, ISN, 0, LINUX, 0)).bytes();
            sides.host_listens(listener::state::NONE);
            sides.expect("nobody listens", &frame(CLOSED), Reason::NoListener);
            sides.host_listens(listener::state::FULL);
            sides.expect("nobody accepts", &frame(FULL), Reason::AcceptFull);
        }
        for (value, syncookies) in [("0", Syncookies::Never), ("1", Syncookies::WhenFull)] {
            sysctl("tcp_syncookies", value);
            sides.set(Mode::Enforce, syncookies, None);
            thread::sleep(Duration::from_millis(60));
            sides.host_listens(listener::state::KERNEL);
            for (client, address) in families(COOKIE) {
                let frame = Packet::new(client, address, syn(LINUX)).bytes();
                sides.expect("the kernel has no cookie to give", &frame, Reason::SynKernel);
            }
        }
    });
}

#[test]
fn challenges_are_answered_by_resets() {
    in_namespace(|mut sides| {
        for (client, address) in families(CHALLENGE) {
            let frame = |transport| Packet::new(client, address, transport).bytes();
            let from = |port, flags, sequence| frame(from_port(port, OPEN, flags, sequence, 0, &[], 0));
            let answers = sides.expect("SYN", &frame(syn(LINUX)), Reason::ReplyChallenge);
            let numbers = answers.each_ref().map(|answer| headers(answer).1.acknowledgment_number);
            for number in numbers {
                let below = ISN.wrapping_sub(number);
                assert!((1..=0x1_0000).contains(&below), "{below} below the client's number");
            }
            for (what, reset) in [
                (
                    "a reset with another number",
                    numbers.map(|number| from(40_000, flag::RST, number ^ 1)),
                ),
                (
                    "from another port",
                    numbers.map(|number| from(40_001, flag::RST, number)),
                ),
                (
                    "with ACK",
                    numbers.map(|number| from(40_000, flag::RST | flag::ACK, number)),
                ),
            ] {
                sides.expect_each(what, &reset, Reason::Tcp);
            }
            sides.expect_each(
                "an acknowledgement",
                &numbers.map(|number| from(40_000, flag::ACK, number)),
                Reason::Tcp,
            );
            sides.expect("still unknown", &from(40_002, flag::SYN, 9), Reason::ReplyChallenge);
            let reset = numbers.map(|number| from(40_000, flag::RST, number));
            sides.expect_each("the reset", &reset, Reason::ChallengePassed);
            sides.expect("known now", &frame(syn(LINUX)), Reason::Known);
            sides.expect("from any port", &from(41_000, flag::SYN, 77), Reason::Known);
        }
    });
}

impl Sides {
    /// As [`Self::expect`], with a frame for each side: what their cookies are made of differs.
    fn expect_each(&mut self, what: &str, [kernel, host]: &[Vec<u8>; 2], reason: Reason) {
        assert_eq!(self.in_kernel(kernel).0, reason, "{what}, in the kernel");
        assert_eq!(self.host.reply(host).0.reason, reason, "{what}, on the host");
    }
}

#[test]
fn beyond_the_budget_only_retransmissions_are_answered() {
    in_namespace(|mut sides| {
        sides.host_listens(listener::state::COOKIES);
        sides.set(Mode::Enforce, Syncookies::Always, Some(1));
        sides.host.answers.set((0, u64::MAX));
        for ((client, cookie), challenge) in families(COOKIE).zip(CHALLENGE) {
            sides.kernel_learns(cookie);
            let frames = [
                Packet::new(client, cookie, syn(LINUX)).bytes(),
                Packet::new(client, challenge, syn(LINUX)).bytes(),
            ];
            // What was saved up before is spent first, at the price that holds from the next jiffy on.
            thread::sleep(Duration::from_millis(20));
            let other = Packet::new(client, cookie, segment(flag::SYN, 1, 0, LINUX, 0)).bytes();
            for _ in 0..4 {
                sides.in_kernel(&other);
            }
            for frame in &frames {
                sides.expect("the first", frame, Reason::Retry);
                sides.expect("at once again", frame, Reason::Retry);
            }
            thread::sleep(Duration::from_millis(1_020));
            sides
                .host
                .now_ns
                .set(sides.host.now_ns.get() + 2 * WINDOW_NS + 20_000_000);
            let again = Packet::new(client, cookie, segment(flag::SYN, ISN + 1, 0, LINUX, 0)).bytes();
            sides.expect("another number is no retransmission", &again, Reason::Retry);
            sides.set(Mode::Enforce, Syncookies::Always, Some(1_000));
            sides.expect_at_last("the retransmission", &frames[0], Reason::ReplyCookie);
            sides.expect_at_last("the retransmission, forwarded", &frames[1], Reason::Retransmitted);
            sides.set(Mode::Enforce, Syncookies::Always, Some(1));
        }
    });
}

#[test]
fn known_sources_pass_within_their_rates() {
    in_namespace(|mut sides| {
        sides.host_listens(listener::state::COOKIES);
        for (client, address) in families(KNOWN) {
            let frame = Packet::new(client, address, syn(LINUX)).bytes();
            sides.expect("unknown", &frame, Reason::NotKnown);
            let client: IpAddr = client.parse().unwrap();
            let now = agent::clock::Now::read().mono;
            assert_eq!(sides.kernel.kernel.remember(&[client], now).unwrap(), 1);
            sides.host.make_known(client.into());
            sides.expect("known", &frame, Reason::Known);
        }
        for (client, address) in families(DROP) {
            let other = client.replace(":2::7", ":3::7").replace("113.7", "113.8");
            let frame = Packet::new(&other, address, syn(LINUX)).bytes();
            sides.expect("no method", &frame, Reason::AddressRate);
        }
    });
}

/// SYNs that only the kernel can answer reach it, but no more of them than the address takes.
#[test]
fn signed_syns_are_no_way_around() {
    in_namespace(|mut sides| {
        sides.host_listens(listener::state::COOKIES);
        for (client, address) in families(SMALL) {
            let mut to_kernel = [0; 2];
            for sequence in 0..100 {
                let frame = Packet::new(client, address, segment(flag::SYN, sequence, 0, MD5, 0)).bytes();
                for (count, reason) in to_kernel
                    .iter_mut()
                    .zip([sides.in_kernel(&frame).0, sides.host.reply(&frame).0.reason])
                {
                    match reason {
                        Reason::SynKernel => *count += 1,
                        other => assert_eq!(other, Reason::Retry),
                    }
                }
            }
            // The kernel's clock runs on meanwhile, the host's stands still.
            assert!((10..=20).contains(&to_kernel[0]), "{to_kernel:?}");
            assert_eq!(to_kernel[1], 10);
        }
    });
}

#[test]
fn a_frame_to_a_group_is_not_answered() {
    in_namespace(|mut sides| {
        sides.host_listens(listener::state::COOKIES);
        for (client, address) in families(COOKIE) {
            let mut frame = Packet::new(client, address, syn(LINUX)).bytes();
            frame[0] |= 1;
            sides.expect("to a group", &frame, Reason::SynKernel);
        }
    });
}

#[test]
fn monitor_mode_sends_nothing() {
    in_namespace(|mut sides| {
        sides.set(Mode::Monitor, Syncookies::Always, None);
        for address in [COOKIE[0], CHALLENGE[0]] {
            let frame = Packet::new(CLIENTS[0], address, syn(LINUX)).bytes();
            let (run, moved) = sides.kernel.frame(&frame).unwrap();
            assert_eq!(run.action, Action::Pass);
            assert_eq!(run.frame, frame, "the SYN goes on as it came");
            let [(_, reason, 1)] = expect::moved(&moved)[..] else {
                panic!("{moved:?}")
            };
            assert_eq!(
                reason.action(),
                Action::Reply,
                "counted as what it would be: {reason:?}"
            );
        }
    });
}
