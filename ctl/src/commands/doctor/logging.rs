//! The log: where it goes, whether it can be read there, and whether anything of it was lost.

use std::fs;
use std::os::unix::net::UnixDatagram;
use std::path::{Path, PathBuf};
use std::time::Duration;

use rustix::fs::{Access, access};
use tokio::time::Instant;
use uuid::Uuid;

use super::check::{Check, Fix};
use super::resources::{bytes, free_bytes};
use super::scene::Scene;
use crate::commands::log_files::{self, FILE, Log};
use crate::launch::{Manager, POLL_INTERVAL, Scope, run_program};

/// Where journald takes records.
const JOURNAL_SOCKET: &str = "/run/systemd/journal/socket";

/// Where a journal outlives a restart of the machine.
const PERSISTENT: &str = "/var/log/journal";

/// Most time until a record that was written can be read.
const RECORD_WAIT_MAX: Duration = Duration::from_secs(2);

/// Most time for one question to the journal.
const QUESTION_WAIT_MAX: Duration = Duration::from_secs(5);

/// Most of the service's latest records that are searched for complaints about the log itself.
const RECORDS_SEARCHED: usize = 5000;

/// What the service says when its queue for the log was full.
const DROPPED: &str = "log records were dropped";

/// Less room than this for a log is worth a word.
const FREE_BYTES_MIN: u64 = 256 << 20;

/// What was found.
#[derive(Clone, Debug)]
pub(super) enum Facts {
    Journal(Journal),
    File(LogFile),
    /// Nobody knows where the log would be.
    Unknown,
}

/// A log in systemd's journal.
#[derive(Clone, Debug)]
pub(super) struct Journal {
    /// journald takes records; why not, if it does not.
    pub(super) taken: Result<(), String>,
    /// The record that was written for this was found, or is not to be looked for.
    pub(super) found: Option<bool>,
    /// The service's records can be read; why not, if they cannot.
    pub(super) readable: Result<(), String>,
    pub(super) is_persistent: bool,
    /// Complaints about lost records among the service's latest.
    pub(super) losses: Vec<String>,
    /// What `journalctl --disk-usage` says.
    pub(super) usage: Option<String>,
}

/// A log in a file.
#[derive(Clone, Debug, Default)]
pub(super) struct LogFile {
    pub(super) path: PathBuf,
    /// Complaints about lost records among the service's latest.
    pub(super) losses: Vec<String>,
    /// Size of it and the older ones; `None` when there is none yet.
    pub(super) bytes: Option<u64>,
    /// Its folder is there and can be written to.
    pub(super) is_writable: bool,
    /// Its folder is not there yet.
    pub(super) is_absent: bool,
    /// Mode of the file.
    pub(super) mode: u32,
    pub(super) free_bytes: Option<u64>,
}

/// Looks.
pub(super) async fn gather(scene: &Scene<'_>) -> Facts {
    match (&scene.manager, &scene.state_directory) {
        (Manager::Systemd(unit), _) => {
            let of_service = unit.journal_arguments();
            let of_user = unit.scope == Scope::User;
            let mut journal = journal(&of_service, of_user).await;
            if let Some(why) = unit.unseen_journal().await {
                journal.readable = Err(why);
            }
            Facts::Journal(journal)
        }
        (_, Some(folder)) => Facts::File(file(folder)),
        (_, None) => Facts::Unknown,
    }
}

async fn journal(of_service: &[String], of_user: bool) -> Journal {
    let mark = Uuid::new_v4().simple().to_string();
    let taken = write_record(&mark).map_err(|error| error.to_string());
    let found = match &taken {
        // The system's units have a journal of their own, into which nobody else writes.
        Ok(()) if of_user => Some(is_found(&mark).await),
        _ => None,
    };
    let mut arguments: Vec<&str> = of_service.iter().map(String::as_str).collect();
    let lines = format!("--lines={RECORDS_SEARCHED}");
    arguments.extend(["--quiet", "--no-pager", "--output=cat", &lines]);
    let records = journalctl(&arguments).await;
    let losses = records.as_deref().unwrap_or_default().lines();
    Journal {
        taken,
        found,
        losses: losses
            .filter(|line| line.contains(DROPPED))
            .map(str::to_owned)
            .collect(),
        readable: records.map(drop),
        is_persistent: Path::new(PERSISTENT).is_dir(),
        usage: journalctl(&["--disk-usage"])
            .await
            .ok()
            .map(|text| text.trim().to_owned()),
    }
}

