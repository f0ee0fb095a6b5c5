//! What the program needs of the kernel, by the version that brought it.

use nix::sys::utsname::uname;

use crate::host::parse_release;

/// Features, newest first: (major, minor) and what it is for.
const FEATURES: [((u32, u32), &str); 5] = [
    ((6, 0), "SYN cookies from XDP (bpf_tcp_raw_gen_syncookie)"),
    ((5, 18), "XDP on multi-buffer frames and bpf_xdp_load_bytes"),
    ((5, 12), "compare-and-swap in BPF programs (the rate buckets)"),
    ((5, 9), "BPF links for XDP (protection that outlives the agent)"),
    ((5, 8), "the BPF ring buffer (samples)"),
];

/// The newest feature that this kernel is too old for, as a sentence; `None` when it has them all.
#[must_use]
pub fn missing_feature() -> Option<String> {
    let name = uname().ok()?;
    missing_in(&name.release().to_string_lossy())
}

fn missing_in(release: &str) -> Option<String> {
    let version = parse_release(release)?;
    let ((major, minor), feature) = FEATURES.iter().find(|(since, _)| version < *since)?;
    Some(format!(
        "this kernel ({release}) is too old: it lacks {feature}, which came with Linux {major}.{minor}; Debian 12 has 6.1"
    ))
}

#[cfg(test)]
mod tests {
    use super::missing_in;

    #[test]
    fn old_kernels_are_named_with_what_they_lack() {
        assert_eq!(missing_in("6.1.0-30-amd64"), None);
        assert_eq!(missing_in("6.0.0"), None);
        let text = missing_in("5.10.0-8-amd64").expect("5.10 is too old");
        assert!(text.contains("5.10.0-8-amd64") && text.contains("6.0"), "{text}");
    }
}
