//! URLs under which clients put files into stages and fetch them, without any other proof.
//!
//! They have the form that Google's storage signs: `PUT` and `GET` of a URL that nobody guesses, that is good for
//! one file and for a while. A client that wants a token instead gets one that is good for the place it puts files
//! into, and asks (`HEAD`) whether a file is there before it puts it. Bytes go through as they come: neither an upload
//! nor a download is ever whole in memory.

use std::collections::{HashMap, VecDeque};
use std::fmt;
use std::fs::File;
use std::path::PathBuf;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use bytes::Bytes;
use http::header::{AUTHORIZATION, CACHE_CONTROL, CONTENT_TYPE};
use http::request::Parts;
use http::{HeaderMap, HeaderValue, Method, Response, StatusCode};
use http_body_util::BodyExt as _;
use hyper::body::Incoming;
use tokio::sync::mpsc;
use uuid::Uuid;

use crate::session::{Transfer, Upload};
use crate::stages::{Area, Compression, FileStore, Key, StoreError, decode};

use super::connector::Connector;
use super::format::Puts;
use super::message::{Exchange, Reply, ReplyBody};
use super::refusal::Refusal;

/// How the paths of the URLs begin.
pub(super) const FOLDER: &str = "stages";
/// URLs that are good at a time; the oldest end first.
const TICKETS_MAX: usize = 20_000;
/// Which headers a client may send with a file, in the words of a signed URL: Python's connector 5 looks.
const SIGNED_HEADERS: &str = "X-Goog-Algorithm=GOOG4-RSA-SHA256&X-Goog-SignedHeaders=content-encoding%3Bhost%3B\
     x-goog-if-generation-match%3Bx-goog-meta-encryptiondata%3Bx-goog-meta-matdesc%3Bx-goog-meta-sfc-digest";
/// Header of an upload that must not replace a file, with the value `0`.
const IF_NEW: &str = "x-goog-if-generation-match";
/// Parts of an upload that wait for the disk.
const PARTS_AHEAD: usize = 8;

/// The URLs that are good.
#[derive(Debug)]
pub(super) struct Tickets {
    life: Duration,
    inner: Mutex<Inner>,
}

#[derive(Debug, Default)]
struct Inner {
    tickets: HashMap<String, (Ticket, Instant)>,
    /// Oldest first.
    order: VecDeque<String>,
}

/// What a URL is good for.
#[derive(Clone, Debug)]
enum Ticket {
    Put {
        area: Area,
        key: Key,
        overwrite: bool,
    },
    /// A token, with which any file may be put whose name begins so.
    PutAll {
        area: Area,
        prefix: String,
        overwrite: bool,
    },
    Get {
        path: PathBuf,
    },
    /// Several files: a client that moves them asks again for each, and then has a URL for it.
    Nothing,
}

/// Files that move.
#[derive(Debug)]
pub(super) struct Moving {
    pub(super) transfer: Transfer,
    pub(super) access: Access,
}

/// What allows a client to move files. Has no readable `Debug`: who has it needs nothing else.
pub(super) enum Access {
    /// Paths of URLs, one for each file.
    Urls(Vec<String>),
    /// A token for all of them.
    Token(String),
}

impl fmt::Debug for Access {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(match self {
            Self::Urls(_) => "Urls(…)",
            Self::Token(_) => "Token(…)",
        })
    }
}

impl Tickets {
    pub(super) fn new(life: Duration) -> Self {
        Self {
            life,
            inner: Mutex::default(),
        }
    }

