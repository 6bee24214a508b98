//! Rules that are read, and texts that are refused.

use std::time::Duration;

use super::*;

fn request(text: &str) -> (Filter, RequestFault, Schedule) {
    let rule = Rule::parse(text).unwrap_or_else(|error| panic!("{error}"));
    assert_eq!(rule.text(), text.trim());
    match rule.aim {
        Aim::Request(filter, fault) => (filter, fault, rule.schedule),
        Aim::Connection(fault) => panic!("{text}: {fault:?}"),
    }
}

fn check(text: &str, phase: Phase, action: Action) {
    assert_eq!(request(text).1, RequestFault { phase, action }, "{text}");
}

#[test]
fn every_action_has_its_phase() {
    let second = Duration::from_secs(1);
    let rate = NonZeroU64::new(100).unwrap();
    let code = |end_session| Action::Code {
        code: "390111".to_owned(),
        end_session,
    };
    check("delay=1s", Phase::Before, Action::Delay(second));
    check("delay=1s,phase=after", Phase::After, Action::Delay(second));
    check("delay-answer=1s", Phase::After, Action::Delay(second));
    check("reset", Phase::Before, Action::Reset);
    check("reset,phase=after", Phase::After, Action::Reset);
    check(" stall , phase=after ", Phase::After, Action::Stall);
    check(
        "retry-after=1500ms,status=503",
        Phase::Before,
        Action::Status {
            status: 503,
            retry_after: Some(2),
        },
    );
    check("code=390111", Phase::Before, code(false));
    check(
        "end-session=true,code=390111,phase=after",
        Phase::After,
        code(true),
    );
    check("cut=0", Phase::After, Action::Cut(0));
    check("throttle=100,phase=after", Phase::After, Action::Throttle(rate));
}

#[test]
fn what_happens_most_often_has_a_word() {
    for (word, items) in [
        ("expire-token", "code=390112"),
        ("session-gone", "code=390111,end-session=true"),
        ("warehouse-suspended", "code=000606"),
        ("drop-connection", "reset"),
    ] {
        assert_eq!(request(word).1, request(items).1, "{word}");
        assert!(Rule::parse(&format!("{word}=1")).is_err(), "{word}");
        assert!(Rule::parse(&format!("{word},status=503")).is_err(), "{word}");
    }
    let error = Rule::parse("expired-token").unwrap_err().to_string();
    assert!(error.ends_with("did you mean expire-token?"), "{error}");
}

#[test]
fn a_rule_says_where() {
    let (filter, ..) = request("reset,on=/queries/*/result,method=get,session=17");
    assert_eq!(
        filter.path,
        Some(PathPattern::Around("/queries/".to_owned(), "/result".to_owned()))
    );
    assert_eq!(
        (filter.method.as_deref(), filter.session),
        (Some("GET"), Some(17))
    );
    let (filter, ..) = request("reset,on=query,sql~=\"^INSERT.*\\(1, ?2\\)\"");
    assert_eq!(
        filter.path,
        Some(PathPattern::Prefix("/queries/v1/query-request".to_owned()))
    );
    let sql = filter.sql.unwrap();
    assert!(sql.is_match("insert into t\nvalues (1,2)"));
    assert!(!sql.is_match("select 1"));
    assert_eq!(
        request("reset,on=logout").0.path,
        Some(PathPattern::Exact("/session"))
    );
    let connection = Rule::parse("on=connect,delay=20ms").unwrap().aim;
    assert!(
        matches!(connection, Aim::Connection(ConnectFault::Delay(wait)) if wait == Duration::from_millis(20))
    );
}

#[test]
fn a_rule_says_when() {
    let (_, _, schedule) = request("reset,times=2,after=3,every=4,probability=0.25,for=2m");
    assert_eq!(
        schedule,
        Schedule {
            skip: 3,
            every: 4,
            times: Some(2),
            probability: 0.25,
            life: Some(Duration::from_mins(2)),
        }
    );
}

#[test]
fn what_is_wrong_is_told() {
    let refused = |text: &str, problem: &str| {
        let told = Rule::parse(text).unwrap_err().to_string();
        assert_eq!(told, format!("fault rule {text:?}: {problem}"));
    };
    refused("", "it is empty");
    refused("reset,", "it ends with a comma");
    refused("reset,,times=1", "there is nothing between two commas");
    refused("reset,reset", "reset is given twice");
    refused("reset=1", "reset takes no value");
    refused("delay", "delay needs a value");
    refused("dleay=1s", "\"dleay\" is not a key; did you mean delay?");
    refused("reset,sql=insert", "\"sql\" is not a key; did you mean sql~?");
    refused("reset,xyzzy=1", "\"xyzzy\" is not a key");
    refused(
        "delay=5",
        "delay=5: expected a time such as 250ms, 1.5s, 2m or 1h",
    );
    refused("reset,phase=late", "phase=late: expected before or after");
    refused(
        "reset,on=/a/*/b/*",
        "on=/a/*/b/*: expected a path with at most one *",
    );
    refused("reset,sql~=\"a", "the quotes of sql~ are not closed");
    refused(
        "reset,sql~=\"a\"b",
        "after the quotes of sql~ there must be a comma",
    );
    refused(
        "reset,stall",
        "reset and stall cannot both happen; write two rules",
    );
    refused("reset,retry-after=1", "retry-after goes with status only");
    refused("status=503,end-session=true", "end-session goes with code only");
    refused(
        "cut=1,phase=before",
        "cut needs an answer, which phase=before does not make",
    );
    refused(
        "delay-answer=1s,phase=before",
        "delay-answer needs an answer, which phase=before does not make",
    );
    refused(
        "on=connect,status=503",
        "status cannot happen on=connect; delay, reset and stall can",
    );
    refused(
        "on=connect,reset,sql~=x",
        "sql~ is about a request; on=connect happens before there is one",
    );
    let told = Rule::parse("reset,on=chunks").unwrap_err().to_string();
    assert!(told.ends_with("; did you mean chunk?"), "{told}");
    let told = Rule::parse("times=1").unwrap_err().to_string();
    assert!(told.contains("it says not what happens"), "{told}");
    let told = Rule::parse("reset,sql~=(").unwrap_err().to_string();
    assert!(told.contains("expected a regular expression"), "{told}");
}
