//! The way to Snowflake: name, network, proxies, login, and how the sessions are.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::time::{Duration, Instant};

use snowflake_session_proto::v1::{CreateSessionRequest, PolicyLevel, PoolStatus, Session};
use tokio::net::{TcpStream, lookup_host};
use tokio::time::timeout;
use uuid::Uuid;

use super::super::Run;
use super::check::Check;
use super::process::{Process, is_proxy};
use super::redact::redact;
use super::scene::{Endpoint, Scene};
use crate::failure::Failure;
use crate::launch;

/// Most time for a name to be found, and for a connection to be there.
const NETWORK_WAIT_MAX: Duration = Duration::from_secs(5);

/// A way that takes longer is worth a word.
const CONNECT_SLOW: Duration = Duration::from_secs(1);

/// What was found.
#[derive(Debug, Default)]
pub(super) struct Facts {
    /// The way to the server of the connection that would be used; absent for the emulator on this machine.
    pub(super) way: Option<Way>,
    /// Proxies that this shell names.
    pub(super) own_proxies: BTreeMap<String, String>,
    /// Proxies that the running service was started with; `None` where the system does not show them.
    pub(super) service_proxies: Option<BTreeMap<String, String>>,
    /// How the login went, if it was asked for.
    pub(super) login: Option<Result<LoggedIn, Failure>>,
    /// The service's sessions, or why it does not tell; `None` while none answers.
    pub(super) sessions: Option<Result<Vec<Session>, String>>,
    pub(super) pools: Vec<PoolStatus>,
}

/// The way to a server.
#[derive(Debug)]
pub(super) struct Way {
    pub(super) connection: String,
    pub(super) endpoint: Endpoint,
    /// Addresses of its name.
    pub(super) addresses: Result<Vec<SocketAddr>, String>,
    /// How long a connection took.
    pub(super) connected: Result<Duration, String>,
}

/// A login that went well.
#[derive(Debug)]
pub(super) struct LoggedIn {
    pub(super) user: String,
    pub(super) host: String,
    pub(super) took: Duration,
}

/// Looks. With `online` somebody is logged in, too.
pub(super) async fn gather(scene: &Scene<'_>, run: &Run, online: bool) -> Facts {
    let answer = scene.answer();
    Facts {
        way: way(scene).await,
        own_proxies: run.settings.proxies.clone(),
        service_proxies: scene.pid().and_then(|pid| Process::look(pid).proxies),
        login: if online { Some(log_in(run).await) } else { None },
        sessions: answer.map(|answer| answer.sessions.clone()),
        pools: answer
            .map(|answer| answer.status.pools.clone())
            .unwrap_or_default(),
    }
}

async fn way(scene: &Scene<'_>) -> Option<Way> {
    let (name, endpoint) = scene.destination()?;
    let endpoint = endpoint.clone();
    let found = timeout(
        NETWORK_WAIT_MAX,
        lookup_host((endpoint.host.clone(), endpoint.port)),
    )
    .await;
    let addresses: Result<Vec<SocketAddr>, String> = match found {
        Ok(Ok(addresses)) => Ok(addresses.collect()),
        Ok(Err(error)) => Err(error.to_string()),
        Err(_) => Err(format!("no answer within {NETWORK_WAIT_MAX:?}")),
    };
    let connected = match &addresses {
        Ok(addresses) => connect(addresses).await,
        Err(_) => Err("its name was not found".to_owned()),
    };
    Some(Way {
        connection: name.to_owned(),
        endpoint,
        addresses,
        connected,
    })
}

async fn connect(addresses: &[SocketAddr]) -> Result<Duration, String> {
    let begin = Instant::now();
    match timeout(NETWORK_WAIT_MAX, TcpStream::connect(addresses)).await {
        Ok(Ok(_)) => Ok(begin.elapsed()),
        Ok(Err(error)) => Err(error.to_string()),
        Err(_) => Err(format!("no answer within {NETWORK_WAIT_MAX:?}")),
    }
}

/// Logs in over the connection that commands would use, in a session of its own, and out again.
async fn log_in(run: &Run) -> Result<LoggedIn, Failure> {
    let client = launch::reach(&run.settings, &run.ui).await?;
    let name = format!("doctor-{}", &Uuid::new_v4().simple().to_string()[..8]);
    let begin = Instant::now();
    let made = client
        .create_session(CreateSessionRequest {
            session: name.clone(),
            connection: run.settings.connection.clone(),
            login: true,
            allow_existing: false,
            idle_limit: None,
            policy: PolicyLevel::ReadOnly.into(),
        })
        .await;
    let took = begin.elapsed();
    // Also after a failure: the session may be there without its login.
    let _ = client.delete_session(&name).await;
    made.map(|session| LoggedIn {
        user: session.user,
        host: session.host,
        took,
    })
}

/// What it means.
pub(super) fn judge(facts: &Facts) -> Vec<Check> {
    vec![
        network(facts),
        proxies(facts),
        login(facts),
        sessions(facts),
        logins(facts),
    ]
}

