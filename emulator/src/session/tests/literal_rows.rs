//! INSERT of many rows of literals, which takes another way than one of a few rows.

use super::support::Fixture;

const COLUMNS: &str = "k int, amount number(12,2), name varchar(5), score double, at timestamp_ntz, day date, \
                       flag boolean, more variant";

fn row(number: i32, name: &str) -> String {
    format!(
        "({number}, -{number}.125, {name}, 0.5, '2024-01-0{} 10:00:00.5', '2024-02-29', true, null)",
        number % 9 + 1
    )
}

fn rows(count: i32, name: &str) -> String {
    let rows: Vec<String> = (0..count).map(|number| row(number, name)).collect();
    rows.join(", ")
}

#[test]
fn many_rows_are_what_single_rows_are() {
    let fixture = Fixture::new();
    let client = fixture.client_in("d");
    client.ok(&format!("create table many ({COLUMNS})"));
    client.ok(&format!("create table single ({COLUMNS})"));
    let output = client.output(&format!("insert into many values {}", rows(100, "'a''é'")));
    assert_eq!(client.rows(output).unwrap(), ["100"]);
    for number in 0..100 {
        client.ok(&format!("insert into single values {}", row(number, "'a''é'")));
    }
    let all = |table: &str| client.all(&format!("select * from {table} order by k"));
    assert_eq!(all("many"), all("single"));
    assert_eq!(all("many").len(), 100);
    client.ok(&format!("insert overwrite into many values {}", rows(70, "null")));
    assert_eq!(client.all("select count(*), count(name) from many"), ["70|0"]);
    // Columns in another order, the rest by default.
    let values: Vec<String> = (0..80).map(|number| format!("('n', {number})")).collect();
    client.ok(&format!(
        "insert into many (name, k) values {}",
        values.join(", ")
    ));
    assert_eq!(
        client.all("select count(*), sum(k) from many where name = 'n'"),
        ["80|3160"]
    );
}

#[test]
fn many_rows_fail_as_few_do() {
    let fixture = Fixture::new();
    let client = fixture.client_in("d");
    client.ok(&format!("create table t ({COLUMNS})"));
    for wrong in [
        "(1, 1, 'too long', 1, null, null, null, null)",
        "('x', 1, 'a', 1, null, null, null, null)",
        "(1, 99999999999, 'a', 1, null, null, null, null)",
        "(1, 1, 'a', 1, '2024-13-01', null, null, null)",
        "(1, 1, 'a', 1, null, 'yesterday', null, null)",
        "(1, 1, 'a')",
    ] {
        let few = client.error(&format!("insert into t values {wrong}"));
        let many = [wrong; 80].join(", ");
        let many = client.error(&format!("insert into t values {many}"));
        assert_eq!((many.code, many.message), (few.code, few.message), "{wrong}");
    }
    assert_eq!(client.all("select count(*) from t"), ["0"]);
}

#[test]
fn what_is_no_literal_is_evaluated() {
    let fixture = Fixture::new();
    let client = fixture.client_in("d");
    client.ok("create table t (k int, a varchar)");
    let values: Vec<String> = (0..80).map(|number| format!("({number} + 1, 1.50)")).collect();
    client.ok(&format!("insert into t values {}", values.join(", ")));
    assert_eq!(
        client.all("select sum(k), min(a), max(a) from t"),
        ["3240|1.50|1.50"]
    );
}
