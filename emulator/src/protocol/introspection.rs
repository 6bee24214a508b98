//! Asking an authority about a token (RFC 7662): tokens that say nothing themselves, or may be taken back.
//!
//! Answers are believed for a short time, so that not every request of the SQL API asks. What is kept of a token is
//! its digest. An authority that does not answer is no reason to let anybody in, nor to call a token bad.

use std::collections::HashMap;
use std::error::Error;
use std::fmt;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use http::StatusCode;
use http::header::{ACCEPT, CONTENT_TYPE};
use rsa::sha2::{Digest as _, Sha256};
use serde_json::{Map, Value};
use tokio::sync::{OnceCell, Semaphore};
use url::{Host, Url, form_urlencoded};

use super::accounts::Secret;

/// How long the answer about a good token is believed unless the configuration says otherwise.
pub const BELIEVED_USUAL: Duration = Duration::from_mins(1);
/// How long it may be believed: nothing that is taken back stays good for longer.
pub const BELIEVED_MAX: Duration = Duration::from_mins(5);
/// Seconds for which a token that is not good stays so.
const DISBELIEVED_SECONDS: u64 = 5;
/// Most tokens of which an answer is kept.
const TOKENS_KEPT_MAX: usize = 1000;
/// Most questions under way.
const QUESTIONS_MAX: usize = 32;
/// How long an answer may take, with the wait for a place to ask.
const ANSWER_WAIT_MAX: Duration = Duration::from_secs(10);
/// Longest answer, in bytes.
const ANSWER_BYTES_MAX: usize = 64 * 1024;
/// Longest token that is asked about, in bytes.
const TOKEN_BYTES_MAX: usize = 16 * 1024;

/// Where and as whom to ask.
#[derive(Clone)]
pub struct Introspection(Arc<Shared>);

struct Shared {
    url: Url,
    client_id: String,
    client_secret: Secret,
    believed_for: Duration,
    client: reqwest::Client,
    questions: Semaphore,
    /// By the digest of the token; empty while its question is under way.
    answers: Mutex<HashMap<[u8; 32], Arc<OnceCell<Kept>>>>,
}

/// An answer, and until when it is believed, in seconds since 1970.
struct Kept {
    /// What the authority tells of the token; none of one that is not good.
    claims: Option<Arc<Map<String, Value>>>,
    until: u64,
}

/// Why an authority cannot be asked as the configuration says.
#[derive(Debug, thiserror::Error)]
pub enum IntrospectionError {
    /// Token and secret would travel in the clear.
    #[error("introspection_url {0} must begin with https:// unless it is on this machine")]
    Clear(Url),
    /// What belongs into a file stands in the address.
    #[error("introspection_url holds a user or a password; name them in client_id and client_secret_file")]
    Userinfo,
    /// TLS cannot be prepared.
    #[error("the way to the authority cannot be set up")]
    Client(#[source] reqwest::Error),
}

/// Why nobody knows whether a token is good.
#[derive(Debug, thiserror::Error)]
pub(super) enum IntrospectionFault {
    #[error("no answer within {} seconds", ANSWER_WAIT_MAX.as_secs())]
    Late,
    #[error("no answer")]
    Unreachable(#[from] reqwest::Error),
    #[error("answered with HTTP status 401: it does not take client_id and client_secret_file")]
    Unauthorized,
    #[error("answered with HTTP status {0}")]
    Status(StatusCode),
    #[error("answered with more than {} KiB", ANSWER_BYTES_MAX / 1024)]
    Long,
    #[error("answered with no JSON object that says whether the token is active")]
    Unclear,
}

impl fmt::Debug for Introspection {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter
            .debug_struct("Introspection")
            .field("url", &self.0.url.as_str())
            .finish_non_exhaustive()
    }
}

impl Introspection {
    /// Asks at an address, as a client that the authority knows; answers are believed for `believed_for`.
    ///
    /// # Errors
    ///
    /// When the address would let others read along, and when TLS cannot be prepared.
    pub fn new(
        url: Url,
        client_id: impl Into<String>,
        client_secret: Secret,
        believed_for: Duration,
    ) -> Result<Self, IntrospectionError> {
        if !url.username().is_empty() || url.password().is_some() {
            return Err(IntrospectionError::Userinfo);
        }
        let is_clear = match url.scheme() {
            "https" => false,
            "http" if is_this_machine(&url) => true,
            _ => return Err(IntrospectionError::Clear(url)),
        };
        let mut builder = reqwest::Client::builder()
            .user_agent(concat!("snowflake-emulator/", env!("CARGO_PKG_VERSION")))
            .http1_only()
            .no_gzip()
            // A token goes where the configuration says and nowhere else.
            .redirect(reqwest::redirect::Policy::none())
            .no_proxy()
            .timeout(ANSWER_WAIT_MAX);
        if is_clear {
            // The system's certificates are not needed, and may not be there.
            builder = builder.tls_certs_only([]);
        }
        Ok(Self(Arc::new(Shared {
            client: builder.build().map_err(IntrospectionError::Client)?,
            url,
            client_id: client_id.into(),
            client_secret,
            believed_for: believed_for.min(BELIEVED_MAX),
            questions: Semaphore::new(QUESTIONS_MAX),
            answers: Mutex::default(),
        })))
    }