fn network(facts: &Facts) -> Check {
    const ID: &str = "snowflake.network";
    let Some(way) = &facts.way else {
        return Check::skip(
            ID,
            "the emulator on this machine is used, or the connection is not complete",
        );
    };
    let Endpoint { host, port, .. } = &way.endpoint;
    let to = format!("{} leads to {host}:{port}", way.connection);
    // Through a proxy nobody needs to know or reach the host but the proxy.
    let by_proxy = facts
        .own_proxies
        .keys()
        .any(|name| matches!(name.as_str(), "https_proxy" | "all_proxy"));
    match (&way.addresses, &way.connected) {
        (Ok(addresses), Ok(took)) => {
            let told = format!("{to}, {} addresses, connected within {took:.1?}", addresses.len());
            if *took > CONNECT_SLOW {
                Check::warn(ID, told).repair("look at the network between here and Snowflake")
            } else {
                Check::ok(ID, told)
            }
        }
        (Err(_), _) | (_, Err(_)) if by_proxy => {
            Check::ok(ID, format!("{to}, which is reached through a proxy only"))
        }
        (Err(why), _) => Check::fail(ID, format!("{to}; its name is not found: {why}"))
            .repair("look at `account` or `host` of the connection, and at the machine's name service"),
        (Ok(_), Err(why)) => Check::fail(ID, format!("{to}, which cannot be reached: {why}"))
            .repair("look at firewall and VPN; behind a proxy set HTTPS_PROXY for the service"),
    }
}

fn proxies(facts: &Facts) -> Check {
    const ID: &str = "snowflake.proxies";
    let told = |proxies: &BTreeMap<String, String>| {
        let all: Vec<String> = proxies
            .iter()
            .map(|(name, value)| format!("{name}={value}"))
            .collect();
        if all.is_empty() {
            "none".to_owned()
        } else {
            all.join(" ")
        }
    };
    match &facts.service_proxies {
        None => Check::ok(ID, format!("this shell names: {}", told(&facts.own_proxies))),
        Some(service) if *service == facts.own_proxies => Check::ok(ID, told(service)),
        Some(service) => Check::warn(ID, format!("this shell names: {}", told(&facts.own_proxies)))
            .and(format!("the running service was started with: {}", told(service)))
            .repair("tell the manager (`systemctl --user import-environment HTTPS_PROXY NO_PROXY`), then `sfctl service restart`"),
    }
}

fn login(facts: &Facts) -> Check {
    const ID: &str = "snowflake.login";
    match &facts.login {
        None => Check::skip(ID, "not tried; `--online` logs in and out again"),
        Some(Ok(login)) => Check::ok(
            ID,
            format!("{} at {} within {:.1?}", login.user, login.host, login.took),
        ),
        Some(Err(failure)) => {
            let check = Check::fail(ID, failure.what.clone());
            let check = failure.causes.iter().cloned().fold(check, Check::and);
            failure
                .hint
                .iter()
                .fold(check, |check, hint| check.repair(hint.clone()))
        }
    }
}

fn sessions(facts: &Facts) -> Check {
    const ID: &str = "snowflake.sessions";
    let sessions = match &facts.sessions {
        None => return Check::skip(ID, "no service answers"),
        Some(Err(why)) => return Check::skip(ID, why.clone()),
        Some(Ok(sessions)) => sessions,
    };
    let lost: Vec<&str> = sessions
        .iter()
        .filter(|session| !session.losses.is_empty())
        .map(|session| session.name.as_str())
        .collect();
    if !lost.is_empty() {
        let name = lost[0];
        return Check::warn(
            ID,
            format!("sessions that have lost something: {}", lost.join(", ")),
        )
        .repair(format!(
            "sfctl --session {name} session reset, or go on with --accept-loss"
        ));
    }
    let oldest = sessions
        .iter()
        .filter_map(|session| session.login_time.map(|time| time.seconds))
        .min();
    let told = format!(
        "{} sessions, {} logged in, {} with an open transaction",
        sessions.len(),
        sessions
            .iter()
            .filter(|session| session.login_time.is_some())
            .count(),
        sessions.iter().filter(|session| session.transaction_open).count(),
    );
    match oldest {
        Some(seconds) => {
            let moment = prost_types::Timestamp { seconds, nanos: 0 };
            Check::ok(
                ID,
                format!(
                    "{told}; the oldest login {}",
                    crate::render::Clock::read().relative(&moment)
                ),
            )
        }
        None => Check::ok(ID, told),
    }
}

fn logins(facts: &Facts) -> Check {
    const ID: &str = "snowflake.logins";
    if facts.sessions.is_none() {
        return Check::skip(ID, "no service answers");
    }
    let blocked: Vec<Check> = facts
        .pools
        .iter()
        .filter(|pool| !pool.blocked_by.is_empty())
        .map(|pool| {
            Check::warn(
                ID,
                format!("{}: logins are held back: {}", pool.connection, pool.blocked_by),
            )
            .repair("mend the connection; one whose settings change is tried at once")
        })
        .collect();
    if blocked.is_empty() {
        return Check::ok(ID, "no login is held back");
    }
    Check::of_all(ID, blocked, "")
}

