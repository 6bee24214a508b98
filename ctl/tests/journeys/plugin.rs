//! The Claude Code plugin: its texts name only what `sfctl` has and says.
//!
//! What a shell makes of its commands is looked at with the whole programs, in `tests/`.

use std::path::{Path, PathBuf};

use snowflake_session_proto::v1::{Loss, LossKind};

use crate::arrow::{events, two_rows};
use crate::fake::Script;
use crate::harness::{House, ran, sfctl};

fn plugin() -> PathBuf {
    PathBuf::from(concat!(env!("CARGO_MANIFEST_DIR"), "/../plugin"))
}

/// Path and text of each Markdown file.
fn texts() -> Vec<(PathBuf, String)> {
    let mut texts = Vec::new();
    gather(&plugin(), &mut texts);
    assert!(texts.len() > 5, "{texts:?}");
    texts
}

fn gather(folder: &Path, texts: &mut Vec<(PathBuf, String)>) {
    for entry in std::fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            gather(&path, texts);
        } else if path.extension().is_some_and(|extension| extension == "md") {
            let text = std::fs::read_to_string(&path).unwrap();
            texts.push((path, text));
        }
    }
}

fn command(name: &str) -> String {
    std::fs::read_to_string(plugin().join("commands").join(name)).unwrap()
}

/// What stands in code: between backticks, or in a block of its own.
fn code(text: &str) -> impl Iterator<Item = &str> {
    text.split('`')
        .skip(1)
        .step_by(2)
        .filter(|code| !code.is_empty())
        .chain(text.split("\n```\n").skip(1).step_by(2))
}

#[test]
fn texts_name_verbs_and_options_that_exist() {
    let directory = tempfile::tempdir().unwrap();
    let help = |verbs: &[&str]| {
        ran(sfctl(directory.path(), &[verbs, &["--help"]].concat()))
            .ok()
            .to_owned()
    };
    let mut calls = 0;
    for (path, text) in texts() {
        for call in code(&text).filter_map(|code| code.strip_prefix("sfctl ")) {
            let line = call.lines().next().unwrap();
            let words: Vec<&str> = line.split(' ').collect();
            let is_verb = |word: &&&str| word.chars().all(|letter| letter.is_ascii_lowercase());
            let verbs: Vec<&str> = words.iter().take_while(is_verb).take(2).copied().collect();
            if verbs.is_empty() {
                continue;
            }
            let help = help(&verbs);
            for option in words.iter().filter_map(|word| word.split('=').next()) {
                let is_option = option.len() > 2 && option.starts_with("--");
                assert!(!is_option || help.contains(option), "{}: {line}", path.display());
            }
            calls += 1;
        }
    }
    assert!(calls > 20, "{calls}");
}

#[test]
fn options_in_prose_belong_to_some_verb() {
    let directory = tempfile::tempdir().unwrap();
    let verbs: [&[&str]; 8] = [
        &["query"],
        &["write"],
        &["use"],
        &["job", "wait"],
        &["job", "result"],
        &["job", "history"],
        &["session", "new"],
        &["context"],
    ];
    let help: String = verbs
        .map(|verb| {
            ran(sfctl(directory.path(), &[verb, &["--help"]].concat()))
                .ok()
                .to_owned()
        })
        .concat();
    for (path, text) in texts() {
        for option in code(&text).filter(|code| code.starts_with("--")) {
            let option = option.split([' ', '=']).next().unwrap();
            assert!(help.contains(option), "{}: {option}", path.display());
        }
    }
}

#[test]
fn commands_know_what_a_loss_and_the_statistics_look_like() {
    let house = House::new(Script::Events(events(&[two_rows()])));
    let stats = house.run(&["query", "--stats", "-q", "--format", "json", "select 1"]);
    stats.ok();
    let stats: serde_json::Map<String, serde_json::Value> = serde_json::from_str(&stats.stderr).unwrap();
    for key in stats.keys() {
        assert!(command("sf-query.md").contains(&format!("`{key}`")), "{key}");
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
    for name in ["sf-query.md", "sf-use.md"] {
        assert!(command(name).contains(&format!("`{label}`")), "{name}");
    }
}
