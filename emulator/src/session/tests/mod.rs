//! Sessions on the real engine, as the rooms above use them.

mod branches;
mod context;
mod ddl;
mod described;
mod dml;
mod explain;
mod history;
mod immediate;
mod lists;
mod literal_rows;
mod repeats;
mod results;
mod stages;
mod stopping;
mod support;
mod transactions;
