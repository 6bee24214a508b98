//! Configuration and connections, as the service's program reads them, and the files with secrets.

use std::fs;
use std::os::unix::fs::{MetadataExt as _, PermissionsExt as _};
use std::path::{Path, PathBuf};

use super::check::{Check, Fix};
use super::scene::{Connections, Scene};
use crate::launch::configuration::Document;

/// What was found.
pub(super) struct Facts<'a> {
    pub(super) configuration: &'a Result<Document, String>,
    pub(super) connections: &'a Result<Connections, String>,
    /// The connection of -c.
    pub(super) named: &'a str,
    /// Files that only their owner should read, as they were found.
    pub(super) private: Vec<PrivateFile>,
}

/// A file with secrets, or one that says where they are.
#[derive(Clone, Debug)]
pub(super) struct PrivateFile {
    pub(super) path: PathBuf,
    pub(super) owner: u32,
    pub(super) mode: u32,
}

/// The name of the built-in connection.
const LOCAL: &str = "local";

/// Looks.
pub(super) fn gather<'a>(scene: &'a Scene<'_>) -> Facts<'a> {
    let mut paths: Vec<&Path> = Vec::new();
    if let Ok(connections) = &scene.connections {
        paths.extend(connections.files.iter().map(PathBuf::as_path));
        for connection in &connections.all {
            paths.extend(connection.secret_files.iter().map(PathBuf::as_path));
        }
    }
    if let Ok(configuration) = &scene.configuration {
        let read = configuration.files.iter().filter(|file| file.outcome == "read");
        paths.extend(read.map(|file| file.path.as_path()));
    }
    paths.dedup();
    Facts {
        configuration: &scene.configuration,
        connections: &scene.connections,
        named: &scene.settings.connection,
        private: paths.into_iter().filter_map(private).collect(),
    }
}

fn private(path: &Path) -> Option<PrivateFile> {
    // The file that counts, not the link to it.
    let path = fs::canonicalize(path).ok()?;
    let found = fs::metadata(&path).ok()?;
    Some(PrivateFile {
        path,
        owner: found.uid(),
        mode: found.permissions().mode() & 0o7777,
    })
}

/// What it means; `user` is who runs us.
pub(super) fn judge(facts: &Facts<'_>, user: u32) -> Vec<Check> {
    vec![settings(facts), connections(facts), modes(facts, user)]
}

fn settings(facts: &Facts<'_>) -> Check {
    const ID: &str = "configuration.settings";
    let told = match facts.configuration {
        Ok(told) => told,
        Err(why) => return Check::skip(ID, why.clone()),
    };
    if !told.faults.is_empty() {
        let mut check = Check::fail(ID, "the configuration cannot be used");
        for fault in &told.faults {
            check = check.and(fault.to_string());
        }
        return check.repair("mend them; `sfctl config check` looks again");
    }
    if !told.warnings.is_empty() {
        let mut check = Check::warn(ID, told.warnings[0].clone());
        check.seen.extend(told.warnings[1..].iter().cloned());
        return check.repair("set what was meant, or unset it");
    }
    let changed = told.settings.iter().filter(|setting| setting.layer != "defaults");
    let changed: Vec<String> = changed
        .map(|setting| format!("{}: {}", setting.key, setting.source))
        .collect();
    if changed.is_empty() {
        return Check::ok(ID, "every setting has its default");
    }
    changed
        .into_iter()
        .fold(Check::ok(ID, "it can be used; not the defaults are"), Check::and)
}

