//! The shipped binary: sockets, signals, service managers, starting in the background.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    reason = "a test fails by panicking"
)]

#[path = "process/home.rs"]
mod home;
mod support;

use std::fs::File;
use std::io::{BufRead as _, BufReader, Read as _};
#[cfg(target_os = "linux")]
use std::os::fd::AsFd as _;
use std::os::unix::fs::PermissionsExt as _;
use std::os::unix::net::{UnixDatagram, UnixListener};
use std::os::unix::process::{CommandExt as _, ExitStatusExt as _};
use std::time::Duration;

use rustix::process::Signal;
use snowflake_session_proto::v1;

use home::{Home, Running, stderr_of, wait_until};

#[tokio::test]
async fn it_serves_until_a_signal_and_leaves_nothing_behind() {
    let home = Home::new();
    let running = home.serve();
    let status = home.status().await;
    assert_eq!(status.pid, i64::from(running.0.id()));
    assert_eq!(
        (status.manager(), status.state()),
        (v1::ServiceManager::None, v1::ServiceState::Serving)
    );
    assert_eq!(status.socket, home.socket().display().to_string());
    assert_eq!(
        status.emulator_address, "",
        "nothing is started before it is needed"
    );
    running.signal(Signal::TERM);
    let (code, stderr) = running.end();
    assert_eq!(code, Some(0), "{stderr}");
    assert!(!home.socket().exists());
    // Nobody reads a terminal here: the log is JSON lines.
    for line in stderr.lines() {
        assert!(serde_json::from_str::<serde_json::Value>(line).is_ok(), "{line}");
    }
}

#[tokio::test]
async fn a_caller_can_stop_it() {
    let home = Home::new();
    let running = home.serve();
    home.shut_down().await;
    assert_eq!(running.end().0, Some(0));
}

#[test]
fn systemd_hears_what_is_stored_ready_reloading_and_stopping() {
    let home = Home::new();
    let notify = UnixDatagram::bind(home.path().join("notify")).unwrap();
    notify.set_read_timeout(Some(Duration::from_secs(20))).unwrap();
    let heard = || {
        let mut buffer = [0; 4096];
        let length = notify.recv(&mut buffer).unwrap();
        String::from_utf8_lossy(&buffer[..length]).into_owned()
    };
    let mut command = home.command(&["run"]);
    command
        .env("NOTIFY_SOCKET", home.path().join("notify"))
        .env("WATCHDOG_USEC", "200000");
    let running = Running(command.spawn().unwrap());
    assert_eq!(heard(), "FDSTORE=1\nFDNAME=stored-sessions-v1\n");
    let first = heard();
    assert!(first.starts_with("READY=1\nSTATUS=serving "), "{first}");
    assert_eq!(heard(), "WATCHDOG=1\n");
    let next = || {
        std::iter::repeat_with(heard)
            .find(|text| text != "WATCHDOG=1\n")
            .unwrap()
    };
    running.signal(Signal::HUP);
    // Newer managers believe the READY=1 after it only if the time came with it.
    let reloading = next();
    assert!(
        reloading.starts_with("RELOADING=1\nMONOTONIC_USEC="),
        "{reloading}"
    );
    let again = next();
    assert!(again.starts_with("READY=1\nSTATUS=serving "), "{again}");
    running.signal(Signal::INT);
    let last = next();
    assert!(
        last.starts_with("STOPPING=1\nSTATUS=finishing queries\nEXTEND_TIMEOUT_USEC="),
        "{last}"
    );
    assert_eq!(running.end().0, Some(0));
}

#[test]
fn two_services_do_not_share_a_state_folder() {
    let home = Home::new();
    let first = home.serve();
    let second = home.output(&[
        "run",
        "--socket",
        home.path().join("run/other.sock").to_str().unwrap(),
    ]);
    assert_eq!(second.status.code(), Some(75));
    let expected = format!(
        "is in use by another snowflake-session (process {})",
        first.0.id()
    );
    assert!(stderr_of(&second).contains(&expected), "{}", stderr_of(&second));
}

