//! Whether a statement could run beside others of its session.

use super::cursor::Cursor;
use super::split::split;

/// True when a text is one statement that leaves its session as it is, and asks nothing of it but context,
/// parameters and variables. Looks at its first words only, so that it is cheap; says no when in doubt.
pub fn leaves_session_alone(sql: &str) -> bool {
    let Ok(pieces) = split(sql) else { return false };
    let [piece] = pieces.as_slice() else { return false };
    let asks_history = |word: &str| piece.tokens.iter().any(|token| token.is(piece.text, word));
    if asks_history("LAST_QUERY_ID") {
        return false;
    }
    let mut cursor = Cursor::new(piece);
    while cursor.eat_sign('(') {}
    let Ok(first) = cursor.word() else { return false };
    match first.as_str() {
        "SELECT" | "WITH" | "INSERT" | "UPDATE" | "DELETE" | "MERGE" | "TRUNCATE" | "SHOW" | "DESC"
        | "DESCRIBE" | "EXPLAIN" => true,
        "CALL" => cursor.peek_word(0, super::parse_wait::NAME),
        // Not databases and schemas, which become the session's; not temporary tables, which are its own.
        "CREATE" => {
            cursor.eat(&["OR", "REPLACE"]);
            cursor.eat(&["TRANSIENT"]);
            cursor.peek_word(0, "TABLE") || cursor.peek_word(0, "VIEW")
        }
        _ => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_the_session_would_notice_stays_in_it() {
        for alone in [
            "select 1;",
            "-- remark\n(select $v) union (select 2)",
            "with a as (select 1) select * from a",
            "insert into t values (1)",
            "create or replace transient table t as select 1 a",
            "create view v as select 1 a",
            "call system$wait(1)",
            "show tables",
            "explain select 1",
        ] {
            assert!(leaves_session_alone(alone), "{alone}");
        }
        for bound in [
            "",
            "select 1; select 2",
            "use schema s",
            "set v = 1",
            "alter session set timezone = 'UTC'",
            "begin",
            "commit",
            "create database d",
            "create temporary table t (a int)",
            "create or replace temp table t (a int)",
            "select last_query_id()",
            "call p()",
        ] {
            assert!(!leaves_session_alone(bound), "{bound}");
        }
    }
}
