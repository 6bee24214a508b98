//! Objects made, replaced, altered, dropped and brought back.

use super::support::Fixture;

#[test]
fn tables_say_what_happened() {
    let fixture = Fixture::new();
    let client = fixture.client_in("d");
    for (sql, status) in [
        (
            "create table t (a int, b varchar(10))",
            "Table T successfully created.",
        ),
        (
            "create table if not exists t (a int)",
            "T already exists, statement succeeded.",
        ),
        (
            "create or replace table t (a int, b varchar(10))",
            "Table T successfully created.",
        ),
        (
            "create table u as select 1 x, 'a' y",
            "Table U successfully created.",
        ),
        ("create table v like t", "Table V successfully created."),
        ("create table w clone u", "Table W successfully created."),
        (
            "create view vw as select a from t",
            "View VW successfully created.",
        ),
        (
            "create view if not exists vw as select 1 b",
            "VW already exists, statement succeeded.",
        ),
        (
            "create or replace view vw as select b from t",
            "View VW successfully created.",
        ),
        ("create sequence s start 5", "Sequence S successfully created."),
        ("create schema x", "Schema X successfully created."),
        ("use schema d.public", "Statement executed successfully."),
        (
            "alter table t add column c date",
            "Statement executed successfully.",
        ),
        (
            "drop table if exists nope",
            "Drop statement executed successfully (NOPE already dropped).",
        ),
        ("drop view vw", "VW successfully dropped."),
        ("drop sequence s", "S successfully dropped."),
        ("drop table u", "U successfully dropped."),
        ("undrop table u", "Table U successfully restored."),
        ("drop schema x", "X successfully dropped."),
        ("undrop schema x", "Schema X successfully restored."),
        ("truncate table u", "Statement executed successfully."),
        ("create database e", "Database E successfully created."),
        ("drop database e", "E successfully dropped."),
        ("undrop database e", "Database E successfully restored."),
        (
            "create warehouse wh with warehouse_size = medium",
            "Warehouse WH successfully created.",
        ),
        ("alter warehouse wh suspend", "Statement executed successfully."),
        ("drop warehouse wh", "WH successfully dropped."),
        ("create role r", "Role R successfully created."),
        (
            "grant select on table d.public.t to role r",
            "Statement executed successfully.",
        ),
        ("drop role r", "R successfully dropped."),
        (
            "comment on table d.public.t is 'hello'",
            "Statement executed successfully.",
        ),
    ] {
        assert_eq!(client.one(sql), status, "{sql}");
    }
}

#[test]
fn what_cannot_be_done_is_said_in_snowflakes_words() {
    let fixture = Fixture::new();
    let client = fixture.client_in("d");
    client.ok("create table t (a int)");
    client.ok("create view v as select 1 a");
    for (sql, code, sql_state, detail) in [
        (
            "create table t (a int)",
            "002002",
            "42710",
            "Object 'T' already exists.",
        ),
        (
            "create or replace table v (a int)",
            "001998",
            "42710",
            "Object 'V' already exists as VIEW",
        ),
        (
            "drop table nope",
            "002003",
            "42S02",
            "Table 'NOPE' does not exist or not authorized.",
        ),
        (
            "drop view t",
            "002203",
            "02000",
            "Object found is of type 'TABLE', specified type 'VIEW' not valid.",
        ),
        (
            "select * from nope",
            "002003",
            "42S02",
            "Object 'NOPE' does not exist or not authorized.",
        ),
        (
            "create table e.s.t (a int)",
            "002003",
            "02000",
            "Database 'E' does not exist or not authorized.",
        ),
        (
            "create table d.s.t (a int)",
            "002003",
            "02000",
            "Schema 'D.S' does not exist or not authorized.",
        ),
        (
            "create database d",
            "002002",
            "42710",
            "Object 'D' already exists.",
        ),
        (
            "drop database nope",
            "002003",
            "02000",
            "Database 'NOPE' does not exist or not authorized.",
        ),
        (
            "describe table nope",
            "002003",
            "42S02",
            "Table 'NOPE' does not exist or not authorized.",
        ),
        (
            "create pipe p as select 1",
            "001003",
            "42000",
            "syntax error line 1 at position 7 unexpected 'pipe'.",
        ),
    ] {
        let error = client.error(sql);
        assert_eq!((error.code, error.sql_state), (code, sql_state), "{sql}: {error}");
        assert_eq!(
            error.message,
            format!("SQL compilation error:\n{detail}"),
            "{sql}"
        );
    }
    let error = client.error("drop database snowflake_sample_data");
    assert_eq!((error.code, error.sql_state), ("003001", "42501"));
    let error = client.error("insert into snowflake_sample_data.tpch_sf001.region values (1, 'x', 'y')");
    assert_eq!((error.code, error.sql_state), ("003001", "42501"));
}

