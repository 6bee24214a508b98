//! The rooms inside `service` and `emulator`: which room may name which, and which foreign names stay in one room.

use std::path::Path;

use super::code::{bare, is_word, line_of, words};
use super::tree::{Finding, Source, Tree};

/// A room and the rooms of the same crate that it may name.
type Arrows = (&'static str, &'static [&'static str]);

/// Rooms of the service. `domain` is pure; `app` composes.
const SERVICE: [Arrows; 14] = [
    ("domain", &[]),
    ("config", &["domain", "platform"]),
    ("platform", &[]),
    ("sessions", &["domain"]),
    ("backend", &["domain", "sessions"]),
    ("journal", &["domain"]),
    ("audit", &["domain"]),
    ("metrics", &["domain", "platform"]),
    ("pool", &["domain"]),
    ("remote", &["domain", "platform"]),
    ("traces", &["domain"]),
    ("rpc", &["domain", "sessions", "traces"]),
    (
        "app",
        &[
            "domain", "config", "platform", "sessions", "backend", "journal", "audit", "metrics", "pool",
            "remote", "rpc", "traces",
        ],
    ),
    ("main", &["app", "config", "platform"]),
];

/// Rooms of the emulator, from the shared words up to the wire. The engine is a crate of its own.
const EMULATOR: [Arrows; 16] = [
    ("contract", &[]),
    ("faults", &[]),
    ("folder", &[]),
    ("catalog", &["contract"]),
    ("front", &["contract", "catalog"]),
    ("lower", &["contract", "front", "catalog"]),
    ("stages", &["contract"]),
    ("plan", &["contract", "front", "catalog", "lower", "stages"]),
    (
        "session",
        &[
            "contract", "folder", "front", "catalog", "lower", "plan", "stages",
        ],
    ),
    ("results", &["contract"]),
    (
        "protocol",
        &["contract", "faults", "results", "session", "stages"],
    ),
    ("sql_api", &["contract", "results", "session", "protocol"]),
    (
        "config",
        &[
            "contract", "faults", "folder", "results", "session", "stages", "protocol", "sql_api",
        ],
    ),
    ("life", &["config", "folder", "session"]),
    (
        "app",
        &[
            "config", "contract", "folder", "results", "catalog", "session", "stages", "protocol", "sql_api",
        ],
    ),
    ("main", &["app", "config", "life"]),
];

/// A name that only these files may use, and what to do instead.
struct Contained {
    /// Folder in which the rule holds.
    within: &'static str,
    /// The name.
    name: &'static str,
    /// Path beginnings, below `within`, that may use it.
    rooms: &'static [&'static str],
    /// What to do instead.
    instead: &'static str,
}

const CONTAINED: [Contained; 18] = [
    Contained {
        within: "service/src/domain",
        name: "tokio",
        rooms: &[],
        instead: "`domain` is pure: return the effect",
    },
    Contained {
        within: "service/src/domain",
        name: "std::fs",
        rooms: &[],
        instead: "`domain` does no I/O",
    },
    Contained {
        within: "service/src/domain",
        name: "std::net",
        rooms: &[],
        instead: "`domain` does no I/O",
    },
    Contained {
        within: "service/src/domain",
        name: "Instant::now",
        rooms: &[],
        instead: "pass the time in",
    },
    Contained {
        within: "service/src/domain",
        name: "SystemTime::now",
        rooms: &[],
        instead: "pass the time in",
    },
    Contained {
        within: "service/src",
        name: "tonic",
        rooms: &["rpc/", "app"],
        instead: "gRPC lives in `rpc`; `sessions` and `domain` have their own words",
    },
    Contained {
        within: "service/src",
        name: "snowflake_session_proto",
        rooms: &["rpc/", "app"],
        instead: "proto types do not leave `rpc`",
    },
    Contained {
        within: "service/src",
        name: "snowflake_session_driver",
        rooms: &["backend/", "app"],
        instead: "driver types do not leave `backend`",
    },
    Contained {
        within: "service/src",
        name: "snowflake_session_gateway",
        rooms: &["backend/", "app"],
        instead: "gateway types do not leave `backend`",
    },
    Contained {
        within: "service/src",
        name: "sd_notify",
        rooms: &["platform/"],
        instead: "only `platform` names facilities of the operating system",
    },
    Contained {
        within: "service/src",
        name: "opentelemetry",
        rooms: &["traces/"],
        instead: "spans are made in `traces`; the others say what happened",
    },
    Contained {
        within: "service/src",
        name: "opentelemetry_sdk",
        rooms: &["traces/"],
        instead: "spans are made in `traces`; the others say what happened",
    },
    Contained {
        within: "service/src",
        name: "opentelemetry_proto",
        rooms: &["traces/"],
        instead: "spans are made in `traces`; the others say what happened",
    },
    Contained {
        within: "service/src",
        name: "reqwest",
        rooms: &["traces/"],
        instead: "what reaches Snowflake passes the gateway; only spans go elsewhere",
    },
    Contained {
        within: "emulator/src",
        name: "reqwest",
        rooms: &["protocol/introspection"],
        instead: "the emulator is spoken to; it asks nobody but an authority about tokens",
    },
    Contained {
        within: "service/src",
        name: "daemonize",
        rooms: &["platform/"],
        instead: "only `platform` names facilities of the operating system",
    },
    Contained {
        within: "emulator/src",
        name: "axum",
        rooms: &["protocol/", "sql_api/", "app"],
        instead: "HTTP stays in the wire rooms",
    },
    Contained {
        within: "emulator/src",
        name: "hyper",
        rooms: &["protocol/", "sql_api/", "app"],
        instead: "HTTP stays in the wire rooms",
    },
];

/// Rooms name each other only along their arrows, and contained names stay in their room.
pub fn rooms(tree: &Tree) -> Vec<Finding> {
    let mut findings = Vec::new();
    for source in tree.with_extension("rs") {
        let text = bare(&source.text);
        for (folder, arrows) in [
            ("service/src", SERVICE.as_slice()),
            ("emulator/src", EMULATOR.as_slice()),
        ] {
            if let Ok(inner) = source.path.strip_prefix(folder) {
                arrows_of(source, &text, inner, arrows, &mut findings);
            }
        }
        for contained in &CONTAINED {
            if let Ok(inner) = source.path.strip_prefix(contained.within) {
                contained_in(source, &text, inner, contained, &mut findings);
            }
        }
    }
    findings
}

fn arrows_of(source: &Source, text: &str, inner: &Path, arrows: &[Arrows], findings: &mut Vec<Finding>) {
    let room = room_of(inner);
    // `lib.rs` only lists the rooms.
    if room == "lib" {
        return;
    }
    let Some((_, allowed)) = arrows.iter().find(|(name, _)| *name == room) else {
        let known: Vec<&str> = arrows.iter().map(|(name, _)| *name).collect();
        let message =
            format!("`{room}` is a room without arrows; the rooms are {known:?} (tests/src/tidy/rooms.rs)");
        findings.push(Finding::new(&source.path, 0, message));
        return;
    };
    for (at, named) in named_rooms(text) {
        let is_room = arrows.iter().any(|(name, _)| *name == named);
        if is_room && named != room && !allowed.contains(&named) {
            let message = format!(
                "`{room}` may not name `{named}`; it may name {allowed:?}. Move the type down, or convert at the border"
            );
            findings.push(Finding::new(&source.path, line_of(text, at), message));
        }
    }
}

fn contained_in(
    source: &Source,
    text: &str,
    inner: &Path,
    contained: &Contained,
    findings: &mut Vec<Finding>,
) {
    let inner = inner.to_string_lossy();
    if contained.rooms.iter().any(|room| inner.starts_with(room)) {
        return;
    }
    for at in words(text, contained.name) {
        // A field or a module of our own with that name is another thing.
        if contained.name.contains("::") || !text[..at].ends_with(['.', ':']) {
            let message = format!("`{}` in `{inner}`: {}", contained.name, contained.instead);
            findings.push(Finding::new(&source.path, line_of(text, at), message));
        }
    }
}

/// The room of a file: the first folder below `src`, or the file itself.
fn room_of(inner: &Path) -> &str {
    let first = inner
        .iter()
        .next()
        .and_then(|first| first.to_str())
        .unwrap_or_default();
    first.strip_suffix(".rs").unwrap_or(first)
}

/// Offsets and names of the rooms named by `crate::room` and `crate::{room, other::{…}}`.
fn named_rooms(text: &str) -> Vec<(usize, &str)> {
    let mut named = Vec::new();
    for at in words(text, "crate::") {
        let from = at + "crate::".len();
        if text[from..].starts_with('{') {
            group(text, from, &mut named);
        } else {
            named.push((from, word(text, from)));
        }
    }
    named
}

/// The first words of the members of a `{…}`.
fn group<'a>(text: &'a str, open: usize, named: &mut Vec<(usize, &'a str)>) {
    let mut depth = 0;
    let mut expects_member = false;
    for (offset, byte) in text[open..].bytes().enumerate() {
        match byte {
            b'{' => {
                depth += 1;
                expects_member = depth == 1;
            }
            b'}' if depth == 1 => return,
            b'}' => depth -= 1,
            b',' => expects_member = depth == 1,
            _ if is_word(byte) && expects_member => {
                named.push((open + offset, word(text, open + offset)));
                expects_member = false;
            }
            _ => {}
        }
    }
}

fn word(text: &str, from: usize) -> &str {
    let length = text[from..].bytes().take_while(|byte| is_word(*byte)).count();
    &text[from..from + length]
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(path: &str, text: &str, lines: &[usize]) {
        let findings = rooms(&Tree::from_texts(&[(path, text)]));
        assert_eq!(
            findings.iter().map(|finding| finding.line).collect::<Vec<_>>(),
            lines,
            "{findings:?}"
        );
    }

    #[test]
    fn arrows_against_the_order_are_found() {
        check("service/src/rpc/query.rs", "use crate::domain::Query;", &[]);
        check(
            "service/src/domain/query.rs",
            "\nuse crate::sessions::Actor;",
            &[2],
        );
        check(
            "service/src/sessions/mod.rs",
            "use crate::{\n    domain::A,\n    rpc::{B, domain},\n};",
            &[3],
        );
        check(
            "service/src/domain/query.rs",
            "// crate::sessions\nlet a = \"crate::rpc\";",
            &[],
        );
        check(
            "emulator/src/lower/mod.rs",
            "fn a(b: &crate::session::Session) {}",
            &[1],
        );
        check("emulator/src/session/mod.rs", "use crate::lower::lower;", &[]);
    }

    #[test]
    fn rooms_without_arrows_are_found() {
        check("service/src/util/mod.rs", "", &[0]);
        check("ctl/src/ui/mod.rs", "", &[]);
    }

    #[test]
    fn escaped_names_are_found() {
        check("service/src/rpc/mod.rs", "use tonic::Status;", &[]);
        check("service/src/sessions/mod.rs", "use tonic::Status;", &[1]);
        check(
            "service/src/domain/mod.rs",
            "let now = std::time::Instant::now();",
            &[1],
        );
        check("service/src/sessions/mod.rs", "self::tonic; limits.tonic", &[]);
    }
}
