//! Transactions: what an error undoes, what others see, who waits.

use super::support::{Fixture, bind, submission};

#[test]
fn an_error_undoes_its_own_statement_only() {
    let fixture = Fixture::new();
    let client = fixture.client_in("d");
    client.ok("create table t (a int not null)");
    client.ok("begin");
    client.ok("insert into t values (1)");
    client.error("insert into t values (2), (null)");
    client.error("select nope from t");
    client.error("select a / 0 from t");
    client.error("selec");
    client.ok("insert into t values (3)");
    assert!(client.session.context().transaction_open);
    assert_eq!(client.all("select a from t order by a"), ["1", "3"]);
    client.ok("commit");
    assert_eq!(
        fixture.client_in("d").all("select a from t order by a"),
        ["1", "3"]
    );
}

#[test]
fn commit_and_rollback_without_a_transaction_succeed() {
    let fixture = Fixture::new();
    let client = fixture.client();
    assert_eq!(client.one("commit"), "Statement executed successfully.");
    assert_eq!(client.one("rollback"), "Statement executed successfully.");
}

#[test]
fn a_rollback_covers_two_databases() {
    let fixture = Fixture::new();
    let client = fixture.client_in("d");
    client.ok("create table t (a int)");
    client.ok("create database e");
    client.ok("create table e.public.u (a int)");
    client.ok("start transaction name both");
    client.ok("insert into d.public.t values (1)");
    client.ok("insert into e.public.u values (1)");
    assert!(client.one("show transactions").contains("|TESTER|"), "listed");
    client.ok("rollback");
    assert_eq!(
        client.one("select (select count(*) from d.public.t) + (select count(*) from e.public.u)"),
        "0"
    );
    assert!(client.all("show transactions").is_empty());
}

#[test]
fn ddl_commits_what_is_open() {
    let fixture = Fixture::new();
    let client = fixture.client_in("d");
    client.ok("create table t (a int)");
    client.ok("begin");
    client.ok("insert into t values (1)");
    client.ok("create table u (a int)");
    client.ok("rollback");
    assert_eq!(client.one("select count(*) from t"), "1");
}

#[test]
fn autocommit_may_be_off() {
    let fixture = Fixture::new();
    let client = fixture.client_in("d");
    client.ok("create table t (a int)");
    client.ok("alter session set autocommit = false");
    client.ok("insert into t values (1)");
    assert!(client.session.context().transaction_open);
    client.ok("rollback");
    assert_eq!(client.one("select count(*) from t"), "0");
    client.ok("insert into t values (1)");
    client.ok("commit");
    assert_eq!(client.one("select count(*) from t"), "1");
}

#[test]
fn a_statement_sees_what_others_committed() {
    let fixture = Fixture::new();
    let (one, two) = (fixture.client_in("d"), fixture.client_in("d"));
    one.ok("create table t (a int)");
    one.ok("create table mine (a int)");
    one.ok("begin");
    assert_eq!(one.one("select count(*) from t"), "0");
    two.ok("insert into t values (1)");
    assert_eq!(one.one("select count(*) from t"), "1");
    one.ok("insert into mine values (7)");
    two.ok("insert into t values (2)");
    assert_eq!(one.one("select count(*) from t"), "2");
    assert_eq!(one.one("select * from mine"), "7");
    assert_eq!(two.one("select count(*) from mine"), "0");
    one.ok("commit");
}

#[test]
fn a_writer_waits_for_the_one_before() {
    let fixture = Fixture::new();
    let (one, two) = (fixture.client_in("d"), fixture.client_in("d"));
    one.ok("create table t as select 1::int a");
    one.ok("begin");
    one.ok("update t set a = a + 10");
    two.ok("alter session set lock_timeout = 0");
    let error = two.error("update t set a = a + 100");
    assert_eq!((error.code, error.sql_state), ("000625", "57014"));
    two.ok("alter session set lock_timeout = 600");
    std::thread::scope(|scope| {
        let waiter = scope.spawn(|| two.ok("update t set a = a + 100"));
        // Readers and inserts do not wait.
        let three = fixture.client_in("d");
        assert_eq!(three.one("select a from t"), "1");
        one.ok("commit");
        waiter.join().unwrap();
    });
    assert_eq!(one.one("select a from t"), "111");
}

#[test]
fn counters_survive_many_writers() {
    let fixture = Fixture::new();
    let setup = fixture.client_in("d");
    setup.ok("create table t as select 0::int a");
    std::thread::scope(|scope| {
        for _ in 0..4 {
            scope.spawn(|| {
                let client = fixture.client_in("d");
                for _ in 0..10 {
                    client.ok("update t set a = a + 1");
                    client.ok("insert into t values (1000)");
                }
            });
        }
    });
    assert_eq!(setup.one("select count(*) from t"), "41");
    // Each UPDATE added one to the rows that were there: nothing was lost or done twice.
    assert_eq!(setup.one("select min(a) from t"), "40");
}

