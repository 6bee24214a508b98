//! The plugin's commands as Claude Code would run them: through a shell, with what users and data bring along.

#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::collections::BTreeMap;
use std::fs;

use snowflake_session_tests::config;
use snowflake_session_tests::desk::{Desk, TRAPS};
use snowflake_session_tests::plugin::{self, Filled, Snippet, Text};
use snowflake_session_tests::process::Ran;

/// Shells that Claude Code may find.
const SHELLS: [&str; 2] = ["/bin/sh", "/bin/bash"];

fn snippets() -> Vec<Snippet> {
    plugin::texts().iter().flat_map(Text::snippets).collect()
}

#[test]
fn whatever_is_filled_in_reaches_sfctl_whole_and_nothing_else() {
    let desk = Desk::with_recorder();
    for snippet in snippets() {
        for shell in SHELLS {
            for trap in TRAPS {
                let Filled {
                    script,
                    arguments,
                    input,
                } = snippet.filled(trap, trap);
                let ran = desk.shell(shell, &script);
                assert_eq!(ran.stderr, "", "{ran}");
                ran.ok();
                assert_eq!(desk.noted(), (1, arguments, input), "{script}");
                if !snippet.is_open() {
                    break;
                }
            }
        }
    }
}

#[test]
fn a_trap_that_springs_is_seen() {
    let desk = Desk::with_recorder();
    let query = plugin::text("commands/sf-query").snippet("sfctl query --policy read-only --budget");
    let script = query.filled("", "$(: > evil)").script.replace('\'', "");
    desk.unwatched_shell("/bin/sh", &script).ok();
    assert_eq!(desk.left(), ["evil"]);
}

#[test]
fn heads_are_what_claude_code_reads() {
    for text in plugin::texts()
        .iter()
        .filter(|text| !text.name.contains("/reference/"))
    {
        let name = &text.name;
        assert!(text.head.contains_key("description"), "{name}");
        for (key, value) in &text.head {
            let known = ["name", "description", "argument-hint", "allowed-tools"];
            assert!(known.contains(&key.as_str()), "{name}: {key}");
            let plain = !value.contains(": ") && !value.starts_with('[');
            assert!(
                plain || value.starts_with('"'),
                "{name}: {key} needs quotes to be YAML"
            );
        }
        let takes_arguments = text.head.contains_key("argument-hint");
        assert_eq!(
            text.body.matches("$ARGUMENTS").count(),
            usize::from(takes_arguments),
            "{name}"
        );
        // On a line of their own they are prose; what Claude Code itself would put into a command it would not quote.
        assert!(
            !takes_arguments || text.body.contains("\n\n$ARGUMENTS\n\n"),
            "{name}"
        );
        assert!(
            !text.body.contains("!`"),
            "{name} runs a command while it is read"
        );
        let fills_in = |pair: &[u8]| pair[0] == b'$' && pair[1].is_ascii_digit();
        assert!(
            !text.body.as_bytes().windows(2).any(fills_in),
            "{name}: `$1` is filled in unquoted"
        );
    }
}

#[test]
fn only_what_changes_nothing_at_snowflake_runs_without_asking() {
    let allowed: BTreeMap<String, Vec<String>> = plugin::texts()
        .iter()
        .filter(|text| !text.head.is_empty())
        .map(|text| (text.name.clone(), text.allowed()))
        .collect();
    let harmless = [
        "sfctl query --policy read-only",
        "sfctl write --dry-run",
        "sfctl context",
        "sfctl connect",
        "sfctl use",
        "sfctl job list",
        "sfctl job show",
        "sfctl job wait",
        "sfctl job result",
        "sfctl job history",
        "sfctl session list",
        "sfctl session show",
    ];
    for (name, rules) in &allowed {
        for rule in rules {
            assert!(harmless.contains(&rule.as_str()), "{name} allows `{rule}`");
        }
    }
    let mut asks = Vec::new();
    for snippet in snippets() {
        // Reference files are read under the rules of their skill.
        let skill = snippet.text.split("/reference/").next().unwrap();
        let rules = allowed
            .get(&snippet.text)
            .or_else(|| allowed.get(&format!("{skill}/SKILL")));
        let line = snippet.template.lines().next().unwrap();
        assert!(line.starts_with("sfctl "), "{}: {line}", snippet.text);
        let goes_through = |rule: &String| line == rule || line.starts_with(&format!("{rule} "));
        if !rules.unwrap().iter().any(goes_through) {
            asks.push(line.split(" <<").next().unwrap().to_owned());
        }
    }
    let asked = [
        "sfctl job cancel -- 'ID'",
        "sfctl write --max-rows='N' --format json -",
        "sfctl write --format json --confirm='TOKEN'",
        "sfctl write --format json --abandon='TOKEN'",
        "sfctl write --undo='ID' --format json",
    ];
    assert_eq!(asks, asked);
}

