//! The TCP sockets of this network namespace, asked from the kernel (sock_diag(7)). Reading needs no privilege and
//! changes nothing.

use std::{io, net::IpAddr};

use netlink_packet_core::{NLM_F_DUMP, NLM_F_REQUEST, NetlinkHeader, NetlinkMessage, NetlinkPayload};
use netlink_packet_sock_diag::{
    SockDiagMessage,
    constants::{AF_INET, AF_INET6, IPPROTO_TCP, TCP_ESTABLISHED},
    inet::{ExtensionFlags, InetRequest, InetResponse, SocketId, StateFlags, nlas::Nla},
};
use netlink_sys::{Socket, SocketAddr, protocols::NETLINK_SOCK_DIAG};

use super::chosen::Chosen;

/// Room for one answer of the kernel, which holds many sockets.
const BUFFER_BYTES: usize = 64 * 1024;

/// A listening socket.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Listening {
    /// Where it listens; unspecified for everywhere. An IPv4-mapped address is given as IPv4.
    pub address: IpAddr,
    /// Its port.
    pub port: u16,
    /// It is an IPv6 socket, whatever its address.
    pub v6: bool,
    /// An IPv6 socket that takes no IPv4.
    pub v6_only: bool,
    /// The interface that it is bound to; 0 for none.
    pub interface: u32,
    /// Bytes of its receive buffer, as the kernel counts them (`SO_RCVBUF` of getsockopt(2)).
    pub receive_buffer: u32,
    /// What its owner chose for it, where that is known.
    pub chosen: Option<Chosen>,
    /// By which /proc names it.
    pub inode: u32,
    /// The kernel's own name for it, which no other socket of this boot has.
    pub cookie: u64,
}

/// Every TCP socket that listens.
///
/// # Errors
/// If the kernel refuses, or cannot tell (`CONFIG_INET_DIAG`).
pub fn listening() -> io::Result<Vec<Listening>> {
    let mut found = Vec::new();
    for family in [AF_INET, AF_INET6] {
        dump(family, StateFlags::LISTEN, ExtensionFlags::SKMEMINFO, |socket| {
            found.push(as_listening(socket));
            true
        })?;
    }
    Ok(found)
}

/// Who is at the other end of connections that were established, or were until a moment ago.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Peers {
    /// Addresses, with repetitions.
    pub addresses: Vec<IpAddr>,
    /// There were more than wanted.
    pub cut_off: bool,
}

/// The peers of connections to an address of `ours`, `at_most` so many.
///
/// # Errors
/// As for [`listening`].
pub fn peers(at_most: usize, ours: impl Fn(IpAddr) -> bool) -> io::Result<Peers> {
    let mut found = Peers::default();
    connections(|connection| {
        if ours(connection.own) {
            found.cut_off = found.addresses.len() >= at_most;
            if !found.cut_off {
                found.addresses.push(connection.peer);
            }
        }
        !found.cut_off
    })?;
    Ok(found)
}

/// Both ends of a connection. IPv4-mapped addresses are given as IPv4.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Connection {
    /// This host's address.
    pub own: IpAddr,
    /// The other end's.
    pub peer: IpAddr,
    /// Both ends still talk; false once one of them has closed.
    pub established: bool,
}

/// Hands connections that were established, or were until a moment ago, to `take`, until it says that it has enough.
///
/// # Errors
/// As for [`listening`].
pub fn connections(mut take: impl FnMut(Connection) -> bool) -> io::Result<()> {
    let states = StateFlags::ESTABLISHED
        | StateFlags::FIN_WAIT1
        | StateFlags::FIN_WAIT2
        | StateFlags::TIME_WAIT
        | StateFlags::CLOSE_WAIT
        | StateFlags::LAST_ACK
        | StateFlags::CLOSING;
    let mut enough = false;
    for family in [AF_INET, AF_INET6] {
        if !enough {
            dump(family, states.clone(), ExtensionFlags::empty(), |socket| {
                let id = &socket.header.socket_id;
                enough = !take(Connection {
                    own: id.source_address.to_canonical(),
                    peer: id.destination_address.to_canonical(),
                    established: socket.header.state == TCP_ESTABLISHED,
                });
                !enough
            })?;
        }
    }
    Ok(())
}

