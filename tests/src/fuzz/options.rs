//! TCP options: the reader for the layout that Linux sends, the careful one, and a naive one.

use xdp_ebpf::{
    cursor::Buffer,
    parse,
    reply::options::{self, NO_SCALE, Options, offers},
};

use crate::packet::{Packet, Transport, flag};

pub(super) fn run(data: &[u8]) {
    let mut options = data[..data.len().min(options::LEN_MAX)].to_vec();
    options.resize(options.len().next_multiple_of(4), 0);
    let mut segment = vec![0; 20];
    segment[12] = ((20 + options.len()) as u8 / 4) << 4;
    segment[13] = flag::SYN;
    segment.extend(&options);
    let bytes = Packet::new("203.0.113.7", "198.51.100.10", Transport::Raw(6, segment)).bytes();
    let mut buffer = Buffer {
        bytes: [0xee; 2_048],
        len: bytes.len(),
    };
    buffer.bytes[..bytes.len()].copy_from_slice(&bytes);
    let frame = &mut buffer;
    let packet = parse(&frame).expect("a sound SYN");
    assert_eq!(packet.fault, None);

    let read = options::of(&frame, &packet);
    assert_eq!(read, naive(&options), "{options:02x?}");
    assert_eq!(Options::from_word(read.to_word()), read, "it travels in a word");
    let mut padded = [0xee; 64];
    padded[..options.len()].copy_from_slice(&options);
    assert_eq!(
        options::read(&padded, options.len(), |word| word),
        read,
        "with and without the short way"
    );
    assert!(
        read.window_scale <= 14 || read.window_scale == NO_SCALE,
        "RFC 7323, section 2.3"
    );
}

/// `tcp_parse_options` of the kernel, as one would write it down.
fn naive(mut left: &[u8]) -> Options {
    let mut found = Options::NONE;
    loop {
        left = match left {
            [] | [0, ..] => return found,
            [1, rest @ ..] => rest,
            [kind, len, ..] if (2..=left.len()).contains(&usize::from(*len)) => {
                let (option, rest) = left.split_at(usize::from(*len));
                one(&mut found, *kind, &option[2..]);
                rest
            }
            _ => {
                found.offers |= offers::MALFORMED;
                return found;
            }
        };
    }
}

fn one(found: &mut Options, kind: u8, value: &[u8]) {
    match (kind, value) {
        (2, [high, low]) if [*high, *low] != [0, 0] => found.mss = u16::from_be_bytes([*high, *low]),
        (3, [scale]) => found.window_scale = (*scale).min(14),
        (4, []) => found.offers |= offers::SACK,
        (8, [a, b, c, d, _, _, _, _]) => {
            found.offers |= offers::TIMESTAMPS;
            found.timestamp = u32::from_ne_bytes([*a, *b, *c, *d]);
        }
        (19 | 29, _) => found.offers |= offers::SIGNED,
        (34, _) => found.offers |= offers::FAST_OPEN,
        _ => {}
    }
}
