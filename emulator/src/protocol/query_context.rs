//! Query contexts: what clients remember of a session's statements and send along with the next ones.
//!
//! Snowflake reads from them how recent a hybrid table's rows must be; a client may take them from one session to
//! another. Here one process serves all, so that nothing depends on them: they are kept, merged and given back as the
//! protocol has it. The entry with id 0 is the server's own; its timestamp grows with every statement.

use std::collections::BTreeMap;
use std::sync::{Mutex, PoisonError};
use std::time::{SystemTime, UNIX_EPOCH};

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde::Serialize;
use serde_json::Value;

/// The parameter that says how many entries a client keeps.
pub(super) const SIZE: &str = "QUERY_CONTEXT_CACHE_SIZE";
/// Most entries of a session, whatever the parameter says.
const ENTRIES_MAX: usize = 100;
/// Longest opaque text of an entry that is kept.
const OPAQUE_BYTES_MAX: usize = 4096;
/// Id and priority of the server's own entry.
const OWN: i64 = 0;

/// The contexts of one session.
#[derive(Default)]
pub(super) struct QueryContexts {
    entries: Mutex<BTreeMap<i64, Entry>>,
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub(super) struct Entry {
    id: i64,
    /// Microseconds since 1970.
    timestamp: i64,
    /// The lower, the longer kept.
    priority: i64,
    /// Opaque, in base64.
    context: Option<String>,
}

/// What a client sent along with a statement.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Sent {
    /// Nothing, or nothing of the form.
    Nothing,
    /// What the session's last answer told it, as it was told.
    Current,
    /// The same without the opaque parts, as the Go driver does it.
    Incomplete,
    /// Something else: what an earlier answer told, or what came from another session.
    Other,
}

/// `queryContext` of an answer.
#[derive(Serialize)]
pub(super) struct Answered {
    entries: Vec<Entry>,
}

impl QueryContexts {
    /// Takes over what a client knows and the session does not. What is not of the form says nothing.
    pub(super) fn merge(&self, sent: &Value) -> Sent {
        let sent = sent.get("entries").and_then(Value::as_array);
        let sent: BTreeMap<i64, Entry> = sent
            .into_iter()
            .flatten()
            .take(ENTRIES_MAX)
            .filter_map(read)
            .map(|entry| (entry.id, entry))
            .collect();
        if sent.is_empty() {
            return Sent::Nothing;
        }
        let mut entries = self.entries.lock().unwrap_or_else(PoisonError::into_inner);
        if sent == *entries {
            return Sent::Current;
        }
        let is_bare = |(one, known): (&Entry, &Entry)| {
            (one.id, one.timestamp, one.priority) == (known.id, known.timestamp, known.priority)
                && one.context.is_none()
        };
        if sent.len() == entries.len() && sent.values().zip(entries.values()).all(is_bare) {
            return Sent::Incomplete;
        }
        for entry in sent.into_values() {
            let known = entries.get(&entry.id);
            if known.is_none_or(|known| known.timestamp < entry.timestamp) {
                // A priority belongs to one entry: the newer one.
                entries.retain(|id, other| *id == entry.id || other.priority != entry.priority);
                entries.insert(entry.id, entry);
            }
        }
        keep(&mut entries, ENTRIES_MAX);
        Sent::Other
    }

    /// What the client is to know after a statement; none when it keeps nothing.
    pub(super) fn after_statement(&self, size: usize) -> Option<Answered> {
        if size == 0 {
            return None;
        }
        let elapsed = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
        let now = i64::try_from(elapsed.as_micros()).unwrap_or(i64::MAX);
        let mut entries = self.entries.lock().unwrap_or_else(PoisonError::into_inner);
        let last = entries.get(&OWN).map_or(0, |own| own.timestamp);
        let timestamp = now.max(last.saturating_add(1));
        entries.retain(|_, other| other.priority != OWN);
        entries.insert(
            OWN,
            Entry {
                id: OWN,
                timestamp,
                priority: OWN,
                context: Some(STANDARD.encode(timestamp.to_be_bytes())),
            },
        );
        keep(&mut entries, size.min(ENTRIES_MAX));
        let mut entries: Vec<Entry> = entries.values().cloned().collect();
        entries.sort_by_key(|entry| entry.priority);
        Some(Answered { entries })
    }
}

/// Drops the entries of the lowest priority beyond so many.
fn keep(entries: &mut BTreeMap<i64, Entry>, most: usize) {
    while entries.len() > most {
        let last = entries
            .values()
            .max_by_key(|entry| entry.priority)
            .map(|entry| entry.id);
        let Some(last) = last else { return };
        entries.remove(&last);
    }
}

