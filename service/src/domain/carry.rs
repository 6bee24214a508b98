//! Upstream sessions that outlive the process: what is carried over to the next one, and the port to where it waits.
//!
//! A service that is restarted, replaced or killed leaves its upstream sessions logged in, with their transactions and
//! temporary objects. Its successor goes on with them. What it needs for that is small and changes with every
//! statement; the rest of a session is in its record ([`Record`]), which is on disk.

use std::fmt;
use std::sync::Arc;
use std::time::SystemTime;

use crate::domain::journal::record::Record;
use crate::domain::names::{ConnectionName, RequestId, SessionName};

/// What it takes to go on with an upstream session in another process, as text. Whoever has it is logged in: it is
/// never shown and never on a disk.
#[derive(Clone, PartialEq, Eq)]
pub struct Ticket(String);

impl Ticket {
    /// Wraps the text.
    pub fn new(text: impl Into<String>) -> Self {
        Self(text.into())
    }

    /// The text. Call it only where the ticket is used or kept.
    pub fn expose(&self) -> &str {
        &self.0
    }
}

impl fmt::Debug for Ticket {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("redacted")
    }
}

/// What a session was doing at Snowflake when it was last heard of.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum InFlight {
    /// Nothing: its record says all.
    #[default]
    Nothing,
    /// Something may have run of which nobody has heard how it ended; with its request id when it can be stopped by it.
    Statement(Option<RequestId>),
}

/// A session's upstream session on its way from one process to the next.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Carried {
    /// The session.
    pub session: SessionName,
    /// Its connection.
    pub connection: ConnectionName,
    /// When it logged in.
    pub login_time: SystemTime,
    /// When it was last used.
    pub last_use_time: SystemTime,
    /// Each statement is a transaction of its own unless one was begun, now and after the login; see
    /// [`Session`](crate::domain::session::Session).
    pub autocommit: Option<bool>,
    /// The same right after the login.
    pub autocommit_at_login: bool,
    /// What was going on.
    pub in_flight: InFlight,
    /// A write in it had run and was neither confirmed nor given up. Nobody can confirm it any more, so it is not gone on
    /// with: what is open in it is rolled back.
    pub unconfirmed: bool,
    /// What it takes to go on.
    pub ticket: Ticket,
}

/// One place where a carried session waits.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Place(pub usize);

/// Where upstream sessions wait for the next process. Nothing here blocks, and what is put is there whatever happens
/// to this process the next moment.
pub trait Carrier: Send + Sync + 'static {
    /// A free place, if there is one left.
    fn take_place(&self) -> Option<Place>;

    /// Replaces what waits in a place.
    fn put(&self, place: Place, carried: &Carried);

    /// Empties a place and gives it back.
    fn clear(&self, place: Place);
}

/// Upstream sessions that came from the process before.
pub struct Arrived {
    /// Where sessions wait from now on; these wait there still.
    pub carrier: Arc<dyn Carrier>,
    /// The sessions, with the records of those that have one.
    pub sessions: Vec<(Place, Carried, Option<Record>)>,
}

impl Arrived {
    /// Takes the records of the sessions that came out of `records`. Of several of one name the one that logged in last
    /// gets the record; the others are left without, and are to be given up.
    pub fn new(
        carrier: Arc<dyn Carrier>,
        mut carried: Vec<(Place, Carried)>,
        records: &mut Vec<Record>,
    ) -> Self {
        carried.sort_by_key(|(_, carried)| std::cmp::Reverse(carried.login_time));
        let sessions = carried.into_iter().map(|(place, carried)| {
            let fits =
                |record: &Record| record.name == carried.session && record.connection == carried.connection;
            let found = records.iter().position(fits);
            let record = found.map(|index| records.swap_remove(index));
            (place, carried, record)
        });
        Self {
            carrier,
            sessions: sessions.collect(),
        }
    }
}
