//! What the service reads of people, files and earlier runs is understood or refused, whatever it is; `fuzz/mutate.rs`
//! feeds the targets.

#[path = "../../fuzz/mutate.rs"]
mod mutate;

use mutate::fuzz;
use snowflake_session::config::{Environment, RunFlags, examine};
use snowflake_session::domain::statement::class::{Statement, classify};

#[test]
fn statements() {
    let words = [
        "select",
        "delete from t",
        ";",
        "->>",
        "begin",
        "end",
        "$$",
        "'",
        "--",
        "/*",
        "*/",
        "with x as (",
        ")",
        "call p()",
        "execute immediate",
    ];
    fuzz("sql", &words, |bytes| {
        let sql = String::from_utf8_lossy(bytes).into_owned();
        let statements = classify(&sql);
        let mut at = 0;
        for statement in &statements {
            assert!(at <= statement.span.start && statement.span.end <= sql.len());
            assert!(
                sql.get(statement.span.clone()).is_some(),
                "a span cuts a character"
            );
            assert!(!statement.links.is_empty());
            at = statement.span.end;
        }
        // A statement that writes, behind a text that is closed, is found whatever stands before it.
        let mut links = statements.iter().flat_map(|statement| &statement.links);
        if links.all(|link| link.doubt.is_none()) {
            let behind = format!("{sql}\n;delete from t");
            assert!(!classify(&behind).iter().all(Statement::is_read), "{behind:?}");
        }
    });
}

#[test]
fn configuration_files() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("config.toml");
    let flags = RunFlags {
        config: Some(file.clone()),
        ..RunFlags::default()
    };
    let home = ("HOME".to_owned(), folder.path().to_str().unwrap().to_owned());
    let environment: Environment = [home].into_iter().collect();
    fuzz(
        "service_config",
        &[
            "[rpc]",
            "[sessions]",
            "[policy]",
            "= \"10s\"",
            "= true",
            "= -1",
            "= []",
        ],
        |bytes| {
            std::fs::write(&file, bytes).unwrap();
            let examined = examine(&environment, &flags);
            assert!(!examined.files.is_empty());
        },
    );
}

/// A process id, the number of descriptors and their names, a line each, as systemd announces them.
#[test]
fn announced_descriptors() {
    use snowflake_session::platform::activation::{Announced, Numbers};

    fn announced(text: &str) -> Announced<'_> {
        let mut lines = text.lines();
        Announced {
            pid: lines.next(),
            count: lines.next(),
            names: lines.next(),
        }
    }
    const OWN_PID: u32 = 4711;
    for seed in mutate::corpus("listen_descriptors") {
        let text = String::from_utf8(seed).unwrap();
        assert!(announced(&text).numbers(OWN_PID).is_ok(), "{text}");
    }
    let words = ["grpc", "grpc-tcp", "stored-", "unknown", ":", "\n4711\n", "\n2\n"];
    fuzz("listen_descriptors", &words, |bytes| {
        let text = String::from_utf8_lossy(bytes);
        let announced = announced(&text);
        let Ok(numbers) = announced.numbers(OWN_PID) else {
            return;
        };
        let Some(count) = announced.count else {
            assert_eq!(numbers, Numbers::default());
            return;
        };
        // Owned are those that were announced, each once, and each by its name.
        let count: i32 = count.parse().unwrap();
        let names: Vec<&str> = match announced.names {
            Some(names) => names.split(':').collect(),
            None => vec!["unknown"; usize::try_from(count).unwrap()],
        };
        let name = |fd: i32| names[usize::try_from(fd - 3).unwrap()];
        assert!(
            numbers
                .local
                .is_none_or(|fd| ["grpc", "unknown"].contains(&name(fd)))
        );
        assert!(numbers.tcp.is_none_or(|fd| name(fd) == "grpc-tcp"));
        assert!(numbers.stored.iter().all(|(fd, told)| name(*fd) == told));
        let stored = numbers.stored.iter().map(|(fd, _)| *fd);
        let mut owned: Vec<i32> = numbers
            .local
            .into_iter()
            .chain(numbers.tcp)
            .chain(stored)
            .collect();
        owned.sort_unstable();
        assert!(owned.iter().all(|fd| (3..3 + count).contains(fd)), "{owned:?}");
        assert!(owned.windows(2).all(|pair| pair[0] != pair[1]), "{owned:?}");
    });
}

