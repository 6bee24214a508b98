//! Long chains of operators: `a + b + c …` and `a || b || c …`.
//!
//! The parser makes a chain as deep as it is long, and the engine takes time that grows with the square of the depth and
//! worse. What is longer than a few links becomes one call with all operands, which computes each link as if it stood
//! alone, so that values and types are the same.

use sqlparser::ast::{BinaryOperator, Expr, Function, FunctionArg, FunctionArgExpr, FunctionArguments};

use super::build::{call, called, literal_text, text};

/// Links from which on a chain is one call. Shorter ones are the engine's business: it computes whole columns at a time.
const LINKS_MIN: usize = 16;

const CHAIN: &str = "sf_chain";
const CONCATENATION: &str = "sf_concat";

/// The functions of the operators with their signs.
const OPERATORS: [(&str, char); 5] = [
    ("sf_add", '+'),
    ("sf_sub", '-'),
    ("sf_mul", '*'),
    ("sf_div", '/'),
    ("sf_mod", '%'),
];

/// The call of an operator's function, or the chain that it makes longer.
pub(super) fn calculation(function: &'static str, left: Expr, right: Expr) -> Expr {
    let mut links = 1;
    let mut at = &left;
    loop {
        match called(at) {
            Some(CHAIN) => {
                links = LINKS_MIN;
                break;
            }
            Some(name) if sign(name).is_some() => links += 1,
            _ => break,
        }
        match operands(at).next() {
            Some(first) => at = first,
            None => break,
        }
    }
    if links < LINKS_MIN {
        return call(function, vec![left, right]);
    }
    let mut chain = Chain::default();
    chain.read(left);
    chain.signs.extend(sign(function));
    chain.operands.push(right);
    let mut args = vec![text(chain.signs)];
    args.append(&mut chain.operands);
    call(CHAIN, args)
}

/// The concatenation of two texts, or the one that it makes longer; none where a chain is short.
pub(super) fn concatenation(left: &mut Expr, right: &mut Expr) -> Option<Expr> {
    let mut links = 1;
    let mut at = &*left;
    loop {
        at = match at {
            Expr::BinaryOp {
                left,
                op: BinaryOperator::StringConcat,
                ..
            } => left,
            Expr::Function(_) if called(at) == Some(CONCATENATION) => {
                links += operands(at).count().saturating_sub(2);
                match operands(at).next() {
                    Some(first) => first,
                    None => break,
                }
            }
            _ => break,
        };
        links += 1;
    }
    if links < LINKS_MIN {
        return None;
    }
    let mut parts = Vec::with_capacity(links + 1);
    pieces(std::mem::replace(left, super::build::null()), &mut parts);
    parts.push(std::mem::replace(right, super::build::null()));
    Some(call(CONCATENATION, parts))
}

/// The parts of a concatenation, in order.
fn pieces(expr: Expr, parts: &mut Vec<Expr>) {
    match expr {
        Expr::BinaryOp {
            left,
            op: BinaryOperator::StringConcat,
            right,
        } => {
            pieces(*left, parts);
            parts.push(*right);
        }
        concatenation if called(&concatenation) == Some(CONCATENATION) => {
            let mut operands = taken(concatenation).into_iter();
            if let Some(first) = operands.next() {
                pieces(first, parts);
            }
            parts.extend(operands);
        }
        other => parts.push(other),
    }
}

/// The operators of a chain as they follow, and what they stand between.
#[derive(Default)]
struct Chain {
    signs: String,
    operands: Vec<Expr>,
}

impl Chain {
    fn read(&mut self, expr: Expr) {
        let name = called(&expr);
        let is_chain = name == Some(CHAIN);
        let sign = name.and_then(sign);
        if !is_chain && sign.is_none() {
            self.operands.push(expr);
            return;
        }
        let mut operands = taken(expr).into_iter();
        let first = operands.next();
        if is_chain {
            self.signs
                .push_str(first.as_ref().and_then(literal_text).unwrap_or_default());
        } else if let Some(left) = first {
            self.read(left);
        }
        self.signs.extend(sign);
        self.operands.extend(operands);
    }
}

fn sign(function: &str) -> Option<char> {
    OPERATORS
        .iter()
        .find(|(name, _)| *name == function)
        .map(|(_, sign)| *sign)
}

fn operands(expr: &Expr) -> impl Iterator<Item = &Expr> {
    let args = match expr {
        Expr::Function(Function {
            args: FunctionArguments::List(list),
            ..
        }) => list.args.as_slice(),
        _ => &[],
    };
    args.iter().filter_map(|argument| match argument {
        FunctionArg::Unnamed(FunctionArgExpr::Expr(expr)) => Some(expr),
        _ => None,
    })
}

fn taken(expr: Expr) -> Vec<Expr> {
    let args = match expr {
        Expr::Function(Function {
            args: FunctionArguments::List(list),
            ..
        }) => list.args,
        _ => Vec::new(),
    };
    args.into_iter()
        .filter_map(|argument| match argument {
            FunctionArg::Unnamed(FunctionArgExpr::Expr(expr)) => Some(expr),
            _ => None,
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::super::check::lowered;

    #[test]
    fn long_chains_are_one_call() {
        let sum = lowered(&format!("select a{} s", " + 1 - b * c".repeat(9)));
        assert!(
            sum.starts_with(r#"SELECT sf_chain('+-+-+-+-+-+-+-+-+-', "A", 1, sf_mul("B", "C"), 1, "#),
            "{sum}"
        );
        let short = lowered("select a + b + c s");
        assert_eq!(short, r#"SELECT sf_add(sf_add("A", "B"), "C") AS "S""#);
    }

    #[test]
    fn long_concatenations_are_one_call() {
        let joined = lowered(&format!("select 'x'{} s", " || 'y' || a".repeat(10)));
        assert_eq!(joined.matches("sf_concat(").count(), 1, "{joined}");
        assert!(
            joined.starts_with(r#"SELECT sf_concat('x', 'y', "A", 'y', "A", "#),
            "{joined}"
        );
    }
}
