//! The folder of the sessions' files, and the thread that writes it.

use std::collections::BTreeMap;
use std::fs::{self, File, OpenOptions};
use std::io::{self, Read as _, Write as _};
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::thread::JoinHandle;

use tokio::sync::oneshot;

use super::format;
use crate::domain::journal::record::{JournalStore, Kept, Record, Written};
use crate::domain::names::SessionName;

/// Reads the sessions that `folder` keeps, and begins to write there. The folder exists and is private; `bytes_max`
/// is the largest size of a file.
///
/// # Errors
///
/// When the folder cannot be listed, or no thread can be started.
pub fn open(folder: &Path, bytes_max: u64) -> io::Result<Kept> {
    let records = load(folder, bytes_max)?;
    let shared = Arc::new(Shared::default());
    let writer = Writer {
        shared: Arc::clone(&shared),
        folder: folder.to_owned(),
        bytes_max,
    };
    let thread = std::thread::Builder::new()
        .name("journal".to_owned())
        .spawn(move || writer.run())?;
    let store = FileStore {
        shared,
        thread: Some(thread),
    };
    Ok(Kept {
        store: Arc::new(store),
        records,
    })
}

/// Reads all files; what cannot be understood is set aside.
fn load(folder: &Path, bytes_max: u64) -> io::Result<Vec<Record>> {
    let mut records = Vec::new();
    for entry in fs::read_dir(folder)? {
        let path = entry?.path();
        match path.extension().and_then(|extension| extension.to_str()) {
            Some("json") => match load_one(&path, bytes_max) {
                Ok(record) => records.push(record),
                Err(why) => set_aside(&path, &why),
            },
            // What a killed service was writing.
            Some("tmp") => drop(fs::remove_file(&path)),
            _ => {}
        }
    }
    Ok(records)
}

fn load_one(path: &Path, bytes_max: u64) -> Result<Record, String> {
    let mut text = Vec::new();
    let file = File::open(path).map_err(|error| error.to_string())?;
    let read = file.take(bytes_max + 1).read_to_end(&mut text);
    read.map_err(|error| error.to_string())?;
    if text.len() as u64 > bytes_max {
        return Err(format!("it is larger than {bytes_max} bytes"));
    }
    let record = format::read(&text)?;
    if path.file_stem().and_then(|stem| stem.to_str()) != Some(&*file_stem(&record.name)) {
        return Err(format!("it is about session {}", record.name));
    }
    Ok(record)
}

/// A session's name as that of its file: on a disk where `A` and `a` are one file, sessions `A` and `a` are two. No
/// session's name has a `%`.
fn file_stem(name: &SessionName) -> String {
    let mut stem = String::new();
    for character in name.as_str().chars() {
        if character.is_ascii_uppercase() {
            stem.push('%');
        }
        stem.push(character.to_ascii_lowercase());
    }
    stem
}

fn set_aside(path: &Path, why: &str) {
    let mut aside = path.to_owned().into_os_string();
    aside.push(".bad");
    let moved = fs::rename(path, &aside);
    tracing::warn!(
        file = %path.display(),
        why,
        set_aside = moved.is_ok(),
        "a kept session cannot be read; going on without it"
    );
}

/// Gives what is to be written to the thread.
struct FileStore {
    shared: Arc<Shared>,
    thread: Option<JoinHandle<()>>,
}

#[derive(Default)]
struct Shared {
    pending: Mutex<Pending>,
    changed: Condvar,
}

/// What is to be written; of each session only the last change.
#[derive(Default)]
struct Pending {
    changes: BTreeMap<SessionName, Change>,
    waiting: Vec<oneshot::Sender<()>>,
    stop: bool,
}

enum Change {
    Save(Box<Record>),
    Remove,
}

impl Shared {
    fn pending(&self) -> MutexGuard<'_, Pending> {
        self.pending.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn change(&self, name: SessionName, change: Change) -> Written {
        let (done, written) = oneshot::channel();
        let mut pending = self.pending();
        pending.changes.insert(name, change);
        pending.waiting.push(done);
        drop(pending);
        self.changed.notify_one();
        Box::pin(async move {
            // A thread that is gone writes nothing any more, and has said so.
            let _ = written.await;
        })
    }
}

impl JournalStore for FileStore {
    fn save(&self, record: Record) -> Written {
        self.shared
            .change(record.name.clone(), Change::Save(Box::new(record)))
    }

    fn remove(&self, name: &SessionName) -> Written {
        self.shared.change(name.clone(), Change::Remove)
    }
}

impl Drop for FileStore {
    /// Waits until everything is written.
    fn drop(&mut self) {
        self.shared.pending().stop = true;
        self.shared.changed.notify_one();
        if let Some(thread) = self.thread.take() {
            let _ = thread.join();
        }
    }
}

/// The thread's side.
struct Writer {
    shared: Arc<Shared>,
    folder: PathBuf,
    bytes_max: u64,
}

impl Writer {
    fn run(&self) {
        loop {
            let (changes, waiting) = {
                let mut pending = self.shared.pending();
                while pending.changes.is_empty() {
                    if pending.stop {
                        return;
                    }
                    pending = self
                        .shared
                        .changed
                        .wait(pending)
                        .unwrap_or_else(PoisonError::into_inner);
                }
                (
                    std::mem::take(&mut pending.changes),
                    std::mem::take(&mut pending.waiting),
                )
            };
            for (name, change) in &changes {
                if let Err(error) = self.make(name, change) {
                    tracing::warn!(session = %name, %error, "a session could not be kept; it will not outlive the service");
                }
            }
            for done in waiting {
                // Who does not wait any more does not mind.
                let _ = done.send(());
            }
        }
    }