fn read(entry: &Value) -> Option<Entry> {
    let number = |name: &str| entry.get(name).and_then(Value::as_i64);
    let context = entry.get("context").and_then(|context| context.get("base64Data"));
    let context = context.and_then(Value::as_str).map(str::to_owned);
    if context
        .as_ref()
        .is_some_and(|context| context.len() > OPAQUE_BYTES_MAX)
    {
        return None;
    }
    Some(Entry {
        id: number("id")?,
        timestamp: number("timestamp")?,
        priority: number("priority")?,
        context,
    })
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn entry(id: i64, timestamp: i64, priority: i64) -> Value {
        json!({ "id": id, "timestamp": timestamp, "priority": priority, "context": { "base64Data": "eA==" } })
    }

    fn ids(contexts: &QueryContexts, size: usize) -> Vec<(i64, i64)> {
        let answered = contexts.after_statement(size).unwrap();
        answered
            .entries
            .iter()
            .map(|entry| (entry.id, entry.priority))
            .collect()
    }

    #[test]
    fn entries_are_merged_by_id_and_kept_by_priority() {
        let contexts = QueryContexts::default();
        contexts.merge(&json!({ "entries": [entry(7, 10, 2), entry(8, 10, 1), entry(9, 10, 3)] }));
        assert_eq!(ids(&contexts, 5), [(0, 0), (8, 1), (7, 2), (9, 3)]);
        // An older one changes nothing, a newer one takes its priority from another.
        contexts.merge(&json!({ "entries": [entry(7, 9, 9), entry(9, 11, 1)] }));
        assert_eq!(ids(&contexts, 5), [(0, 0), (9, 1), (7, 2)]);
        assert_eq!(ids(&contexts, 2), [(0, 0), (9, 1)]);
        assert!(contexts.after_statement(0).is_none());
    }

    #[test]
    fn what_was_told_comes_back() {
        let contexts = QueryContexts::default();
        assert_eq!(contexts.merge(&json!({ "entries": [] })), Sent::Nothing);
        assert_eq!(
            contexts.merge(&json!({ "entries": [entry(7, 10, 2)] })),
            Sent::Other
        );
        let sent = |answered: &Answered| {
            let entries = answered.entries.iter().map(|entry| {
                json!({ "id": entry.id, "timestamp": entry.timestamp, "priority": entry.priority,
                        "context": { "base64Data": entry.context } })
            });
            json!({ "entries": entries.collect::<Vec<_>>() })
        };
        let first = sent(&contexts.after_statement(5).unwrap());
        assert_eq!(contexts.merge(&first), Sent::Current);
        let second = sent(&contexts.after_statement(5).unwrap());
        assert_eq!(contexts.merge(&first), Sent::Other);
        assert_eq!(contexts.merge(&second), Sent::Current);
        let mut altered = second.clone();
        altered["entries"][0]["context"]["base64Data"] = json!("AAAA");
        assert_eq!(contexts.merge(&altered), Sent::Other);
        altered["entries"][0]["context"] = json!({});
        altered["entries"][1]["context"] = json!({});
        assert_eq!(contexts.merge(&altered), Sent::Incomplete);
        assert_eq!(contexts.merge(&second), Sent::Current, "nothing was taken over");
    }

    #[test]
    fn the_servers_own_timestamp_grows() {
        let contexts = QueryContexts::default();
        let own = || contexts.after_statement(5).unwrap().entries[0].timestamp;
        let first = own();
        contexts.merge(&json!({ "entries": [entry(0, i64::MAX - 10, 0)] }));
        let second = own();
        assert!(first < second && second < own());
    }

    #[test]
    fn what_is_no_context_says_nothing() {
        let contexts = QueryContexts::default();
        for sent in [
            json!(null),
            json!({}),
            json!({ "entries": 1 }),
            json!({ "entries": [1, {}, { "id": "x", "timestamp": 1, "priority": 1 }] }),
            json!({ "entries": [{ "id": 1, "timestamp": 1, "priority": 1, "context": { "base64Data": "x".repeat(5000) } }] }),
        ] {
            assert_eq!(contexts.merge(&sent), Sent::Nothing);
        }
        assert_eq!(ids(&contexts, 5), [(0, 0)]);
        let many: Vec<Value> = (1..500).map(|id| entry(id, 1, id)).collect();
        contexts.merge(&json!({ "entries": many }));
        assert_eq!(contexts.after_statement(1000).unwrap().entries.len(), ENTRIES_MAX);
    }
}