    /// Makes what a client needs to move the files of a statement.
    pub(super) fn issue(&self, transfer: Transfer, puts: Puts, now: Instant) -> Moving {
        let access = match &transfer {
            Transfer::Upload(upload) if puts == Puts::ByToken => {
                let ticket = Ticket::PutAll {
                    area: Area::of_folder(&upload.area),
                    prefix: upload.prefix.clone(),
                    overwrite: upload.overwrite,
                };
                Access::Token(self.add(ticket, now))
            }
            Transfer::Upload(upload) => {
                let ticket = match target(upload) {
                    Some(key) => Ticket::Put {
                        area: Area::of_folder(&upload.area),
                        key,
                        overwrite: upload.overwrite,
                    },
                    None => Ticket::Nothing,
                };
                Access::Urls(vec![format!("{}?{SIGNED_HEADERS}", self.add_url(ticket, now))])
            }
            Transfer::Download(download) => {
                let files = download.files.iter();
                let paths = files.map(|(_, path, _)| self.add_url(Ticket::Get { path: path.clone() }, now));
                Access::Urls(paths.collect())
            }
        };
        Moving { transfer, access }
    }

    fn add_url(&self, ticket: Ticket, now: Instant) -> String {
        format!("/{FOLDER}/{}", self.add(ticket, now))
    }

    fn add(&self, ticket: Ticket, now: Instant) -> String {
        let secret = format!("{}{}", Uuid::new_v4().simple(), Uuid::new_v4().simple());
        let mut inner = self.inner.lock().unwrap_or_else(PoisonError::into_inner);
        while inner.order.len() >= TICKETS_MAX {
            if let Some(oldest) = inner.order.pop_front() {
                inner.tickets.remove(&oldest);
            }
        }
        inner.order.push_back(secret.clone());
        inner.tickets.insert(secret.clone(), (ticket, now + self.life));
        secret
    }

    fn find(&self, secret: &str, now: Instant) -> Option<Ticket> {
        let inner = self.inner.lock().unwrap_or_else(PoisonError::into_inner);
        let (ticket, expires) = inner.tickets.get(secret)?;
        (*expires > now).then(|| ticket.clone())
    }

    /// Forgets URLs whose time is over.
    pub(super) fn sweep(&self, now: Instant) {
        let mut guard = self.inner.lock().unwrap_or_else(PoisonError::into_inner);
        let inner = &mut *guard;
        inner.tickets.retain(|_, (_, expires)| *expires > now);
        inner.order.retain(|secret| inner.tickets.contains_key(secret));
    }
}

/// The one file that the answer's URL is good for: a client that moves several asks again for each.
fn target(upload: &Upload) -> Option<Key> {
    let name = upload.source.rsplit(['/', '\\']).next().unwrap_or_default();
    if name.contains(['*', '?']) {
        return None;
    }
    let packed =
        upload.auto_compress && upload.source_compression == "auto_detect" && !Compression::is_told_by(name);
    let ending = if packed { ".gz" } else { "" };
    Key::new(&format!("{}{name}{ending}", upload.prefix)).ok()
}

/// Takes a file in, as it comes.
pub(super) async fn put(connector: &Connector, parts: &Parts, body: Incoming) -> Result<Reply, Refusal> {
    let Target { area, key, overwrite } = target_of(connector, parts.uri.path(), &parts.headers)?;
    let store = connector.store.clone().ok_or_else(forbidden)?;
    let must_be_new = parts.headers.get(IF_NEW).is_some_and(|value| value == "0");
    if must_be_new && store.find(&area, &key).is_ok_and(|found| found.is_some()) {
        return Err(Refusal::http(
            StatusCode::PRECONDITION_FAILED,
            "There is a file of this name.",
        ));
    }
    let (sender, receiver) = mpsc::channel(PARTS_AHEAD);
    let writing = tokio::task::spawn_blocking(move || write(&store, &area, &key, overwrite, receiver));
    let received = receive(body, &sender, connector.settings.body_wait_max).await;
    if received.is_ok() {
        // The writer ends the file only when it is told that all has come.
        let _ = sender.send(Part::End).await;
    }
    drop(sender);
    let written = writing.await;
    received?;
    match written {
        Ok(Ok(())) => Ok(Response::new(ReplyBody::default())),
        Ok(Err(error)) => Err(not_kept(&error)),
        Err(_) => Err(Refusal::http(
            StatusCode::INTERNAL_SERVER_ERROR,
            "The file could not be kept.",
        )),
    }
}

enum Part {
    Bytes(Bytes),
    End,
}

