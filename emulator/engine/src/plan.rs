//! The engine's plan of a statement, as it tells it.

use std::collections::BTreeMap;

use serde::{Deserialize, Deserializer};

/// One operator of a plan, in the engine's words.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
pub struct PlanNode {
    /// Name of the operator, such as `HASH_JOIN`.
    #[serde(rename = "name")]
    pub operator: String,
    /// What the engine says of the operator, such as `Filters`; expressions are in its SQL.
    #[serde(rename = "extra_info", default)]
    details: BTreeMap<String, Detail>,
    /// Operators whose rows it takes.
    #[serde(default)]
    pub children: Vec<PlanNode>,
}

impl PlanNode {
    /// What is said under a name; nothing when nothing is.
    pub fn details(&self, name: &str) -> &[String] {
        self.details.get(name).map_or(&[], |detail| &detail.0)
    }

    /// The first thing that is said under a name.
    pub fn detail(&self, name: &str) -> Option<&str> {
        self.details(name).first().map(String::as_str)
    }

    /// Reads the engine's JSON: a list of one operator. None of what is not that, or has more than some sixty operators one
    /// inside the other.
    pub(crate) fn read(json: &str) -> Option<Self> {
        let roots: Vec<Self> = serde_json::from_str(json).ok()?;
        roots.into_iter().next()
    }
}

/// One text or several; an empty text is none.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
struct Detail(Vec<String>);

impl<'de> Deserialize<'de> for Detail {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        #[derive(Deserialize)]
        #[serde(untagged)]
        enum Told {
            One(String),
            Several(Vec<String>),
            Other(serde_json::Value),
        }
        Ok(Self(match Told::deserialize(deserializer)? {
            Told::One(text) if text.is_empty() => Vec::new(),
            Told::One(text) => vec![text],
            Told::Several(texts) => texts,
            Told::Other(value) => vec![value.to_string()],
        }))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{EngineConfig, open};

    #[test]
    fn a_plan_is_read_as_told() {
        let json = r#"[{"name": "FILTER", "extra_info": {"Expression": "(a > 1)", "Rows": 3, "None": ""},
            "children": [{"name": "SEQ_SCAN", "children": [], "extra_info": {"Projections": ["a", "b"]}}]}]"#;
        let plan = PlanNode::read(json).unwrap();
        assert_eq!(plan.detail("Expression"), Some("(a > 1)"));
        assert_eq!(plan.detail("Rows"), Some("3"));
        assert!(plan.details("None").is_empty());
        assert_eq!(plan.children[0].details("Projections"), ["a", "b"]);
        assert!(PlanNode::read("[]").is_none());
    }

    #[test]
    fn planning_runs_nothing() {
        let engine = open(&EngineConfig::in_memory()).unwrap();
        let mut connection = engine.connect().unwrap();
        connection.execute("CREATE TABLE t (a INTEGER)").unwrap();
        let plan = connection
            .plan("INSERT INTO t SELECT i FROM range(3) r(i)")
            .unwrap()
            .unwrap();
        assert!(plan.operator.contains("INSERT"), "{plan:?}");
        assert!(!plan.children.is_empty());
        assert_eq!(connection.execute("DELETE FROM t").unwrap(), 0);
        assert!(connection.plan("SELECT b FROM t").is_err());
        assert!(connection.plan("SELECT 1; SELECT 2").is_err());
    }
}
