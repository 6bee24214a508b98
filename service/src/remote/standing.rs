//! Whether a client that was let in would be let in still.

use tokio::sync::watch;
use tokio_rustls::rustls::pki_types::CertificateDer;

use super::credentials::Credentials;
use crate::domain::client_names::ClientName;

/// What a client was let in by, and what counts for that now.
#[derive(Debug)]
pub struct Standing {
    /// The certificates that it has shown, its own first.
    chain: Vec<CertificateDer<'static>>,
    name: ClientName,
    /// What it has seen of them is what has judged the client last.
    credentials: watch::Receiver<Credentials>,
}

impl Standing {
    /// That of a client who was let in by what `credentials` has seen; `None` when none of its names may come by now.
    pub(super) fn of(
        chain: Vec<CertificateDer<'static>>,
        credentials: watch::Receiver<Credentials>,
    ) -> Option<Self> {
        let name = credentials.borrow().admission.name_of(chain.first()?).ok()?;
        Some(Self {
            chain,
            name,
            credentials,
        })
    }

    /// The name in its certificate by which it was let in.
    pub(super) fn name(&self) -> &ClientName {
        &self.name
    }

    /// Waits until what is read again would not let the client in any more; says why.
    pub async fn lost(mut self) -> String {
        while self.credentials.changed().await.is_ok() {
            let judged = self.credentials.borrow_and_update().admission.clone();
            if let Err(why) = judged.judge_again(&self.chain, &self.name) {
                return why;
            }
        }
        // Nothing is read again any more.
        std::future::pending().await
    }
}