async fn receive(mut body: Incoming, sender: &mpsc::Sender<Part>, wait_max: Duration) -> Result<(), Refusal> {
    loop {
        let frame = tokio::time::timeout(wait_max, body.frame()).await;
        let frame = frame.map_err(|_| {
            Refusal::http(
                StatusCode::REQUEST_TIMEOUT,
                "The file's next part did not arrive in time.",
            )
        })?;
        let Some(frame) = frame else { return Ok(()) };
        let frame = frame.map_err(|_| Refusal::http(StatusCode::BAD_REQUEST, "The file broke off."))?;
        if let Ok(bytes) = frame.into_data()
            && sender.send(Part::Bytes(bytes)).await.is_err()
        {
            // The writer has failed; it says why.
            return Ok(());
        }
    }
}

fn write(
    store: &Arc<FileStore>,
    area: &Area,
    key: &Key,
    overwrite: bool,
    mut parts: mpsc::Receiver<Part>,
) -> Result<(), StoreError> {
    if !overwrite && store.find(area, key)?.is_some() {
        // As without OVERWRITE: the file that is there stays. What comes is read, so that the client is content.
        while let Some(Part::Bytes(_)) = parts.blocking_recv() {}
        return Ok(());
    }
    let mut upload = store.create(area, key)?;
    while let Some(part) = parts.blocking_recv() {
        match part {
            Part::Bytes(bytes) => upload.write(&bytes)?,
            Part::End => return upload.finish(),
        }
    }
    // The client went away: nothing is kept.
    Ok(())
}

/// Gives a file out.
pub(super) async fn get(connector: &Connector, secret: &str) -> Result<Reply, Refusal> {
    let Some(Ticket::Get { path }) = connector.tickets.find(secret, connector.now()) else {
        return Err(forbidden());
    };
    let opened = tokio::task::spawn_blocking(move || {
        let file = File::open(path)?;
        let bytes = file.metadata()?.len();
        Ok::<_, std::io::Error>((file, bytes))
    });
    let Ok(Ok((file, bytes))) = opened.await else {
        return Err(Refusal::http(StatusCode::NOT_FOUND, "The file is gone."));
    };
    let mut reply = Response::new(ReplyBody::file(file, bytes));
    let headers = reply.headers_mut();
    headers.insert(CONTENT_TYPE, HeaderValue::from_static("application/octet-stream"));
    headers.insert(CACHE_CONTROL, HeaderValue::from_static("no-store"));
    Ok(reply)
}

/// True for a request that puts a file.
pub(super) fn is_put(parts: &Parts) -> bool {
    parts.method == Method::PUT && parts.uri.path().trim_start_matches('/').starts_with(FOLDER)
}

/// True for a request that asks whether a file is there.
pub(super) fn is_look(exchange: &Exchange) -> bool {
    exchange.method() == Method::HEAD && exchange.path().trim_start_matches('/').starts_with(FOLDER)
}

/// Says whether a file is there, to whom may put it.
pub(super) async fn look(connector: &Connector, exchange: &Exchange) -> Result<Reply, Refusal> {
    let target = target_of(connector, exchange.path(), exchange.headers())?;
    let store = connector.store.clone().ok_or_else(forbidden)?;
    let found = tokio::task::spawn_blocking(move || store.find(&target.area, &target.key)).await;
    match found {
        Ok(Ok(Some(_))) => Ok(Response::new(ReplyBody::default())),
        _ => Err(Refusal::http(StatusCode::NOT_FOUND, "There is no such file.")),
    }
}

/// A file that may be put.
struct Target {
    area: Area,
    key: Key,
    overwrite: bool,
}

