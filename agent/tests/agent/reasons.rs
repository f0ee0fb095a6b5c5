//! docs/reasons.md is what the reasons say of themselves.

#[test]
fn the_page_is_up_to_date() {
    let path = concat!(env!("CARGO_MANIFEST_DIR"), "/../docs/reasons.md");
    let page = std::fs::read_to_string(path).expect("docs/reasons.md");
    assert!(
        page == agent::reasons::markdown(),
        "docs/reasons.md is not what the reasons say: `cargo run -p agent -- why --markdown > docs/reasons.md` writes it anew"
    );
}
