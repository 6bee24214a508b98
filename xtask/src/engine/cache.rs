//! The two folders that hold the library: the user's cache and `target/engine`. Both have the same
//! content, and an `engine.json` that is written last and names every file.

use std::{
    fs,
    io::Read,
    path::{Path, PathBuf},
};

use anyhow::{Context, Result, bail};
use serde_json::{Value, json};
use sha2::{Digest, Sha256};

const MANIFEST: &str = "engine.json";

/// A folder with the library, whole or not.
pub(super) struct EngineFolder {
    path: PathBuf,
}

impl EngineFolder {
    pub(super) fn at(path: PathBuf) -> Self {
        Self { path }
    }

    pub(super) fn path(&self) -> &Path {
        &self.path
    }

    /// Tells from the manifest and the files' sizes, without reading the files.
    pub(super) fn is_complete(&self, version: &str) -> bool {
        let Ok(manifest) = self.manifest() else {
            return false;
        };
        manifest["version"] == version
            && files(&manifest).is_ok_and(|files| {
                files.iter().all(|file| {
                    fs::metadata(self.path.join(file.name)).is_ok_and(|metadata| metadata.len() == file.size)
                })
            })
    }

    /// Which source the library is from.
    pub(super) fn source(&self) -> Result<String> {
        Ok(self.manifest()?["source"].as_str().unwrap_or_default().to_owned())
    }

    pub(super) fn verify_checksums(&self) -> Result<()> {
        let manifest = self.manifest()?;
        for file in files(&manifest)? {
            if sha256(&self.path.join(file.name))? != file.sha256 {
                bail!(
                    "{} does not have its checksum",
                    self.path.join(file.name).display()
                );
            }
        }
        Ok(())
    }

    /// Puts this folder's files into another one, as hard links where the file system allows.
    pub(super) fn stage_into(&self, target: &EngineFolder) -> Result<()> {
        let manifest = self.manifest()?;
        fs::create_dir_all(&target.path)?;
        remove_if_present(&target.path.join(MANIFEST))?;
        for file in files(&manifest)? {
            let (from, to) = (self.path.join(file.name), target.path.join(file.name));
            remove_if_present(&to)?;
            if fs::hard_link(&from, &to).is_err() {
                fs::copy(&from, &to).with_context(|| format!("cannot write {}", to.display()))?;
            }
        }
        write_manifest(&target.path, &manifest)
    }

    /// A new folder beside this one, to prepare its successor in.
    pub(super) fn workshop(&self) -> Result<Workshop> {
        let parent = self.path.parent().context("the cache folder has no parent")?;
        fs::create_dir_all(parent).with_context(|| format!("cannot create {}", parent.display()))?;
        let path = parent.join(format!(".making-{}", std::process::id()));
        if path.exists() {
            fs::remove_dir_all(&path)?;
        }
        fs::create_dir(&path)?;
        Ok(Workshop { path })
    }

    fn manifest(&self) -> Result<Value> {
        Ok(serde_json::from_slice(&fs::read(self.path.join(MANIFEST))?)?)
    }
}

/// A folder in which a source prepares its files; gone when dropped.
pub(super) struct Workshop {
    path: PathBuf,
}

impl Workshop {
    pub(super) fn path(&self) -> &Path {
        &self.path
    }

    /// Writes the manifest over all files and makes this folder the cached one.
    pub(super) fn enter_cache(self, source: &str, version: &str, cached: &EngineFolder) -> Result<()> {
        let mut files = Vec::new();
        for entry in fs::read_dir(&self.path)? {
            let entry = entry?;
            let name = entry
                .file_name()
                .into_string()
                .ok()
                .context("file names are ASCII")?;
            files.push(
                json!({"name": name, "size": entry.metadata()?.len(), "sha256": sha256(&entry.path())?}),
            );
        }
        write_manifest(
            &self.path,
            &json!({"version": version, "source": source, "files": files}),
        )?;
        if cached.path.exists() {
            fs::remove_dir_all(&cached.path)?;
        }
        fs::rename(&self.path, &cached.path)?;
        Ok(())
    }
}

impl Drop for Workshop {
    fn drop(&mut self) {
        // Absent after `enter_cache`; otherwise a leftover that the next run would replace anyway.
        let _ = fs::remove_dir_all(&self.path);
    }
}

