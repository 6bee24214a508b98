//! The socket: what is at its path, who listens, and whether it answers.

use std::fs;
use std::os::unix::ffi::OsStrExt as _;
use std::os::unix::fs::{FileTypeExt as _, MetadataExt as _, PermissionsExt as _};
use std::path::{Path, PathBuf};
use std::time::Duration;

use super::check::{Check, Fix};
use super::manager::{Folder, folder};
use super::scene::{Scene, Service};
use crate::launch::Manager;

/// Longest path of a socket, in bytes.
const PATH_BYTES_MAX: usize = if cfg!(target_os = "macos") { 103 } else { 107 };

/// An answer that takes longer is worth a look.
const LATENCY_MAX: Duration = Duration::from_millis(200);

/// What was found.
#[derive(Clone, Debug)]
pub(super) struct Facts {
    pub(super) path: PathBuf,
    pub(super) folder: Folder,
    /// What is at the path; `None` when nothing is.
    pub(super) file: Option<SocketFile>,
    /// The manager that holds it: its name, and the command that stops and starts the socket.
    pub(super) held: Option<Held>,
    /// Everybody whom the socket's mode lets in may use it: a unit of the system.
    pub(super) is_shared: bool,
    pub(super) service: Heard,
    /// Other processes of this user and home that run the service.
    pub(super) others: Vec<i64>,
}

/// What is at the socket's path.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct SocketFile {
    pub(super) is_socket: bool,
    pub(super) owner: u32,
    pub(super) mode: u32,
}

/// Who holds the socket.
#[derive(Clone, Debug)]
pub(super) struct Held {
    pub(super) by: &'static str,
    /// The command that makes it anew.
    pub(super) renew: String,
}

/// What was heard from behind the socket.
#[derive(Clone, Debug)]
pub(super) enum Heard {
    Answer {
        pid: i64,
        /// How long the first answer took, and another one.
        first: Duration,
        next: Duration,
    },
    Nobody(String),
    Foreign(u32),
    Silent(String),
}

/// Looks.
pub(super) fn gather(scene: &Scene<'_>) -> Facts {
    let path = scene.settings.socket.clone();
    let file = fs::symlink_metadata(&path).ok().map(|found| SocketFile {
        is_socket: found.file_type().is_socket(),
        owner: found.uid(),
        mode: found.permissions().mode() & 0o7777,
    });
    let (held, is_shared) = match &scene.manager {
        Manager::Systemd(unit) => {
            let command = unit.scope.command();
            let held = Held {
                by: unit.manager(),
                renew: format!("{command} restart {}", unit.socket),
            };
            (Some(held), unit.scope == crate::launch::Scope::System)
        }
        Manager::Launchd(_) => (
            Some(Held {
                by: "launchd",
                renew: "sfctl service restart".to_owned(),
            }),
            false,
        ),
        Manager::Nobody => (None, false),
    };
    let own = scene.pid();
    Facts {
        folder: folder(path.parent().unwrap_or(Path::new("/"))),
        path,
        file,
        held,
        is_shared,
        service: match &scene.service {
            Service::Answers(answer) => Heard::Answer {
                pid: answer.status.pid,
                first: answer.first,
                next: answer.next,
            },
            Service::Nobody(why) => Heard::Nobody(why.clone()),
            Service::Foreign(user) => Heard::Foreign(*user),
            Service::Silent(why) => Heard::Silent(why.clone()),
        },
        others: processes(scene.settings.home.as_deref())
            .into_iter()
            .filter(|pid| Some(*pid) != own)
            .collect(),
    }
}

/// Processes of this user and home that serve, where the system shows them. One with another home is meant to be apart.
fn processes(home: Option<&Path>) -> Vec<i64> {
    let Some(home) = home else {
        return Vec::new();
    };
    let user = rustix::process::geteuid().as_raw();
    let entries = fs::read_dir("/proc").into_iter().flatten().flatten();
    let own = entries.filter(|entry| entry.metadata().is_ok_and(|found| found.uid() == user));
    own.filter_map(|entry| {
        let pid = entry.file_name().to_str()?.parse().ok()?;
        let command = fs::read(entry.path().join("cmdline")).ok()?;
        let is_service = serves(&command) && lives_in(&fs::read(entry.path().join("environ")).ok()?, home);
        is_service.then_some(pid)
    })
    .collect()
}

