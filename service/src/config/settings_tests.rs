//! The layers, their faults and their order.

use super::super::layers::DEFAULTS;
use super::super::listing::FileOutcome;
use super::*;

/// Examines a system file, a user file, variables beside `HOME`, and flags; the home is `~` in what is told.
fn examine_from(system: &str, user: &str, variables: &[(&str, &str)], flags: &RunFlags) -> Examined {
    let home = tempfile::tempdir().unwrap();
    let user_folder = home.path().join(".config/snowflake-session");
    std::fs::create_dir_all(&user_folder).unwrap();
    std::fs::write(user_folder.join("config.toml"), user).unwrap();
    let system_file = home.path().join("system.toml");
    std::fs::write(&system_file, system).unwrap();
    let environment: Environment = [("HOME", home.path().to_str().unwrap())]
        .iter()
        .chain(variables)
        .map(|(name, value)| ((*name).to_owned(), (*value).to_owned()))
        .collect();
    let shorten = |place: &mut String| *place = place.replace(home.path().to_str().unwrap(), "~");
    let mut examined = examine_with(&system_file, &environment, flags);
    if let Err(Faults(faults)) = &mut examined.settings {
        for fault in faults {
            shorten(&mut fault.place);
        }
    }
    let settings = examined.listing.0.iter_mut();
    settings.for_each(|setting| shorten(&mut setting.source));
    examined
}

fn load_from(
    system: &str,
    user: &str,
    variables: &[(&str, &str)],
    flags: &RunFlags,
) -> Result<Settings, Vec<Fault>> {
    let examined = examine_from(system, user, variables, flags);
    examined.settings.map_err(|Faults(faults)| faults)
}

fn faults_of(user: &str, variables: &[(&str, &str)]) -> Vec<String> {
    let faults = load_from("", user, variables, &RunFlags::default()).unwrap_err();
    faults
        .into_iter()
        .map(|fault| format!("{}: {}", fault.place, fault.message))
        .collect()
}

#[test]
fn the_defaults_are_complete_and_commented() {
    let layers = Layers::new();
    let mut reader = Reader::new(&layers);
    read(&mut reader, PathBuf::from("/home"), &Environment::default());
    let mut asked = std::mem::take(&mut reader.asked);
    assert_eq!(reader.faults(), []);
    asked.sort_unstable();
    let mut known: Vec<&str> = layers.known().iter().map(String::as_str).collect();
    known.sort_unstable();
    assert_eq!(asked, known, "every key has a default and every default is read");

    let lines: Vec<&str> = DEFAULTS.lines().collect();
    for (number, line) in lines.iter().enumerate().filter(|(_, line)| line.contains(" = ")) {
        if !line.starts_with('#') {
            assert!(lines[number - 1].starts_with('#'), "`{line}` has no comment");
        }
    }
}

#[test]
fn later_layers_win() {
    let (system, user) = ("[query]\ntimeout = \"1min\"", "[query]\ntimeout = \"2min\"");
    let variable = [("SNOWFLAKE_SESSIOND_SERVICE__IDLE_EXIT", "3min")];
    let none = RunFlags::default();
    let flag = RunFlags {
        idle_exit: Some("4min".into()),
        ..RunFlags::default()
    };
    let minutes = |settings: Settings| {
        (
            settings.limits.query_timeout.as_secs() / 60,
            settings.idle_exit.unwrap().as_secs() / 60,
        )
    };
    assert_eq!(minutes(load_from("", "", &[], &none).unwrap()), (24 * 60, 15));
    assert_eq!(minutes(load_from(system, "", &[], &none).unwrap()), (1, 15));
    assert_eq!(
        minutes(load_from(system, user, &variable, &none).unwrap()),
        (2, 3)
    );
    assert_eq!(
        minutes(load_from(system, user, &variable, &flag).unwrap()),
        (2, 4)
    );
}

