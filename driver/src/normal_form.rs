//! The one form of Arrow in which every result arrives, whichever encoding the server chose.
//!
//! | Snowflake type | Arrow type |
//! |---|---|
//! | NUMBER(p ≤ 18, 0) | `Int64` |
//! | other NUMBER(p, s) | `Decimal128(p, s)`, exact |
//! | FLOAT | `Float64` |
//! | VARCHAR | `Utf8` |
//! | BOOLEAN | `Boolean` |
//! | DATE | `Date32` |
//! | TIME(s) | `Time64(ns)` |
//! | TIMESTAMP_NTZ(s) | `Timestamp(unit, None)` |
//! | TIMESTAMP_LTZ(s) | `Timestamp(unit, "UTC")`: the instant |
//! | TIMESTAMP_TZ(s) | `Utf8`: ISO 8601 with `s` fraction digits and the offset, `2024-01-31T12:34:56.120+01:00` |
//! | BINARY | `Binary` |
//! | VARIANT, OBJECT, ARRAY, MAP, GEOGRAPHY, GEOMETRY, VECTOR | `Utf8` with JSON text and the metadata `snowflake.format` = `json` |
//! | DECFLOAT, intervals, types we do not know | `Utf8` |
//!
//! # Timestamps
//!
//! `unit` is microseconds for `s` ≤ 6. For `s` > 6 it is nanoseconds, which reach from 1677 to 2262 only, unless the
//! first part of the result has a value outside that range (`9999-12-31` is a popular one): then the whole column is
//! in microseconds. A later value that the chosen unit cannot hold without loss is an error that names the column,
//! never a wrong value. Casting to `TIMESTAMP_NTZ(6)` in the SQL avoids it.
//!
//! TIMESTAMP_TZ is text because Arrow has no type that keeps an offset for each value: a `Timestamp` with `UTC` would
//! lose it and a struct would have to be taken apart by every reader.
//!
//! # Fields
//!
//! Every field is nullable, since servers have been seen sending NULL in columns they declared otherwise; the
//! declaration is in the metadata. Metadata of each field: `snowflake.type` (for example `NUMBER(38,0)`,
//! `VARCHAR(16777216)`, `TIMESTAMP_TZ(9)`), `snowflake.nullable` (`true` or `false`), and `snowflake.format` where a text
//! is JSON.
