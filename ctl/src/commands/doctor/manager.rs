//! Who runs the service: the manager, whether this user has one, and whether it stays after a logout.

use std::fs;
use std::os::unix::fs::{MetadataExt as _, PermissionsExt as _};
use std::path::{Path, PathBuf};
use std::time::Duration;

use tokio::time::Instant;

use super::check::{Check, Fix};
use super::scene::Scene;
use crate::launch::{Manager, Scope, has_user_manager, run_program};

/// The oldest systemd whose user units behave as ours expect.
const OLDEST_SYSTEMD: u32 = 249;

/// Most time for a question to the manager.
const QUESTION_WAIT_MAX: Duration = Duration::from_secs(5);

/// What was found.
#[derive(Clone, Debug, Default)]
pub(super) struct Facts {
    /// Whether systemd runs this machine, or launchd.
    pub(super) machine: Machine,
    /// Whether the service's units belong to the system's manager.
    pub(super) of_system: bool,
    /// Whether units or an agent for the socket are installed.
    pub(super) installed: bool,
    /// `XDG_RUNTIME_DIR`.
    pub(super) runtime: Option<Folder>,
    /// The user's manager has its own socket there.
    pub(super) reachable: bool,
    /// The manager stays after the last logout.
    pub(super) lingers: Option<bool>,
    /// A Linux inside Windows.
    pub(super) is_wsl: bool,
    /// What made this container, if it is one.
    pub(super) container: Option<String>,
}

/// Who runs the machine.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) enum Machine {
    /// systemd, of this version if it tells.
    Systemd(Option<u32>),
    Launchd,
    /// Neither.
    #[default]
    Neither,
}

/// A folder that should be the user's alone.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Folder {
    pub(super) path: PathBuf,
    /// Owner and mode; `None` when it is not there.
    pub(super) found: Option<(u32, u32)>,
}

/// Looks.
pub(super) async fn gather(scene: &Scene<'_>) -> Facts {
    let settings = scene.settings;
    // What `systemd-detect-virt` says is a guess; this folder is there when systemd is process 1.
    let machine = if Path::new("/run/systemd/system").is_dir() {
        Machine::Systemd(systemd_version().await)
    } else if cfg!(target_os = "macos") {
        Machine::Launchd
    } else {
        Machine::Neither
    };
    let kernel = fs::read_to_string("/proc/sys/kernel/osrelease").unwrap_or_default();
    let reachable = has_user_manager(settings);
    Facts {
        machine,
        of_system: matches!(&scene.manager, Manager::Systemd(unit) if unit.scope == Scope::System),
        installed: !matches!(scene.manager, Manager::Nobody),
        runtime: settings.runtime_directory.as_deref().map(folder),
        reachable,
        lingers: if reachable { lingers().await } else { None },
        is_wsl: kernel.to_ascii_lowercase().contains("microsoft"),
        container: container(),
    }
}

async fn answer(program: &str, arguments: &[&str]) -> Option<String> {
    let output = run_program(program, arguments, Instant::now() + QUESTION_WAIT_MAX)
        .await
        .ok()?;
    let text = String::from_utf8_lossy(&output.stdout).into_owned();
    output.status.success().then_some(text)
}

async fn systemd_version() -> Option<u32> {
    version_in(&answer("systemctl", &["--version"]).await?)
}

/// `systemd 252 (252.39-1)`.
fn version_in(text: &str) -> Option<u32> {
    let word = text.lines().next()?.strip_prefix("systemd ")?;
    word.split(|c: char| !c.is_ascii_digit()).next()?.parse().ok()
}

async fn lingers() -> Option<bool> {
    let user = rustix::process::geteuid().as_raw().to_string();
    let text = answer("loginctl", &["show-user", "--property=Linger", &user]).await?;
    text.trim().strip_prefix("Linger=").map(|word| word == "yes")
}

