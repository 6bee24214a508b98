//! Aggregate functions.
//!
//! `FILTER`, `DISTINCT` and `OVER` of the call go to every engine aggregate that stands for it. `AVG` is a
//! quotient, because Snowflake's is exact where the engine's is a float.

use sqlparser::ast::{
    DuplicateTreatment, Expr, Function, FunctionArg, FunctionArgExpr, FunctionArgumentClause,
    FunctionArgumentList, FunctionArguments, OrderByExpr, WindowType,
};

use super::super::build::{binary, call, case, either, integer, is_null, nested, null, raw, raw_name, text};
use super::super::expressions::Work;
use super::super::kinds::Kind;
use super::super::refuse::{argument_count, syntax, unsupported};
use super::Call;
use crate::contract::SqlError;

/// Lowers an aggregate; `None` when the call is none.
pub(super) fn lower(function: &mut Call, work: &Work<'_>) -> Result<Option<Expr>, SqlError> {
    let name = function.name.clone();
    let is_decfloat = || matches!(function.args.as_slice(), [value] if work.kind(value) == Kind::DecFloat);
    Ok(Some(match name.as_str() {
        "COUNT" => count(function)?,
        "SUM" if is_decfloat() => of_decfloats(function, "sf_decfloat_sum")?,
        "AVG" if is_decfloat() => of_decfloats(function, "sf_decfloat_avg")?,
        "SUM" | "MIN" | "MAX" | "ANY_VALUE" | "MODE" | "STDDEV_POP" | "VAR_POP" | "CORR" | "COVAR_POP"
        | "COVAR_SAMP" | "REGR_AVGX" | "REGR_AVGY" | "REGR_COUNT" | "REGR_INTERCEPT" | "REGR_R2"
        | "REGR_SLOPE" | "REGR_SXX" | "REGR_SXY" | "REGR_SYY" => same(function, &name.to_lowercase())?,
        "STDDEV" | "STDDEV_SAMP" => same(function, "stddev_samp")?,
        "VARIANCE" | "VAR_SAMP" | "VARIANCE_SAMP" => same(function, "var_samp")?,
        "VARIANCE_POP" => same(function, "var_pop")?,
        "KURTOSIS" => same(function, "kurtosis")?,
        "SKEW" => same(function, "skewness")?,
        "APPROX_COUNT_DISTINCT" | "HLL" => {
            let args = std::mem::take(&mut function.args);
            distinct(function, "count", args)
        }
        "AVG" => {
            let [value] = function.exactly()?;
            let total = aggregate(function, "sum", vec![value.clone()]);
            let rows = aggregate(function, "count", vec![value]);
            call("sf_avg_div", vec![total, rows])
        }
        "COUNT_IF" => {
            let [condition] = function.exactly()?;
            aggregate(function, "count", vec![case(vec![(condition, integer(1))], None)])
        }
        "BOOLAND_AGG" => boolean(function, "bool_and")?,
        "BOOLOR_AGG" => boolean(function, "bool_or")?,
        "BOOLXOR_AGG" => {
            let [value] = function.exactly()?;
            let value = call("sf_to_boolean", vec![value]);
            let present = aggregate(function, "count", vec![value.clone()]);
            let truths = aggregate(function, "count", vec![case(vec![(value, integer(1))], None)]);
            let is_one = binary(truths, sqlparser::ast::BinaryOperator::Eq, integer(1));
            either(
                binary(present, sqlparser::ast::BinaryOperator::Eq, integer(0)),
                null(),
                is_one,
            )
        }
        "BITAND_AGG" | "BIT_AND_AGG" | "BITANDAGG" => bits(function, "bit_and")?,
        "BITOR_AGG" | "BIT_OR_AGG" | "BITORAGG" => bits(function, "bit_or")?,
        "BITXOR_AGG" | "BIT_XOR_AGG" | "BITXORAGG" => bits(function, "bit_xor")?,
        "MEDIAN" => {
            let [value] = function.exactly()?;
            aggregate(function, "median", vec![interpolated(value)])
        }
        "PERCENTILE_CONT" | "PERCENTILE_DISC" => percentile(function)?,
        "APPROX_PERCENTILE" => {
            let [value, fraction] = function.exactly()?;
            aggregate(
                function,
                "quantile_cont",
                vec![call("sf_to_double", vec![value]), fraction],
            )
        }
        "MIN_BY" | "MAX_BY" => extreme_by(function)?,
        "LISTAGG" => listagg(function)?,
        "ARRAY_AGG" | "ARRAYAGG" => array_agg(function, false)?,
        "ARRAY_UNIQUE_AGG" => array_agg(function, true)?,
        "OBJECT_AGG" => object_agg(function)?,
        "ARRAY_UNION_AGG" => {
            let [arrays] = function.exactly()?;
            let texts = super::super::build::engine_cast(arrays, "VARCHAR");
            call(
                "sf_array_union_of",
                vec![aggregate(function, "list", vec![texts])],
            )
        }
        // Exact, so that the number of counters does not matter.
        "APPROX_TOP_K" => {
            function.expect(1, 3)?;
            let mut args = std::mem::take(&mut function.args).into_iter();
            let value = call("sf_to_json", args.next().into_iter().collect());
            let wanted = args.next().unwrap_or_else(|| integer(1));
            call(
                "sf_top_of",
                vec![aggregate(function, "list", vec![value]), wanted],
            )
        }
        "BITMAP_CONSTRUCT_AGG" => {
            let [position] = function.exactly()?;
            let position = call("sf_to_varchar", vec![position]);
            call(
                "sf_bitmap_of_positions",
                vec![aggregate(function, "list", vec![position])],
            )
        }
        "BITMAP_OR_AGG" => {
            let [bitmap] = function.exactly()?;
            let bitmap = call("hex", vec![bitmap]);
            call(
                "sf_bitmap_of_bitmaps",
                vec![aggregate(function, "list", vec![bitmap])],
            )
        }
        "HASH_AGG" => hash_agg(function),
        "GROUPING" => call("grouping", std::mem::take(&mut function.args)),
        _ => return Ok(None),
    }))
}

