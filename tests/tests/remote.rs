//! `sfctl` on one machine, the service on another: TCP with mutual TLS, and what is said to those who may not come.

use std::io::Read as _;
use std::net::{SocketAddr, TcpListener};
use std::process::{Command, Stdio};

use snowflake_session_tests::authority::Authority;
use snowflake_session_tests::process::{Ran, run};
use snowflake_session_tests::stage::Stage;

const ETL: &str = "spiffe://corp/etl";

/// A home with a service for other machines, and one with clients of it.
struct Machines {
    service: Stage,
    client: Stage,
    authority: Authority,
    address: SocketAddr,
}

/// Lets this client in and nobody else, from the next start or reload of the service on.
fn allow(service: &Stage, client: &str) {
    let home = service.path("");
    let home = home.display();
    service.write(
        "config/snowflake-session/config.toml",
        format!(
            "[tcp]\nlisten = \"127.0.0.1:0\"\ncertificate = \"{home}server.pem\"\nkey = \"{home}server.key\"\n\
             client_authorities = \"{home}authorities.pem\"\nallow = [\"{client}\"]\n"
        ),
    );
}

impl Machines {
    fn new() -> Self {
        let (service, client, authority) = (Stage::new(), Stage::new(), Authority::new("ours"));
        authority.server("localhost").write(&service, "server");
        for stage in [&service, &client] {
            authority.write(stage, "authorities");
        }
        authority.client("etl", ETL, 3000).write(&client, "etl");
        allow(&service, &format!("uri:{ETL}"));
        let started = service.sfctl(&["service", "start", "--format", "json"]).ok();
        let status: serde_json::Value = serde_json::from_str(&started).expect("a document");
        let address = status["tcp"].as_str().and_then(|text| text.parse().ok());
        Self {
            service,
            client,
            authority,
            address: address.expect("the service says where it listens"),
        }
    }

    /// Runs `sfctl` on the client's machine, with the certificate of this name.
    fn sfctl_as(&self, name: &str, arguments: &[&str]) -> Ran {
        run(self.program_as(name, arguments), None)
    }

    /// `sfctl` on the client's machine, with the certificate of this name.
    fn program_as(&self, name: &str, arguments: &[&str]) -> Command {
        self.program_at(
            &format!("https://localhost:{}", self.address.port()),
            name,
            arguments,
        )
    }

    fn sfctl_at(&self, server: &str, name: &str, arguments: &[&str]) -> Ran {
        run(self.program_at(server, name, arguments), None)
    }

    fn program_at(&self, server: &str, name: &str, arguments: &[&str]) -> Command {
        let mut command = self.client.program("sfctl", arguments);
        command
            .env("SFCTL_SERVER", server)
            .env("SFCTL_TLS_CA", self.client.path("authorities.pem"))
            .env("SFCTL_TLS_CERT", self.client.path(format!("{name}.pem")))
            .env("SFCTL_TLS_KEY", self.client.path(format!("{name}.key")));
        command
    }
}

#[test]
fn a_client_of_another_machine_queries_and_is_in_the_audit_log() {
    let machines = Machines::new();
    let csv = machines
        .sfctl_as("etl", &["query", "select 1 as n", "--format", "csv"])
        .ok();
    assert_eq!(csv, "N\n1\n");
    // The session is the service's: this machine's own clients see it.
    let sessions = machines
        .service
        .sfctl(&["session", "list", "--format", "csv"])
        .ok();
    assert!(sessions.contains("default"), "{sessions}");
    let history = machines
        .service
        .sfctl(&["job", "history", "--format", "json"])
        .ok();
    let history: serde_json::Value = serde_json::from_str(&history).unwrap();
    let who = &history[0];
    assert_eq!(
        (&who["identity"], &who["uid"]),
        (&format!("uri:{ETL}").into(), &(-1).into()),
        "{who}"
    );
    assert!(
        who["address"].as_str().unwrap().starts_with("127.0.0.1:"),
        "{who}"
    );
    assert!(
        machines.client.processes("snowflake-session").is_empty(),
        "nothing is started beside the client"
    );
}