/// Whether an environment names this home.
fn lives_in(environment: &[u8], home: &Path) -> bool {
    let named = environment
        .split(|byte| *byte == 0)
        .find_map(|entry| entry.strip_prefix(b"HOME="));
    named == Some(home.as_os_str().as_bytes())
}

/// Whether a command line is that of a service.
fn serves(command: &[u8]) -> bool {
    let mut words = command.split(|byte| *byte == 0);
    let program = words.next().unwrap_or_default();
    let name = program.rsplit(|byte| *byte == b'/').next().unwrap_or_default();
    name == b"snowflake-session"
        && words
            .next()
            .is_some_and(|verb| verb == b"run" || verb == b"start")
}

/// What it means; `user` is who runs us.
pub(super) fn judge(facts: &Facts, user: u32) -> Vec<Check> {
    vec![file(facts, user), held(facts), listener(facts), answer(facts)]
}

fn file(facts: &Facts, user: u32) -> Check {
    const ID: &str = "socket.file";
    let shown = facts.path.display();
    let bytes = facts.path.as_os_str().as_bytes().len();
    if bytes > PATH_BYTES_MAX {
        return Check::fail(
            ID,
            format!("{shown} has {bytes} bytes, {PATH_BYTES_MAX} are possible"),
        )
        .repair("name a shorter one with --socket, SFCTL_SOCKET and the service's `socket.path`");
    }
    let Some(found) = facts.file else {
        return match (&facts.service, &facts.held) {
            (_, None) => Check::skip(ID, format!("{shown} is not there; it comes with the service")),
            (_, Some(held)) => {
                Check::warn(ID, format!("{shown} is not there, although {} holds it", held.by))
            }
        };
    };
    if !found.is_socket {
        return Check::fail(ID, format!("{shown} is there, but is no socket"))
            .repair("move it away, then `sfctl service start`");
    }
    if facts.is_shared {
        return Check::ok(
            ID,
            format!("{shown}, mode {:04o}, of user {}", found.mode, found.owner),
        );
    }
    let owned = [
        (found.owner, "it"),
        (facts.folder.found.map_or(user, |(owner, _)| owner), "its folder"),
    ];
    if let Some((owner, what)) = owned.iter().find(|(owner, _)| *owner != user && *owner != 0) {
        return Check::fail(ID, format!("{shown}: {what} belongs to user {owner}"))
            .repair("name your own socket with --socket or SFCTL_SOCKET");
    }
    let wide = [
        (&facts.path, found.mode, 0o600),
        (
            &facts.folder.path,
            facts.folder.found.map_or(0o700, |(_, mode)| mode),
            0o700,
        ),
    ];
    let mut checks = Vec::new();
    for (path, mode, wanted) in wide {
        let shown = path.display();
        checks.push(if mode & !0o700 == 0 {
            Check::ok(ID, format!("{shown}, mode {mode:04o}"))
        } else {
            Check::fail(
                ID,
                format!("{shown} has mode {mode:04o}; only you should reach it"),
            )
            .repair(format!("chmod {wanted:o} {shown}"))
            .fix(Fix::Mode {
                path: path.clone(),
                mode: wanted,
            })
        });
    }
    Check::of_all(ID, checks, "")
}

fn held(facts: &Facts) -> Check {
    const ID: &str = "socket.held";
    match (&facts.held, facts.file) {
        (None, _) => Check::skip(ID, "no manager holds the socket"),
        (Some(held), Some(_)) => Check::ok(ID, format!("held by {}", held.by)),
        (Some(held), None) => Check::fail(
            ID,
            format!(
                "{} says that it listens, but the file is gone: somebody has removed it",
                held.by
            ),
        )
        .and("a cleaner of temporary folders, or a unit whose RuntimeDirectory= is the socket's folder")
        .repair(held.renew.clone()),
    }
}