/// A number for a group of rows in any order; each row counts, equal ones too.
fn hash_agg(function: &mut Call) -> Expr {
    let row = call("sf_hash", std::mem::take(&mut function.args));
    let total = aggregate(
        function,
        "sum",
        vec![super::super::build::engine_cast(row, "HUGEINT")],
    );
    let folded = call("mod", vec![total, raw("9223372036854775807")]);
    call("coalesce", vec![folded, integer(0)])
}

/// The call's arguments; also those that its own syntax hides.
fn same(function: &mut Call, engine: &str) -> Result<Expr, SqlError> {
    if function.args.is_empty() {
        return Err(argument_count(&function.name, 1, 0));
    }
    if !function.function.within_group.is_empty() {
        return Err(syntax("WITHIN"));
    }
    let args = std::mem::take(&mut function.args);
    Ok(aggregate(function, engine, args))
}

/// An aggregate of DECFLOATs, whose texts are gathered first.
fn of_decfloats(function: &mut Call, ours: &str) -> Result<Expr, SqlError> {
    let [value] = function.exactly()?;
    let texts = aggregate(function, "list", vec![call("sf_to_varchar", vec![value])]);
    Ok(call(ours, vec![texts]))
}

/// An engine aggregate with the DISTINCT, FILTER and OVER of the call.
fn aggregate(function: &Call, engine: &str, args: Vec<Expr>) -> Expr {
    let duplicate_treatment = match &function.function.args {
        FunctionArguments::List(list) => list.duplicate_treatment,
        _ => None,
    };
    build(&function.function, engine, args, duplicate_treatment, Vec::new())
}

fn distinct(function: &Call, engine: &str, args: Vec<Expr>) -> Expr {
    let treatment = Some(DuplicateTreatment::Distinct);
    build(&function.function, engine, args, treatment, Vec::new())
}

fn build(
    original: &Function,
    engine: &str,
    args: Vec<Expr>,
    duplicate_treatment: Option<DuplicateTreatment>,
    clauses: Vec<FunctionArgumentClause>,
) -> Expr {
    let args = args
        .into_iter()
        .map(|arg| FunctionArg::Unnamed(FunctionArgExpr::Expr(arg)))
        .collect();
    Expr::Function(Function {
        name: raw_name(engine),
        uses_odbc_syntax: false,
        parameters: FunctionArguments::None,
        args: FunctionArguments::List(FunctionArgumentList {
            duplicate_treatment,
            args,
            clauses,
        }),
        within_group: Vec::new(),
        filter: original.filter.clone(),
        null_treatment: None,
        over: original.over.clone(),
    })
}

/// `COUNT(*)`, `COUNT(a)`, and `COUNT(a, b)`, which counts rows in which no argument is NULL.
fn count(function: &mut Call) -> Result<Expr, SqlError> {
    let args = std::mem::take(&mut function.args);
    let is_distinct = matches!(
        &function.function.args,
        FunctionArguments::List(list)
            if list.duplicate_treatment == Some(DuplicateTreatment::Distinct)
    );
    Ok(match args.len() {
        // An empty list is the star here: `COUNT()` itself does not exist.
        0 => match &function.function.args {
            FunctionArguments::List(list) if !list.args.is_empty() => {
                aggregate(function, "count", vec![raw("*")])
            }
            _ => return Err(argument_count("COUNT", 1, 0)),
        },
        1 => aggregate(function, "count", args),
        _ => {
            let any_null = args
                .iter()
                .map(|arg| is_null(nested(arg.clone())))
                .reduce(|left, right| Expr::BinaryOp {
                    left: Box::new(left),
                    op: sqlparser::ast::BinaryOperator::Or,
                    right: Box::new(right),
                })
                .unwrap_or_else(null);
            let value = if is_distinct {
                call("row", args)
            } else {
                integer(1)
            };
            aggregate(function, "count", vec![either(any_null, null(), value)])
        }
    })
}

