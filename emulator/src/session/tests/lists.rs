//! SHOW, DESCRIBE and INFORMATION_SCHEMA.

use super::support::{Client, Fixture};

fn names(client: &Client, sql: &str) -> Vec<String> {
    let output = client.output(sql);
    let at = output
        .columns
        .iter()
        .position(|column| column.name == "name")
        .unwrap();
    client
        .rows(output)
        .unwrap()
        .iter()
        .map(|row| row.split('|').nth(at).unwrap().to_owned())
        .collect()
}

#[test]
fn lists_are_filtered() {
    let fixture = Fixture::new();
    let client = fixture.client_in("d");
    assert_eq!(
        names(&client, "show databases"),
        ["D", "SNOWFLAKE", "SNOWFLAKE_SAMPLE_DATA"]
    );
    assert_eq!(
        names(&client, "show databases like 'snow%data'"),
        ["SNOWFLAKE_SAMPLE_DATA"]
    );
    assert_eq!(names(&client, "show schemas"), ["INFORMATION_SCHEMA", "PUBLIC"]);
    assert_eq!(
        names(
            &client,
            "show schemas in database snowflake_sample_data starts with 'TPCH_SF1' limit 1"
        ),
        ["TPCH_SF1"]
    );
    client.ok("create table t1 (a int)");
    client.ok("create table t2 (a int)");
    client.ok("create view v as select * from t1");
    assert_eq!(names(&client, "show tables"), ["T1", "T2"]);
    assert_eq!(
        names(&client, "show terse tables in account like 't_'"),
        ["T1", "T2"]
    );
    assert_eq!(names(&client, "show objects limit 2 from 'T1'"), ["T2", "V"]);
    assert_eq!(names(&client, "show views in d.public"), ["V"]);
    assert_eq!(names(&client, "show warehouses"), ["COMPUTE_WH"]);
    assert!(names(&client, "show roles").contains(&"SYSADMIN".to_owned()));
    let missing = client.error("show tables in schema nope");
    assert_eq!(missing.code, "002043");
    assert!(missing.message.contains("Object does not exist"), "{missing}");
    let terse = client.output("show terse tables");
    let columns: Vec<&str> = terse.columns.iter().map(|column| column.name.as_str()).collect();
    assert_eq!(
        columns,
        ["created_on", "name", "kind", "database_name", "schema_name"]
    );
    client.ok("drop table t2");
    assert_eq!(names(&client, "show tables"), ["T1"]);
    assert_eq!(names(&client, "show tables history"), ["T1", "T2"]);
}

