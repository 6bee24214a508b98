//! Files of stages: what is loaded from them and written to them.

use super::support::Fixture;
use crate::catalog::names::literal;
use crate::catalog::tables::CATALOG_SCHEMA;
use crate::stages::Area;

const NOTHING_LOADED: &str = "Copy executed with 0 files processed.";

#[test]
fn a_load_that_an_earlier_version_recorded_is_known() {
    let fixture = Fixture::new();
    let client = fixture.client_in("d");
    client.ok("create table t (a int)");
    client.ok("copy into @~/a.csv from (select 1) file_format = (type = csv) single = true");
    client.ok("copy into t from @~ file_format = (type = csv)");
    let shared = &fixture.instance.shared;
    let files = shared.store.list(&Area::user("TESTER"), "").unwrap();
    let md5 = literal(&shared.store.md5(&files[0]).unwrap());
    let mut connection = shared.engine.connect().unwrap();
    let changed = connection
        .execute(&format!("UPDATE {CATALOG_SCHEMA}.loads SET digest = {md5}"))
        .unwrap();
    assert_eq!(changed, 1);
    let load = "copy into t from @~ file_format = (type = csv)";
    assert_eq!(client.one(load), NOTHING_LOADED);
    client.ok("copy into @~/a.csv from (select 2) file_format = (type = csv) single = true overwrite = true");
    client.ok(load);
    assert_eq!(client.one(load), NOTHING_LOADED);
    assert_eq!(client.all("select a from t order by a"), ["1", "2"]);
}

#[test]
fn columns_of_one_name_are_unloaded_each() {
    let fixture = Fixture::new();
    let client = fixture.client_in("d");
    client.ok("create table o as select 1 id, 7 c");
    client.ok("create table c as select 7 id");
    let joined = "(select o.id, c.id from o join c on c.id = o.c)";
    client.ok(&format!(
        "copy into @~/twice.csv from {joined} file_format = (type = csv compression = none) single = true header = true"
    ));
    let all = "select $1, $2 from @~/twice.csv";
    assert_eq!(client.all(all), ["ID|ID", "1|7"]);
    client.ok(&format!(
        "copy into @~/twice.parquet from {joined} file_format = (type = parquet) single = true"
    ));
    client.ok("create file format pq type = parquet");
    let values = "select $1:_COL_0::int, $1:_COL_1::int from @~/";
    assert_eq!(
        client.one(&format!("{values}twice.parquet (file_format => 'pq')")),
        "1|7"
    );
    for kind in ["csv", "parquet"] {
        client.ok(&format!(
            "copy into @~/parts_{kind}/ from {joined} partition by ('x') file_format = (type = {kind})"
        ));
    }
    assert_eq!(client.one("select $1, $2 from @~/parts_csv/"), "1|7");
    assert_eq!(
        client.one(&format!("{values}parts_parquet/ (file_format => 'pq')")),
        "1|7"
    );
}

#[test]
fn columns_that_differ_in_case_are_one_when_it_is_ignored() {
    let fixture = Fixture::new();
    let client = fixture.client_in("d");
    client.ok("create file format js type = json");
    client.ok("create file format headed type = csv parse_header = true");
    client.ok(
        "copy into @~/rows.json from (select parse_json(column1) from values ('{\"a\":1}'), ('{\"A\":\"x\"}')) \
         file_format = (type = json compression = none) single = true",
    );
    let inferred = |location: &str, format: &str| {
        format!(
            "select column_name, type, expression from table(infer_schema(location => '@~/{location}', \
             file_format => '{format}', ignore_case => true)) order by order_id"
        )
    };
    assert_eq!(
        client.all(&inferred("rows.json", "js")),
        ["A|TEXT|GET_IGNORE_CASE ($1, 'A')::TEXT"]
    );
    for (file, columns) in [
        ("1", "1 as \"a\", 'x' as b"),
        ("2", "2 as a, true as c, 'y' as \"b\""),
    ] {
        client.ok(&format!(
            "copy into @~/headed/{file}.csv from (select {columns}) \
             file_format = (type = csv compression = none) single = true header = true"
        ));
    }
    assert_eq!(
        client.all(&inferred("headed/", "headed")),
        [
            "A|NUMBER(1, 0)|$1::NUMBER(1, 0)",
            "B|TEXT|$2::TEXT",
            "C|BOOLEAN|$2::BOOLEAN"
        ]
    );
}
