//! The generator's orders (`Plan`, one per address family) and its report (`Progress`, one per CPU).

/// Bytes of the longest frame: Ethernet, two VLAN tags, IPv6, and 40 bytes of TCP or UDP. Rounded up to a whole word.
pub const TEMPLATE_LEN: usize = 104;

/// Bytes that a test run's frame has behind the plan's, for the program to cut off.
///
/// The kernel hands recycled frames to the program with the length that the receiver gave them: an answer sent by XDP_TX may
/// be longer or shorter than what it answers. Only a program that changes the length has it set right.
pub const SPARE_LEN: usize = 2;

/// Length of a TCP header with a Linux client's SYN options, of one with timestamps and 8 bytes of data, of UDP with its
/// payload.
pub const LONG_SEGMENT: usize = 40;

/// Length of a TCP header with 12 bytes of options.
pub const MIDDLE_SEGMENT: usize = 32;

/// Length of a TCP header without options.
pub const SHORT_SEGMENT: usize = 20;

/// Where the timestamp is in the options of a Linux client's SYN, counted from the start of the segment.
pub const SYN_TIMESTAMP_AT: u32 = 28;

/// Where it is in the segments of an established connection.
pub const TIMESTAMP_AT: u32 = 24;

/// How many destinations a plan can hold.
pub const MAX_TARGETS: usize = 16;

/// Index of the IPv4 plan in the `PLANS` map.
pub const PLAN_V4: u32 = 0;

/// Index of the IPv6 plan in the `PLANS` map.
pub const PLAN_V6: u32 = 1;

/// TCP's number in the IP header.
pub const PROTOCOL_TCP: u32 = 6;

/// UDP's number in the IP header.
pub const PROTOCOL_UDP: u32 = 17;

/// What the frames of one address family look like. Written by user space before the flood, read by the program.
///
/// Aligned so that the program can copy the template by words.
#[repr(C, align(8))]
#[derive(Clone, Copy, Debug)]
pub struct Plan {
    /// The frame, with zeroes where the program writes: addresses, source port, sequence number, timestamp, checksums.
    pub template: [u8; TEMPLATE_LEN],
    /// Destinations, in wire byte order; an IPv4 address is in the first word.
    pub targets: [[u32; 4]; MAX_TARGETS],
    /// The first source, in wire byte order; an IPv4 address is in the first word.
    pub source: [u32; 4],
    /// Random sources are `source` plus 0 to `source_span - 1`, added to the IPv4 address or to the second word of an IPv6 one.
    pub source_span: u32,
    /// 1: the lower 64 bits of an IPv6 source are random. 0: they are those of `source`.
    pub random_host: u32,
    /// How many of `targets` are in use, at least 1.
    pub target_count: u32,
    /// How many VLAN tags precede the IP header: 0, 1 or 2.
    pub vlan_tags: u32,
    /// `PROTOCOL_TCP` or `PROTOCOL_UDP`.
    pub protocol: u32,
    /// Interface that the frames leave by, an index in the generator's namespace.
    pub interface: u32,
    /// Sum of the template's IPv4 header, as unfolded 16-bit words in memory order.
    pub header_sum: u32,
    /// Sum of the template's segment and of the pseudo-header without addresses, as unfolded 16-bit words in memory order.
    pub segment_sum: u32,
    /// `LONG_SEGMENT`, `MIDDLE_SEGMENT` or `SHORT_SEGMENT`.
    pub segment_len: u32,
    /// Where four bytes of the segment are random: `SYN_TIMESTAMP_AT`, `TIMESTAMP_AT`, or 0 for nowhere.
    pub timestamp_at: u32,
    /// 1: the destination port is random. 0: it is the template's.
    pub random_port: u32,
    /// 1: the acknowledgement number is random. 0: it is the template's.
    pub random_acknowledgement: u32,
}

/// What one CPU has generated. Written by the program, read by user space.
#[repr(C)]
#[derive(Clone, Copy, Debug, Default)]
pub struct Progress {
    /// State of the random numbers; 0 before the first frame.
    pub random: u64,
    /// Frames sent towards the interface, by `PLAN_V4` and `PLAN_V6`.
    pub frames: [u64; 2],
    /// `CLOCK_MONOTONIC` of the first frame, in ns; 0 before it.
    pub first_ns: u64,
    /// Runs that sent nothing because the frame was too short or the plan was missing: always 0, or the lab has a bug.
    pub refused: u64,
}

const _: () = assert!(size_of::<Plan>() == TEMPLATE_LEN + 16 * MAX_TARGETS + 16 + 12 * 4);
const _: () = assert!(size_of::<Progress>() == 40);