#[test]
fn a_table_may_be_replaced_from_itself() {
    let fixture = Fixture::new();
    let client = fixture.client_in("d");
    client.ok("create table t as select 1 a");
    client.ok("create or replace table t as select a + 1 a, 'x' b from t");
    assert_eq!(client.one("select * from t"), "2|x");
    client.ok("create or replace table t as select * from t union all select 9, 'y'");
    assert_eq!(client.all("select * from t order by a"), ["2|x", "9|y"]);
    // The replaced one waits for UNDROP.
    client.ok("alter table t rename to t2");
    client.ok("undrop table t");
    assert_eq!(client.one("select * from t"), "2|x");
}

#[test]
fn temporary_tables_hide_permanent_ones() {
    let fixture = Fixture::new();
    let (one, two) = (fixture.client_in("d"), fixture.client_in("d"));
    one.ok("create table t as select 'permanent' a");
    one.ok("create temporary table t as select 'temporary' a");
    assert_eq!(one.one("select * from t"), "temporary");
    assert_eq!(two.one("select * from t"), "permanent");
    one.ok("insert into t values ('more')");
    assert_eq!(one.one("select count(*) from d.public.t"), "2");
    assert!(
        one.all("show tables like 't'")
            .iter()
            .any(|row| row.contains("TEMPORARY"))
    );
    assert_eq!(two.all("show tables like 't'").len(), 1);
    one.ok("drop table t");
    assert_eq!(one.one("select * from t"), "permanent");
    one.ok("create or replace temp table x (a int)");
    one.ok("create or replace temp table x (a int, b int)");
    assert_eq!(one.all("describe table x").len(), 2);
}

#[test]
fn columns_are_altered() {
    let fixture = Fixture::new();
    let client = fixture.client_in("d");
    client.ok("create table t (a int not null, b varchar(5) default 'x', c number(10,2))");
    client.ok("insert into t (a, c) values (1, 2.5)");
    client.ok("alter table t add column e date");
    client.ok("alter table t rename column b to f");
    client.ok("alter table t drop column c");
    assert_eq!(client.one("select * from t"), "1|x|NULL");
    let described: Vec<String> = client
        .all("desc table t")
        .iter()
        .map(|row| row.split('|').take(4).collect::<Vec<_>>().join("|"))
        .collect();
    assert_eq!(
        described,
        [
            "A|NUMBER(38,0)|COLUMN|N",
            "F|VARCHAR(5)|COLUMN|Y",
            "E|DATE|COLUMN|Y"
        ]
    );
    assert_eq!(client.error("alter table t add column a int").code, "001430");
    client.ok("create table u (z int)");
    client.ok("alter table t swap with u");
    assert_eq!(client.all("desc table u").len(), 3);
    assert_eq!(client.all("select * from t"), Vec::<String>::new());
}

#[test]
fn names_may_differ_by_case_only() {
    let fixture = Fixture::new();
    let client = fixture.client_in("d");
    client.ok("create table \"t\" (\"a\" int, \"A\" int)");
    client.ok("create table t (x int)");
    client.ok("insert into \"t\" values (1, 2)");
    assert_eq!(client.one("select \"a\", a from \"t\""), "1|2");
    let output = client.output("select \"a\" from \"t\"");
    assert_eq!(output.columns[0].name, "a");
    assert_eq!(client.all("select * from t"), Vec::<String>::new());
    client.ok("create schema \"my.schema\"");
    client.ok("create table \"my.schema\".\"x y\" as select 1 a");
    assert_eq!(client.one("select * from d.\"my.schema\".\"x y\""), "1");
}

#[test]
fn a_dropped_database_is_out_of_reach() {
    let fixture = Fixture::new();
    let client = fixture.client_in("d");
    client.ok("create table t as select 1 a");
    client.ok("create database other");
    client.ok("drop database d");
    assert_eq!(client.error("select * from d.public.t").code, "002003");
    assert!(client.all("show databases like 'd'").is_empty());
    client.ok("undrop database d");
    assert_eq!(client.one("select * from d.public.t"), "1");
    client.ok("drop database d");
    client.ok("create database d");
    assert_eq!(client.error("select * from d.public.t").code, "002003");
    client.ok("drop database d");
    let context = client.session.context();
    assert_eq!((context.database, context.schema), (None, None));
}

#[test]
fn data_stays_on_disk_and_belongs_to_one_process() {
    let folder = std::env::temp_dir().join(format!("emulator-test-{}", uuid::Uuid::new_v4()));
    let config = crate::session::InstanceConfig {
        data: Some(folder.clone()),
        ..crate::session::InstanceConfig::in_memory()
    };
    {
        let fixture = Fixture::open(&config);
        let client = fixture.client_in("d");
        client.ok("create table t (a int, v variant)");
        client.ok("create view w as select a + 1 b from t");
        client.ok("insert into t select 1, parse_json('{\"k\": 2}')");
        let Err(refused) = crate::session::Instance::open(&config) else {
            panic!("opened twice")
        };
        assert!(
            refused.to_string().contains("another emulator is running on it"),
            "{refused}"
        );
        client.runtime.block_on(client.session.close());
    }
    let fixture = Fixture::open(&config);
    let client = fixture.client();
    assert_eq!(client.one("select * from d.public.w"), "2");
    assert_eq!(client.one("select v:k from d.public.t"), "2");
    drop((client, fixture));
    std::fs::remove_dir_all(&folder).unwrap();
}

