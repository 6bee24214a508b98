//! Property lists of launchd, which reads past what it does not understand.
//!
//! A list is one element a line, as ours is. The rules are those that launchd does not tell: a key that it does not know is
//! ignored, a mode is a decimal number, and neither `~` nor a variable is expanded.

use super::tree::{Finding, Source, Tree};

/// Keys that may be used, each with the element that must follow.
const KEYS: [(&str, &[&str]); 22] = [
    ("Label", &["string"]),
    ("ProgramArguments", &["array"]),
    ("Sockets", &["dict"]),
    ("grpc", &["dict"]),
    ("SockFamily", &["string"]),
    ("SockType", &["string"]),
    ("SockPathName", &["string"]),
    ("SockPathMode", &["integer"]),
    ("RunAtLoad", &["true", "false"]),
    ("ThrottleInterval", &["integer"]),
    ("ExitTimeOut", &["integer"]),
    ("ProcessType", &["string"]),
    ("LimitLoadToSessionType", &["array"]),
    ("Umask", &["integer"]),
    ("SoftResourceLimits", &["dict"]),
    ("HardResourceLimits", &["dict"]),
    ("NumberOfFiles", &["integer"]),
    ("WorkingDirectory", &["string"]),
    ("StandardOutPath", &["string"]),
    ("StandardErrorPath", &["string"]),
    ("EnvironmentVariables", &["dict"]),
    ("Nice", &["integer"]),
];

/// Keys with a value of which another would be a mistake.
const VALUES: [(&str, &str, &str); 6] = [
    ("SockPathMode", "384", "384 is 0600; the number is decimal"),
    ("Umask", "63", "63 is 077; the number is decimal"),
    ("SockFamily", "Unix", "the socket is a local one"),
    ("SockType", "stream", "gRPC speaks over a stream"),
    (
        "RunAtLoad",
        "",
        "a service that is started by its socket does not start at login",
    ),
    ("WorkingDirectory", "/", "a service keeps no folder busy"),
];

/// Every property list is one that launchd reads as it is meant.
pub fn agents(tree: &Tree) -> Vec<Finding> {
    tree.with_extension("plist").flat_map(agent).collect()
}

fn agent(source: &Source) -> Vec<Finding> {
    let mut findings = Vec::new();
    let mut open: Vec<String> = Vec::new();
    let mut key: Option<String> = None;
    let mut in_comment = false;
    for (index, line) in source.text.lines().enumerate() {
        let line = line.trim();
        let mut say = |message: String| findings.push(Finding::new(&source.path, index + 1, message));
        in_comment |= line.starts_with("<!--");
        if in_comment {
            in_comment = !line.ends_with("-->");
            continue;
        }
        // The first lines of the file are no elements.
        if line.is_empty() || line.starts_with("<?") || line.starts_with("<!") {
            continue;
        }
        let Some(element) = Element::read(line) else {
            say(format!("`{line}` is not one element"));
            continue;
        };
        match element {
            Element::Open(name) => {
                if let Some(message) = key.take().and_then(|key| misplaced(&key, name)) {
                    say(message);
                }
                open.push(name.to_owned());
            }
            Element::Close(name) => {
                if open.pop().as_deref() != Some(name) {
                    say(format!("</{name}> closes something else"));
                }
            }
            Element::Whole("key", text) => key = Some(text.to_owned()),
            Element::Whole(name, text) => {
                if let Some(key) = key.take() {
                    let message = misplaced(&key, name).or_else(|| wrong(&key, name, text));
                    if let Some(message) = message {
                        say(message);
                    }
                }
                if text.contains('~') || text.contains('$') {
                    say(format!(
                        "`{text}`: launchd expands neither ~ nor variables; let the installation fill it in"
                    ));
                }
            }
        }
    }
    if !open.is_empty() {
        findings.push(Finding::new(
            &source.path,
            0,
            format!("<{}> is never closed", open.join("><")),
        ));
    }
    findings
}

/// What is wrong with the element that follows a key.
fn misplaced(key: &str, element: &str) -> Option<String> {
    match KEYS.iter().find(|(known, _)| *known == key) {
        None => Some(format!(
            "launchd ignores `{key}`, or we have not looked it up (tests/src/tidy/agents.rs)"
        )),
        Some((_, elements)) if !elements.contains(&element) => {
            Some(format!("`{key}` takes {}, not {element}", elements.join(" or ")))
        }
        Some(_) => None,
    }
}

/// What is wrong with the value of a key.
fn wrong(key: &str, element: &str, text: &str) -> Option<String> {
    let (_, wanted, why) = VALUES.iter().find(|(known, ..)| *known == key)?;
    (text != *wanted || element == "true").then(|| format!("`{key}`: {why}"))
}

/// One element of a line.
enum Element<'a> {
    Open(&'a str),
    Close(&'a str),
    /// With its text.
    Whole(&'a str, &'a str),
}

impl<'a> Element<'a> {
    fn read(line: &'a str) -> Option<Self> {
        let inner = line.strip_prefix('<')?;
        let (tag, rest) = inner.split_once('>')?;
        if let Some(name) = tag.strip_prefix('/') {
            return rest.is_empty().then_some(Self::Close(name));
        }
        if let Some(name) = tag.strip_suffix('/') {
            return rest.is_empty().then_some(Self::Whole(name, ""));
        }
        let name = tag.split(' ').next()?;
        if rest.is_empty() {
            return Some(Self::Open(name));
        }
        let (text, end) = rest.rsplit_once("</")?;
        (end.strip_suffix('>') == Some(name) && !text.contains('<')).then_some(Self::Whole(name, text))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const GOOD: &str = include_str!("../../../launchd/com.github.snowflake-session.plist");

    fn check(from: &str, to: &str, told: &str) {
        assert!(GOOD.contains(from), "the agent has no {from}");
        let text = GOOD.replace(from, to);
        let findings = agents(&Tree::from_texts(&[("a.plist", &text)]));
        assert!(
            findings.iter().any(|finding| finding.message.contains(told)),
            "{from} -> {to}: {findings:?}"
        );
    }

    #[test]
    fn what_launchd_would_misread_is_found() {
        check("<integer>384</integer>", "<integer>0600</integer>", "384 is 0600");
        check("<integer>63</integer>", "<integer>77</integer>", "63 is 077");
        check("<integer>384</integer>", "<string>384</string>", "takes integer");
        check("<string>/</string>", "<string>~/x</string>", "expands neither");
        check(
            "<key>RunAtLoad</key>",
            "<key>RunAtload</key>",
            "launchd ignores `RunAtload`",
        );
        check("<false/>", "<true/>", "does not start at login");
        check("<string>Unix</string>", "<string>unix</string>", "a local one");
        check("</plist>", "", "never closed");
        check("</array>", "</dict>", "closes something else");
        check("<string>run</string>", "run", "not one element");
    }
}
