//! Connections from files and environment, by table: what is written, and what comes of it.

#![allow(clippy::unwrap_used, reason = "a failed step is a failed test")]

use std::collections::BTreeMap;
use std::fs;
use std::os::unix::fs::PermissionsExt as _;
use std::path::PathBuf;

use snowflake_session_driver::{
    ConnectionSettings, Connections, Credential, DriverError, Lookup, Overrides, Result, ValueSource,
};
use tempfile::TempDir;

/// A home directory with files and an environment.
struct Home {
    folder: TempDir,
    environment: BTreeMap<String, String>,
}

impl Home {
    fn new() -> Self {
        Self {
            folder: tempfile::tempdir().unwrap(),
            environment: BTreeMap::new(),
        }
    }

    /// Writes a private file below the home directory.
    fn with_file(self, path: &str, text: &str) -> Self {
        let path = self.folder.path().join(path);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(&path, text).unwrap();
        fs::set_permissions(&path, fs::Permissions::from_mode(0o600)).unwrap();
        self
    }

    fn with_variable(mut self, name: &str, value: &str) -> Self {
        self.environment.insert(name.to_owned(), value.to_owned());
        self
    }

    fn path(&self, path: &str) -> PathBuf {
        self.folder.path().join(path)
    }

    fn load(&self) -> Result<Connections> {
        Connections::load(&Lookup::new(self.folder.path(), self.environment.clone()))
    }

    fn get(&self, name: &str) -> Result<ConnectionSettings> {
        self.load()?.get(name, &Overrides::default())
    }

    /// The text of the error, with its hint, that loading or reading `name` gives.
    fn error(&self, name: &str) -> String {
        match self.get(name).unwrap_err() {
            DriverError::Configuration { message, hint } => {
                format!("{message} | {}", hint.unwrap_or_default())
            }
            DriverError::Io { what, source } => format!("{what}: {source}"),
            other => panic!("{other:?}"),
        }
    }
}

const CONNECTIONS: &str = ".snowflake/connections.toml";
const CONFIG: &str = ".snowflake/config.toml";

/// A home whose connection `dev` is complete but for these lines.
fn dev(lines: &str) -> Home {
    let start = "[dev]\naccount = \"org-acct\"\nuser = \"me\"\n";
    Home::new().with_file(CONNECTIONS, &format!("{start}{lines}\n"))
}

fn password_of(settings: &ConnectionSettings) -> &str {
    match &settings.credential {
        Credential::Password { password, .. } => password.expose(),
        other => panic!("{other:?}"),
    }
}

#[test]
fn nothing_configured_is_no_error() {
    let connections = Home::new().load().unwrap();
    assert!(connections.names().is_empty() && connections.default_name().is_none());
    assert!(connections.files().is_empty() && connections.warnings().is_empty());
}

#[test]
fn the_folder_is_found_by_the_rules() {
    let file = "[a]\naccount = \"x\"\n";
    let names = |home: Home| home.load().unwrap().names();
    assert_eq!(names(Home::new().with_file(CONNECTIONS, file)), ["a"]);
    assert_eq!(
        names(Home::new().with_file("xdg/snowflake/connections.toml", file)),
        [""; 0]
    );
    let xdg = Home::new().with_file("xdg/snowflake/connections.toml", file);
    let xdg_folder = xdg.path("xdg").display().to_string();
    let platform = xdg.with_variable("XDG_CONFIG_HOME", &xdg_folder);
    if cfg!(target_os = "linux") {
        assert_eq!(
            names(Home::new().with_file(".config/snowflake/connections.toml", file)),
            ["a"]
        );
        assert_eq!(names(platform), ["a"]);
    }
    let classic_first = Home::new()
        .with_file(".config/snowflake/connections.toml", file)
        .with_file(CONFIG, "");
    assert_eq!(names(classic_first), [""; 0]);
    let chosen = Home::new()
        .with_file("elsewhere/connections.toml", file)
        .with_file(CONNECTIONS, "[b]\n");
    assert_eq!(
        names(chosen.with_variable("SNOWFLAKE_HOME", "~/elsewhere")),
        ["a"]
    );
}

