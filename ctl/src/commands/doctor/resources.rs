//! What the service uses of the machine: files, memory, disk.

use std::fs;
use std::path::{Path, PathBuf};

use super::check::Check;
use super::process::Process;
use super::scene::Scene;

/// Files that a service under load has open, about: connections, sockets, logs.
const FILES_MIN: u64 = 1024;

/// Most entries of a folder that are counted.
const ENTRIES_MAX: usize = 50_000;

/// Less room than this on the state folder's disk is worth a word; almost none is a failure.
const FREE_BYTES_LITTLE: u64 = 512 << 20;
const FREE_BYTES_NONE: u64 = 16 << 20;

/// What was found.
#[derive(Clone, Debug, Default)]
pub(super) struct Facts {
    /// The process, if one runs.
    pub(super) process: Option<Process>,
    pub(super) state: Option<StateFolder>,
}

/// The folder of the service's state.
#[derive(Clone, Debug, Default)]
pub(super) struct StateFolder {
    pub(super) path: PathBuf,
    pub(super) exists: bool,
    /// Bytes in it.
    pub(super) bytes: u64,
    /// There is more in it than was counted.
    pub(super) is_more: bool,
    pub(super) free_bytes: Option<u64>,
}

/// Looks.
pub(super) fn gather(scene: &Scene<'_>) -> Facts {
    let state = scene.state_directory.as_ref().map(|path| {
        let (bytes, is_more) = size_of(path);
        StateFolder {
            exists: path.is_dir(),
            bytes,
            is_more,
            free_bytes: free_bytes(path),
            path: path.clone(),
        }
    });
    Facts {
        process: scene.pid().map(Process::look),
        state,
    }
}

/// Bytes of all files below a folder, and whether there are more than were counted.
fn size_of(folder: &Path) -> (u64, bool) {
    let (mut folders, mut total, mut entries) = (vec![folder.to_owned()], 0, 0);
    while let Some(folder) = folders.pop() {
        for entry in fs::read_dir(folder).into_iter().flatten().flatten() {
            entries += 1;
            if entries > ENTRIES_MAX {
                return (total, true);
            }
            // Of the entry itself: a link leads elsewhere.
            match entry.metadata() {
                Ok(found) if found.is_dir() => folders.push(entry.path()),
                Ok(found) if found.is_file() => total += found.len(),
                _ => {}
            }
        }
    }
    (total, false)
}

/// Bytes that this user may still write to the disk of a folder, or of the nearest one above that is there.
pub(super) fn free_bytes(folder: &Path) -> Option<u64> {
    let there = folder.ancestors().find(|path| path.exists())?;
    let found = rustix::fs::statvfs(there).ok()?;
    Some(found.f_bavail.saturating_mul(found.f_frsize))
}

/// A size for people.
pub(super) fn bytes(size: u64) -> String {
    let size = size as f64;
    let (unit, name) = [(1u64 << 30, "GiB"), (1 << 20, "MiB"), (1 << 10, "KiB")]
        .into_iter()
        .find(|(unit, _)| size >= *unit as f64)
        .unwrap_or((1, "bytes"));
    if unit == 1 {
        return format!("{size} {name}");
    }
    format!("{:.1} {name}", size / unit as f64)
}

/// What it means.
pub(super) fn judge(facts: &Facts) -> Vec<Check> {
    vec![files(facts), memory(facts), disk(facts)]
}

fn files(facts: &Facts) -> Check {
    const ID: &str = "resources.files";
    let known = facts
        .process
        .as_ref()
        .map(|process| (process.files_max, process.files));
    match known {
        None => Check::skip(ID, "the service does not run"),
        Some((None, _)) => Check::skip(ID, "the system does not show the service's process"),
        Some((Some(max), open)) => {
            let open = open.unwrap_or_default();
            let told = format!("{open} of {max} files are open");
            let repair =
                "LimitNOFILE=65536 in a drop-in (`systemctl --user edit snowflake-session`), or `ulimit -n`";
            if open.saturating_mul(10) > max.saturating_mul(9) {
                Check::fail(ID, told).repair(repair)
            } else if max < FILES_MIN {
                Check::warn(ID, format!("{told}; less than {FILES_MIN} may not do")).repair(repair)
            } else {
                Check::ok(ID, told)
            }
        }
    }
}

