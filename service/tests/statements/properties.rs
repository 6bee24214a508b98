//! Properties that hold for generated texts.

use proptest::collection::vec;
use proptest::option;
use proptest::prelude::*;
use proptest::sample::select;
use proptest::test_runner::{Config, RngSeed};
use snowflake_session::domain::statement::class::{Statement, classify};

use crate::pieces::{Piece, pieces};

/// The same texts on every machine and every day; failures are written down as cases of the corpus.
fn config(cases: u32) -> Config {
    Config {
        cases,
        rng_seed: RngSeed::Fixed(20_260_101),
        failure_persistence: None,
        ..Config::default()
    }
}

fn name() -> impl Strategy<Value = String> {
    let part = prop_oneof![
        select(vec![
            "t", "orders", "Customer", "x1", "_a$b", "straße", "comment", "call", "begin"
        ])
        .prop_map(str::to_owned),
        "[A-Za-z '.;/-]{1,8}".prop_map(|text| format!("\"{text}\"")),
    ];
    vec(part, 1..4).prop_map(|parts| parts.join("."))
}

fn literal() -> impl Strategy<Value = String> {
    prop_oneof![
        (0..1000_u32).prop_map(|number| number.to_string()),
        "[a-z ;(){}@\"]{0,10}".prop_map(|text| format!("'{text}'")),
        select(vec![
            "null",
            "true",
            "'it''s'",
            r"'a\'b'",
            "$$ ; ' -- $$",
            "date '2024-01-01'",
            "1.5e-3",
            "?",
            ":1",
            "$v"
        ])
        .prop_map(str::to_owned),
    ]
}

fn expression() -> impl Strategy<Value = String> {
    let leaf = prop_oneof![
        literal(),
        name(),
        select(vec!["*", "t.*", "v:a.b[0]::string"]).prop_map(str::to_owned)
    ];
    leaf.prop_recursive(4, 24, 3, |inner| {
        prop_oneof![
            (
                inner.clone(),
                select(vec!["+", "=", "<>", "and", "or", "||", "like"]),
                inner.clone()
            )
                .prop_map(|(left, operator, right)| format!("({left} {operator} {right})")),
            (
                select(vec![
                    "count",
                    "sum",
                    "coalesce",
                    "iff",
                    "insert",
                    "truncate",
                    "system$typeof"
                ]),
                vec(inner.clone(), 0..3)
            )
                .prop_map(|(function, arguments)| format!("{function}({})", arguments.join(", "))),
            inner
                .clone()
                .prop_map(|inner| format!("case when {inner} then 1 else 2 end")),
            inner.clone().prop_map(|inner| format!("{inner}::varchar")),
            inner.prop_map(|inner| format!("x in (select {inner} from u)")),
        ]
    })
}

fn table() -> impl Strategy<Value = String> {
    prop_oneof![
        4 => name(),
        1 => Just("@st/path/x.csv".to_owned()),
        1 => Just("table(generator(rowcount => 5)) g".to_owned()),
        1 => Just("(select 1 as a) s".to_owned()),
        1 => Just("lateral flatten(input => v) f".to_owned()),
        1 => Just("identifier($t)".to_owned()),
        1 => Just("values (1, 2)".to_owned()),
    ]
}

fn query() -> impl Strategy<Value = String> {
    (
        option::of(vec((select(vec!["a", "b", "\"C d\""]), expression()), 1..3)),
        vec(expression(), 1..4),
        option::of(vec(table(), 1..4)),
        option::of(expression()),
        option::of(select(vec![
            "group by all",
            "order by 1 desc",
            "limit 10",
            "qualify row_number() over (order by 1) = 1",
        ])),
        option::of(expression()),
    )
        .prop_map(|(ctes, columns, tables, condition, tail, other)| {
            let ctes = ctes.map(|ctes| {
                let ctes: Vec<String> = ctes
                    .iter()
                    .map(|(name, body)| format!("{name} as (select {body} from t)"))
                    .collect();
                format!("with {} ", ctes.join(", "))
            });
            let parts = [
                ctes,
                Some(format!("select {}", columns.join(", "))),
                tables.map(|tables| format!(" from {}", tables.join(" cross join "))),
                condition.map(|condition| format!(" where {condition}")),
                tail.map(|tail| format!(" {tail}")),
                other.map(|other| format!(" union all select {other}")),
            ];
            parts.into_iter().flatten().collect::<String>()
        })
}