#[test]
fn the_default_connection_is_chosen_in_order() {
    let both = || {
        Home::new()
            .with_file(
                CONFIG,
                "default_connection_name = \"b\"\n[connections.a]\n[connections.default]\n",
            )
            .with_file(CONNECTIONS, "[b]\n")
    };
    let name = |home: &Home| home.load().unwrap().default_name();
    let (chosen, source) = name(&both()).unwrap();
    assert_eq!(
        (chosen.as_str(), source.to_string()),
        ("b", both_path_text(&source))
    );
    let variable = both().with_variable("SNOWFLAKE_DEFAULT_CONNECTION_NAME", "a");
    let expected = ValueSource::Environment("SNOWFLAKE_DEFAULT_CONNECTION_NAME".to_owned());
    assert_eq!(name(&variable), Some(("a".to_owned(), expected)));
    let by_name = Home::new().with_file(CONNECTIONS, "[default]\n[x]\n");
    assert_eq!(name(&by_name).unwrap().0, "default");
    assert_eq!(name(&Home::new().with_file(CONNECTIONS, "[x]\n")), None);
    let variables_only = Home::new().with_variable("SNOWFLAKE_ACCOUNT", "x");
    assert_eq!(name(&variables_only).unwrap().0, "default");
}

/// The source of a default from the top of a file is shown as the file alone.
fn both_path_text(source: &ValueSource) -> String {
    let ValueSource::File { path, .. } = source else {
        panic!("{source:?}")
    };
    assert!(path.ends_with("config.toml"));
    path.display().to_string()
}

#[test]
fn values_come_from_the_highest_place_that_has_them() {
    let home = Home::new()
        .with_file(
            CONFIG,
            "[connections.dev]\naccount = \"from-config\"\nuser = \"from-config\"\nrole = \"from-config\"\n\
             password = \"from-config\"\nwarehouse = \"from-config\"\n",
        )
        .with_file(
            CONNECTIONS,
            "[dev]\nuser = \"from-connections\"\nrole = \"from-connections\"\n\
             password = \"from-connections\"\n",
        )
        .with_variable("SNOWFLAKE_CONNECTIONS_DEV_ROLE", "from-qualified")
        .with_variable("SNOWFLAKE_CONNECTIONS_DEV_PASSWORD", "from-qualified")
        .with_variable("SNOWFLAKE_WAREHOUSE", "ignored")
        .with_variable("SNOWFLAKE_DATABASE", "from-unqualified");
    let overrides = Overrides::default().with("password", "from-override");
    let settings = home.load().unwrap().get("dev", &overrides).unwrap();
    assert_eq!(
        (settings.account.as_str(), settings.user.as_str()),
        ("from-config", "from-connections")
    );
    assert_eq!(settings.context.role.as_deref(), Some("from-qualified"));
    assert_eq!(password_of(&settings), "from-override");
    assert_eq!(settings.context.warehouse.as_deref(), Some("from-config"));
    assert_eq!(settings.context.database.as_deref(), Some("from-unqualified"));
    let source = |key: &str| settings.sources[key].to_string();
    assert_eq!(
        source("account"),
        format!("[connections.dev] in {}", home.path(CONFIG).display())
    );
    assert_eq!(
        source("user"),
        format!("[dev] in {}", home.path(CONNECTIONS).display())
    );
    assert_eq!(
        source("role"),
        "environment variable SNOWFLAKE_CONNECTIONS_DEV_ROLE"
    );
    assert_eq!(source("password"), "given on the command line");
    assert_eq!(source("database"), "environment variable SNOWFLAKE_DATABASE");
    assert_eq!(source("host"), "derived from the account");
}

