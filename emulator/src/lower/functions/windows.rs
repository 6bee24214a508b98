//! Window functions that are not aggregates.
//!
//! `FIRST_VALUE` and its like see the whole partition unless a frame is written; the engine's see it up to
//! the current row.

use sqlparser::ast::{
    Expr, Function, FunctionArg, FunctionArgExpr, FunctionArgumentClause, FunctionArgumentList,
    FunctionArguments, NullTreatment, WindowFrame, WindowFrameBound, WindowFrameUnits, WindowSpec,
    WindowType,
};

use super::super::build::{call, case, integer, raw_name};
use super::super::intervals;
use super::super::refuse::compilation;
use super::Call;
use crate::contract::SqlError;

/// Lowers a window function; `None` when the call is none.
pub(super) fn lower(function: &mut Call) -> Result<Option<Expr>, SqlError> {
    let name = function.name.clone();
    let (least, most) = match name.as_str() {
        "ROW_NUMBER" | "RANK" | "DENSE_RANK" | "PERCENT_RANK" | "CUME_DIST" => (0, 0),
        "NTILE"
        | "FIRST_VALUE"
        | "LAST_VALUE"
        | "RATIO_TO_REPORT"
        | "CONDITIONAL_TRUE_EVENT"
        | "CONDITIONAL_CHANGE_EVENT" => (1, 1),
        "LAG" | "LEAD" => (1, 3),
        "NTH_VALUE" => (2, 2),
        _ => return Ok(None),
    };
    function.expect(least, most)?;
    if function.function.over.is_none() {
        return Err(compilation(
            "002303",
            "42601",
            &format!(
                "Window function [{name}] may not appear outside of SELECT, QUALIFY, and ORDER BY clauses."
            ),
        ));
    }
    let args = std::mem::take(&mut function.args);
    Ok(Some(match name.as_str() {
        "FIRST_VALUE" | "LAST_VALUE" | "NTH_VALUE" => {
            if let Some(WindowType::WindowSpec(window)) = &mut function.function.over
                && window.window_frame.is_none()
            {
                window.window_frame = Some(whole_partition());
            }
            window(function, &name.to_lowercase(), args)
        }
        "RATIO_TO_REPORT" => {
            let total = window(function, "sum", args.clone());
            call("sf_div", args.into_iter().chain([total]).collect())
        }
        "CONDITIONAL_TRUE_EVENT" => {
            let truths = args
                .into_iter()
                .map(|condition| case(vec![(condition, integer(1))], Some(integer(0))));
            let truths = truths.collect();
            if let Some(WindowType::WindowSpec(window)) = &mut function.function.over {
                window.window_frame = Some(up_to_current_row());
            }
            window(function, "sum", truths)
        }
        "CONDITIONAL_CHANGE_EVENT" => {
            let values = args
                .into_iter()
                .map(|value| call("sf_to_json", vec![value]))
                .collect();
            if let Some(WindowType::WindowSpec(window)) = &mut function.function.over {
                window.window_frame = Some(up_to_current_row());
            }
            window(function, "sf_changes", values)
        }
        _ => window(function, &name.to_lowercase(), args),
    }))
}

/// Writes the intervals in the frame of a call's window as the engine knows them.
pub(super) fn frame(function: &mut Function) -> Result<(), SqlError> {
    let Some(WindowType::WindowSpec(WindowSpec {
        window_frame: Some(frame),
        ..
    })) = &mut function.over
    else {
        return Ok(());
    };
    for bound in std::iter::once(&mut frame.start_bound).chain(&mut frame.end_bound) {
        let (WindowFrameBound::Preceding(Some(distance)) | WindowFrameBound::Following(Some(distance))) =
            bound
        else {
            continue;
        };
        if let Expr::Interval(interval) = &**distance {
            **distance = intervals::of_frame(interval)?;
        }
    }
    Ok(())
}

/// `ROWS BETWEEN UNBOUNDED PRECEDING AND UNBOUNDED FOLLOWING`.
pub(super) fn whole_partition() -> WindowFrame {
    WindowFrame {
        units: WindowFrameUnits::Rows,
        start_bound: WindowFrameBound::Preceding(None),
        end_bound: Some(WindowFrameBound::Following(None)),
    }
}

fn up_to_current_row() -> WindowFrame {
    WindowFrame {
        units: WindowFrameUnits::Rows,
        start_bound: WindowFrameBound::Preceding(None),
        end_bound: Some(WindowFrameBound::CurrentRow),
    }
}

/// The engine's function with the call's window; it takes the treatment of NULLs inside the parentheses.
fn window(function: &Call, engine: &str, args: Vec<Expr>) -> Expr {
    let inner = match &function.function.args {
        FunctionArguments::List(list) => list.clauses.iter().find_map(|clause| match clause {
            FunctionArgumentClause::IgnoreOrRespectNulls(treatment) => Some(*treatment),
            _ => None,
        }),
        _ => None,
    };
    let clauses = match function.function.null_treatment.or(inner) {
        Some(NullTreatment::IgnoreNulls) => {
            vec![FunctionArgumentClause::IgnoreOrRespectNulls(
                NullTreatment::IgnoreNulls,
            )]
        }
        _ => Vec::new(),
    };
    Expr::Function(Function {
        name: raw_name(engine),
        uses_odbc_syntax: false,
        parameters: FunctionArguments::None,
        args: FunctionArguments::List(FunctionArgumentList {
            duplicate_treatment: None,
            args: args
                .into_iter()
                .map(|arg| FunctionArg::Unnamed(FunctionArgExpr::Expr(arg)))
                .collect(),
            clauses,
        }),
        within_group: Vec::new(),
        filter: function.function.filter.clone(),
        null_treatment: None,
        over: function.function.over.clone(),
    })
}

#[cfg(test)]
mod tests {
    use super::super::super::check::{check, lowered};

    #[test]
    fn windows() {
        check(
            lowered,
            &[
                (
                    "select row_number() over (order by a) b",
                    r#"SELECT row_number() OVER (ORDER BY "A" NULLS LAST) AS "B""#,
                ),
                (
                    "select last_value(a) over (partition by c order by b) d",
                    r#"SELECT last_value("A") OVER (PARTITION BY "C" ORDER BY "B" NULLS LAST ROWS BETWEEN UNBOUNDED PRECEDING AND UNBOUNDED FOLLOWING) AS "D""#,
                ),
                (
                    "select lag(a) ignore nulls over (order by b desc) c",
                    r#"SELECT lag("A" IGNORE NULLS) OVER (ORDER BY "B" DESC NULLS FIRST) AS "C""#,
                ),
                (
                    "select ratio_to_report(a) over (partition by b) c",
                    r#"SELECT sf_div("A", sum("A") OVER (PARTITION BY "B")) AS "C""#,
                ),
                (
                    "select row_number() b",
                    "002303 42601: SQL compilation error: Window function [ROW_NUMBER] may not appear outside of SELECT, QUALIFY, and ORDER BY clauses.",
                ),
            ],
        );
    }
}
