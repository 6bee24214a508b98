//! What the backend says of a login before there is one: from the files as they are now, without starting anything.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    reason = "a test fails by panicking"
)]

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use snowflake_session::backend::emulator::{EmulatorOptions, LogOpener};
use snowflake_session::backend::{Backend, BackendSettings};
use snowflake_session::config::{self, Environment, RunFlags};
use snowflake_session::domain::error::Reason;
use snowflake_session::domain::names::ConnectionName;
use snowflake_session::domain::upstream::{Connector as _, LoginBasis};

/// A backend whose user has these connections. Its emulator cannot be started.
fn backend(home: &Path) -> Backend {
    let environment = Environment::from_iter([("HOME".to_owned(), home.display().to_string())]);
    let settings = config::load(&environment, &RunFlags::default()).unwrap();
    Backend::new(BackendSettings {
        home: home.to_owned(),
        environment: BTreeMap::new(),
        limits: settings.limits,
        network: settings.network,
        batch_bytes_max: settings.batch_bytes_max,
        describing: tokio::sync::watch::channel(std::collections::HashSet::new()).1,
        emulator: EmulatorOptions {
            command: Some("/nonexistent/snowflake-emulator".into()),
            search_path: Vec::new(),
            data_directory: home.join("data"),
            fault_control: false,
            state_directory: home.to_owned(),
            start_timeout: Duration::from_secs(1),
            stop_timeout: Duration::from_secs(1),
            log: LogOpener(Arc::new(|| Ok(Box::new(std::io::sink())))),
            environment: Vec::new(),
        },
    })
}

struct Scene {
    home: tempfile::TempDir,
    backend: Backend,
}

impl Scene {
    fn new() -> Self {
        let home = tempfile::tempdir().unwrap();
        std::fs::create_dir(home.path().join(".snowflake")).unwrap();
        let backend = backend(home.path());
        Self { home, backend }
    }

    /// The basis of a connection with this beside its account and user.
    async fn basis_with(&self, lines: &str) -> LoginBasis {
        use std::os::unix::fs::PermissionsExt as _;
        let file = self.home.path().join(".snowflake/connections.toml");
        std::fs::write(
            &file,
            format!("[dev]\naccount = \"acme\"\nuser = \"me\"\n{lines}"),
        )
        .unwrap();
        std::fs::set_permissions(&file, std::fs::Permissions::from_mode(0o600)).unwrap();
        self.backend.basis(&"dev".parse().unwrap()).await.unwrap()
    }
}

#[tokio::test]
async fn a_changed_file_is_another_basis() {
    let scene = Scene::new();
    let first = scene.basis_with("password = \"a\"").await;
    assert!(first.unattended);
    assert_eq!(scene.basis_with("# nothing\npassword = \"a\"").await, first);
    let other = scene.basis_with("password = \"b\"").await;
    assert_ne!(other.fingerprint, first.fingerprint);
    assert_eq!(scene.basis_with("password = \"a\"").await, first);
}

#[tokio::test]
async fn a_passcode_needs_somebody() {
    let scene = Scene::new();
    let basis = scene.basis_with("password = \"a\"\npasscode = \"123456\"").await;
    assert!(!basis.unattended);
}

#[tokio::test]
async fn the_emulator_is_not_started_for_a_look() {
    let scene = Scene::new();
    let basis = scene.backend.basis(&ConnectionName::local()).await.unwrap();
    assert!(!basis.unattended, "a login would have to start it");
    assert_eq!(scene.backend.emulator_address(), None);
    // A start that failed leaves it as it was.
    let started = scene.backend.login(&ConnectionName::local()).await.map(drop);
    assert_eq!(started.unwrap_err().reason(), Reason::Configuration);
    assert_eq!(
        scene.backend.basis(&ConnectionName::local()).await.unwrap(),
        basis
    );
}

#[tokio::test]
async fn a_missing_connection_is_told() {
    let scene = Scene::new();
    let missing = scene.backend.basis(&"other".parse().unwrap()).await;
    assert_eq!(missing.unwrap_err().reason(), Reason::Configuration);
}
