//! Clients of other machines: TCP, and TLS that shows who is at both ends.
//!
//! Over the Unix socket the system says who calls; over TCP nobody does, so there is no connection without a certificate
//! of each side, and none of a client that the configuration does not name. [`credentials`] reads the files and makes
//! what TLS needs of them, [`revocation`] those with what authorities have taken back, [`verifier`] judges clients while they are still shaking hands, by what [`names`] finds in
//! their certificates. [`listener`] comes to a socket, [`door`] lets clients in: each handshake in a task of its own,
//! so many at a time and each with a deadline, so that a slow or hostile one holds nobody else up. [`standing`] says of
//! one who is in when it would not be let in any more.
//!
//! The room knows nothing of gRPC and sessions; what comes out of it is a stream of bytes and a name.

pub mod credentials;
pub mod door;
pub mod listener;
mod names;
mod revocation;
pub mod standing;
#[cfg(test)]
mod tests;
mod verifier;
