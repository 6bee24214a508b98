//! Reading the configuration again while the service runs.

use std::cell::RefCell;
use std::collections::HashSet;
use std::time::SystemTime;

use tokio::sync::watch;

use super::{log_rules, remote};
use crate::config::{self, Environment, Faults, Listing, RunFlags, Settings, counts_at_reload};
use crate::domain::names::ConnectionName;
use crate::platform::logging::Logger;
use crate::remote::credentials::Credentials;
use crate::traces::Traces;

/// What is read again, and by what it is told what has changed.
pub(super) struct Reloader<'a> {
    pub(super) environment: &'a Environment,
    pub(super) flags: &'a RunFlags,
    pub(super) logger: &'a Logger,
    /// What tells of calls, if anybody is told.
    pub(super) traces: Option<Traces>,
    /// What counts: of keys that need a restart, the values since the start.
    pub(super) in_effect: RefCell<Listing>,
    /// What the backend is told of connections; it counts at their next login.
    pub(super) describing: watch::Sender<HashSet<ConnectionName>>,
    /// What counts for clients of other machines who come from then on, where they are served.
    pub(super) credentials: Option<watch::Sender<Credentials>>,
}

/// A configuration that can be used.
pub struct Reread {
    /// All of it.
    pub settings: Box<Settings>,
    /// Keys with another value that counts from now on.
    pub applied: Vec<String>,
    /// Keys with another value than the one that counts until a restart.
    pub needs_restart: Vec<String>,
}

impl Reloader<'_> {
    /// Reads the configuration and applies it to the log and the backend; the rest is for whoever serves.
    pub(super) fn read_again(&self) -> Result<Reread, Faults> {
        let mut settings = config::load(self.environment, self.flags)?;
        // Before anything is applied: the whole counts or nothing.
        let credentials = self.read_credentials(&settings)?;
        self.logger.set_level(&settings.log.level).map_err(|error| {
            Faults(vec![config::Fault {
                place: "log.level".to_owned(),
                message: error.to_string(),
            }])
        })?;
        self.logger.reopen(log_rules(&settings.log));
        if let (Some(traces), Some(settings)) = (&self.traces, &settings.traces) {
            traces.set_sample_ratio(settings.sample_ratio);
        }
        self.describing
            .send_replace(settings.oversight.describing.clone());
        if let Some((served, new)) = credentials {
            for complaint in remote::complaints(&new, SystemTime::now()) {
                tracing::warn!("{complaint}");
                settings.warnings.push(complaint);
            }
            served.send_replace(new);
        }
        // What nobody serves or sends to began with the start, or not at all.
        let counts = |key: &str| {
            counts_at_reload(key)
                && (!key.starts_with("tcp.") || self.credentials.is_some())
                && (!key.starts_with("traces.") || self.traces.is_some() && settings.traces.is_some())
        };
        let mut in_effect = self.in_effect.borrow_mut();
        let changed = in_effect.changed(&settings.listing).into_iter();
        let (applied, needs_restart) = changed.map(str::to_owned).partition(|key| counts(key));
        let renewed = in_effect.overlaid(&settings.listing, counts);
        *in_effect = renewed;
        Ok(Reread {
            settings: Box::new(settings),
            applied,
            needs_restart,
        })
    }

    /// The certificates and names anew, where somebody asks for them.
    fn read_credentials(
        &self,
        settings: &Settings,
    ) -> Result<Option<(&watch::Sender<Credentials>, Credentials)>, Faults> {
        let read = remote::read(settings)?;
        match (&self.credentials, read) {
            (None, _) => Ok(None),
            (Some(served), Some(new)) => Ok(Some((served, new))),
            (Some(_), None) => Err(Faults(vec![config::Fault {
                place: "tcp.certificate".to_owned(),
                message: "is gone while clients of other machines are served; a restart ends that".to_owned(),
            }])),
        }
    }
}
