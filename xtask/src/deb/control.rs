//! What dpkg is told of the package.

use std::fs;
use std::path::Path;
use std::process::Command;

use anyhow::{Context, Result};
use memchr::memmem;

use super::tree::{SETTINGS, Tree};
use super::{PACKAGE, said};
use crate::quickstart::PROGRAMS;
use crate::shell;

/// Scripts that dpkg runs.
const SCRIPTS: [&str; 3] = ["postinst", "prerm", "postrm"];

/// What is said of the package.
pub(super) struct Package<'a> {
    pub(super) version: &'a str,
    pub(super) architecture: &'a str,
    pub(super) maintainer: &'a str,
    /// Of its sources, in seconds since 1970.
    pub(super) time: u64,
}

impl Package<'_> {
    /// Debian's own changelog, which names this version and leaves the rest to ours.
    pub(super) fn changelog(&self) -> Result<String> {
        let mut date = Command::new("date");
        date.args(["--utc", "--rfc-email", &format!("--date=@{}", self.time)]);
        Ok(format!(
            "{PACKAGE} ({}) unstable; urgency=medium\n\n  * See changelog.gz.\n\n -- {}  {}\n",
            self.version,
            self.maintainer,
            said(date.env("LC_ALL", "C"))?.trim()
        ))
    }
}

/// Writes `DEBIAN/` into a tree that is complete otherwise.
pub(super) fn write(tree: &Tree, package: &Package<'_>) -> Result<()> {
    let files = tree.files()?;
    let (mut bytes, mut needs) = (0, Needs::default());
    for file in &files {
        let path = tree.path(file);
        bytes += fs::metadata(&path)?.len();
        let is_program = file.parent() == Some(Path::new("usr/bin"))
            && file
                .file_name()
                .is_some_and(|name| PROGRAMS.iter().any(|program| name == *program));
        if is_program || file.extension().is_some_and(|ending| ending == "so") {
            needs.add(&fs::read(path)?);
        }
    }
    // dpkg keeps sums of the administrator's files itself.
    let packaged = files
        .iter()
        .filter(|file| !SETTINGS.iter().any(|settings| Path::new(settings) == **file));
    let mut md5sum = Command::new("md5sum");
    let sums = said(
        md5sum
            .current_dir(tree.path(Path::new("")))
            .arg("--")
            .args(packaged),
    )?;
    let Package {
        version,
        architecture,
        maintainer,
        ..
    } = package;
    let control = format!(
        "Package: {PACKAGE}\n\
         Version: {version}\n\
         Architecture: {architecture}\n\
         Maintainer: {maintainer}\n\
         Installed-Size: {}\n\
         Depends: {}\n\
         Recommends: ca-certificates, systemd (>= 249)\n\
         Section: database\n\
         Priority: optional\n\
         Description: Snowflake sessions that stay, for people and programs\n \
         snowflake-session keeps named sessions logged in at Snowflake, with their\n \
         context, open transaction and temporary tables. sfctl runs SQL in them,\n \
         one command after the other, without a login each time.\n .\n \
         snowflake-emulator is a Snowflake on this machine, for tests and for work\n \
         without an account.\n",
        bytes.div_ceil(1024),
        needs.packages().join(", "),
    );
    tree.write(Path::new("DEBIAN/control"), control.as_bytes(), 0o644)?;
    tree.write(Path::new("DEBIAN/md5sums"), sums.as_bytes(), 0o644)?;
    let settings = SETTINGS.map(|file| format!("/{file}\n")).concat();
    tree.write(Path::new("DEBIAN/conffiles"), settings.as_bytes(), 0o644)?;
    for script in SCRIPTS {
        let path = shell::repository().join("packaging/debian").join(script);
        let text = fs::read(&path).with_context(|| path.display().to_string())?;
        tree.write(&Path::new("DEBIAN").join(script), &text, 0o755)?;
    }
    Ok(())
}

/// Which libraries of the system the programs need, as read from the versions of the symbols that they name.
#[derive(Debug, Default, PartialEq, Eq)]
struct Needs {
    /// Second number of the newest version of glibc's symbols; the first is 2.
    glibc: u32,
    /// C++'s library.
    cpp: bool,
}

impl Needs {
    fn add(&mut self, program: &[u8]) {
        const SYMBOL: &[u8] = b"GLIBC_2.";
        for at in memmem::find_iter(program, SYMBOL) {
            let rest = &program[at + SYMBOL.len()..];
            let digits = rest.iter().take_while(|byte| byte.is_ascii_digit()).take(3);
            let number = digits.fold(0, |number, digit| number * 10 + u32::from(digit - b'0'));
            self.glibc = self.glibc.max(number);
        }
        self.cpp |= memmem::find(program, b"libstdc++.so.6").is_some();
    }

    fn packages(&self) -> Vec<String> {
        let libc = format!("libc6 (>= 2.{})", self.glibc);
        let cpp = self.cpp.then(|| "libstdc++6".to_owned());
        [libc, "libgcc-s1".to_owned()].into_iter().chain(cpp).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_newest_symbol_decides() {
        let mut needs = Needs::default();
        needs.add(b"\0GLIBC_2.4\0GLIBC_2.34\0GLIBC_2.3.4\0");
        assert_eq!(needs.packages(), ["libc6 (>= 2.34)", "libgcc-s1"]);
        needs.add(b"\0GLIBC_2.9\0libstdc++.so.6\0");
        assert_eq!(needs.packages(), ["libc6 (>= 2.34)", "libgcc-s1", "libstdc++6"]);
    }
}
