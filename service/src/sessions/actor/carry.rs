//! How a session's upstream session outlives the process: luggage is packed when it is logged in, kept right with every
//! statement, and dropped with it.

use std::sync::Arc;

use super::{Actor, Work};
use crate::domain::carry::{Carried, InFlight, Place};
use crate::domain::upstream::Upstream;
use crate::sessions::luggage::Luggage;

impl Actor {
    /// Leaves the upstream session where the next process finds it, from now on.
    pub(super) fn carry(&mut self) {
        self.carry_no_more();
        let Some(carrier) = self.desk.book.carrier.get() else {
            return;
        };
        if let Some(place) = carrier.take_place() {
            self.carry_in(place);
        } else {
            tracing::warn!("no place is left to carry the session over a restart; it would be lost");
        }
    }

    /// The same, in a place that is taken already.
    pub(super) fn carry_in(&mut self, place: Place) {
        let Some(carrier) = self.desk.book.carrier.get() else {
            return;
        };
        let (Some(upstream), Some(carried)) = (&self.rest.upstream, self.session.to_carry(self.last_use.1))
        else {
            return carrier.clear(place);
        };
        let carried = Carried {
            in_flight: InFlight::Statement(self.rest.abandoned),
            ..carried
        };
        let luggage = Luggage::pack(Arc::clone(carrier), place, carried, upstream);
        if luggage.is_carried() {
            self.rest.luggage = Some(luggage);
        } else {
            // It cannot outlive us, like one of the emulator that is our child.
            luggage.drop_it();
        }
    }

    /// A statement is about to be sent: until it is answered, nobody knows what it does.
    pub(super) fn carry_in_flight(&self, work: &Work) {
        if let Some(luggage) = &self.rest.luggage {
            let request_id = match work {
                Work::Query { query, .. } => Some(query.submission.request_id),
                _ => None,
            };
            luggage.change(|carried| carried.in_flight = InFlight::Statement(request_id));
        }
    }

    /// A write is about to change something that counts only when all of it has gone well.
    pub(super) fn carry_unconfirmed(&self) {
        if let Some(luggage) = &self.rest.luggage {
            luggage.change(|carried| {
                carried.in_flight = InFlight::Statement(None);
                carried.unconfirmed = true;
            });
        }
    }

    /// A statement is about to be answered, and what it changed is on disk, as far as the disk is well: so a process that
    /// does not end in order still leaves the question what became of its transaction.
    pub(super) fn carry_settled(&self) {
        if let (Some(luggage), Some(now)) = (&self.rest.luggage, self.session.to_carry(self.last_use.1)) {
            luggage.change(|carried| {
                *carried = Carried {
                    in_flight: InFlight::Statement(None),
                    ticket: carried.ticket.clone(),
                    ..now
                };
            });
        }
    }

    /// The process ends in order: what is known is known.
    pub(super) fn carry_handed_over(&self) {
        if let (Some(luggage), Some(now)) = (&self.rest.luggage, self.session.to_carry(self.last_use.1)) {
            let in_flight = match (self.rest.abandoned, now.in_flight) {
                (Some(abandoned), _) => InFlight::Statement(Some(abandoned)),
                (None, in_flight) => in_flight,
            };
            luggage.change(|carried| carried.in_flight = in_flight);
        }
    }

    /// The upstream session is gone, or is about to go.
    pub(super) fn carry_no_more(&mut self) {
        if let Some(luggage) = self.rest.luggage.take() {
            luggage.drop_it();
        }
    }

    /// True when the service ends for a moment only, and its successor can go on with this session.
    pub(super) fn is_handed_over(&self) -> bool {
        let is_alive = |upstream: &Arc<dyn Upstream>| upstream.is_alive();
        self.desk.book.is_handing_over()
            && !self.session.held().is_some_and(|held| held.ran)
            && !self.rest.closed_by_user
            && self.rest.upstream.as_ref().is_some_and(is_alive)
            && self
                .rest
                .luggage
                .as_ref()
                .is_some_and(|luggage| luggage.is_carried())
    }
}