fn write_record(mark: &str) -> std::io::Result<()> {
    let socket = UnixDatagram::unbound()?;
    // A journal that does not read must not keep us waiting.
    socket.set_nonblocking(true)?;
    let record = format!(
        "MESSAGE=sfctl doctor looks whether the journal keeps records\nPRIORITY=6\nSYSLOG_IDENTIFIER=sfctl\n\
         SNOWFLAKE_SESSION_DOCTOR={mark}\n"
    );
    socket.send_to(record.as_bytes(), JOURNAL_SOCKET).map(drop)
}

async fn is_found(mark: &str) -> bool {
    let deadline = Instant::now() + RECORD_WAIT_MAX;
    let wanted = format!("SNOWFLAKE_SESSION_DOCTOR={mark}");
    loop {
        let found = journalctl(&["--user", "--quiet", "--no-pager", "--output=cat", &wanted]).await;
        if found.is_ok_and(|text| !text.trim().is_empty()) {
            return true;
        }
        if Instant::now() >= deadline {
            return false;
        }
        tokio::time::sleep(POLL_INTERVAL).await;
    }
}

async fn journalctl(arguments: &[&str]) -> Result<String, String> {
    let output = run_program("journalctl", arguments, Instant::now() + QUESTION_WAIT_MAX)
        .await
        .map_err(super::scene::told)?;
    if output.status.success() {
        Ok(String::from_utf8_lossy(&output.stdout).into_owned())
    } else {
        Err(String::from_utf8_lossy(&output.stderr).trim().to_owned())
    }
}

fn file(folder: &Path) -> LogFile {
    let path = folder.join(FILE);
    let size = |path: &Path| fs::metadata(path).ok().map(|found| found.len());
    let older: u64 = log_files::older(&path).iter().filter_map(|path| size(path)).sum();
    // Other records count, and are not kept.
    let complaint = |line: &str| Some(if line.contains(DROPPED) { line } else { "" }.to_owned());
    let latest = Log::open(&path).and_then(|mut log| log.last(RECORDS_SEARCHED, complaint));
    let losses = latest.unwrap_or_default().into_iter();
    LogFile {
        losses: losses.filter(|line| !line.is_empty()).collect(),
        bytes: size(&path).map(|size| size + older),
        is_writable: access(folder, Access::WRITE_OK | Access::EXEC_OK).is_ok(),
        is_absent: !folder.exists(),
        mode: super::manager::folder(&path)
            .found
            .map_or(0o600, |(_, mode)| mode),
        free_bytes: free_bytes(folder),
        path,
    }
}

/// What it means.
pub(super) fn judge(facts: &Facts) -> Vec<Check> {
    match facts {
        Facts::Journal(journal) => vec![of_journal(journal), losses(&journal.losses), usage(journal)],
        Facts::File(file) => vec![of_file(file), losses(&file.losses), space(file)],
        Facts::Unknown => vec![Check::skip(
            "logging.place",
            "neither XDG_STATE_HOME nor HOME is set",
        )],
    }
}

fn of_journal(journal: &Journal) -> Check {
    const ID: &str = "logging.place";
    if let Err(why) = &journal.taken {
        return Check::fail(ID, format!("journald takes no records: {why}"))
            .repair("systemctl status systemd-journald");
    }
    if let Err(why) = &journal.readable {
        return Check::warn(ID, format!("the service's records cannot be read: {why}"))
            .repair("sudo usermod -aG systemd-journal $USER, and log in again");
    }
    if journal.found == Some(false) {
        return Check::warn(
            ID,
            format!("a record that was written is not in the user's journal after {RECORD_WAIT_MAX:?}"),
        )
        .and(if journal.is_persistent {
            "journald may be slow, or does not keep this user's records apart"
        } else {
            "without a persistent journal there is none for each user"
        })
        .repair("Storage=persistent in /etc/systemd/journald.conf gives every user a journal");
    }
    let check = Check::ok(ID, "the journal of systemd; `sfctl service logs` reads it");
    if journal.is_persistent {
        check
    } else {
        Check {
            state: super::check::State::Warn,
            ..check
                .and("it is gone after a restart of the machine")
                .repair("mkdir -p /var/log/journal, as an administrator")
        }
    }
}

fn losses(losses: &[String]) -> Check {
    const ID: &str = "logging.losses";
    match losses.last() {
        None => Check::ok(ID, "no record was dropped"),
        Some(last) => Check::warn(ID, format!("{} times records were dropped", losses.len()))
            .and(format!("the last time: {last}"))
            .repair("a lower `log.level`, or a larger `log.queue_max` where the log is slow at times"),
    }
}