fn as_listening(socket: &InetResponse) -> Listening {
    let id = &socket.header.socket_id;
    let receive_buffer = socket.nlas.iter().find_map(|nla| match nla {
        Nla::MemInfo(memory) => Some(memory.receive_queue_max),
        _ => None,
    });
    let v6_only = socket.nlas.iter().any(|nla| matches!(nla, Nla::SkV6Only(true)));
    Listening {
        address: id.source_address.to_canonical(),
        port: id.source_port,
        v6: socket.header.family == AF_INET6,
        v6_only,
        interface: id.interface_id,
        receive_buffer: receive_buffer.unwrap_or(0),
        chosen: None,
        inode: socket.header.inode,
        cookie: u64::from_ne_bytes(id.cookie),
    }
}

/// Hands every TCP socket of a family in one of these states to `take`, until it says that it has enough.
fn dump(
    family: u8,
    states: StateFlags,
    extensions: ExtensionFlags,
    mut take: impl FnMut(&InetResponse) -> bool,
) -> io::Result<()> {
    let mut socket = Socket::new(NETLINK_SOCK_DIAG)?;
    socket.bind_auto()?;
    socket.connect(&SocketAddr::new(0, 0))?;
    socket.send(&request(family, states, extensions), 0)?;
    let mut buffer = Vec::with_capacity(BUFFER_BYTES);
    loop {
        buffer.clear();
        socket.recv(&mut buffer, 0)?;
        let mut rest = &buffer[..];
        while !rest.is_empty() {
            let message = NetlinkMessage::<SockDiagMessage>::deserialize(rest).map_err(io::Error::other)?;
            match message.payload {
                NetlinkPayload::InnerMessage(SockDiagMessage::InetResponse(response)) if !take(&response) => {
                    return Ok(());
                }
                NetlinkPayload::Done(_) => return Ok(()),
                NetlinkPayload::Error(error) => return Err(error.to_io()),
                _ => {}
            }
            let length = (message.header.length as usize).next_multiple_of(4);
            rest = rest.get(length..).unwrap_or_default();
        }
    }
}

fn request(family: u8, states: StateFlags, extensions: ExtensionFlags) -> Vec<u8> {
    let mut header = NetlinkHeader::default();
    header.flags = NLM_F_REQUEST | NLM_F_DUMP;
    let socket_id = if family == AF_INET {
        SocketId::new_v4()
    } else {
        SocketId::new_v6()
    };
    let request = InetRequest {
        family,
        protocol: IPPROTO_TCP,
        extensions,
        states,
        socket_id,
    };
    let mut message = NetlinkMessage::new(header, SockDiagMessage::InetRequest(request).into());
    message.finalize();
    let mut bytes = vec![0; message.buffer_len()];
    message.serialize(&mut bytes);
    bytes
}

#[cfg(test)]
mod tests {
    use std::net::{Ipv4Addr, Ipv6Addr, TcpListener, TcpStream};

    use super::*;

    #[test]
    fn a_listener_is_found_with_its_buffer() {
        for address in [IpAddr::from(Ipv4Addr::LOCALHOST), IpAddr::from(Ipv6Addr::UNSPECIFIED)] {
            let listener = TcpListener::bind((address, 0)).expect("binds");
            let port = listener.local_addr().expect("has an address").port();
            let found = listening().expect("the kernel tells");
            let one = found.iter().find(|socket| socket.port == port).expect("it is there");
            assert_eq!((one.address, one.v6), (address, address.is_ipv6()));
            assert!(one.receive_buffer > 4_096, "{one:?}");
        }
    }

    #[test]
    fn peers_are_those_of_our_addresses() {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).expect("binds");
        let _client = TcpStream::connect(listener.local_addr().expect("address")).expect("connects");
        let home = IpAddr::from(Ipv4Addr::LOCALHOST);
        let found = peers(1_000_000, |address| address == home).expect("the kernel tells");
        assert!(found.addresses.contains(&home) && !found.cut_off);
        assert!(peers(10, |_| false).expect("the kernel tells").addresses.is_empty());
        assert!(peers(0, |address| address == home).expect("the kernel tells").cut_off);
    }
}