#[test]
fn variables_alone_can_define_connections() {
    let home = Home::new()
        .with_variable("SNOWFLAKE_CONNECTIONS_CI_ACCOUNT", "org-ci")
        .with_variable("SNOWFLAKE_CONNECTIONS_CI_USER", "robot")
        .with_variable("SNOWFLAKE_CONNECTIONS_CI_PASSWORD", "x");
    assert_eq!(home.load().unwrap().names(), ["ci"]);
    assert_eq!(home.get("ci").unwrap().user, "robot");
    let unqualified = Home::new()
        .with_variable("SNOWFLAKE_ACCOUNT", "org-env")
        .with_variable("SNOWFLAKE_USER", "me")
        .with_variable("SNOWFLAKE_PASSWORD", "x");
    assert_eq!(unqualified.get("default").unwrap().account, "org-env");
    let toml = Home::new().with_variable(
        "SNOWFLAKE_CONNECTIONS",
        "[t]\naccount='a'\nuser='u'\npassword='p'",
    );
    assert_eq!(toml.get("t").unwrap().user, "u");
}

#[test]
fn other_names_of_keys_and_other_spellings_of_values_work() {
    let home = Home::new().with_file(
        CONNECTIONS,
        "[dev]\naccountname = \"org-acct\"\nusername = \"me\"\npassword = 123456\ndbname = \"DB\"\n\
         schemaname = \"S\"\nrolename = \"R\"\nwarehousename = \"W\"\nport = \"8080\"\nprotocol = \"HTTP\"\n\
         host = \"localhost\"\nclient_session_keep_alive = \"false\"\nquery_tag = \"tag\"\n\
         session_parameters = { timezone = \"UTC\", lock_timeout = 5, autocommit = true }\n",
    );
    let settings = home.get("dev").unwrap();
    assert_eq!((settings.user.as_str(), password_of(&settings)), ("me", "123456"));
    assert_eq!(settings.endpoint.as_str(), "http://localhost:8080/");
    let context = settings.context;
    assert_eq!(
        (context.database.as_deref(), context.schema.as_deref()),
        (Some("DB"), Some("S"))
    );
    assert_eq!(
        (context.role.as_deref(), context.warehouse.as_deref()),
        (Some("R"), Some("W"))
    );
    assert!(!settings.keep_alive);
    let parameters: Vec<&str> = settings.session_parameters.keys().map(String::as_str).collect();
    assert_eq!(
        parameters,
        ["AUTOCOMMIT", "LOCK_TIMEOUT", "QUERY_TAG", "TIMEZONE"]
    );
}

#[test]
fn endpoints_follow_account_host_and_region() {
    let endpoint = |lines: &str| {
        let home = Home::new().with_file(
            CONNECTIONS,
            &format!("[c]\nuser = \"u\"\npassword = \"p\"\n{lines}\n"),
        );
        home.get("c").unwrap().endpoint.to_string()
    };
    assert_eq!(
        endpoint("account = \"org-my_acct\""),
        "https://org-my-acct.snowflakecomputing.com/"
    );
    assert_eq!(
        endpoint("account = \"a\"\nregion = \"us-east-1\""),
        "https://a.us-east-1.snowflakecomputing.com/"
    );
    assert_eq!(
        endpoint("account = \"a\"\nhost = \"h.example\""),
        "https://h.example/"
    );
    assert_eq!(
        endpoint("host = \"h.example\"\nport = 8443"),
        "https://h.example:8443/"
    );
}

