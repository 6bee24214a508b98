//! The lists of what the clients' authorities have taken back, where the service of this machine asks for them.

use std::collections::HashMap;
use std::io::Read as _;
use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime};

use tokio_rustls::rustls::pki_types::CertificateRevocationListDer;
use tokio_rustls::rustls::pki_types::pem::PemObject as _;
use x509_cert::crl::{CertificateList, TbsCertList};
use x509_cert::der::oid::ObjectIdentifier;
use x509_cert::der::{self, Decode as _, Encode as _};
use x509_cert::ext::pkix::CrlNumber;
use x509_cert::ext::pkix::crl::dp::IssuingDistributionPoint;
use x509_cert::name::Name;

use super::check::Check;
use super::scene::Scene;
use crate::client::dial::certificate;

const ID: &str = "tcp.revocation_lists";

/// How long before the next list is due somebody should look: lists are fetched by timers, and a timer that stands still is
/// noticed by nobody until clients are refused.
const DUE_SOON: Duration = Duration::from_hours(3 * 24);

/// Largest file that the service reads, in bytes.
const FILE_BYTES_MAX: u64 = 16 << 20;

/// The extension of a list that tells only what is new since another one.
const DELTA: ObjectIdentifier = ObjectIdentifier::new_unwrap("2.5.29.27");

/// The extension by which an authority tells the parts of a divided list from each other.
const ISSUING_DISTRIBUTION_POINT: ObjectIdentifier = ObjectIdentifier::new_unwrap("2.5.29.28");

/// The extension in which an authority counts its lists.
const CRL_NUMBER: ObjectIdentifier = ObjectIdentifier::new_unwrap("2.5.29.20");

/// What the service asks for, and what is there.
pub(super) enum Found {
    /// No other machine is served.
    NotServed,
    /// Nobody asks whether certificates were taken back.
    NotAsked,
    /// A file with lists, or why it cannot be read.
    Asked(PathBuf, Result<Lists, String>),
}

/// What a file holds.
pub(super) struct Lists {
    /// The newest list of each authority, or of each part of it.
    newest: Vec<ListFacts>,
    /// Trusted authorities without one, or why they cannot be read.
    without: Result<Vec<String>, String>,
}

/// Whose certificates a list is about.
#[derive(PartialEq, Eq, Hash)]
struct Scope {
    authority: Vec<u8>,
    /// Which part of them, if the authority has divided its list.
    part: Option<Vec<u8>>,
}

/// What is told of one list.
#[derive(Clone, Debug)]
struct ListFacts {
    authority: String,
    begin: SystemTime,
    /// When the next one is due. TLS refuses a list that does not say it.
    end: Option<SystemTime>,
    number: Vec<u8>,
    /// What it is instead of a complete list of the authority's own certificates.
    instead: Option<&'static str>,
}

/// Looks at what the configuration names.
pub(super) fn gather(scene: &Scene<'_>) -> Found {
    let path_of = |key: &str| {
        let told = scene.configuration.as_ref().ok()?;
        let setting = told.settings.iter().find(|setting| setting.key == key)?;
        let path = setting.value.as_str().filter(|path| !path.is_empty());
        path.map(PathBuf::from)
    };
    let Some(authorities) = path_of("tcp.client_authorities") else {
        return Found::NotServed;
    };
    match path_of(ID) {
        None => Found::NotAsked,
        Some(path) => {
            let read = read(&path, &authorities);
            Found::Asked(path, read)
        }
    }
}

