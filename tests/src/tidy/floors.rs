//! The floors: which crate may import which of ours, and who may name the packages that one room contains.

use toml::Table;

use super::tree::{Finding, Source, Tree};

/// Crate folder, the name others import it by, and what it may import of ours. `ARCHITECTURE.md` draws it.
const FLOORS: [(&str, &str, &[&str]); 10] = [
    ("proto", "snowflake-session-proto", &[]),
    ("gateway", "snowflake-session-gateway", &[]),
    (
        "driver",
        "snowflake-session-driver",
        &["snowflake-session-gateway"],
    ),
    (
        "service",
        "snowflake-session",
        &[
            "snowflake-session-driver",
            "snowflake-session-gateway",
            "snowflake-session-proto",
        ],
    ),
    ("service/fuzz", "snowflake-session-fuzz", &["snowflake-session"]),
    ("ctl", "sfctl", &["snowflake-session-proto"]),
    ("emulator", "snowflake-emulator", &["snowflake-emulator-engine"]),
    ("emulator/engine", "snowflake-emulator-engine", &[]),
    ("tests", "snowflake-session-tests", &["snowflake-session-proto"]),
    ("xtask", "xtask", &[]),
];

/// Packages that only these crates may depend on.
const CONTAINED: [(&str, &[&str]); 9] = [
    ("duckdb-neo", &["emulator/engine"]),
    ("libduckdb-sys", &["emulator/engine"]),
    // The service's tests ask it for a second opinion; the service itself does not.
    ("sqlparser", &["emulator", "service"]),
    ("snowflake-connector-rs", &["driver"]),
    // All that reaches Snowflake passes the gateway; the service posts spans to a collector and the emulator asks an
    // authority about tokens, each in one room.
    ("reqwest", &["gateway", "service", "emulator"]),
    ("tonic", &["proto", "service", "ctl", "tests"]),
    ("figment", &["service"]),
    ("daemonize", &["service"]),
    ("tracing-journald", &["service"]),
];

const SECTIONS: [&str; 3] = ["dependencies", "dev-dependencies", "build-dependencies"];

/// Each crate imports only downward, and contained packages stay where they are contained.
pub fn crates(tree: &Tree) -> Vec<Finding> {
    tree.sources
        .iter()
        .filter(|source| source.name() == "Cargo.toml" && source.path.components().count() > 1)
        .flat_map(manifest)
        .collect()
}

fn manifest(source: &Source) -> Vec<Finding> {
    let folder = source
        .path
        .parent()
        .and_then(|folder| folder.to_str())
        .unwrap_or_default();
    let Some((_, _, allowed)) = FLOORS.iter().find(|(crate_folder, ..)| *crate_folder == folder) else {
        let message = "a crate without a floor; give it one in tests/src/tidy/floors.rs and ARCHITECTURE.md";
        return vec![Finding::new(&source.path, 0, message)];
    };
    let table = match source.text.parse::<Table>() {
        Ok(table) => table,
        Err(error) => return vec![Finding::new(&source.path, 0, format!("not TOML: {error}"))],
    };
    let mut findings = Vec::new();
    for name in dependencies(&table) {
        let line = source
            .text
            .lines()
            .position(|line| names(line, &name))
            .map_or(0, |index| index + 1);
        if FLOORS.iter().any(|(_, ours, _)| *ours == name) && !allowed.contains(&name.as_str()) {
            let message = format!(
                "`{folder}` may not import `{name}`; it may import {allowed:?}. A new arrow between crates needs an ADR"
            );
            findings.push(Finding::new(&source.path, line, message));
        }
        let owners = CONTAINED
            .iter()
            .find(|(package, _)| *package == name)
            .map(|(_, owners)| *owners);
        if let Some(owners) = owners.filter(|owners| !owners.contains(&folder)) {
            let message = format!("only {owners:?} may depend on `{name}`; go through it");
            findings.push(Finding::new(&source.path, line, message));
        }
    }
    findings
}

/// Names of all dependencies, also those for one platform only.
fn dependencies(manifest: &Table) -> Vec<String> {
    let targets = manifest.get("target").and_then(|targets| targets.as_table());
    let tables = targets
        .into_iter()
        .flat_map(|targets| targets.values().filter_map(|target| target.as_table()));
    std::iter::once(manifest)
        .chain(tables)
        .flat_map(|table| {
            SECTIONS
                .iter()
                .filter_map(|section| table.get(*section)?.as_table())
        })
        .flat_map(|section| section.iter().map(|(name, value)| package(name, value)))
        .collect()
}

/// Whether a line of the manifest speaks of this package.
fn names(line: &str, package: &str) -> bool {
    line.strip_prefix(package)
        .is_some_and(|rest| rest.starts_with(['.', ' ', '=']))
        || line.contains(&format!("\"{package}\""))
}

/// The package that a dependency means, which `package = "…"` may rename.
fn package(name: &str, value: &toml::Value) -> String {
    value
        .get("package")
        .and_then(|package| package.as_str())
        .unwrap_or(name)
        .to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(path: &str, text: &str, lines: &[usize]) {
        let findings = crates(&Tree::from_texts(&[("Cargo.toml", ""), (path, text)]));
        assert_eq!(
            findings.iter().map(|finding| finding.line).collect::<Vec<_>>(),
            lines,
            "{findings:?}"
        );
    }

    #[test]
    fn arrows_upward_are_found() {
        check(
            "driver/Cargo.toml",
            "[dependencies]\nsnowflake-session-gateway.workspace = true",
            &[],
        );
        check(
            "gateway/Cargo.toml",
            "[dependencies]\nsnowflake-session-driver.workspace = true",
            &[2],
        );
        check(
            "ctl/Cargo.toml",
            "[dev-dependencies]\nsnowflake-session = { path = \"../service\" }",
            &[2],
        );
        check(
            "gateway/Cargo.toml",
            "[target.'cfg(unix)'.dependencies]\nsfctl = \"1\"",
            &[2],
        );
        check(
            "ctl/Cargo.toml",
            "[dependencies]\nother = { package = \"snowflake-session\", version = \"1\" }",
            &[2],
        );
    }

    #[test]
    fn escaped_packages_are_found() {
        check(
            "emulator/engine/Cargo.toml",
            "[dependencies]\nduckdb-neo.workspace = true",
            &[],
        );
        check(
            "emulator/Cargo.toml",
            "[dependencies]\nduckdb-neo.workspace = true",
            &[2],
        );
    }

    #[test]
    fn crates_without_floor_are_found() {
        check("common/Cargo.toml", "[package]\nname = \"common\"", &[0]);
    }
}