fn container() -> Option<String> {
    let named = fs::read_to_string("/run/systemd/container").ok();
    let named = named
        .map(|text| text.trim().to_owned())
        .filter(|name| !name.is_empty());
    let marked = [("/.dockerenv", "docker"), ("/run/.containerenv", "podman")];
    named.or_else(|| {
        let found = marked.iter().find(|(file, _)| Path::new(file).exists())?;
        Some(found.1.to_owned())
    })
}

pub(super) fn folder(path: &Path) -> Folder {
    let found = fs::symlink_metadata(path)
        .ok()
        .map(|found| (found.uid(), found.permissions().mode() & 0o7777));
    Folder {
        path: path.to_owned(),
        found,
    }
}

/// What it means; `user` is who runs us.
pub(super) fn judge(facts: &Facts, user: u32) -> Vec<Check> {
    vec![
        kind(facts),
        reachable(facts, user),
        lingering(facts),
        surroundings(facts),
    ]
}

fn kind(facts: &Facts) -> Check {
    const ID: &str = "manager.kind";
    let check = match facts.machine {
        Machine::Systemd(Some(version)) if version < OLDEST_SYSTEMD => Check::warn(
            ID,
            format!("systemd {version} is older than {OLDEST_SYSTEMD}, which the units are made for"),
        ),
        Machine::Systemd(Some(version)) => Check::ok(ID, format!("systemd {version}")),
        Machine::Systemd(None) => Check::warn(ID, "systemd, which does not tell its version"),
        Machine::Launchd => Check::ok(ID, "launchd"),
        Machine::Neither => Check::ok(ID, "no service manager; sfctl starts the service itself"),
    };
    if facts.machine != Machine::Neither && !facts.installed {
        return check.and("the service is not installed with it; `sfctl service install` does that");
    }
    check
}

fn reachable(facts: &Facts, user: u32) -> Check {
    const ID: &str = "manager.reachable";
    let Machine::Systemd(_) = facts.machine else {
        return Check::skip(ID, "only systemd has a manager for each user");
    };
    if facts.of_system {
        return Check::skip(ID, "the system's manager runs the service");
    }
    let session = "log in as this user (`su` and `sudo` give no session), or use the system's units";
    let Some(folder) = &facts.runtime else {
        return Check::warn(ID, "XDG_RUNTIME_DIR is not set: this shell has no user manager").repair(session);
    };
    let shown = folder.path.display();
    match folder.found {
        None => Check::warn(ID, format!("XDG_RUNTIME_DIR names {shown}, which is not there")).repair(session),
        Some((owner, _)) if owner != user => Check::fail(
            ID,
            format!("XDG_RUNTIME_DIR is {shown}, which belongs to user {owner}; we are user {user}"),
        )
        .repair(session),
        Some((_, mode)) if mode & 0o077 != 0 => Check::fail(
            ID,
            format!("{shown} can be reached by others, its mode is {mode:04o}"),
        )
        .repair(format!("chmod 700 {shown}"))
        .fix(Fix::Mode {
            path: folder.path.clone(),
            mode: 0o700,
        }),
        Some(_) if facts.reachable => Check::ok(ID, format!("the user's manager answers in {shown}")),
        Some(_) => Check::warn(
            ID,
            format!("no user manager answers in {shown}; sfctl starts the service itself"),
        )
        .repair(session),
    }
}

fn lingering(facts: &Facts) -> Check {
    const ID: &str = "manager.linger";
    if !facts.installed || facts.of_system || !facts.reachable {
        return Check::skip(ID, "no manager of this user's runs the service");
    }
    match facts.lingers {
        Some(true) => Check::ok(ID, "the user's manager stays after the logout"),
        Some(false) => Check::warn(ID, "the service and its sessions end with the user's last logout")
            .repair("loginctl enable-linger"),
        None => Check::skip(ID, "loginctl does not tell"),
    }
}

