//! What waits for the next process, as bytes in numbered places of a memory that outlives this one.
//!
//! The memory is `platform`'s; this room knows only a function that replaces the bytes of a place. As in the files, a
//! version comes first, and what cannot be read is left out.

use std::collections::BTreeSet;
use std::io;
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use serde::{Deserialize, Serialize};

use crate::domain::carry::{Carried, Carrier, InFlight, Place, Ticket};

/// The version that is written, and the only one that is read.
const VERSION: u32 = 1;

/// Replaces the bytes of a place; none empty it.
pub type WritePlace = Box<dyn Fn(usize, &[u8]) -> io::Result<()> + Send + Sync>;

/// Keeps carried sessions in such a memory.
pub struct CarriedSessions {
    write: WritePlace,
    places: usize,
    taken: Mutex<BTreeSet<Place>>,
}

impl CarriedSessions {
    /// Keeps them in `places` places, and reads what is in the memory already.
    pub fn open(
        write: WritePlace,
        places: usize,
        found: Vec<(usize, Vec<u8>)>,
    ) -> (Self, Vec<(Place, Carried)>) {
        let sessions = Self {
            write,
            places,
            taken: Mutex::default(),
        };
        let mut carried = Vec::new();
        for (place, bytes) in found {
            match read(&bytes) {
                Ok(session) => carried.push((Place(place), session)),
                Err(why) => {
                    tracing::warn!(
                        why,
                        "an upstream session of the service before cannot be gone on with"
                    );
                    sessions.write(Place(place), &[]);
                }
            }
        }
        let places = carried.iter().map(|(place, _)| *place);
        sessions.taken().extend(places);
        (sessions, carried)
    }

    fn taken(&self) -> std::sync::MutexGuard<'_, BTreeSet<Place>> {
        // A set is whole between any two statements, so a panic elsewhere cannot have broken it.
        self.taken.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn write(&self, place: Place, bytes: &[u8]) {
        if let Err(error) = (self.write)(place.0, bytes) {
            tracing::warn!(%error, "an upstream session cannot be carried over to the next start");
            // What was there before is no longer true.
            let _ = (self.write)(place.0, &[]);
        }
    }
}

impl Carrier for CarriedSessions {
    fn take_place(&self) -> Option<Place> {
        let mut taken = self.taken();
        let free = (0..self.places).map(Place).find(|place| !taken.contains(place))?;
        taken.insert(free);
        Some(free)
    }

    fn put(&self, place: Place, carried: &Carried) {
        self.write(place, &write(carried));
    }

    fn clear(&self, place: Place) {
        self.write(place, &[]);
        self.taken().remove(&place);
    }
}

#[derive(Serialize, Deserialize)]
struct Written {
    version: u32,
    session: String,
    connection: String,
    /// Milliseconds since 1970, as all times here.
    login_time: u64,
    last_use_time: u64,
    autocommit: Option<bool>,
    autocommit_at_login: bool,
    in_flight: bool,
    request_id: Option<String>,
    unconfirmed: bool,
    ticket: String,
}

fn write(carried: &Carried) -> Vec<u8> {
    let (in_flight, request_id) = match carried.in_flight {
        InFlight::Nothing => (false, None),
        InFlight::Statement(request_id) => (true, request_id.map(|id| id.to_string())),
    };
    let written = Written {
        version: VERSION,
        session: carried.session.to_string(),
        connection: carried.connection.to_string(),
        login_time: millis(carried.login_time),
        last_use_time: millis(carried.last_use_time),
        autocommit: carried.autocommit,
        autocommit_at_login: carried.autocommit_at_login,
        in_flight,
        request_id,
        unconfirmed: carried.unconfirmed,
        ticket: carried.ticket.expose().to_owned(),
    };
    // Texts and numbers: this cannot fail; and nothing is what is read as nothing.
    serde_json::to_vec(&written).unwrap_or_default()
}

