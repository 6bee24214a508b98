//! What statements may do, who asks, and what a refusal says.

use snowflake_session_proto::v1::{ErrorReason, HeldWrite, PolicyLevel};

use crate::arrow::{events, two_rows};
use crate::fake::{Script, error, now};
use crate::harness::{House, ran};

fn house() -> House {
    House::new(Script::Events(events(&[two_rows()])))
}

#[test]
fn a_query_asks_for_what_it_was_told() {
    let house = house();
    let check = |arguments: &[&str], environment: Option<&str>, level: PolicyLevel| {
        let mut command = house.command(arguments);
        command.envs(environment.map(|value| ("SFCTL_POLICY", value)));
        ran(command).ok();
        assert_eq!(
            house.fake.query().policy(),
            level,
            "{arguments:?} {environment:?}"
        );
    };
    check(&["query", "select 1"], None, PolicyLevel::Unspecified);
    check(
        &["query", "select 1", "--policy", "read-only"],
        None,
        PolicyLevel::ReadOnly,
    );
    check(
        &["query", "select 1", "--policy", "guarded"],
        None,
        PolicyLevel::Guarded,
    );
    check(&["query", "select 1"], Some("open"), PolicyLevel::Open);
    check(
        &["query", "select 1", "--policy", "read-only"],
        Some("open"),
        PolicyLevel::ReadOnly,
    );
    house
        .run(&["query", "--async", "--policy", "open", "select 1"])
        .ok();
    assert_eq!(
        house.fake.state.submitted.lock().unwrap()[0].policy(),
        PolicyLevel::Open
    );
}

#[test]
fn a_session_is_made_with_a_policy_and_shows_it() {
    let house = house();
    let made = house.run(&["session", "new", "mine", "--policy", "read-only"]);
    assert!(made.ok().contains("\npolicy       read-only\n"), "{made:?}");
    let list = house.run(&["session", "list"]);
    assert!(list.ok().contains("| read-only |"), "{list:?}");
    let json: serde_json::Value = serde_json::from_str(
        house
            .run(&["context", "--session", "mine", "--format", "json"])
            .ok(),
    )
    .unwrap();
    assert_eq!(json["policy"], "read-only");
    assert_eq!(json["held_write"], serde_json::Value::Null);
    let mut command = house.command(&["session", "new", "theirs"]);
    command.env("SFCTL_POLICY", "open");
    ran(command).ok();
    let created = house.fake.state.created.lock().unwrap().last().unwrap().clone();
    assert_eq!(created.policy(), PolicyLevel::Open);
}

#[test]
fn a_held_write_is_shown_with_its_end() {
    let house = house();
    house.fake.with_session("other", |_| {});
    house.fake.with_session("default", |session| {
        session.transaction_open = true;
        session.held_write = Some(HeldWrite {
            sql: "delete from orders".to_owned(),
            ran: true,
            row_count: 1_200,
            expire_time: Some(now(540)),
        });
    });
    for verb in [&["context"][..], &["session", "show"]] {
        let shown = house.run(verb);
        let lines: Vec<&str> = shown
            .ok()
            .lines()
            .skip_while(|line| !line.starts_with("held write "))
            .take(3)
            .map(|line| line.trim_start_matches("held write").trim())
            .collect();
        assert_eq!(
            lines[..2],
            ["delete from orders", "1,200 rows changed, not committed"]
        );
        assert!(lines[2].starts_with("given up in 9m ("), "{shown:?}");
        assert!(shown.stderr.contains("sfctl write --confirm TOKEN"), "{shown:?}");
    }
    let json: serde_json::Value =
        serde_json::from_str(house.run(&["context", "--format", "json"]).ok()).unwrap();
    assert_eq!(json["held_write"]["rows"], 1_200);
    assert_eq!(json["held_write"]["ran"], true);
    let list = house.run(&["session", "list"]);
    assert!(list.ok().contains("| write | "), "{list:?}");
    assert!(list.ok().contains("| held  |"), "{list:?}");
}

#[test]
fn a_refusal_names_its_rule_and_what_to_do() {
    let details = [
        ("rule", "read-only"),
        (
            "hint",
            "`sfctl write` changes rows\n`--policy open` lets the connection decide",
        ),
    ];
    let status = error(
        ErrorReason::Refused,
        "a delete is more than may be read",
        &details,
    );
    let house = House::new(Script::Fails(Vec::new(), status));
    assert_eq!(
        house.run(&["query", "delete from t"]).failed(5),
        "error: the service refused it\n\
         caused by: a delete is more than may be read\n\
         rule: read-only\n\
         hint: `sfctl write` changes rows\n\
         hint: `--policy open` lets the connection decide\n"
    );
}

#[test]
fn calls_say_for_which_agent_they_are() {
    let house = house();
    let named = |variables: &[(&str, &str)]| {
        let mut command = house.command(&["query", "select 1"]);
        command.envs(variables.iter().copied());
        ran(command).ok();
        house.fake.state.agents.lock().unwrap().pop().unwrap()
    };
    assert_eq!(named(&[]), None);
    let claude = ("CLAUDE_CODE_SESSION_ID", "1b9d6bcd-bbfd");
    assert_eq!(named(&[claude]).as_deref(), Some("1b9d6bcd-bbfd"));
    assert_eq!(
        named(&[claude, ("SFCTL_AGENT", "night shift\n\u{e9}")]).as_deref(),
        Some("night_shift__")
    );
    assert_eq!(named(&[("SFCTL_AGENT", "  ")]), None);
}
