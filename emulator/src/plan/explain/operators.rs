//! The engine's operators as Snowflake's.

use std::collections::BTreeMap;

use snowflake_emulator_engine::PlanNode;

use super::expressions::{Names, Output};
use super::{Meaning, Object, Operator, Scan};
use crate::catalog::names::{Name, ObjectPath, unmangle};
use crate::catalog::tables::CATALOG_SCHEMA;

/// Reads a plan; its root is what the statement answers with.
pub(super) fn read(plan: &PlanNode, meaning: &Meaning) -> Operator {
    let mut reader = Reader {
        meaning,
        shared: BTreeMap::new(),
        unread: Vec::new(),
    };
    reader.unread = unread(plan, meaning);
    let step = reader.step(plan);
    let expressions = if meaning.changes || step.outputs.is_empty() {
        meaning.columns.clone()
    } else {
        step.outputs.iter().map(|output| output.text.clone()).collect()
    };
    operator("Result", expressions, step.operators)
}

/// An operator with its columns; several operators where the engine has none.
struct Step {
    operators: Vec<Operator>,
    outputs: Vec<Output>,
}

struct Reader<'a> {
    meaning: &'a Meaning,
    /// Columns of the queries that are used more than once, by the engine's number.
    shared: BTreeMap<String, Vec<Output>>,
    /// Tables that the statement names and the plan does not read, because no row of them can fit.
    unread: Vec<ObjectPath>,
}

