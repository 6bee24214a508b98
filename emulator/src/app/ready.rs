//! Tells whoever started the emulator where it listens.

use std::net::SocketAddr;
use std::path::Path;

use crate::folder::Serving;

/// Writes the ready file: complete or not at all, so that whoever waits for it never reads half of it.
pub(super) fn write(path: &Path, address: SocketAddr) -> std::io::Result<()> {
    let document = serde_json::json!({ "address": address.to_string(), "pid": std::process::id() });
    Serving::write_whole(path, &document)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_ready_file_is_json_and_alone() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("ready.json");
        std::fs::write(&path, "old").unwrap();
        write(&path, "127.0.0.1:4123".parse().unwrap()).unwrap();
        let text = std::fs::read_to_string(&path).unwrap();
        let ready: serde_json::Value = serde_json::from_str(&text).unwrap();
        assert_eq!(ready["address"], "127.0.0.1:4123");
        assert_eq!(ready["pid"], std::process::id());
        assert_eq!(std::fs::read_dir(folder.path()).unwrap().count(), 1);
    }
}
