//! Values that may change while sessions run: the limits, and what watches over the sessions.

use std::ops::Deref;
use std::sync::Arc;

use tokio::sync::watch;

/// A value as everybody sees it now. Whoever asks keeps what he got, whatever comes after.
pub(super) struct Live<T>(watch::Sender<Arc<T>>);

impl<T> Live<T> {
    pub(super) fn new(value: T) -> Self {
        Self(watch::Sender::new(Arc::new(value)))
    }

    pub(super) fn now(&self) -> Arc<T> {
        Arc::clone(&self.0.borrow())
    }

    pub(super) fn set(&self, value: T) {
        self.0.send_replace(Arc::new(value));
    }

    pub(super) fn watch(&self) -> Watched<T> {
        let changes = self.0.subscribe();
        let now = Arc::clone(&changes.borrow());
        Watched { changes, now }
    }
}

/// A value as its owner last heard of it.
pub(super) struct Watched<T> {
    changes: watch::Receiver<Arc<T>>,
    now: Arc<T>,
}

impl<T> Watched<T> {
    /// Waits for another value and takes it over.
    pub(super) async fn changed(&mut self) {
        if self.changes.changed().await.is_err() {
            // Nobody is left to change it.
            std::future::pending::<()>().await;
        }
        self.now = Arc::clone(&self.changes.borrow_and_update());
    }
}

impl<T> Deref for Watched<T> {
    type Target = T;

    fn deref(&self) -> &T {
        &self.now
    }
}