#[test]
fn each_value_is_listed_with_its_source() {
    let flags = RunFlags {
        idle_exit: Some("4min".into()),
        ..RunFlags::default()
    };
    let examined = examine_from(
        "[query]\ntimeout = \"1min\"\njobs_max = 3",
        "[query]\n\ntimeout = \"2min\"\n[policy.connections.\"my prod\"]\nlevel = \"read-only\"",
        &[
            ("SNOWFLAKE_SESSIOND_POOL__MAX", "7"),
            ("SNOWFLAKE_SESSIOND_POLICY__DENY", "drop on a.b.*; call"),
            ("SNOWFLAKE_SESSIOND_QUERY__TAG", "false"),
        ],
        &flags,
    );
    let user = "~/.config/snowflake-session/config.toml";
    for (key, value, layer, source) in [
        (
            "query.timeout",
            "\"2min\"",
            LayerName::User,
            &*format!("{user}:3"),
        ),
        ("query.jobs_max", "3", LayerName::System, "~/system.toml:3"),
        (
            "policy.connections.my prod.level",
            "\"read-only\"",
            LayerName::User,
            &format!("{user}:5"),
        ),
        (
            "pool.max",
            "7",
            LayerName::Environment,
            "variable SNOWFLAKE_SESSIOND_POOL__MAX",
        ),
        (
            "policy.deny",
            "[\"drop on a.b.*\",\"call\"]",
            LayerName::Environment,
            "variable SNOWFLAKE_SESSIOND_POLICY__DENY",
        ),
        (
            "query.tag",
            "false",
            LayerName::Environment,
            "variable SNOWFLAKE_SESSIOND_QUERY__TAG",
        ),
        (
            "service.idle_exit",
            "\"4min\"",
            LayerName::Flags,
            "flag --idle-exit",
        ),
        ("policy.allow", "[]", LayerName::Defaults, "the built-in defaults"),
    ] {
        let setting = examined
            .listing
            .0
            .iter()
            .find(|setting| setting.key == key)
            .unwrap();
        let found = (setting.value.to_string(), setting.layer, setting.source.as_str());
        assert_eq!(found, (value.to_owned(), layer, source), "{key}");
    }
    let outcomes: Vec<_> = examined
        .files
        .iter()
        .map(|file| (file.layer, file.outcome))
        .collect();
    assert_eq!(
        outcomes,
        [
            (LayerName::System, FileOutcome::Read),
            (LayerName::User, FileOutcome::Read)
        ]
    );
}

/// Somebody writes a password where there is no key for it: it is told of by its name alone.
#[test]
fn a_secret_in_a_wrong_place_is_not_told() {
    let files = [
        "[login]\npassword = \"hunter2\"",
        "password = 'hunter2'\n[login\n",
        "[login]\npassword = hunter2",
    ];
    for user in files {
        let variables = [
            ("SNOWFLAKE_SESSIOND_LOGIN__PASSWORD", "hunter2"),
            ("SNOWFLAKE_PASSWORD", "hunter2"),
        ];
        let examined = examine_from("", user, &variables, &RunFlags::default());
        let told = format!("{:?} {:?}", examined.settings, examined.warnings);
        assert!(examined.settings.is_err() && !told.contains("hunter2"), "{told}");
        let known: Vec<&str> = examined
            .listing
            .0
            .iter()
            .map(|setting| setting.key.as_str())
            .collect();
        assert!(
            known.contains(&"login.timeout") && !known.contains(&"login.password"),
            "{known:?}"
        );
    }
}

#[test]
fn a_password_in_an_address_is_not_told() {
    let user = format!(
        "[traces]\nendpoint = \"https://{}@traces.example.com\"",
        "me:hunter2"
    );
    let examined = examine_from("", &user, &[], &RunFlags::default());
    let told = format!("{:?} {:?}", examined.settings, examined.listing);
    assert!(examined.settings.is_err() && !told.contains("hunter2"), "{told}");
    assert!(told.contains("https://***@traces.example.com"), "{told}");
}

#[test]
fn unknown_keys_are_faults_with_line_and_nearest_key() {
    assert_eq!(
        faults_of(
            "[query]\n\ntimeuot = \"1s\"\n[sesion]\nqueue_max = 3\n[nonsense]\nblah = 1",
            &[]
        ),
        [
            "~/.config/snowflake-session/config.toml:7: unknown key `nonsense.blah`",
            "~/.config/snowflake-session/config.toml:3: unknown key `query.timeuot`, did you mean `query.timeout`?",
            "~/.config/snowflake-session/config.toml:5: unknown key `sesion.queue_max`, did you mean `session.queue_max`?",
        ]
    );
}

#[test]
fn every_fault_is_told_with_its_place() {
    assert_eq!(
        faults_of(
            "[query]\ntimeout = 20\n[session]\nsessions_max = \"many\"\n[socket]\npath = \"here\"",
            &[
                ("SNOWFLAKE_SESSIOND_LOG__LEVEL", "a=b=c"),
                ("SNOWFLAKE_SESSIOND_SERVICE__IDLE_EXIT", "1s")
            ],
        ),
        [
            "~/.config/snowflake-session/config.toml:6: `socket.path`: \"here\" is not an absolute path",
            "variable SNOWFLAKE_SESSIOND_LOG__LEVEL: `log.level`: \"a=b=c\" is not a level or filter: invalid filter directive: too many '=' in filter directive, expected 0 or 1",
            "variable SNOWFLAKE_SESSIOND_SERVICE__IDLE_EXIT: `service.idle_exit`: 1s is less than 30s; \"0s\" means for ever",
            "~/.config/snowflake-session/config.toml:4: `session.sessions_max`: \"many\" is not a whole number",
            "~/.config/snowflake-session/config.toml:2: `query.timeout`: \"20\" is not a duration; write for example \"20s\", \"15min\" or \"4h\"",
        ]
    );
    assert_eq!(
        faults_of("[pool]\nmin = 5", &[]),
        ["~/.config/snowflake-session/config.toml:2: `pool.min`: 5 is more than `pool.max`, 4"]
    );
    let broken = faults_of("[query\n", &[]);
    assert!(
        broken[0].starts_with("~/.config/snowflake-session/config.toml:1: "),
        "{broken:?}"
    );
}

