//! Reads the merged layers key by key, so that one fault does not hide the next.

use std::path::PathBuf;
use std::time::Duration;

use serde::de::DeserializeOwned;

use super::layers::{Fault, Layers};
use super::values::{Count, Size, Span, Text};

/// Reads keys and collects what is wrong with them. After a fault a harmless value is returned; the caller
/// asks for [`faults`](Self::faults) before it uses anything.
pub(super) struct Reader<'a> {
    layers: &'a Layers,
    faults: Vec<Fault>,
    #[cfg(test)]
    pub(super) asked: Vec<&'static str>,
}

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
