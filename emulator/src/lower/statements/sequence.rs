//! `CREATE SEQUENCE`.

use sqlparser::ast::{SequenceOptions, Statement};

use super::super::build::literal_integer;
use super::super::expressions::Work;
use super::super::refuse::{syntax, unsupported};
use super::super::{Answer, Lowered};
use crate::contract::SqlError;

pub(super) fn finish(statement: Statement, work: &mut Work<'_>) -> Result<Lowered, SqlError> {
    let Statement::CreateSequence {
        if_not_exists,
        name,
        sequence_options,
        data_type: None,
        owned_by: None,
        ..
    } = statement
    else {
        return Err(unsupported("CREATE SEQUENCE with a type or owner"));
    };
    let path = work.scope.names.object(&name, "CREATE SEQUENCE")?;
    let (mut start, mut step) = (1, 1);
    for option in &sequence_options {
        let number = |expr| literal_integer(expr).ok_or_else(|| syntax(&format!("{expr}")));
        match option {
            SequenceOptions::StartWith(value, _) => start = number(value)?,
            SequenceOptions::IncrementBy(value, _) => step = number(value)?,
            other => return Err(syntax(other.to_string().trim())),
        }
    }
    let exists = if if_not_exists { "IF NOT EXISTS " } else { "" };
    let sql = format!(
        "CREATE SEQUENCE {exists}{} START {start} INCREMENT {step}",
        path.physical()
    );
    let mut lowered = Lowered {
        sql,
        answer: Answer::Nothing,
        ..Lowered::default()
    };
    lowered.tables.insert(path);
    Ok(lowered)
}

#[cfg(test)]
mod tests {
    use super::super::super::check::{check, lowered};

    #[test]
    fn sequences_are_created() {
        check(
            lowered,
            &[(
                "create sequence q increment by 2 start with 5",
                r#"CREATE SEQUENCE "D.S"."Q" START 5 INCREMENT 2"#,
            )],
        );
    }
}
