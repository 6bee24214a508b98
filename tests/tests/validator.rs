//! Claude Code itself takes the plugin: its own validator, and an installation into an empty home, without a login.

use std::fs;
use std::path::Path;

use snowflake_session_tests::claude_code::ClaudeCode;
use snowflake_session_tests::config;
use snowflake_session_tests::plugin;

/// Tokens that the plugin may add to every conversation.
const ALWAYS_ON_MAX: usize = 300;
/// Tokens of one command when it is used.
const COMMAND_MAX: usize = 700;
/// Tokens of the skill when it is used, without what it refers to.
const SKILL_MAX: usize = 1000;

#[test]
fn the_plugin_passes_as_strict_as_can_be() {
    let claude = ClaudeCode::new();
    let folder = plugin::folder();
    let report = claude
        .plugin(&[
            "validate",
            "--strict",
            "--json",
            "--profile",
            "directory",
            path(&folder),
        ])
        .ok();
    let report: serde_json::Value = serde_json::from_str(&report).unwrap();
    let mut wanted = plugin::texts();
    wanted.retain(|text| !text.head.is_empty());
    let provided = |kind: &str| report["provides"][kind].as_array().unwrap().len();
    assert_eq!(
        provided("commands") + provided("skills"),
        wanted.len(),
        "{report:#}"
    );
}

#[test]
fn the_marketplace_passes_and_lists_the_plugin() {
    let claude = ClaudeCode::new();
    let repository = config::repository();
    claude.plugin(&["validate", "--strict", path(&repository)]).ok();
}

#[test]
fn a_mistake_would_be_found() {
    let claude = ClaudeCode::new();
    let copy = claude.path("copy");
    fs::create_dir_all(copy.join(".claude-plugin")).unwrap();
    let manifest = fs::read_to_string(plugin::folder().join(".claude-plugin/plugin.json")).unwrap();
    let wrong = manifest.replace("\"license\"", "\"licence\"");
    assert_ne!(manifest, wrong);
    fs::write(copy.join(".claude-plugin/plugin.json"), wrong).unwrap();
    let ran = claude.plugin(&["validate", "--strict", path(&copy)]);
    assert_eq!(ran.code, 1, "{ran}");
    assert!(ran.out().contains("licence"), "{ran}");
}

#[test]
fn it_installs_into_an_empty_home_and_costs_few_tokens() {
    let claude = ClaudeCode::new();
    let repository = config::repository();
    claude.plugin(&["marketplace", "add", path(&repository)]).ok();
    claude
        .plugin(&["install", "snowflake-session@snowflake-session"])
        .ok();
    let details = claude.plugin(&["details", "snowflake-session"]).ok();
    assert!(tokens(&details, "Always-on:", 0) <= ALWAYS_ON_MAX, "{details}");
    for text in plugin::texts() {
        let most = if text.name.starts_with("commands/") {
            COMMAND_MAX
        } else {
            SKILL_MAX
        };
        let name = match text.head.get("name") {
            Some(name) => name.clone(),
            None => text.name.trim_start_matches("commands/").to_owned(),
        };
        if !text.head.is_empty() {
            assert!(tokens(&details, &name, 1) <= most, "{name}: {details}");
        }
    }
}

/// The figure at this place of the line that begins with a word.
fn tokens(details: &str, beginning: &str, place: usize) -> usize {
    let line = details
        .lines()
        .find(|line| line.split_whitespace().next() == Some(beginning));
    let line = line.unwrap_or_else(|| panic!("no line `{beginning}` in {details}"));
    let figures: Vec<usize> = line
        .split_whitespace()
        .filter_map(|word| word.strip_prefix('~')?.replace(',', "").parse().ok())
        .collect();
    figures[place]
}

fn path(path: &Path) -> &str {
    path.to_str().expect("the repository has a name of letters")
}
