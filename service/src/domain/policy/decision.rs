//! The decision about a statement.
//!
//! | class | read-only | guarded | open |
//! |---|---|---|---|
//! | read; `USE`, `SET`, `BEGIN` and the like | yes | yes | yes |
//! | `PUT`, `GET` | no | yes | yes |
//! | `REMOVE` | no | confirm | yes |
//! | `INSERT`, `UPDATE`, `DELETE`, `MERGE`, loading | no | through a write; confirm without a condition | yes |
//! | unloading, copying files | no | yes; confirm what overwrites or purges | yes |
//! | `TRUNCATE`, DDL that destroys or replaces, grants and who may do what | no | confirm | yes |
//! | other DDL | no | yes | yes |
//! | sequences | no | yes | yes |
//! | `CALL`, `EXECUTE`, blocks, functions that act or may be procedures | listed only | listed only | yes |
//! | what is not understood | no | no | yes |

use super::level::{HeldBy, Level, Limit};
use super::resolve::{self, SessionFacts};
use super::rule::{Aspect, Rule};
use super::{AskServer, Policy};
use crate::domain::error::{Error, Facts, Reason};
use crate::domain::query::StatementKind;
use crate::domain::statement::class::{Call, Class, File, Link, Name, Statement, Verb, Write, strictest};

/// What becomes of a statement.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Decision {
    /// It may run. The rule is the one of `allow` without which it would not.
    Allow(Option<String>),
    /// It may run once somebody has thought of this.
    Confirm(Vec<Concern>),
    /// It must not run.
    Refuse(Refusal),
}

/// Why a statement must be confirmed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Concern {
    /// The rule: `unconditional`, `destroys`, `grants`.
    pub rule: &'static str,
    /// What is to be thought of: a sentence without the final period.
    pub message: String,
}

/// Why a statement must not run.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Refusal {
    /// The rule that refuses it: a level, `level` for a level that is asked for in vain, `deny …` with a rule of
    /// the configuration, or `server` where Snowflake takes the statement for something else.
    pub rule: String,
    /// What is refused, and why: lowercase, no final period.
    pub message: String,
    /// What to do.
    pub hint: String,
}

/// By which way a statement comes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Door {
    /// It just runs; nobody can be asked and nothing is taken back.
    Query,
    /// It is staged: what it changes is counted, held and confirmed where that is needed.
    Write,
}

/// What the level alone says of the action of a link.
enum Answer {
    Yes,
    Confirm(Concern),
    No(Refusal),
}

impl Concern {
    /// A concern of a rule.
    pub fn new(rule: &'static str, message: impl Into<String>) -> Self {
        Self {
            rule,
            message: message.into(),
        }
    }

    /// The refusal where nobody can be asked to confirm.
    pub fn refusal(&self) -> Refusal {
        Refusal {
            message: format!("{}, which needs a confirmation; nothing was run", self.message),
            ..Refusal::unconfirmed()
        }
    }
}

impl Refusal {
    /// The refusal of what would have to be confirmed where nobody can be asked.
    pub fn unconfirmed() -> Self {
        Self {
            rule: Level::Guarded.to_string(),
            message: "it needs a confirmation; nothing was run".to_owned(),
            hint: "run it with `sfctl write`, which asks for it".to_owned(),
        }
    }
}

impl From<Refusal> for Error {
    fn from(refusal: Refusal) -> Self {
        Self::new(Reason::Refused, refusal.message).with_facts(Facts {
            rule: Some(refusal.rule),
            hint: Some(refusal.hint),
            ..Facts::default()
        })
    }
}

