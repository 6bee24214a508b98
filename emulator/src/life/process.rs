//! Starting, stopping and finding the emulator of a data folder.

use std::ffi::OsString;
use std::fs::OpenOptions;
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use rustix::process::{Pid, Signal, kill_process};
use serde_json::{Value, json};

use super::logs::last_lines;
use super::{LifeError, note, print};
use crate::config::{FolderArguments, ServeConfig};
use crate::folder::{DataFolder, Serving};

/// Longest wait for an emulator to be ready.
const START_WAIT_MAX: Duration = Duration::from_mins(1);
/// Longest wait for one to end. Longer than its own grace period and a checkpoint.
const STOP_WAIT_MAX: Duration = Duration::from_secs(30);
/// Pause between two looks.
const POLL: Duration = Duration::from_millis(5);
/// Longest wait for a folder that is in use by nobody who says so: an emulator that starts, or a look at the lock.
pub(super) const BUSY_WAIT_MAX: Duration = Duration::from_secs(1);
/// Size at which a log is put aside when an emulator starts.
const LOG_BYTES_MAX: u64 = 16 * 1024 * 1024;
/// Lines of the log that are shown of an emulator that did not start.
const LAST_WORDS: usize = 10;

/// `start`: starts an emulator with the command line of `serve`, or tells that there is one already.
pub fn start(config: &ServeConfig, command_line: Vec<OsString>) -> Result<(), LifeError> {
    let data = config.instance.data.as_ref().ok_or(LifeError::NoFolder)?;
    let folder = DataFolder::new(data);
    if let Some(serving) = look(&folder)? {
        note(&format!("an emulator serves {} already", data.display()));
        return print(&described(&serving), true);
    }
    let serving = launch(&folder, Path::new("."), command_line)?;
    print(&described(&serving), true)
}

/// `stop`: stops the emulator and waits for its end. That there is none is no failure.
pub fn stop(arguments: &FolderArguments) -> Result<(), LifeError> {
    let folder = DataFolder::new(&arguments.data);
    match look(&folder)? {
        None => note(&format!("no emulator serves {}", arguments.data.display())),
        Some(serving) => {
            end(&folder, &serving)?;
            note(&format!("the emulator (process {}) is stopped", serving.pid));
            if serving.supervised {
                note("the service that started it starts it again when it is needed");
            }
        }
    }
    Ok(())
}

/// `status`: state, address, process, sizes.
pub fn status(arguments: &FolderArguments, as_json: bool) -> Result<(), LifeError> {
    let folder = DataFolder::new(&arguments.data);
    let failed = |source| failed(folder.path(), source);
    let serving = folder.serving().map_err(failed)?;
    let state = match &serving {
        Some(_) => "running",
        None if folder.is_locked().map_err(failed)? => "busy",
        None => "stopped",
    };
    let mut document = json!({ "state": state });
    if let (Value::Object(parts), Some(Value::Object(more))) =
        (&mut document, serving.as_ref().map(described))
    {
        parts.extend(more);
    }
    document["data"] = json!(std::path::absolute(folder.path()).map_err(failed)?);
    document["bytes"] = json!(folder.bytes().map_err(failed)?);
    document["snapshots"] = json!(folder.snapshots()?.len());
    print(&document, as_json)
}

/// Who serves the folder; waits a moment for one that is just starting or ending.
pub(super) fn look(folder: &DataFolder) -> Result<Option<Serving>, LifeError> {
    let deadline = Instant::now() + BUSY_WAIT_MAX;
    loop {
        let failed = |source| failed(folder.path(), source);
        if let Some(serving) = folder.serving().map_err(failed)? {
            return Ok(Some(serving));
        }
        if !folder.is_locked().map_err(failed)? {
            return Ok(None);
        }
        if Instant::now() >= deadline {
            return Err(LifeError::InUse {
                folder: folder.path().to_owned(),
            });
        }
        std::thread::sleep(POLL);
    }
}

