//! `service install` and `uninstall`: a manager runs the service from now on, or no more.

use super::{Run, stop};
use crate::failure::Failure;
use crate::launch::launchd::{Agent, Filling};
use crate::launch::units::{self, Sandbox};
use crate::launch::{Manager, has_user_manager, service_program};

/// Installs the service with the manager of this system.
pub(super) async fn install(run: &Run) -> Result<(), Failure> {
    let settings = &run.settings;
    if settings.socket_chosen {
        return Err(
            Failure::usage("a manager runs the service at the usual socket only").hint(
                "leave --socket and SFCTL_SOCKET away, or write units of your own; docs/operations.md says how",
            ),
        );
    }
    let program = service_program(settings)?;
    // One that runs without a manager holds the socket's path, and would be in the way.
    if let manager @ Manager::Nobody = Manager::find(settings).await {
        stop(&manager, run).await?;
    }
    if cfg!(target_os = "macos") {
        let home = home(run)?;
        let agent = Agent::of(home);
        let filling = Filling {
            program: &program,
            socket: &settings.socket,
            home,
        };
        agent.install(&filling).await?;
        run.ui
            .note("installed; launchd starts the service when it is needed");
        return Ok(());
    }
    if !has_user_manager(settings) {
        return Err(no_manager());
    }
    let sandbox = units::install(configuration(run)?, &program).await?;
    run.ui.note(&match sandbox {
        Sandbox::Strict => "installed with the strict sandbox; systemd starts the service when it is needed".to_owned(),
        Sandbox::Portable(why) => {
            format!("installed with the portable sandbox, since {why}; systemd starts the service when it is needed")
        }
    });
    super::start(run).await
}

/// Removes it again.
pub(super) async fn uninstall(run: &Run) -> Result<(), Failure> {
    let removed = if cfg!(target_os = "macos") {
        Agent::of(home(run)?).uninstall().await?
    } else if has_user_manager(&run.settings) {
        units::uninstall(configuration(run)?).await?
    } else {
        return Err(no_manager());
    };
    run.ui.note(if removed {
        "uninstalled; what the service keeps in its state folder stays"
    } else {
        "the service is not installed"
    });
    Ok(())
}

fn no_manager() -> Failure {
    Failure::unreachable("there is no service manager for this user")
        .caused_by("no systemd user manager answers in XDG_RUNTIME_DIR")
        .hint("after `su` or `sudo` there is none: log in, or use the system's units (docs/operations.md)")
}

fn home(run: &Run) -> Result<&std::path::Path, Failure> {
    let home = run.settings.home.as_deref();
    home.ok_or_else(|| Failure::usage("HOME is not set"))
}

fn configuration(run: &Run) -> Result<&std::path::Path, Failure> {
    let folder = run.settings.configuration_directory.as_deref();
    folder.ok_or_else(|| Failure::usage("neither XDG_CONFIG_HOME nor HOME is set"))
}
