//! What lies where in the package, by the rules of Debian and of systemd.

use std::collections::BTreeSet;
use std::fs;
use std::io::Write as _;
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, Result, bail};
use flate2::Compression;
use flate2::write::GzEncoder;
use memchr::memmem;

use super::control::Package;
use super::{PACKAGE, programs_in, said};
use crate::shell::{self, cargo};

/// Where the programs look for the engine's library, seen from `/usr`.
const LIBRARIES: &str = "usr/lib/snowflake-session";
const DOCUMENTS: &str = "usr/share/doc/snowflake-session";
const SHARED: &str = "usr/share/snowflake-session";

/// Files of the repository that are packed as they are, with their place.
const FILES: [(&str, &str); 5] = [
    (
        "systemd/journald@snowflake.conf",
        "etc/systemd/journald@snowflake.conf",
    ),
    (
        "packaging/debian/sysusers.conf",
        "usr/lib/sysusers.d/snowflake-session.conf",
    ),
    // Drop-ins that are put in their place when they are wanted.
    (
        "systemd/user/strict.conf",
        "usr/share/snowflake-session/systemd/strict.conf",
    ),
    (
        "systemd/system/connections.conf",
        "usr/share/snowflake-session/systemd/connections.conf",
    ),
    (
        "packaging/grafana/snowflake-session.json",
        "usr/share/snowflake-session/grafana/snowflake-session.json",
    ),
];

/// Files that are the administrator's once they are installed.
pub(super) const SETTINGS: [&str; 2] = [
    "etc/snowflake-session/config.toml",
    "etc/systemd/journald@snowflake.conf",
];

/// The tree of files to pack.
pub(super) struct Tree {
    root: PathBuf,
}

impl Tree {
    pub(super) fn new(root: PathBuf) -> Self {
        Self { root }
    }

    /// The programs, and the engine's library where they are linked with it.
    pub(super) fn programs(&self, from: &Path) -> Result<()> {
        for (program, name) in programs_in(from) {
            self.copy(&program, &Path::new("usr/bin").join(name), 0o755)?;
        }
        let emulator = fs::read(from.join("snowflake-emulator"))?;
        if memmem::find(&emulator, b"libduckdb.so").is_some() {
            let beside = from.join("libduckdb.so").exists();
            let staged = shell::repository().join("target/engine");
            let folder = if beside { from } else { &staged };
            let mut found = 0;
            for entry in fs::read_dir(folder).with_context(|| folder.display().to_string())? {
                let library = entry?.path();
                if library.extension().is_some_and(|ending| ending == "so") {
                    let name = library.file_name().expect("an entry of a folder has a name");
                    self.copy(&library, &Path::new(LIBRARIES).join(name), 0o644)?;
                    found += 1;
                }
            }
            if found == 0 {
                bail!(
                    "snowflake-emulator is linked with the engine's library, which is not in {}; `cargo xtask engine` provides it",
                    folder.display()
                );
            }
        }
        Ok(())
    }

    /// What the programs say of themselves: manual pages and completions.
    pub(super) fn texts_of_programs(&self, programs: &Path, scratch: &Path) -> Result<()> {
        let pages = scratch.join("man");
        fs::create_dir(&pages)?;
        for (program, _) in programs_in(programs) {
            let mut man = Command::new(program);
            // Where the programs lie now they may have no library beside them.
            man.env("LD_LIBRARY_PATH", shell::repository().join("target/engine"));
            said(man.arg("man").arg(&pages))?;
        }
        for entry in fs::read_dir(&pages)? {
            let page = entry?.path();
            let name = page.file_name().expect("an entry of a folder has a name");
            let name = Path::new(name).with_added_extension("gz");
            self.write_packed(&Path::new("usr/share/man/man1").join(name), &fs::read(&page)?)?;
        }
        for (shell, place) in [
            ("bash", "usr/share/bash-completion/completions/sfctl"),
            ("zsh", "usr/share/zsh/vendor-completions/_sfctl"),
            ("fish", "usr/share/fish/vendor_completions.d/sfctl.fish"),
        ] {
            let script = said(Command::new(programs.join("sfctl")).args(["completions", shell]))?;
            self.write(Path::new(place), script.as_bytes(), 0o644)?;
        }
        Ok(())
    }

