//! What lies in memory until room is needed, and in the spool's file from then on.

use std::fmt;
use std::sync::{Arc, PoisonError, RwLock};

use bytes::Bytes;

use super::arena::Parcel;
use super::{ResultError, Spool};

/// A value of up to so many bytes stays in memory when there is room nowhere: what has been written must not be told as
/// a failure because others have large results. The outcome of a COPY has ten columns, of which each takes a kilobyte.
const ALWAYS_KEPT_MAX: u64 = 32 * 1024;

/// A value that can be written as bytes and read back.
pub(super) trait Spillable: Sized {
    /// Memory that it takes, about; 0 for what is too small to be worth a place in a file.
    fn memory_bytes(&self) -> u64;
    fn write(&self) -> Result<Vec<Bytes>, ResultError>;
    fn read(bytes: Bytes) -> Result<Self, ResultError>;
}

/// A value in memory or in the spool's file; gives back its place when dropped.
pub(super) struct Kept<T> {
    spool: Arc<Spool>,
    state: RwLock<State<T>>,
}

enum State<T> {
    Memory { value: Arc<T>, bytes: u64 },
    File(Arc<Parcel>),
}

impl<T> fmt::Debug for Kept<T> {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("Kept")
    }
}

impl<T: Spillable> Kept<T> {
    /// Keeps a value: in memory while there is room, else in the file, which blocks.
    pub(super) fn new(spool: &Arc<Spool>, value: T) -> Result<Self, ResultError> {
        let bytes = value.memory_bytes();
        if spool.reserve_first(bytes) {
            return Ok(Self::in_memory(spool, value, bytes));
        }
        match spool.put(&value.write()?) {
            Ok(parcel) => Ok(Self {
                spool: Arc::clone(spool),
                state: RwLock::new(State::File(Arc::new(parcel))),
            }),
            Err(error) if bytes <= ALWAYS_KEPT_MAX => {
                if !matches!(error, ResultError::DiskFull { .. }) {
                    tracing::error!(%error, "failed to write a result into the results' file");
                }
                Ok(Self::always(spool, value))
            }
            Err(error) => Err(error),
        }
    }

    /// Keeps a value in memory, whether there is room or not.
    pub(super) fn always(spool: &Arc<Spool>, value: T) -> Self {
        let bytes = value.memory_bytes();
        spool.take_first(bytes);
        Self::in_memory(spool, value, bytes)
    }

    fn in_memory(spool: &Arc<Spool>, value: T, bytes: u64) -> Self {
        let value = Arc::new(value);
        Self {
            spool: Arc::clone(spool),
            state: RwLock::new(State::Memory { value, bytes }),
        }
    }

    /// The value. Reads the file when it lies there: call it where blocking is allowed.
    pub(super) fn get(&self) -> Result<Arc<T>, ResultError> {
        let parcel = match &*self.state.read().unwrap_or_else(PoisonError::into_inner) {
            State::Memory { value, .. } => return Ok(Arc::clone(value)),
            State::File(parcel) => Arc::clone(parcel),
        };
        T::read(parcel.read()?).map(Arc::new)
    }

    /// True when [`Kept::get`] reads the file.
    pub(super) fn blocks(&self) -> bool {
        matches!(
            &*self.state.read().unwrap_or_else(PoisonError::into_inner),
            State::File(_)
        )
    }

    /// Moves the value into the file, if it is worth it. Blocks.
    pub(super) fn spill(&self) -> Result<(), ResultError> {
        let value = match &*self.state.read().unwrap_or_else(PoisonError::into_inner) {
            State::Memory { value, bytes } if *bytes > 0 => Arc::clone(value),
            _ => return Ok(()),
        };
        let parcel = self.spool.put(&value.write()?)?;
        let mut state = self.state.write().unwrap_or_else(PoisonError::into_inner);
        if let State::Memory { bytes, .. } = *state {
            self.spool.release_first(bytes);
            *state = State::File(Arc::new(parcel));
        }
        Ok(())
    }
}

impl<T> Drop for Kept<T> {
    fn drop(&mut self) {
        let state = self.state.get_mut().unwrap_or_else(PoisonError::into_inner);
        if let State::Memory { bytes, .. } = state {
            self.spool.release_first(*bytes);
        }
    }
}

#[cfg(test)]
mod tests {
    use arrow_schema::{DataType, Field, Schema};

    use super::*;
    use crate::results::SpoolLimits;
    use crate::results::first::FirstRows;

    #[test]
    fn an_outcome_of_ten_columns_is_kept_when_there_is_room_nowhere() {
        let limits = SpoolLimits {
            memory_bytes_max: 0,
            first_bytes_max: 0,
            disk_bytes_max: 0,
        };
        let folder = tempfile::tempdir().unwrap();
        let spool = Spool::open(folder.path(), limits).unwrap();
        let fields = (0..10).map(|number| Field::new(format!("C{number}"), DataType::Utf8, true));
        let schema = Arc::new(Schema::new(fields.collect::<Vec<_>>()));
        let first = |weight| FirstRows {
            schema: Arc::clone(&schema),
            batches: Vec::new(),
            weight,
        };
        let outcome = Kept::new(&spool, first(500)).unwrap();
        assert!(!outcome.blocks());
        let refused = Kept::new(&spool, first(ALWAYS_KEPT_MAX as usize)).unwrap_err();
        assert!(matches!(refused, ResultError::DiskFull { .. }), "{refused}");
        drop(outcome);
        assert_eq!(spool.first_bytes(), 0);
    }
}