impl Reader<'_> {
    fn step(&mut self, node: &PlanNode) -> Step {
        let name = node.operator.trim();
        match name {
            "PROJECTION" => self.projection(node),
            "FILTER" => {
                let below = self.below(node);
                let filters = texts(&below.outputs, node.details("Expression"));
                over("Filter", filters, below)
            }
            "HASH_GROUP_BY"
            | "PERFECT_HASH_GROUP_BY"
            | "PARTITIONED_AGGREGATE"
            | "UNGROUPED_AGGREGATE"
            | "SIMPLE_AGGREGATE" => self.aggregate(node),
            "ORDER_BY" => self.sorted("Sort", node),
            "TOP_N" => self.sorted("SortWithLimit", node),
            "LIMIT" | "STREAMING_LIMIT" | "LIMIT_PERCENT" => {
                over("Limit", row_count(node, "Limit"), self.below(node))
            }
            "WINDOW" | "STREAMING_WINDOW" => {
                let mut below = self.below(node);
                let names = Names::of(&below.outputs);
                let made: Vec<Output> = node
                    .details("Projections")
                    .iter()
                    .map(|text| names.output(text))
                    .collect();
                let expressions = made.iter().map(|output| output.text.clone()).collect();
                below.outputs.extend(made);
                over("WindowFunction", expressions, below)
            }
            "UNION" => self.together("UnionAll", node),
            "CTE" | "RECURSIVE_CTE" | "RECURSIVE_KEY_CTE" => self.with_clause(node),
            "CTE_SCAN" | "RECURSIVE_CTE_SCAN" | "RECURSIVE_RECURRING_CTE_SCAN" | "DELIM_SCAN" => {
                let outputs = node.detail("CTE Index").and_then(|index| self.shared.get(index));
                Step {
                    outputs: outputs.cloned().unwrap_or_default(),
                    operators: vec![operator("WithReference", Vec::new(), Vec::new())],
                }
            }
            "DUMMY_SCAN" | "COLUMN_DATA_SCAN" | "CHUNK_SCAN" | "EXPRESSION_SCAN" => leaf("ValuesClause"),
            "EMPTY_RESULT" => self.nothing(),
            "RANGE" | "GENERATE_SERIES" => leaf("Generator"),
            "READ_PARQUET" | "READ_CSV" | "READ_JSON" => leaf("ExternalScan"),
            "UNNEST" | "INOUT_FUNCTION" => self.together("Flatten", node),
            _ if name.starts_with("DUCKDB_") => leaf("InternalObject"),
            "INSERT" | "BATCH_INSERT" => self.change("Insert", node),
            "UPDATE" => self.change("Update", node),
            "DELETE" => self.change("Delete", node),
            "MERGE_INTO" => self.change("Merge", node),
            "CROSS_PRODUCT" => self.join("CartesianJoin", node),
            _ if name.ends_with("JOIN") => self.join(join_name(node), node),
            _ if node.detail("Table").is_some() => self.scan(node),
            other => self.together(&camel(other), node),
        }
    }

    /// What is below a node; columns of several children stand side by side.
    fn below(&mut self, node: &PlanNode) -> Step {
        let mut all = Step {
            operators: Vec::new(),
            outputs: Vec::new(),
        };
        for child in &node.children {
            let step = self.step(child);
            all.operators.extend(step.operators);
            all.outputs.extend(step.outputs);
        }
        all
    }

    fn together(&mut self, name: &str, node: &PlanNode) -> Step {
        let mut outputs = None;
        let mut operators = Vec::new();
        for child in &node.children {
            let step = self.step(child);
            outputs.get_or_insert(step.outputs);
            operators.extend(step.operators);
        }
        Step {
            operators: vec![operator(name, Vec::new(), operators)],
            outputs: outputs.unwrap_or_default(),
        }
    }

    /// What only chooses, moves and computes columns is no operator of Snowflake's.
    fn projection(&mut self, node: &PlanNode) -> Step {
        let below = self.below(node);
        let names = Names::of(&below.outputs);
        Step {
            outputs: node
                .details("Projections")
                .iter()
                .map(|text| names.output(text))
                .collect(),
            operators: below.operators,
        }
    }

    fn aggregate(&mut self, node: &PlanNode) -> Step {
        let below = self.below(node);
        let names = Names::of(&below.outputs);
        let read =
            |key: &str| -> Vec<Output> { node.details(key).iter().map(|text| names.output(text)).collect() };
        let (groups, aggregates) = (read("Groups"), read("Aggregates"));
        let mut expressions = Vec::new();
        for (word, outputs) in [("aggExprs", &aggregates), ("groupKeys", &groups)] {
            if !outputs.is_empty() {
                let texts: Vec<&str> = outputs.iter().map(|output| output.text.as_str()).collect();
                expressions.push(format!("{word}: [{}]", texts.join(", ")));
            }
        }
        Step {
            outputs: groups.into_iter().chain(aggregates).collect(),
            operators: vec![operator("Aggregate", expressions, below.operators)],
        }
    }

    fn sorted(&mut self, name: &str, node: &PlanNode) -> Step {
        let below = self.below(node);
        let keys = texts(&below.outputs, node.details("Order By"));
        let mut expressions = vec![format!("sortKey: [{}]", keys.join(", "))];
        expressions.extend(row_count(node, "Top"));
        over(name, expressions, below)
    }

    fn with_clause(&mut self, node: &PlanNode) -> Step {
        let mut children = node.children.iter();
        let mut operators = Vec::new();
        if let Some(query) = children.next() {
            let step = self.step(query);
            if let Some(index) = node.detail("Table Index") {
                self.shared.insert(index.to_owned(), step.outputs);
            }
            operators.extend(step.operators);
        }
        let mut outputs = Vec::new();
        for child in children {
            let step = self.step(child);
            outputs = step.outputs;
            operators.extend(step.operators);
        }
        let name = node.detail("CTE Name").filter(|name| !name.starts_with("__"));
        let told = name.map(|name| Name::exact(unmangle(name)).to_string());
        Step {
            operators: vec![operator("WithClause", told.into_iter().collect(), operators)],
            outputs,
        }
    }

    fn join(&mut self, name: &str, node: &PlanNode) -> Step {
        let mut sides = node
            .children
            .iter()
            .map(|child| self.step(child))
            .collect::<Vec<_>>();
        let right = if sides.len() > 1 {
            sides.split_off(1)
        } else {
            Vec::new()
        };
        let left = sides.pop().unwrap_or(Step {
            operators: Vec::new(),
            outputs: Vec::new(),
        });
        let mut operators = left.operators;
        let mut right_outputs = Vec::new();
        for step in right {
            operators.extend(step.operators);
            right_outputs.extend(step.outputs);
        }
        let (mut keys, mut filters) = (Vec::new(), Vec::new());
        for condition in node.details("Conditions") {
            let (text, is_equal) = condition_text(condition, &left.outputs, &right_outputs);
            if is_equal { &mut keys } else { &mut filters }.push(text);
        }
        let told = [("joinKey", keys), ("joinFilter", filters)];
        let expressions = told
            .into_iter()
            .filter(|(_, texts)| !texts.is_empty())
            .map(|(word, texts)| format!("{word}: {}", texts.join(" AND ")))
            .collect();
        let mut outputs = left.outputs;
        match node.detail("Join Type") {
            Some("SEMI" | "ANTI") => {}
            Some("RIGHT_SEMI" | "RIGHT_ANTI") => outputs = right_outputs,
            Some("MARK") => outputs.push(Output::new("IN (...)", "IN (...)")),
            _ => outputs.extend(right_outputs),
        }
        Step {
            operators: vec![operator(name, expressions, operators)],
            outputs,
        }
    }

    fn scan(&mut self, node: &PlanNode) -> Step {
        let columns = node.details("Projections");
        let table = node.detail("Table").unwrap_or_default();
        let Some(path) = path_of(table) else {
            let is_made = table.contains("stage#");
            let name = if is_made { "ExternalScan" } else { "InternalObject" };
            return Step {
                outputs: Names::of(&[]).outputs_of(columns),
                operators: vec![operator(name, Vec::new(), Vec::new())],
            };
        };
        let aliases = self.meaning.aliases.get(&path).map_or(&[][..], Vec::as_slice);
        // The engine does not tell which of several places a scan is for.
        let alias = match aliases {
            [alias] => alias.clone(),
            _ => None,
        };
        let qualifier = alias.clone().unwrap_or_else(|| path.name.to_string());
        let names = Names {
            outputs: &[],
            table: Some(&qualifier),
        };
        let outputs = names.outputs_of(columns);
        let filters: Vec<String> = node
            .details("Filters")
            .iter()
            // What a join or a sort will tell while the statement runs.
            .filter(|filter| !filter.starts_with("optional") && !filter.contains("Dynamic Filter"))
            .map(|filter| names.text(filter))
            .collect();
        let scan = Operator {
            name: "TableScan".to_owned(),
            object: Some(Object {
                path,
                scan: Some(Scan::default()),
            }),
            alias,
            expressions: columns.iter().map(|column| written(column)).collect(),
            children: Vec::new(),
        };
        let below = Step {
            operators: vec![scan],
            outputs,
        };
        if filters.is_empty() {
            below
        } else {
            over("Filter", filters, below)
        }
    }

    /// The tables of which the engine knows that no row fits, or nothing but rows that are not there.
    fn nothing(&mut self) -> Step {
        let tables = std::mem::take(&mut self.unread);
        if tables.is_empty() {
            return leaf("ValuesClause");
        }
        let operators = tables
            .into_iter()
            .map(|path| Operator {
                name: "TableScan".to_owned(),
                object: Some(Object {
                    path,
                    scan: Some(Scan {
                        partitions: 0,
                        reads_nothing: true,
                    }),
                }),
                ..Operator::default()
            })
            .collect();
        Step {
            operators,
            outputs: Vec::new(),
        }
    }

    fn change(&mut self, name: &str, node: &PlanNode) -> Step {
        // Of a MERGE the other children are its clauses.
        let rows = node.children.first().map(|child| self.step(child));
        let changed = Operator {
            name: name.to_owned(),
            object: self
                .meaning
                .target
                .clone()
                .map(|path| Object { path, scan: None }),
            alias: None,
            expressions: Vec::new(),
            children: rows.map(|step| step.operators).unwrap_or_default(),
        };
        Step {
            operators: vec![changed],
            outputs: Vec::new(),
        }
    }
}

