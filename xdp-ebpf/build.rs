//! Tells bpf-linker, which generates the code, what the target may use. On the host it says nothing.

fn main() {
    println!("cargo:rerun-if-changed=build.rs");
    if std::env::var("CARGO_CFG_TARGET_ARCH").as_deref() == Ok("bpf") {
        // XDP runs only where unaligned loads are cheap (the kernel aligns IP headers, not 8-byte fields).
        println!("cargo:rustc-link-arg-bins=--cpu-features=+allows-misaligned-mem-access");
    }
}
