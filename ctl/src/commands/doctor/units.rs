//! The service's units: where they are, how they are doing; [`sandbox`] looks whether theirs is in effect.

use std::path::{Path, PathBuf};

use super::check::{Check, Fix};
use super::process::Process;
use super::sandbox;
use super::scene::{Scene, version_of};
use crate::launch::units::{NO_SANDBOX, started_program};
use crate::launch::{Manager, Scope, property, show};

/// What is asked of both units.
const PROPERTIES: &str = "LoadState,UnitFileState,FragmentPath,DropInPaths,NeedDaemonReload,ActiveState,SubState,Result,\
                          NRestarts,ExecMainStatus,ExecStart,NoNewPrivileges,SystemCallFilter,PrivateUsers";

/// Starts after which somebody should look why.
const RESTARTS_MANY: u32 = 3;

/// What was found.
#[derive(Clone, Debug, Default)]
pub(super) struct Facts {
    /// `systemctl --user` or `systemctl`.
    pub(super) command: &'static str,
    pub(super) socket: Unit,
    pub(super) service: Unit,
    /// Other files of the same names, which are not used.
    pub(super) shadowed: Vec<PathBuf>,
    /// The program that the unit starts.
    pub(super) program: Option<PathBuf>,
    /// Its version, if it runs.
    pub(super) version: Option<String>,
    /// The process, if one runs.
    pub(super) process: Option<Process>,
}

/// One unit as its manager knows it.
#[derive(Clone, Debug, Default)]
pub(super) struct Unit {
    pub(super) name: String,
    pub(super) file: String,
    pub(super) drop_ins: String,
    pub(super) enabled: String,
    pub(super) active: String,
    pub(super) result: String,
    pub(super) exit_status: i32,
    pub(super) restarts: u32,
    /// The file on disk is newer than what the manager has read.
    pub(super) is_outdated: bool,
    /// It asks for a sandbox.
    pub(super) wants_sandbox: bool,
    /// It asks for a user namespace.
    pub(super) wants_users: bool,
}

/// Looks; `None` where no units of systemd hold the socket.
pub(super) async fn gather(scene: &Scene<'_>) -> Option<Facts> {
    let Manager::Systemd(unit) = &scene.manager else {
        return None;
    };
    let of = |text: Option<String>, name: &str| Unit::read(&text.unwrap_or_default(), name);
    let (socket, service) = (
        show(unit.scope, &unit.socket, PROPERTIES).await,
        show(unit.scope, &unit.service, PROPERTIES).await,
    );
    let program = property(service.as_deref().unwrap_or_default(), "ExecStart").find_map(started_program);
    let version = match &program {
        Some(program) => version_of(program).await,
        None => None,
    };
    let (socket, service) = (of(socket, &unit.socket), of(service, &unit.service));
    Some(Facts {
        command: unit.scope.command(),
        shadowed: shadowed(&folders(scene, unit.scope), &[&socket, &service]),
        socket,
        service,
        program,
        version,
        process: scene.pid().map(Process::look),
    })
}

/// Folders in which units are looked for.
fn folders(scene: &Scene<'_>, scope: Scope) -> Vec<PathBuf> {
    let kind = match scope {
        Scope::User => "user",
        Scope::System => "system",
    };
    let system = [
        "/etc/systemd",
        "/run/systemd",
        "/usr/local/lib/systemd",
        "/usr/lib/systemd",
    ];
    let own = match scope {
        Scope::User => [
            scene
                .settings
                .configuration_directory
                .as_ref()
                .map(|folder| folder.join("systemd/user")),
            scene
                .settings
                .home
                .as_ref()
                .map(|home| home.join(".local/share/systemd/user")),
        ],
        Scope::System => [None, None],
    };
    own.into_iter()
        .flatten()
        .chain(system.iter().map(|folder| Path::new(folder).join(kind)))
        .collect()
}

/// Files of the units' names that are not the ones that are used.
fn shadowed(folders: &[PathBuf], units: &[&Unit]) -> Vec<PathBuf> {
    let all = units
        .iter()
        .flat_map(|unit| folders.iter().map(|folder| folder.join(&unit.name)));
    all.filter(|path| path.is_file())
        .filter(|path| !units.iter().any(|unit| same_file(path, Path::new(&unit.file))))
        .collect()
}

fn same_file(one: &Path, other: &Path) -> bool {
    // /lib may be a link to /usr/lib.
    let real = |path: &Path| std::fs::canonicalize(path).unwrap_or_else(|_| path.to_owned());
    real(one) == real(other)
}