#[test]
fn wrong_command_lines_and_configurations_have_their_codes() {
    let home = Home::new();
    for (arguments, code, words) in [
        (vec!["walk"], 64, "unrecognized subcommand"),
        (vec![], 64, "Usage"),
        (
            vec!["run", "--idle-exit", "soon"],
            78,
            "flag --idle-exit: `service.idle_exit`: \"soon\" is not a duration",
        ),
        (
            vec!["run", "--config", "/no/such/file"],
            78,
            "/no/such/file: cannot be read",
        ),
        (vec!["start", "--log", "a=b=c"], 78, "flag --log"),
    ] {
        let output = home.output(&arguments);
        assert_eq!(
            output.status.code(),
            Some(code),
            "{arguments:?}: {}",
            stderr_of(&output)
        );
        assert!(
            stderr_of(&output).contains(words),
            "{arguments:?}: {}",
            stderr_of(&output)
        );
        assert!(output.stdout.is_empty());
    }
    let long = home.path().join("x".repeat(200));
    let output = home.output(&["run", "--socket", long.to_str().unwrap()]);
    assert_eq!(output.status.code(), Some(78));
    assert!(
        stderr_of(&output).contains("are possible here"),
        "{}",
        stderr_of(&output)
    );
    let version = home.output(&["--version"]);
    assert_eq!(version.status.code(), Some(0));
    assert_eq!(
        String::from_utf8_lossy(&version.stdout),
        format!("snowflake-session {}\n", env!("CARGO_PKG_VERSION"))
    );
}

#[tokio::test]
async fn a_passed_socket_is_served_and_left_in_place() {
    let home = Home::new();
    std::fs::create_dir(home.socket().parent().unwrap()).unwrap();
    let socket = UnixListener::bind(home.socket()).unwrap();
    for names in ["grpc", "unknown"] {
        let running = Running(
            home.passing([(names, socket.try_clone().unwrap().into())])
                .spawn()
                .unwrap(),
        );
        let status = home.status().await;
        assert_eq!(status.pid, i64::from(running.0.id()));
        assert_eq!(
            (status.manager(), status.socket),
            (v1::ServiceManager::Systemd, home.socket().display().to_string())
        );
        running.signal(Signal::TERM);
        assert_eq!(running.end().0, Some(0));
        assert!(home.socket().exists(), "the manager's socket stays");
    }
}

#[test]
fn a_passed_thing_that_cannot_be_served_is_refused() {
    let home = Home::new();
    let datagram = UnixDatagram::bind(home.path().join("datagram")).unwrap();
    let (stream, _peer) = std::os::unix::net::UnixStream::pair().unwrap();
    let tcp = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let file = File::open("/dev/null").unwrap();
    let listening = UnixListener::bind(home.path().join("s")).unwrap();
    for (mut command, words) in [
        (
            home.passing([("grpc", datagram.into())]),
            "is not a stream socket",
        ),
        (home.passing([("grpc", stream.into())]), "does not listen"),
        (home.passing([("grpc", tcp.into())]), "is not a Unix socket"),
        (home.passing([("grpc", file.into())]), "is not a socket"),
        (
            home.passing([("http", listening.into())]),
            "no socket named grpc or grpc-tcp, only http",
        ),
    ] {
        let output = command.output().unwrap();
        assert_eq!(output.status.code(), Some(78), "{words}: {}", stderr_of(&output));
        assert!(
            stderr_of(&output).contains(words),
            "{words}: {}",
            stderr_of(&output)
        );
    }
    let mut other = home.command(&["run"]);
    other.env("LISTEN_FDS", "1").env("LISTEN_PID", "1");
    let output = other.output().unwrap();
    assert_eq!(output.status.code(), Some(78));
    assert!(
        stderr_of(&output).contains("no socket for this process"),
        "{}",
        stderr_of(&output)
    );
}

