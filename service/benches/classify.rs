//! What understanding a statement costs, for texts as people write them.
//!
//! `cargo bench -p snowflake-session --bench classify` prints nanoseconds for each; there is nothing to pass
//! or fail.

use std::hint::black_box;
use std::io::{self, Write as _};
use std::time::Instant;

use snowflake_session::domain::statement::class::classify;

const ROUNDS: u32 = 20_000;

fn main() -> io::Result<()> {
    let in_list = format!("select * from t where id in ({}0)", "12345, ".repeat(2_000));
    let texts = [
        ("literal", "select 1"),
        (
            "join",
            "select o.id, sum(o.total) from sales.public.orders o join customers c on c.id = o.customer_id \
             where o.total > 100 and c.region in ('EU', 'US') group by all order by 2 desc limit 10",
        ),
        (
            "delete",
            "delete from sales.public.orders where id = 5 and region = 'EU'",
        ),
        (
            "create",
            "create or replace table db.s.t (a int, b varchar(10) not null) cluster by (a)",
        ),
        (
            "chain",
            "show warehouses ->> select \"name\" from $1 where \"state\" = 'STARTED'",
        ),
        (
            "block",
            "begin let x int := 1; delete from t where id = :x; return x; end;",
        ),
        ("long list", in_list.as_str()),
    ];
    let mut out = io::stdout().lock();
    for (name, sql) in texts {
        let rounds = if sql.len() > 1_000 { ROUNDS / 100 } else { ROUNDS };
        let begin = Instant::now();
        for _ in 0..rounds {
            black_box(classify(black_box(sql)));
        }
        let nanos = begin.elapsed().as_nanos() / u128::from(rounds);
        writeln!(out, "{name:10} {nanos:>9} ns {:>7} bytes", sql.len())?;
    }
    Ok(())
}
