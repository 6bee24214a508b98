//! `doctor`: looks for what is wrong, and says what repairs it.
//!
//! Each file is a group of checks. Its `gather` looks at the system and gives facts; its `judge` is pure and says what they
//! mean, so that every finding can be tested without a machine that has it. [`scene`] holds what several groups look at.
//! Nothing here starts the service, except that dialling a socket that a manager holds does; and except `--online`, which
//! needs it. A [`check`] has an id that stays the same, and the command that repairs what it found; [`fix`] carries out
//! those that cannot do any harm. [`bundle`] packs it all for somebody else, through [`redact`].

mod bundle;
mod certificates;
mod check;
mod configuration;
mod fix;
mod logging;
mod manager;
mod process;
mod reach;
mod redact;
mod report;
mod resources;
mod revocation;
mod sandbox;
mod scene;
mod snowflake;
mod socket;
mod units;
mod version;

use std::time::SystemTime;

use super::Run;
use crate::arguments::DoctorArguments;
use crate::exit_code::Exit;
use crate::failure::Failure;

pub(crate) use snowflake::proxies_of;

use check::Check;
use scene::Scene;

/// Looks, repairs if that is asked for, and prints what was found.
pub(super) async fn doctor(arguments: DoctorArguments, run: &Run) -> Result<Exit, Failure> {
    if arguments.online {
        run.only_here("`doctor --online`")?;
    }
    if arguments.bundle.is_some() {
        run.only_here("`doctor --bundle`")?;
    }
    let mut found = examine(run, arguments.online).await;
    let mut repaired = Vec::new();
    if arguments.fix && found.checks.iter().any(|check| !check.fixes.is_empty()) {
        repaired = fix::repair(&found.checks).await;
        // What is told is how it is now.
        found = examine(run, arguments.online).await;
    }
    if let Some(path) = &arguments.bundle {
        bundle::write(path, &found.checks, &repaired, &found.versions, &found.scene).await?;
        run.ui.note(&format!("written: {}", path.display()));
    }
    report::print(&found.checks, &repaired, run, arguments.json)?;
    Ok(check::exit(&found.checks))
}

/// Everything that was found.
struct Found<'a> {
    scene: Scene<'a>,
    versions: version::Facts,
    checks: Vec<Check>,
}

async fn examine(run: &Run, online: bool) -> Found<'_> {
    let user = rustix::process::geteuid().as_raw();
    let scene = Scene::look(run).await;
    let versions = version::gather(&scene).await;
    let now = SystemTime::now();
    if let Some(remote) = certificates::gather_remote(&scene) {
        // All else is about this machine, which does not serve.
        let mut checks = certificates::judge_remote(&remote, now);
        checks.extend(version::judge(&versions));
        return Found {
            scene,
            versions,
            checks,
        };
    }
    let mut checks = manager::judge(&manager::gather(&scene).await, user);
    checks.extend(units::judge(
        units::gather(&scene).await.as_ref(),
        env!("CARGO_PKG_VERSION"),
    ));
    checks.extend(socket::judge(&socket::gather(&scene), user));
    checks.extend(version::judge(&versions));
    checks.extend(configuration::judge(&configuration::gather(&scene), user));
    checks.extend(certificates::judge(certificates::gather(&scene).as_ref(), now));
    checks.extend(revocation::judge(&revocation::gather(&scene), now));
    checks.extend(logging::judge(&logging::gather(&scene).await));
    checks.extend(resources::judge(&resources::gather(&scene)));
    checks.extend(snowflake::judge(&snowflake::gather(&scene, run, online).await));
    checks.extend(reach::judge(&reach::gather(&scene).await));
    Found {
        scene,
        versions,
        checks,
    }
}
