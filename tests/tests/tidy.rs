//! The repository's own rules. A finding says where and what to do.

use snowflake_session_tests::tidy::{self, Finding, Tree};

/// Fails with everything that breaks the rule.
fn check(rule: fn(&Tree) -> Vec<Finding>) {
    let mut findings = rule(&Tree::of_this_repository().expect("the working tree can be read"));
    findings.sort();
    let report: Vec<String> = findings.iter().map(ToString::to_string).collect();
    assert!(
        report.is_empty(),
        "{} findings:\n{}",
        report.len(),
        report.join("\n")
    );
}

#[test]
fn crates_import_only_downward() {
    check(tidy::crates);
}

#[test]
fn rooms_name_each_other_along_their_arrows() {
    check(tidy::rooms);
}

#[test]
fn files_are_short() {
    check(tidy::length);
}

#[test]
fn the_environment_is_read_in_config() {
    check(tidy::environment);
}

#[test]
fn nothing_is_unfinished() {
    check(tidy::unfinished);
}

#[test]
fn files_say_what_they_are_about() {
    check(tidy::essays);
}

#[test]
fn the_contract_is_commented() {
    check(tidy::comments);
}

#[test]
fn agents_are_read_as_they_are_meant() {
    check(tidy::agents);
}

#[test]
fn links_lead_somewhere() {
    check(tidy::links);
}

#[test]
fn nothing_names_a_private_machine() {
    check(tidy::foreign_names);
}
