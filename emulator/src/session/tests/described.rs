//! What results and lists tell of columns and keys.

use snowflake_emulator_engine::{SqlType, VectorElement};

use super::support::{Client, Fixture};

/// Each column: its table, whether it may be NULL, and its type where a declaration says more than the engine.
fn described(client: &Client, sql: &str) -> Vec<String> {
    let output = client.output(sql);
    let columns = output.columns.iter().map(|column| {
        let [database, schema, table] = &column.origin;
        let origin = if table.is_empty() {
            "-".to_owned()
        } else {
            format!("{database}.{schema}.{table}")
        };
        let sql_type = match column.sql_type {
            SqlType::Number { precision, scale } => format!("{precision},{scale}"),
            SqlType::Text { length } => length.map_or("text".to_owned(), |length| length.to_string()),
            _ => "other".to_owned(),
        };
        format!(
            "{} {origin} {} {sql_type}",
            column.name,
            if column.nullable { "null" } else { "not" }
        )
    });
    let columns = columns.collect();
    client.rows(output).unwrap();
    columns
}

#[test]
fn columns_tell_where_they_come_from() {
    let fixture = Fixture::new();
    let client = fixture.client_in("d");
    client
        .ok("create table t (id int not null, name varchar(20), price number(10, 2), \"Low\" int not null)");
    client.ok("create view v as select id from t");
    let t = "D.PUBLIC.T";
    let check = |sql: &str, expected: &[&str]| assert_eq!(described(&client, sql), expected, "{sql}");
    check(
        "select id, name as n, price, \"Low\" from t",
        &[
            &format!("ID {t} not 38,0"),
            &format!("N {t} null 20"),
            &format!("PRICE {t} null 10,2"),
            &format!("Low {t} not 38,0"),
        ],
    );
    check(
        "select b.id from t a left join t b on false",
        &[&format!("ID {t} null 38,0")],
    );
    check(
        "with c as (select * from t) select c.id from c",
        &[&format!("ID {t} not 38,0")],
    );
    check("select id from v", &["ID - not 38,0"]);
    check(
        "select t.name from v join t using (id)",
        &[&format!("NAME {t} null 20")],
    );
    check(
        "select 12 as a, 'abc' as b, null as c",
        &["A - not 2,0", "B - not 3", "C - null text"],
    );
    check(
        "select count(*) as n, max(id) as m from t",
        &["N - not 18,0", "M - null 38,0"],
    );
    check(
        "select name::varchar(7) as s from t union all select 'x'",
        &["S - null 7"],
    );
    // What a table is now counts, also for a statement that is kept.
    client.ok("alter table t alter column id drop not null");
    check(
        "select id, name as n, price, \"Low\" from t",
        &[
            &format!("ID {t} null 38,0"),
            &format!("N {t} null 20"),
            &format!("PRICE {t} null 10,2"),
            &format!("Low {t} not 38,0"),
        ],
    );
    client.ok("create temporary table t (id int not null)");
    check("select * from t", &[&format!("ID {t} not 38,0")]);
}

#[test]
fn values_are_converted_on_their_way_into_a_column() {
    let fixture = Fixture::new();
    let client = fixture.client_in("d");
    client.ok("create table t (a timestamp_tz, b binary, c boolean, d date)");
    client.ok("insert into t values ('2024-02-29 01:02:03+05:00', '00ff', 'yes', '2024-02-29'), (default, null, 0, null)");
    client.ok("insert into t (c, b) select 'off', 'AB'");
    client.ok("update t set b = 'CD' where c is null or not c");
    let select = "select to_varchar(a), to_varchar(b), c, to_varchar(d) from t order by b";
    let mut rows = client.all(select);
    rows.sort();
    assert_eq!(
        rows,
        [
            "2024-02-29 01:02:03.000 +0500|00FF|true|2024-02-29",
            "NULL|CD|false|NULL",
            "NULL|CD|false|NULL",
        ]
    );
}

