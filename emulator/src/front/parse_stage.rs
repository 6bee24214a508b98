//! Stages and file formats: made, changed, dropped, described; files put, fetched, listed, removed.

use super::command::{Command, DropObject};
use super::cursor::Cursor;
use super::lexer::Kind;
use super::location::Location;
use super::stage_command::{
    AlterFileObject, CreateFileObject, FileObjectChange, FileSelection, Setting, SettingValue, StageCommand,
    Transfer,
};
use crate::catalog::names::Name;
use crate::contract::SqlError;

/// Begins the name of a file on the client.
const FILE_SCHEME: &str = "file://";

/// Which of the two kinds of objects.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Kinds {
    Stage,
    Format,
}

fn kind(cursor: &mut Cursor<'_>) -> Option<Kinds> {
    if cursor.eat(&["STAGE"]) {
        Some(Kinds::Stage)
    } else if cursor.eat(&["FILE", "FORMAT"]) {
        Some(Kinds::Format)
    } else {
        None
    }
}

/// `CREATE …`, after `OR REPLACE`; none for other objects.
pub(super) fn parse_create(cursor: &mut Cursor<'_>, or_replace: bool) -> Result<Option<Command>, SqlError> {
    let start = cursor.at();
    if !cursor.eat(&["SCOPED"]) && !cursor.eat(&["LOCAL"]) {
        cursor.eat(&["GLOBAL"]);
    }
    let temporary = cursor.eat(&["TEMPORARY"]) || cursor.eat(&["TEMP"]) || cursor.eat(&["VOLATILE"]);
    let Some(kind) = kind(cursor) else {
        cursor.go_to(start);
        return Ok(None);
    };
    let if_not_exists = cursor.eat(&["IF", "NOT", "EXISTS"]);
    let path = cursor.path()?;
    if cursor.peek_word(0, "CLONE") || cursor.peek_word(0, "LIKE") {
        return Err(SqlError::unsupported("CREATE STAGE ... CLONE"));
    }
    cursor.eat(&["WITH"]);
    let settings = settings(cursor)?;
    cursor.end()?;
    let made = CreateFileObject {
        or_replace,
        temporary,
        if_not_exists,
        path,
        settings,
    };
    Ok(Some(Command::Stage(match kind {
        Kinds::Stage => StageCommand::CreateStage(made),
        Kinds::Format => StageCommand::CreateFormat(made),
    })))
}

/// `ALTER …`, after its first word; none for other objects.
pub(super) fn parse_alter(cursor: &mut Cursor<'_>) -> Result<Option<Command>, SqlError> {
    let Some(kind) = kind(cursor) else { return Ok(None) };
    let if_exists = cursor.eat(&["IF", "EXISTS"]);
    let path = cursor.path()?;
    let change = if cursor.eat(&["RENAME", "TO"]) {
        FileObjectChange::Rename(cursor.path()?)
    } else if cursor.eat(&["SET"]) {
        let settings = settings(cursor)?;
        if settings.is_empty() {
            return Err(cursor.unexpected());
        }
        FileObjectChange::Set(settings)
    } else if cursor.eat(&["UNSET"]) {
        FileObjectChange::Unset(cursor.list(Cursor::word)?)
    } else if cursor.peek_word(0, "REFRESH") {
        return Err(SqlError::unsupported("ALTER STAGE REFRESH"));
    } else {
        return Err(cursor.unexpected());
    };
    cursor.end()?;
    let altered = AlterFileObject {
        if_exists,
        path,
        change,
    };
    Ok(Some(Command::Stage(match kind {
        Kinds::Stage => StageCommand::AlterStage(altered),
        Kinds::Format => StageCommand::AlterFormat(altered),
    })))
}

/// `DROP …`, after its first word; none for other objects.
pub(super) fn parse_drop(cursor: &mut Cursor<'_>) -> Result<Option<Command>, SqlError> {
    let Some(kind) = kind(cursor) else { return Ok(None) };
    let if_exists = cursor.eat(&["IF", "EXISTS"]);
    let path = cursor.path()?;
    cursor.end()?;
    let dropped = DropObject {
        kind: (),
        if_exists,
        path,
        restrict: false,
    };
    Ok(Some(Command::Stage(match kind {
        Kinds::Stage => StageCommand::DropStage(dropped),
        Kinds::Format => StageCommand::DropFormat(dropped),
    })))
}

/// `DESCRIBE …`, after its first word; none for other objects.
pub(super) fn parse_describe(cursor: &mut Cursor<'_>) -> Result<Option<Command>, SqlError> {
    let Some(kind) = kind(cursor) else { return Ok(None) };
    let path = cursor.path()?;
    cursor.end()?;
    Ok(Some(Command::Stage(match kind {
        Kinds::Stage => StageCommand::DescribeStage(path),
        Kinds::Format => StageCommand::DescribeFormat(path),
    })))
}

/// `LIST …`, after its first word.
pub(super) fn parse_list(cursor: &mut Cursor<'_>) -> Result<Command, SqlError> {
    selection(cursor).map(|selection| Command::Stage(StageCommand::List(selection)))
}

/// `REMOVE …`, after its first word.
pub(super) fn parse_remove(cursor: &mut Cursor<'_>) -> Result<Command, SqlError> {
    selection(cursor).map(|selection| Command::Stage(StageCommand::Remove(selection)))
}