/// Decides about the statements of a text. A text without any is not understood.
pub fn decide(
    policy: &Policy,
    limit: Limit,
    door: Door,
    statements: &[Statement],
    session: &SessionFacts<'_>,
) -> Decision {
    let links: Vec<&Link> = statements.iter().flat_map(|statement| &statement.links).collect();
    for link in &links {
        if let Some(refusal) = denied(policy, link, session) {
            return Decision::Refuse(refusal);
        }
    }
    if limit.level == Level::Open {
        return Decision::Allow(None);
    }
    if links.is_empty() {
        return Decision::Refuse(not_understood(limit, None));
    }
    let mut listed = None;
    let mut concerns: Vec<Concern> = Vec::new();
    for link in links {
        for (name, aspect) in calls_to_list(limit.level, link) {
            match listing(policy, link, aspect, None, session) {
                Some(rule) => listed = listed.or(Some(rule)),
                None => return Decision::Refuse(unlisted_function(limit, name)),
            }
        }
        let answer = by_level(limit, door, link);
        if matches!(answer, Answer::Yes) {
            continue;
        }
        if let Some(rule) = action_listing(policy, link, session) {
            listed = listed.or(Some(rule));
            continue;
        }
        match answer {
            Answer::Yes => {}
            Answer::No(refusal) => return Decision::Refuse(refusal),
            Answer::Confirm(concern) if door == Door::Query => {
                return Decision::Refuse(concern.refusal());
            }
            Answer::Confirm(concern) => {
                if !concerns.contains(&concern) {
                    concerns.push(concern);
                }
            }
        }
    }
    if concerns.is_empty() {
        Decision::Allow(listed.map(|rule| rule.as_str().to_owned()))
    } else {
        Decision::Confirm(concerns)
    }
}

/// True when the decision may be another one in another database or schema, so that it must wait until the
/// session's context is known.
pub fn depends_on_context(policy: &Policy, statements: &[Statement]) -> bool {
    policy.allow.iter().chain(&policy.deny).any(Rule::names_objects)
        && statements
            .iter()
            .flat_map(|statement| &statement.links)
            .any(resolve::depends_on_context)
}

/// True when Snowflake is to be asked what a statement is before it runs.
pub fn asks_server(policy: &Policy, limit: Limit, statements: &[Statement]) -> bool {
    if limit.level == Level::Open && !policy.has_rules() {
        return false;
    }
    match policy.ask_server {
        AskServer::Never => false,
        AskServer::Writes => !statements.iter().all(Statement::is_read),
        AskServer::Always => true,
    }
}

/// True when Snowflake takes the statement for something stricter than it was understood to be.
pub fn is_misread(statements: &[Statement], server: StatementKind) -> bool {
    statements.iter().any(|statement| {
        // Snowflake runs a chain as a block.
        let chain = statement.links.len() > 1 && matches!(server, StatementKind::Call | StatementKind::Multi);
        let class = statement.class();
        !chain && class != Class::Unknown && strictest(server, class) == Class::Unknown
    })
}

/// What becomes of a statement of which [`is_misread`] is true: it counts as one that is not understood.
pub fn refuse_misread(
    policy: &Policy,
    limit: Limit,
    statements: &[Statement],
    server: StatementKind,
) -> Option<Refusal> {
    let class = statements.first().map_or(Class::Unknown, Statement::class);
    (limit.level < Level::Open || !policy.deny.is_empty()).then(|| Refusal {
        rule: "server".to_owned(),
        message: format!(
            "Snowflake says that the statement is {}, and its text was understood as `{class}`; nothing was run",
            kind_name(server)
        ),
        hint: "please report the statement; what is not understood runs with policy open only".to_owned(),
    })
}

/// True when a statement commits by itself, and what was open before it.
pub fn commits_by_itself(statements: &[Statement]) -> bool {
    statements
        .iter()
        .flat_map(|statement| &statement.links)
        .any(|link| matches!(link.class, Class::Ddl(_) | Class::Write(Write::Truncate)))
}

/// True when a statement changes rows in a way that a transaction can take back.
pub fn changes_rows(statements: &[Statement]) -> bool {
    statements
        .iter()
        .flat_map(|statement| &statement.links)
        .any(|link| matches!(link.class, Class::Write(write) if is_of_rows(write)))
}

fn is_of_rows(write: Write) -> bool {
    match write {
        Write::Insert | Write::InsertMulti | Write::Update | Write::Delete | Write::Merge | Write::Load => {
            true
        }
        Write::Unload | Write::CopyFiles | Write::Truncate => false,
    }
}