fn usage(journal: &Journal) -> Check {
    const ID: &str = "logging.space";
    match &journal.usage {
        Some(usage) => Check::ok(ID, usage.clone()),
        None => Check::skip(ID, "journalctl does not tell"),
    }
}

fn of_file(file: &LogFile) -> Check {
    const ID: &str = "logging.place";
    let shown = file.path.display();
    if file.is_absent {
        return Check::skip(ID, format!("{shown}, once the service has run"));
    }
    if !file.is_writable {
        return Check::fail(ID, format!("the folder of {shown} cannot be written to")).repair(format!(
            "chmod u+rwx {}",
            file.path.parent().unwrap_or(Path::new("/")).display()
        ));
    }
    if file.mode & 0o077 != 0 {
        return Check::warn(
            ID,
            format!("{shown} has mode {:04o}; only you should read it", file.mode),
        )
        .repair(format!("chmod 600 {shown}"))
        .fix(Fix::Mode {
            path: file.path.clone(),
            mode: 0o600,
        });
    }
    match file.bytes {
        Some(size) => Check::ok(ID, format!("{shown}, {} with the older ones", bytes(size))),
        None => Check::ok(ID, format!("{shown}, nothing is logged yet")),
    }
}

fn space(file: &LogFile) -> Check {
    const ID: &str = "logging.space";
    match file.free_bytes {
        None => Check::skip(ID, "the folder is not there yet"),
        Some(free) if free < FREE_BYTES_MIN => Check::warn(
            ID,
            format!("only {} are free for {}", bytes(free), file.path.display()),
        )
        .repair("make room"),
        Some(free) => Check::ok(ID, format!("{} are free", bytes(free))),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::commands::doctor::check::State;

    fn journal() -> Journal {
        Journal {
            taken: Ok(()),
            found: Some(true),
            readable: Ok(()),
            is_persistent: true,
            losses: Vec::new(),
            usage: Some("8M".into()),
        }
    }

    #[track_caller]
    fn check(facts: &Facts, id: &str, state: State, told: &str) {
        let found = judge(facts).into_iter().find(|check| check.id == id).unwrap();
        assert_eq!(found.state, state, "{found:?}");
        let text = [found.seen.join("\n"), found.repair.join("\n")].join("\n");
        assert!(text.contains(told), "{found:?}");
    }

    #[test]
    fn a_journal_is_written_and_read() {
        let check = |journal: Journal, id, state, told| check(&Facts::Journal(journal), id, state, told);
        let id = "logging.place";
        check(journal(), id, State::Ok, "sfctl service logs");
        check(
            Journal {
                taken: Err("gone".into()),
                ..journal()
            },
            id,
            State::Fail,
            "gone",
        );
        check(
            Journal {
                readable: Err("denied".into()),
                ..journal()
            },
            id,
            State::Warn,
            "systemd-journal",
        );
        check(
            Journal {
                found: Some(false),
                ..journal()
            },
            id,
            State::Warn,
            "Storage=persistent",
        );
        check(
            Journal {
                is_persistent: false,
                ..journal()
            },
            id,
            State::Warn,
            "restart of the machine",
        );
        check(journal(), "logging.losses", State::Ok, "no record");
        let lossy = Journal {
            losses: vec!["one".into(), "two".into()],
            ..journal()
        };
        check(lossy, "logging.losses", State::Warn, "last time: two");
    }

    #[test]
    fn a_file_is_looked_at() {
        let file = LogFile {
            path: "/s/service.log".into(),
            losses: vec!["3 log records were dropped".into()],
            bytes: Some(3 << 20),
            is_writable: true,
            mode: 0o600,
            free_bytes: Some(1 << 40),
            ..LogFile::default()
        };
        let check = |file: LogFile, id, state, told| check(&Facts::File(file), id, state, told);
        check(file.clone(), "logging.place", State::Ok, "3.0 MiB");
        check(
            file.clone(),
            "logging.losses",
            State::Warn,
            "records were dropped",
        );
        check(
            LogFile {
                is_writable: false,
                ..file.clone()
            },
            "logging.place",
            State::Fail,
            "chmod u+rwx /s",
        );
        check(
            LogFile {
                mode: 0o644,
                ..file.clone()
            },
            "logging.place",
            State::Warn,
            "chmod 600",
        );
        check(
            LogFile {
                is_absent: true,
                ..file.clone()
            },
            "logging.place",
            State::Skip,
            "once",
        );
        check(
            LogFile {
                free_bytes: Some(1),
                ..file
            },
            "logging.space",
            State::Warn,
            "make room",
        );
    }
}
