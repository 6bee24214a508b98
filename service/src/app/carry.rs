//! Upstream sessions from the run before, and to the run after: what systemd holds for us meets the files of the
//! sessions.

use std::sync::Arc;

use crate::domain::carry::Arrived;
use crate::domain::journal::record::Kept;
use crate::journal::CarriedSessions;
use crate::platform::activation::Stored;
use crate::platform::memory_file::{Contents, MemoryFile};
use crate::platform::{Result, notify};

/// Name under which the file with the sessions is stored. Another layout gets another name; what is stored under a name
/// that we do not know is given up.
const NAME: &str = "stored-sessions-v1";

/// Opens the file with the sessions, or makes and stores one, with room for `places`. Records of sessions that go on
/// leave `kept`.
pub(super) fn open(stored: Vec<Stored>, places: usize, kept: &mut Kept) -> Option<Arrived> {
    let (file, found) = match open_file(stored, places) {
        Ok(opened) => opened,
        Err(error) => {
            tracing::warn!(%error, "sessions cannot outlive a restart");
            return None;
        }
    };
    let write = Box::new(move |place: usize, bytes: &[u8]| file.write(place, bytes));
    let (carrier, carried) = CarriedSessions::open(write, places, found);
    Some(Arrived::new(Arc::new(carrier), carried, &mut kept.records))
}

fn open_file(stored: Vec<Stored>, places: usize) -> Result<(MemoryFile, Contents)> {
    let mut ours = None;
    for thing in stored {
        if thing.name == NAME && ours.is_none() {
            ours = Some(thing.descriptor);
        } else {
            tracing::warn!(
                name = thing.name,
                "what another version of the service has stored is given up"
            );
            notify::unstore(&thing.name);
        }
    }
    let opened = ours.map(|descriptor| MemoryFile::adopt(descriptor, places));
    match opened {
        Some(Ok(opened)) => return Ok(opened),
        Some(Err(error)) => {
            tracing::warn!(%error, "the sessions of the run before cannot be gone on with");
            notify::unstore(NAME);
        }
        None => {}
    }
    let file = MemoryFile::create(places)?;
    notify::store(NAME, std::os::fd::AsFd::as_fd(&file));
    Ok((file, Vec::new()))
}