    /// What the authority tells of a token, none when it is not good; `now` is in seconds since 1970.
    ///
    /// Several who show the same token wait for one answer.
    pub(super) async fn ask(
        &self,
        token: &str,
        now: u64,
    ) -> Result<Option<Arc<Map<String, Value>>>, IntrospectionFault> {
        if token.is_empty() || token.len() > TOKEN_BYTES_MAX {
            return Ok(None);
        }
        let cell = self.0.cell(Sha256::digest(token).into(), now);
        let kept = cell.get_or_try_init(|| self.0.post(token, now));
        let kept = tokio::time::timeout(ANSWER_WAIT_MAX, kept)
            .await
            .map_err(|_| IntrospectionFault::Late)??;
        Ok(kept.claims.clone())
    }
}

impl Shared {
    /// The place of a token's answer; makes room by giving up what is over or was never answered, then what is over first.
    fn cell(&self, digest: [u8; 32], now: u64) -> Arc<OnceCell<Kept>> {
        let mut answers = self.answers.lock().unwrap_or_else(PoisonError::into_inner);
        // Nobody waits any more for the answer of an empty one that is here alone.
        let until = |cell: &Arc<OnceCell<Kept>>| match cell.get() {
            Some(kept) => Some(kept.until),
            None => (Arc::strong_count(cell) == 1).then_some(0),
        };
        if let Some(cell) = answers.get(&digest)
            && until(cell).is_none_or(|until| now < until)
        {
            return Arc::clone(cell);
        }
        if answers.len() >= TOKENS_KEPT_MAX {
            answers.retain(|_, cell| until(cell).is_none_or(|until| now < until));
        }
        if answers.len() >= TOKENS_KEPT_MAX
            && let Some(first) = answers
                .iter()
                .min_by_key(|(_, cell)| until(cell).unwrap_or(u64::MAX))
                .map(|(digest, _)| *digest)
        {
            answers.remove(&first);
        }
        let cell = Arc::new(OnceCell::new());
        answers.insert(digest, Arc::clone(&cell));
        cell
    }

