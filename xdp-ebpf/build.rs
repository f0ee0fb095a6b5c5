//! Tells bpf-linker, which generates the code, what the target may use. On the host it says nothing.

fn main() {
    println!("cargo:rerun-if-changed=build.rs");
    if std::env::var("CARGO_CFG_TARGET_ARCH").as_deref() == Ok("bpf") {
        // XDP runs only where unaligned loads are cheap (the kernel aligns IP headers, not 8-byte fields); 32-bit
        // arithmetic is in every kernel that has the compare-and-swap which the rate buckets need (Linux 5.12).
        println!("cargo:rustc-link-arg-bins=--cpu-features=+alu32,+allows-misaligned-mem-access");
    }
}
