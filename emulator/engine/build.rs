//! Tells the linker where this crate's tests find the engine's library when they run.

#![expect(
    clippy::disallowed_macros,
    reason = "cargo reads a build script's standard output"
)]

use std::path::Path;

fn main() {
    println!("cargo::rerun-if-changed=build.rs");
    let workspace = Path::new(env!("CARGO_MANIFEST_DIR"))
        .ancestors()
        .nth(2)
        .expect("the crate is two folders deep");
    println!(
        "cargo::rustc-link-arg=-Wl,-rpath,{}",
        workspace.join("target/engine").display()
    );
}
