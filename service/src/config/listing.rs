//! What is configured, key by key: for people, and to tell two configurations apart.

use std::collections::BTreeMap;
use std::path::PathBuf;

use figment::value::{Dict, Value};
use serde::Serialize;

/// A place that settings come from, the weakest first.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum LayerName {
    /// Nobody set it.
    Defaults,
    /// The machine's file.
    System,
    /// The user's file, or the one that was named instead.
    User,
    /// A variable.
    Environment,
    /// The command line.
    Flags,
}

impl LayerName {
    pub(super) fn as_str(self) -> &'static str {
        match self {
            Self::Defaults => "defaults",
            Self::System => "system",
            Self::User => "user",
            Self::Environment => "environment",
            Self::Flags => "flags",
        }
    }
}

/// Where a value comes from.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Origin {
    pub(super) layer: LayerName,
    /// File and line, variable or flag.
    pub(super) place: String,
}

impl Origin {
    pub(super) fn new(layer: LayerName, place: String) -> Self {
        Self { layer, place }
    }
}

impl Default for Origin {
    fn default() -> Self {
        Self::new(LayerName::Defaults, "the built-in defaults".to_owned())
    }
}

/// A file that was looked for.
#[derive(Debug, Clone, Serialize)]
pub struct SettingsFile {
    /// Which one it is.
    pub layer: LayerName,
    /// Where it is looked for.
    pub path: PathBuf,
    /// What was found.
    pub outcome: FileOutcome,
}

/// What was found where a file is looked for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum FileOutcome {
    /// It was read.
    Read,
    /// It is not there, and need not be.
    Absent,
    /// It cannot be read, which is a fault.
    Unreadable,
}

/// A key with its value.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Setting {
    /// The key, with dots.
    pub key: String,
    /// Its value, as it was written, in the kind of the default.
    pub value: serde_json::Value,
    /// The layer that it comes from.
    pub layer: LayerName,
    /// File and line, variable or flag.
    pub source: String,
}

/// Every key with its value. No key of ours holds a secret: those are in Snowflake's own files.
#[derive(Debug, Clone, Default, PartialEq, Serialize)]
#[serde(transparent)]
pub struct Listing(pub Vec<Setting>);

impl Listing {
    pub(super) fn new(merged: &Dict, defaults: &Dict, origin: impl Fn(&str) -> Option<Origin>) -> Self {
        let (mut found, mut born) = (Vec::new(), Vec::new());
        collect("", merged, &mut found);
        collect("", defaults, &mut born);
        let born: BTreeMap<String, &Value> = born.into_iter().collect();
        let settings = found.into_iter().filter_map(|(key, value)| {
            let Origin { layer, place } = origin(&key)?;
            Some(Setting {
                value: shown(value, born.get(&key).copied()),
                key,
                layer,
                source: place,
            })
        });
        Self(settings.collect())
    }

    /// Keys whose values are not the same in both, those among them that only one has.
    pub(crate) fn changed<'a>(&'a self, other: &'a Self) -> Vec<&'a str> {
        let index = |listing: &'a Self| -> BTreeMap<&'a str, &'a serde_json::Value> {
            let settings = listing.0.iter();
            settings
                .map(|setting| (setting.key.as_str(), &setting.value))
                .collect()
        };
        let (ours, theirs) = (index(self), index(other));
        let mut keys: Vec<&str> = ours.keys().chain(theirs.keys()).copied().collect();
        keys.sort_unstable();
        keys.dedup();
        keys.retain(|key| ours.get(key) != theirs.get(key));
        keys
    }

    /// The values of `other` for the keys that `chosen` names, the own ones for the rest.
    pub(crate) fn overlaid(&self, other: &Self, chosen: impl Fn(&str) -> bool) -> Self {
        let kept = self.0.iter().filter(|setting| !chosen(&setting.key));
        let taken = other.0.iter().filter(|setting| chosen(&setting.key));
        Self(kept.chain(taken).cloned().collect())
    }
}

fn collect<'a>(prefix: &str, dict: &'a Dict, found: &mut Vec<(String, &'a Value)>) {
    for (name, value) in dict {
        match value {
            Value::Dict(_, inner) => collect(&format!("{prefix}{name}."), inner, found),
            _ => found.push((format!("{prefix}{name}"), value)),
        }
    }
}

fn number(text: &str) -> Option<serde_json::Value> {
    let whole = text.parse::<u64>().ok().map(Into::into);
    whole.or_else(|| text.parse::<f64>().ok().map(Into::into))
}

/// A value in the kind of its default: variables and flags are text whatever they mean. An address is shown without the
/// user and the password that somebody wrote into it; no key of ours takes such a one.
fn shown(value: &Value, default: Option<&Value>) -> serde_json::Value {
    let text = value.as_str();
    if let Some((scheme, rest)) = text.and_then(|text| text.split_once("://"))
        && let Some((_, place)) = rest.rsplit_once('@')
    {
        return format!("{scheme}://***@{place}").into();
    }
    let read = match (default, text) {
        (Some(Value::Num(..)), Some(text)) => number(text.trim()),
        (Some(Value::Bool(..)), Some(text)) => text.parse::<bool>().ok().map(Into::into),
        (Some(Value::Array(..)), Some(text)) => Some(super::values::split(text).collect()),
        _ => None,
    };
    // What is written in TOML can be written in JSON; only a number can be none there, which no key takes.
    read.unwrap_or_else(|| serde_json::to_value(value).unwrap_or_default())
}