fn blank() -> impl Strategy<Value = &'static str> {
    select(vec![" ", "\n", " /* c; ' */ ", " -- c; '\n", "\t// \"\r\n"])
}

fn write() -> impl Strategy<Value = String> {
    (
        select(vec![
            "insert into",
            "delete from",
            "update",
            "merge into",
            "truncate table",
            "copy into",
            "drop table",
            "create or replace table",
            "alter table",
            "grant select on table",
            "call",
            "execute task",
        ]),
        name(),
        select(vec![
            "",
            " where 1",
            " set a = 1",
            " (a int)",
            " using u on true",
            " values (1)",
            " from @s",
        ]),
    )
        .prop_map(|(verb, name, rest)| format!("{verb} {name}{rest}"))
}

/// Fails when the statements do not cover everything but blanks, comments and semicolons, in order.
fn assert_covers(sql: &str, statements: &[Statement]) -> Result<(), TestCaseError> {
    let mut at = 0;
    let doubted = statements
        .iter()
        .flat_map(|statement| &statement.links)
        .any(|link| link.doubt.is_some());
    for statement in statements {
        prop_assert!(at <= statement.span.start && statement.span.start <= statement.span.end);
        prop_assert!(statement.span.end <= sql.len());
        let between = &sql[at..statement.span.start];
        let lost = pieces(between.trim_start_matches('\u{feff}'))
            .into_iter()
            .find(|piece| !matches!(piece, Piece::Blank(_) | Piece::Mark(";")));
        prop_assert!(
            lost.is_none() || doubted,
            "{lost:?} is in no statement of {sql:?}"
        );
        at = statement.span.end;
        let mut link_at = statement.span.start;
        for link in &statement.links {
            prop_assert!(
                link_at <= link.span.start && link.span.end <= statement.span.end.max(link.span.end)
            );
            link_at = link.span.end;
        }
    }
    Ok(())
}

proptest! {
    #![proptest_config(config(2_000))]

    #[test]
    fn ordinary_reads_are_reads(sql in query()) {
        let statements = classify(&sql);
        prop_assert!(statements.len() == 1 && statements[0].is_read(), "{:?} for {sql}", statements);
    }

    #[test]
    fn a_write_is_found_wherever_it_stands(
        reads in vec(query(), 0..3),
        write in write(),
        place in 0..3_usize,
        separator in select(vec![";", "->>", ";\n;"]),
        blank in blank(),
    ) {
        let mut parts = reads;
        parts.insert(place.min(parts.len()), write);
        let sql = parts.join(&format!("{blank}{separator}{blank}"));
        let statements = classify(&sql);
        prop_assert!(!statements.iter().all(Statement::is_read), "{sql}");
        assert_covers(&sql, &statements)?;
    }

    #[test]
    fn a_prefix_of_names_does_not_make_a_write_a_read(body in query(), write in write(), blank in blank()) {
        let sql = format!("with{blank}a as{blank}({body}){blank}{write}");
        prop_assert!(!classify(&sql)[0].is_read(), "{sql}");
    }
}

proptest! {
    #![proptest_config(config(5_000))]

    #[test]
    fn any_text_is_taken(sql in "\\PC*") {
        assert_covers(&sql, &classify(&sql))?;
    }

    #[test]
    fn any_sequence_of_odd_characters_is_taken(
        sql in vec(select(vec![
            "'", "\"", "$", "$$", "@", "~", "/", "*", "-", ">", ";", "(", ")", "[", "\\", "\n", "\r", "\0", " ", ".", ",",
            ":", "!", "%", "a", "ß", "\u{feff}", "\u{2028}", "begin", "end", "with", "select", "as", "delete",
        ]), 0..40)
    ) {
        let sql = sql.concat();
        assert_covers(&sql, &classify(&sql))?;
    }
}
