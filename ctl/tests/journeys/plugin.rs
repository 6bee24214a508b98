//! The Claude Code plugin: its files are well formed and call only verbs that exist.

use std::collections::BTreeMap;
use std::path::PathBuf;

use snowflake_session_proto::v1::{Loss, LossKind};

use crate::arrow::{events, two_rows};
use crate::fake::Script;
use crate::harness::{House, ran, sfctl};

fn plugin() -> PathBuf {
    PathBuf::from(concat!(env!("CARGO_MANIFEST_DIR"), "/../plugin"))
}

/// Name and text of each command.
fn commands() -> BTreeMap<String, String> {
    std::fs::read_dir(plugin().join("commands"))
        .unwrap()
        .map(|entry| {
            let path = entry.unwrap().path();
            let name = path.file_stem().unwrap().to_str().unwrap().to_owned();
            (name, std::fs::read_to_string(path).unwrap())
        })
        .collect()
}

#[test]
fn the_manifest_is_what_claude_code_takes() {
    let text = std::fs::read_to_string(plugin().join(".claude-plugin/plugin.json")).unwrap();
    let manifest: serde_json::Map<String, serde_json::Value> = serde_json::from_str(&text).unwrap();
    let known = [
        "name",
        "displayName",
        "version",
        "description",
        "license",
        "keywords",
    ];
    for key in manifest.keys() {
        assert!(known.contains(&key.as_str()), "{key}");
    }
    assert_eq!(manifest["name"], "snowflake-session");
    assert_eq!(manifest["version"], env!("CARGO_PKG_VERSION"));
    let readme = std::fs::read_to_string(plugin().join("README.md")).unwrap();
    assert!(readme.split_whitespace().count() >= 40);
}

#[test]
fn commands_may_run_sfctl_only_and_substitute_nothing_in_a_shell() {
    let commands = commands();
    let names: Vec<&str> = commands.keys().map(String::as_str).collect();
    assert_eq!(names, ["sf-connect", "sf-context", "sf-query", "sf-use"]);
    for (name, text) in &commands {
        let (head, body) = text.strip_prefix("---\n").unwrap().split_once("\n---\n").unwrap();
        let fields: BTreeMap<&str, &str> = head.lines().map(|line| line.split_once(": ").unwrap()).collect();
        assert_eq!(fields["allowed-tools"], "Bash(sfctl:*)", "{name}");
        assert!(!fields["description"].is_empty(), "{name}");
        for (key, value) in &fields {
            let plain = !value.contains(": ") || value.starts_with('"');
            assert!(plain, "{name}: {key} needs quotes to be YAML");
        }
        assert!(!body.contains("!`"), "{name} runs a command while it is read");
        for line in body.lines().filter(|line| line.contains("$ARGUMENTS")) {
            assert_eq!(
                line, "$ARGUMENTS",
                "{name}: arguments stand alone, not in a command"
            );
        }
    }
}

#[test]
fn commands_call_verbs_that_exist() {
    let directory = tempfile::tempdir().unwrap();
    for (name, text) in commands() {
        let calls: Vec<&str> = text
            .split("sfctl ")
            .skip(1)
            .filter_map(|rest| rest.split([' ', '`', '\n']).next())
            .filter(|word| !word.is_empty())
            .collect();
        assert!(!calls.is_empty(), "{name} calls nothing");
        for verb in calls {
            ran(sfctl(directory.path(), &[verb, "--help"])).ok();
        }
    }
}

#[test]
fn the_way_to_pass_sql_changes_nothing_in_it() {
    let text = &commands()["sf-query"];
    let example = text.split("```").nth(1).unwrap().trim();
    let sql = "select '$HOME', \"it's\", `x`, '\\n' -- $(touch evil)";
    let script = example.replace("select current_version()", sql);
    assert!(script.contains(sql));
    let house = House::new(Script::Events(events(&[two_rows()])));
    let binaries = PathBuf::from(env!("CARGO_BIN_EXE_sfctl"));
    let mut shell = std::process::Command::new("/bin/sh");
    shell
        .args(["-c", &script])
        .env_clear()
        .env("PATH", binaries.parent().unwrap())
        .env("SFCTL_SOCKET", &house.fake.socket)
        .current_dir(house.directory.path());
    let ran = ran(shell);
    assert!(ran.ok().starts_with("[\n{\"N\":1"), "{ran:?}");
    assert_eq!(house.fake.query().sql, format!("{sql}\n"));
    assert_eq!(house.files(), [""; 0]);
}

#[test]
fn commands_know_what_a_loss_and_the_statistics_look_like() {
    let house = House::new(Script::Events(events(&[two_rows()])));
    let stats = house.run(&["query", "--stats", "-q", "--format", "json", "select 1"]);
    stats.ok();
    let stats: serde_json::Map<String, serde_json::Value> = serde_json::from_str(&stats.stderr).unwrap();
    let commands = commands();
    for key in stats.keys() {
        assert!(commands["sf-query"].contains(&format!("`{key}`")), "{key}");
    }
    house.fake.with_session("lossy", |session| {
        session.losses = vec![Loss {
            kind: LossKind::TemporaryObject.into(),
            name: "TABLE T".to_owned(),
            cause: "the service was stopped".to_owned(),
        }];
    });
    let refused = house.run(&["query", "select 1", "--session", "lossy"]);
    let label = refused
        .failed(1)
        .lines()
        .find_map(|line| line.strip_suffix(" TABLE T"))
        .unwrap()
        .to_owned();
    for name in ["sf-query", "sf-use"] {
        assert!(commands[name].contains(&format!("`{label}`")), "{name}");
    }
}