#[test]
fn every_snippet_runs_in_an_empty_home_without_an_account() {
    let desk = Desk::with_sfctl();
    let file = desk.stage.write("it's my.sql", "select 7 as n");
    let file = file.to_str().unwrap();
    // The latest query is a finished one from here on.
    let query = plugin::text("commands/sf-query").snippet("sfctl query --policy read-only --budget");
    desk.run(&query, "", "select 1 as n").ok();
    for snippet in snippets() {
        if snippet.template.starts_with("sfctl write") {
            // Each has a state to come to, in `plugin_write`.
            continue;
        }
        let word = match snippet.template.split_whitespace().nth(1).unwrap() {
            // An empty text finds every statement.
            "job" if snippet.template.starts_with("sfctl job history") => "",
            "connect" => "local",
            "use" => "snowflake_sample_data.tpch_sf001",
            "job" => "last",
            "query" => file,
            other => {
                assert!(!snippet.is_open(), "what does `sfctl {other}` take?");
                ""
            }
        };
        let document = snippet.template.lines().nth(1).unwrap_or_default();
        let ran = desk.run(&snippet, word, document);
        assert_eq!(ran.code, 0, "{}: {ran}", snippet.text);
        let silent = snippet.template.starts_with("sfctl job cancel");
        assert!(silent || !ran.stdout.is_empty(), "{}: {ran}", snippet.text);
    }
}

#[test]
fn texts_come_back_as_they_went() {
    let desk = Desk::with_sfctl();
    let skill = plugin::text("skills/snowflake/SKILL");
    let query = skill.snippet("sfctl query --policy read-only --budget");
    let bound = skill.snippet("sfctl query --policy read-only --bind");
    for trap in TRAPS {
        let literal = trap.replace('\\', r"\\").replace('\'', "''");
        let ran = desk.run(&query, "", &format!("select '{literal}' as value"));
        assert_eq!(values(ran), [trap]);
        let ran = desk.run(&bound, trap, "select ? as value");
        assert_eq!(values(ran), [trap]);
    }
}

/// The first column of a result that is printed within a budget.
fn values(ran: Ran) -> Vec<String> {
    let result: serde_json::Value = serde_json::from_str(&ran.ok()).unwrap();
    assert_eq!(result["cells_cut"], 0, "{result}");
    let rows = result["rows"].as_array().unwrap();
    rows.iter()
        .map(|row| row[0].as_str().unwrap().to_owned())
        .collect()
}

#[test]
fn names_mean_what_they_say_or_are_refused() {
    let desk = Desk::with_sfctl();
    desk.stage.foresee("there is no connection named");
    let switch = plugin::text("commands/sf-use").snippet("sfctl use");
    let connect = plugin::text("commands/sf-connect").snippet("sfctl connect --format json --connection");
    let show = plugin::text("commands/sf-job").snippet("sfctl job show");
    for trap in TRAPS {
        // There is no such schema, or it is no name; quoted it is one, and there still is none.
        let refused = |ran: Ran, codes: &[i32]| {
            assert!(codes.contains(&ran.code) && ran.stdout.is_empty(), "{ran}");
            assert!(ran.stderr.starts_with("error: "), "{ran}");
        };
        refused(desk.run(&switch, trap, ""), &[1, 2]);
        let quoted = format!("\"{}\"", trap.replace('"', "\"\""));
        refused(desk.run(&switch, &quoted, ""), &[1, 2]);
        refused(desk.run(&connect, trap, ""), &[2]);
        refused(desk.run(&show, trap, ""), &[1, 2]);
    }
}