fn surroundings(facts: &Facts) -> Check {
    const ID: &str = "manager.surroundings";
    let managed = facts.machine != Machine::Neither;
    match (&facts.container, facts.is_wsl) {
        (_, true) if !managed => Check::warn(ID, "Windows Subsystem for Linux without systemd")
            .repair("write `[boot]` and `systemd=true` to /etc/wsl.conf, then `wsl --shutdown`"),
        (_, true) => Check::ok(ID, "Windows Subsystem for Linux with systemd"),
        (Some(container), _) if managed && !facts.reachable && !facts.of_system => Check::warn(
            ID,
            format!("a container ({container}) with systemd, but without a manager for this user"),
        )
        .repair("use the system's units in it, or let sfctl start the service"),
        (Some(container), _) => Check::ok(ID, format!("a container ({container})")),
        (None, _) => Check::ok(ID, "no container"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::commands::doctor::check::State;

    fn healthy() -> Facts {
        Facts {
            machine: Machine::Systemd(Some(257)),
            installed: true,
            runtime: Some(Folder {
                path: "/run/user/7".into(),
                found: Some((7, 0o700)),
            }),
            reachable: true,
            lingers: Some(true),
            ..Facts::default()
        }
    }

    #[track_caller]
    fn check(facts: &Facts, id: &str, state: State, told: &str) -> Check {
        let found = judge(facts, 7).into_iter().find(|check| check.id == id).unwrap();
        assert_eq!(found.state, state, "{found:?}");
        let text = [found.seen.join("\n"), found.repair.join("\n")].join("\n");
        assert!(text.contains(told), "{found:?}");
        found
    }

    #[test]
    fn a_healthy_manager_is_fine() {
        assert!(judge(&healthy(), 7).iter().all(|check| check.state == State::Ok));
    }

    #[test]
    fn the_kind_is_told() {
        let with = |machine| Facts { machine, ..healthy() };
        check(
            &with(Machine::Systemd(Some(245))),
            "manager.kind",
            State::Warn,
            "older than 249",
        );
        check(&with(Machine::Launchd), "manager.kind", State::Ok, "launchd");
        check(&with(Machine::Neither), "manager.kind", State::Ok, "sfctl starts");
        let bare = Facts {
            installed: false,
            ..healthy()
        };
        check(&bare, "manager.kind", State::Ok, "sfctl service install");
        assert_eq!(version_in("systemd 252 (252.39-1~deb12u1)\n+PAM"), Some(252));
        assert_eq!(version_in("nonsense"), None);
    }

    #[test]
    fn a_shell_without_a_manager_is_explained() {
        let with = |runtime: Option<(&str, Option<(u32, u32)>)>, reachable| Facts {
            runtime: runtime.map(|(path, found)| Folder {
                path: path.into(),
                found,
            }),
            reachable,
            ..healthy()
        };
        let id = "manager.reachable";
        check(&with(None, false), id, State::Warn, "sudo");
        check(
            &with(Some(("/run/user/7", None)), false),
            id,
            State::Warn,
            "not there",
        );
        check(
            &with(Some(("/run/user/0", Some((0, 0o700)))), true),
            id,
            State::Fail,
            "user 0",
        );
        check(
            &with(Some(("/run/user/7", Some((7, 0o700)))), false),
            id,
            State::Warn,
            "no user manager",
        );
        let open = check(
            &with(Some(("/run/user/7", Some((7, 0o755)))), true),
            id,
            State::Fail,
            "chmod 700",
        );
        assert_eq!(open.fixes.len(), 1);
    }

    #[test]
    fn a_service_that_ends_at_logout_is_a_warning() {
        let facts = Facts {
            lingers: Some(false),
            ..healthy()
        };
        check(&facts, "manager.linger", State::Warn, "enable-linger");
        let facts = Facts {
            installed: false,
            ..facts
        };
        check(&facts, "manager.linger", State::Skip, "");
    }

    #[test]
    fn odd_machines_are_named() {
        let id = "manager.surroundings";
        let wsl = Facts {
            is_wsl: true,
            machine: Machine::Neither,
            ..healthy()
        };
        check(&wsl, id, State::Warn, "wsl.conf");
        let container = Facts {
            container: Some("podman".into()),
            ..healthy()
        };
        check(&container, id, State::Ok, "podman");
        check(
            &Facts {
                reachable: false,
                ..container
            },
            id,
            State::Warn,
            "system's units",
        );
    }
}
