//! Reads the merged layers key by key, so that one fault does not hide the next.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::str::FromStr;
use std::time::Duration;

use serde::de::DeserializeOwned;

use super::layers::{Fault, Layers};
use super::values::{Count, Size, Span, Text, Texts};

/// Reads keys and collects what is wrong with them. After a fault a harmless value is returned; the caller
/// asks for [`faults`](Self::faults) before it uses anything.
pub(super) struct Reader<'a> {
    layers: &'a Layers,
    faults: Vec<Fault>,
    #[cfg(test)]
    pub(super) asked: Vec<&'static str>,
}

/// Keys in tables with names that users choose, as far as the defaults have some.
#[cfg(test)]
const DEFAULT_TABLES: [&str; 1] = ["policy.connections.local.level"];

impl<'a> Reader<'a> {
    pub(super) fn new(layers: &'a Layers) -> Self {
        Self {
            layers,
            faults: Vec::new(),
            #[cfg(test)]
            asked: Vec::new(),
        }
    }

    pub(super) fn text(&mut self, key: &'static str) -> String {
        self.value(key).map(|Text(text)| text).unwrap_or_default()
    }

    /// An absolute path; empty is `None`.
    pub(super) fn path(&mut self, key: &'static str) -> Option<PathBuf> {
        let text = self.text(key);
        if text.is_empty() {
            return None;
        }
        let path = PathBuf::from(&text);
        if !path.is_absolute() {
            self.fault(key, format!("{text:?} is not an absolute path"));
        }
        Some(path)
    }

    pub(super) fn count(&mut self, key: &'static str, least: u64) -> usize {
        let count = self.value(key).map_or(least, |Count(count)| count);
        if count < least {
            self.fault(key, format!("{count} is less than {least}"));
        }
        usize::try_from(count).unwrap_or(usize::MAX)
    }

    pub(super) fn size(&mut self, key: &'static str, least: u64, most: u64) -> u64 {
        let size = self.value(key).map_or(least, |Size(size)| size);
        if size < least || size > most {
            self.fault(key, format!("{size} bytes is not between {least} and {most}"));
        }
        size.clamp(least, most)
    }

    pub(super) fn duration(&mut self, key: &'static str, least: Duration) -> Duration {
        let duration = self.value(key).map_or(least, |Span(duration)| duration);
        if duration < least {
            self.fault(key, format!("{duration:?} is less than {least:?}"));
        }
        duration
    }

    pub(super) fn duration_within(&mut self, key: &'static str, least: Duration, most: Duration) -> Duration {
        let duration = self.duration(key, least);
        if duration > most {
            self.fault(key, format!("{duration:?} is more than {most:?}"));
        }
        duration.min(most)
    }

    pub(super) fn truth(&mut self, key: &'static str) -> bool {
        match self.text(key).as_str() {
            "true" => true,
            "false" => false,
            other => {
                self.fault(key, format!("{other:?} is neither true nor false"));
                false
            }
        }
    }

    /// Texts of one key, each read as a `T`.
    pub(super) fn list<T: FromStr<Err = String>>(&mut self, key: &'static str) -> Vec<T> {
        let texts = self.value(key).map(|Texts(texts)| texts).unwrap_or_default();
        self.each(key, &texts)
    }

    /// A text that is read as a `T`.
    pub(super) fn word<T: FromStr<Err = String>>(&mut self, key: &'static str, otherwise: T) -> T {
        let text = self.text(key);
        self.parsed(key, &text).unwrap_or(otherwise)
    }

    /// Reads a text as a `T`.
    pub(super) fn parsed<T: FromStr<Err = String>>(&mut self, key: &str, text: &str) -> Option<T> {
        text.parse().map_err(|why: String| self.fault(key, why)).ok()
    }

    /// Reads each text as a `T`.
    pub(super) fn each<T: FromStr<Err = String>>(&mut self, key: &str, texts: &[String]) -> Vec<T> {
        texts.iter().filter_map(|text| self.parsed(key, text)).collect()
    }

    /// A table whose keys are names that users choose.
    pub(super) fn tables<T: DeserializeOwned>(&mut self, key: &'static str) -> BTreeMap<String, T> {
        #[cfg(test)]
        self.asked
            .extend(DEFAULT_TABLES.iter().filter(|known| known.starts_with(key)));
        match self.layers.figment.extract_inner(key) {
            Ok(tables) => tables,
            Err(error) => {
                // The path of what was asked for comes behind the path in it.
                let path = error.path.join(".");
                let inner = path.strip_suffix(key).unwrap_or(&path).trim_end_matches('.');
                self.fault(&format!("{key}.{inner}"), error.kind.to_string());
                BTreeMap::new()
            }
        }
    }

    /// True when somebody has written a value of the key: it is not the default.
    pub(super) fn is_set(&self, key: &str) -> bool {
        self.layers.is_set(key)
    }

    pub(super) fn fault(&mut self, key: &str, message: impl Into<String>) {
        let place = self.layers.place_of(key);
        self.faults.push(Fault {
            place,
            message: format!("`{key}`: {}", message.into()),
        });
    }

    /// What was wrong.
    pub(super) fn faults(self) -> Vec<Fault> {
        self.faults
    }

    fn value<T: DeserializeOwned>(&mut self, key: &'static str) -> Option<T> {
        #[cfg(test)]
        self.asked.push(key);
        match self.layers.figment.extract_inner(key) {
            Ok(value) => Some(value),
            Err(error) => {
                self.fault(key, error.kind.to_string());
                None
            }
        }
    }
}