#[test]
fn every_catalog_statement_finds_something() {
    let desk = Desk::with_sfctl();
    let catalog = plugin::text("commands/sf-catalog");
    let snippet = catalog.snippet("sfctl query");
    let statements = catalog.blocks("sql").concat();
    assert!(statements.lines().count() > 3);
    for line in statements.lines() {
        let sql = line
            .replace("D.S.T", "D.S.orders")
            .replace("D.S", "D.tpch_sf001")
            .replace(" D", " snowflake_sample_data")
            .replace("%WORD%", "%ord%");
        let rows = desk.run(&snippet, "", &sql).ok();
        assert!(rows.lines().count() > 1, "{sql}: {rows}");
        assert!(
            rows.contains("ORDER") || rows.contains("TPCH_SF001"),
            "{sql}: {rows}"
        );
    }
}

#[test]
fn a_cut_result_and_an_open_transaction_are_told_as_the_command_says() {
    let desk = Desk::with_sfctl();
    desk.sfctl(&["begin"]).ok();
    let query = plugin::text("commands/sf-query").snippet("sfctl query --policy read-only --budget");
    let ran = desk.run(
        &query,
        "",
        "select o_orderkey from snowflake_sample_data.tpch_sf001.orders",
    );
    let told: serde_json::Value = serde_json::from_str(ran.stderr.lines().last().unwrap()).unwrap();
    assert_eq!(told["truncated"], true, "{ran}");
    assert_eq!(told["transaction_open"], true, "{ran}");
    let result: serde_json::Value = serde_json::from_str(&ran.out()).unwrap();
    assert!(result["rows"].as_array().unwrap().len() > 5, "{result}");
    // The commands for more are typed as they are.
    for more in ["next", "rest"] {
        let command = result[more].as_str().unwrap();
        assert!(command.starts_with("sfctl job result "), "{command}");
        desk.shell("/bin/bash", command).ok();
    }
    desk.sfctl(&["rollback"]).ok();
}

#[test]
fn the_skill_knows_the_exit_codes() {
    let codes = |text: &str| -> Vec<u8> {
        let cells = text
            .lines()
            .filter_map(|line| line.strip_prefix("| ")?.split(" |").next());
        cells.filter_map(|cell| cell.parse().ok()).collect()
    };
    let documented = fs::read_to_string(config::repository().join("docs/exit-codes.md")).unwrap();
    let taught = plugin::text("skills/snowflake/reference/failures").body;
    assert_eq!(codes(&taught), codes(&documented));
    assert!(codes(&taught).len() > 5);
}

#[test]
fn the_skill_leads_to_all_it_has() {
    let skill = plugin::text("skills/snowflake/SKILL");
    for text in plugin::texts() {
        if let Some(reference) = text.name.strip_prefix("skills/snowflake/reference/") {
            let link = format!("(reference/{reference}.md)");
            assert!(skill.body.contains(&link), "the skill does not name {reference}");
        }
    }
}

#[test]
fn manifest_marketplace_and_release_agree() {
    let read = |path: &str| -> serde_json::Value {
        serde_json::from_str(&fs::read_to_string(config::repository().join(path)).unwrap()).unwrap()
    };
    let manifest = read("plugin/.claude-plugin/plugin.json");
    let marketplace = read(".claude-plugin/marketplace.json");
    assert_eq!(manifest["version"], env!("CARGO_PKG_VERSION"));
    assert_eq!(marketplace["plugins"][0]["name"], manifest["name"]);
    assert_eq!(marketplace["plugins"][0]["description"], manifest["description"]);
    assert_eq!(marketplace["plugins"][0]["source"], "./plugin");
}