#[test]
fn sequences_of_older_catalogs_tell_their_next_value() {
    let folder = tempfile::tempdir().unwrap();
    let config = crate::session::InstanceConfig {
        data: Some(folder.path().to_owned()),
        ..crate::session::InstanceConfig::in_memory()
    };
    {
        let fixture = Fixture::open(&config);
        let client = fixture.client_in("d");
        client.ok("create sequence \"Q q\" start 5 increment 5");
        assert_eq!(client.one("select \"Q q\".nextval"), "5");
        client.runtime.block_on(client.session.close());
        // As version 3 left it.
        let mut connection = fixture.instance.shared.engine.connect().unwrap();
        for column in ["is_ordered", "engine_schema", "engine_name"] {
            let sql = format!("ALTER TABLE snowflake_catalog.sequences DROP COLUMN {column}");
            connection.execute(&sql).unwrap();
        }
        connection
            .execute("UPDATE snowflake_catalog.version SET number = 3")
            .unwrap();
        connection
            .execute("DROP VIEW \"D.INFORMATION_SCHEMA\".\"STAGES\"")
            .unwrap();
    }
    let fixture = Fixture::open(&config);
    let client = fixture.client_in("d");
    assert_eq!(
        client.all("select sequence_name, next_value, ordered from information_schema.sequences"),
        ["Q q|10|NO"]
    );
    assert_eq!(client.one("select count(*) from information_schema.stages"), "0");
    client.ok("alter sequence \"Q q\" set increment 2 order");
    assert_eq!(client.one("select \"Q q\".nextval"), "10");
    assert_eq!(client.one("select \"Q q\".nextval"), "12");
}

#[test]
fn copies_keep_constraints_and_defaults() {
    let fixture = Fixture::new();
    let client = fixture.client_in("d");
    client.ok("create table t (a int not null, b varchar(3) default 'x', v variant)");
    client.ok("insert into t (a) values (1)");
    client.ok("create table l like t");
    client.ok("create table c clone t");
    client.ok("create temporary table tc clone t");
    for table in ["l", "c", "tc"] {
        assert_eq!(
            client
                .error(&format!("insert into {table} (a) values (null)"))
                .code,
            "100072",
            "{table}"
        );
        assert_eq!(
            client
                .error(&format!("insert into {table} (a, b) values (1, 'long')"))
                .code,
            "100078",
            "{table}"
        );
        client.ok(&format!("insert into {table} (a) values (5)"));
    }
    assert_eq!(client.all("select a, b from l"), ["5|x"]);
    assert_eq!(client.all("select a, b from c order by a"), ["1|x", "5|x"]);
    assert_eq!(client.all("desc table c").len(), 3);
    // A clone may take the place of its own source.
    client.ok("create or replace table t clone t");
    assert_eq!(client.all("select a, b from t"), ["1|x"]);
}

#[test]
fn tables_and_views_are_made_from_sample_data() {
    let fixture = Fixture::new();
    let client = fixture.client_in("d");
    client.ok("create table n as select * from snowflake_sample_data.tpch_sf001.nation");
    client.ok("create view r as select r_name from snowflake_sample_data.tpch_sf001.region");
    client.ok("create table cl clone snowflake_sample_data.tpch_sf001.region");
    assert_eq!(
        client.one("select (select count(*) from n) + (select count(*) from r) + (select count(*) from cl)"),
        "35"
    );
}

#[test]
fn what_get_ddl_says_can_be_run() {
    let fixture = Fixture::new();
    let client = fixture.client_in("d");
    client.ok(
        r"create table t (a varchar default 'c:\\temp ''x''' comment 'a \\ b', n number default 1) comment = 'back\\slash'",
    );
    client.ok("create view \"v w\" (\"Lower\") as select a from t where a <> 'as'");
    client.ok(
        r"create file format f type = csv escape = '\\' skip_header = 1 field_delimiter = '\t' null_if = ('\\N', '')
          trim_space = true field_optionally_enclosed_by = '''' comment = 'it''s'",
    );
    client.ok("create sequence s start 5 increment 2");
    for (kind, name) in [
        ("view", "\"v w\""),
        ("table", "t"),
        ("file format", "f"),
        ("sequence", "s"),
    ] {
        let ask = format!("select get_ddl('{}', '{name}')", kind.replace(' ', "_"));
        let written = client.one(&ask);
        client.ok(&format!("drop {kind} {name}"));
        client.ok(&written);
        assert_eq!(client.one(&ask), written);
    }
    client.ok("insert into t (n) values (2)");
    assert_eq!(client.one("select a from t"), r"c:\temp 'x'");

    let ask = "select get_ddl('schema', 'public')";
    let written = client.one(ask);
    client.ok("drop schema public");
    for statement in written.split(";\n\n") {
        client.ok(statement);
    }
    assert_eq!(client.one(ask), written);
}
