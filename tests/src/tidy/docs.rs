//! Rules about prose: links lead somewhere, and nothing names a private machine.

use std::path::{Component, Path, PathBuf};

use super::code::line_of;
use super::tree::{Finding, Source, Tree};

/// Hosts that code and prose may name. What is reserved for examples and tests needs no entry.
const HOSTS: [&str; 22] = [
    // What stands for one.
    "host",
    "apache.org",
    "arrow.apache.org",
    "crates.io",
    "debian.org",
    "docs.rs",
    "docs.snowflake.com",
    "duckdb.org",
    "freedesktop.org",
    "github.com",
    "google.aip.dev",
    "install.duckdb.org",
    "json.schemastore.org",
    "keepachangelog.com",
    "opensource.org",
    "pypi.org",
    "rust-lang.org",
    "rustsec.org",
    "semver.org",
    "snowflakecomputing.com",
    "tpc.org",
    "w3.org",
];
/// Endings that are reserved for examples and tests, or mean this machine or our own socket.
const RESERVED: [&str; 7] = [
    "example.com",
    "example",
    "test",
    "invalid",
    "localhost",
    "snowflake-session",
    // RFC 5737: an address for examples.
    "192.0.2.1",
];

/// Relative links in Markdown lead to a file, and their anchors to a heading in it.
pub fn links(tree: &Tree) -> Vec<Finding> {
    let mut findings = Vec::new();
    for source in tree.with_extension("md") {
        for (offset, target) in targets(&source.text) {
            if target.contains("://") || target.starts_with("mailto:") {
                continue;
            }
            let (file, anchor) = target.split_once('#').unwrap_or((target, ""));
            let path = resolve(&source.path, file);
            let line = line_of(&source.text, offset);
            if !tree.has(&path) {
                let message = format!("`{target}` leads nowhere; there is no {}", path.display());
                findings.push(Finding::new(&source.path, line, message));
            } else if !anchor.is_empty()
                && !tree
                    .sources
                    .iter()
                    .any(|to| to.path == path && has_heading(to, anchor))
            {
                let message = format!("`{target}`: {} has no heading with that anchor", path.display());
                findings.push(Finding::new(&source.path, line, message));
            }
        }
    }
    findings
}

/// Offsets and texts of `](…)` outside code.
fn targets(text: &str) -> Vec<(usize, &str)> {
    let mut found = Vec::new();
    let mut fenced = false;
    let mut offset = 0;
    for line in text.split_inclusive('\n') {
        if line.trim_start().starts_with("```") {
            fenced = !fenced;
        }
        if !fenced {
            for (at, _) in line.match_indices("](") {
                let in_code = line[..at].matches('`').count() % 2 == 1;
                if let Some(length) = line[at + 2..].find(')').filter(|_| !in_code) {
                    found.push((offset + at, &line[at + 2..at + 2 + length]));
                }
            }
        }
        offset += line.len();
    }
    found
}

/// The path that a link in `from` means.
fn resolve(from: &Path, link: &str) -> PathBuf {
    if link.is_empty() {
        return from.to_owned();
    }
    let mut path = from.parent().unwrap_or(Path::new("")).to_owned();
    for component in Path::new(link).components() {
        match component {
            Component::ParentDir => {
                path.pop();
            }
            Component::Normal(name) => path.push(name),
            _ => {}
        }
    }
    path
}

fn has_heading(source: &Source, anchor: &str) -> bool {
    source
        .text
        .lines()
        .filter(|line| line.starts_with('#'))
        .any(|line| slug(line) == anchor)
}

/// A heading's anchor as code forges make it.
fn slug(heading: &str) -> String {
    heading
        .trim_start_matches('#')
        .trim()
        .chars()
        .filter_map(|character| match character {
            ' ' => Some('-'),
            '-' | '_' => Some(character),
            _ => character
                .is_alphanumeric()
                .then(|| character.to_ascii_lowercase()),
        })
        .collect()
}