#[test]
fn keys_are_declared_and_listed() {
    let fixture = Fixture::new();
    let client = fixture.client_in("d");
    client.ok("create table p (a int, b int, c int unique, constraint pk primary key (b, a))");
    client
        .ok("create table f (x int, y int references p (c), constraint fk foreign key (x, y) references p)");
    let list = |sql: &str, columns: &[&str]| {
        let output = client.output(sql);
        let places: Vec<usize> = columns
            .iter()
            .map(|name| {
                output
                    .columns
                    .iter()
                    .position(|column| column.name == *name)
                    .unwrap()
            })
            .collect();
        let rows = client.rows(output).unwrap();
        let pick = |row: &String| {
            let values: Vec<&str> = row.split('|').collect();
            places
                .iter()
                .map(|place| values[*place])
                .collect::<Vec<_>>()
                .join(" ")
        };
        rows.iter().map(pick).collect::<Vec<_>>()
    };
    let own = ["table_name", "column_name", "key_sequence"];
    assert_eq!(list("show primary keys in table p", &own), ["P B 1", "P A 2"]);
    assert_eq!(list("show unique keys in schema d.public", &own), ["P C 1"]);
    let foreign = [
        "fk_table_name",
        "fk_column_name",
        "pk_table_name",
        "pk_column_name",
        "pk_name",
    ];
    let expected = ["F Y P C NULL", "F X P B PK", "F Y P A PK"];
    assert_eq!(list("show imported keys in table f", &foreign), expected);
    assert_eq!(list("show exported keys in table p", &foreign), expected);
    assert_eq!(
        list("show imported keys in table p", &foreign),
        Vec::<String>::new()
    );
    let constraints =
        "select constraint_type from information_schema.table_constraints where table_name = 'F'";
    assert_eq!(client.all(constraints), ["FOREIGN KEY", "FOREIGN KEY"]);
    // Keys follow what happens to their tables.
    client.ok("alter table p rename to q");
    client.ok("alter table q rename column c to cc");
    client.ok("create table copy clone q");
    assert_eq!(
        list("show imported keys in table f", &foreign)[0],
        "F Y Q CC NULL"
    );
    assert_eq!(
        list("show primary keys in table copy", &own),
        ["COPY B 1", "COPY A 2"]
    );
    client.ok("alter table copy drop primary key");
    client.ok("alter table copy add constraint again primary key (a)");
    assert_eq!(list("show primary keys in table copy", &own), ["COPY A 1"]);
    client.ok("drop table q");
    assert_eq!(
        list("show imported keys in table f", &foreign),
        Vec::<String>::new()
    );
    assert_eq!(
        client.error("create table g (a int references nowhere (b))").code,
        "002003"
    );
    assert_eq!(client.error("insert into f (x) select 'a'").code, "100038");
}

#[test]
fn columns_are_commented_by_an_alteration_of_their_table() {
    let fixture = Fixture::new();
    let client = fixture.client_in("d");
    client.ok("create table t (a int, b int)");
    client.ok("alter table t alter a comment $$one$$, column b comment 'two'");
    let comments =
        "select comment from information_schema.columns where table_name = 'T' order by ordinal_position";
    assert_eq!(client.all(comments), ["one", "two"]);
    assert_eq!(
        client.error("alter table t alter nope comment 'x'").code,
        "002003"
    );
}

#[test]
fn temporary_views_belong_to_their_session() {
    let fixture = Fixture::new();
    let (client, other) = (fixture.client_in("d"), fixture.client_in("d"));
    client.ok("create table t (a int)");
    client.ok("create temporary table own (a int)");
    client.ok("insert into own values (1), (2)");
    client.ok("create or replace temporary view v as select a from own where a > 1");
    client.ok("create or replace temporary view v as select a + 1 as b from own where a > 1");
    assert_eq!(client.one("select b from v"), "3");
    client.ok("merge into t using v on t.a = v.b when not matched then insert values (v.b)");
    assert_eq!(client.one("select a from t"), "3");
    assert_eq!(client.all("describe table v").len(), 1);
    assert_eq!(client.all("show views").len(), 1);
    assert_eq!(other.error("select * from v").code, "002003");
    client.ok("drop view if exists v cascade");
    assert_eq!(client.error("select * from v").code, "002003");
    client.ok("drop view if exists v");
}

