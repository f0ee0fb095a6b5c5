//! Lets more than one group open a file: POSIX access control lists, which the kernel takes as an extended attribute.
//!
//! The form is the kernel's own (include/uapi/linux/posix_acl_xattr.h). Libraries for it need the C library libacl, which the static
//! binary cannot have.

use std::{io, path::Path};

use nix::unistd::Gid;

const ATTRIBUTE: &str = "system.posix_acl_access";
/// `POSIX_ACL_XATTR_VERSION`.
const VERSION: u32 = 2;
/// Permission bits to read and write.
const READ_WRITE: u16 = 6;
/// Where no user and no group is meant (`ACL_UNDEFINED_ID`).
const NOBODY: u32 = u32::MAX;

/// Kinds of entries, in the order that the kernel wants them (include/uapi/linux/posix_acl.h).
mod tag {
    pub(super) const OWNER: u16 = 0x01;
    pub(super) const OWNING_GROUP: u16 = 0x04;
    pub(super) const GROUP: u16 = 0x08;
    pub(super) const MASK: u16 = 0x10;
    pub(super) const OTHERS: u16 = 0x20;
}

/// Lets the owner and the members of these groups read and write a file, and nobody else.
///
/// # Errors
/// If the file is not ours, or its file system has no access control lists.
pub(super) fn admit(path: &Path, groups: &[Gid]) -> io::Result<()> {
    xattr::set(path, ATTRIBUTE, &encoded(groups))
}

fn encoded(groups: &[Gid]) -> Vec<u8> {
    let mut sorted: Vec<u32> = groups.iter().map(|gid| gid.as_raw()).collect();
    sorted.sort_unstable();
    sorted.dedup();
    let named = sorted.into_iter().map(|gid| (tag::GROUP, READ_WRITE, gid));
    let entries = [(tag::OWNER, READ_WRITE, NOBODY), (tag::OWNING_GROUP, 0, NOBODY)]
        .into_iter()
        .chain(named)
        .chain([(tag::MASK, READ_WRITE, NOBODY), (tag::OTHERS, 0, NOBODY)]);
    let mut bytes = VERSION.to_le_bytes().to_vec();
    for (tag, permissions, id) in entries {
        bytes.extend(tag.to_le_bytes());
        bytes.extend(permissions.to_le_bytes());
        bytes.extend(id.to_le_bytes());
    }
    bytes
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn entries_are_in_the_kernels_order_each_once() {
        let groups = [3_000, 2_000, 3_000].map(Gid::from_raw);
        let bytes = encoded(&groups);
        let tags: Vec<u16> = bytes[4..]
            .chunks(8)
            .map(|entry| u16::from_le_bytes([entry[0], entry[1]]))
            .collect();
        assert_eq!(tags, [0x01, 0x04, 0x08, 0x08, 0x10, 0x20]);
        assert_eq!(bytes[4 + 2 * 8 + 4..4 + 3 * 8], 2_000_u32.to_le_bytes());
    }
}