struct ListedFile<'a> {
    name: &'a str,
    size: u64,
    sha256: &'a str,
}

fn files(manifest: &Value) -> Result<Vec<ListedFile<'_>>> {
    let list = manifest["files"]
        .as_array()
        .context("engine.json lists no files")?;
    list.iter()
        .map(|file| {
            Some(ListedFile {
                name: file["name"].as_str()?,
                size: file["size"].as_u64()?,
                sha256: file["sha256"].as_str()?,
            })
        })
        .collect::<Option<_>>()
        .context("engine.json is not of this version of xtask")
}

fn write_manifest(folder: &Path, manifest: &Value) -> Result<()> {
    let making = folder.join("engine.json.new");
    fs::write(&making, serde_json::to_vec_pretty(manifest)?)?;
    fs::rename(making, folder.join(MANIFEST))?;
    Ok(())
}

fn remove_if_present(path: &Path) -> Result<()> {
    match fs::remove_file(path) {
        Err(error) if error.kind() != std::io::ErrorKind::NotFound => {
            Err(error).with_context(|| format!("cannot replace {}", path.display()))
        }
        _ => Ok(()),
    }
}

fn sha256(path: &Path) -> Result<String> {
    let mut file = fs::File::open(path).with_context(|| format!("cannot read {}", path.display()))?;
    let mut hasher = Sha256::new();
    let mut buffer = vec![0; 1 << 20];
    loop {
        let count = file.read(&mut buffer)?;
        if count == 0 {
            break;
        }
        hasher.update(&buffer[..count]);
    }
    Ok(hasher
        .finalize()
        .iter()
        .fold(String::new(), |text, byte| text + &format!("{byte:02x}")))
}

/// The user's cache folder for one version on this platform.
#[expect(
    clippy::disallowed_methods,
    reason = "a developer tool without a config room; read here only"
)]
pub(super) fn cache_path(version: &str) -> Result<PathBuf> {
    let root = match std::env::var_os("XDG_CACHE_HOME") {
        Some(path) if Path::new(&path).is_absolute() => PathBuf::from(path),
        _ => PathBuf::from(std::env::var_os("HOME").context("neither XDG_CACHE_HOME nor HOME is set")?)
            .join(".cache"),
    };
    let platform = format!("{}-{}", std::env::consts::OS, std::env::consts::ARCH);
    Ok(root
        .join("snowflake-session/engine")
        .join(format!("duckdb-{version}-{platform}")))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn temporary(name: &str) -> PathBuf {
        let path = std::env::temp_dir().join(format!("xtask-cache-{}-{name}", std::process::id()));
        let _ = fs::remove_dir_all(&path);
        fs::create_dir_all(&path).unwrap();
        path
    }

    #[test]
    fn a_file_enters_the_cache_is_staged_and_damage_is_found() {
        let root = temporary("stage");
        let cached = EngineFolder::at(root.join("cache/duckdb"));
        let staged = EngineFolder::at(root.join("target/engine"));
        let workshop = cached.workshop().unwrap();
        fs::write(workshop.path().join("libduckdb.so"), b"library").unwrap();
        workshop.enter_cache("wheel", "2.0.0", &cached).unwrap();

        assert!(cached.is_complete("2.0.0"));
        assert!(!cached.is_complete("2.0.1"));
        assert!(!staged.is_complete("2.0.0"));
        cached.verify_checksums().unwrap();
        cached.stage_into(&staged).unwrap();
        cached.stage_into(&staged).unwrap();
        assert!(staged.is_complete("2.0.0"));
        assert_eq!(staged.source().unwrap(), "wheel");

        fs::write(cached.path().join("libduckdb.so"), b"librari").unwrap();
        assert!(cached.is_complete("2.0.0"), "sizes alone do not show it");
        assert!(cached.verify_checksums().is_err());
        fs::remove_dir_all(root).unwrap();
    }

    #[test]
    fn an_abandoned_workshop_leaves_nothing() {
        let root = temporary("abandoned");
        let cached = EngineFolder::at(root.join("duckdb"));
        drop(cached.workshop().unwrap());
        assert_eq!(fs::read_dir(&root).unwrap().count(), 0);
        fs::remove_dir_all(root).unwrap();
    }
}
