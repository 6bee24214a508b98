//! Certificates for TCP: the one of this machine's service, and, with `--server`, ours and what it opens.

use std::path::PathBuf;
use std::time::{Duration, SystemTime};

use super::check::Check;
use super::scene::{Scene, Service};
use crate::client::dial::certificate::{CertificateFacts, facts_of};

/// How long before its end a certificate is complained about.
const END_IS_NEAR: Duration = Duration::from_hours(14 * 24);

/// Time beyond which an answer from another machine is slow.
const SLOW: Duration = Duration::from_secs(1);

/// A certificate, or why it cannot be read.
pub(super) struct Found {
    path: PathBuf,
    read: Result<CertificateFacts, String>,
}

/// What was heard from a service of another machine.
pub(super) struct Remote {
    server: String,
    certificate: Found,
    /// How long the first answer took, or why there was none.
    answer: Result<Duration, String>,
}

fn find(path: PathBuf) -> Found {
    Found {
        read: facts_of(&path),
        path,
    }
}

/// The certificate that the service of this machine shows, where one is configured.
pub(super) fn gather(scene: &Scene<'_>) -> Option<Found> {
    let told = scene.configuration.as_ref().ok()?;
    let setting = told
        .settings
        .iter()
        .find(|setting| setting.key == "tcp.certificate")?;
    let path = setting.value.as_str().filter(|path| !path.is_empty())?;
    Some(find(path.into()))
}

/// What is known of the service of another machine.
pub(super) fn gather_remote(scene: &Scene<'_>) -> Option<Remote> {
    let place = scene.settings.remote.as_ref()?;
    Some(Remote {
        server: place.to_string(),
        certificate: find(place.certificate.clone()),
        answer: match &scene.service {
            Service::Answers(answer) => Ok(answer.first),
            Service::Nobody(why) | Service::Silent(why) => Err(why.clone()),
            Service::Foreign(user) => Err(format!("it belongs to user {user}")),
        },
    })
}

/// What it means for the service of this machine.
pub(super) fn judge(found: Option<&Found>, now: SystemTime) -> Vec<Check> {
    const ID: &str = "tcp.certificate";
    vec![match found {
        None => Check::skip(ID, "no other machine is served (`tcp.certificate`)"),
        Some(found) => certificate(ID, found, now, "replace the file and run `sfctl service reload`"),
    }]
}

/// What it means for a service of another machine.
pub(super) fn judge_remote(remote: &Remote, now: SystemTime) -> Vec<Check> {
    const ANSWER: &str = "remote.answer";
    let answer = match &remote.answer {
        Ok(first) if *first > SLOW => Check::warn(
            ANSWER,
            format!("{} answered after {} ms", remote.server, first.as_millis()),
        )
        .repair("see whether the network between here and there is loaded"),
        Ok(first) => Check::ok(
            ANSWER,
            format!("{} answered after {} ms", remote.server, first.as_millis()),
        ),
        Err(why) => Check::fail(ANSWER, why.clone())
            .repair("run `sfctl service status` with the same options: it says what to do"),
    };
    let repair = "have a new one signed, and name it with `--tls-cert` and `--tls-key`";
    vec![
        certificate("remote.certificate", &remote.certificate, now, repair),
        answer,
    ]
}

fn certificate(id: &'static str, found: &Found, now: SystemTime, repair: &str) -> Check {
    let path = found.path.display();
    let told = match &found.read {
        Ok(told) => told,
        Err(why) => return Check::fail(id, why.clone()).repair(repair),
    };
    let names = told.names.join(", ");
    if told.begin > now {
        return Check::fail(id, format!("{path} does not count yet"))
            .and(names)
            .repair("see whether the clock is right");
    }
    match told.end.duration_since(now) {
        Err(_) => Check::fail(id, format!("{path} has ended"))
            .and(names)
            .repair(repair),
        Ok(left) if left < END_IS_NEAR => {
            Check::warn(id, format!("{path} ends in {} h", left.as_secs() / 3600))
                .and(names)
                .repair(repair)
        }
        Ok(left) => Check::ok(
            id,
            format!("{path} counts for {} more days", left.as_secs() / 86_400),
        )
        .and(names),
    }
}

#[cfg(test)]
mod tests {
    use super::super::check::State;
    use super::*;

    const NOW: SystemTime = SystemTime::UNIX_EPOCH;

    #[track_caller]
    fn check(begin: i64, end: i64, state: State, words: &str) {
        let at = |hours: i64| {
            let distance = Duration::from_hours(hours.unsigned_abs());
            let now = NOW + Duration::from_hours(10_000);
            if hours < 0 { now - distance } else { now + distance }
        };
        let found = Found {
            path: "/c.pem".into(),
            read: Ok(CertificateFacts {
                names: vec!["dns:etl.example.com".to_owned()],
                begin: at(begin),
                end: at(end),
            }),
        };
        let checks = judge(Some(&found), at(0));
        assert_eq!(checks[0].state, state, "{checks:?}");
        assert!(checks[0].seen[0].contains(words), "{checks:?}");
    }

    #[test]
    fn the_end_of_a_certificate_is_told_before_it_comes() {
        check(-24, 24 * 90, State::Ok, "counts for 90 more days");
        check(-24, 24 * 13, State::Warn, "ends in 312 h");
        check(-24, -1, State::Fail, "has ended");
        check(1, 24, State::Fail, "does not count yet");
        assert_eq!(judge(None, NOW)[0].state, State::Skip);
    }

    #[test]
    fn another_machine_answers_or_not() {
        let remote = |answer| Remote {
            server: "https://etl.example.com:7443".to_owned(),
            certificate: Found {
                path: "/c.pem".into(),
                read: Err("/c.pem: cannot be read".to_owned()),
            },
            answer,
        };
        for (answer, state) in [
            (Ok(Duration::from_millis(3)), State::Ok),
            (Ok(Duration::from_secs(3)), State::Warn),
            (Err("nobody listens".to_owned()), State::Fail),
        ] {
            let checks = judge_remote(&remote(answer), NOW);
            assert_eq!((checks[0].state, checks[1].state), (State::Fail, state));
        }
    }
}
