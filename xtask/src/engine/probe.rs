//! Loads a library in a process of its own and asks for its version: the proof that it links and runs.

use std::{fs, path::Path, process::Command};

use anyhow::{Context, Result};

use super::{library_file_name, tool};

const PROGRAM: &str = r#"
#include <stdio.h>
struct text { const char *bytes; unsigned long long length; };
extern int duckdb_v2_library_version(struct text *, void **);
int main(void) {
    struct text version = {0, 0};
    int code = duckdb_v2_library_version(&version, 0);
    if (code == 0) printf("%.*s\n", (int)version.length, version.bytes);
    return code;
}
"#;

/// What `duckdb_v2_library_version` says, for example `v2.0.0`.
pub(super) fn library_version(folder: &Path) -> Result<String> {
    let source = folder.join("probe.c");
    let binary = folder.join("probe");
    fs::write(&source, PROGRAM)?;
    let linked = tool::output(
        tool::c_compiler()
            .arg("-o")
            .arg(&binary)
            .arg(&source)
            .arg(folder.join(library_file_name()))
            .arg(format!("-Wl,-rpath,{}", folder.display())),
    );
    let version = linked.and_then(|_| tool::output(&mut Command::new(&binary)));
    for leftover in [&source, &binary] {
        let _ = fs::remove_file(leftover);
    }
    let version = version.context("the library cannot be used")?;
    Ok(String::from_utf8(version)
        .context("the library's version is not text")?
        .trim()
        .to_owned())
}
