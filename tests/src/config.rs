//! What the harness takes from outside: the only place here that reads the environment.

use std::env;
use std::ffi::OsString;
use std::path::{Path, PathBuf};

/// Folder with the programs under test, in place of the build's own: an unpacked release, for example.
const PROGRAMS: &str = "SNOWFLAKE_SESSION_TEST_PROGRAMS";

/// Lets tests write the pages of `docs/` that they check.
pub const WRITE_PAGES: &str = "SNOWFLAKE_SESSION_TEST_WRITE_PAGES";

/// Whether tests write the pages that they check.
pub fn writes_pages() -> bool {
    read(WRITE_PAGES).is_some()
}

/// The root of the repository.
pub fn repository() -> PathBuf {
    let tests = Path::new(env!("CARGO_MANIFEST_DIR"));
    tests
        .parent()
        .expect("the crate lies in the repository")
        .to_owned()
}

/// The program under test with this name.
///
/// # Panics
///
/// When it is not there; the message says how to build it.
pub fn program(name: &str) -> PathBuf {
    let path = programs().join(name);
    assert!(
        path.is_file(),
        "{} is not there; run `cargo build --bins` first (`cargo xtask test` does)",
        path.display()
    );
    path
}

/// The developer commands, as they were built with this test.
///
/// # Panics
///
/// When they are not there.
pub fn xtask() -> PathBuf {
    let path = beside_this_test().join("xtask");
    assert!(
        path.is_file(),
        "{} is not there; run `cargo build --bins` first (`cargo xtask test` does)",
        path.display()
    );
    path
}

/// The folder of the programs under test.
pub fn programs() -> PathBuf {
    read(PROGRAMS).map_or_else(beside_this_test, PathBuf::from)
}

/// Folder in which things may be kept from one run to the next.
pub fn cache() -> PathBuf {
    let base = read("XDG_CACHE_HOME")
        .map(PathBuf::from)
        .or_else(|| Some(PathBuf::from(read("HOME")?).join(".cache")));
    base.unwrap_or_else(env::temp_dir).join("snowflake-session")
}

/// Where programs of the system are looked for.
pub fn search_path() -> OsString {
    read("PATH").unwrap_or_else(|| "/usr/local/bin:/usr/bin:/bin".into())
}

/// Test programs are built into `target/<profile>/deps`, or `target/<profile>` itself for plain programs.
fn beside_this_test() -> PathBuf {
    let this = env::current_exe().expect("a running program has a path");
    let folder = this.parent().expect("a program lies in a folder");
    if folder.ends_with("deps") {
        folder.parent().expect("deps lies in a folder").to_owned()
    } else {
        folder.to_owned()
    }
}

#[expect(clippy::disallowed_methods, reason = "this is the config room of the harness")]
fn read(name: &str) -> Option<OsString> {
    env::var_os(name).filter(|value| !value.is_empty())
}