fn connections(facts: &Facts<'_>) -> Check {
    const ID: &str = "configuration.connections";
    let told = match facts.connections {
        Ok(told) => told,
        Err(why) => return Check::skip(ID, why.clone()),
    };
    if let Some(fault) = &told.fault {
        let check = Check::fail(ID, fault.message.clone());
        return fault
            .hint
            .iter()
            .fold(check, |check, hint| check.repair(hint.clone()));
    }
    let known = |name: &str| name == LOCAL || told.all.iter().any(|connection| connection.name == name);
    let mut checks = Vec::new();
    if !facts.named.is_empty() && !known(facts.named) {
        checks.push(
            Check::fail(ID, format!("there is no connection `{}`", facts.named))
                .repair("name one that is there with -c or SFCTL_CONNECTION"),
        );
    }
    if let Some(default) = told.default.as_deref().filter(|default| !known(default)) {
        checks.push(
            Check::fail(ID, format!("the default connection `{default}` is not there"))
                .repair("write its table to connections.toml, or name another default"),
        );
    }
    let chosen = if facts.named.is_empty() {
        told.default.as_deref()
    } else {
        Some(facts.named)
    };
    for connection in &told.all {
        let name = &connection.name;
        let check = match (&connection.fault, &connection.endpoint) {
            (Some(fault), _) => {
                let text = format!("{name}: {}", fault.message);
                // One that nobody asked for may be somebody else's business, that of another tool for example.
                let check = if chosen == Some(name) {
                    Check::fail(ID, text)
                } else {
                    Check::warn(ID, text)
                };
                fault
                    .hint
                    .iter()
                    .fold(check, |check, hint| check.repair(hint.clone()))
            }
            (None, Some(endpoint)) => {
                let default = if told.default.as_deref() == Some(name) {
                    " (default)"
                } else {
                    ""
                };
                Check::ok(
                    ID,
                    format!("{name}{default}: {}://{}", endpoint.scheme, endpoint.host),
                )
            }
            (None, None) => continue,
        };
        checks.push(check);
    }
    if checks.is_empty() {
        return Check::ok(
            ID,
            "none is defined; `local` is used, the emulator on this machine",
        );
    }
    Check::of_all(ID, checks, "")
}

fn modes(facts: &Facts<'_>, user: u32) -> Check {
    const ID: &str = "configuration.modes";
    let mut checks = Vec::new();
    // A file that is refused for its mode is not in the list of those that were read.
    for file in &facts.private {
        let shown = file.path.display();
        let open = file.mode & 0o077;
        checks.push(if file.owner != user && file.owner != 0 {
            Check::fail(ID, format!("{shown} belongs to user {}", file.owner))
                .repair("use a file of your own")
        } else if open == 0 || file.owner != user {
            Check::ok(ID, format!("{shown}, mode {:04o}", file.mode))
        } else {
            let text = format!("{shown} has mode {:04o}; only you should reach it", file.mode);
            let check = if open & 0o022 == 0 {
                Check::warn(ID, text)
            } else {
                Check::fail(ID, text)
            };
            check.repair(format!("chmod 600 {shown}")).fix(Fix::Mode {
                path: file.path.clone(),
                mode: 0o600,
            })
        });
    }
    if let Ok(told) = facts.connections {
        checks.extend(
            told.warnings
                .iter()
                .filter(|warning| !names_a_private_file(warning, facts))
                .map(|warning| Check::warn(ID, warning.clone())),
        );
    }
    Check::of_all(ID, checks, "there is no file with connections, keys or settings")
}

