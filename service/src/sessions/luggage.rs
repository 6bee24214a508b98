//! What a session leaves where the next process finds it, as long as it has an upstream session.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use crate::domain::carry::{Carried, Carrier, Place, Ticket};
use crate::domain::upstream::{TicketKeeper, Upstream};

/// A session's luggage. The ticket in it changes whenever the upstream session's tokens are renewed, in whichever task
/// that happens, so it is behind a lock that is held for a write into memory.
pub(super) struct Luggage {
    carrier: Arc<dyn Carrier>,
    place: Place,
    packed: Mutex<Packed>,
}

struct Packed {
    carried: Carried,
    /// There is a ticket: without one nothing is worth carrying.
    has_ticket: bool,
    /// It was given up: what comes later must not bring it back.
    dropped: bool,
}

impl Luggage {
    /// Carries what `upstream` gives a ticket for, in `place`. The ticket in `carried` does not count.
    pub(super) fn pack(
        carrier: Arc<dyn Carrier>,
        place: Place,
        carried: Carried,
        upstream: &Arc<dyn Upstream>,
    ) -> Arc<Self> {
        let luggage = Arc::new(Self {
            carrier,
            place,
            packed: Mutex::new(Packed {
                carried,
                has_ticket: false,
                dropped: false,
            }),
        });
        let kept = Arc::clone(&luggage);
        let keeper: TicketKeeper = Box::new(move |ticket| kept.exchange(ticket));
        upstream.keep_ticket(keeper);
        luggage
    }

    fn packed(&self) -> MutexGuard<'_, Packed> {
        // What is behind it is whole between any two statements, so a panic elsewhere cannot have broken it.
        self.packed.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn exchange(&self, ticket: Ticket) {
        let mut packed = self.packed();
        packed.carried.ticket = ticket;
        packed.has_ticket = true;
        self.put(&packed);
    }

    /// Changes what is carried besides the ticket.
    pub(super) fn change(&self, change: impl FnOnce(&mut Carried)) {
        let mut packed = self.packed();
        change(&mut packed.carried);
        self.put(&packed);
    }

    fn put(&self, packed: &Packed) {
        if packed.has_ticket && !packed.dropped {
            self.carrier.put(self.place, &packed.carried);
        }
    }

    /// True when the next process can go on with it.
    pub(super) fn is_carried(&self) -> bool {
        let packed = self.packed();
        packed.has_ticket && !packed.dropped
    }

    /// Gives it up.
    pub(super) fn drop_it(&self) {
        let mut packed = self.packed();
        if !packed.dropped {
            packed.dropped = true;
            self.carrier.clear(self.place);
        }
    }
}