/// Reads it; says what is wrong without quoting it.
fn read(bytes: &[u8]) -> Result<Carried, &'static str> {
    let written: Written = serde_json::from_slice(bytes).map_err(|_| "it is not as it should be")?;
    if written.version != VERSION {
        return Err("it was written by another version");
    }
    let request_id = written
        .request_id
        .map(|id| id.parse().map_err(|_| "it names no request"));
    Ok(Carried {
        session: written.session.parse().map_err(|_| "it names no session")?,
        connection: written.connection.parse().map_err(|_| "it names no connection")?,
        login_time: time(written.login_time),
        last_use_time: time(written.last_use_time),
        autocommit: written.autocommit,
        autocommit_at_login: written.autocommit_at_login,
        in_flight: if written.in_flight {
            InFlight::Statement(request_id.transpose()?)
        } else {
            InFlight::Nothing
        },
        unconfirmed: written.unconfirmed,
        ticket: Ticket::new(written.ticket),
    })
}

fn millis(time: SystemTime) -> u64 {
    let since = time.duration_since(UNIX_EPOCH).unwrap_or_default();
    u64::try_from(since.as_millis()).unwrap_or(u64::MAX)
}

fn time(millis: u64) -> SystemTime {
    UNIX_EPOCH
        .checked_add(Duration::from_millis(millis))
        .unwrap_or(UNIX_EPOCH)
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::*;
    use crate::domain::names::RequestId;

    fn carried(name: &str) -> Carried {
        Carried {
            session: name.parse().unwrap(),
            connection: "prod".parse().unwrap(),
            login_time: time(1),
            last_use_time: time(2),
            autocommit: None,
            autocommit_at_login: true,
            in_flight: InFlight::Statement(Some(RequestId::new(uuid::Uuid::new_v4()))),
            unconfirmed: true,
            ticket: Ticket::new("sesame"),
        }
    }

    type Memory = Arc<Mutex<Vec<Vec<u8>>>>;

    fn open(memory: &Memory) -> (CarriedSessions, Vec<(Place, Carried)>) {
        let found = memory.lock().unwrap().clone().into_iter().enumerate();
        let found = found.filter(|(_, bytes)| !bytes.is_empty()).collect();
        let into = Arc::clone(memory);
        let write = Box::new(move |place: usize, bytes: &[u8]| {
            if bytes.len() > 1000 {
                return Err(io::ErrorKind::FileTooLarge.into());
            }
            bytes.clone_into(&mut into.lock().unwrap()[place]);
            Ok(())
        });
        CarriedSessions::open(write, 2, found)
    }

    #[test]
    fn what_is_put_arrives_in_the_next_process() {
        let memory: Memory = Arc::new(Mutex::new(vec![Vec::new(); 2]));
        let (sessions, none) = open(&memory);
        assert!(none.is_empty());
        let (first, second) = (sessions.take_place().unwrap(), sessions.take_place().unwrap());
        assert_eq!(sessions.take_place(), None);
        let (one, mut two) = (carried("one"), carried("two"));
        two.in_flight = InFlight::Nothing;
        sessions.put(first, &one);
        sessions.put(second, &two);
        let (next, arrived) = open(&memory);
        assert_eq!(arrived, [(first, one), (second, two.clone())]);
        assert_eq!(next.take_place(), None);
        next.clear(first);
        assert_eq!(next.take_place(), Some(first));
        assert_eq!(open(&memory).1, [(second, two)]);
    }

    #[test]
    fn what_does_not_fit_or_cannot_be_read_is_not_there() {
        let memory: Memory = Arc::new(Mutex::new(vec![Vec::new(); 2]));
        let (sessions, _) = open(&memory);
        let place = sessions.take_place().unwrap();
        sessions.put(place, &carried("a"));
        let mut large = carried("a");
        large.ticket = Ticket::new("x".repeat(2000));
        sessions.put(place, &large);
        assert!(open(&memory).1.is_empty());
        memory.lock().unwrap()[1] = b"{\"version\":1,\"session\":\"sesame\"}".to_vec();
        assert!(open(&memory).1.is_empty());
        assert!(memory.lock().unwrap()[1].is_empty(), "it is cleared away");
    }
}