fn memory(facts: &Facts) -> Check {
    const ID: &str = "resources.memory";
    let Some(process) = &facts.process else {
        return Check::skip(ID, "the service does not run");
    };
    match process.memory {
        None => Check::skip(ID, "the service's memory is not accounted for by the system"),
        Some(events) if events.killed > 0 => Check::fail(
            ID,
            format!("{} processes were killed for want of memory", events.killed),
        )
        .repair("a higher MemoryMax=, or less at a time: fewer sessions, a smaller emulator"),
        Some(events) if events.high > 0 => Check::warn(
            ID,
            format!("slowed down {} times because it reached MemoryHigh=", events.high),
        )
        .repair("a higher MemoryHigh= in the service's drop-in"),
        Some(_) => Check::ok(ID, "never short of memory"),
    }
}

fn disk(facts: &Facts) -> Check {
    const ID: &str = "resources.disk";
    let Some(state) = &facts.state else {
        return Check::skip(ID, "the state folder is not known");
    };
    let shown = state.path.display();
    let more = if state.is_more { "more than " } else { "" };
    let told = match state.free_bytes {
        _ if !state.exists => format!("{shown} is not there yet"),
        None => format!("{shown} holds {more}{}", bytes(state.bytes)),
        Some(free) => format!(
            "{shown} holds {more}{}, {} are free",
            bytes(state.bytes),
            bytes(free)
        ),
    };
    let repair = "make room, or name another folder in `state.directory`";
    match state.free_bytes {
        Some(free) if free < FREE_BYTES_NONE => Check::fail(ID, told).repair(repair),
        Some(free) if free < FREE_BYTES_LITTLE => Check::warn(ID, told).repair(repair),
        _ => Check::ok(ID, told),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::commands::doctor::check::State;
    use crate::commands::doctor::process::MemoryEvents;

    #[track_caller]
    fn check(process: Process, id: &str, state: State, told: &str) {
        let facts = Facts {
            process: Some(process),
            state: None,
        };
        let found = judge(&facts).into_iter().find(|check| check.id == id).unwrap();
        assert_eq!(found.state, state, "{found:?}");
        assert!(found.seen.join("\n").contains(told), "{found:?}");
    }

    #[test]
    fn files_and_memory() {
        let files = |files_max, files| Process {
            files_max: Some(files_max),
            files: Some(files),
            ..Process::default()
        };
        check(files(65536, 30), "resources.files", State::Ok, "30 of 65536");
        check(files(256, 30), "resources.files", State::Warn, "1024");
        check(files(65536, 65000), "resources.files", State::Fail, "65000");
        let memory = |high, killed| Process {
            memory: Some(MemoryEvents { high, killed }),
            ..Process::default()
        };
        check(memory(0, 0), "resources.memory", State::Ok, "never");
        check(memory(3, 0), "resources.memory", State::Warn, "3 times");
        check(memory(3, 1), "resources.memory", State::Fail, "1 processes");
        check(Process::default(), "resources.memory", State::Skip, "");
    }

    #[test]
    fn disk() {
        let check = |free: u64, state, told: &str| {
            let facts = Facts {
                process: None,
                state: Some(StateFolder {
                    path: "/s".into(),
                    exists: true,
                    bytes: 2048,
                    is_more: false,
                    free_bytes: Some(free),
                }),
            };
            let found = judge(&facts).pop().unwrap();
            assert_eq!(found.state, state, "{found:?}");
            assert!(found.seen[0].contains(told), "{found:?}");
        };
        check(1 << 40, State::Ok, "2.0 KiB, 1024.0 GiB are free");
        check(100 << 20, State::Warn, "100.0 MiB");
        check(1000, State::Fail, "1000 bytes");
    }

    #[test]
    fn a_folder_is_measured_without_following_links() {
        let folder = tempfile::tempdir().unwrap();
        let inner = folder.path().join("inner");
        std::fs::create_dir(&inner).unwrap();
        std::fs::write(folder.path().join("a"), "12345").unwrap();
        std::fs::write(inner.join("b"), "123").unwrap();
        std::os::unix::fs::symlink(folder.path(), inner.join("round")).unwrap();
        assert_eq!(size_of(folder.path()), (8, false));
        assert!(free_bytes(&folder.path().join("no/such/folder")).is_some());
    }
}
