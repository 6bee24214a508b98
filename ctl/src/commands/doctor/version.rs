//! Versions: of sfctl, the service that runs, and the programs that would run next.

use std::ffi::OsStr;
use std::path::PathBuf;

use snowflake_session_proto::{PROTOCOL, ProtocolRange};

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
    /// What the service speaks, or why it does not tell.
    pub(super) protocols: Option<Result<Protocols, String>>,
    /// Another program is installed in the place of the one that runs.
    pub(super) is_replaced: bool,
    /// The programs on the search path, in its order, each with its version.
    pub(super) programs: Vec<Program>,
    /// Where the service is, when not here.
    pub(super) remote: Option<String>,
}

impl Facts {
    /// What starts the service again.
    fn restart(&self) -> String {
        let place = self.remote.as_ref();
        let place = place.map_or_else(String::new, |remote| format!(" on the machine of {remote}"));
        format!("sfctl service restart{place}")
    }
}

/// Which protocols a service speaks.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Protocols {
    /// The one that this sfctl and the service agree on.
    pub(super) agreed: Option<u32>,
    /// All that the service speaks.
    pub(super) theirs: ProtocolRange,
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
        protocols: scene.answer().map(|answer| {
            let hello = answer.hello.as_ref().map_err(Clone::clone)?;
            Ok(Protocols {
                agreed: Some(hello.protocol).filter(|protocol| *protocol > 0),
                theirs: ProtocolRange {
                    min: hello.protocol_min,
                    max: hello.protocol_max,
                },
            })
        }),
        is_replaced: status.is_some_and(|status| status.binary_changed),
        programs,
        remote: scene.settings.remote.as_ref().map(ToString::to_string),
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
    let (Some(service), Some(protocols)) = (&facts.service, &facts.protocols) else {
        return Check::skip(ID, format!("sfctl is {}; no service answers", facts.own));
    };
    let told = if *service == facts.own {
        format!("sfctl and the service are {service}")
    } else {
        format!("sfctl is {}, the service is {service}", facts.own)
    };
    match protocols {
        Ok(Protocols {
            agreed: Some(protocol),
            ..
        }) => Check::ok(ID, format!("{told}; both speak protocol {protocol}")),
        Ok(Protocols { agreed: None, theirs }) => {
            let check = Check::fail(
                ID,
                format!("{told}; sfctl speaks protocol {PROTOCOL}, the service {theirs}"),
            );
            check.repair(if PROTOCOL.is_older_than(*theirs) {
                "update sfctl".to_owned()
            } else {
                format!(
                    "{}, once the newer version of the service is installed",
                    facts.restart()
                )
            })
        }
        // It is older than hello itself.
        Err(why) => Check::warn(ID, format!("{told}, which does not say what it speaks: {why}")).repair(
            format!("{}, once the newer version of both is installed", facts.restart()),
        ),
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
        .repair(facts.restart());
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

    fn protocols(agreed: Option<u32>, theirs: ProtocolRange) -> Protocols {
        Protocols { agreed, theirs }
    }

    #[track_caller]
    fn check(facts: &Facts, id: &str, state: State, told: &str) {
        let found = judge(facts).into_iter().find(|check| check.id == id).unwrap();
        assert_eq!(found.state, state, "{found:?}");
        let text = [found.seen.join("\n"), found.repair.join("\n")].join("\n");
        assert!(text.contains(told), "{found:?}");
    }

    #[test]
    fn versions_are_compared() {
        let facts = Facts {
            own: "2.0".into(),
            service: Some("2.0".into()),
            protocols: Some(Ok(protocols(Some(PROTOCOL.max), PROTOCOL))),
            ..Facts::default()
        };
        check(
            &facts,
            "version.service",
            State::Ok,
            "are 2.0; both speak protocol",
        );
        check(&facts, "version.running_program", State::Ok, "");
        let older = Facts {
            service: Some("1.9".into()),
            is_replaced: true,
            ..facts.clone()
        };
        // Versions may differ as long as they understand each other.
        check(&older, "version.service", State::Ok, "service is 1.9; both speak");
        check(&older, "version.running_program", State::Warn, "another version");
        let none = Facts {
            service: None,
            ..facts
        };
        check(&none, "version.service", State::Skip, "no service");
    }

    #[test]
    fn services_that_are_not_understood_are_told() {
        let with = |protocols| Facts {
            own: "2.0".into(),
            service: Some("9.9".into()),
            protocols: Some(protocols),
            ..Facts::default()
        };
        let newer = ProtocolRange {
            min: PROTOCOL.max + 1,
            max: PROTOCOL.max + 2,
        };
        check(
            &with(Ok(protocols(None, newer))),
            "version.service",
            State::Fail,
            "update sfctl",
        );
        let older = ProtocolRange { min: 0, max: 0 };
        check(
            &with(Ok(protocols(None, older))),
            "version.service",
            State::Fail,
            "sfctl service restart",
        );
        check(
            &with(Err("unknown method".into())),
            "version.service",
            State::Warn,
            "unknown method",
        );
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