#[test]
fn only_the_list_of_tables_tells_which_kind_of_table() {
    let fixture = Fixture::new();
    let client = fixture.client_in("d");
    client.ok("create transient table t (a int)");
    client.ok("create temporary table u (a int)");
    client.ok("create view v as select 1 as a");
    let kinds = |sql: &str| {
        let output = client.output(sql);
        let place = output
            .columns
            .iter()
            .position(|column| column.name == "kind")
            .unwrap();
        let rows = client.rows(output).unwrap();
        let kinds = rows
            .iter()
            .map(|row| row.split('|').nth(place).unwrap().to_owned());
        kinds.collect::<Vec<_>>()
    };
    assert_eq!(kinds("show tables"), ["TRANSIENT", "TEMPORARY"]);
    assert_eq!(kinds("show objects"), ["TABLE", "TABLE", "VIEW"]);
    assert_eq!(kinds("show terse views"), ["VIEW"]);
}

#[test]
fn vectors_are_stored_and_compared() {
    let fixture = Fixture::new();
    let client = fixture.client_in("d");
    client.ok("create table t (id int, v vector(float, 3), w vector(int, 2))");
    client.ok("insert into t select 1, [1, 2, 2.5]::vector(float, 3), [3, 4]::vector(int, 2)");
    client.ok("insert into t select 2, [0, 0, 0]::vector(float, 3), null");
    let output = client.output("select v, w from t order by id");
    let types: Vec<_> = output
        .columns
        .iter()
        .map(|column| column.sql_type.clone())
        .collect();
    let vector = |element, dimension| SqlType::Vector { element, dimension };
    assert_eq!(
        types,
        [vector(VectorElement::Float, 3), vector(VectorElement::Int, 2)]
    );
    client.rows(output).unwrap();
    let near = "select id from t order by vector_l2_distance(v, [1, 2, 2]::vector(float, 3)) limit 1";
    assert_eq!(client.one(near), "1");
    assert_eq!(
        client.all(
            "select data_type from information_schema.columns where table_name = 'T' and column_name = 'V'"
        ),
        ["VECTOR"]
    );
    let described = client.all("describe table t");
    assert!(described[1].starts_with("V|VECTOR(FLOAT, 3)|"), "{described:?}");
    assert_eq!(client.error("select [1, 2]::vector(float, 3)").sql_state, "22018");
    assert_eq!(
        client.error("create table u (v vector(float, 5000))").code,
        "002017"
    );
}

#[test]
fn columns_are_those_that_a_statement_sees() {
    let fixture = Fixture::new();
    let (one, two) = (fixture.client_in("d"), fixture.client_in("d"));
    one.ok("create table t as select 1 a");
    one.ok("create table u as select 1 a");
    one.ok("create table mine (a int)");
    one.ok("begin");
    assert_eq!(one.all("select * from t"), ["1"]);
    two.ok("alter table t add column c variant");
    // The columns are looked up after what others committed is seen.
    assert_eq!(one.all("select a from t where c = 'x'"), [""; 0]);
    assert_eq!(one.all("select * from t"), ["1|NULL"]);
    one.ok("insert into mine values (1)");
    two.ok("alter table u add column d variant");
    two.ok("insert into u select 2, to_variant('y')");
    assert_eq!(one.all("select a from u where d = 'y'"), ["2"]);
    one.ok("commit");
    assert_eq!(one.all("select a from u where d = 'y'"), ["2"]);
    assert_eq!(one.all("select a from u order by a"), ["1", "2"]);
}
