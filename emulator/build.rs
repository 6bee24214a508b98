//! Tells the linker where programs find the engine's library when they run: beside the program, in the
//! installed layout's library folder, and where `cargo xtask engine` stages it for development.

#![expect(clippy::disallowed_macros, reason = "cargo reads a build script's standard output")]

use std::path::Path;

fn main() {
    println!("cargo::rerun-if-changed=build.rs");
    let origin = if cfg!(target_os = "macos") { "@executable_path" } else { "$ORIGIN" };
    let staged = Path::new(env!("CARGO_MANIFEST_DIR")).with_file_name("target").join("engine");
    let folders = [
        origin.to_owned(),
        format!("{origin}/../lib/snowflake-session"),
        staged.display().to_string(),
    ];
    for folder in folders {
        println!("cargo::rustc-link-arg=-Wl,-rpath,{folder}");
    }
}
