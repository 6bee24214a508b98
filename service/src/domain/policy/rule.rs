//! Rules of the configuration: kinds of statements, and perhaps which objects.

use std::fmt;
use std::str::FromStr;

use super::pattern::Pattern;
use super::resolve::{self, Resolved, SessionFacts};
use crate::domain::statement::class::{
    Call, Class, Ddl, File, Link, Name, Transaction, Verb, Write, object_kind,
};

/// One rule of an `allow` or `deny` list, such as `drop on prod.*.*`, `delete`, `function system$wait`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Rule {
    text: String,
    kinds: Vec<Kind>,
    objects: Option<Pattern>,
}

/// A kind of statement that a rule names.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Kind {
    Any,
    Read,
    Use,
    Session,
    Transaction,
    File(File),
    Insert,
    Write(Write),
    /// With the kind of the objects, if it names one.
    Ddl(Option<Verb>, Option<&'static str>),
    /// `CREATE OR REPLACE`.
    Replace,
    Call,
    Immediate,
    Execute,
    Block,
    Function,
    Unknown,
}

/// Words that stand for one kind or several.
const WORDS: [(&str, &[Kind]); 35] = [
    ("any", &[Kind::Any]),
    ("read", &[Kind::Read]),
    ("use", &[Kind::Use]),
    ("session", &[Kind::Session]),
    ("transaction", &[Kind::Transaction]),
    (
        "file",
        &[
            Kind::File(File::Put),
            Kind::File(File::Get),
            Kind::File(File::Remove),
        ],
    ),
    ("put", &[Kind::File(File::Put)]),
    ("get", &[Kind::File(File::Get)]),
    ("remove", &[Kind::File(File::Remove)]),
    (
        "write",
        &[
            Kind::Insert,
            Kind::Write(Write::Update),
            Kind::Write(Write::Delete),
            Kind::Write(Write::Merge),
            Kind::Write(Write::Load),
            Kind::Write(Write::Unload),
            Kind::Write(Write::CopyFiles),
            Kind::Write(Write::Truncate),
        ],
    ),
    (
        "dml",
        &[
            Kind::Insert,
            Kind::Write(Write::Update),
            Kind::Write(Write::Delete),
            Kind::Write(Write::Merge),
        ],
    ),
    ("insert", &[Kind::Insert]),
    ("update", &[Kind::Write(Write::Update)]),
    ("delete", &[Kind::Write(Write::Delete)]),
    ("merge", &[Kind::Write(Write::Merge)]),
    (
        "copy",
        &[
            Kind::Write(Write::Load),
            Kind::Write(Write::Unload),
            Kind::Write(Write::CopyFiles),
        ],
    ),
    ("load", &[Kind::Write(Write::Load)]),
    ("unload", &[Kind::Write(Write::Unload)]),
    ("copy files", &[Kind::Write(Write::CopyFiles)]),
    ("truncate", &[Kind::Write(Write::Truncate)]),
    ("ddl", &[Kind::Ddl(None, None)]),
    ("create", &[Kind::Ddl(Some(Verb::Create), None)]),
    ("replace", &[Kind::Replace]),
    ("alter", &[Kind::Ddl(Some(Verb::Alter), None)]),
    ("drop", &[Kind::Ddl(Some(Verb::Drop), None)]),
    ("undrop", &[Kind::Ddl(Some(Verb::Undrop), None)]),
    ("comment", &[Kind::Ddl(Some(Verb::Comment), None)]),
    ("grant", &[Kind::Ddl(Some(Verb::Grant), None)]),
    ("revoke", &[Kind::Ddl(Some(Verb::Revoke), None)]),
    ("call", &[Kind::Call]),
    ("execute", &[Kind::Execute]),
    ("execute immediate", &[Kind::Immediate]),
    ("block", &[Kind::Block]),
    ("function", &[Kind::Function]),
    ("unknown", &[Kind::Unknown]),
];

