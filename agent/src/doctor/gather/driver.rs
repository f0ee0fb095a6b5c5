//! The name of an interface's driver, by the ioctl that is the only one to tell it for every interface (ethtool(8)).

use std::{io, os::fd::AsRawFd as _};

use nix::libc;
use socket2::{Domain, Socket, Type};

/// `SIOCETHTOOL` (include/uapi/linux/sockios.h) and its command `ETHTOOL_GDRVINFO` (include/uapi/linux/ethtool.h).
const SIOCETHTOOL: libc::Ioctl = 0x8946;
const GET_DRIVER: u32 = 3;

/// `struct ethtool_drvinfo`.
#[repr(C)]
struct DriverInfo {
    command: u32,
    driver: [u8; 32],
    versions_and_bus: [u8; 4 * 32],
    reserved: [u8; 12],
    counts: [u32; 5],
}

/// The driver, as it names itself.
///
/// # Errors
/// If there is no such interface in this namespace, or its driver does not tell.
pub(super) fn name(interface: &str) -> io::Result<String> {
    let socket = Socket::new(Domain::IPV4, Type::DGRAM, None)?;
    let mut info = DriverInfo {
        command: GET_DRIVER,
        driver: [0; 32],
        versions_and_bus: [0; 4 * 32],
        reserved: [0; 12],
        counts: [0; 5],
    };
    let mut request = libc::ifreq {
        ifr_name: [0; libc::IFNAMSIZ],
        ifr_ifru: libc::__c_anonymous_ifr_ifru {
            ifru_data: (&raw mut info).cast(),
        },
    };
    for (to, from) in request.ifr_name[..libc::IFNAMSIZ - 1].iter_mut().zip(interface.bytes()) {
        *to = from.cast_signed();
    }
    // SAFETY: the request and what it points to outlive the call, and have the kernel's layout.
    let result = unsafe { libc::ioctl(socket.as_raw_fd(), SIOCETHTOOL, &raw mut request) };
    if result < 0 {
        return Err(io::Error::last_os_error());
    }
    let name = info.driver.split(|byte| *byte == 0).next().unwrap_or_default();
    Ok(String::from_utf8_lossy(name).into_owned())
}