#[test]
fn each_authenticator_reads_its_secret() {
    let settings = |lines: &str| dev(lines).get("dev").unwrap().credential;
    assert!(matches!(
        settings("password = \"p\""),
        Credential::Password { .. }
    ));
    assert!(matches!(
        settings("authenticator = \"SNOWFLAKE\"\npassword = \"p\""),
        Credential::Password { .. }
    ));
    let oauth = settings("authenticator = \"oauth\"\ntoken = \"t\"");
    assert!(matches!(oauth, Credential::OAuth(token) if token.expose() == "t"));
    let home = dev("authenticator = \"programmatic_access_token\"\ntoken_file_path = \"pat\"");
    let home = home.with_file(".snowflake/pat", "the-token\n");
    let pat = home.get("dev").unwrap().credential;
    assert!(matches!(pat, Credential::ProgrammaticAccessToken(token) if token.expose() == "the-token"));

    let key = include_str!("keys/plain.p8");
    for lines in [
        "private_key_file = \"~/keys/k.p8\"",
        "authenticator = \"SNOWFLAKE_JWT\"\nprivate_key_path = \"../keys/k.p8\"",
    ] {
        let credential = dev(lines)
            .with_file("keys/k.p8", key)
            .get("dev")
            .unwrap()
            .credential;
        assert!(
            matches!(credential, Credential::KeyPair { passphrase: None, pem } if pem.expose() == key.trim())
        );
    }
    let encrypted = include_str!("keys/encrypted.p8");
    let home = dev("private_key_file = \"k.p8\"").with_file(".snowflake/k.p8", encrypted);
    let home = home.with_variable("PRIVATE_KEY_PASSPHRASE", "open-sesame");
    let credential = home.get("dev").unwrap().credential;
    assert!(
        matches!(credential, Credential::KeyPair { passphrase: Some(phrase), .. } if phrase.expose() == "open-sesame")
    );
}

#[test]
fn what_is_missing_is_named_in_the_order_of_a_file() {
    let error = |lines: &str| Home::new().with_file(CONNECTIONS, lines).error("x");
    assert!(error("[x]\nacount = \"a\"\n").starts_with("connection \"x\" has no account"));
    assert!(error("[x]\naccount = \"a\"\n").starts_with("connection \"x\" has no password"));
    let none = Home::new().error("x");
    assert!(
        none.contains("there is no connection") && none.contains("connections.toml"),
        "{none}"
    );
}

#[test]
fn what_is_wrong_is_named_with_its_place_and_never_shown() {
    let place = "[dev] in ";
    for (lines, parts) in [
        (
            "",
            vec!["\"dev\" has no password", "SNOWFLAKE_CONNECTIONS_DEV_PASSWORD"],
        ),
        ("password = 1.5", vec!["password", place, "quotes"]),
        ("password = true", vec!["password", place, "quotes"]),
        (
            "password = [\"sesame\"]",
            vec!["password", place, "must be a text"],
        ),
        (
            "password = \"sesame\"\nport = 70000",
            vec!["port", place, "65535"],
        ),
        (
            "password = \"sesame\"\nprotocol = \"ftp\"",
            vec!["protocol", place, "https or http"],
        ),
        ("password = \"sesame\"\nhost = \"a b\"", vec!["host", place]),
        (
            "password = \"sesame\"\nclient_session_keep_alive = \"often\"",
            vec!["client_session_keep_alive", place],
        ),
        (
            "authenticator = \"externalbrowser\"",
            vec!["externalbrowser", place, "not supported", "snowflake_jwt"],
        ),
        (
            "authenticator = \"https://okta.example.com\"",
            vec!["Okta", place, "not supported"],
        ),
        (
            "authenticator = \"username_password_mfa\"",
            vec!["username_password_mfa", "not supported"],
        ),
        (
            "authenticator = \"workload_identity\"",
            vec!["workload_identity", "not supported"],
        ),
        (
            "authenticator = \"snowflak_jwt\"",
            vec!["authenticator", place, "no known authenticator", "supported:"],
        ),
        (
            "authenticator = \"oauth\"",
            vec!["has no token or token_file_path"],
        ),
        (
            "authenticator = \"oauth\"\ntoken_file_path = \"none\"",
            vec!["token_file_path", "cannot be read"],
        ),
        (
            "authenticator = \"snowflake_jwt\"",
            vec!["has no private_key_file"],
        ),
        (
            "private_key_file = \"none.p8\"",
            vec!["private_key_file", "none.p8 cannot be read"],
        ),
        (
            "private_key_raw = \"sesame\"",
            vec!["private_key_raw", place, "PKCS#8", "openssl pkcs8"],
        ),
    ] {
        let error = dev(lines).error("dev");
        for part in &parts {
            assert!(
                error.contains(part),
                "{lines:?} gives {error:?}, without {part:?}"
            );
        }
        assert!(!error.contains("sesame"), "{error}");
    }
    let pkcs1 =
        dev("private_key_file = \"k.pem\"").with_file(".snowflake/k.pem", include_str!("keys/pkcs1.pem"));
    assert!(pkcs1.error("dev").contains("openssl pkcs8"));
    let locked =
        dev("private_key_file = \"k.p8\"").with_file(".snowflake/k.p8", include_str!("keys/encrypted.p8"));
    assert!(locked.error("dev").contains("private_key_passphrase"));
    let anonymous = Home::new().with_file(CONNECTIONS, "[c]\naccount = \"a\"\npassword = \"p\"\n");
    assert!(anonymous.error("c").contains("no user"));
    let homeless = Home::new().with_file(CONNECTIONS, "[c]\nuser = \"u\"\npassword = \"p\"\n");
    assert!(homeless.error("c").contains("no account"));
    let nonsense = Home::new().with_file(
        CONNECTIONS,
        "[c]\naccount = \"a/b\"\nuser = \"u\"\npassword = \"p\"\n",
    );
    assert!(nonsense.error("c").contains("ORG-ACCOUNT"));
}