fn listener(facts: &Facts) -> Check {
    const ID: &str = "socket.listener";
    let numbers = |pids: &[i64]| {
        let pids: Vec<String> = pids.iter().map(i64::to_string).collect();
        pids.join(", ")
    };
    match &facts.service {
        Heard::Foreign(user) => Check::fail(ID, format!("user {user} listens there"))
            .repair("name your own service's socket with --socket or SFCTL_SOCKET"),
        // Held by a manager that has it listen no more, a file remains on purpose.
        Heard::Nobody(why) if facts.held.is_some() => {
            Check::fail(ID, format!("nobody listens: {why}")).repair("sfctl service start")
        }
        Heard::Nobody(why) if facts.file.is_some_and(|file| file.is_socket) => {
            Check::warn(ID, format!("the socket is left over, nobody listens: {why}"))
                .repair(format!("rm {}", facts.path.display()))
                .fix(Fix::StaleSocket(facts.path.clone()))
        }
        Heard::Nobody(_) if !facts.others.is_empty() => Check::warn(
            ID,
            format!(
                "nobody listens here, but the service runs elsewhere: process {}",
                numbers(&facts.others)
            ),
        )
        .repair("see whether that one was meant: `sfctl --socket PATH service status`"),
        Heard::Nobody(_) => Check::skip(ID, "the service does not run; the next command starts it"),
        Heard::Silent(_) => Check::warn(ID, "somebody listens who does not answer"),
        Heard::Answer { pid, .. } if facts.others.is_empty() => {
            Check::ok(ID, format!("the service, process {pid}"))
        }
        Heard::Answer { pid, .. } => Check::warn(
            ID,
            format!(
                "the service, process {pid}; there are others: process {}",
                numbers(&facts.others)
            ),
        )
        .repair("end those that are not meant; each keeps sessions of its own"),
    }
}

fn answer(facts: &Facts) -> Check {
    const ID: &str = "socket.answer";
    match &facts.service {
        Heard::Answer { first, next, .. } => {
            let told = format!(
                "answers within {} (the first time {})",
                measured(*next),
                measured(*first)
            );
            if *next > LATENCY_MAX {
                Check::warn(ID, told).repair("see what it does: `sfctl service status`, `sfctl service logs`")
            } else {
                Check::ok(ID, told)
            }
        }
        Heard::Silent(why) => Check::fail(ID, why.clone())
            .repair("sfctl service logs -n 50")
            .repair("sfctl service restart"),
        Heard::Nobody(_) => Check::skip(ID, "nobody listens"),
        Heard::Foreign(_) => Check::skip(ID, "another user's service is not spoken to"),
    }
}

