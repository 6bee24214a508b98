//! Where the socket is when nobody says, and how long its path may be.

use std::os::unix::ffi::OsStrExt as _;
use std::path::{Path, PathBuf};

use super::{PlatformError, Result};

/// The default path of the socket. The client computes the same one.
pub fn default_path(runtime_directory: Option<&Path>, temporary_directory: &Path, uid: u32) -> PathBuf {
    match runtime_directory {
        Some(folder) => folder.join("snowflake-session/grpc.sock"),
        None => temporary_directory.join(format!("snowflake-session-{uid}/grpc.sock")),
    }
}

/// Longest path that fits a Unix socket address, without its closing zero.
pub const PATH_BYTES_MAX: usize = if cfg!(any(target_os = "macos", target_os = "ios")) {
    103
} else {
    107
};

/// Checks the length of a path before the system does, which would not say what the limit is.
pub fn check_length(path: &Path) -> Result<()> {
    let length = path.as_os_str().as_bytes().len();
    if length > PATH_BYTES_MAX {
        return Err(PlatformError::SocketPathTooLong {
            path: path.to_owned(),
            length,
            max: PATH_BYTES_MAX,
        });
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_default_is_in_the_runtime_folder() {
        let temporary = Path::new("/tmp");
        let runtime = default_path(Some(Path::new("/run/user/7")), temporary, 7);
        assert_eq!(runtime, Path::new("/run/user/7/snowflake-session/grpc.sock"));
        assert_eq!(
            default_path(None, temporary, 7),
            Path::new("/tmp/snowflake-session-7/grpc.sock")
        );
    }

    #[test]
    fn long_paths_are_refused_with_the_limit() {
        let fits = format!("/{}", "x".repeat(PATH_BYTES_MAX - 1));
        assert!(check_length(Path::new(&fits)).is_ok());
        let error = check_length(Path::new(&format!("{fits}x"))).unwrap_err();
        assert!(
            error
                .to_string()
                .contains(&format!("{PATH_BYTES_MAX} are possible")),
            "{error}"
        );
        assert!(error.is_configuration());
    }
}