impl Unit {
    fn read(answer: &str, name: &str) -> Self {
        let text = |key| property(answer, key).next().unwrap_or_default().to_owned();
        let yes = |key| text(key) == "yes";
        Self {
            name: name.to_owned(),
            file: text("FragmentPath"),
            drop_ins: text("DropInPaths"),
            enabled: text("UnitFileState"),
            active: text("ActiveState"),
            result: text("Result"),
            exit_status: text("ExecMainStatus").parse().unwrap_or_default(),
            restarts: text("NRestarts").parse().unwrap_or_default(),
            is_outdated: yes("NeedDaemonReload"),
            wants_sandbox: yes("NoNewPrivileges") || !text("SystemCallFilter").is_empty(),
            wants_users: yes("PrivateUsers"),
        }
    }

    fn has_failed(&self) -> bool {
        self.active == "failed"
    }
}

/// What it means; `version` is ours.
pub(super) fn judge(facts: Option<&Facts>, version: &str) -> Vec<Check> {
    let Some(facts) = facts else {
        let ids = [
            "units.files",
            "units.program",
            "units.socket",
            "units.service",
            "units.sandbox",
        ];
        return ids
            .map(|id| Check::skip(id, "no unit of systemd holds the socket"))
            .into();
    };
    vec![
        files(facts),
        program(facts, version),
        socket(facts),
        service(facts),
        sandbox::judge(&facts.service, facts.process.as_ref()),
    ]
}

fn files(facts: &Facts) -> Check {
    const ID: &str = "units.files";
    let told = |unit: &Unit| {
        let drop_ins = match unit.drop_ins.as_str() {
            "" => String::new(),
            drop_ins => format!(" with {drop_ins}"),
        };
        format!("{}{drop_ins}", unit.file)
    };
    if facts.socket.is_outdated || facts.service.is_outdated {
        return Check::warn(ID, "the units have changed on disk since the manager read them")
            .repair(format!("{} daemon-reload", facts.command))
            .fix(Fix::ReadUnits);
    }
    let used = Check::ok(ID, told(&facts.socket)).and(told(&facts.service));
    if facts.shadowed.is_empty() {
        return used;
    }
    let mut check = Check::warn(
        ID,
        format!("in use: {} and {}", facts.socket.file, facts.service.file),
    );
    for path in &facts.shadowed {
        check = check.and(format!("{} is there too and not used", path.display()));
    }
    check.repair("remove the copy that is not meant; `sfctl service uninstall` removes the user's own")
}

fn program(facts: &Facts, version: &str) -> Check {
    const ID: &str = "units.program";
    let install = "sfctl service install";
    let Some(program) = &facts.program else {
        return Check::fail(
            ID,
            format!("the program that {} starts is not there", facts.service.name),
        )
        .repair(install);
    };
    let shown = program.display();
    match &facts.version {
        _ if !program.exists() => Check::fail(
            ID,
            format!("{} starts {shown}, which is not there", facts.service.name),
        )
        .repair(install),
        None => Check::fail(ID, format!("{shown} does not run or does not tell its version")).repair(install),
        Some(found) if found != version => {
            Check::warn(ID, format!("{shown} is version {found}, sfctl is {version}"))
                .repair("install both from one package")
        }
        Some(found) => Check::ok(ID, format!("{shown}, version {found}")),
    }
}

fn socket(facts: &Facts) -> Check {
    const ID: &str = "units.socket";
    let (command, unit) = (facts.command, &facts.socket);
    if unit.has_failed() {
        return Check::fail(ID, format!("{} has failed: {}", unit.name, unit.result))
            .and("the service was started too often in a row; see why first")
            .repair(format!("{command} status {}", facts.service.name))
            .repair(format!(
                "{command} reset-failed {} {}",
                unit.name, facts.service.name
            ))
            .repair(format!("{command} start {}", unit.name));
    }
    if unit.active != "active" {
        return Check::warn(ID, format!("{} is {}", unit.name, unit.active)).repair("sfctl service start");
    }
    // A unit that something else pulls in, or that is linked, needs no enabling.
    if unit.enabled == "disabled" {
        return Check::warn(
            ID,
            format!("{} is active, but will not be after the next login", unit.name),
        )
        .repair(format!("{command} enable {}", unit.name));
    }
    Check::ok(ID, format!("{} is active, {}", unit.name, unit.enabled))
}

fn service(facts: &Facts) -> Check {
    const ID: &str = "units.service";
    let (command, unit) = (facts.command, &facts.service);
    let log = "sfctl service logs -n 50";
    if NO_SANDBOX.contains(&unit.exit_status) && unit.active != "active" {
        return Check::fail(
            ID,
            format!(
                "{}: this machine cannot set its sandbox up (exit code {})",
                unit.name, unit.exit_status
            ),
        )
        .and(format!("drop-ins: {}", or_none(&unit.drop_ins)))
        .repair("sfctl service install, which leaves the strict part away where it does not work")
        .repair(format!(
            "or remove strict.conf, then `{command} daemon-reload` and `{command} reset-failed {} {}`",
            facts.socket.name, unit.name
        ));
    }
    if unit.has_failed() || !matches!(unit.result.as_str(), "" | "success") {
        return Check::fail(
            ID,
            format!(
                "{} is {}: {}, last exit code {}",
                unit.name, unit.active, unit.result, unit.exit_status
            ),
        )
        .repair(log)
        .repair(format!("{command} status {}", unit.name));
    }
    if unit.restarts >= RESTARTS_MANY {
        return Check::warn(
            ID,
            format!(
                "{} was restarted {} times after it failed",
                unit.name, unit.restarts
            ),
        )
        .repair(log);
    }
    Check::ok(
        ID,
        format!(
            "{} is {}, restarted {} times",
            unit.name, unit.active, unit.restarts
        ),
    )
}

