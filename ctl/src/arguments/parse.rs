//! From words to [`Arguments`], by the short way where the first word is a verb.
//!
//! clap copies each global option into every verb before it reads a word, which costs more than everything else it does.
//! Behind a verb there is only that verb to have them. Whatever is not simply understood, help and mistakes above all, goes
//! the long way, so that all that is said comes from the whole command line's description.

use std::ffi::OsString;

use clap::{Args as _, Command, FromArgMatches as _, Parser as _, Subcommand as _};

use super::comment::marked;
use super::{Arguments, GlobalArguments, Verb};

/// Reads a command line, the program's name first.
pub(crate) fn parse(words: impl Iterator<Item = OsString>) -> Result<Arguments, clap::Error> {
    let words: Vec<OsString> = marked(words).collect();
    match behind_a_verb(&words) {
        Some(arguments) => Ok(arguments),
        None => Arguments::try_parse_from(words),
    }
}

/// The arguments, where the first word is a verb and nothing is to be said about the others.
fn behind_a_verb(words: &[OsString]) -> Option<Arguments> {
    let verb = words.get(1)?.to_str()?;
    if !Verb::has_subcommand(verb) {
        return None;
    }
    let command =
        Verb::augment_subcommands(Command::new("sfctl")).mut_subcommand(verb, GlobalArguments::augment_args);
    let matches = command.try_get_matches_from(words).ok()?;
    let (_, given) = matches.subcommand()?;
    Some(Arguments {
        global: GlobalArguments::from_arg_matches(given).ok()?,
        verb: Verb::from_arg_matches(&matches).ok()?,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn words(line: &str) -> Vec<OsString> {
        let words = line.split(' ').map(|word| word.replace('_', " "));
        std::iter::once("sfctl".to_owned())
            .chain(words)
            .map(OsString::from)
            .collect()
    }

    #[test]
    fn both_ways_understand_the_same() {
        for line in [
            "query select_1",
            "query --format json --limit 5 --bind 1 --bind x=2 select_1 -c dev --timeout 5s",
            "query -f - --session a -q --color always",
            "query --async select_1 --no-autostart",
            "query --server https://db.example:7443 select_1",
            "write --dry-run update_t --verbose",
            "begin --accept-loss",
            "commit --session other",
            "use database sales --format csv",
            "context",
            "session list --format json",
            "session --format json list",
            "session new etl -c dev",
            "job history --format jsonl",
            "job result 01 --offset 5 -o rows.csv",
            "service logs -f -n 5 --quiet",
            "service status --socket /run/s",
            "config show --format json",
            "emulator snapshot create before --format json",
            "emulator fault add x -q",
            "doctor --json --connection dev",
            "completions zsh",
            "version --verbose",
        ] {
            let words = words(line);
            let short = behind_a_verb(&words).unwrap_or_else(|| panic!("{line} is understood"));
            let long = Arguments::try_parse_from(&words).unwrap_or_else(|error| panic!("{line}: {error}"));
            assert_eq!(format!("{short:?}"), format!("{long:?}"), "{line}");
        }
    }

    #[test]
    fn what_is_to_be_said_is_said_by_the_whole() {
        for line in [
            "-c dev query select_1",
            "--version",
            "--help",
            "query --help",
            "query --nope",
            "query -q -v select_1",
            "query --format nope select_1",
            "query --limit",
            "session",
            "session nope",
            "nope",
            "",
        ] {
            assert!(behind_a_verb(&words(line)).is_none(), "{line}");
        }
        assert!(behind_a_verb(&words("")[..1]).is_none());
    }
}