fn measured(duration: Duration) -> String {
    format!("{:.1} ms", duration.as_secs_f64() * 1000.0)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::commands::doctor::check::State;

    fn healthy() -> Facts {
        Facts {
            path: "/run/user/7/snowflake-session/grpc.sock".into(),
            folder: Folder {
                path: "/run/user/7/snowflake-session".into(),
                found: Some((7, 0o700)),
            },
            file: Some(SocketFile {
                is_socket: true,
                owner: 7,
                mode: 0o600,
            }),
            held: Some(Held {
                by: "systemd",
                renew: "systemctl --user restart s.socket".into(),
            }),
            is_shared: false,
            service: Heard::Answer {
                pid: 9,
                first: Duration::from_millis(60),
                next: Duration::from_millis(1),
            },
            others: Vec::new(),
        }
    }

    #[track_caller]
    fn check(change: impl FnOnce(&mut Facts), id: &str, state: State, told: &str) -> Check {
        let mut facts = healthy();
        change(&mut facts);
        let found = judge(&facts, 7).into_iter().find(|check| check.id == id).unwrap();
        assert_eq!(found.state, state, "{found:?}");
        let text = [found.seen.join("\n"), found.repair.join("\n")].join("\n");
        assert!(text.contains(told), "{found:?}");
        found
    }

    #[test]
    fn a_healthy_socket_is_fine() {
        let all = judge(&healthy(), 7);
        assert!(all.iter().all(|check| check.state == State::Ok), "{all:?}");
    }

    #[test]
    fn modes_and_owners_are_looked_at() {
        let open = check(
            |facts| facts.file.as_mut().unwrap().mode = 0o666,
            "socket.file",
            State::Fail,
            "chmod 600",
        );
        assert_eq!(open.fixes.len(), 1);
        check(
            |facts| facts.folder.found = Some((7, 0o755)),
            "socket.file",
            State::Fail,
            "chmod 700",
        );
        check(
            |facts| facts.folder.found = Some((8, 0o700)),
            "socket.file",
            State::Fail,
            "its folder belongs to user 8",
        );
        check(
            |facts| facts.file.as_mut().unwrap().is_socket = false,
            "socket.file",
            State::Fail,
            "no socket",
        );
        let shared = |facts: &mut Facts| {
            facts.is_shared = true;
            facts.file.as_mut().unwrap().mode = 0o660;
        };
        check(shared, "socket.file", State::Ok, "0660");
        check(
            |facts| facts.path = format!("/{}", "x".repeat(200)).into(),
            "socket.file",
            State::Fail,
            "201 bytes",
        );
    }

    #[test]
    fn a_file_that_somebody_removed_is_made_again_by_its_manager() {
        check(
            |facts| facts.file = None,
            "socket.held",
            State::Fail,
            "systemctl --user restart s.socket",
        );
        check(
            |facts| facts.file = None,
            "socket.file",
            State::Warn,
            "systemd holds it",
        );
    }

    #[test]
    fn a_socket_that_is_left_over_can_be_removed() {
        let left = |facts: &mut Facts| {
            facts.held = None;
            facts.service = Heard::Nobody("refused".into());
        };
        let found = check(left, "socket.listener", State::Warn, "left over");
        assert_eq!(found.fixes, [Fix::StaleSocket(healthy().path)]);
        let none = |facts: &mut Facts| {
            left(facts);
            facts.file = None;
        };
        check(none, "socket.listener", State::Skip, "does not run");
        let elsewhere = |facts: &mut Facts| {
            none(facts);
            facts.others = vec![11, 12];
        };
        check(elsewhere, "socket.listener", State::Warn, "process 11, 12");
        let dead = |facts: &mut Facts| facts.service = Heard::Nobody("refused".into());
        assert_eq!(
            check(dead, "socket.listener", State::Fail, "sfctl service start").fixes,
            []
        );
    }

    #[test]
    fn whoever_listens_is_told() {
        check(
            |facts| facts.others = vec![11],
            "socket.listener",
            State::Warn,
            "process 11",
        );
        check(
            |facts| facts.service = Heard::Foreign(3),
            "socket.listener",
            State::Fail,
            "user 3",
        );
        let silent = |facts: &mut Facts| facts.service = Heard::Silent("no answer".into());
        check(silent, "socket.answer", State::Fail, "no answer");
        let slow = |facts: &mut Facts| {
            facts.service = Heard::Answer {
                pid: 9,
                first: Duration::from_millis(1),
                next: Duration::from_millis(201),
            };
        };
        check(slow, "socket.answer", State::Warn, "201.0 ms");
    }

    #[test]
    fn services_are_told_from_other_programs() {
        assert!(serves(b"/usr/bin/snowflake-session\0run\0"));
        assert!(serves(b"snowflake-session\0start\0--socket\0/x\0"));
        assert!(!serves(b"snowflake-session\0connections\0"));
        assert!(!serves(b"vi\0snowflake-session\0"));
        assert!(lives_in(b"A=1\0HOME=/h/me\0", Path::new("/h/me")));
        assert!(!lives_in(b"A=1\0HOME=/h/me2\0", Path::new("/h/me")));
    }
}
