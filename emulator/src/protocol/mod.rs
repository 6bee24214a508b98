//! Snowflake's connector protocol over HTTP: logins, tokens, statements, results, status.
//!
//! This room turns requests into calls on [`Backend`] and answers into JSON. It owns what exists only
//! on the wire: tokens and their lives, request ids and their replay, the form of results that a client
//! understands, chunk URLs, long polls. It knows no SQL: which statement it was, what it gave and what
//! went wrong come from the session.
//!
//! A statement runs in a task of its own, whatever becomes of the connection that asked for it; every
//! way of asking for its outcome (the first answer, a retry with the same request id, a poll, a read by
//! query id) waits on one [`query::Query`].
//!
//! With faults ([`crate::faults`]) configured, `faulty` stands between the connections and `route` and carries out
//! what they say; without them it is not there.
//!
//! What is not the connector's own is behind [`Mounted`]: the SQL API answers on the same port.
//!
//! Start at [`Server::serve`], then `route`; `submit` runs statements, `answer` writes what came of them.

mod accounts;
mod answer;
mod backend;
mod bindings;
mod body;
mod chunk;
mod connector;
mod execute;
mod external;
mod fault_control;
mod faulty;
mod fields;
mod format;
mod health;
mod hurt_body;
mod introspection;
mod jwt;
mod lifecycle;
mod line;
mod login;
mod message;
mod metrics;
mod mounted;
mod oauth;
mod parameters;
mod query;
mod query_context;
mod refusal;
mod requests;
mod rescan;
mod retention;
mod route;
mod server;
mod settings;
mod stage_urls;
mod status;
mod stop_query;
mod submit;
mod tls;
mod tokens;
mod transfers;

pub use accounts::{Accounts, AccountsError, Secret, User};
pub use backend::{Answer, Backend, BackendSession};
pub use connector::Connector;
pub use introspection::{BELIEVED_MAX, BELIEVED_USUAL, Introspection, IntrospectionError};
pub use message::{Exchange, Reply, ReplyBody};
pub use metrics::Metrics;
pub use mounted::Mounted;
pub use oauth::Authority;
pub use server::Server;
pub use settings::{Clock, Settings};
pub use tls::{Tls, TlsError};

// What an API that is mounted beside this one runs statements with.
pub(crate) use accounts::{Credentials, Identity, nobody};
pub(crate) use answer::{RUNNING_DETACHED, RUNNING_DETACHED_WORDS, RowType, milliseconds};
pub(crate) use connector::ClientSession;
pub(crate) use execute::{Delivery, start};
pub(crate) use fields::{BINDINGS_MAX, Entries, Parameters, scalar};
pub(crate) use jwt::is_signed;
pub(crate) use login::seconds_since_1970;
pub(crate) use message::{ObjectWriter, reply_json};
pub(crate) use query::{Query, Statement};
pub(crate) use refusal::{INVALID_PAYLOAD, broken, cancelled, unkept};
pub(crate) use retention::{Full, forget_requests};