fn boolean(function: &mut Call, engine: &str) -> Result<Expr, SqlError> {
    let [value] = function.exactly()?;
    Ok(aggregate(
        function,
        engine,
        vec![call("sf_to_boolean", vec![value])],
    ))
}

fn bits(function: &mut Call, engine: &str) -> Result<Expr, SqlError> {
    let [value] = function.exactly()?;
    Ok(aggregate(
        function,
        engine,
        vec![super::super::build::engine_cast(value, "BIGINT")],
    ))
}

/// Three more digits after the point, as many as Snowflake gives an interpolated value.
fn interpolated(value: Expr) -> Expr {
    call("sf_mul", vec![value, raw("1.000")])
}

/// `PERCENTILE_CONT(fraction) WITHIN GROUP (ORDER BY value)`.
fn percentile(function: &mut Call) -> Result<Expr, SqlError> {
    let [fraction] = function.exactly()?;
    let order = std::mem::take(&mut function.function.within_group);
    let [OrderByExpr { expr, options, .. }] = order.as_slice() else {
        return Err(syntax("WITHIN"));
    };
    let descending = matches!(options.sort, Some(sqlparser::ast::OrderBySort::Desc));
    let fraction = if descending {
        call("sf_sub", vec![integer(1), fraction])
    } else {
        fraction
    };
    Ok(match function.name.as_str() {
        "PERCENTILE_CONT" => aggregate(
            function,
            "quantile_cont",
            vec![interpolated(expr.clone()), fraction],
        ),
        _ => aggregate(function, "quantile_disc", vec![expr.clone(), fraction]),
    })
}

/// `MIN_BY(value, key[, n])`; with `n` an ARRAY.
fn extreme_by(function: &mut Call) -> Result<Expr, SqlError> {
    let engine = if function.name == "MIN_BY" {
        "arg_min"
    } else {
        "arg_max"
    };
    function.expect(2, 3)?;
    let mut args = std::mem::take(&mut function.args);
    if args.len() == 2 {
        return Ok(aggregate(function, &format!("{engine}_null"), args));
    }
    let count = args.remove(2);
    let key = args.remove(1);
    let value = call("sf_to_variant", args);
    let values = aggregate(
        function,
        engine,
        vec![super::super::build::engine_cast(value, "VARCHAR"), key, count],
    );
    Ok(call("sf_array_from_list", vec![values]))
}

/// `LISTAGG(value[, delimiter]) [WITHIN GROUP (ORDER BY ..)]`: empty text when there is nothing.
fn listagg(function: &mut Call) -> Result<Expr, SqlError> {
    function.expect(1, 2)?;
    let mut args = std::mem::take(&mut function.args);
    let delimiter = if args.len() == 2 { args.remove(1) } else { text("") };
    let value = args.remove(0);
    let element = call("sf_to_varchar", vec![value.clone()]);
    if let Some(list) = distinct_in_order(function, &value, "sf_to_varchar(element)")? {
        let joined = call("list_aggregate", vec![list, text("string_agg"), delimiter]);
        return Ok(call("coalesce", vec![joined, text("")]));
    }
    let order = std::mem::take(&mut function.function.within_group);
    let listed = joined(function, element, delimiter, order, false)?;
    Ok(call("coalesce", vec![listed, text("")]))
}

/// The engine's `string_agg` with an order.
fn joined(
    function: &Call,
    value: Expr,
    delimiter: Expr,
    order: Vec<OrderByExpr>,
    force_distinct: bool,
) -> Result<Expr, SqlError> {
    let treatment = match &function.function.args {
        FunctionArguments::List(list) => list.duplicate_treatment,
        _ => None,
    };
    let treatment = if force_distinct {
        Some(DuplicateTreatment::Distinct)
    } else {
        treatment
    };
    let mut original = function.function.clone();
    let mut order = order;
    if let Some(WindowType::WindowSpec(window)) = &mut original.over {
        if !window.order_by.is_empty() {
            return Err(unsupported(&format!("{} with ORDER BY in OVER", function.name)));
        }
        if treatment.is_some() && !order.is_empty() {
            return Err(unsupported(&format!(
                "{} DISTINCT with an order as a window function",
                function.name
            )));
        }
        // In a window the order is the window's, over the whole partition.
        if !order.is_empty() {
            window.order_by = std::mem::take(&mut order);
            window.window_frame = Some(super::windows::whole_partition());
        }
    }
    let clauses = if order.is_empty() {
        Vec::new()
    } else {
        vec![FunctionArgumentClause::OrderBy(order)]
    };
    Ok(build(
        &original,
        "string_agg",
        vec![value, delimiter],
        treatment,
        clauses,
    ))
}

