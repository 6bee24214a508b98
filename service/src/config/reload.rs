//! Which settings count as soon as they are read again.

/// Keys that a running service takes over; those that end in a dot stand for all below them. All others count after a restart.
const COUNT_AT_RELOAD: [&str; 31] = [
    "tcp.certificate",
    "tcp.key",
    "tcp.client_authorities",
    "tcp.revocation_lists",
    "tcp.allow",
    "log.level",
    "log.file_bytes_max",
    "log.file_age_max",
    "log.total_bytes_max",
    "log.keep",
    "service.idle_exit",
    "service.grace_period",
    "session.sessions_max",
    "session.queue_max",
    "session.results_max",
    "session.idle_limit",
    "transaction.lease",
    "journal.sessions_max",
    "journal.keep",
    "journal.write_wait",
    "query.timeout",
    "query.sql_bytes_max",
    "query.bindings_max",
    "query.batches_buffered_max",
    "query.jobs_max",
    "query.watch_interval",
    "query.hint_timeout",
    "query.tag",
    "traces.sample_ratio",
    "policy.",
    "write.",
];

/// True when a running service takes a new value of this key over.
pub(crate) fn counts_at_reload(key: &str) -> bool {
    COUNT_AT_RELOAD
        .iter()
        .any(|known| *known == key || known.ends_with('.') && key.starts_with(known))
}

#[cfg(test)]
mod tests {
    use super::super::layers::Layers;
    use super::*;

    #[test]
    fn every_key_that_counts_exists() {
        let layers = Layers::new();
        for key in COUNT_AT_RELOAD {
            let exists = layers
                .known()
                .iter()
                .any(|known| known == key || key.ends_with('.') && known.starts_with(key));
            assert!(exists, "{key}");
        }
    }

    #[test]
    fn a_section_stands_for_its_keys() {
        assert!(counts_at_reload("policy.connections.my prod.level"));
        assert!(counts_at_reload("query.timeout"));
        assert!(!counts_at_reload("query.history_max"));
        assert!(!counts_at_reload("rpc.calls_max"));
    }
}