    /// Units, settings, and what goes with them.
    pub(super) fn repository_files(&self) -> Result<()> {
        let repository = shell::repository();
        for (from, to) in FILES {
            self.copy(&repository.join(from), Path::new(to), 0o644)?;
        }
        for kind in ["user", "system"] {
            for unit in files_in(&repository.join("systemd").join(kind), &["service", "socket"])? {
                let name = unit.file_name().expect("an entry of a folder has a name");
                self.copy(&unit, &Path::new("usr/lib/systemd").join(kind).join(name), 0o644)?;
            }
        }
        let defaults = fs::read_to_string(repository.join("service/src/config/defaults.toml"))?;
        self.write(
            Path::new("etc/snowflake-session/config.toml"),
            machine_settings(&defaults).as_bytes(),
            0o644,
        )?;
        for page in files_in(&repository.join("docs"), &["md"])? {
            let name = page.file_name().expect("an entry of a folder has a name");
            self.copy(&page, &Path::new(DOCUMENTS).join(name), 0o644)?;
        }
        // A marketplace for Claude Code, as it lies in the repository.
        for folder in [".claude-plugin", "plugin"] {
            self.copy_all(&repository.join(folder), &Path::new(SHARED).join(folder))?;
        }
        Ok(())
    }

    /// Whose work it is, and what has changed.
    pub(super) fn documents(&self, package: &Package<'_>) -> Result<()> {
        let repository = shell::repository();
        let folder = Path::new(DOCUMENTS);
        let changes = fs::read(repository.join("CHANGELOG.md"))?;
        self.write_packed(&folder.join("changelog.gz"), &changes)?;
        self.write_packed(
            &folder.join("changelog.Debian.gz"),
            package.changelog()?.as_bytes(),
        )?;
        let licence = fs::read_to_string(repository.join("LICENSE"))?;
        let template = fs::read_to_string(repository.join("packaging/debian/copyright"))?;
        self.write(
            &folder.join("copyright"),
            copyright(&template, &licence)?.as_bytes(),
            0o644,
        )?;
        self.write(&folder.join("third-party.txt"), third_party()?.as_bytes(), 0o644)
    }

    /// Every file of the tree, below its root, in order.
    pub(super) fn files(&self) -> Result<Vec<PathBuf>> {
        let mut files = Vec::new();
        gather(&self.root, &self.root, &mut files)?;
        files.sort();
        Ok(files)
    }

    pub(super) fn path(&self, inner: &Path) -> PathBuf {
        self.root.join(inner)
    }

    pub(super) fn write(&self, to: &Path, bytes: &[u8], mode: u32) -> Result<()> {
        let path = self.prepare(to)?;
        fs::write(&path, bytes).with_context(|| path.display().to_string())?;
        Ok(fs::set_permissions(path, fs::Permissions::from_mode(mode))?)
    }

    fn write_packed(&self, to: &Path, bytes: &[u8]) -> Result<()> {
        let mut packed = GzEncoder::new(Vec::new(), Compression::best());
        packed.write_all(bytes)?;
        self.write(to, &packed.finish()?, 0o644)
    }

    fn copy(&self, from: &Path, to: &Path, mode: u32) -> Result<()> {
        let path = self.prepare(to)?;
        fs::copy(from, &path).with_context(|| format!("{} cannot be packed", from.display()))?;
        Ok(fs::set_permissions(path, fs::Permissions::from_mode(mode))?)
    }

    fn copy_all(&self, from: &Path, to: &Path) -> Result<()> {
        for entry in fs::read_dir(from).with_context(|| from.display().to_string())? {
            let entry = entry?;
            let target = to.join(entry.file_name());
            if entry.file_type()?.is_dir() {
                self.copy_all(&entry.path(), &target)?;
            } else {
                self.copy(&entry.path(), &target, 0o644)?;
            }
        }
        Ok(())
    }