/// What systemd holds for us is only ever a gain: whatever has become of it, the service starts.
#[cfg(target_os = "linux")]
#[tokio::test]
async fn a_broken_table_of_sessions_does_not_stop_the_start() {
    use rustix::fs::{MemfdFlags, SealFlags, fcntl_add_seals, memfd_create};
    use snowflake_session::platform::memory_file::MemoryFile;

    let table = |fill: &dyn Fn(&MemoryFile)| {
        let file = MemoryFile::create(4).unwrap();
        fill(&file);
        file.as_fd().try_clone_to_owned().unwrap()
    };
    let sealed = || {
        let file = memfd_create("garbage", MemfdFlags::CLOEXEC | MemfdFlags::ALLOW_SEALING).unwrap();
        rustix::io::write(&file, &vec![0xff; 100_001]).unwrap();
        fcntl_add_seals(&file, SealFlags::SHRINK).unwrap();
        file
    };
    // Whole, and yet nothing that can be gone on with: a connection that is gone, a time far away, no ticket.
    let strange = br#"{"version":1,"session":"etl","connection":"gone","login_time":18446744073709551615,"last_use_time":0,
        "autocommit":null,"autocommit_at_login":true,"in_flight":true,"request_id":null,"unconfirmed":true,"ticket":"sesame"}"#;
    let (one_end, _other_end) = std::os::unix::net::UnixStream::pair().unwrap();
    for (name, stored, told) in [
        ("stored-sessions-v1", sealed(), None),
        (
            "stored-sessions-v1",
            File::open("/dev/null").unwrap().into(),
            Some("something else"),
        ),
        ("stored-sessions-v1", one_end.into(), Some("something else")),
        (
            "stored-sessions-v1",
            table(&|file| file.write(1, b"{\"version\":2}").unwrap()),
            Some("it is not as it should be"),
        ),
        (
            "stored-sessions-v1",
            table(&|file| file.write(2, strange).unwrap()),
            None,
        ),
        (
            "stored-sessions-v9",
            table(&|_| {}),
            Some("another version of the service"),
        ),
    ] {
        let home = Home::new();
        std::fs::create_dir(home.socket().parent().unwrap()).unwrap();
        let socket = UnixListener::bind(home.socket()).unwrap();
        let running = Running(
            home.passing([("grpc", socket.into()), (name, stored)])
                .spawn()
                .unwrap(),
        );
        let status = home.status().await;
        assert_eq!(status.pid, i64::from(running.0.id()), "{told:?}");
        let mut sessions = support::sessions(&support::connect(&home.socket()).await);
        sessions
            .list_sessions(v1::ListSessionsRequest::default())
            .await
            .unwrap();
        drop(sessions);
        running.signal(Signal::TERM);
        let (code, said) = running.end();
        assert_eq!(code, Some(0), "{said}");
        assert!(told.is_none_or(|words| said.contains(words)), "{told:?}: {said}");
        assert!(!said.contains("sesame"), "{said}");
    }
}

#[tokio::test]
async fn start_returns_when_the_service_answers() {
    let home = Home::new();
    let output = home.output(&["start"]);
    assert!(output.status.success(), "{}", stderr_of(&output));
    let pid = home.status().await.pid;
    let again = home.output(&["start"]);
    assert!(again.status.success(), "{}", stderr_of(&again));
    assert_eq!(home.status().await.pid, pid, "it was running already");
    let state = home.path().join(".local/state/snowflake-session");
    assert_eq!(
        std::fs::read_to_string(state.join("service.lock")).unwrap(),
        format!("{pid}\n")
    );
    home.shut_down().await;
    let log = BufReader::new(File::open(state.join("service.log")).unwrap());
    assert!(log.lines().any(|line| line.unwrap().contains("\"serving\"")));
}

#[tokio::test]
async fn starts_at_once_give_one_instance() {
    let home = Home::new();
    let starts: Vec<_> = (0..4)
        .map(|_| home.command(&["start"]).spawn().unwrap())
        .collect();
    for start in starts {
        let output = start.wait_with_output().unwrap();
        assert!(output.status.success(), "{}", stderr_of(&output));
    }
    let status = home.status().await;
    assert_eq!(status.state(), v1::ServiceState::Serving);
    home.shut_down().await;
}

#[test]
fn a_failed_start_says_why_and_fails() {
    let home = Home::new();
    let folder = home.socket().parent().unwrap().to_owned();
    std::fs::create_dir(&folder).unwrap();
    std::fs::set_permissions(&folder, std::fs::Permissions::from_mode(0o700)).unwrap();
    std::fs::write(home.socket(), "in the way").unwrap();
    let output = home.output(&["start"]);
    assert_eq!(output.status.code(), Some(78));
    assert!(
        stderr_of(&output).contains("is there already and is not a socket"),
        "{}",
        stderr_of(&output)
    );
}

#[test]
fn hangup_reads_the_configuration_again() {
    let home = Home::new();
    let running = home.serve();
    let folder = home.path().join(".config/snowflake-session");
    std::fs::create_dir_all(&folder).unwrap();
    let mut stderr = BufReader::new(
        rustix::io::dup(running.0.stderr.as_ref().unwrap())
            .map(std::fs::File::from)
            .unwrap(),
    );
    let mut heard = |words: &str| {
        let mut line = String::new();
        while !line.contains(words) {
            line.clear();
            assert_ne!(
                stderr.read_line(&mut line).unwrap(),
                0,
                "the log ended without {words:?}"
            );
        }
    };
    // From here on it listens; a hangup before would find the configuration just read.
    heard("serving");
    for (text, words) in [
        ("[log]\nlevle = \"debug\"", "did you mean `log.level`?"),
        ("[log]\nlevel = \"debug\"", "configuration read again"),
    ] {
        std::fs::write(folder.join("config.toml"), text).unwrap();
        running.signal(Signal::HUP);
        heard(words);
    }
    running.signal(Signal::TERM);
    heard("stopped");
}

