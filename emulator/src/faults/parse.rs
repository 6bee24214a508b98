//! A rule from its text: `status=503,retry-after=1,on=query,times=2`.
//!
//! Items are separated by commas; a value with commas in it stands in double quotes. Two steps: the text
//! becomes one [`Written`], in which every value is good by itself; that becomes a [`Rule`], when the
//! values are good together.

use std::num::NonZeroU64;

use regex::RegexBuilder;

use super::rule::{Action, Aim, ConnectFault, Filter, PathPattern, Phase, RequestFault, Rule};
use super::schedule::Schedule;
use super::values::{self, Expected};

/// The keys, for the hint after an unknown one.
const KEYS: [&str; 20] = [
    "on",
    "method",
    "sql~",
    "session",
    "times",
    "after",
    "every",
    "probability",
    "for",
    "phase",
    "delay",
    "delay-answer",
    "status",
    "retry-after",
    "code",
    "end-session",
    "cut",
    "throttle",
    "reset",
    "stall",
];

/// Words for what goes wrong most often, with the items they stand for.
const KINDS: [(&str, &[(&str, &str)]); 4] = [
    ("expire-token", &[("code", "390112")]),
    ("session-gone", &[("code", "390111"), ("end-session", "true")]),
    ("warehouse-suspended", &[("code", "000606")]),
    ("drop-connection", &[("reset", "")]),
];

/// Short words for paths, after `on=`.
const PLACES: [(&str, &str); 8] = [
    ("login", "/session/v1/login-request"),
    ("renew", "/session/token-request"),
    ("heartbeat", "/session/heartbeat"),
    ("query", "/queries/v1/query-request"),
    ("abort", "/queries/*/abort-request"),
    ("result", "/queries/*/result"),
    ("status", "/monitoring/queries/"),
    ("chunk", "/results/"),
];

/// The word for whole connections, after `on=`.
const CONNECT: &str = "connect";
/// The word for the one path that begins others, after `on=`.
const LOGOUT: (&str, &str) = ("logout", "/session");

/// Farthest that a word may be from a known one for a hint, from 0 to 1.
const SIMILARITY_MIN: f64 = 0.4;

/// Why a text is not a rule.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("fault rule {rule:?}: {problem}")]
pub struct RuleError {
    rule: String,
    problem: String,
}

/// Where a rule applies, as written.
enum Place {
    Connection,
    Path(PathPattern),
}

/// A rule's items, each read by itself.
#[derive(Default)]
struct Written {
    place: Option<Place>,
    filter: Filter,
    schedule: Schedule,
    phase: Option<Phase>,
    /// What happens, and the key that said so; more than one is a mistake.
    actions: Vec<(&'static str, Action)>,
    delays_answer: bool,
    retry_after: Option<u64>,
    end_session: Option<bool>,
}

impl Rule {
    /// Reads a rule. Fails with what is wrong and, for a word that is not known, the one that may be meant.
    pub fn parse(text: &str) -> Result<Self, RuleError> {
        let text = text.trim();
        let failed = |problem| RuleError {
            rule: text.to_owned(),
            problem,
        };
        let mut written = Written::default();
        let mut keys: Vec<&str> = Vec::new();
        for item in items(text).map_err(failed)? {
            if keys.contains(&item.key) {
                return Err(failed(format!("{} is given twice", item.key)));
            }
            keys.push(item.key);
            written.take(&item).map_err(failed)?;
        }
        written.rule(text, &keys).map_err(failed)
    }
}

/// `key=value`, or a key alone.
#[derive(Debug, PartialEq)]
struct Item<'a> {
    key: &'a str,
    value: Option<&'a str>,
}

fn items(text: &str) -> Result<Vec<Item<'_>>, String> {
    let mut items = Vec::new();
    let mut rest = text;
    while !rest.is_empty() {
        let key_length = rest.find(['=', ',']).unwrap_or(rest.len());
        let key = rest[..key_length].trim();
        let (value, after) = if rest[key_length..].starts_with('=') {
            let (value, after) = value(rest[key_length + 1..].trim_start(), key)?;
            (Some(value), after)
        } else {
            (None, &rest[key_length..])
        };
        if key.is_empty() {
            return Err("there is nothing between two commas".to_owned());
        }
        items.push(Item { key, value });
        rest = match after.strip_prefix(',') {
            Some(more) if more.trim().is_empty() => return Err("it ends with a comma".to_owned()),
            Some(more) => more,
            None => after,
        };
    }
    if items.is_empty() {
        return Err("it is empty".to_owned());
    }
    Ok(items)
}

