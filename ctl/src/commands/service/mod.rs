//! `service`: run, start, stop, restart, reload and inspect the service, whoever runs it; [`install`] has a manager run
//! it, [`logs`] prints what it has logged.

mod install;
mod logs;

use std::time::Duration;

use rustix::process::{Pid, test_kill_process};
use serde_json::json;
use snowflake_session_proto::v1::{GetStatusResponse, PoolStatus, ServiceManager, ServiceState};
use tokio::time::Instant;

use super::config::unusable;
use super::{Run, wait};
use crate::arguments::ServiceVerb;
use crate::client::Client;
use crate::client::dial::{DialError, dial};
use crate::exit_code::Exit;
use crate::failure::Failure;
use crate::launch::{self, Manager, Occasion, POLL_INTERVAL, Start};
use crate::render::record::{Record, Value, utc};
use crate::render::{Clock, RenderError, write_stdout};

/// Most time for a service to end when the user set none. Longer than its own grace period.
const STOP_WAIT_MAX: Duration = Duration::from_mins(1);

/// Time beyond the grace period that the user set for a service to end.
const STOP_MARGIN: Duration = Duration::from_secs(10);

/// Carries out one of the verbs.
pub(super) fn service(verb: ServiceVerb, run: &Run) -> Result<(), Failure> {
    if !matches!(
        verb,
        ServiceVerb::Status | ServiceVerb::Metrics | ServiceVerb::Reload
    ) {
        run.only_here("this")?;
    }
    match verb {
        ServiceVerb::Run => Err(launch::run_in_foreground(&run.settings)),
        ServiceVerb::Start => wait(start(run)),
        ServiceVerb::Stop => wait(async {
            let manager = Manager::find(&run.settings).await;
            if !stop(&manager, run).await? {
                run.ui.note("the service does not run");
            }
            Ok(())
        }),
        ServiceVerb::Restart => wait(restart(run)),
        ServiceVerb::Status => wait(status(run)),
        ServiceVerb::Metrics => wait(metrics(run)),
        ServiceVerb::Reload => wait(reload(run)),
        ServiceVerb::Logs(arguments) => wait(logs::logs(arguments, run)),
        ServiceVerb::Install => wait(install::install(run)),
        ServiceVerb::Uninstall => wait(install::uninstall(run)),
    }
}

async fn start(run: &Run) -> Result<(), Failure> {
    let (client, start) = launch::start(&run.settings, Occasion::AskedFor, &run.ui).await?;
    // Under a manager this call is what starts the service behind the socket.
    let status = client.status().await?;
    let manager = manager_of(&status);
    run.ui.note(&match start {
        Start::Running => format!("the service runs already; it is run by {manager}"),
        Start::Started => format!("the service is started; it is run by {manager}"),
    });
    run.print(record(&status))
}

async fn status(run: &Run) -> Result<(), Failure> {
    let status = running(run).await?.status().await?;
    if status.binary_changed {
        run.ui.advice(
            "another version of the program is installed than the one that runs; `sfctl service restart` puts it to work",
        );
    }
    run.print(record(&status))
}

/// Prints what the service has counted, as it comes.
async fn metrics(run: &Run) -> Result<(), Failure> {
    let counted = running(run).await?.metrics().await?;
    Ok(write_stdout(counted.text.as_bytes()).map_err(RenderError::Output)?)
}

/// Lets the running service read its configuration again, and says what came of it.
async fn reload(run: &Run) -> Result<(), Failure> {
    let client = running(run).await?;
    let manager = manager_of(&client.status().await?);
    let reloaded = client.reload().await?;
    for warning in &reloaded.warnings {
        run.ui.warning(warning);
    }
    if !reloaded.faults.is_empty() {
        let faults = reloaded.faults.iter();
        return Err(
            unusable(faults.map(|fault| format!("{}: {}", fault.place, fault.message)))
                .caused_by("nothing has changed; the service goes on with what it had"),
        );
    }
    let what = match (&*reloaded.applied_keys, &*reloaded.restart_keys) {
        ([], []) => "nothing in it has changed",
        (_, []) => "what has changed counts",
        (_, _) => "some of it counts after `sfctl service restart`",
    };
    run.ui.note(&format!(
        "the service, run by {manager}, has read its configuration again; {what}"
    ));
    let keys = |keys: Vec<String>| Value::Several {
        document: keys.iter().map(String::as_str).collect(),
        lines: keys,
    };
    run.print(vec![
        ("applied", keys(reloaded.applied_keys)),
        ("needs_restart", keys(reloaded.restart_keys)),
    ])
}

/// The service, if it runs. Where a manager holds the socket, dialling it starts the service.
async fn running(run: &Run) -> Result<Client, Failure> {
    dial(&run.settings).await.map_err(not_running)
}