impl Names<'_> {
    /// The columns of a table that are read.
    fn outputs_of(self, columns: &[String]) -> Vec<Output> {
        columns
            .iter()
            .map(|column| {
                let text = match self.table {
                    Some(table) => format!("{table}.{}", written(column)),
                    None => written(column),
                };
                Output::new(column, text)
            })
            .collect()
    }
}

/// A column as Snowflake writes it.
fn written(column: &str) -> String {
    Name::exact(unmangle(column.trim_matches('"'))).to_string()
}

fn operator(name: &str, expressions: Vec<String>, children: Vec<Operator>) -> Operator {
    Operator {
        name: name.to_owned(),
        expressions,
        children,
        ..Operator::default()
    }
}

fn leaf(name: &str) -> Step {
    Step {
        operators: vec![operator(name, Vec::new(), Vec::new())],
        outputs: Vec::new(),
    }
}

/// An operator that gives the columns that it gets.
fn over(name: &str, expressions: Vec<String>, below: Step) -> Step {
    Step {
        operators: vec![operator(name, expressions, below.operators)],
        outputs: below.outputs,
    }
}

fn texts(outputs: &[Output], expressions: &[String]) -> Vec<String> {
    let names = Names::of(outputs);
    expressions.iter().map(|text| names.text(text)).collect()
}