/// A value from the start of `text`, and what follows it.
fn value<'a>(text: &'a str, key: &str) -> Result<(&'a str, &'a str), String> {
    let Some(quoted) = text.strip_prefix('"') else {
        let length = text.find(',').unwrap_or(text.len());
        return Ok((text[..length].trim(), &text[length..]));
    };
    let Some((value, after)) = quoted.split_once('"') else {
        return Err(format!("the quotes of {key} are not closed"));
    };
    let after = after.trim_start();
    if !after.is_empty() && !after.starts_with(',') {
        return Err(format!("after the quotes of {key} there must be a comma"));
    }
    Ok((value, after))
}

impl Written {
    fn take(&mut self, item: &Item<'_>) -> Result<(), String> {
        if let Some((kind, items)) = KINDS.into_iter().find(|(kind, _)| *kind == item.key) {
            if item.value.is_some() {
                return Err(format!("{kind} takes no value"));
            }
            return items.iter().try_for_each(|(key, text)| self.set(key, text));
        }
        let key = KEYS.into_iter().find(|key| *key == item.key).ok_or_else(|| {
            let words: Vec<&str> = KEYS.into_iter().chain(KINDS.map(|(kind, _)| kind)).collect();
            unknown("key", item.key, &words)
        })?;
        let text = match (key, item.value) {
            ("reset" | "stall", Some(_)) => return Err(format!("{key} takes no value")),
            ("reset" | "stall", None) => "",
            (_, None | Some("")) => return Err(format!("{key} needs a value")),
            (_, Some(text)) => text,
        };
        self.set(key, text)
            .map_err(|expected| format!("{key}={text}: expected {expected}"))
    }

    fn set(&mut self, key: &'static str, text: &str) -> Result<(), Expected> {
        match key {
            "on" => self.place = Some(place(text)?),
            "method" => self.filter.method = Some(text.to_ascii_uppercase()),
            "sql~" => self.filter.sql = Some(pattern(text)?),
            "session" => self.filter.session = Some(values::whole(text)?),
            "times" => self.schedule.times = Some(values::positive(text)?),
            "after" => self.schedule.skip = values::whole(text)?,
            "every" => self.schedule.every = values::positive(text)?,
            "probability" => self.schedule.probability = values::probability(text)?,
            "for" => self.schedule.life = Some(values::duration(text)?),
            "phase" => self.phase = Some(phase(text)?),
            "retry-after" => self.retry_after = Some(values::retry_after(text)?),
            "end-session" => self.end_session = Some(values::truth(text)?),
            _ => {
                self.delays_answer = key == "delay-answer";
                self.actions.push((key, action(key, text)?));
            }
        }
        Ok(())
    }

    /// `keys` are those that were written.
    fn rule(mut self, text: &str, keys: &[&str]) -> Result<Rule, String> {
        let (key, action) = self.action()?;
        let aim = match self.place.take() {
            Some(Place::Connection) => Aim::Connection(self.connect_fault(key, &action, keys)?),
            Some(Place::Path(path)) => {
                self.filter.path = Some(path);
                self.request(key, action)?
            }
            None => self.request(key, action)?,
        };
        Ok(Rule {
            text: text.to_owned(),
            aim,
            schedule: self.schedule,
        })
    }

    /// The one thing that happens, with what belongs to it.
    fn action(&mut self) -> Result<(&'static str, Action), String> {
        let mut actions = std::mem::take(&mut self.actions);
        let Some((key, mut action)) = actions.pop() else {
            return Err(
                "it says not what happens; add one of delay, delay-answer, status, code, cut, throttle, reset, stall, or one of expire-token, session-gone, \
                 warehouse-suspended, drop-connection"
                    .to_owned(),
            );
        };
        if let Some((other, _)) = actions.pop() {
            return Err(format!("{other} and {key} cannot both happen; write two rules"));
        }
        match (&mut action, self.retry_after) {
            (Action::Status { retry_after, .. }, seconds) => *retry_after = seconds,
            (_, Some(_)) => return Err("retry-after goes with status only".to_owned()),
            (_, None) => {}
        }
        match (&mut action, self.end_session) {
            (Action::Code { end_session, .. }, wanted) => *end_session = wanted.unwrap_or(false),
            (_, Some(_)) => return Err("end-session goes with code only".to_owned()),
            (_, None) => {}
        }
        Ok((key, action))
    }