/// A client is dismissed in the middle of a result, and reads on when it may come again.
#[test]
fn a_dismissed_client_is_told_why_and_how_far_it_came() {
    let machines = Machines::new();
    let service = &machines.service;
    for words in ["client over TCP dismissed", "client over TCP refused", "Draining"] {
        service.foresee(words);
    }
    // Far more than all windows and queues between the emulator and a reader hold together.
    let sql =
        "select seq4() as n, 'a text that takes some room' as t from table(generator(rowcount => 1500000))";
    let mut reader = machines.program_as("etl", &["query", sql, "--format", "csv"]);
    reader
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped());
    let mut reader = reader.spawn().expect("sfctl starts");
    let mut out = reader.stdout.take().expect("it was asked for");
    let mut begun = [0; 4];
    out.read_exact(&mut begun).expect("the result begins");
    allow(service, "cn:nobody");
    service.sfctl(&["service", "reload"]).ok();
    let mut rows = String::from_utf8_lossy(&begun).into_owned();
    out.read_to_string(&mut rows).expect("text");
    let ended = reader.wait_with_output().expect("it ends");
    let told = String::from_utf8_lossy(&ended.stderr);
    assert_eq!(ended.status.code(), Some(3), "{told}");
    let received = rows.lines().count() - 1;
    for words in [
        "the service does not let this client in any more: `tcp.allow` no longer names it",
        "nobody of its names on its list",
        &format!("rows received: {received}"),
    ] {
        assert!(told.contains(words), "no {words:?} in {told}");
    }
    allow(service, &format!("uri:{ETL}"));
    service.sfctl(&["service", "reload"]).ok();
    let query = told
        .lines()
        .find_map(|line| line.trim().strip_prefix("query id: "));
    let offset = received.to_string();
    let rest = machines.sfctl_as(
        "etl",
        &[
            "job",
            "result",
            query.expect("a query id"),
            "--offset",
            &offset,
            "--limit",
            "1",
            "--format",
            "csv",
        ],
    );
    let next = format!("{received},a text that takes some room");
    assert_eq!(rest.ok().lines().last(), Some(&*next));
}

#[test]
fn who_is_not_let_in_is_told_why_and_what_to_do() {
    let machines = Machines::new();
    machines.service.foresee("client over TCP refused");
    let (ours, foreign) = (&machines.authority, Authority::new("foreign"));
    for (name, signed) in [
        ("intern", ours.client("intern", "spiffe://corp/intern", 3000)),
        ("late", ours.client("late", ETL, 2020)),
        ("stranger", foreign.client("stranger", ETL, 3000)),
        ("server", ours.server("localhost")),
    ] {
        signed.write(&machines.client, name);
    }
    for (name, parts) in [
        (
            "intern",
            [
                "nobody of its names on its list",
                "uri:spiffe://corp/intern, cn:intern",
            ],
        ),
        (
            "late",
            ["it has ended, or a clock is wrong", "have a new one signed"],
        ),
        (
            "stranger",
            [
                "does not know the authority that signed it",
                "`tcp.client_authorities`",
            ],
        ),
        ("server", ["it is not for clients", "`clientAuth`"]),
    ] {
        let what = "error: the service did not accept this client's certificate";
        machines
            .sfctl_as(name, &["query", "select 1"])
            .fails(3, &[what, parts[0], parts[1], &format!("{name}.pem")]);
    }
}

#[test]
fn a_service_that_is_not_the_right_one_is_not_trusted() {
    let machines = Machines::new();
    machines.service.foresee("client over TCP refused");
    let port = machines.address.port();
    // The certificate is for `localhost` alone.
    machines
        .sfctl_at(&format!("https://127.0.0.1:{port}"), "etl", &["context"])
        .fails(
            3,
            &[
                "cannot trust the service",
                "not for the name 127.0.0.1",
                "`--tls-ca`",
            ],
        );
    let foreign = Authority::new("foreign");
    foreign.write(&machines.client, "authorities");
    machines
        .sfctl_as("etl", &["context"])
        .fails(3, &["cannot trust the service", "none of our authorities"]);
    // Whoever listens without a word is not waited for without end; here it hangs up.
    let silent = TcpListener::bind("127.0.0.1:0").unwrap();
    let port = silent.local_addr().unwrap().port();
    let hanging_up = std::thread::spawn(move || drop(silent.accept()));
    machines
        .sfctl_at(&format!("https://localhost:{port}"), "etl", &["context"])
        .fails(
            3,
            &[
                "cannot reach the service",
                "does not speak to us as a service does",
            ],
        );
    hanging_up.join().unwrap();
    machines
        .sfctl_at(&format!("https://localhost:{port}"), "etl", &["context"])
        .fails(3, &["cannot reach the service", "cannot connect to"]);
}