    /// Makes the folders above a file, open to all whatever the umask is.
    fn prepare(&self, to: &Path) -> Result<PathBuf> {
        let mut folder = self.root.clone();
        let above = to.parent().into_iter().flat_map(Path::iter);
        for name in std::iter::once(Path::new("").as_os_str()).chain(above) {
            folder.push(name);
            if !folder.exists() {
                fs::create_dir(&folder).with_context(|| folder.display().to_string())?;
                fs::set_permissions(&folder, fs::Permissions::from_mode(0o755))?;
            }
        }
        Ok(self.root.join(to))
    }
}

/// Files of a folder with one of these endings, in order.
fn files_in(folder: &Path, endings: &[&str]) -> Result<Vec<PathBuf>> {
    let mut files = Vec::new();
    for entry in fs::read_dir(folder).with_context(|| folder.display().to_string())? {
        let path = entry?.path();
        let ending = path.extension().and_then(|ending| ending.to_str());
        if ending.is_some_and(|ending| endings.contains(&ending)) {
            files.push(path);
        }
    }
    files.sort();
    Ok(files)
}

fn gather(root: &Path, folder: &Path, files: &mut Vec<PathBuf>) -> Result<()> {
    for entry in fs::read_dir(folder)? {
        let entry = entry?;
        if entry.file_type()?.is_dir() {
            gather(root, &entry.path(), files)?;
        } else {
            files.push(entry.path().strip_prefix(root)?.to_owned());
        }
    }
    Ok(())
}

/// The machine's settings: every key with its comment and its default, none of them set.
fn machine_settings(defaults: &str) -> String {
    let mut text = String::from(
        "# Settings of snowflake-session for the whole machine. Each key is shown with its default; remove the `#` before one\n\
         # to set it. A user's own file, variables and flags win over this one; `sfctl config show --sources` tells.\n",
    );
    let body = defaults.split_once("\n\n").map_or("", |(_, body)| body);
    for line in body.lines() {
        text.push('\n');
        let is_key = line.split_once(" = ").is_some() && !line.starts_with('#');
        if is_key {
            text.push('#');
        }
        text.push_str(line);
    }
    text.push('\n');
    text
}

/// The licence in the form that Debian's tools read.
fn copyright(template: &str, licence: &str) -> Result<String> {
    let (_, rest) = licence
        .split_once("Copyright (c) ")
        .context("LICENSE names no copyright")?;
    let (holder, terms) = rest.split_once("\n\n").context("LICENSE has no terms")?;
    let mut text = template.replace("@COPYRIGHT@", holder.trim());
    for line in terms.trim().lines() {
        text.push_str(if line.is_empty() { " ." } else { " " });
        text.push_str(line);
        text.push('\n');
    }
    Ok(text)
}

/// Every crate that is linked into the programs, with its licence.
fn third_party() -> Result<String> {
    let mut crates = BTreeSet::new();
    for program in crate::quickstart::PROGRAMS {
        let mut tree = cargo(&["tree", "--locked", "--edges", "normal", "--prefix", "none"]);
        tree.args(["--package", program, "--format", "{p} {l}"]);
        let listed = said(&mut tree)?;
        // Ours have a path behind their names, and what was listed before a mark.
        let foreign = listed.lines().filter(|line| !line.contains(" (/"));
        crates.extend(foreign.map(|line| line.trim_end_matches(" (*)").to_owned()));
    }
    let listed: Vec<String> = crates.into_iter().filter(|line| !line.is_empty()).collect();
    Ok(format!(
        "Crates that are linked into the programs of {PACKAGE}, with their licences\n\n{}\n",
        listed.join("\n")
    ))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_machines_settings_set_nothing() {
        let defaults =
            fs::read_to_string(shell::repository().join("service/src/config/defaults.toml")).unwrap();
        let text = machine_settings(&defaults);
        assert!(
            text.contains("\n[log]\n") && text.contains("\n#level = \"info\"\n"),
            "{text}"
        );
        let set = text
            .lines()
            .filter(|line| !line.is_empty() && !line.starts_with(['#', '[']));
        assert_eq!(set.collect::<Vec<_>>(), Vec::<&str>::new());
    }

    #[test]
    fn a_licence_is_indented_as_debian_reads_it() {
        let text = copyright("@COPYRIGHT@:\n", "MIT\n\nCopyright (c) 2026 us\n\nOne\n\nTwo\n").unwrap();
        assert_eq!(text, "2026 us:\n One\n .\n Two\n");
    }
}
