//! Records of the log as people read them.

use serde_json::Value;

/// A record of the log as a line for people; `None` when it is about another session.
pub(super) fn readable(line: &str, session: Option<&str>) -> Option<String> {
    let Ok(Value::Object(record)) = serde_json::from_str(line) else {
        // A line of something else, of a panic for example.
        return session.is_none().then(|| line.to_owned());
    };
    let spans = record
        .get("spans")
        .and_then(Value::as_array)
        .map_or(&[][..], Vec::as_slice);
    let named = spans
        .iter()
        .filter_map(|span| span.get("session")?.as_str())
        .next_back();
    if session.is_some() && session != named {
        return None;
    }
    let text = |key: &str| record.get(key).and_then(Value::as_str).unwrap_or_default();
    let mut parts = vec![format!("{} {:>5}", text("timestamp"), text("level"))];
    parts.extend(named.map(|named| format!("session={named}")));
    parts.push(text("message").to_owned());
    for (key, value) in &record {
        if !matches!(
            key.as_str(),
            "timestamp" | "level" | "message" | "target" | "spans"
        ) {
            parts.push(match value {
                Value::String(value) => format!("{key}={value}"),
                value => format!("{key}={value}"),
            });
        }
    }
    Some(parts.join(" "))
}

#[cfg(test)]
mod tests {
    use super::*;

    const RECORD: &str = r#"{"timestamp":"2026-01-02T03:04:05Z","level":"INFO","message":"logged in","user":"ME","target":"t","spans":[{"session":"etl","name":"session"}]}"#;

    #[test]
    fn a_record_is_shown_with_its_session_and_fields() {
        assert_eq!(
            readable(RECORD, None).as_deref(),
            Some("2026-01-02T03:04:05Z  INFO session=etl logged in user=ME")
        );
        assert!(readable(RECORD, Some("etl")).is_some());
        assert_eq!(readable(RECORD, Some("other")), None);
        assert_eq!(
            readable("thread panicked", None).as_deref(),
            Some("thread panicked")
        );
        assert_eq!(readable("thread panicked", Some("etl")), None);
    }
}
