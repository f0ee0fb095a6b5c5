//! Catches the SYN-ACK by which a connection is answered.

use std::{
    io::Read as _,
    net::{SocketAddr, TcpStream},
    time::Duration,
};

use etherparse::{SlicedPacket, TcpOptionElement, TcpSlice, TransportSlice};
use socket2::{Domain, Protocol, Socket, Type};

/// All protocols (`ETH_P_ALL` of packet(7)), in network byte order.
const EVERYTHING: i32 = 0x0003_u16.to_be() as i32;

/// What a SYN-ACK says.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct SynAck {
    pub(crate) window: u16,
    pub(crate) mss: u16,
    pub(crate) window_scale: Option<u8>,
    pub(crate) sack: bool,
    pub(crate) timestamps: bool,
}

/// Sees every frame of the namespace.
pub(crate) struct Wire(Socket);

impl Wire {
    pub(crate) fn open() -> Self {
        let socket = Socket::new(Domain::PACKET, Type::RAW, Some(Protocol::from(EVERYTHING))).expect("root");
        socket
            .set_read_timeout(Some(Duration::from_secs(3)))
            .expect("a timeout");
        Self(socket)
    }

    /// Connects, and tells what the answer was.
    pub(crate) fn syn_ack_of(mut self, server: SocketAddr) -> SynAck {
        let _connection = TcpStream::connect(server).expect("connects");
        let mut frame = [0; 256];
        loop {
            let length = self.0.read(&mut frame).expect("the answer was on the wire");
            // A frame that is longer than the buffer is no SYN-ACK.
            let Ok(packet) = SlicedPacket::from_ethernet(&frame[..length]) else {
                continue;
            };
            if let Some(TransportSlice::Tcp(tcp)) = &packet.transport
                && tcp.syn()
                && tcp.ack()
                && tcp.source_port() == server.port()
            {
                return read(tcp);
            }
        }
    }
}

fn read(tcp: &TcpSlice<'_>) -> SynAck {
    let mut seen = SynAck {
        window: tcp.window_size(),
        mss: 0,
        window_scale: None,
        sack: false,
        timestamps: false,
    };
    for option in tcp.options_iterator().filter_map(Result::ok) {
        match option {
            TcpOptionElement::MaximumSegmentSize(mss) => seen.mss = mss,
            TcpOptionElement::WindowScale(scale) => seen.window_scale = Some(scale),
            TcpOptionElement::SelectiveAcknowledgementPermitted => seen.sack = true,
            TcpOptionElement::Timestamp(..) => seen.timestamps = true,
            TcpOptionElement::Noop | TcpOptionElement::SelectiveAcknowledgement(..) => {}
        }
    }
    seen
}
