//! The way to a running service: dial, and start it when nobody listens.
//!
//! Where systemd or launchd holds the socket, its unit or agent is started; else `snowflake-session start`, which
//! detaches itself and returns when it is ready. A lock beside the socket keeps two commands from starting two services.
//! Who runs the service is found out in one place, [`Manager::find`]. [`units`] and [`launchd`] install it. Every wait
//! has an end.

pub(crate) mod configuration;
pub(crate) mod launchd;
mod lock;
mod program;
mod systemd;
pub(crate) mod units;

use std::time::Duration;

use tokio::time::Instant;

use crate::client::Client;
use crate::client::dial::{DialError, dial};
use crate::config::Settings;
use crate::exit_code::Exit;
use crate::failure::Failure;
use crate::ui::Ui;

pub(crate) use program::{emulator_program, run_in_foreground, service_program};
pub(crate) use systemd::{Scope, Unit, find_unit, has_user_manager, property, run as run_program, show};

use self::launchd::Agent;

/// Most time until a service that is being started must answer.
const START_WAIT_MAX: Duration = Duration::from_secs(30);

/// Time between two looks at something that is about to change.
pub(crate) const POLL_INTERVAL: Duration = Duration::from_millis(10);

/// How a service came to be there.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Start {
    /// It listened already.
    Running,
    /// It was started.
    Started,
}

/// Who runs the service, or would.
#[derive(Clone, Debug)]
pub(crate) enum Manager {
    /// systemd, by these units.
    Systemd(Unit),
    /// launchd, by this agent.
    Launchd(Agent),
    /// Nobody: `sfctl` starts it.
    Nobody,
}

impl Manager {
    /// Finds out who it is for the socket of these settings.
    pub(crate) async fn find(settings: &Settings) -> Self {
        if let Some(unit) = find_unit(settings).await {
            return Self::Systemd(unit);
        }
        let agent = settings.home.as_deref().map(Agent::of);
        match agent.filter(|agent| !settings.socket_chosen && agent.is_installed()) {
            Some(agent) => Self::Launchd(agent),
            None => Self::Nobody,
        }
    }

    /// Who it is, for people.
    pub(crate) fn name(&self) -> &'static str {
        match self {
            Self::Systemd(unit) => unit.manager(),
            Self::Launchd(_) => "launchd",
            Self::Nobody => "no service manager",
        }
    }
}

/// Why a service is started.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Occasion {
    /// A command needs it.
    Needed,
    /// Somebody asked for it.
    AskedFor,
}

/// Dials the service, starting it if nobody listens and the settings allow it.
pub(crate) async fn reach(settings: &Settings, ui: &Ui) -> Result<Client, Failure> {
    match dial(settings).await {
        Ok(client) => Ok(client),
        Err(DialError::NobodyListens(..)) if settings.autostart => {
            Ok(start(settings, Occasion::Needed, ui).await?.0)
        }
        Err(error) => Err(error.into()),
    }
}

/// Adds to a failure to reach the service what its manager knows about that.
pub(crate) async fn explain(settings: &Settings, failure: Failure) -> Failure {
    if failure.exit != Exit::Unreachable {
        return failure;
    }
    let Some(unit) = find_unit(settings).await else {
        return failure;
    };
    match unit.trouble().await {
        Some(trouble) if trouble.what != failure.what => {
            let mut causes = vec![failure.what];
            causes.extend(failure.causes);
            let told = trouble.causes;
            Failure {
                causes: told.into_iter().chain(causes).collect(),
                facts: failure.facts,
                ..Failure::new(trouble.exit, trouble.what).hint(trouble.hint.unwrap_or_default())
            }
        }
        _ => failure,
    }
}

/// Dials the service, starting it if nobody listens.
pub(crate) async fn start(
    settings: &Settings,
    occasion: Occasion,
    ui: &Ui,
) -> Result<(Client, Start), Failure> {
    let deadline = Instant::now() + START_WAIT_MAX;
    match dial(settings).await {
        Ok(client) => return Ok((client, Start::Running)),
        Err(DialError::NobodyListens(..)) => {}
        Err(error) => return Err(error.into()),
    }
    match Manager::find(settings).await {
        Manager::Systemd(unit) => {
            ui.detail(&format!("starting {}", unit.socket));
            match occasion {
                Occasion::Needed => unit.start_for_command(deadline).await?,
                Occasion::AskedFor => unit.start(deadline).await?,
            }
            return Ok((dial_until(settings, deadline).await?, Start::Started));
        }
        Manager::Launchd(agent) => {
            ui.detail(&format!("starting {}", launchd::LABEL));
            agent.start().await?;
            return Ok((dial_until(settings, deadline).await?, Start::Started));
        }
        Manager::Nobody => {}
    }
    let program = service_program(settings)?;
    let lock = lock::acquire(&settings.socket, deadline).await?;
    // Whoever held the lock before may have started it.
    if let Ok(client) = dial(settings).await {
        return Ok((client, Start::Running));
    }
    ui.detail(&format!("starting {}", program.display()));
    if let Err(failure) = program::start_detached(&program, settings, deadline).await {
        // Somebody who does not know our lock may have been faster.
        let client = dial(settings).await.map_err(|_| failure)?;
        return Ok((client, Start::Running));
    }
    let client = dial_until(settings, deadline).await?;
    drop(lock);
    Ok((client, Start::Started))
}

/// Dials until somebody listens or the deadline passes.
async fn dial_until(settings: &Settings, deadline: Instant) -> Result<Client, Failure> {
    loop {
        match dial(settings).await {
            Ok(client) => return Ok(client),
            Err(DialError::NobodyListens(..)) if Instant::now() < deadline => {
                tokio::time::sleep(POLL_INTERVAL).await;
            }
            Err(error) => return Err(error.into()),
        }
    }
}