/// Whether a warning is about a file whose mode is told already.
fn names_a_private_file(warning: &str, facts: &Facts<'_>) -> bool {
    facts
        .private
        .iter()
        .any(|file| warning.contains(&*file.path.to_string_lossy()))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::commands::doctor::check::State;

    const CONNECTIONS: &str = r#"{"files":["/c"],"fault":null,"warnings":[],"default":"dev","connections":[
        {"name":"dev","endpoint":{"scheme":"https","host":"a.example.com","port":443},"secret_files":[],"values":[],"fault":null},
        {"name":"old","endpoint":null,"secret_files":[],"values":[],"fault":{"message":"`user` is missing","hint":"add it"}}]}"#;

    fn connections_of(text: &str) -> Connections {
        serde_json::from_str(text).unwrap()
    }

    fn configuration_of(text: &str) -> Document {
        serde_json::from_str(text).unwrap()
    }

    #[track_caller]
    fn check(facts: &Facts<'_>, id: &str, state: State, told: &str) -> Check {
        let found = judge(facts, 7).into_iter().find(|check| check.id == id).unwrap();
        assert_eq!(found.state, state, "{found:?}");
        let text = [found.seen.join("\n"), found.repair.join("\n")].join("\n");
        assert!(text.contains(told), "{found:?}");
        found
    }

    #[track_caller]
    fn check_connections(text: &str, named: &str, state: State, told: &str) {
        let (configuration, connections) = (Err(String::new()), Ok(connections_of(text)));
        let facts = Facts {
            configuration: &configuration,
            connections: &connections,
            named,
            private: Vec::new(),
        };
        check(&facts, "configuration.connections", state, told);
    }

    #[test]
    fn a_connection_that_is_not_used_is_a_warning_only() {
        check_connections(CONNECTIONS, "", State::Warn, "old: `user` is missing");
        check_connections(CONNECTIONS, "old", State::Fail, "add it");
        check_connections(CONNECTIONS, "new", State::Fail, "no connection `new`");
        check_connections(
            &CONNECTIONS.replace("\"default\":\"dev\"", "\"default\":\"x\""),
            "",
            State::Fail,
            "`x` is not there",
        );
        let empty = r#"{"files":[],"fault":null,"warnings":[],"default":null,"connections":[]}"#;
        check_connections(empty, "", State::Ok, "the emulator");
        check_connections(empty, "local", State::Ok, "the emulator");
        let broken = empty.replace(
            "\"fault\":null",
            r#""fault":{"message":"line 3","hint":"quote it"}"#,
        );
        check_connections(&broken, "", State::Fail, "quote it");
    }

    #[track_caller]
    fn check_settings(text: &str, state: State, told: &str) {
        let (configuration, connections) = (Ok(configuration_of(text)), Err(String::new()));
        let facts = Facts {
            configuration: &configuration,
            connections: &connections,
            named: "",
            private: Vec::new(),
        };
        check(&facts, "configuration.settings", state, told);
    }

    #[test]
    fn settings_are_told_with_their_origins() {
        check_settings(
            r#"{"settings":[{"key":"a.b","layer":"defaults","source":"x"}]}"#,
            State::Ok,
            "its default",
        );
        check_settings(
            r#"{"settings":[{"key":"a.b","layer":"user","source":"/f:3"}]}"#,
            State::Ok,
            "a.b: /f:3",
        );
        check_settings(
            r#"{"warnings":["unknown variable X"]}"#,
            State::Warn,
            "unknown variable X",
        );
        check_settings(
            r#"{"faults":[{"place":"/f:2","message":"unknown key `q`"}]}"#,
            State::Fail,
            "/f:2: unknown key `q`",
        );
    }

    #[test]
    fn files_that_others_can_read_are_found() {
        let (configuration, connections) = (Err(String::new()), Err(String::new()));
        let with = |owner, mode| Facts {
            configuration: &configuration,
            connections: &connections,
            named: "",
            private: vec![PrivateFile {
                path: "/c.toml".into(),
                owner,
                mode,
            }],
        };
        let id = "configuration.modes";
        check(&with(7, 0o600), id, State::Ok, "0600");
        let open = check(&with(7, 0o644), id, State::Warn, "chmod 600 /c.toml");
        assert_eq!(
            open.fixes,
            [Fix::Mode {
                path: "/c.toml".into(),
                mode: 0o600
            }]
        );
        check(&with(7, 0o666), id, State::Fail, "0666");
        check(&with(8, 0o600), id, State::Fail, "user 8");
        check(&with(0, 0o644), id, State::Ok, "0644");
        let none = Facts {
            private: Vec::new(),
            ..with(7, 0)
        };
        check(&none, id, State::Skip, "no file");
    }
}