/// Stops the service and waits for its end; false if it did not run.
async fn stop(manager: &Manager, run: &Run) -> Result<bool, Failure> {
    let wait_max = run
        .settings
        .timeout
        .map_or(STOP_WAIT_MAX, |grace| grace + STOP_MARGIN);
    let deadline = Instant::now() + wait_max;
    match manager {
        Manager::Systemd(unit) => {
            unit.stop(deadline).await?;
            run.ui.note(&format!(
                "the service and {} are stopped, by {}",
                unit.socket,
                manager.name()
            ));
            return Ok(true);
        }
        Manager::Launchd(agent) => {
            agent.stop().await?;
            run.ui.note("the service and its socket are stopped, by launchd");
            return Ok(true);
        }
        Manager::Nobody => {}
    }
    let client = match dial(&run.settings).await {
        Ok(client) => client,
        Err(DialError::NobodyListens(..)) => return Ok(false),
        Err(error) => return Err(error.into()),
    };
    let stopping = client.shutdown(run.settings.timeout).await?;
    drop(client);
    wait_for_end(stopping.pid, deadline).await?;
    run.ui.note("the service is stopped");
    Ok(true)
}

async fn restart(run: &Run) -> Result<(), Failure> {
    end_for_restart(run).await?;
    start(run).await
}

/// Restarts the service for a command that needs a newer one; it is not what was asked for, so nothing is printed.
pub(super) async fn restart_quietly(run: &Run) -> Result<(), Failure> {
    end_for_restart(run).await?;
    launch::start(&run.settings, Occasion::AskedFor, &run.ui)
        .await
        .map(drop)
}

/// Lets the manager restart the service, or ends one without a manager.
async fn end_for_restart(run: &Run) -> Result<(), Failure> {
    let manager = Manager::find(&run.settings).await;
    match &manager {
        Manager::Systemd(unit) => unit.restart(Instant::now() + STOP_WAIT_MAX).await?,
        Manager::Launchd(agent) => agent.restart().await?,
        Manager::Nobody => drop(stop(&manager, run).await?),
    }
    Ok(())
}

fn process(pid: i64) -> Result<Pid, Failure> {
    i32::try_from(pid)
        .ok()
        .and_then(Pid::from_raw)
        .filter(|_| pid > 1)
        .ok_or_else(|| Failure::new(Exit::Defect, format!("the service named {pid} as its process")))
}

/// Waits until the process is gone.
async fn wait_for_end(pid: i64, deadline: Instant) -> Result<(), Failure> {
    let process = process(pid)?;
    // A process of another user still exists; only "no such process" is the end.
    while test_kill_process(process) != Err(rustix::io::Errno::SRCH) {
        if Instant::now() >= deadline {
            return Err(Failure::new(
                Exit::Timeout,
                format!("the service (process {pid}) has not ended yet"),
            )
            .hint("it finishes running queries first; `--timeout` sets how long it may take"));
        }
        tokio::time::sleep(POLL_INTERVAL).await;
    }
    Ok(())
}

/// Who runs a service, as it says itself.
fn manager_of(status: &GetStatusResponse) -> &'static str {
    match status.manager() {
        ServiceManager::Systemd => "systemd",
        ServiceManager::Launchd => "launchd",
        ServiceManager::None | ServiceManager::Unspecified => "no service manager",
    }
}

fn not_running(error: DialError) -> Failure {
    let nobody = matches!(error, DialError::NobodyListens(..));
    let mut failure = Failure::from(error);
    if nobody {
        "the service does not run".clone_into(&mut failure.what);
    }
    failure
}

fn record(status: &GetStatusResponse) -> Record {
    let state = match status.state() {
        ServiceState::Unspecified => "",
        ServiceState::Serving => "serving",
        ServiceState::Draining => "stopping",
    };
    let manager = match status.manager() {
        ServiceManager::Unspecified => "",
        ServiceManager::None => "none",
        ServiceManager::Systemd => "systemd",
        ServiceManager::Launchd => "launchd",
    };
    vec![
        ("state", Value::text(state)),
        ("version", Value::text(&status.version)),
        ("build", Value::text(&status.build_id)),
        ("binary_changed", Value::Flag(status.binary_changed)),
        ("pid", Value::Number(status.pid)),
        ("manager", Value::text(manager)),
        ("started", status.start_time.map_or(Value::Nothing, Value::Time)),
        ("sessions", Value::Number(status.session_count.into())),
        ("queries", Value::Number(status.query_count.into())),
        ("spare_logins", pools(&status.pools)),
        ("socket", Value::text(&status.socket)),
        ("tcp", Value::text_if_any(&status.tcp_address)),
        ("log_file", Value::text_if_any(&status.log_file)),
        ("emulator", Value::text(&status.emulator_address)),
        ("state_directory", Value::text(&status.state_directory)),
    ]
}

fn pools(pools: &[PoolStatus]) -> Value {
    let clock = Clock::read();
    let document = pools.iter().map(|pool| {
        json!({
            "connection": pool.connection,
            "spare_count": pool.spare_count,
            "logging_in": pool.logging_in,
            "blocked_by": Some(&pool.blocked_by).filter(|reason| !reason.is_empty()),
            "retry_time": pool.retry_time.as_ref().map(utc),
        })
    });
    Value::Several {
        lines: pools.iter().map(|pool| pool_line(pool, clock)).collect(),
        document: document.collect(),
    }
}

fn pool_line(pool: &PoolStatus, clock: Clock) -> String {
    let mut line = format!("{}: {}", pool.connection, pool.spare_count);
    if pool.logging_in {
        line.push_str(", logging in");
    }
    if !pool.blocked_by.is_empty() {
        line.push_str(", logins are held back: ");
        line.push_str(&pool.blocked_by);
    }
    if let Some(retry) = &pool.retry_time {
        line.push_str("; tried again ");
        line.push_str(&clock.relative(retry));
    }
    line
}
