//! What the engine is opened with.

use std::path::PathBuf;

/// How to open a database.
#[derive(Clone, Debug)]
pub struct EngineConfig {
    /// Where the data is.
    pub storage: Storage,
    /// Most memory the engine may use, in bytes; it spills to `temp_directory` before failing.
    pub memory_bytes_max: u64,
    /// Worker threads, 1 or more.
    pub threads: usize,
    /// Folder for spilled data; without one, a query that needs more memory fails.
    pub temp_directory: Option<PathBuf>,
}

/// Where a database lives.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Storage {
    /// In this process; gone when the engine is dropped.
    InMemory,
    /// In this file, made when absent. One process at a time can open it.
    OnDisk(PathBuf),
}

impl EngineConfig {
    /// A database in memory with limits that suit tests: one thread for each core up to four, 2 GiB.
    pub fn in_memory() -> Self {
        let threads = std::thread::available_parallelism().map_or(1, |count| count.get().min(4));
        Self {
            storage: Storage::InMemory,
            memory_bytes_max: 2 << 30,
            threads,
            temp_directory: None,
        }
    }
}