#[test]
fn columns_are_described() {
    let fixture = Fixture::new();
    let client = fixture.client_in("d");
    client.ok(
        "create table t (id int autoincrement primary key, n number(10,2) not null, v varchar(20) comment 'c', \
         j variant, ts timestamp_ltz, b boolean default true)",
    );
    let described = client.all("describe table t");
    let short: Vec<String> = described
        .iter()
        .map(|row| row.split('|').take(2).collect::<Vec<_>>().join(" "))
        .collect();
    assert_eq!(
        short,
        [
            "ID NUMBER(38,0)",
            "N NUMBER(10,2)",
            "V VARCHAR(20)",
            "J VARIANT",
            "TS TIMESTAMP_LTZ(9)",
            "B BOOLEAN"
        ]
    );
    assert!(described[0].contains("|Y|"), "primary key: {}", described[0]);
    let shown = client.all("show columns in table t");
    assert!(
        shown[1].contains(r#"{"type":"FIXED","precision":10,"scale":2,"nullable":false}"#),
        "{}",
        shown[1]
    );
    assert_eq!(client.all("show primary keys in table t").len(), 1);
    assert_eq!(
        client.all(
            "select column_name, data_type, is_nullable from d.information_schema.columns \
             where table_name = 'T' order by ordinal_position limit 3"
        ),
        ["ID|NUMBER|NO", "N|NUMBER|NO", "V|TEXT|YES"]
    );
}

#[test]
fn information_schema_describes_its_database() {
    let fixture = Fixture::new();
    let client = fixture.client_in("d");
    client.ok("create table t as select 1 a");
    client.ok("create view v as select a from t");
    assert_eq!(
        client.all("select table_name, table_type from information_schema.tables order by 1"),
        ["T|BASE TABLE", "V|VIEW"]
    );
    assert_eq!(
        client.one("select row_count from information_schema.tables where table_name = 'T'"),
        "1"
    );
    assert_eq!(
        client.all("select schema_name from information_schema.schemata order by 1"),
        ["INFORMATION_SCHEMA", "PUBLIC"]
    );
    assert_eq!(
        client.one("select view_definition from information_schema.views"),
        "create view v as select a from t"
    );
    assert_eq!(
        client.one("select count(*) from snowflake_sample_data.information_schema.tables where table_schema = 'TPCH_SF1'"),
        "8"
    );
}

fn columns(client: &Client, sql: &str) -> Vec<String> {
    let output = client.output(sql);
    output.columns.into_iter().map(|column| column.name).collect()
}

/// Rows without their first column, which is a time.
fn timeless(client: &Client, sql: &str) -> Vec<String> {
    let rows = client.all(sql);
    let cut = |row: &String| row.split_once('|').map(|(_, rest)| rest.to_owned());
    rows.iter().filter_map(cut).collect()
}

#[test]
fn grants_are_remembered() {
    let fixture = Fixture::new();
    let client = fixture.client_in("d");
    client.ok("create role r");
    client.ok("create table t (a int)");
    client.ok("create view v as select a from t");
    client.ok("grant usage on database d to role r");
    client.ok("grant select, insert on all tables in schema d.public to role r");
    client.ok("grant select on future views in schema public to role r");
    let mut rows = timeless(&client, "show grants to role r");
    rows.sort();
    let granted = |privilege: &str, kind: &str, name: &str| {
        format!("{privilege}|{kind}|{name}|ROLE|R|false|ACCOUNTADMIN")
    };
    assert_eq!(
        rows,
        [
            granted("INSERT", "TABLE", "D.PUBLIC.T"),
            granted("SELECT", "TABLE", "D.PUBLIC.T"),
            granted("USAGE", "DATABASE", "D")
        ]
    );
    let own = "OWNERSHIP|TABLE|D.PUBLIC.T|ROLE|ACCOUNTADMIN|true|ACCOUNTADMIN";
    for sql in [
        "show grants on table t",
        "show grants on d.public.t",
        "show grants on table public.t",
    ] {
        let rows = timeless(&client, sql);
        assert_eq!(rows.len(), 3, "{sql}: {rows:?}");
        assert!(rows.contains(&own.to_owned()), "{sql}: {rows:?}");
    }
    assert_eq!(
        timeless(&client, "show future grants in schema d.public"),
        ["SELECT|VIEW|D.PUBLIC.<VIEW>|ROLE|R|false"]
    );
    assert_eq!(timeless(&client, "show future grants to role r").len(), 1);
    client.ok("revoke usage on database d from role r");
    client.ok("revoke insert on all tables in database d from role r");
    assert_eq!(client.all("show grants to role r").len(), 1);
    client.ok("grant ownership on view v to role r copy current grants");
    assert_eq!(
        timeless(&client, "show grants on view v"),
        ["OWNERSHIP|VIEW|D.PUBLIC.V|ROLE|R|true|R"]
    );
    for (sql, code) in [
        ("grant usage on database d to role nope", "002003"),
        ("show grants to role nope", "002003"),
        ("show grants on table nope", "002003"),
        ("revoke ownership on table t from role r", "000002"),
    ] {
        assert_eq!(client.error(sql).code, code, "{sql}");
    }
}

#[test]
fn roles_of_users_are_listed() {
    let fixture = Fixture::new();
    let client = fixture.client_in("d");
    client.ok("create role r");
    client.ok("grant role r to user ann");
    client.ok("grant role r to role sysadmin");
    let user = client.one("select current_user()");
    client.ok(&format!("grant role sysadmin to user {user}"));
    let names = ["created_on", "role", "granted_to", "grantee_name", "granted_by"];
    for sql in ["show grants of role r", "show grants to user ann", "show grants"] {
        assert_eq!(columns(&client, sql), names, "{sql}");
    }
    assert_eq!(
        timeless(&client, "show grants of role r"),
        ["R|USER|ANN|ACCOUNTADMIN", "R|ROLE|SYSADMIN|ACCOUNTADMIN"]
    );
    assert_eq!(
        timeless(&client, "show grants"),
        [format!("SYSADMIN|USER|{user}|ACCOUNTADMIN")]
    );
    // Who is logged in, and who was granted something.
    let users = self::names(&client, "show users");
    assert!(
        users.contains(&user) && users.contains(&"ANN".to_owned()),
        "{users:?}"
    );
    assert_eq!(self::names(&client, "show users like 'an_'"), ["ANN"]);
    assert_eq!(
        self::names(&client, "show terse users starts with 'AN' limit 1"),
        ["ANN"]
    );
    assert_eq!(columns(&client, "show users").len(), 30);
    assert_eq!(columns(&client, "show terse users").len(), 13);
}

#[test]
fn what_is_not_there_has_empty_lists() {
    let fixture = Fixture::new();
    let client = fixture.client_in("d");
    for (sql, count, some) in [
        ("show streams", 15, "stale_after"),
        ("show terse streams in account", 6, "tableOn"),
        ("show tasks like 'a%' in schema d.public", 22, "predecessors"),
        ("show terse tasks in database d root only", 6, "schedule"),
        ("show pipes in database d", 14, "definition"),
        ("show procedures like 'p' in schema public", 16, "arguments"),
        ("show user functions in account", 20, "is_memoizable"),
        ("show external functions", 20, "language"),
        (
            "show external tables starts with 'A' limit 5",
            19,
            "file_format_type",
        ),
        (
            "show dynamic tables like 't' in schema d.public",
            21,
            "target_lag",
        ),
        ("show terse dynamic tables", 5, "kind"),
        ("show materialized views", 23, "behind_by"),
        ("show secrets in account", 9, "secret_type"),
        ("show storage integrations like 's'", 6, "category"),
        ("show shares", 10, "owner_account"),
        ("show tags in schema public", 8, "allowed_values"),
        ("show masking policies", 9, "kind"),
        ("show network policies", 7, "entries_in_allowed_ip_list"),
        ("show alerts", 12, "action"),
        ("show streamlits", 10, "url_id"),
    ] {
        let found = columns(&client, sql);
        assert_eq!(found.len(), count, "{sql}: {found:?}");
        assert!(found.contains(&some.to_owned()), "{sql}: {found:?}");
        assert_eq!(client.all(sql).len(), 0, "{sql}");
    }
    assert_eq!(client.error("show streams in schema nope").code, "002043");
    assert_eq!(client.error("show tasks in database nope").code, "002043");
    assert_eq!(client.error("show locks").code, "000002");
    assert_eq!(client.error("show nonsense").code, "001003");
    assert_eq!(client.error("show tables to role r").code, "001003");
}

#[test]
fn sequences_schemas_and_databases_are_described() {
    let fixture = Fixture::new();
    let client = fixture.client_in("d");
    client.ok("create sequence q start 5 increment 2 comment = 'c'");
    client.ok("create table t (a int, b int, primary key (b))");
    client.ok("create view v as select a from t");
    client.ok("create stage s");
    client.ok("create file format f type = csv");
    let short = |sql: &str, from: usize, count: usize| -> Vec<String> {
        let rows = client.all(sql);
        let cut = |row: &String| {
            row.split('|')
                .skip(from)
                .take(count)
                .collect::<Vec<_>>()
                .join(" ")
        };
        rows.iter().map(cut).collect()
    };
    assert_eq!(short("desc sequence q", 0, 5), ["Q D PUBLIC 5 2"]);
    assert_eq!(
        client.all("desc sequence d.public.q"),
        client.all("show sequences")
    );
    assert_eq!(
        short("describe schema public", 1, 2),
        ["F FILE_FORMAT", "Q SEQUENCE", "S STAGE", "T TABLE", "V VIEW"]
    );
    assert_eq!(
        short("desc database d", 1, 2),
        ["INFORMATION_SCHEMA SCHEMA", "PUBLIC SCHEMA"]
    );
    for (sql, kind) in [
        ("desc sequence x", "Sequence"),
        ("desc schema x", "Schema"),
        ("desc database x", "Database"),
    ] {
        let error = client.error(sql);
        assert_eq!((error.code, error.sql_state), ("002003", "02000"), "{sql}");
        assert!(
            error.message.contains(&format!("{kind} 'X' does not exist")),
            "{error}"
        );
    }
    // A key's columns take no NULL, wherever the key is written.
    assert_eq!(short("desc table t", 3, 1), ["Y", "N"]);
    assert_eq!(client.error("insert into t values (1, null)").code, "100072");
}
