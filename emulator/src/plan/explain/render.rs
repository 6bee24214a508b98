//! A plan as rows, as JSON and as text.

use serde::Serialize;

use super::{Explained, Operator, Scan};
use crate::front::ExplainForm;
use crate::plan::shape::{ListType, Shaped, list};

/// Columns of a plan as rows.
const COLUMNS: [(&str, ListType); 10] = [
    ("step", ListType::Number),
    ("id", ListType::Number),
    ("parentOperators", ListType::Text),
    ("operation", ListType::Text),
    ("objects", ListType::Text),
    ("alias", ListType::Text),
    ("expressions", ListType::Text),
    ("partitionsTotal", ListType::Number),
    ("partitionsAssigned", ListType::Number),
    ("bytesAssigned", ListType::Number),
];

/// The column of a plan that is one text.
const CONTENT: [(&str, ListType); 1] = [("content", ListType::Text)];

/// Statements are planned as a whole.
const STEP: u32 = 1;

/// One operator with its place.
struct Placed<'a> {
    id: usize,
    parent: Option<usize>,
    depth: usize,
    operator: &'a Operator,
}

/// Sums over the tables that are read.
#[derive(Default)]
struct Totals {
    partitions: u64,
    assigned: u64,
}

/// The columns of a plan, without rows.
pub fn columns(form: ExplainForm) -> Shaped {
    let columns: &[(&str, ListType)] = match form {
        ExplainForm::Tabular => &COLUMNS,
        ExplainForm::Json | ExplainForm::Text => &CONTENT,
    };
    list(columns, Vec::new())
}

impl Explained {
    /// The plan in a form.
    pub fn shaped(&self, form: ExplainForm) -> Shaped {
        let mut placed = Vec::new();
        place(&self.root, None, 0, &mut placed);
        let mut totals = Totals::default();
        for scan in placed.iter().filter_map(|placed| placed.operator.scan()) {
            totals.partitions += scan.partitions;
            totals.assigned += scan.assigned();
        }
        match form {
            ExplainForm::Tabular => list(&COLUMNS, rows(&placed, &totals)),
            ExplainForm::Json => list(&CONTENT, vec![vec![Some(json(&placed, &totals))]]),
            ExplainForm::Text => list(&CONTENT, vec![vec![Some(text(&placed, &totals))]]),
        }
    }
}

impl Operator {
    fn scan(&self) -> Option<&Scan> {
        self.object.as_ref()?.scan.as_ref()
    }

    fn object_name(&self) -> Option<String> {
        self.object.as_ref().map(|object| object.path.to_string())
    }
}

/// Numbers the operators as they are shown: each before what is below it.
fn place<'a>(operator: &'a Operator, parent: Option<usize>, depth: usize, placed: &mut Vec<Placed<'a>>) {
    let id = placed.len();
    placed.push(Placed {
        id,
        parent,
        depth,
        operator,
    });
    for child in &operator.children {
        place(child, Some(id), depth + 1, placed);
    }
}

fn rows(placed: &[Placed<'_>], totals: &Totals) -> Vec<Vec<Option<String>>> {
    let statistics = |partitions: u64, assigned: u64| {
        // The engine does not tell bytes.
        [partitions, assigned, 0].map(|number| Some(number.to_string()))
    };
    let mut rows = Vec::with_capacity(placed.len() + 1);
    let mut global = vec![None; 7];
    global[3] = Some("GlobalStats".to_owned());
    global.extend(statistics(totals.partitions, totals.assigned));
    rows.push(global);
    for placed in placed {
        let operator = placed.operator;
        let expressions = operator.expressions.join(", ");
        let mut row = vec![
            Some(STEP.to_string()),
            Some(placed.id.to_string()),
            placed.parent.map(|parent| format!("[{parent}]")),
            Some(operator.name.clone()),
            operator.object_name(),
            operator.alias.clone(),
            Some(expressions).filter(|text| !text.is_empty()),
        ];
        row.extend(match operator.scan() {
            Some(scan) => statistics(scan.partitions, scan.assigned()),
            None => [None, None, None],
        });
        rows.push(row);
    }
    rows
}

/// A plan as JSON, in Snowflake's order.
#[derive(Serialize)]
#[serde(rename_all = "PascalCase")]
struct Document<'a> {
    global_stats: Statistics,
    /// The operations of each step.
    operations: [Vec<Operation<'a>>; 1],
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Statistics {
    partitions_total: u64,
    partitions_assigned: u64,
    bytes_assigned: u64,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Operation<'a> {
    id: usize,
    #[serde(skip_serializing_if = "Option::is_none")]
    parent_operators: Option<[usize; 1]>,
    #[serde(rename = "operation")]
    name: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    objects: Option<[String; 1]>,
    #[serde(skip_serializing_if = "Option::is_none")]
    alias: Option<&'a str>,
    #[serde(skip_serializing_if = "<[String]>::is_empty")]
    expressions: &'a [String],
    #[serde(flatten)]
    statistics: Option<Statistics>,
}

fn json(placed: &[Placed<'_>], totals: &Totals) -> String {
    let statistics = |partitions_total, partitions_assigned| Statistics {
        partitions_total,
        partitions_assigned,
        bytes_assigned: 0,
    };
    let operations = placed.iter().map(|placed| {
        let operator = placed.operator;
        Operation {
            id: placed.id,
            parent_operators: placed.parent.map(|parent| [parent]),
            name: &operator.name,
            objects: operator.object_name().map(|name| [name]),
            alias: operator.alias.as_deref(),
            expressions: &operator.expressions,
            statistics: operator
                .scan()
                .map(|scan| statistics(scan.partitions, scan.assigned())),
        }
    });
    let document = Document {
        global_stats: statistics(totals.partitions, totals.assigned),
        operations: [operations.collect()],
    };
    serde_json::to_string(&document).expect("texts and numbers are JSON")
}

fn text(placed: &[Placed<'_>], totals: &Totals) -> String {
    let mut lines = vec![
        "GlobalStats:".to_owned(),
        format!("    partitionsTotal={}", totals.partitions),
        format!("    partitionsAssigned={}", totals.assigned),
        "    bytesAssigned=0".to_owned(),
        "Operations:".to_owned(),
    ];
    for placed in placed {
        let operator = placed.operator;
        let mut parts = vec![format!("->{}", operator.name)];
        parts.extend(operator.object_name());
        parts.extend(operator.alias.as_ref().map(|alias| format!("as {alias}")));
        if !operator.expressions.is_empty() {
            parts.push(operator.expressions.join(", "));
        }
        if let Some(scan) = operator.scan() {
            parts.push(format!(
                "{{partitionsTotal={}, partitionsAssigned={}, bytesAssigned=0}}",
                scan.partitions,
                scan.assigned()
            ));
        }
        let indent = " ".repeat(5 * (placed.depth + 1));
        lines.push(format!("{STEP}:{}{indent}{}", placed.id, parts.join("  ")));
    }
    lines.push(String::new());
    lines.join("\n")
}
