//! Compiles the lab's BPF programs and leaves their objects in `OUT_DIR`, each under its own name.

use xtask::bpf;

fn main() {
    bpf::embed(bpf::LAB);
}