#[test]
fn the_second_signal_ends_it_at_once() {
    let home = Home::new();
    // A client that never finishes its call keeps the drain waiting for its grace; the test does not wait.
    let mut command = home.command(&["run"]);
    command
        .env("SNOWFLAKE_SESSIOND_SERVICE__GRACE_PERIOD", "1h")
        .process_group(0);
    let running = Running(command.spawn().unwrap());
    wait_until("the service accepts", || home.socket().exists());
    // Stopped, it handles neither signal; continued, it finds both.
    running.signal(Signal::STOP);
    running.signal(Signal::TERM);
    running.signal(Signal::INT);
    running.signal(Signal::CONT);
    let mut running = running;
    let status = running.0.wait().unwrap();
    assert_eq!((status.code(), status.signal()), (Some(130), None));
}

#[test]
fn the_configuration_is_told_whether_or_not_it_can_be_used() {
    let home = Home::new();
    let folder = home.path().join(".config/snowflake-session");
    std::fs::create_dir_all(&folder).unwrap();
    let told = |code: i32| -> serde_json::Value {
        let output = home.output(&["config"]);
        assert_eq!(output.status.code(), Some(code), "{}", stderr_of(&output));
        serde_json::from_slice(&output.stdout).unwrap()
    };
    let fine = told(0);
    assert_eq!(fine["faults"], serde_json::json!([]));
    assert_eq!(fine["files"][1]["outcome"], "absent");
    assert_eq!(fine["socket"], home.socket().display().to_string());
    assert_eq!(fine["connections"][1]["outcome"], "absent");

    std::fs::write(
        folder.join("config.toml"),
        "[query]\ntimeout = 1\n[log]\nlevle = \"info\"\n",
    )
    .unwrap();
    let broken = told(78);
    let faults: Vec<&str> = broken["faults"]
        .as_array()
        .unwrap()
        .iter()
        .map(|fault| fault["message"].as_str().unwrap())
        .collect();
    assert!(
        faults.len() == 2
            && faults[0].contains("did you mean `log.level`")
            && faults[1].contains("query.timeout"),
        "{faults:?}"
    );
    assert_eq!(broken["files"][1]["outcome"], "read");
    assert!(broken["settings"].as_array().unwrap().len() > 50);
}

#[test]
fn metrics_are_answered_over_http_where_that_is_configured() {
    let home = Home::new();
    let mut command = home.command(&["run"]);
    command.env("SNOWFLAKE_SESSIOND_METRICS__LISTEN", "127.0.0.1:0");
    let mut running = Running(command.spawn().unwrap());
    let log = BufReader::new(running.0.stderr.take().unwrap());
    let said = log.lines().map(Result::unwrap);
    let line = said.into_iter().find(|line| line.contains("serving metrics"));
    let record: serde_json::Value = serde_json::from_str(&line.unwrap()).unwrap();
    let address = record["address"].as_str().unwrap();
    let ask = |path: &str| {
        let mut stream = std::net::TcpStream::connect(address).unwrap();
        let request = format!("GET {path} HTTP/1.1\r\nHost: {address}\r\n\r\n");
        std::io::Write::write_all(&mut stream, request.as_bytes()).unwrap();
        let mut answer = String::new();
        stream.read_to_string(&mut answer).unwrap();
        answer
    };
    let metrics = ask("/metrics");
    assert!(metrics.starts_with("HTTP/1.1 200 OK\r\n"), "{metrics}");
    assert!(
        metrics.contains("\nsnowflake_sessions{state=\"busy\"} 0\n"),
        "{metrics}"
    );
    assert!(ask("/health").ends_with("\r\n\r\nalive\n"));
    assert!(ask("/ready").ends_with("\r\n\r\nready\n"));
    assert!(ask("/nothing").starts_with("HTTP/1.1 404 "));
    // Another one does not get the same port, and says so.
    let other = Home::new();
    let mut command = other.command(&["run"]);
    command.env("SNOWFLAKE_SESSIOND_METRICS__LISTEN", address);
    let output = command.output().unwrap();
    assert!(!output.status.success());
    assert!(
        stderr_of(&output).contains("`metrics.listen`"),
        "{}",
        stderr_of(&output)
    );
}
