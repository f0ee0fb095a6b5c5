//! Names of hosts and groups in the static binary of the archive. glibc would load modules for them while it runs
//! (`nsswitch.conf`), which are made for the C library of the machine and not for the one inside the binary: at best they
//! are refused. What is built in since glibc 2.34 is enough: files, and DNS.

use std::ffi::{CStr, c_char, c_int};

/// Databases that the agent asks, and what is built in for each.
const BUILT_IN: [(&CStr, &CStr); 3] = [(c"hosts", c"files dns"), (c"group", c"files"), (c"passwd", c"files")];

// SAFETY: the declaration is that of glibc's nss.h, and this file is compiled with glibc alone.
unsafe extern "C" {
    /// glibc's nss.h: overrides nsswitch.conf for one database of this process.
    fn __nss_configure_lookup(database: *const c_char, services: *const c_char) -> c_int;
}

/// Keeps to what is built in. To be called before anybody asks for a name.
pub(crate) fn keep_to_what_is_built_in() {
    for (database, services) in BUILT_IN {
        // SAFETY: both are terminated strings that live for ever, and no other thread exists yet. It fails for databases
        // that glibc does not know, and then nothing is changed.
        let outcome = unsafe { __nss_configure_lookup(database.as_ptr(), services.as_ptr()) };
        debug_assert_eq!(outcome, 0, "{database:?} is a database of glibc");
    }
}