fn read(path: &Path, authorities: &Path) -> Result<Lists, String> {
    let mut text = Vec::new();
    let file = std::fs::File::open(path).map_err(|error| format!("cannot be read: {error}"))?;
    file.take(FILE_BYTES_MAX + 1)
        .read_to_end(&mut text)
        .map_err(|error| format!("cannot be read: {error}"))?;
    if text.len() as u64 > FILE_BYTES_MAX {
        return Err(format!("is larger than {FILE_BYTES_MAX} bytes"));
    }
    let lists = CertificateRevocationListDer::pem_slice_iter(&text).collect::<Result<Vec<_>, _>>();
    // Its text could quote a line.
    let lists = lists.map_err(|_| "is not well-formed PEM".to_owned())?;
    if lists.is_empty() {
        return Err("holds no revocation list in PEM form".to_owned());
    }
    let mut newest: HashMap<Scope, ListFacts> = HashMap::new();
    for list in lists {
        let (scope, facts) =
            facts(&list).map_err(|error| format!("holds a list that is none of version 2: {error}"))?;
        let age = |facts: &ListFacts| (facts.begin, facts.number.len(), facts.number.clone());
        // What is in the way of all of them is told, however old it is.
        let known = newest.get(&scope);
        if known.is_none_or(|known| known.instead.is_none() && age(known) <= age(&facts)) {
            newest.insert(scope, facts);
        }
    }
    let without = certificate::authorities_of(authorities).map(|subjects| {
        let is_listed = |subject: &Name| {
            let subject = subject.to_der().ok();
            newest
                .keys()
                .any(|scope| Some(&scope.authority) == subject.as_ref())
        };
        let without = subjects.iter().filter(|subject| !is_listed(subject));
        without.map(shown).collect()
    });
    let mut newest: Vec<ListFacts> = newest.into_values().collect();
    newest.sort_by(|left, right| (&left.authority, left.end).cmp(&(&right.authority, right.end)));
    Ok(Lists { newest, without })
}

/// Whose certificates a list is about, and what is told of it.
fn facts(list: &[u8]) -> Result<(Scope, ListFacts), der::Error> {
    let told = CertificateList::from_der(list)?.tbs_cert_list;
    let point = extension(&told, ISSUING_DISTRIBUTION_POINT);
    let number = extension(&told, CRL_NUMBER).and_then(|number| CrlNumber::from_der(number).ok());
    let is_indirect = point
        .map(IssuingDistributionPoint::from_der)
        .transpose()?
        .is_some_and(|point| point.indirect_crl);
    let facts = ListFacts {
        authority: shown(&told.issuer),
        begin: told.this_update.to_system_time(),
        end: told.next_update.map(|time| time.to_system_time()),
        number: number.map_or_else(Vec::new, |CrlNumber(number)| number.as_bytes().to_vec()),
        instead: match extension(&told, DELTA) {
            Some(_) => Some("a delta list"),
            None => is_indirect.then_some("an indirect list"),
        },
    };
    let scope = Scope {
        authority: told.issuer.to_der()?,
        part: point.map(<[u8]>::to_vec),
    };
    Ok((scope, facts))
}

fn extension(list: &TbsCertList, id: ObjectIdentifier) -> Option<&[u8]> {
    let mut all = list.crl_extensions.iter().flatten();
    let found = all.find(|extension| extension.extn_id == id)?;
    Some(found.extn_value.as_bytes())
}

/// An authority's name as people write it, without what could make something else of a screen.
fn shown(name: &Name) -> String {
    let text = name.to_string();
    text.replace(|character: char| character.is_control(), "?")
}

/// What it means for the clients of the service.
pub(super) fn judge(found: &Found, now: SystemTime) -> Vec<Check> {
    let (path, read) = match found {
        Found::NotServed => return vec![Check::skip(ID, "no other machine is served (`tcp.certificate`)")],
        Found::NotAsked => {
            return vec![Check::skip(
                ID,
                format!("nobody asks whether certificates were taken back (`{ID}`)"),
            )];
        }
        Found::Asked(path, read) => (path.display(), read),
    };
    let renew = format!("put the newest list into {path} and run `sfctl service reload`");
    let lists = match read {
        Ok(lists) => lists,
        Err(why) => return vec![Check::fail(ID, format!("{path} {why}")).repair(renew)],
    };
    let of_lists = lists.newest.iter().map(|list| judge_one(list, now, &renew));
    let mut findings: Vec<Check> = of_lists.collect();
    match &lists.without {
        Ok(without) => findings.extend(without.iter().map(|authority| {
            Check::fail(
                ID,
                format!("{authority} has no list in {path}; its clients are refused"),
            )
            .repair(renew.clone())
        })),
        Err(why) => findings.push(Check::warn(
            ID,
            format!("whether each authority has a list cannot be seen: {why}"),
        )),
    }
    vec![Check::of_all(ID, findings, "")]
}