/// `ARRAY_AGG([DISTINCT] value) [WITHIN GROUP (ORDER BY ..)]`; NULLs are left out.
fn array_agg(function: &mut Call, force_distinct: bool) -> Result<Expr, SqlError> {
    let [value] = function.exactly()?;
    let element = super::super::build::engine_cast(call("sf_to_variant", vec![value.clone()]), "VARCHAR");
    if let Some(list) = distinct_in_order(function, &value, "CAST(sf_to_variant(element) AS VARCHAR)")? {
        return Ok(call("sf_array_from_list", vec![list]));
    }
    let order = std::mem::take(&mut function.function.within_group);
    let listed = joined(function, element, text(","), order, force_distinct)?;
    Ok(call(
        "sf_array_from_elements",
        vec![call("coalesce", vec![listed, text("")])],
    ))
}

/// The values of a DISTINCT aggregate that is ordered by its own value, each lowered by `element`.
///
/// The engine can order distinct texts by themselves only, and `10` comes before `9` there; a list is
/// ordered by the values as they are. `None` when the call is none of these.
fn distinct_in_order(function: &mut Call, value: &Expr, element: &str) -> Result<Option<Expr>, SqlError> {
    let is_distinct = matches!(
        &function.function.args,
        FunctionArguments::List(list) if list.duplicate_treatment == Some(DuplicateTreatment::Distinct)
    );
    let by_itself = function
        .function
        .within_group
        .first()
        .is_some_and(|key| key.expr == *value);
    if !is_distinct || !by_itself {
        return Ok(None);
    }
    if function.function.over.is_some() {
        return Err(unsupported(&format!(
            "{} DISTINCT with an order as a window function",
            function.name
        )));
    }
    let order = std::mem::take(&mut function.function.within_group);
    let clauses = vec![FunctionArgumentClause::OrderBy(order)];
    let list = build(
        &function.function,
        "list",
        vec![value.clone()],
        Some(DuplicateTreatment::Distinct),
        clauses,
    );
    Ok(Some(call(
        "list_transform",
        vec![list, raw(format!("lambda element: {element}"))],
    )))
}

/// `OBJECT_AGG(key, value)`; pairs with a NULL are left out.
fn object_agg(function: &mut Call) -> Result<Expr, SqlError> {
    let [key, value] = function.exactly()?;
    let pair = call("sf_object_pair", vec![key, value]);
    let listed = joined(function, pair, text(","), Vec::new(), false)?;
    Ok(call(
        "sf_object_from_pairs",
        vec![call("coalesce", vec![listed, text("")])],
    ))
}

#[cfg(test)]
mod tests {
    use super::super::super::check::{check, lowered};

    #[test]
    fn aggregates() {
        check(
            lowered,
            &[
                (
                    "select count(*) a, count(distinct b) c, sum(d) e",
                    r#"SELECT count(*) AS "A", count(DISTINCT "B") AS "C", sum("D") AS "E""#,
                ),
                (
                    "select avg(a) over (partition by b) c",
                    r#"SELECT sf_avg_div(sum("A") OVER (PARTITION BY "B"), count("A") OVER (PARTITION BY "B")) AS "C""#,
                ),
                (
                    "select avg(distinct a) b",
                    r#"SELECT sf_avg_div(sum(DISTINCT "A"), count(DISTINCT "A")) AS "B""#,
                ),
                (
                    "select count(a, b) c",
                    r#"SELECT count(CASE WHEN "A" IS NULL OR "B" IS NULL THEN NULL ELSE 1 END) AS "C""#,
                ),
                (
                    "select count_if(a > 1) b",
                    r#"SELECT count(CASE WHEN "A" > 1 THEN 1 END) AS "B""#,
                ),
                (
                    "select listagg(a, ', ') within group (order by b desc) c",
                    r#"SELECT coalesce(string_agg(sf_to_varchar("A"), ', ' ORDER BY "B" DESC NULLS FIRST), '') AS "C""#,
                ),
                (
                    "select array_agg(a) within group (order by b) c",
                    r#"SELECT sf_array_from_elements(coalesce(string_agg(CAST(sf_to_variant("A") AS VARCHAR), ',' ORDER BY "B" NULLS LAST), '')) AS "C""#,
                ),
                (
                    "select median(a) b",
                    r#"SELECT median(sf_mul("A", 1.000)) AS "B""#,
                ),
                (
                    "select percentile_cont(0.25) within group (order by a) b",
                    r#"SELECT quantile_cont(sf_mul("A", 1.000), 0.25) AS "B""#,
                ),
            ],
        );
    }
}