    fn make(&self, name: &SessionName, change: &Change) -> io::Result<()> {
        let path = self.folder.join(format!("{}.json", file_stem(name)));
        match change {
            Change::Save(record) => {
                let text = format::write(record)?;
                if text.len() as u64 > self.bytes_max {
                    tracing::warn!(
                        session = %name,
                        bytes = text.len(),
                        bytes_max = self.bytes_max,
                        "a session is not kept: its journal is larger than `journal.bytes_max`"
                    );
                    // An old state must not come back as if it were the last one.
                    return self.remove(&path);
                }
                self.replace(&path, &text)
            }
            Change::Remove => self.remove(&path),
        }
    }

    /// Writes a file beside the old one and puts it in its place, so that a crash leaves one of the two.
    fn replace(&self, path: &Path, text: &[u8]) -> io::Result<()> {
        let mut beside = path.to_owned().into_os_string();
        beside.push(".tmp");
        let mut file = OpenOptions::new()
            .write(true)
            .create(true)
            .truncate(true)
            .mode(0o600)
            .open(&beside)?;
        file.write_all(text)?;
        file.sync_all()?;
        fs::rename(&beside, path)?;
        self.sync_folder()
    }

    fn remove(&self, path: &Path) -> io::Result<()> {
        match fs::remove_file(path) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(()),
            Err(error) => Err(error),
            Ok(()) => self.sync_folder(),
        }
    }

    fn sync_folder(&self) -> io::Result<()> {
        File::open(&self.folder)?.sync_all()
    }
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt as _;

    use super::super::format::tests::record;
    use super::*;

    const BYTES_MAX: u64 = 64 * 1024;

    fn names(folder: &Path) -> Vec<String> {
        let mut names: Vec<String> = fs::read_dir(folder)
            .unwrap()
            .map(|entry| entry.unwrap().file_name().into_string().unwrap())
            .collect();
        names.sort();
        names
    }

    #[tokio::test]
    async fn sessions_are_kept_and_forgotten() {
        let folder = tempfile::tempdir().unwrap();
        let kept = open(folder.path(), BYTES_MAX).unwrap();
        assert_eq!(kept.records, []);
        kept.store.save(record("a.b")).await;
        kept.store.save(record("b")).await;
        let mode = fs::metadata(folder.path().join("a.b.json"))
            .unwrap()
            .permissions()
            .mode();
        assert_eq!(mode & 0o777, 0o600);
        let read = open(folder.path(), BYTES_MAX).unwrap();
        assert_eq!(read.records.len(), 2);
        assert!(read.records.contains(&record("b")));
        kept.store.remove(&"b".parse().unwrap()).await;
        kept.store.remove(&"never-there".parse().unwrap()).await;
        assert_eq!(names(folder.path()), ["a.b.json"]);
    }

    #[tokio::test]
    async fn names_that_differ_in_case_have_files_that_differ_in_more() {
        let folder = tempfile::tempdir().unwrap();
        let kept = open(folder.path(), BYTES_MAX).unwrap();
        for name in ["prod", "Prod", "PROD"] {
            kept.store.save(record(name)).await;
        }
        assert_eq!(names(folder.path()), ["%p%r%o%d.json", "%prod.json", "prod.json"]);
        let mut read = open(folder.path(), BYTES_MAX).unwrap().records;
        read.sort_by(|one, other| one.name.cmp(&other.name));
        assert_eq!(read, ["PROD", "Prod", "prod"].map(record));
    }

    #[test]
    fn of_many_changes_the_last_is_written_at_the_latest_when_the_store_goes() {
        let folder = tempfile::tempdir().unwrap();
        let kept = open(folder.path(), BYTES_MAX).unwrap();
        for number in 0..100 {
            let mut record = record("a");
            record.last_query_id = number.to_string();
            drop(kept.store.save(record));
        }
        drop(kept);
        let read = open(folder.path(), BYTES_MAX).unwrap();
        assert_eq!(read.records[0].last_query_id, "99");
    }

    #[tokio::test]
    async fn what_cannot_be_read_is_set_aside() {
        let folder = tempfile::tempdir().unwrap();
        let kept = open(folder.path(), BYTES_MAX).unwrap();
        kept.store.save(record("good")).await;
        drop(kept);
        let at = |name: &str| folder.path().join(name);
        fs::copy(at("good.json"), at("other.json")).unwrap();
        fs::write(at("cut.json"), &fs::read(at("good.json")).unwrap()[..100]).unwrap();
        fs::write(at("large.json"), vec![b' '; 100_000]).unwrap();
        fs::write(at("good.json.tmp"), "half").unwrap();
        fs::write(at("note.txt"), "not ours").unwrap();
        let read = open(folder.path(), BYTES_MAX).unwrap();
        assert_eq!(read.records, [record("good")]);
        assert_eq!(
            names(folder.path()),
            [
                "cut.json.bad",
                "good.json",
                "large.json.bad",
                "note.txt",
                "other.json.bad"
            ]
        );
    }

    #[tokio::test]
    async fn a_session_that_is_too_large_is_not_kept_at_all() {
        let folder = tempfile::tempdir().unwrap();
        let kept = open(folder.path(), 4096).unwrap();
        kept.store.save(record("a")).await;
        assert_eq!(names(folder.path()), ["a.json"]);
        let mut large = record("a");
        large.last_query_id = "x".repeat(5000);
        kept.store.save(large).await;
        assert_eq!(names(folder.path()), Vec::<String>::new());
    }
}