/// What is in one place of the memory that systemd holds, between two that are whole.
#[cfg(target_os = "linux")]
#[test]
fn carried_sessions_of_earlier_runs() {
    use std::os::fd::AsFd as _;
    use std::sync::Arc;

    use snowflake_session::domain::carry::{Arrived, Carrier as _};
    use snowflake_session::journal::CarriedSessions;
    use snowflake_session::platform::memory_file::{MemoryFile, PLACE_BYTES_MAX};

    const PLACES: usize = 3;
    let seeds = mutate::corpus("carried_session");
    let whole = seeds.first().unwrap().clone();
    // What the next run finds and goes on with.
    let next = |file: &MemoryFile| {
        let descriptor = file.as_fd().try_clone_to_owned().unwrap();
        let (next, contents) = MemoryFile::adopt(descriptor, PLACES).unwrap();
        let write = Box::new(move |place: usize, bytes: &[u8]| next.write(place, bytes));
        CarriedSessions::open(write, PLACES, contents)
    };
    let feed = |bytes: &[u8]| {
        let file = MemoryFile::create(PLACES).unwrap();
        file.write(0, &whole).unwrap();
        file.write(1, &bytes[..bytes.len().min(PLACE_BYTES_MAX)]).unwrap();
        file.write(2, &whole).unwrap();
        let (sessions, carried) = next(&file);
        let is_there = |place: usize| carried.iter().any(|(found, _)| found.0 == place);
        assert!(is_there(0) && is_there(2), "a broken place takes others with it");
        let understood = is_there(1);
        // The place of what was not understood is free again; what was is written again as it was.
        assert_eq!(sessions.take_place().is_none(), understood);
        for (place, session) in &carried {
            sessions.put(*place, session);
        }
        assert_eq!(next(&file).1, carried);
        let arrived = Arrived::new(Arc::new(sessions), carried, &mut Vec::new());
        assert_eq!(arrived.sessions.len(), if understood { 3 } else { 2 });
        understood
    };
    for seed in &seeds {
        assert!(feed(seed), "{}", seed.escape_ascii());
    }
    let words = [
        "\"version\":1",
        "\"session\":\"a\"",
        "\"in_flight\":true",
        "\"request_id\":\"\"",
        "\"autocommit\":null",
        "{",
        "}",
        ",",
    ];
    fuzz("carried_session", &words, |bytes| {
        feed(bytes);
    });
}

#[cfg(target_os = "linux")]
#[test]
fn memory_files_of_earlier_runs() {
    use std::os::fd::OwnedFd;

    use rustix::fs::{MemfdFlags, SealFlags, fcntl_add_seals, memfd_create};
    use snowflake_session::platform::memory_file::MemoryFile;

    let adopt = |bytes: &[u8]| {
        let fd: OwnedFd = memfd_create("fuzz", MemfdFlags::CLOEXEC | MemfdFlags::ALLOW_SEALING).unwrap();
        rustix::io::write(&fd, bytes).unwrap();
        let length = rustix::fs::fstat(&fd).unwrap().st_size as u64;
        // As long as an earlier run made it.
        rustix::fs::ftruncate(&fd, length.next_multiple_of(1 << 20)).unwrap();
        fcntl_add_seals(&fd, SealFlags::SHRINK).unwrap();
        MemoryFile::adopt(fd, 2)
    };
    let is_whole = |seed: &Vec<u8>| adopt(seed).is_ok_and(|(_, contents)| contents.len() == 1);
    assert!(mutate::corpus("memory_file").iter().any(is_whole));
    fuzz("memory_file", &["\u{1}", "\u{0}\u{0}\u{0}\u{0}"], |bytes| {
        if let Ok((file, contents)) = adopt(bytes) {
            assert!(contents.iter().all(|(_, bytes)| bytes.len() < 1 << 20));
            file.write(0, b"x").unwrap();
        }
    });
}