    fn connect_fault(&self, key: &str, action: &Action, keys: &[&str]) -> Result<ConnectFault, String> {
        let foreign = ["method", "sql~", "session", "phase"];
        if let Some(foreign) = foreign.into_iter().find(|foreign| keys.contains(foreign)) {
            return Err(format!(
                "{foreign} is about a request; on=connect happens before there is one"
            ));
        }
        match action {
            Action::Delay(wait) if !self.delays_answer => Ok(ConnectFault::Delay(*wait)),
            Action::Reset => Ok(ConnectFault::Reset),
            Action::Stall => Ok(ConnectFault::Stall),
            _ => Err(format!(
                "{key} cannot happen on=connect; delay, reset and stall can"
            )),
        }
    }

    fn request(&mut self, key: &str, action: Action) -> Result<Aim, String> {
        let needs_answer = self.delays_answer || matches!(action, Action::Cut(_) | Action::Throttle(_));
        let phase = match self.phase {
            Some(Phase::Before) if needs_answer => {
                return Err(format!("{key} needs an answer, which phase=before does not make"));
            }
            Some(phase) => phase,
            None if needs_answer => Phase::After,
            None => Phase::Before,
        };
        let filter = std::mem::take(&mut self.filter);
        Ok(Aim::Request(filter, RequestFault { phase, action }))
    }
}

fn action(key: &str, text: &str) -> Result<Action, Expected> {
    Ok(match key {
        "delay" | "delay-answer" => Action::Delay(values::duration(text)?),
        "status" => Action::Status {
            status: values::status(text)?,
            retry_after: None,
        },
        "code" => Action::Code {
            code: values::code(text)?,
            end_session: false,
        },
        "cut" => Action::Cut(values::whole(text)?),
        "throttle" => {
            let rate = NonZeroU64::new(values::whole(text)?);
            Action::Throttle(rate.ok_or("a number of bytes a second from 1 on")?)
        }
        "reset" => Action::Reset,
        _ => Action::Stall,
    })
}

fn place(text: &str) -> Result<Place, Expected> {
    if text == CONNECT {
        return Ok(Place::Connection);
    }
    if text == LOGOUT.0 {
        return Ok(Place::Path(PathPattern::Exact(LOGOUT.1)));
    }
    if text.starts_with('/') {
        return path(text);
    }
    if let Some((_, written)) = PLACES.iter().find(|(name, _)| *name == text) {
        return path(written);
    }
    let mut names: Vec<&str> = PLACES.iter().map(|(name, _)| *name).collect();
    names.extend([LOGOUT.0, CONNECT]);
    Err(format!(
        "a path or one of {}{}",
        names.join(", "),
        hint(text, &names)
    ))
}

fn path(text: &str) -> Result<Place, Expected> {
    let pattern = match text.split_once('*') {
        None => PathPattern::Prefix(text.to_owned()),
        Some((_, end)) if end.contains('*') => return Err("a path with at most one *".to_owned()),
        Some((start, end)) => PathPattern::Around(start.to_owned(), end.to_owned()),
    };
    Ok(Place::Path(pattern))
}

fn pattern(text: &str) -> Result<regex::Regex, Expected> {
    RegexBuilder::new(text)
        .case_insensitive(true)
        .dot_matches_new_line(true)
        .build()
        .map_err(|error| format!("a regular expression ({error})"))
}

fn phase(text: &str) -> Result<Phase, Expected> {
    match text {
        "before" => Ok(Phase::Before),
        "after" => Ok(Phase::After),
        _ => Err("before or after".to_owned()),
    }
}

fn unknown(what: &str, word: &str, known: &[&str]) -> String {
    format!("{word:?} is not a {what}{}", hint(word, known))
}

/// The known word that is nearest, if one is near.
fn hint(word: &str, known: &[&str]) -> String {
    let near = |known: &&&str| strsim::normalized_damerau_levenshtein(known, word);
    known
        .iter()
        .filter(|known| near(known) >= SIMILARITY_MIN)
        .max_by(|one, other| near(one).total_cmp(&near(other)))
        .map_or_else(String::new, |nearest| format!("; did you mean {nearest}?"))
}

#[cfg(test)]
mod tests;
