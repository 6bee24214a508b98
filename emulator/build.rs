//! Tells the linker where programs find the engine's library when they run: beside the program, in the
//! installed layout's library folder, and where `cargo xtask engine` stages it for development. The last is left out of what
//! is given away: it names this machine, and whoever could write there elsewhere could run code.

#![expect(
    clippy::disallowed_macros,
    reason = "cargo reads a build script's standard output"
)]
#![expect(
    clippy::disallowed_methods,
    reason = "cargo talks to a build script through the environment"
)]

use std::path::PathBuf;

fn main() {
    println!("cargo::rerun-if-changed=build.rs");
    println!("cargo::rerun-if-env-changed=DUCKDB_LIB_DIR");
    println!("cargo::rerun-if-env-changed=SNOWFLAKE_SESSION_RELOCATABLE");
    let origin = if cfg!(target_os = "macos") {
        "@executable_path"
    } else {
        "$ORIGIN"
    };
    let installed = [origin.to_owned(), format!("{origin}/../lib/snowflake-session")].map(PathBuf::from);
    if std::env::var_os("SNOWFLAKE_SESSION_RELOCATABLE").is_some() {
        return search(installed);
    }
    let linked = std::env::var_os("DUCKDB_LIB_DIR").map(PathBuf::from);
    // Several checkouts may share one target folder; the library staged in it serves them all.
    let out = std::env::var_os("OUT_DIR").map(PathBuf::from);
    let shared = out.and_then(|out| out.ancestors().nth(4).map(|target| target.join("engine")));
    search(installed.into_iter().chain(linked).chain(shared));
}

/// Lets the program look in these folders.
fn search(folders: impl IntoIterator<Item = PathBuf>) {
    for folder in folders {
        println!("cargo::rustc-link-arg=-Wl,-rpath,{}", folder.display());
    }
}