fn or_none(text: &str) -> &str {
    if text.is_empty() { "none" } else { text }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::commands::doctor::check::State;

    fn healthy() -> Facts {
        let unit = |name: &str| Unit {
            name: name.into(),
            file: format!("/usr/lib/systemd/user/{name}"),
            enabled: "enabled".into(),
            active: "active".into(),
            result: "success".into(),
            wants_sandbox: true,
            ..Unit::default()
        };
        Facts {
            command: "systemctl --user",
            socket: unit("s.socket"),
            service: unit("s.service"),
            // Any program that is there.
            program: std::env::current_exe().ok(),
            version: Some("1.0".into()),
            process: Some(Process {
                seccomp: Some(2),
                no_new_privileges: Some(true),
                own_mounts: Some(true),
                ..Process::default()
            }),
            ..Facts::default()
        }
    }

    #[track_caller]
    fn check(change: impl FnOnce(&mut Facts), id: &str, state: State, told: &str) {
        let mut facts = healthy();
        change(&mut facts);
        let found = judge(Some(&facts), "1.0")
            .into_iter()
            .find(|check| check.id == id)
            .unwrap();
        assert_eq!(found.state, state, "{found:?}");
        let text = [found.seen.join("\n"), found.repair.join("\n")].join("\n");
        assert!(text.contains(told), "{found:?}");
    }

    #[test]
    fn healthy_units_are_fine_and_missing_ones_left_out() {
        let all = judge(Some(&healthy()), "1.0");
        assert!(all.iter().all(|check| check.state == State::Ok), "{all:?}");
        assert!(judge(None, "1.0").iter().all(|check| check.state == State::Skip));
    }

    #[test]
    fn a_failed_socket_names_the_commands() {
        let failed = |facts: &mut Facts| {
            facts.socket.active = "failed".into();
            facts.socket.result = "service-start-limit-hit".into();
        };
        check(failed, "units.socket", State::Fail, "service-start-limit-hit");
        check(
            failed,
            "units.socket",
            State::Fail,
            "systemctl --user reset-failed s.socket s.service",
        );
        check(
            |facts| facts.socket.active = "inactive".into(),
            "units.socket",
            State::Warn,
            "service start",
        );
        check(
            |facts| facts.socket.enabled = "disabled".into(),
            "units.socket",
            State::Warn,
            "enable s.socket",
        );
    }

    #[test]
    fn a_sandbox_that_cannot_be_set_up_is_told_from_other_failures() {
        for status in [217, 218, 226] {
            let refused = |facts: &mut Facts| {
                facts.service.active = "failed".into();
                facts.service.exit_status = status;
                facts.service.drop_ins = "/x/strict.conf".into();
            };
            check(refused, "units.service", State::Fail, "sfctl service install");
        }
        let crashed = |facts: &mut Facts| {
            facts.service.active = "failed".into();
            facts.service.result = "core-dump".into();
        };
        check(crashed, "units.service", State::Fail, "core-dump");
        check(
            |facts| facts.service.restarts = 3,
            "units.service",
            State::Warn,
            "3 times",
        );
    }

    #[test]
    fn files_and_program_are_looked_at() {
        check(
            |facts| facts.service.is_outdated = true,
            "units.files",
            State::Warn,
            "daemon-reload",
        );
        check(
            |facts| facts.shadowed.push("/etc/x".into()),
            "units.files",
            State::Warn,
            "/etc/x is there too",
        );
        check(
            |facts| facts.program = Some("/no/such".into()),
            "units.program",
            State::Fail,
            "not there",
        );
        check(
            |facts| facts.version = Some("0.9".into()),
            "units.program",
            State::Warn,
            "0.9",
        );
        check(
            |facts| facts.version = None,
            "units.program",
            State::Fail,
            "does not run",
        );
    }

    #[test]
    fn copies_elsewhere_are_found() {
        let folder = tempfile::tempdir().unwrap();
        let (one, two) = (folder.path().join("one"), folder.path().join("two"));
        for folder in [&one, &two] {
            std::fs::create_dir(folder).unwrap();
            std::fs::write(folder.join("s.socket"), "").unwrap();
        }
        let unit = Unit {
            name: "s.socket".into(),
            file: one.join("s.socket").display().to_string(),
            ..Unit::default()
        };
        assert_eq!(shadowed(&[one, two.clone()], &[&unit]), [two.join("s.socket")]);
    }
}