/// No file names a path of someone's machine, nor a host outside the public ones.
pub fn foreign_names(tree: &Tree) -> Vec<Finding> {
    // In pieces, so that this file does not find itself.
    let folders = [
        concat!("/wo", "rk/"),
        concat!("/ro", "ot/"),
        concat!("/Use", "rs/"),
    ];
    let mut findings = Vec::new();
    for source in tree.sources.iter().filter(|source| source.name() != "Cargo.lock") {
        for folder in folders {
            for (at, _) in source.text.match_indices(folder) {
                let message =
                    format!("`{folder}…` is a path of one machine; take it from an argument or a setting");
                findings.push(Finding::new(&source.path, line_of(&source.text, at), message));
            }
        }
        for (at, host) in hosts(&source.text).filter(|(_, host)| !may_be_named(host)) {
            let message = format!(
                "host `{host}`: use a name under example.com or .test, or add it to HOSTS in tests/src/tidy/docs.rs"
            );
            findings.push(Finding::new(&source.path, line_of(&source.text, at), message));
        }
    }
    findings
}

/// Hosts of the URLs in a text.
fn hosts(text: &str) -> impl Iterator<Item = (usize, &str)> {
    text.match_indices("://").filter_map(|(at, separator)| {
        let rest = &text[at + separator.len()..];
        let authority = &rest[..rest.find(|c: char| !is_host(c) && c != '@').unwrap_or(rest.len())];
        let host = authority.rsplit('@').next().unwrap_or_default();
        let schemed = text[..at].ends_with("http") || text[..at].ends_with("https");
        (schemed && !host.is_empty()).then_some((at, host))
    })
}

fn is_host(character: char) -> bool {
    character.is_ascii_alphanumeric() || matches!(character, '.' | '-' | '_')
}

fn may_be_named(host: &str) -> bool {
    let host = host.trim_end_matches('.').to_ascii_lowercase();
    let under = |domain: &&str| host == **domain || host.ends_with(&format!(".{domain}"));
    // Numbers are addresses of this machine in tests; one word or letter is a placeholder.
    host.starts_with("127.")
        || host == "0.0.0.0"
        || host.len() == 1
        || HOSTS.iter().chain(&RESERVED).any(under)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(rule: fn(&Tree) -> Vec<Finding>, texts: &[(&str, &str)], lines: &[usize]) {
        let findings = rule(&Tree::from_texts(texts));
        assert_eq!(
            findings.iter().map(|finding| finding.line).collect::<Vec<_>>(),
            lines,
            "{findings:?}"
        );
    }

    #[test]
    fn dead_links_are_found() {
        let there = ("docs/b.md", "# One, two\n");
        check(
            links,
            &[
                (
                    "a.md",
                    "[b](docs/b.md) [b](docs/b.md#one-two) [c](https://docs.rs)",
                ),
                there,
            ],
            &[],
        );
        check(links, &[("a.md", "x\n[b](docs/c.md)"), there], &[2]);
        check(links, &[("a.md", "[b](docs/b.md#three)"), there], &[1]);
        check(links, &[("docs/a.md", "[b](../b.md)"), there], &[1]);
        check(links, &[("a.md", "```\n[b](c)\n```\n`[b](c)`"), there], &[]);
    }

    #[test]
    fn names_of_machines_are_found() {
        check(
            foreign_names,
            &[("a.rs", concat!("\n// see /wo", "rk/main"))],
            &[2],
        );
        check(
            foreign_names,
            &[("a.rs", concat!("http:", "//registry.corp.internal/x"))],
            &[1],
        );
        check(
            foreign_names,
            &[("a.rs", concat!("http:", "//u@db.intranet:80/x"))],
            &[1],
        );
        check(
            foreign_names,
            &[(
                "a.rs",
                "http://127.0.0.1:1 https://acme.snowflakecomputing.com http://{host}",
            )],
            &[],
        );
    }
}
