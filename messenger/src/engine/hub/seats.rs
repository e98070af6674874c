//! Whoever calls methods, and what displays are told.

use std::sync::mpsc::SyncSender;

use super::{Hub, Seat};
use crate::api::{Changed, Notification};

impl Hub {
    /// Passes a change on to displays. One that does not keep up loses its seat.
    pub(in crate::engine) fn show(&self, changed: &Changed) {
        let mut state = self.lock();
        let before = state.seats.len();
        state.seats.retain(|_, seat| {
            !seat.is_display
                || seat.notifications.try_send(Notification::Changed(changed.clone())).is_ok()
        });
        if state.seats.len() < before {
            state.end_of_seats();
            self.moved.notify_all();
        }
    }

    /// Whether anybody is told what changed.
    pub(in crate::engine) fn has_displays(&self) -> bool {
        self.lock().seats.values().any(|seat| seat.is_display)
    }

    /// Gives somebody a seat, to which notifications go. Its channel is closed when it is lost.
    pub(in crate::engine) fn enter(&self, notifications: SyncSender<Notification>) -> u64 {
        let mut state = self.lock();
        let number = state.number();
        if !state.has_stopped {
            state.seats.insert(number, Seat { notifications, is_display: false, caught_up: None });
        }
        number
    }

    /// Gives up a seat, and ends its subscriptions.
    pub(in crate::engine) fn leave(&self, seat: u64) {
        let mut state = self.lock();
        state.seats.remove(&seat);
        state.end_of_seats();
        self.moved.notify_all();
    }

    /// Begins to tell a seat what changed.
    pub(in crate::engine) fn make_display(&self, seat: u64) {
        if let Some(seat) = self.lock().seats.get_mut(&seat) {
            seat.is_display = true;
        }
    }
}
