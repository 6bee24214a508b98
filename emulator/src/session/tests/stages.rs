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
