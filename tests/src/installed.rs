//! Somebody else's programs, installed once by their own package manager and kept in the user's cache.

use std::fs::{self, File};
use std::path::Path;
use std::process::Command;
use std::time::Duration;

use crate::process::Running;

/// Longest installation, on a slow network.
const INSTALL_DEADLINE: Duration = Duration::from_mins(15);
/// Marks a folder that was filled to the end.
const COMPLETE: &str = "complete";

/// Sees to it that a folder is there and holds what these commands put into it, run in their order.
///
/// The commands see the outer environment: package index, proxy and certificates are the machine's business.
///
/// # Panics
///
/// When one fails: a witness that is missing is a failure, not a reason to skip.
pub fn installed(folder: &Path, contents: &str, commands: impl IntoIterator<Item = Command>) {
    // Only what is above it: the folder itself is made by the one that holds the lock.
    let above = folder.parent().expect("it lies in the cache");
    fs::create_dir_all(above).unwrap_or_else(|error| panic!("make {}: {error}", above.display()));
    // Tests run side by side: one installs, the others wait for the lock.
    let mut lock = folder.as_os_str().to_owned();
    lock.push(".lock");
    let lock = File::create(lock).expect("the cache is writable");
    lock.lock().expect("a file of our own can be locked");
    if folder.join(COMPLETE).exists() {
        return;
    }
    // What an interrupted run left is not to be trusted.
    if folder.exists() {
        fs::remove_dir_all(folder).expect("the cache is writable");
    }
    fs::create_dir(folder).expect("the cache is writable");
    for command in commands {
        Running::start(command, None).wait(INSTALL_DEADLINE).ok();
    }
    fs::write(folder.join(COMPLETE), contents).expect("the cache is writable");
}