/// Of all variables those about proxies, under their small names, without passwords.
pub(crate) fn proxies_of(variables: impl Iterator<Item = (String, String)>) -> BTreeMap<String, String> {
    variables
        .filter(|(name, value)| is_proxy(name) && !value.is_empty())
        .map(|(name, value)| (name.to_ascii_lowercase(), redact(&value)))
        .collect()
}

#[cfg(test)]
mod tests {
    use snowflake_session_proto::v1::Loss;

    use super::*;
    use crate::commands::doctor::check::State;
    use crate::exit_code::Exit;

    fn reached(addresses: Result<Vec<SocketAddr>, String>, connected: Result<Duration, String>) -> Facts {
        Facts {
            way: Some(Way {
                connection: "dev".into(),
                endpoint: Endpoint {
                    scheme: "https".into(),
                    host: "a.example.com".into(),
                    port: 443,
                },
                addresses,
                connected,
            }),
            sessions: Some(Ok(Vec::new())),
            ..Facts::default()
        }
    }

    #[track_caller]
    fn check(facts: &Facts, id: &str, state: State, told: &str) {
        let found = judge(facts).into_iter().find(|check| check.id == id).unwrap();
        assert_eq!(found.state, state, "{found:?}");
        let text = [found.seen.join("\n"), found.repair.join("\n")].join("\n");
        assert!(text.contains(told), "{found:?}");
    }

    #[test]
    fn the_way_is_tried_up_to_the_server() {
        let (id, address) = ("snowflake.network", || {
            Ok(vec![SocketAddr::from(([192, 0, 2, 1], 443))])
        });
        check(
            &reached(address(), Ok(Duration::from_millis(20))),
            id,
            State::Ok,
            "20.0ms",
        );
        check(
            &reached(address(), Ok(Duration::from_secs(3))),
            id,
            State::Warn,
            "network",
        );
        check(
            &reached(Err("no such host".into()), Err(String::new())),
            id,
            State::Fail,
            "no such host",
        );
        let mut refused = reached(address(), Err("refused".into()));
        check(&refused, id, State::Fail, "firewall");
        refused
            .own_proxies
            .insert("https_proxy".into(), "http://p.example.com".into());
        check(&refused, id, State::Ok, "through a proxy");
        check(&Facts::default(), id, State::Skip, "emulator");
    }

    #[test]
    fn a_service_with_other_proxies_than_the_shell_is_told() {
        let named = |value: &str| BTreeMap::from([("https_proxy".to_owned(), value.to_owned())]);
        let mut facts = Facts {
            own_proxies: named("http://a.example.com"),
            service_proxies: Some(named("http://a.example.com")),
            ..Facts::default()
        };
        check(&facts, "snowflake.proxies", State::Ok, "a.example.com");
        facts.service_proxies = Some(BTreeMap::new());
        check(&facts, "snowflake.proxies", State::Warn, "import-environment");
        facts.service_proxies = None;
        check(&facts, "snowflake.proxies", State::Ok, "this shell");
    }

    #[test]
    fn logins_are_told() {
        let with = |login| Facts {
            login,
            ..Facts::default()
        };
        check(&with(None), "snowflake.login", State::Skip, "--online");
        let refused = Failure::new(Exit::Unreachable, "Snowflake refused the login")
            .caused_by("390100: wrong password")
            .hint("look at `user`");
        check(
            &with(Some(Err(refused))),
            "snowflake.login",
            State::Fail,
            "390100",
        );
        let login = LoggedIn {
            user: "ME".into(),
            host: "h".into(),
            took: Duration::from_millis(5),
        };
        check(&with(Some(Ok(login))), "snowflake.login", State::Ok, "ME at h");
        let mut facts = reached(Err(String::new()), Err(String::new()));
        check(&facts, "snowflake.logins", State::Ok, "");
        facts.pools.push(PoolStatus {
            connection: "dev".into(),
            blocked_by: "refused".into(),
            ..PoolStatus::default()
        });
        check(
            &facts,
            "snowflake.logins",
            State::Warn,
            "dev: logins are held back",
        );
    }

    #[test]
    fn sessions_with_losses_are_told() {
        let session = |losses| Session {
            name: "etl".into(),
            losses,
            ..Session::default()
        };
        let mut facts = Facts {
            sessions: Some(Ok(vec![session(Vec::new())])),
            ..Facts::default()
        };
        check(&facts, "snowflake.sessions", State::Ok, "1 sessions");
        facts.sessions = Some(Ok(vec![session(vec![Loss::default()])]));
        check(
            &facts,
            "snowflake.sessions",
            State::Warn,
            "--session etl session reset",
        );
        facts.sessions = Some(Err("older".into()));
        check(&facts, "snowflake.sessions", State::Skip, "older");
    }
}
