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

#[cfg(target_os = "linux")]
#[test]
fn memory_files_of_earlier_runs() {
    use std::os::fd::OwnedFd;

    use rustix::fs::{MemfdFlags, SealFlags, fcntl_add_seals, memfd_create};
    use snowflake_session::platform::memory_file::MemoryFile;

    fuzz("memory_file", &["\u{1}", "\u{0}\u{0}\u{0}\u{0}"], |bytes| {
        let fd: OwnedFd = memfd_create("fuzz", MemfdFlags::CLOEXEC | MemfdFlags::ALLOW_SEALING).unwrap();
        rustix::io::write(&fd, bytes).unwrap();
        let length = rustix::fs::fstat(&fd).unwrap().st_size as u64;
        // As long as an earlier run made it.
        rustix::fs::ftruncate(&fd, length.next_multiple_of(1 << 20)).unwrap();
        fcntl_add_seals(&fd, SealFlags::SHRINK).unwrap();
        if let Ok((file, contents)) = MemoryFile::adopt(fd, 2) {
            assert!(contents.iter().all(|(_, bytes)| bytes.len() < 1 << 20));
            file.write(0, b"x").unwrap();
        }
    });
}
