//! From where the caller is logged in: sshd says so in the environment of the login, and sudo takes it out of ours, so
//! the processes above are asked too.

use std::{fs, net::IpAddr};

/// Processes above us that are asked at most.
const MAX_STEPS: usize = 32;

/// The address of the machine that the caller is logged in from.
pub(super) fn peer() -> Option<IpAddr> {
    let mut pid = std::process::id();
    for _ in 0..MAX_STEPS {
        let environment = fs::read(format!("/proc/{pid}/environ")).unwrap_or_default();
        if let Some(address) = peer_in(&environment) {
            return Some(address);
        }
        pid = parent(&fs::read_to_string(format!("/proc/{pid}/status")).ok()?)?;
    }
    None
}

/// `SSH_CONNECTION` is "client-address client-port server-address server-port".
fn peer_in(environment: &[u8]) -> Option<IpAddr> {
    let value = environment
        .split(|byte| *byte == 0)
        .find_map(|entry| entry.strip_prefix(b"SSH_CONNECTION="))?;
    let text = std::str::from_utf8(value).ok()?;
    text.split(' ')
        .next()?
        .split('%')
        .next()?
        .parse::<IpAddr>()
        .ok()
        .map(|address| address.to_canonical())
}

fn parent(status: &str) -> Option<u32> {
    let pid = status
        .lines()
        .find_map(|line| line.strip_prefix("PPid:"))?
        .trim()
        .parse()
        .ok()?;
    (pid != 0).then_some(pid)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_peer_is_the_first_word() {
        let wanted = Some("192.0.2.9".parse().expect("address"));
        assert_eq!(
            peer_in(b"A=b\0SSH_CONNECTION=192.0.2.9 51515 203.0.113.7 22\0C=d\0"),
            wanted
        );
        assert_eq!(peer_in(b"SSH_CONNECTION=::ffff:192.0.2.9 1 ::1 22"), wanted);
        assert_eq!(peer_in(b"SSH_CONNECTION=nonsense\0"), None);
        assert_eq!(peer_in(b"NOT_SSH_CONNECTION=192.0.2.9\0"), None);
    }

    #[test]
    fn the_first_process_has_no_parent() {
        assert_eq!(parent("Name:\tinit\nPPid:\t0\n"), None);
        assert_eq!(parent("Name:\tsh\nPPid:\t17\n"), Some(17));
    }
}
