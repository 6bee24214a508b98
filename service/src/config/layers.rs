//! Where settings come from, and the check that nobody wrote a key that does not exist.

use std::collections::BTreeMap;
use std::fmt;
use std::io::ErrorKind;
use std::path::Path;

use figment::value::{Dict, Map, Value};
use figment::{Figment, Metadata, Profile, Provider};

use super::environment::{Environment, PREFIX};
use super::flags::RunFlags;
use super::listing::{FileOutcome, LayerName, Listing, Origin, SettingsFile};
use super::oversight::CONNECTION_KEYS;

/// The defaults, which are also the list of keys.
pub(super) const DEFAULTS: &str = include_str!("defaults.toml");

/// One thing that is wrong, with its place.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Fault {
    /// File and line, variable or flag.
    pub place: String,
    /// What is wrong.
    pub message: String,
}

/// Everything that is wrong with the configuration.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Faults(pub Vec<Fault>);

impl fmt::Display for Faults {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("the configuration cannot be used")?;
        for fault in &self.0 {
            write!(formatter, "\n  {}: {}", fault.place, fault.message)?;
        }
        Ok(())
    }
}

impl std::error::Error for Faults {}

/// One source of settings.
struct Layer {
    name: LayerName,
    values: Dict,
}

impl Provider for Layer {
    fn metadata(&self) -> Metadata {
        Metadata::named(self.name.as_str())
    }

    fn data(&self) -> Result<Map<Profile, Dict>, figment::Error> {
        Ok(Profile::Default.collect(self.values.clone()))
    }
}

/// The overlaid layers, with what was found on the way.
pub(super) struct Layers {
    pub(super) figment: Figment,
    pub(super) faults: Vec<Fault>,
    pub(super) warnings: Vec<String>,
    /// The files that were looked for, in their order.
    pub(super) files: Vec<SettingsFile>,
    known: Vec<String>,
    /// Where the value of each key is from that is not a default.
    origins: BTreeMap<String, Origin>,
}

impl Layers {
    /// Begins with the defaults.
    pub(super) fn new() -> Self {
        let defaults: Dict = toml::from_str(DEFAULTS).expect("a test reads the defaults");
        let mut known = Vec::new();
        collect_keys("", &defaults, &mut known);
        let figment = Figment::from(Layer {
            name: LayerName::Defaults,
            values: defaults,
        });
        Self {
            figment,
            faults: Vec::new(),
            warnings: Vec::new(),
            files: Vec::new(),
            known,
            origins: BTreeMap::new(),
        }
    }

    /// All keys that exist, dotted.
    #[cfg(test)]
    pub(super) fn known(&self) -> &[String] {
        &self.known
    }

    /// Overlays a file. A file that is not there is no fault unless it was asked for.
    pub(super) fn file(&mut self, name: LayerName, path: &Path, must_exist: bool) {
        let outcome = self.read_file(name, path, must_exist);
        self.files.push(SettingsFile {
            layer: name,
            path: path.to_owned(),
            outcome,
        });
    }

    fn read_file(&mut self, name: LayerName, path: &Path, must_exist: bool) -> FileOutcome {
        let place = path.display().to_string();
        let text = match std::fs::read_to_string(path) {
            Ok(text) => text,
            Err(error) if error.kind() == ErrorKind::NotFound && !must_exist => return FileOutcome::Absent,
            Err(error) => {
                self.fault(place, format!("cannot be read: {error}"));
                return FileOutcome::Unreadable;
            }
        };
        match toml::from_str::<Dict>(&text) {
            Ok(values) => {
                let places = self.check_keys(name, path, &text);
                self.merge(name, values, places);
                FileOutcome::Read
            }
            Err(error) => {
                let line = error.span().map(|span| line_of(&text, span.start));
                let place = line.map_or_else(|| place.clone(), |line| format!("{place}:{line}"));
                self.fault(place, error.message().to_owned());
                FileOutcome::Unreadable
            }
        }
    }

    /// Overlays our variables. Their values are text and stay text; an unknown one is worth a warning only,
    /// since the environment is shared with others.
    pub(super) fn environment(&mut self, environment: &Environment) {
        for (name, value) in environment.own() {
            let key = name.to_ascii_lowercase().replace("__", ".");
            if key == "config" {
                continue;
            }
            if self.known.contains(&key) {
                let origin = Origin::new(LayerName::Environment, format!("variable {PREFIX}{name}"));
                let values = nested(&key, value);
                self.merge(LayerName::Environment, values, [(key, origin)]);
            } else {
                let nearest = self
                    .nearest(&key)
                    .map(variable_of)
                    .map(|name| format!(", did you mean {name}?"));
                self.warnings.push(format!(
                    "unknown variable {PREFIX}{name}{}",
                    nearest.unwrap_or_default()
                ));
            }
        }
    }

