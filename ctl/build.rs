//! Links `sfctl` at a fixed address on Linux, so that it starts without adjusting tens of thousands of addresses first
//! (ADR 0018).

#![expect(
    clippy::disallowed_macros,
    reason = "cargo reads a build script's standard output"
)]
#![expect(
    clippy::disallowed_methods,
    reason = "cargo talks to a build script through the environment"
)]

fn main() {
    println!("cargo::rerun-if-changed=build.rs");
    let is = |name: &str, value: &str| std::env::var(name).is_ok_and(|found| found == value);
    if is("CARGO_CFG_TARGET_OS", "linux") && is("CARGO_CFG_TARGET_ENV", "gnu") {
        println!("cargo::rustc-link-arg-bins=-no-pie");
    }
}
