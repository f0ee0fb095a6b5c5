//! The lab: namespaces, floods, real clients, and the tests that need a kernel.
