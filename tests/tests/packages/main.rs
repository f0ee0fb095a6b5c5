//! What users install. The first half looks at the files of packaging/ and at what the agent makes of itself, in seconds. The
//! second half is the life of the built packages in a machine of namespaces, and is run by `cargo xtask dist --check`, which
//! builds them.

mod archive;
mod definitions;
mod life;
mod machine;
mod manifests;
mod sandbox;
mod unit;
