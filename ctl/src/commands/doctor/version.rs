//! Versions: of sfctl, the service that runs, and the programs that would run next.

use std::ffi::OsStr;
use std::path::PathBuf;

use super::check::Check;
use super::scene::{Scene, version_of};

/// Our programs.
const PROGRAMS: [&str; 3] = ["sfctl", "snowflake-session", "snowflake-emulator"];

/// What was found.
#[derive(Clone, Debug, Default)]
pub(super) struct Facts {
    /// Of this sfctl.
    pub(super) own: String,
    /// Of the service that runs.
    pub(super) service: Option<String>,
    /// Another program is installed in the place of the one that runs.
    pub(super) is_replaced: bool,
    /// The programs on the search path, in its order, each with its version.
    pub(super) programs: Vec<Program>,
}

/// A program on the search path.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Program {
    pub(super) name: &'static str,
    pub(super) path: PathBuf,
    /// `None` when it does not run or does not tell.
    pub(super) version: Option<String>,
}

/// Looks.
pub(super) async fn gather(scene: &Scene<'_>) -> Facts {
    let status = scene.answer().map(|answer| &answer.status);
    let mut programs = Vec::new();
    let path = scene.settings.search_path.as_deref().unwrap_or(OsStr::new(""));
    for name in PROGRAMS {
        for path in files_on(path, name) {
            programs.push(Program {
                name,
                version: version_of(&path).await,
                path,
            });
        }
    }
    Facts {
        own: env!("CARGO_PKG_VERSION").to_owned(),
        service: status.map(|status| status.version.clone()),
        is_replaced: status.is_some_and(|status| status.binary_changed),
        programs,
    }
}

/// Files of this name on a search path; one that is reached twice counts once.
fn files_on(path: &OsStr, name: &str) -> Vec<PathBuf> {
    let mut found: Vec<PathBuf> = Vec::new();
    for folder in std::env::split_paths(path) {
        let Ok(real) = std::fs::canonicalize(folder.join(name)) else {
            continue;
        };
        if real.is_file() && !found.contains(&real) {
            found.push(real);
        }
    }
    found
}

/// What it means.
pub(super) fn judge(facts: &Facts) -> Vec<Check> {
    vec![service(facts), running(facts), programs(facts)]
}

fn service(facts: &Facts) -> Check {
    const ID: &str = "version.service";
    match &facts.service {
        None => Check::skip(ID, format!("sfctl is {}; no service answers", facts.own)),
        Some(service) if *service == facts.own => {
            Check::ok(ID, format!("sfctl and the service are {}", facts.own))
        }
        Some(service) => Check::warn(ID, format!("sfctl is {}, the service is {service}", facts.own))
            .repair("sfctl service restart, once the newer version of both is installed"),
    }
}

fn running(facts: &Facts) -> Check {
    const ID: &str = "version.running_program";
    if facts.service.is_none() {
        return Check::skip(ID, "no service answers");
    }
    if facts.is_replaced {
        return Check::warn(
            ID,
            "another version of the service is installed than the one that runs",
        )
        .repair("sfctl service restart");
    }
    Check::ok(ID, "the service runs the program that is installed")
}

fn programs(facts: &Facts) -> Check {
    const ID: &str = "version.programs";
    let told = |program: &Program| {
        let version = program.version.as_deref().unwrap_or("which does not run");
        format!("{} {version}", program.path.display())
    };
    let mut checks = Vec::new();
    for name in PROGRAMS {
        let found: Vec<&Program> = facts
            .programs
            .iter()
            .filter(|program| program.name == name)
            .collect();
        let Some((first, rest)) = found.split_first() else {
            continue;
        };
        let check = if first.version.is_none() {
            Check::fail(ID, told(first)).repair(format!("install {name} again"))
        } else if rest.iter().any(|other| other.version != first.version) {
            let all: Vec<String> = found.iter().map(|program| told(program)).collect();
            Check::warn(ID, format!("there are several: {}", all.join(", ")))
                .repair("remove those that are not meant; the first one is used")
        } else {
            Check::ok(ID, told(first))
        };
        checks.push(check);
    }
    Check::of_all(
        ID,
        checks,
        "none of our programs is on the search path; they are run by their paths",
    )
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::commands::doctor::check::State;

    fn program(path: &str, version: Option<&str>) -> Program {
        Program {
            name: "sfctl",
            path: path.into(),
            version: version.map(str::to_owned),
        }
    }

    #[track_caller]
    fn check(facts: &Facts, id: &str, state: State, told: &str) {
        let found = judge(facts).into_iter().find(|check| check.id == id).unwrap();
        assert_eq!(found.state, state, "{found:?}");
        assert!(found.seen.join("\n").contains(told), "{found:?}");
    }

    #[test]
    fn versions_are_compared() {
        let facts = Facts {
            own: "2.0".into(),
            service: Some("2.0".into()),
            ..Facts::default()
        };
        check(&facts, "version.service", State::Ok, "are 2.0");
        check(&facts, "version.running_program", State::Ok, "");
        let older = Facts {
            service: Some("1.9".into()),
            is_replaced: true,
            ..facts.clone()
        };
        check(&older, "version.service", State::Warn, "service is 1.9");
        check(&older, "version.running_program", State::Warn, "another version");
        let none = Facts {
            service: None,
            ..facts
        };
        check(&none, "version.service", State::Skip, "no service");
    }

    #[test]
    fn several_installations_are_told() {
        let with = |programs: &[Program]| Facts {
            programs: programs.to_vec(),
            ..Facts::default()
        };
        let (one, two) = (program("/a/sfctl", Some("1")), program("/b/sfctl", Some("2")));
        check(
            &with(std::slice::from_ref(&one)),
            "version.programs",
            State::Ok,
            "/a/sfctl 1",
        );
        check(
            &with(&[one.clone(), two]),
            "version.programs",
            State::Warn,
            "/b/sfctl 2",
        );
        check(
            &with(&[one.clone(), program("/b/sfctl", Some("1"))]),
            "version.programs",
            State::Ok,
            "",
        );
        check(
            &with(&[program("/a/sfctl", None), one]),
            "version.programs",
            State::Fail,
            "does not run",
        );
        check(&with(&[]), "version.programs", State::Skip, "search path");
    }

    #[test]
    fn a_file_that_is_reached_twice_counts_once() {
        let folder = tempfile::tempdir().unwrap();
        let real = folder.path().join("real");
        std::fs::create_dir(&real).unwrap();
        std::fs::write(real.join("sfctl"), "").unwrap();
        std::os::unix::fs::symlink(&real, folder.path().join("link")).unwrap();
        let path = std::env::join_paths([folder.path().join("link"), real.clone()]).unwrap();
        assert_eq!(
            files_on(&path, "sfctl"),
            [std::fs::canonicalize(real.join("sfctl")).unwrap()]
        );
    }
}
