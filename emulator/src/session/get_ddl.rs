//! Calls of `GET_DDL`: their text is looked up in the catalog before the statement is lowered.

use std::ops::ControlFlow;

use sqlparser::ast::{
    Expr, FunctionArg, FunctionArgExpr, FunctionArguments, Spanned as _, Statement, Value, ValueWithSpan,
    visit_expressions, visit_expressions_mut,
};

use super::SqlError;
use super::worker::{Work, Worker};
use crate::front::{Path, path_of};
use crate::lower::with_values;

const FUNCTION: &str = "GET_DDL";

impl Worker {
    /// The statement with the texts of its calls in their place; none when it has no calls.
    pub(super) fn with_ddl_texts(
        &mut self,
        statement: &Statement,
        work: &Work<'_>,
    ) -> Result<Option<Statement>, SqlError> {
        let calls = visit_expressions(statement, |expr| match arguments(expr) {
            Some(_) => ControlFlow::Break(()),
            None => ControlFlow::Continue(()),
        });
        if calls.is_continue() {
            return Ok(None);
        }
        let mut statement = with_values(statement, &self.scope(work))?;
        let found = visit_expressions_mut(&mut statement, |expr| {
            let Some(given) = arguments(expr) else {
                return ControlFlow::Continue(());
            };
            match given.and_then(|(kind, path, qualified)| self.ddl_text(&kind, &path, qualified)) {
                Ok(text) => {
                    let span = expr.span();
                    let value = Value::SingleQuotedString(text);
                    *expr = Expr::Value(ValueWithSpan { value, span });
                    ControlFlow::Continue(())
                }
                Err(error) => ControlFlow::Break(error),
            }
        });
        match found {
            ControlFlow::Break(error) => Err(error),
            ControlFlow::Continue(()) => Ok(Some(statement)),
        }
    }

    fn ddl_text(&mut self, kind: &str, path: &Path, qualified: bool) -> Result<String, SqlError> {
        let text = self.shower().ddl(kind, path, qualified);
        text.map_err(|failure| self.in_words(failure))
    }
}

/// Type, name and whether whole names are wanted, of a call; none for anything else.
fn arguments(expr: &Expr) -> Option<Result<(String, Path, bool), SqlError>> {
    let Expr::Function(function) = expr else {
        return None;
    };
    if !function.name.to_string().eq_ignore_ascii_case(FUNCTION) {
        return None;
    }
    let FunctionArguments::List(list) = &function.args else {
        return None;
    };
    let literals: Vec<Option<&Value>> = list
        .args
        .iter()
        .map(|argument| match argument {
            FunctionArg::Unnamed(FunctionArgExpr::Expr(Expr::Value(value))) => Some(&value.value),
            _ => None,
        })
        .collect();
    let (kind, name, qualified) = match literals.as_slice() {
        [
            Some(Value::SingleQuotedString(kind)),
            Some(Value::SingleQuotedString(name)),
        ] => (kind, name, false),
        [
            Some(Value::SingleQuotedString(kind)),
            Some(Value::SingleQuotedString(name)),
            Some(Value::Boolean(qualified)),
        ] => (kind, name, *qualified),
        _ => return Some(Err(SqlError::unsupported("GET_DDL of what is no constant"))),
    };
    Some(path_of(name).map(|path| (kind.clone(), path, qualified)))
}
