//! What the BPF program and the agent share.