/// A part of a link that a rule can name.
#[derive(Clone, Copy)]
pub(super) enum Aspect<'a> {
    /// What the link itself does, to the objects that it names.
    Action,
    /// A call of a function that acts.
    Effect(&'a Name),
    /// A call of what may be a procedure, as of a table.
    TableFunction(&'a Name),
}

impl Rule {
    /// The rule as it was written.
    pub fn as_str(&self) -> &str {
        &self.text
    }

    /// True when it is about certain objects, so that the session's context matters.
    pub(super) fn names_objects(&self) -> bool {
        self.objects.is_some()
    }

    /// True when it names statements that are not understood.
    pub fn is_about_unknown(&self) -> bool {
        self.kinds.contains(&Kind::Unknown)
    }

    /// As a rule of `deny`: true unless it is certain that it does not mean this link.
    pub(super) fn denies(&self, link: &Link, facts: &SessionFacts<'_>) -> bool {
        if link.class == Class::Unknown {
            return true;
        }
        self.kinds.iter().any(|kind| match kind {
            Kind::Any => {
                let objects = resolve::acted_on(link, facts);
                self.may_touch(&objects, link) || self.denies_calls(link, facts)
            }
            Kind::Function => self.denies_calls(link, facts),
            Kind::Read => {
                let reads = resolve::read(link, facts);
                match &self.objects {
                    // What is read without being named is not known.
                    Some(_) if reads.is_empty() => false,
                    Some(_) => self.may_touch(&reads, link),
                    None => !reads.is_empty() || link.class.is_read(),
                }
            }
            kind => {
                kind.may_be(link.class, link.destroys) && {
                    let mut objects = resolve::acted_on(link, facts);
                    if let Some(procedure) = &link.procedure {
                        objects.push(resolve::called(procedure, facts));
                    }
                    self.may_touch(&objects, link)
                }
            }
        })
    }

    fn denies_calls(&self, link: &Link, facts: &SessionFacts<'_>) -> bool {
        let effects = link.effects.iter().map(|name| resolve::effect(name, facts));
        let functions = link.functions.iter().map(|name| resolve::called(name, facts));
        match &self.objects {
            None => !link.effects.is_empty() || !link.functions.is_empty(),
            Some(pattern) => effects.chain(functions).any(|name| name.may_be_touched(pattern)),
        }
    }

    /// True unless it is certain that none of these objects is meant. A statement that changes something and does
    /// not say what, changes anything.
    fn may_touch(&self, objects: &[Resolved<'_>], link: &Link) -> bool {
        let Some(pattern) = &self.objects else {
            return true;
        };
        let names_nothing = objects.is_empty() && !link.class.is_read();
        names_nothing || objects.iter().any(|object| object.may_be_touched(pattern))
    }

    /// As a rule of `deny`: true when code that the text does not show might do what it forbids.
    pub(super) fn may_be_done_unseen(&self) -> bool {
        self.kinds.iter().any(|kind| {
            matches!(
                kind,
                Kind::Any
                    | Kind::Read
                    | Kind::File(_)
                    | Kind::Insert
                    | Kind::Write(_)
                    | Kind::Ddl(..)
                    | Kind::Replace
            )
        })
    }

    /// As a rule of `allow`: true when it certainly means this aspect of a link as far as it concerns the object
    /// with this number among those that the action names; `None` for an action that names none.
    pub(super) fn allows(
        &self,
        link: &Link,
        aspect: Aspect<'_>,
        object: Option<usize>,
        facts: &SessionFacts<'_>,
    ) -> bool {
        if link.class == Class::Unknown {
            return false;
        }
        let is_covered = |resolved: Option<&Resolved<'_>>| match (&self.objects, resolved) {
            (None, _) => true,
            (Some(_), None) => false,
            (Some(pattern), Some(resolved)) => resolved.is_covered(pattern),
        };
        self.kinds.iter().any(|kind| match aspect {
            Aspect::Effect(name) => {
                matches!(kind, Kind::Any | Kind::Function) && is_covered(Some(&resolve::effect(name, facts)))
            }
            Aspect::TableFunction(name) => {
                matches!(kind, Kind::Any | Kind::Function | Kind::Call)
                    && is_covered(Some(&resolve::called(name, facts)))
            }
            Aspect::Action if link.class == Class::Call(Call::Procedure) => {
                let procedure = link.procedure.as_ref().map(|name| resolve::called(name, facts));
                matches!(kind, Kind::Any | Kind::Call) && is_covered(procedure.as_ref())
            }
            Aspect::Action => {
                let objects = resolve::acted_on(link, facts);
                kind.is(link.class, link.destroys)
                    && is_covered(object.and_then(|object| objects.get(object)))
            }
        })
    }
}

impl Kind {
    /// True when a link of this class is certainly of this kind.
    fn is(self, class: Class, destroys: bool) -> bool {
        match (self, class) {
            (Self::Ddl(verb, kind), Class::Ddl(ddl)) => {
                verb.is_none_or(|verb| verb == ddl.verb) && (kind.is_none() || kind == ddl.kind)
            }
            _ => self.may_be(class, destroys),
        }
    }

    /// True unless it is certain that a link of this class is not of this kind.
    fn may_be(self, class: Class, destroys: bool) -> bool {
        match self {
            Self::Any => true,
            Self::Read => class.is_read(),
            Self::Use => class == Class::Use,
            Self::Session => class == Class::Session,
            Self::Transaction => matches!(
                class,
                Class::Transaction(Transaction::Begin | Transaction::Commit | Transaction::Rollback)
            ),
            Self::File(file) => class == Class::File(file),
            Self::Insert => matches!(class, Class::Write(Write::Insert | Write::InsertMulti)),
            Self::Write(write) => class == Class::Write(write),
            Self::Ddl(verb, kind) => match class {
                Class::Ddl(ddl) => verb.is_none_or(|verb| verb == ddl.verb) && may_be_kind(ddl, kind),
                _ => false,
            },
            Self::Replace => matches!(class, Class::Ddl(ddl) if ddl.verb == Verb::Create) && destroys,
            Self::Call => class == Class::Call(Call::Procedure),
            Self::Immediate => class == Class::Call(Call::Immediate),
            Self::Execute => class == Class::Call(Call::Execute),
            Self::Block => class == Class::Call(Call::Block),
            Self::Function => class == Class::Call(Call::Function),
            Self::Unknown => class == Class::Unknown,
        }
    }
}

/// `table` may mean a dynamic table, and an unknown kind anything.
fn may_be_kind(ddl: Ddl, kind: Option<&str>) -> bool {
    let (Some(wanted), Some(kind)) = (kind, ddl.kind) else {
        return true;
    };
    kind.strip_suffix(wanted)
        .is_some_and(|before| before.is_empty() || before.ends_with(' '))
}

impl FromStr for Rule {
    type Err = String;

    /// `KIND[, KIND …] [on PATTERN]`; for a function `function NAME`.
    fn from_str(text: &str) -> Result<Self, String> {
        let words: Vec<&str> = text.split_whitespace().collect();
        let text = words.join(" ");
        let on = words.iter().position(|word| word.eq_ignore_ascii_case("on"));
        let (kinds, objects) = match (on, words.as_slice()) {
            (None, [function, name]) if function.eq_ignore_ascii_case("function") => {
                ((*function).to_owned(), Some((*name).to_owned()))
            }
            (None, words) => (words.join(" "), None),
            (Some(on), words) => (words[..on].join(" "), Some(words[on + 1..].join(" "))),
        };
        let objects = objects.map(|objects| objects.parse()).transpose()?;
        let mut found = Vec::new();
        for kind in kinds.split(',') {
            found.extend(kinds_of(kind.trim())?);
        }
        Ok(Self {
            text,
            kinds: found,
            objects,
        })
    }
}

/// The kinds that a word, or a verb and the kind of its objects, stand for.
fn kinds_of(text: &str) -> Result<Vec<Kind>, String> {
    let lower = text.to_ascii_lowercase();
    if let Some((_, kinds)) = WORDS.iter().find(|(word, _)| *word == lower) {
        return Ok(kinds.to_vec());
    }
    if let Some((verb, objects)) = text.split_once(' ')
        && let [Kind::Ddl(Some(verb), None)] = kinds_of(verb)?.as_slice()
    {
        let kind = object_kind(objects);
        let kind = kind.ok_or_else(|| format!("{objects:?} is no kind of objects"))?;
        return Ok(vec![Kind::Ddl(Some(*verb), Some(kind))]);
    }
    let words: Vec<&str> = WORDS.iter().map(|(word, _)| *word).collect();
    Err(format!(
        "{text:?} is no kind of statements; kinds are {}",
        words.join(", ")
    ))
}

impl fmt::Display for Rule {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(&self.text)
    }
}