    /// Overlays the flags.
    pub(super) fn flags(&mut self, flags: &RunFlags) {
        for (flag, key, value) in flags.given() {
            let origin = Origin::new(LayerName::Flags, format!("flag {flag}"));
            self.merge(LayerName::Flags, nested(key, &value), [(key.to_owned(), origin)]);
        }
    }

    pub(super) fn fault(&mut self, place: impl Into<String>, message: impl Into<String>) {
        self.faults.push(Fault {
            place: place.into(),
            message: message.into(),
        });
    }

    /// Where the value of `key` came from.
    pub(super) fn place_of(&self, key: &str) -> String {
        self.origin_of(key).place
    }

    /// True when a layer above the defaults has a value of `key`.
    pub(super) fn is_set(&self, key: &str) -> bool {
        self.origins.contains_key(key)
    }

    fn origin_of(&self, key: &str) -> Origin {
        let inside = format!("{key}.");
        // What should be a value may have been written as a table.
        let written_inside = || self.origins.iter().find(|(found, _)| found.starts_with(&inside));
        let found = self.origins.get(key).or_else(|| Some(written_inside()?.1));
        found.cloned().unwrap_or_default()
    }

    /// Every key with its value as it is now.
    pub(super) fn listing(&self) -> Listing {
        let (merged, defaults) = (&self.figment, Self::new().figment);
        let read = |figment: &Figment| figment.extract::<Dict>().unwrap_or_default();
        let exists = |key: &str| self.known.iter().any(|known| known == key) || is_of_connection(key);
        // What is no key is not told: who misspells one may have written a secret there.
        Listing::new(&read(merged), &read(&defaults), |key| {
            exists(key).then(|| self.origin_of(key))
        })
    }

    fn merge(&mut self, name: LayerName, values: Dict, origins: impl IntoIterator<Item = (String, Origin)>) {
        self.figment = std::mem::take(&mut self.figment).merge(Layer { name, values });
        self.origins.extend(origins);
    }

    /// Says where each key of a file stands, and reports those that do not exist, with the nearest one that does.
    fn check_keys(&mut self, name: LayerName, path: &Path, text: &str) -> Vec<(String, Origin)> {
        let mut found = Vec::new();
        if let Ok(table) = toml::de::DeTable::parse(text) {
            collect_spans("", table.get_ref(), &mut found);
        }
        let place = |at: usize| format!("{}:{}", path.display(), line_of(text, at));
        for (key, start) in &found {
            if self.known.contains(key) || is_of_connection(key) {
                continue;
            }
            let nearest = self.nearest(key).map(|key| format!(", did you mean `{key}`?"));
            let message = format!("unknown key `{key}`{}", nearest.unwrap_or_default());
            self.fault(place(*start), message);
        }
        found
            .into_iter()
            .map(|(key, start)| (key, Origin::new(name, place(start))))
            .collect()
    }

    fn nearest(&self, key: &str) -> Option<&str> {
        let distance = |known: &String| strsim::damerau_levenshtein(known, key);
        let nearest = self.known.iter().min_by_key(|known| distance(known))?;
        let same_last = nearest.rsplit('.').next() == key.rsplit('.').next();
        (same_last || distance(nearest) <= key.len().div_ceil(3)).then_some(nearest.as_str())
    }
}

/// True for a key of `policy.connections.NAME`, whatever the name is.
fn is_of_connection(key: &str) -> bool {
    let named = key.strip_prefix("policy.connections.");
    named
        .and_then(|named| named.rsplit_once('.'))
        .is_some_and(|(_, key)| CONNECTION_KEYS.contains(&key))
}

fn variable_of(key: &str) -> String {
    format!("{PREFIX}{}", key.to_ascii_uppercase().replace('.', "__"))
}

/// `a.b` and a value as nested tables.
fn nested(key: &str, value: &str) -> Dict {
    let mut dict = Dict::new();
    match key.split_once('.') {
        Some((first, rest)) => dict.insert(first.to_owned(), Value::from(nested(rest, value))),
        None => dict.insert(key.to_owned(), Value::from(value)),
    };
    dict
}

fn collect_keys(prefix: &str, dict: &Dict, keys: &mut Vec<String>) {
    for (name, value) in dict {
        match value {
            Value::Dict(_, inner) => collect_keys(&format!("{prefix}{name}."), inner, keys),
            _ => keys.push(format!("{prefix}{name}")),
        }
    }
}

fn collect_spans(prefix: &str, table: &toml::de::DeTable<'_>, keys: &mut Vec<(String, usize)>) {
    for (name, value) in table {
        let key = format!("{prefix}{}", name.get_ref());
        match value.get_ref() {
            toml::de::DeValue::Table(inner) => collect_spans(&format!("{key}."), inner, keys),
            _ => keys.push((key, name.span().start)),
        }
    }
}

fn line_of(text: &str, at: usize) -> usize {
    text.bytes().take(at).filter(|byte| *byte == b'\n').count() + 1
}