fn row_count(node: &PlanNode, key: &str) -> Vec<String> {
    let told = node.detail(key).map(|count| format!("rowCount: {count}"));
    told.into_iter().collect()
}

fn join_name(node: &PlanNode) -> &'static str {
    match node.detail("Join Type").unwrap_or_default() {
        "INNER" => "InnerJoin",
        "LEFT" | "SINGLE" => "LeftOuterJoin",
        "RIGHT" => "RightOuterJoin",
        "FULL" | "OUTER" | "FULL OUTER" => "FullOuterJoin",
        "SEMI" | "RIGHT_SEMI" => "SemiJoin",
        "ANTI" | "RIGHT_ANTI" => "AntiJoin",
        _ => "Join",
    }
}

/// A join's condition; true when it says that two values are the same.
fn condition_text(condition: &str, left: &[Output], right: &[Output]) -> (String, bool) {
    const SIGNS: [(&str, bool); 8] = [
        (" IS NOT DISTINCT FROM ", true),
        (" IS DISTINCT FROM ", false),
        (" = ", true),
        (" != ", false),
        (" <= ", false),
        (" >= ", false),
        (" < ", false),
        (" > ", false),
    ];
    let split = SIGNS.iter().find_map(|(sign, is_equal)| {
        let at = outer(condition, sign)?;
        Some((sign, *is_equal, &condition[..at], &condition[at + sign.len()..]))
    });
    if let Some((sign, is_equal, first, second)) = split {
        let (first, second) = (Names::of(left).text(first), Names::of(right).text(second));
        return (format!("({first}{sign}{second})"), is_equal);
    }
    let both: Vec<Output> = left.iter().chain(right).cloned().collect();
    (Names::of(&both).text(condition), false)
}

/// Where a sign stands outside of all parentheses and quotes.
fn outer(text: &str, sign: &str) -> Option<usize> {
    let (mut depth, mut quoted) = (0usize, false);
    for (at, c) in text.char_indices() {
        match c {
            '\'' => quoted = !quoted,
            _ if quoted => {}
            '(' => depth += 1,
            ')' => depth = depth.saturating_sub(1),
            _ if depth == 0 && text[at..].starts_with(sign) => return Some(at),
            _ => {}
        }
    }
    None
}

/// Tables of the statement's text that no operator reads.
fn unread(plan: &PlanNode, meaning: &Meaning) -> Vec<ObjectPath> {
    fn collect(node: &PlanNode, read: &mut Vec<ObjectPath>) {
        read.extend(node.detail("Table").and_then(path_of));
        node.children.iter().for_each(|child| collect(child, read));
    }
    let mut read = Vec::new();
    collect(plan, &mut read);
    let named = meaning.tables.iter();
    named.filter(|path| !read.contains(path)).cloned().collect()
}

/// The path of a table as the engine names it, `database."DB.SCHEMA".TABLE`; none for tables of the emulator's own.
fn path_of(table: &str) -> Option<ObjectPath> {
    let mut parts = Vec::new();
    let mut rest = table;
    while !rest.is_empty() {
        let (part, after) = if let Some(quoted) = rest.strip_prefix('"') {
            // A mangled name never holds a quote.
            quoted.split_once('"')?
        } else {
            rest.split_at(rest.find('.').unwrap_or(rest.len()))
        };
        parts.push(part);
        rest = after.strip_prefix('.').unwrap_or(after);
    }
    let [.., schema, name] = parts.as_slice() else {
        return None;
    };
    let whole = match parts.as_slice() {
        ["temp", ..] => (*name).to_owned(),
        _ if *schema == CATALOG_SCHEMA => return None,
        _ => format!("{schema}.{name}"),
    };
    let names: Vec<Name> = whole.split('.').map(|part| Name::exact(unmangle(part))).collect();
    match names.as_slice() {
        [database, schema, name] => Some(ObjectPath::new(database.clone(), schema.clone(), name.clone())),
        _ => None,
    }
}

/// An operator that is not known under a name of Snowflake's: the engine's, spelled as Snowflake's are.
fn camel(name: &str) -> String {
    name.split(['_', ' '])
        .flat_map(|word| {
            let mut chars = word.chars();
            let first = chars.next().map(|c| c.to_ascii_uppercase());
            first.into_iter().chain(chars.map(|c| c.to_ascii_lowercase()))
        })
        .collect()
}