fn denied(policy: &Policy, link: &Link, session: &SessionFacts<'_>) -> Option<Refusal> {
    let forbidden = |rule: &Rule, why: String| {
        Refusal {
        rule: format!("deny {rule}"),
        message: format!("{why}; nothing was run"),
        hint: "the rules are under `policy.deny`, or `deny` under `policy.connections.<name>`, in the service's configuration; a name that is not written in full counts as any".to_owned(),
    }
    };
    if let Some(rule) = policy.deny.iter().find(|rule| rule.denies(link, session)) {
        return Some(forbidden(rule, format!("the rule \"deny {rule}\" forbids it")));
    }
    let rule = policy.deny.iter().find(|rule| rule.may_be_done_unseen())?;
    let is_listed = match link.class {
        Class::Call(Call::Procedure | Call::Immediate | Call::Execute | Call::Block) => {
            action_listing(policy, link, session).is_some()
        }
        _ => true,
    } && link
        .table_functions
        .iter()
        .all(|name| listing(policy, link, Aspect::TableFunction(name), None, session).is_some());
    (!is_listed).then(|| {
        forbidden(
            rule,
            format!("code that the text does not show might do what the rule \"deny {rule}\" forbids, and no rule allows to run it"),
        )
    })
}

/// The first rule that lists this, if one does.
fn listing<'a>(
    policy: &'a Policy,
    link: &Link,
    aspect: Aspect<'_>,
    object: Option<usize>,
    session: &SessionFacts<'_>,
) -> Option<&'a Rule> {
    policy
        .allow
        .iter()
        .find(|rule| rule.allows(link, aspect, object, session))
}

/// A rule that lists what the link itself does, if rules list it for every object.
fn action_listing<'a>(policy: &'a Policy, link: &Link, session: &SessionFacts<'_>) -> Option<&'a Rule> {
    let objects = resolve::acted_on(link, session).len();
    if objects == 0 {
        return listing(policy, link, Aspect::Action, None, session);
    }
    let mut first = None;
    for object in 0..objects {
        let rule = listing(policy, link, Aspect::Action, Some(object), session)?;
        first = first.or(Some(rule));
    }
    first
}

/// Calls in a link that a level runs only when they are listed.
fn calls_to_list(level: Level, link: &Link) -> impl Iterator<Item = (&Name, Aspect<'_>)> {
    let advances = move |name: &Name| {
        level >= Level::Guarded
            && matches!(
                name.last().to_ascii_uppercase().as_str(),
                "NEXTVAL" | "GETNEXTVAL"
            )
    };
    let effects = link
        .effects
        .iter()
        .filter(move |name| !advances(name))
        .map(|name| (name, Aspect::Effect(name)));
    let functions = link
        .table_functions
        .iter()
        .map(|name| (name, Aspect::TableFunction(name)));
    effects.chain(functions)
}

/// What a level below open says of the action of a link.
fn by_level(limit: Limit, door: Door, link: &Link) -> Answer {
    match link.class {
        // What a query calls is listed or not, apart from the query.
        Class::Read(_)
        | Class::Use
        | Class::Session
        | Class::Transaction(_)
        | Class::Call(Call::Function) => Answer::Yes,
        Class::Call(_) => Answer::No(unlisted_code(limit, link)),
        Class::Unknown => Answer::No(not_understood(limit, link.doubt.map(|doubt| doubt.to_string()))),
        Class::File(_) | Class::Write(_) | Class::Ddl(_) if limit.level == Level::ReadOnly => {
            Answer::No(changes(limit, link))
        }
        Class::File(File::Put | File::Get) => Answer::Yes,
        Class::File(File::Remove) => confirm("destroys", "it removes files from a stage"),
        Class::Write(write) if door == Door::Query && is_of_rows(write) => Answer::No(not_staged(link)),
        Class::Write(Write::Truncate) => confirm("destroys", "it removes all rows and commits by itself"),
        Class::Write(_) if link.unconditional => confirm(
            "unconditional",
            "it has no condition that depends on the rows, so it changes all of them",
        ),
        Class::Write(Write::Insert | Write::InsertMulti) if link.destroys => {
            confirm("destroys", "it removes all rows of the table before it inserts")
        }
        Class::Write(_) if link.destroys => confirm(
            "destroys",
            "it overwrites files, or removes those that it has loaded",
        ),
        Class::Write(_) => Answer::Yes,
        Class::Ddl(ddl) if matches!(ddl.verb, Verb::Grant | Verb::Revoke) || decides_access(ddl.kind) => {
            confirm("grants", "it changes who may do or see what")
        }
        Class::Ddl(ddl) if link.destroys => {
            let what = match ddl.verb {
                Verb::Create => "it replaces what may exist, with all that is in it",
                Verb::Alter => "it takes something away from an object, or from what can be had back",
                _ => "it drops an object with all that is in it",
            };
            confirm("destroys", what)
        }
        Class::Ddl(ddl) if ddl.kind.is_none() => {
            confirm("destroys", "its object is of a kind that is not known here")
        }
        Class::Ddl(_) => Answer::Yes,
    }
}

