//! Paths into semi-structured values: `v:a.b[0]`, `v['a']`, and literals `{'a': 1}` and `[1, 2]`.

use sqlparser::ast::{AccessExpr, Expr, JsonPath, JsonPathElem, Subscript};

use super::build::{call, literal_integer, literal_text, null, text};
use super::refuse::unsupported;
use crate::contract::SqlError;

/// Lowers a path or literal whose operands are lowered already.
pub(super) fn apply(expr: &mut Expr) -> Result<(), SqlError> {
    let lowered = match expr {
        Expr::JsonAccess { value, path } => {
            let value = std::mem::replace(&mut **value, null());
            path_access(value, path)
        }
        Expr::CompoundFieldAccess { root, access_chain } => {
            let root = std::mem::replace(&mut **root, null());
            subscripts(root, access_chain)?
        }
        Expr::Dictionary(fields) => {
            let mut args = Vec::with_capacity(fields.len() * 2);
            for field in fields.iter_mut() {
                args.push(text(field.key.value.clone()));
                args.push(std::mem::replace(&mut *field.value, null()));
            }
            call("sf_object_construct_keep_null", args)
        }
        Expr::Array(array) => call("sf_array_construct", std::mem::take(&mut array.elem)),
        _ => return Ok(()),
    };
    *expr = lowered;
    Ok(())
}

/// One call for each run of constant steps, one for each computed subscript.
fn path_access(value: Expr, path: &JsonPath) -> Expr {
    let mut value = value;
    let mut run = String::new();
    for element in &path.path {
        match element {
            JsonPathElem::Dot { key, quoted } => push_key(&mut run, key, *quoted),
            JsonPathElem::Bracket { key } | JsonPathElem::ColonBracket { key } => {
                if let Some(index) = literal_integer(key) {
                    run.extend(["[", &index.to_string(), "]"]);
                } else if let Some(name) = literal_text(key) {
                    push_key(&mut run, name, true);
                } else {
                    if !run.is_empty() {
                        value = call("sf_get_path", vec![value, text(std::mem::take(&mut run))]);
                    }
                    value = call("sf_get", vec![value, key.clone()]);
                }
            }
        }
    }
    if run.is_empty() {
        value
    } else {
        call("sf_get_path", vec![value, text(run)])
    }
}

fn push_key(run: &mut String, key: &str, quoted: bool) {
    if quoted {
        run.extend(["[\"", &key.replace('\\', "\\\\").replace('"', "\\\""), "\"]"]);
    } else {
        if !run.is_empty() {
            run.push('.');
        }
        run.push_str(key);
    }
}

fn subscripts(root: Expr, chain: &[AccessExpr]) -> Result<Expr, SqlError> {
    chain.iter().try_fold(root, |value, access| match access {
        AccessExpr::Subscript(Subscript::Index { index }) => Ok(call("sf_get", vec![value, index.clone()])),
        AccessExpr::Dot(Expr::Identifier(key)) => Ok(call("sf_get", vec![value, text(key.value.clone())])),
        _ => Err(unsupported("array slices")),
    })
}

#[cfg(test)]
mod tests {
    use super::super::check::{check, lowered};

    #[test]
    fn paths_become_calls() {
        check(
            lowered,
            &[
                (
                    "select v:a.b[0].\"C d\" x",
                    r#"SELECT sf_get_path("V", 'a.b[0]["C d"]') AS "X""#,
                ),
                (
                    "select t.v:Ab::int x from t",
                    r#"SELECT sf_to_number(sf_get_path("T"."V", 'Ab'), 38, 0) AS "X" FROM "D.S"."T" AS "T""#,
                ),
                (
                    "select v['a'] x, v[0] y",
                    r#"SELECT sf_get_path("V", '["a"]') AS "X", sf_get_path("V", '[0]') AS "Y""#,
                ),
                (
                    "select v:a[b] x",
                    r#"SELECT sf_get(sf_get_path("V", 'a'), "B") AS "X""#,
                ),
                (
                    "select {'a': 1, 'b': c} x, [1, 'y'] y",
                    r#"SELECT sf_object_construct_keep_null('a', 1, 'b', "C") AS "X", sf_array_construct(1, 'y') AS "Y""#,
                ),
            ],
        );
    }
}
