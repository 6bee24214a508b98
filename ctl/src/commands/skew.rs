//! What to do when sfctl and the running service speak no common protocol: an answer for whoever is too old.
//!
//! It is asked for only after the service has refused a call, so that nobody pays for it otherwise.

use snowflake_session_proto::v1::HelloResponse;
use snowflake_session_proto::{PROTOCOL, ProtocolRange};

use super::{Run, invocation, service};
use crate::client::dial::dial;
use crate::exit_code::Exit;
use crate::failure::Failure;

/// Who is too old, and whether the service can be replaced.
#[derive(Debug, PartialEq, Eq)]
enum Skew {
    /// They do understand each other.
    None,
    /// sfctl is older than everything that the service speaks.
    ClientIsOlder,
    /// The service is older, and a restart disturbs nobody.
    ServiceIsIdle,
    /// The service is older and holds sessions.
    ServiceIsBusy,
}

/// Judges by what the service said of itself.
fn judge(hello: &HelloResponse, ours: ProtocolRange) -> Skew {
    let theirs = ProtocolRange {
        min: hello.protocol_min,
        max: hello.protocol_max,
    };
    if ours.agreed_with(theirs).is_some() {
        Skew::None
    } else if ours.is_older_than(theirs) {
        Skew::ClientIsOlder
    } else if hello.open_session_count == 0 {
        Skew::ServiceIsIdle
    } else {
        Skew::ServiceIsBusy
    }
}

/// Finds out who is too old, and restarts an idle service of an older version through whoever runs it. `None` when there is
/// nothing better to say than what the service said.
pub(super) async fn resolve(run: &Run) -> Result<Option<Failure>, Failure> {
    // One that does not know the question is older than it; what it said by itself names the restart.
    let Ok(hello) = dial(&run.settings).await?.hello().await else {
        return Ok(None);
    };
    let skew = judge(&hello, PROTOCOL);
    if skew != Skew::ServiceIsIdle || !run.settings.autostart {
        return Ok(told(&skew, &hello, run));
    }
    service::restart_quietly(run).await?;
    let hello = dial(&run.settings).await?.hello().await?;
    Ok(Some(match judge(&hello, PROTOCOL) {
        Skew::None => Failure::new(
            Exit::Later,
            "the service was of an older version; it held no session and was restarted",
        )
        .caused_by(format!(
            "now version {} runs; nothing was run yet",
            hello.service_version
        ))
        .hint("run the command again"),
        _ => Failure::new(
            Exit::Skew,
            "the installed service is of another version than sfctl",
        )
        .caused_by(versions(&hello))
        .hint("install both from one package"),
    }))
}

fn versions(hello: &HelloResponse) -> String {
    format!(
        "sfctl {} speaks protocol {PROTOCOL}, the service {} speaks {}-{}",
        env!("CARGO_PKG_VERSION"),
        hello.service_version,
        hello.protocol_min,
        hello.protocol_max
    )
}

/// What to tell; `None` when there is nothing to add.
fn told(skew: &Skew, hello: &HelloResponse, run: &Run) -> Option<Failure> {
    let restart = match &run.settings.remote {
        // Who runs it there restarts it.
        Some(remote) => format!("`sfctl service restart` on the machine of {remote}"),
        None => format!("`{}`", invocation(run, &["service", "restart"])),
    };
    Some(match skew {
        Skew::None => return None,
        Skew::ClientIsOlder => Failure::new(Exit::Skew, "sfctl is older than the running service")
            .caused_by(versions(hello))
            .hint("update the client: install the sfctl that came with the service"),
        Skew::ServiceIsIdle => Failure::new(Exit::Later, "the running service is of an older version")
            .caused_by(versions(hello))
            .hint(format!("restart it with {restart}; it holds no session")),
        Skew::ServiceIsBusy => {
            let mut names = hello.open_sessions.join(", ");
            let named = i32::try_from(hello.open_sessions.len()).unwrap_or(i32::MAX);
            if hello.open_session_count > named {
                names.push_str(", …");
            }
            let what = "the running service is of an older version and holds open sessions";
            let mut failure = Failure::new(Exit::Later, what).caused_by(versions(hello)).hint(format!(
                "{restart} puts the installed version to work; systemd carries sessions over, without it they end"
            ));
            failure.facts.push(format!("open sessions: {names}"));
            failure
        }
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn who_is_too_old() {
        let hello = |protocol_min, protocol_max, open_session_count| HelloResponse {
            protocol_min,
            protocol_max,
            open_session_count,
            ..HelloResponse::default()
        };
        let ours = ProtocolRange { min: 3, max: 4 };
        for (hello, skew) in [
            (hello(1, 3, 9), Skew::None),
            (hello(4, 9, 9), Skew::None),
            (hello(5, 9, 0), Skew::ClientIsOlder),
            (hello(1, 2, 0), Skew::ServiceIsIdle),
            (hello(1, 2, 3), Skew::ServiceIsBusy),
        ] {
            assert_eq!(judge(&hello, ours), skew, "{hello:?}");
        }
    }
}