fn judge_one(list: &ListFacts, now: SystemTime, renew: &str) -> Check {
    let authority = &list.authority;
    if let Some(instead) = list.instead {
        return Check::fail(
            ID,
            format!("the list of {authority} is {instead}, which the service refuses"),
        )
        .repair(renew);
    }
    let Ok(age) = now.duration_since(list.begin) else {
        return Check::warn(
            ID,
            format!("the list of {authority} is not of today but of later"),
        )
        .repair("see whether the clock is right");
    };
    let age = span(age);
    let Some(end) = list.end else {
        return Check::fail(
            ID,
            format!("the list of {authority} does not say when the next one is due; its clients are refused"),
        )
        .repair(renew);
    };
    match end.duration_since(now) {
        Ok(left) if left >= DUE_SOON => Check::ok(
            ID,
            format!(
                "the list of {authority} is {age} old, the next one is due in {}",
                span(left)
            ),
        ),
        Ok(left) if !left.is_zero() => Check::warn(
            ID,
            format!(
                "the list of {authority} is {age} old, and the next one is due in {}",
                span(left)
            ),
        )
        .repair(renew),
        over => {
            let since = over.err().map(|error| error.duration()).unwrap_or_default();
            Check::fail(
                ID,
                format!(
                    "the list of {authority} is {age} old, and the next one was due {} ago; its clients are refused",
                    span(since)
                ),
            )
            .repair(renew)
        }
    }
}

/// A time in hours, or in days where it is a long one.
fn span(time: Duration) -> String {
    let hours = time.as_secs() / 3600;
    if hours < 48 {
        format!("{hours} h")
    } else {
        format!("{} days", hours / 24)
    }
}

#[cfg(test)]
mod tests {
    use super::super::check::State;
    use super::*;

    /// A moment, so many hours after or before now.
    fn at(hours: i64) -> SystemTime {
        let distance = Duration::from_hours(hours.unsigned_abs());
        let now = SystemTime::UNIX_EPOCH + Duration::from_hours(100_000);
        if hours < 0 { now - distance } else { now + distance }
    }

    fn list(begin: i64, end: Option<i64>) -> ListFacts {
        ListFacts {
            authority: "CN=ours".to_owned(),
            begin: at(begin),
            end: end.map(at),
            number: Vec::new(),
            instead: None,
        }
    }

    #[track_caller]
    fn check(newest: Vec<ListFacts>, without: Result<Vec<String>, String>, state: State, words: &[&str]) {
        let found = Found::Asked("/lists.pem".into(), Ok(Lists { newest, without }));
        let checks = judge(&found, at(0));
        assert_eq!((checks.len(), checks[0].state), (1, state), "{checks:?}");
        assert_eq!(checks[0].seen, words);
        assert_eq!(checks[0].repair.is_empty(), state == State::Ok, "{checks:?}");
    }

    #[test]
    fn lists_are_told_by_authority_age_and_end() {
        let fine = || list(-5, Some(24 * 7));
        let told = "the list of CN=ours is 5 h old, the next one is due in 7 days";
        check(vec![fine()], Ok(Vec::new()), State::Ok, &[told]);
        let soon = "the list of CN=ours is 4 days old, and the next one is due in 47 h";
        let late =
            "the list of CN=ours is 8 days old, and the next one was due 24 h ago; its clients are refused";
        let endless = "the list of CN=ours does not say when the next one is due; its clients are refused";
        let early = "the list of CN=ours is not of today but of later";
        for (facts, state, words) in [
            (list(-100, Some(47)), State::Warn, soon),
            (list(-192, Some(-24)), State::Fail, late),
            (list(-1, None), State::Fail, endless),
            (list(2, Some(200)), State::Warn, early),
        ] {
            // What is well is not told beside it.
            check(vec![fine(), facts], Ok(Vec::new()), state, &[words]);
        }
        let delta = ListFacts {
            instead: Some("a delta list"),
            ..fine()
        };
        let words = "the list of CN=ours is a delta list, which the service refuses";
        check(vec![delta], Ok(Vec::new()), State::Fail, &[words]);
    }

    #[test]
    fn an_authority_without_a_list_is_told() {
        let words = "CN=theirs has no list in /lists.pem; its clients are refused";
        let without = Ok(vec!["CN=theirs".to_owned()]);
        check(vec![list(-5, Some(100))], without, State::Fail, &[words]);
    }

    #[test]
    fn whoever_is_not_asked_has_nothing_to_tell() {
        for found in [Found::NotServed, Found::NotAsked] {
            assert_eq!(judge(&found, at(0))[0].state, State::Skip);
        }
        let missing = Found::Asked("/lists.pem".into(), Err("cannot be read: no".to_owned()));
        let checks = judge(&missing, at(0));
        assert_eq!(checks[0].state, State::Fail);
        assert_eq!(checks[0].seen, ["/lists.pem cannot be read: no"]);
    }
}