/// The file that a request may put: a URL says which, a token says where.
fn target_of(connector: &Connector, path: &str, headers: &HeaderMap) -> Result<Target, Refusal> {
    let Some(name) = path.trim_start_matches('/').strip_prefix(FOLDER) else {
        return Err(forbidden());
    };
    let name = name.trim_matches('/');
    let bearer = headers.get(AUTHORIZATION).map(|value| value.to_str().ok());
    let secret = match bearer {
        Some(value) => value.and_then(|value| value.strip_prefix("Bearer ")),
        None => Some(name),
    };
    let ticket = secret.and_then(|secret| connector.tickets.find(secret, connector.now()));
    match (bearer.is_some(), ticket) {
        (false, Some(Ticket::Put { area, key, overwrite })) => Ok(Target { area, key, overwrite }),
        (
            true,
            Some(Ticket::PutAll {
                area,
                prefix,
                overwrite,
            }),
        ) => {
            let folder = format!("{}/{prefix}", area.folder());
            let name = decode(name).filter(|name| name.starts_with(&folder));
            let key = name.and_then(|name| Key::new(&name[area.folder().len() + 1..]).ok());
            key.map(|key| Target { area, key, overwrite })
                .ok_or_else(forbidden)
        }
        // The client asks for another token, once.
        (true, None) => Err(Refusal::http(
            StatusCode::UNAUTHORIZED,
            "This token is not good, or no more.",
        )),
        _ => Err(forbidden()),
    }
}

/// As storage answers to a URL that is wrong or whose time is over.
fn forbidden() -> Refusal {
    Refusal::http(
        StatusCode::FORBIDDEN,
        "This URL is not good for this, or no more.",
    )
}

fn not_kept(error: &StoreError) -> Refusal {
    match error {
        StoreError::Io(error) => {
            tracing::error!(%error, "failed to keep a file");
            Refusal::http(StatusCode::INTERNAL_SERVER_ERROR, "The file could not be kept.")
        }
        limit => Refusal::http(StatusCode::PAYLOAD_TOO_LARGE, limit.to_string()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn upload(source: &str, auto_compress: bool) -> Upload {
        Upload {
            source: source.to_owned(),
            area: "named-1".to_owned(),
            prefix: "in/".to_owned(),
            parallel: 4,
            auto_compress,
            source_compression: "auto_detect".to_owned(),
            overwrite: false,
        }
    }

    #[test]
    fn the_target_is_what_clients_call_it() {
        let name = |source: &str, auto_compress| {
            target(&upload(source, auto_compress)).map(|key| key.as_str().to_owned())
        };
        assert_eq!(name("/tmp/a.csv", true).as_deref(), Some("in/a.csv.gz"));
        assert_eq!(name("/tmp/a.csv", false).as_deref(), Some("in/a.csv"));
        assert_eq!(name("a.csv.gz", true).as_deref(), Some("in/a.csv.gz"));
        assert_eq!(name("C:\\data\\a.csv", false).as_deref(), Some("in/a.csv"));
        assert_eq!(name("/tmp/*.csv", false), None);
        assert_eq!(name("/tmp/..", false), None);
    }

    #[test]
    fn a_url_is_good_for_one_file_and_for_a_while() {
        let now = Instant::now();
        let tickets = Tickets::new(Duration::from_mins(1));
        let secret_of = |source: &str| {
            let moving = tickets.issue(Transfer::Upload(upload(source, false)), Puts::ByUrl, now);
            let Access::Urls(paths) = moving.access else {
                panic!("no URL");
            };
            let path = paths[0].split_once('?').unwrap().0;
            path.strip_prefix("/stages/").unwrap().to_owned()
        };
        let secret = secret_of("/tmp/a.csv");
        let secret = secret.as_str();
        assert_eq!(secret.len(), 64);
        let found = tickets.find(secret, now).unwrap();
        assert!(matches!(found, Ticket::Put { key, .. } if key.as_str() == "in/a.csv"));
        assert!(
            tickets
                .find(&secret.replace(char::is_numeric, "0"), now)
                .is_none()
        );
        assert!(tickets.find(secret, now + Duration::from_mins(1)).is_none());
        tickets.sweep(now + Duration::from_mins(1));
        assert!(tickets.inner.lock().unwrap().tickets.is_empty());
        let found = tickets.find(&secret_of("/tmp/*.csv"), now).unwrap();
        assert!(matches!(found, Ticket::Nothing));
    }
}