fn selection(cursor: &mut Cursor<'_>) -> Result<FileSelection, SqlError> {
    let location = location(cursor)?;
    let mut pattern = None;
    if cursor.eat(&["PATTERN"]) {
        cursor.expect_sign('=')?;
        pattern = Some(cursor.text()?);
    }
    cursor.end()?;
    Ok(FileSelection { location, pattern })
}

/// `PUT …`, after its first word.
pub(super) fn parse_put(cursor: &mut Cursor<'_>) -> Result<Command, SqlError> {
    let local = local_file(cursor)?;
    let location = location(cursor)?;
    let settings = settings(cursor)?;
    cursor.end()?;
    Ok(Command::Stage(StageCommand::Put(Transfer {
        local,
        location,
        settings,
    })))
}

/// `GET …`, after its first word.
pub(super) fn parse_get(cursor: &mut Cursor<'_>) -> Result<Command, SqlError> {
    let location = location(cursor)?;
    let local = local_file(cursor)?;
    let settings = settings(cursor)?;
    cursor.end()?;
    Ok(Command::Stage(StageCommand::Get(Transfer {
        local,
        location,
        settings,
    })))
}

fn local_file(cursor: &mut Cursor<'_>) -> Result<String, SqlError> {
    let text = any_text(cursor)?;
    match text.get(..FILE_SCHEME.len()) {
        Some(scheme) if scheme.eq_ignore_ascii_case(FILE_SCHEME) => Ok(text[FILE_SCHEME.len()..].to_owned()),
        _ => Err(SqlError::compilation(
            "001003",
            "42000",
            format!("a file on the client is written file://, not '{text}'"),
        )),
    }
}

/// A location in a stage: bare, in quotes or bound.
pub(super) fn location(cursor: &mut Cursor<'_>) -> Result<Location, SqlError> {
    let text = any_text(cursor)?;
    if text.contains("://") && !text.starts_with('@') {
        return Err(SqlError::unsupported("external stage location"));
    }
    Location::parse(&text)
}

/// True when a location comes next.
pub(super) fn is_location(cursor: &Cursor<'_>) -> bool {
    let (piece, _) = cursor.piece();
    cursor.peek().is_some_and(|token| match token.kind {
        Kind::Location => true,
        Kind::Text => token
            .text_value(piece.text)
            .is_some_and(|text| text.starts_with('@') || text.contains("://")),
        Kind::Sign => token.is_sign(piece.text, '?'),
        _ => false,
    })
}

fn any_text(cursor: &mut Cursor<'_>) -> Result<String, SqlError> {
    if let Some(text) = cursor.bound_text()? {
        return Ok(text);
    }
    let (piece, _) = cursor.piece();
    match cursor.peek() {
        Some(token) if token.kind == Kind::Location => {
            cursor.go_to(cursor.at() + 1);
            Ok(token.text(piece.text).to_owned())
        }
        _ => cursor.text(),
    }
}

/// `NAME = value …` up to what is not an option.
pub(super) fn settings(cursor: &mut Cursor<'_>) -> Result<Vec<Setting>, SqlError> {
    let mut found = Vec::new();
    while cursor.peek().is_some_and(|token| token.kind == Kind::Word) {
        if cursor.peek_word(0, "TAG") || cursor.peek_word(1, "TAG") {
            return Err(SqlError::unsupported("TAG"));
        }
        let name = cursor.word()?;
        cursor.expect_sign('=')?;
        found.push(Setting {
            name,
            value: value(cursor)?,
        });
        cursor.eat_sign(',');
    }
    Ok(found)
}

fn value(cursor: &mut Cursor<'_>) -> Result<SettingValue, SqlError> {
    if !cursor.eat_sign('(') {
        return single(cursor);
    }
    if cursor.eat_sign(')') {
        return Ok(SettingValue::Many(Vec::new()));
    }
    if cursor.sign_follows(&['=']) {
        let group = settings(cursor)?;
        cursor.expect_sign(')')?;
        return Ok(SettingValue::Group(group));
    }
    let list = cursor.list(|cursor| match single(cursor)? {
        SettingValue::One { text, .. } => Ok(text),
        SettingValue::Many(_) | SettingValue::Group(_) => Err(cursor.unexpected()),
    })?;
    cursor.expect_sign(')')?;
    Ok(SettingValue::Many(list))
}

fn single(cursor: &mut Cursor<'_>) -> Result<SettingValue, SqlError> {
    if let Some(text) = cursor.bound_text()? {
        return Ok(SettingValue::One { text, quoted: true });
    }
    let Some(token) = cursor.peek() else {
        return Err(cursor.unexpected());
    };
    match token.kind {
        Kind::Text => Ok(SettingValue::One {
            text: cursor.text()?,
            quoted: true,
        }),
        Kind::Word | Kind::Quoted => {
            let path = cursor.path()?;
            let text: Vec<String> = match path.as_slice() {
                [word] => vec![word.as_str().to_owned()],
                parts => parts.iter().map(Name::to_string).collect(),
            };
            let mut text = text.join(".");
            // `SKIP_FILE_10%`.
            if cursor.eat_sign('%') {
                text.push('%');
            }
            Ok(SettingValue::One { text, quoted: false })
        }
        _ => Ok(SettingValue::One {
            text: cursor.integer()?.to_string(),
            quoted: false,
        }),
    }
}
