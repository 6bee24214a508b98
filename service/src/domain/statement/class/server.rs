//! The server's word on what a statement is, joined with ours.

use super::{Class, Read, Write};
use crate::domain::query::StatementKind;

/// The stricter of what the server says a statement is and of what was understood of its text.
///
/// Where both agree, ours is kept, because it says more. Where ours is stricter, it is kept too: the server
/// calls a query a query, whichever functions it calls. Where the server's is stricter, the text was
/// evidently misread, so it counts as not understood.
pub fn strictest(server: StatementKind, parsed: Class) -> Class {
    // Snowflake counts what only tells about stages and objects among the commands of the session.
    let tells = matches!(parsed, Class::Read(Read::Show | Read::Describe | Read::List));
    let rank = match server {
        // It did not say, or it is a kind that has no name here, such as moving files.
        StatementKind::Unknown => return parsed,
        // Moving files is of this kind, and so may be listing them.
        StatementKind::Other if matches!(parsed, Class::Read(Read::List)) => return parsed,
        StatementKind::Other if matches!(parsed, Class::Read(_)) => return Class::Unknown,
        StatementKind::Other => return parsed,
        StatementKind::Session if tells => return parsed,
        // It commits by itself and changes rows: both names are right.
        StatementKind::Ddl if parsed == Class::Write(Write::Truncate) => return parsed,
        StatementKind::Query => 0,
        // Whether `USE` is one of them differs between Snowflake's clients.
        StatementKind::Session => 1,
        StatementKind::Transaction => 3,
        StatementKind::Dml => 5,
        StatementKind::Ddl => 6,
        StatementKind::Call => 7,
        StatementKind::Multi => 8,
    };
    if rank > parsed.rank() {
        Class::Unknown
    } else {
        parsed
    }
}

#[cfg(test)]
mod tests {
    use super::super::{Call, Ddl, File, Transaction, Verb};
    use super::*;

    const DROP: Class = Class::Ddl(Ddl {
        verb: Verb::Drop,
        kind: Some("TABLE"),
    });
    const QUERY: Class = Class::Read(Read::Query);
    const DELETE: Class = Class::Write(Write::Delete);

    #[test]
    fn the_stricter_wins() {
        for (server, parsed, expected) in [
            (StatementKind::Unknown, QUERY, QUERY),
            (StatementKind::Query, QUERY, QUERY),
            (
                StatementKind::Query,
                Class::Read(Read::Explain),
                Class::Read(Read::Explain),
            ),
            (
                StatementKind::Query,
                Class::Call(Call::Function),
                Class::Call(Call::Function),
            ),
            (StatementKind::Query, DELETE, DELETE),
            (StatementKind::Dml, QUERY, Class::Unknown),
            (StatementKind::Dml, DELETE, DELETE),
            (StatementKind::Dml, DROP, DROP),
            (StatementKind::Ddl, DELETE, Class::Unknown),
            (
                StatementKind::Ddl,
                Class::Write(Write::Truncate),
                Class::Write(Write::Truncate),
            ),
            (StatementKind::Ddl, DROP, DROP),
            (StatementKind::Session, Class::Use, Class::Use),
            (StatementKind::Session, Class::Session, Class::Session),
            (
                StatementKind::Session,
                Class::Read(Read::List),
                Class::Read(Read::List),
            ),
            (StatementKind::Session, QUERY, Class::Unknown),
            (
                StatementKind::Other,
                Class::Read(Read::List),
                Class::Read(Read::List),
            ),
            (
                StatementKind::Transaction,
                Class::Transaction(Transaction::Begin),
                Class::Transaction(Transaction::Begin),
            ),
            (
                StatementKind::Call,
                Class::Call(Call::Block),
                Class::Call(Call::Block),
            ),
            (StatementKind::Call, DROP, Class::Unknown),
            (StatementKind::Multi, Class::Call(Call::Block), Class::Unknown),
            (
                StatementKind::Other,
                Class::File(File::Put),
                Class::File(File::Put),
            ),
            (StatementKind::Other, QUERY, Class::Unknown),
            (StatementKind::Query, Class::Unknown, Class::Unknown),
        ] {
            assert_eq!(strictest(server, parsed), expected, "{server:?} and {parsed:?}");
        }
    }
}