#[test]
fn what_is_missing_or_only_for_this_machine_is_a_usage_error() {
    let machines = Machines::new();
    let client = &machines.client;
    client
        .sfctl(&["--server", "https://localhost:1", "context"])
        .fails(2, &["--tls-ca, --tls-cert, --tls-key is missing", "SFCTL_TLS_CA"]);
    client
        .sfctl(&["--server", "localhost:1", "context"])
        .fails(2, &["https://HOST:PORT"]);
    machines
        .sfctl_as("nobody", &["context"])
        .fails(2, &["nobody.pem: cannot be read", "--tls-cert"]);
    let verbs: [&[&str]; 4] = [
        &["service", "stop"],
        &["service", "restart"],
        &["service", "logs"],
        &["emulator", "status"],
    ];
    for verb in verbs {
        machines.sfctl_as("etl", verb).fails(
            2,
            &["is for the service of this machine, not for https://localhost:"],
        );
    }
    // What can be asked from afar is answered from afar.
    let status = machines
        .sfctl_as("etl", &["service", "status", "--format", "json"])
        .ok();
    assert!(status.contains(&machines.address.to_string()), "{status}");
}

#[test]
fn the_doctor_looks_at_certificates_on_both_sides() {
    let machines = Machines::new();
    machines.service.foresee("client over TCP refused");
    let states = |ran: Ran| -> Vec<(String, String)> {
        let told: serde_json::Value = serde_json::from_str(&ran.out()).unwrap();
        let checks = told["checks"].as_array().unwrap().iter();
        checks
            .map(|check| {
                let text = |key: &str| check[key].as_str().unwrap().to_owned();
                (text("id"), text("state"))
            })
            .collect()
    };
    let has = |states: &[(String, String)], id: &str, state: &str| {
        assert!(
            states.contains(&(id.to_owned(), state.to_owned())),
            "{id}: {states:?}"
        );
    };
    let here = states(machines.service.sfctl(&["doctor", "--json"]));
    has(&here, "tcp.certificate", "ok");
    has(&here, "tcp.revocation_lists", "skip");
    let there = states(machines.sfctl_as("etl", &["doctor", "--json"]));
    has(&there, "remote.certificate", "ok");
    has(&there, "remote.answer", "ok");
    assert!(
        there.iter().all(|(id, _)| !id.starts_with("socket.")),
        "{there:?}"
    );
    machines
        .authority
        .client("late", ETL, 2020)
        .write(&machines.client, "late");
    let late = states(machines.sfctl_as("late", &["doctor", "--json"]));
    has(&late, "remote.certificate", "fail");
    has(&late, "remote.answer", "fail");
}

#[test]
fn the_doctor_looks_at_revocation_lists() {
    let machines = Machines::new();
    let (service, ours) = (&machines.service, &machines.authority);
    // The service itself reads none of it here: it is not told to.
    let lists = service.path("lists.pem");
    let setting = (
        "SNOWFLAKE_SESSIOND_TCP__REVOCATION_LISTS",
        lists.to_str().unwrap(),
    );
    let doctor = |json: bool| {
        let mut command = service.program("sfctl", if json { &["doctor", "--json"] } else { &["doctor"] });
        command.env(setting.0, setting.1);
        run(command, None)
    };
    let foreign = Authority::new("foreign");
    for (text, state, words) in [
        (None, "fail", "lists.pem cannot be read"),
        (
            Some(ours.pem().to_owned()),
            "fail",
            "holds no revocation list in PEM form",
        ),
        (Some(ours.revocations(3000)), "ok", "the list of CN=ours is"),
        (Some(ours.revocations(2025)), "fail", "the next one was due"),
        (Some(foreign.revocations(3000)), "fail", "CN=ours has no list in"),
    ] {
        if let Some(text) = text {
            service.write("lists.pem", text);
        }
        let told: serde_json::Value = serde_json::from_str(&doctor(true).out()).unwrap();
        let checks = told["checks"].as_array().unwrap();
        let check = checks.iter().find(|check| check["id"] == "tcp.revocation_lists");
        let check = check.expect("the check");
        assert_eq!(check["state"], state, "{check}");
        assert!(check["seen"].to_string().contains(words), "{check}");
        let screen = doctor(false).out();
        assert!(
            state == "ok" || screen.contains("tcp.revocation_lists") && screen.contains(words),
            "{screen}"
        );
    }
}