#[test]
fn an_unknown_name_lists_the_known_ones() {
    let error = dev("password = \"p\"").error("prod");
    assert!(
        error.contains("no connection named \"prod\"") && error.contains("dev"),
        "{error}"
    );
}

#[test]
fn broken_toml_names_file_and_line_and_never_the_text() {
    let home = Home::new().with_file(CONNECTIONS, "[dev]\naccount = \"a\"\npassword = sesame street\n");
    let error = home.error("dev");
    assert!(
        error.contains("connections.toml") && error.contains("line 3"),
        "{error}"
    );
    assert!(!error.contains("sesame"), "{error}");
    let flat = Home::new()
        .with_file(CONNECTIONS, "account = \"a\"\n")
        .error("dev");
    assert!(
        flat.contains("\"account\"") && flat.contains("must be a table"),
        "{flat}"
    );
}

#[test]
fn files_that_others_may_touch_are_refused_or_reported() {
    let home = dev("password = \"p\"");
    let set = |mode| fs::set_permissions(home.path(CONNECTIONS), fs::Permissions::from_mode(mode)).unwrap();
    set(0o620);
    let error = home.error("dev");
    assert!(
        error.contains("other users") && error.contains("chmod 0600"),
        "{error}"
    );
    set(0o644);
    let connections = home.load().unwrap();
    assert_eq!(connections.warnings().len(), 1);
    assert!(
        connections.warnings()[0].contains("chmod 0600"),
        "{:?}",
        connections.warnings()
    );
    let silenced = dev("").with_variable("SF_SKIP_WARNING_FOR_READ_PERMISSIONS_ON_CONFIG_FILE", "true");
    fs::set_permissions(silenced.path(CONNECTIONS), fs::Permissions::from_mode(0o644)).unwrap();
    assert!(silenced.load().unwrap().warnings().is_empty());
    let folder = Home::new()
        .with_file(".snowflake/connections.toml/x", "")
        .error("dev");
    assert!(folder.contains("connections.toml cannot be read"), "{folder}");
}

#[test]
fn shown_values_mask_secrets() {
    let home = dev("password = \"sesame\"\nprivate_key_file = \"k.p8\"\ntoken = \"sesame\"");
    let connections = home.load().unwrap();
    let shown = connections.shown("dev", &Overrides::default()).unwrap();
    let value = |key: &str| {
        shown
            .iter()
            .find(|shown| shown.key == key)
            .unwrap()
            .value
            .as_str()
    };
    assert_eq!((value("password"), value("token")), ("****", "****"));
    assert_eq!((value("private_key_file"), value("user")), ("k.p8", "me"));
    let settings = dev("password = \"sesame\"").get("dev").unwrap();
    assert!(!format!("{settings:?} {connections:?} {shown:?}").contains("sesame"));
}
