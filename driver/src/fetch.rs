//! Rows of a result, part by part.

use arrow_array::RecordBatch;

use crate::Result;

/// The parts of one result in row order.
pub(crate) struct RowStream {
    _private: (),
}

impl RowStream {
    pub(crate) async fn next_batch(&mut self) -> Result<Option<RecordBatch>> {
        unimplemented!("signatures first")
    }

    pub(crate) fn rows_delivered(&self) -> u64 {
        unimplemented!("signatures first")
    }

    pub(crate) fn is_truncated(&self) -> bool {
        unimplemented!("signatures first")
    }
}
