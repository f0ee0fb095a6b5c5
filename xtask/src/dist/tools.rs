//! Programs that only packing and checking packages need, and the Debian packages that have them.

use crate::setup::{Tool, tool};

/// For packing.
pub(super) const BUILD: &[Tool] = &[
    tool("dh", "debhelper", "builds the Debian package"),
    tool("dpkg-buildpackage", "dpkg-dev", "builds the Debian package"),
    tool("gzip", "gzip", "compresses the archive"),
];

/// For `--check`.
pub(super) const CHECK: &[Tool] = &[
    tool("lintian", "lintian", "what Debian thinks of the package"),
    tool("debootstrap", "debootstrap", "a machine to install the package in"),
];