#[test]
fn text_that_looks_like_a_number_stays_text() {
    for path in ["/007", "/1e3"] {
        let settings = load_from(
            "",
            "",
            &[("SNOWFLAKE_SESSIOND_SOCKET__PATH", path)],
            &RunFlags::default(),
        )
        .unwrap();
        assert_eq!(settings.socket.path, Some(PathBuf::from(path)));
    }
    let faults = faults_of("", &[("SNOWFLAKE_SESSIOND_EMULATOR__COMMAND", "007")]);
    assert_eq!(
        faults,
        [
            "variable SNOWFLAKE_SESSIOND_EMULATOR__COMMAND: `emulator.command`: \"007\" is not an absolute path"
        ]
    );
    let settings = load_from(
        "",
        "[session]\nqueue_max = \"7\"",
        &[("SNOWFLAKE_SESSIOND_SESSION__SESSIONS_MAX", "3")],
        &RunFlags::default(),
    );
    let limits = settings.unwrap().limits;
    assert_eq!((limits.queue_max, limits.sessions_max), (7, 3));
}

#[test]
fn a_stray_variable_is_a_warning() {
    let settings = load_from(
        "",
        "",
        &[("SNOWFLAKE_SESSIOND_QUERY__TIMEOUTS", "1s")],
        &RunFlags::default(),
    )
    .unwrap();
    assert_eq!(
        settings.warnings,
        [
            "unknown variable SNOWFLAKE_SESSIOND_QUERY__TIMEOUTS, did you mean SNOWFLAKE_SESSIOND_QUERY__TIMEOUT?"
        ]
    );
}

#[test]
fn a_named_file_must_exist_and_replaces_the_users() {
    let flags = RunFlags {
        config: Some("/no/such/file.toml".into()),
        ..RunFlags::default()
    };
    let faults = load_from("", "[query]\ntimeout = \"nonsense\"", &[], &flags).unwrap_err();
    assert_eq!(faults.len(), 1);
    assert_eq!(faults[0].place, "/no/such/file.toml");
    assert!(faults[0].message.starts_with("cannot be read"), "{faults:?}");
}

#[test]
fn the_state_folder_follows_the_manager_then_xdg() {
    let state = |variables: &[(&str, &str)]| {
        load_from("", "", variables, &RunFlags::default())
            .unwrap()
            .folders
            .state
    };
    assert_eq!(
        state(&[("STATE_DIRECTORY", "/var/lib/x:/other"), ("XDG_STATE_HOME", "/s")]),
        Path::new("/var/lib/x")
    );
    if cfg!(target_os = "linux") {
        assert_eq!(
            state(&[("XDG_STATE_HOME", "/s")]),
            Path::new("/s/snowflake-session")
        );
        assert!(state(&[]).ends_with(".local/state/snowflake-session"));
    }
}

#[test]
fn children_get_no_secrets() {
    let settings = load_from(
        "",
        "",
        &[
            ("SNOWFLAKE_PASSWORD", "hunter2"),
            ("PATH", "/bin"),
            ("NOTIFY_SOCKET", "/n"),
            ("LISTEN_FDS", "1"),
        ],
        &RunFlags::default(),
    )
    .unwrap();
    let names: Vec<_> = settings
        .emulator
        .environment
        .iter()
        .map(|(name, _)| name.to_str().unwrap())
        .collect();
    assert_eq!(names, ["HOME", "PATH"]);
    assert!(
        !format!(
            "{:?}",
            Environment::from_iter([("A".to_owned(), "hunter2".to_owned())])
        )
        .contains("hunter2")
    );
}

