//! The filter of a packet socket, in classic BPF (Documentation/networking/filter.rst of the kernel): only frames that come in and
//! go to one address. Offsets are from the network header, where the kernel has put an outer VLAN tag aside already; an
//! inner one is looked behind.

use std::net::IpAddr;

use socket2::SockFilter;

const LOAD_WORD: u16 = 0x20;
const LOAD_HALF: u16 = 0x28;
const JUMP_IF_EQUAL: u16 = 0x15;
const RETURN: u16 = 0x06;

/// `SKF_AD_OFF + SKF_AD_PROTOCOL`: the protocol of the frame without its outer tag.
const PROTOCOL: u32 = (-0x1000_i32).cast_unsigned();
/// `SKF_AD_OFF + SKF_AD_PKTTYPE`: whose frame it is.
const PACKET_TYPE: u32 = PROTOCOL + 4;
/// `PACKET_OUTGOING`.
const OUTGOING: u32 = 4;
/// `SKF_NET_OFF`: the network header.
const NETWORK: u32 = (-0x10_0000_i32).cast_unsigned();
/// Behind an inner VLAN tag.
const TAG: u32 = 4;
/// EtherType in an inner VLAN tag.
const TAGGED_PROTOCOL: u32 = NETWORK + 2;
const VLAN: u32 = 0x8100;
const SERVICE_VLAN: u32 = 0x88a8;
/// The whole frame: what is kept of it is decided when it is read.
const WHOLE: u32 = 0x4_0000;

/// One step: a comparison that goes on if it holds, or a load.
type Step = (u16, u32);

/// Frames that come in and go to an address.
pub(super) fn to(address: IpAddr) -> Vec<SockFilter> {
    // The words of the address, by their offset in the IP header.
    let (protocol, words): (u32, Vec<(u32, u32)>) = match address {
        IpAddr::V4(v4) => (0x0800, vec![(16, u32::from(v4))]),
        IpAddr::V6(v6) => {
            let octets = v6.octets();
            let words = octets.chunks_exact(4).zip((24..).step_by(4));
            let word = |bytes: &[u8]| bytes.iter().fold(0, |word, byte| word << 8 | u32::from(*byte));
            (0x86dd, words.map(|(bytes, at)| (at, word(bytes))).collect())
        }
    };
    let compare = |behind: u32| {
        let each = words
            .iter()
            .map(move |&(at, word)| [(LOAD_WORD, NETWORK + behind + at), (JUMP_IF_EQUAL, word)]);
        each.flatten().collect::<Vec<Step>>()
    };
    let (plain, tagged) = (compare(0), compare(TAG));
    // plain: the comparison and "accept"; tagged: its protocol, the comparison and "accept"; then "drop".
    let (plain_len, tagged_len) = (plain.len() + 1, tagged.len() + 3);
    let short = |length: usize| u8::try_from(length).unwrap_or(u8::MAX);
    let mut program = vec![
        SockFilter::new(LOAD_HALF, 0, 0, PACKET_TYPE),
        SockFilter::new(JUMP_IF_EQUAL, short(4 + plain_len + tagged_len), 0, OUTGOING),
        SockFilter::new(LOAD_HALF, 0, 0, PROTOCOL),
        SockFilter::new(JUMP_IF_EQUAL, 2, 0, protocol),
        SockFilter::new(JUMP_IF_EQUAL, short(1 + plain_len), 0, VLAN),
        SockFilter::new(
            JUMP_IF_EQUAL,
            short(plain_len),
            short(plain_len + tagged_len),
            SERVICE_VLAN,
        ),
    ];
    append(&mut program, &plain, tagged_len);
    append(
        &mut program,
        &[&[(LOAD_HALF, TAGGED_PROTOCOL), (JUMP_IF_EQUAL, protocol)], &tagged[..]].concat(),
        0,
    );
    program.push(SockFilter::new(RETURN, 0, 0, 0));
    program
}

/// No frame at all.
pub(super) fn nothing() -> Vec<SockFilter> {
    vec![SockFilter::new(RETURN, 0, 0, 0)]
}

/// Steps, then "accept"; a comparison that does not hold goes to what is `behind` that.
fn append(program: &mut Vec<SockFilter>, steps: &[Step], behind: usize) {
    for (index, &(code, value)) in steps.iter().enumerate() {
        let to_the_end = steps.len() - index + behind;
        let otherwise = if code == JUMP_IF_EQUAL {
            u8::try_from(to_the_end).unwrap_or(u8::MAX)
        } else {
            0
        };
        program.push(SockFilter::new(code, 0, otherwise, value));
    }
    program.push(SockFilter::new(RETURN, 0, 0, WHOLE));
}
