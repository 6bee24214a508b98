//! What the emulator writes to stderr: into its log, and the last lines kept for an error.

use std::collections::VecDeque;
use std::io::Write;
use std::sync::{Arc, Mutex, PoisonError};

use tokio::io::{AsyncBufReadExt as _, AsyncRead, BufReader};

/// Lines kept for an error message.
const LINES_KEPT: usize = 8;

/// Longest line kept, in bytes.
const LINE_BYTES_MAX: usize = 300;

/// The last lines of a child.
#[derive(Debug, Clone, Default)]
pub(super) struct LastLines(Arc<Mutex<VecDeque<String>>>);

impl LastLines {
    fn push(&self, line: &str) {
        let mut lines = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if lines.len() == LINES_KEPT {
            lines.pop_front();
        }
        lines.push_back(line[..line.floor_char_boundary(LINE_BYTES_MAX)].to_owned());
    }

    /// The lines as one text.
    pub(super) fn text(&self) -> String {
        let lines = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        lines.iter().map(String::as_str).collect::<Vec<_>>().join("\n")
    }
}

/// Copies `stderr` line by line until it ends.
pub(super) async fn copy(stderr: impl AsyncRead + Unpin, mut log: Box<dyn Write + Send>, last: LastLines) {
    let mut reader = BufReader::new(stderr);
    let mut line = Vec::new();
    loop {
        line.clear();
        match reader.read_until(b'\n', &mut line).await {
            Ok(0) | Err(_) => return,
            Ok(_) => {
                last.push(String::from_utf8_lossy(&line).trim_end());
                // A full disk must not stop the emulator; its last lines are kept all the same.
                let _ = log.write_all(&line);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn the_last_lines_are_kept() {
        let text = (0..20)
            .map(|n| format!("line {n}"))
            .collect::<Vec<_>>()
            .join("\n");
        let last = LastLines::default();
        copy(text.as_bytes(), Box::new(std::io::sink()), last.clone()).await;
        assert_eq!(
            last.text().lines().collect::<Vec<_>>(),
            (12..20).map(|n| format!("line {n}")).collect::<Vec<_>>()
        );
    }
}