/// Kinds of objects that say who may do or see what.
fn decides_access(kind: Option<&str>) -> bool {
    const KINDS: [&str; 10] = [
        "ACCOUNT",
        "EXTERNAL ACCESS INTEGRATION",
        "MANAGED ACCOUNT",
        "NETWORK RULE",
        "ORGANIZATION ACCOUNT",
        "ORGANIZATION USER",
        "SECRET",
        "SECURITY INTEGRATION",
        "SHARE",
        "USER",
    ];
    kind.is_some_and(|kind| kind.ends_with(" POLICY") || KINDS.contains(&kind))
}

fn confirm(rule: &'static str, message: &str) -> Answer {
    Answer::Confirm(Concern {
        rule,
        message: message.to_owned(),
    })
}

/// What a read-only level refuses.
fn changes(limit: Limit, link: &Link) -> Refusal {
    let hint = match (limit.held_by, link.class) {
        (HeldBy::Request, Class::File(_)) => limit.held_by.how_to_raise(),
        (HeldBy::Request, _) => format!("run it with `sfctl write`, or {}", limit.held_by.how_to_raise()),
        (held_by, _) => held_by.how_to_raise(),
    };
    Refusal {
        rule: limit.level.to_string(),
        message: format!(
            "policy {} runs nothing that changes something, and this is `{}`; nothing was run",
            limit.level, link.class
        ),
        hint,
    }
}

/// What changes rows outside a write.
fn not_staged(link: &Link) -> Refusal {
    Refusal {
        rule: Level::Guarded.to_string(),
        message: format!(
            "policy guarded changes rows only by a write that can be looked at before it counts, and this is `{}`; nothing was run",
            link.class
        ),
        hint: "run it with `sfctl write`".to_owned(),
    }
}

fn unlisted_code(limit: Limit, link: &Link) -> Refusal {
    let rule = match (link.class, &link.procedure) {
        (_, Some(procedure)) => format!("call on {procedure}"),
        (Class::Call(Call::Immediate), _) => "execute immediate".to_owned(),
        (Class::Call(Call::Block), _) => "block".to_owned(),
        (Class::Call(Call::Execute), _) => match link.targets.first() {
            Some(target) => format!("execute on {target}"),
            None => "execute".to_owned(),
        },
        _ => "call".to_owned(),
    };
    Refusal {
        rule: limit.level.to_string(),
        message: format!(
            "policy {} runs code that the text does not show only where a rule allows it, and this is `{}`; nothing was run",
            limit.level, link.class
        ),
        hint: format!(
            "{}, or list it under `policy.allow` in the service's configuration as \"{rule}\" with its name in full",
            with_more(limit)
        ),
    }
}

fn unlisted_function(limit: Limit, name: &Name) -> Refusal {
    Refusal {
        rule: limit.level.to_string(),
        message: format!(
            "policy {} calls functions that may change something only where a rule allows it, and {name} is not listed; nothing was run",
            limit.level
        ),
        hint: format!(
            "{}, or list it under `policy.allow` in the service's configuration as \"function {name}\"",
            with_more(limit)
        ),
    }
}

fn not_understood(limit: Limit, doubt: Option<String>) -> Refusal {
    let why = doubt.map_or_else(String::new, |doubt| format!(" ({doubt})"));
    Refusal {
        rule: limit.level.to_string(),
        message: format!(
            "policy {} runs only what is understood with certainty, and this is not{why}; nothing was run",
            limit.level
        ),
        hint: with_more(limit),
    }
}

fn with_more(limit: Limit) -> String {
    match limit.held_by {
        HeldBy::Request => "run it with --policy open".to_owned(),
        held_by => held_by.how_to_raise(),
    }
}

fn kind_name(kind: StatementKind) -> &'static str {
    match kind {
        StatementKind::Unknown => "of no kind that is known",
        StatementKind::Query => "a query",
        StatementKind::Dml => "one that changes rows",
        StatementKind::Ddl => "one that changes objects or grants",
        StatementKind::Session => "one that changes the session",
        StatementKind::Transaction => "one that begins or ends a transaction",
        StatementKind::Call => "a call",
        StatementKind::Multi => "several statements",
        StatementKind::Other => "a command of another kind",
    }
}