#[test]
fn policies_are_general_or_a_connections() {
    use crate::domain::names::ConnectionName;
    use crate::domain::policy::{AskServer, Level};

    let none = RunFlags::default();
    let file = "[policy]\ndeny = [\"drop on prod.*.*\"]\nrows_max = 5\n\
                [policy.connections.\"my prod\"]\nlevel = \"read-only\"\nallow = \"call on a.b.c; delete\"\n\
                ask_server = \"always\"";
    let variable = [(
        "SNOWFLAKE_SESSIOND_POLICY__ALLOW",
        "insert, update on s.*.*; function f",
    )];
    let settings = load_from(file, "", &variable, &none).unwrap();
    let policies = &settings.oversight.policies;
    let of = |connection: &str| policies.of(&connection.parse().unwrap());
    let allow =
        |connection: &str| -> Vec<String> { of(connection).allow.iter().map(ToString::to_string).collect() };
    assert_eq!(of("other").level, Level::Guarded);
    assert_eq!(allow("other"), ["insert, update on s.*.*", "function f"]);
    assert_eq!(of("local").level, Level::Open);
    assert_eq!(of("local").deny.len(), 1);
    assert_eq!(of("my prod").level, Level::ReadOnly);
    assert_eq!(allow("my prod"), ["call on a.b.c", "delete"]);
    assert_eq!((of("my prod").rows_max, of("my prod").deny.len()), (5, 1));
    assert_eq!(of("my prod").ask_server, AskServer::Always);
    let describing: Vec<&str> = settings
        .oversight
        .describing
        .iter()
        .map(ConnectionName::as_str)
        .collect();
    assert_eq!(describing, ["my prod"]);
    assert!(settings.oversight.query_tag);
}

#[test]
fn wrong_policies_are_faults() {
    let place = "~/.config/snowflake-session/config.toml";
    let faults = faults_of(
        "[policy]\nlevel = \"lax\"\ndeny = [\"dorp\"]\nallow = [\"unknown\"]\n\
         [policy.connections.prod]\nlevle = \"open\"\n[policy.connections.dev]\nrows_max = \"few\"\n\
         [query]\ntag = \"perhaps\"\n[audit]\nsql = \"some\"",
        &[],
    );
    for part in [
        "unknown key `policy.connections.prod.levle`",
        "`policy.level`: \"lax\" is not a policy",
        "`policy.deny`: \"dorp\" is no kind of statements",
        "`policy.allow`: rule \"unknown\"",
        "`query.tag`: \"perhaps\" is neither true nor false",
        "`audit.sql`: \"some\" is not one of",
        "`policy.connections.dev.rows_max`: \"few\" is not a whole number",
    ] {
        let found = faults.iter().filter(|fault| fault.contains(part)).count();
        assert!(found >= 1, "{part} in {faults:#?}");
    }
    assert!(faults.iter().all(|fault| fault.starts_with(place)), "{faults:#?}");
    assert!(
        faults
            .iter()
            .any(|fault| fault.contains(".toml:2: `policy.level`")),
        "{faults:#?}"
    );
}

#[test]
fn metrics_are_for_this_machine_unless_it_is_said() {
    for (section, fault) in [
        ("listen = \"127.0.0.1:9464\"", None),
        ("listen = \"[::1]:0\"", None),
        ("listen = \"0.0.0.0:9464\"\npublic = true", None),
        (
            "listen = \"0.0.0.0:9464\"",
            Some("`metrics.listen`: 0.0.0.0:9464 is reached from other machines"),
        ),
        (
            "listen = \"9464\"",
            Some("`metrics.listen`: \"9464\" is not an address"),
        ),
        (
            "listen = \"127.0.0.1:0\"\nclient_time_max = \"1s\"\nhealth_timeout = \"2s\"",
            Some("`metrics.health_timeout`: 2s is not less than `metrics.client_time_max`, 1s"),
        ),
    ] {
        let text = format!("[metrics]\n{section}");
        match fault {
            None => {
                let settings = load_from("", &text, &[], &RunFlags::default()).unwrap();
                assert!(settings.metrics.listen.is_some(), "{section}");
            }
            Some(part) => {
                let faults = faults_of(&text, &[]);
                assert!(
                    faults.iter().any(|fault| fault.contains(part)),
                    "{part} in {faults:#?}"
                );
            }
        }
    }
}

#[test]
fn the_time_to_show_life_is_within_that_of_a_client_unless_it_is_said() {
    const LISTEN: &str = "listen = \"127.0.0.1:0\"\n";
    for (section, millis) in [
        (String::new(), 2000),
        (format!("{LISTEN}client_time_max = \"1s\""), 500),
        (format!("{LISTEN}client_time_max = \"100ms\""), 50),
        (format!("{LISTEN}client_time_max = \"3s\""), 1500),
        (format!("{LISTEN}client_time_max = \"1h\""), 2000),
        (
            format!("{LISTEN}client_time_max = \"1s\"\nhealth_timeout = \"900ms\""),
            900,
        ),
        // Nobody is told anything.
        (
            "client_time_max = \"1s\"\nhealth_timeout = \"2s\"".to_owned(),
            2000,
        ),
    ] {
        let settings = load_from("", &format!("[metrics]\n{section}"), &[], &RunFlags::default()).unwrap();
        let found = settings.metrics.health_timeout;
        assert_eq!(found, Duration::from_millis(millis), "{section}");
    }
}
