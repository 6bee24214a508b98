//! What the service's program sees of the server: its clock, and who vouches for it. The way there is the service's own.

use serde::Deserialize;

use super::check::Check;
use super::scene::{Scene, asked};

/// Seconds by which two clocks may differ. A login with a key pair carries a time that the server compares with its own, and
/// is refused beyond a minute.
const SECONDS_APART_MAX: u64 = 30;

/// What was found.
#[derive(Debug, Default)]
pub(super) struct Facts {
    /// Absent where the emulator on this machine is used, or the connection is not complete.
    pub(super) reach: Option<Result<Reach, String>>,
    /// Host of the server.
    pub(super) host: String,
}

/// What the service's program says.
#[derive(Debug, Default, Deserialize)]
pub(super) struct Reach {
    /// How many seconds this machine is ahead of the server.
    ahead_seconds: Option<i64>,
    issuer: Option<String>,
    /// Why the certificate is not trusted.
    distrust: Option<String>,
    is_intercepted: bool,
    /// Why nothing was seen.
    failure: Option<String>,
}

/// Looks.
pub(super) async fn gather(scene: &Scene<'_>) -> Facts {
    let Some((name, endpoint)) = scene.destination() else {
        return Facts::default();
    };
    let told: Result<Reach, String> = asked(scene.program.as_deref(), &["reach", name]).await;
    Facts {
        reach: Some(told),
        host: endpoint.host.clone(),
    }
}

/// What it means.
pub(super) fn judge(facts: &Facts) -> Vec<Check> {
    vec![clock(facts), certificate(facts)]
}

/// What was seen, or the check that says why nothing was.
fn seen<'a>(facts: &'a Facts, id: &'static str) -> Result<&'a Reach, Check> {
    match &facts.reach {
        None => Err(Check::skip(
            id,
            "the emulator on this machine is used, or the connection is not complete",
        )),
        Some(Err(why)) => Err(Check::skip(id, why.clone())),
        Some(Ok(reach)) => match &reach.failure {
            // The check of the network says what is wrong with it.
            Some(why) => Err(Check::skip(id, format!("{} was not seen: {why}", facts.host))),
            None => Ok(reach),
        },
    }
}

fn clock(facts: &Facts) -> Check {
    const ID: &str = "snowflake.clock";
    let reach = match seen(facts, ID) {
        Ok(reach) => reach,
        Err(check) => return check,
    };
    let Some(ahead) = reach.ahead_seconds else {
        return Check::skip(ID, format!("{} does not say what time it is", facts.host));
    };
    let apart = ahead.unsigned_abs();
    let told = match ahead {
        0 => format!("{} has the same time", facts.host),
        1.. => format!("this machine is {apart} s ahead of {}", facts.host),
        _ => format!("this machine is {apart} s behind {}", facts.host),
    };
    if apart <= SECONDS_APART_MAX {
        return Check::ok(ID, told);
    }
    Check::warn(ID, told)
        .and("logins with a key pair are refused when clocks are a minute apart, and tokens end at other times than they say")
        .repair("have the machine's clock set by the network: `timedatectl set-ntp true`")
}

fn certificate(facts: &Facts) -> Check {
    const ID: &str = "snowflake.certificate";
    let reach = match seen(facts, ID) {
        Ok(reach) => reach,
        Err(check) => return check,
    };
    let host = &facts.host;
    let issuer = reach
        .issuer
        .as_deref()
        .unwrap_or("somebody whom it does not name");
    if let Some(why) = &reach.distrust {
        return Check::fail(ID, format!("{host} is vouched for by {issuer}, which is not trusted: {why}"))
            .repair("if that is a proxy of your organisation, which reads what passes it, add its CA certificate to the system's (`update-ca-certificates`, or SSL_CERT_FILE for the service), then `sfctl service restart`")
            .repair("if not, somebody stands between here and Snowflake: do not log in from this network");
    }
    if reach.issuer.is_none() {
        return Check::skip(ID, format!("{host} is reached without TLS"));
    }
    if reach.is_intercepted {
        return Check::warn(
            ID,
            format!("{host} is vouched for by {issuer}, which is no public authority"),
        )
        .and("a proxy on the way reads what passes it, passwords and results among it")
        .repair("ask who runs the network whether that is meant");
    }
    Check::ok(ID, format!("{host} is vouched for by {issuer}"))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::commands::doctor::check::State;

    #[track_caller]
    fn check(document: &str, id: &str, state: State, told: &str) {
        let facts = Facts {
            reach: Some(serde_json::from_str(document).map_err(|error| error.to_string())),
            host: "a.example.com".to_owned(),
        };
        let found = judge(&facts).into_iter().find(|check| check.id == id).unwrap();
        assert_eq!(found.state, state, "{found:?}");
        let text = [found.seen.join("\n"), found.repair.join("\n")].join("\n");
        assert!(text.contains(told), "{found:?}");
    }

    fn document(ahead: &str, issuer: &str, distrust: &str, is_intercepted: bool) -> String {
        format!(
            r#"{{"ahead_seconds":{ahead},"issuer":{issuer},"distrust":{distrust},"is_intercepted":{is_intercepted},"failure":null}}"#
        )
    }

    #[test]
    fn clocks_that_differ_are_told() {
        let id = "snowflake.clock";
        let at = |ahead: &str| document(ahead, "null", "null", false);
        check(&at("0"), id, State::Ok, "same time");
        check(&at("30"), id, State::Ok, "30 s ahead");
        check(&at("31"), id, State::Warn, "set-ntp");
        check(&at("-3600"), id, State::Warn, "3600 s behind");
        check(&at("null"), id, State::Skip, "does not say");
    }

    #[test]
    fn whoever_stands_between_is_named() {
        let id = "snowflake.certificate";
        let issuer = r#""Acme TLS inspection, Acme Inc""#;
        check(
            &document("0", r#""DigiCert""#, "null", false),
            id,
            State::Ok,
            "DigiCert",
        );
        check(
            &document("0", issuer, "null", true),
            id,
            State::Warn,
            "Acme TLS inspection",
        );
        let untrusted = document("0", issuer, r#""invalid peer certificate: UnknownIssuer""#, true);
        check(&untrusted, id, State::Fail, "update-ca-certificates");
        check(&untrusted, id, State::Fail, "Acme Inc");
        check(
            &document("0", "null", "null", false),
            id,
            State::Skip,
            "without TLS",
        );
    }

    #[test]
    fn what_was_not_seen_is_left_to_other_checks() {
        let failed = r#"{"is_intercepted":false,"failure":"refused"}"#;
        check(failed, "snowflake.clock", State::Skip, "refused");
        check("nonsense", "snowflake.certificate", State::Skip, "");
        let nothing = judge(&Facts::default());
        assert!(
            nothing.iter().all(|check| check.state == State::Skip),
            "{nothing:?}"
        );
    }
}