    async fn post(&self, token: &str, now: u64) -> Result<Kept, IntrospectionFault> {
        let _place = self.questions.acquire().await.expect("is never closed");
        let form = form_urlencoded::Serializer::new(String::new())
            .append_pair("token", token)
            .append_pair("token_type_hint", "access_token")
            .finish();
        // RFC 6749, 2.3.1: both are encoded like a form before they are put together.
        let encode = |text: &str| form_urlencoded::byte_serialize(text.as_bytes()).collect::<String>();
        let mut response = self
            .client
            .post(self.url.clone())
            .basic_auth(encode(&self.client_id), Some(encode(self.client_secret.reveal())))
            .header(CONTENT_TYPE, "application/x-www-form-urlencoded")
            .header(ACCEPT, "application/json")
            .body(form)
            .send()
            .await
            .map_err(reqwest::Error::without_url)?;
        match response.status() {
            StatusCode::OK => {}
            StatusCode::UNAUTHORIZED => return Err(IntrospectionFault::Unauthorized),
            other => return Err(IntrospectionFault::Status(other)),
        }
        let mut body = Vec::new();
        while let Some(part) = response.chunk().await.map_err(reqwest::Error::without_url)? {
            if body.len() + part.len() > ANSWER_BYTES_MAX {
                return Err(IntrospectionFault::Long);
            }
            body.extend_from_slice(&part);
        }
        let claims: Map<String, Value> =
            serde_json::from_slice(&body).map_err(|_| IntrospectionFault::Unclear)?;
        Ok(match claims.get("active") {
            Some(Value::Bool(true)) => Kept {
                until: now.saturating_add(self.believed_for.as_secs()),
                claims: Some(Arc::new(claims)),
            },
            Some(Value::Bool(false)) => Kept {
                until: now.saturating_add(DISBELIEVED_SECONDS.min(self.believed_for.as_secs())),
                claims: None,
            },
            _ => return Err(IntrospectionFault::Unclear),
        })
    }
}

impl IntrospectionFault {
    /// What went wrong with all that led to it, for the log.
    pub(super) fn in_full(&self) -> String {
        let mut text = self.to_string();
        let mut source = self.source();
        while let Some(cause) = source {
            text.push_str(": ");
            text.push_str(&cause.to_string());
            source = cause.source();
        }
        text
    }
}

fn is_this_machine(url: &Url) -> bool {
    match url.host() {
        Some(Host::Domain(name)) => name == "localhost",
        Some(Host::Ipv4(address)) => address.is_loopback(),
        Some(Host::Ipv6(address)) => address.is_loopback(),
        None => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(url: &str) -> Result<Introspection, String> {
        let secret = Secret::new("hush");
        Introspection::new(url.parse().unwrap(), "us", secret, BELIEVED_USUAL)
            .map_err(|error| error.to_string())
    }

    #[test]
    fn nobody_reads_along() {
        for good in [
            "http://127.0.0.1:9000/introspect",
            "http://[::1]:9000/",
            "http://localhost/introspect",
            "https://idp.example.com/introspect",
        ] {
            let introspection = at(good).unwrap();
            assert!(!format!("{introspection:?}").contains("hush"));
        }
        for clear in ["http://idp.example.com/", "http://192.0.2.1/", "ftp://127.0.0.1/"] {
            assert!(at(clear).unwrap_err().contains("https://"), "{clear}");
        }
        let mut url: Url = "https://idp.example.com/".parse().unwrap();
        url.set_password(Some("hush")).unwrap();
        let error = at(url.as_str()).unwrap_err();
        assert!(
            error.contains("client_secret_file") && !error.contains("hush"),
            "{error}"
        );
    }

    #[test]
    fn answers_make_room() {
        let shared = at("http://127.0.0.1:9/").unwrap().0;
        let digest = |n: usize| Sha256::digest(n.to_le_bytes()).into();
        for n in 0..TOKENS_KEPT_MAX {
            let kept = Kept {
                claims: None,
                until: 100 + n as u64,
            };
            assert!(shared.cell(digest(n), 0).set(kept).is_ok());
        }
        let known = |n: usize, now| shared.cell(digest(n), now).get().is_some();
        assert!(known(0, 99) && known(1, 99));
        // The one that is over first goes for a new one.
        assert!(!known(TOKENS_KEPT_MAX, 99));
        assert!(!shared.answers.lock().unwrap().contains_key(&digest(0)));
        assert!(known(1, 99));
        // What was not answered goes first.
        let unanswered = digest(TOKENS_KEPT_MAX + 1);
        drop(shared.cell(unanswered, 99));
        assert!(known(2, 99));
        drop(shared.cell(digest(TOKENS_KEPT_MAX + 2), 99));
        assert!(!shared.answers.lock().unwrap().contains_key(&unanswered));
        assert!(known(2, 99));
        // What is over is asked about again.
        assert!(!known(1, 101));
        assert!(shared.answers.lock().unwrap().len() <= TOKENS_KEPT_MAX);
    }
}