/// Stops an emulator and waits until the folder is free, or another one's.
pub(super) fn end(folder: &DataFolder, serving: &Serving) -> Result<(), LifeError> {
    let pid = i32::try_from(serving.pid).ok().and_then(Pid::from_raw);
    let pid = pid.ok_or_else(|| LifeError::NotServing(folder.path().to_owned()))?;
    match kill_process(pid, Signal::TERM) {
        Ok(()) | Err(rustix::io::Errno::SRCH) => {}
        Err(error) => return Err(failed(folder.path(), error.into())),
    }
    let deadline = Instant::now() + STOP_WAIT_MAX;
    let ours = |found: &Serving| found.pid == serving.pid;
    loop {
        let found = folder.serving().map_err(|source| failed(folder.path(), source))?;
        let is_free = !folder
            .is_locked()
            .map_err(|source| failed(folder.path(), source))?;
        if is_free || found.is_some_and(|found| !ours(&found)) {
            return Ok(());
        }
        if Instant::now() >= deadline {
            return Err(LifeError::Late(format!(
                "the emulator (process {}) has not ended within {} seconds",
                serving.pid,
                STOP_WAIT_MAX.as_secs()
            )));
        }
        std::thread::sleep(POLL);
    }
}

/// Starts an emulator as one that was stopped: same options, same address.
pub(super) fn again(folder: &DataFolder, serving: &Serving) -> Result<Serving, LifeError> {
    let mut line = without(&serving.arguments, &["--data", "--listen"]);
    let data = std::path::absolute(folder.path()).map_err(|source| failed(folder.path(), source))?;
    line.extend(["--data".into(), data.into()]);
    line.extend(["--listen".into(), serving.address.to_string().into()]);
    launch(folder, &serving.directory, line)
}

/// Starts an emulator in the background and waits until it is ready.
fn launch(folder: &DataFolder, directory: &Path, line: Vec<OsString>) -> Result<Serving, LifeError> {
    let path = folder.output();
    std::fs::create_dir_all(folder.path()).map_err(|source| failed(folder.path(), source))?;
    if std::fs::metadata(&path).is_ok_and(|found| found.len() > LOG_BYTES_MAX) {
        let aside = path.with_extension("log.1");
        std::fs::rename(&path, aside).map_err(|source| failed(&path, source))?;
    }
    let log = OpenOptions::new()
        .create(true)
        .append(true)
        .mode(0o600)
        .open(&path)
        .map_err(|source| failed(&path, source))?;
    let program =
        std::env::current_exe().map_err(|source| failed(Path::new("snowflake-emulator"), source))?;
    let mut child = Command::new(&program)
        .arg("serve")
        .args(line.into_iter().filter(|word| word != "--new-session"))
        .arg("--new-session")
        .current_dir(directory)
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(log)
        .spawn()
        .map_err(|source| failed(&program, source))?;
    let deadline = Instant::now() + START_WAIT_MAX;
    loop {
        let serving = folder.serving().map_err(|source| failed(folder.path(), source))?;
        if let Some(serving) = serving.filter(|serving| serving.pid == child.id()) {
            return Ok(serving);
        }
        let ended = child.try_wait().map_err(|source| failed(&program, source))?;
        if ended.is_some() {
            let words = last_lines(&path, LAST_WORDS).map_err(|source| failed(&path, source))?;
            return Err(LifeError::Ended(words));
        }
        if Instant::now() >= deadline {
            // One that nobody waits for any more must not come up later.
            let _ = child.kill();
            let _ = child.wait();
            return Err(LifeError::Late(format!(
                "the emulator was not ready within {} seconds; its log is {}",
                START_WAIT_MAX.as_secs(),
                path.display()
            )));
        }
        std::thread::sleep(POLL);
    }
}

/// A command line without some options and their values.
fn without(line: &[String], names: &[&str]) -> Vec<OsString> {
    let mut kept = Vec::new();
    let mut words = line.iter();
    while let Some(word) = words.next() {
        if names.contains(&word.as_str()) {
            words.next();
        } else if !names
            .iter()
            .any(|name| word.strip_prefix(name).is_some_and(|rest| rest.starts_with('=')))
        {
            kept.push(word.into());
        }
    }
    kept
}

fn described(serving: &Serving) -> Value {
    json!({
        "address": serving.address.to_string(),
        "url": format!("{}://{}", serving.scheme, serving.address),
        "pid": serving.pid,
        "version": serving.version,
        "supervised": serving.supervised,
    })
}

pub(super) fn failed(path: &Path, source: std::io::Error) -> LifeError {
    LifeError::Io {
        path: PathBuf::from(path),
        source,
    }
}

#[cfg(test)]
mod tests {
    use super::without;

    #[test]
    fn options_are_left_out_with_their_values() {
        let line = ["--data", "x", "--compress", "--listen=1:2", "--data-y", "z"].map(str::to_owned);
        assert_eq!(
            without(&line, &["--data", "--listen"]),
            ["--compress", "--data-y", "z"]
        );
    }
}