#[test]
fn rows_read_through_a_view_stay_as_they_were() {
    let fixture = Fixture::new();
    let (one, two) = (fixture.client_in("d"), fixture.client_in("d"));
    one.ok("create table t as select 1 a");
    one.ok("create table mine (n int)");
    one.ok("create table places (name varchar)");
    two.ok("create schema d.elsewhere");
    two.ok("use schema d.public");
    one.ok("create view v as select count(*) n from t");
    one.ok("create view w as select current_schema() name");
    one.ok("begin");
    one.ok("insert into mine select n from v");
    one.ok("insert into places select name from w");
    one.ok("use schema d.elsewhere");
    two.ok("insert into t values (2)");
    assert_eq!(one.all("select a from d.public.t order by a"), ["1", "2"]);
    one.error("select a / 0 from d.public.t");
    assert_eq!(one.one("select n from d.public.mine"), "1");
    assert_eq!(one.one("select name from d.public.places"), "PUBLIC");
    one.ok("commit");
    assert_eq!(two.one("select n from mine"), "1");
    assert_eq!(two.one("select name from places"), "PUBLIC");
}

#[test]
fn what_is_made_for_a_statement_is_there_when_others_have_committed() {
    let fixture = Fixture::new();
    let (one, two) = (fixture.client_in("d"), fixture.client_in("d"));
    one.ok("create table t (a int)");
    one.ok("create table other (a int)");
    one.ok("copy into @~/a.csv from (select 1) file_format = (type = csv compression = none) single = true");
    one.ok("begin");
    two.ok("insert into other values (1)");
    assert_eq!(one.all("select $1 from @~/a.csv"), ["1"]);
    two.ok("insert into other values (2)");
    let mut bound = submission("insert into t values (?)");
    bound.bindings = [("1".to_owned(), bind("FIXED", &[Some("1"), Some("2")]))].into();
    let output = one.submit(bound).unwrap();
    assert_eq!(one.rows(output).unwrap(), ["2"]);
    two.ok("insert into t values (10)");
    let joined = "select count(*) from t join @~/a.csv f on t.a >= f.$1::int";
    assert_eq!(one.one(joined), "3");
    one.ok("commit");
    assert_eq!(two.one("select count(*) from t"), "3");
}

#[test]
fn a_change_by_a_view_is_not_made_again() {
    let fixture = Fixture::new();
    let (one, two) = (fixture.client_in("d"), fixture.client_in("d"));
    one.ok("create table t as select 1 a");
    one.ok("create table mine as select 0 n");
    one.ok("create view v as select count(*) n from t");
    one.ok("begin");
    one.ok("update mine set n = (select n from v)");
    two.ok("insert into t values (2)");
    // The snapshot stays old rather than that the change is another.
    assert_eq!(one.one("select count(*) from t"), "1");
    assert_eq!(one.one("select n from mine"), "1");
    let error = one.error("select a / 0 from t");
    assert!(error.message.contains("rolled back"), "{error}");
    assert_eq!(two.one("select n from mine"), "0");
}

#[test]
fn replayed_statements_give_what_they_gave() {
    let fixture = Fixture::new();
    let client = fixture.client_in("d");
    client.ok("create table t (r float, at timestamp_ntz, u varchar)");
    client.ok("begin");
    client.ok("insert into t select random(), current_timestamp()::timestamp_ntz, uuid_string()");
    let before = client.one("select r::varchar, at::varchar, u from t");
    client.error("insert into t select 'x'::float, null, null");
    assert_eq!(client.one("select r::varchar, at::varchar, u from t"), before);
    client.ok("commit");
}

#[test]
fn replayed_rows_keep_their_numbers() {
    let fixture = Fixture::new();
    let client = fixture.client_in("d");
    client.ok("create table t (id int autoincrement, a varchar(5), d timestamp_ltz default current_timestamp(), v variant)");
    client.ok("create sequence s");
    client.ok("begin");
    client.ok("insert into t (a, v) select 'x', parse_json('{\"k\": [1]}')");
    client.ok("insert into t (a) values (s.nextval::varchar), (s.nextval::varchar)");
    let all = "select id, a, d::varchar, v:k[0] from t order by id";
    let before = client.all(all);
    client.error("insert into t (a) values ('too long')");
    assert_eq!(client.all(all), before);
    client.ok("insert into t (a) values ('y')");
    client.ok("commit");
    assert_eq!(client.all(all).len(), 4);
}

#[test]
fn a_view_shows_what_others_committed() {
    let fixture = Fixture::new();
    let (one, two) = (fixture.client_in("d"), fixture.client_in("d"));
    one.ok("create table t (a int)");
    one.ok("create table mine (a int)");
    one.ok("create view v as select * from t");
    one.ok("begin");
    one.ok("insert into mine values (1)");
    two.ok("insert into t values (1)");
    assert_eq!(one.one("select count(*) from v"), "1");
    // Rows that came through it stay as they were.
    one.ok("insert into mine select a + 10 from v");
    two.ok("insert into t values (2)");
    one.error("insert into mine select 'x' from t");
    assert_eq!(one.all("select a from mine order by a"), ["1", "11"]);
    // A transaction in which a view has decided what is changed cannot be restored, and says so.
    one.ok("update mine set a = 5 where a in (select a from v)");
    let error = one.error("insert into mine select 'x' from t");
    assert!(
        error.message.contains("The transaction was rolled back"),
        "{error}"
    );
    assert!(!one.session.context().transaction_open);
    assert_eq!(two.one("select count(*) from mine"), "0");
}
