//! The chores of this repository, as a library for build scripts.
