//! Things that take long to install, made once and kept in the user's cache.

use std::fs::{self, File};
use std::path::{Path, PathBuf};

use crate::config;

/// Marks a folder that was filled to the end.
const COMPLETE: &str = "complete";

/// The folder `kind/name-…` of the cache, whose name changes with `recipe`; `fill` fills it when it is not there.
///
/// # Panics
///
/// When it cannot be filled: what is missing is a failure, not a reason to skip.
pub fn folder(kind: &str, name: &str, recipe: &str, fill: impl FnOnce(&Path)) -> PathBuf {
    let folder = config::cache()
        .join(kind)
        .join(format!("{name}-{:016x}", digest(recipe)));
    fs::create_dir_all(&folder).unwrap_or_else(|error| panic!("make {}: {error}", folder.display()));
    // Tests run side by side: one installs, the others wait for the lock.
    let lock = File::create(folder.with_extension("lock")).expect("the cache is writable");
    lock.lock().expect("a file of our own can be locked");
    if !folder.join(COMPLETE).exists() {
        // What an interrupted run left is not to be trusted.
        fs::remove_dir_all(&folder).expect("the cache is writable");
        fs::create_dir(&folder).expect("the cache is writable");
        fill(&folder);
        fs::write(folder.join(COMPLETE), recipe).expect("the cache is writable");
    }
    folder
}

/// FNV-1a: the same on every machine and with every compiler.
fn digest(text: &str) -> u64 {
    text.bytes().fold(0xcbf2_9ce4_8422_2325_u64, |hash, byte| {
        (hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3)
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn digests_follow_the_recipe() {
        assert_eq!(
            digest("fakesnow[server]==0.12.1"),
            digest("fakesnow[server]==0.12.1")
        );
        assert_ne!(
            digest("fakesnow[server]==0.12.1"),
            digest("fakesnow[server]==0.12.2")
        );
        assert_eq!(digest(""), 0xcbf2_9ce4_8422_2325);
    }
}
