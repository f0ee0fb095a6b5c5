//! Compiles the XDP program and leaves its object in `OUT_DIR/levee`.

use xtask::bpf;

fn main() {
    bpf::embed(bpf::LEVEE);
}
