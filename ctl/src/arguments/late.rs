//! Arguments of a verb that are described to clap only when that verb, or its help, is asked for.
//!
//! clap describes the whole command line before it reads the first word of it. That was half of the work of a
//! `sfctl query` before it connects, most of it for verbs that had not been typed.

use clap::builder::{Resettable, StyledStr};
use clap::error::Error;
use clap::{ArgMatches, Args, Command, FromArgMatches, Subcommand};

/// `T`, described late.
#[derive(Debug)]
pub(crate) struct Late<T>(pub(crate) T);

impl<T: FromArgMatches> FromArgMatches for Late<T> {
    fn from_arg_matches(matches: &ArgMatches) -> Result<Self, Error> {
        T::from_arg_matches(matches).map(Self)
    }

    fn from_arg_matches_mut(matches: &mut ArgMatches) -> Result<Self, Error> {
        T::from_arg_matches_mut(matches).map(Self)
    }

    fn update_from_arg_matches(&mut self, matches: &ArgMatches) -> Result<(), Error> {
        self.0.update_from_arg_matches(matches)
    }
}

impl<T: Args> Args for Late<T> {
    fn augment_args(command: Command) -> Command {
        command.defer(|command| keep_about(command, T::augment_args))
    }

    fn augment_args_for_update(command: Command) -> Command {
        command.defer(|command| keep_about(command, T::augment_args_for_update))
    }
}

impl<T: Subcommand> Subcommand for Late<T> {
    fn augment_subcommands(command: Command) -> Command {
        command.defer(|command| keep_about(command, T::augment_subcommands))
    }

    fn augment_subcommands_for_update(command: Command) -> Command {
        command.defer(|command| keep_about(command, T::augment_subcommands_for_update))
    }

    fn has_subcommand(name: &str) -> bool {
        T::has_subcommand(name)
    }
}

/// What the verb says about itself stands before what its arguments' type says, as it does without delay.
fn keep_about(command: Command, augment: fn(Command) -> Command) -> Command {
    let about = resettable(command.get_about());
    let long_about = resettable(command.get_long_about());
    augment(command).about(about).long_about(long_about)
}

fn resettable(text: Option<&StyledStr>) -> Resettable<StyledStr> {
    text.cloned().map_or(Resettable::Reset, Resettable::Value)
}

#[cfg(test)]
mod tests {
    use clap::CommandFactory;

    use crate::arguments::Arguments;

    #[test]
    fn the_whole_command_line_is_sound() {
        // Builds what is described late as well.
        Arguments::command().debug_assert();
    }

    #[test]
    fn a_verb_says_the_same_of_itself_before_and_after() {
        let early = Arguments::command();
        let mut late = Arguments::command();
        late.build();
        for verb in early.get_subcommands() {
            let built = late.find_subcommand(verb.get_name()).expect("the same verbs");
            assert!(verb.get_about().is_some(), "{} says nothing", verb.get_name());
            assert_eq!(verb.get_about(), built.get_about(), "{}", verb.get_name());
            assert_eq!(
                verb.get_long_about(),
                built.get_long_about(),
                "{}",
                verb.get_name()
            );
        }
    }

    #[test]
    fn options_of_a_verb_not_typed_are_not_described() {
        let command = Arguments::command();
        let query = command.find_subcommand("query").expect("a verb");
        assert_eq!(query.get_arguments().count(), 0);
    }
}
