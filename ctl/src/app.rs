//! The whole program in one function: read, resolve, carry out, report.

use std::ffi::OsString;

use clap::error::ErrorKind;

use crate::arguments::parse;
use crate::commands::{self, Run};
use crate::config::{Environment, Settings};
use crate::exit_code::Exit;
use crate::render::write_stdout;
use crate::ui::{Ui, say};

/// Runs one command line.
pub(crate) fn main(arguments: impl Iterator<Item = OsString>) -> Exit {
    let environment = Environment::read();
    let ui = Ui::new(false, false, environment.color());
    let arguments = match parse(arguments) {
        Ok(arguments) => arguments,
        Err(error) => return explain(&error, ui),
    };
    let (settings, ui) = match Settings::resolve(&arguments.global, &environment) {
        Ok(resolved) => resolved,
        Err(failure) => {
            ui.failure(&failure);
            return failure.exit;
        }
    };
    let run = Run { settings, ui };
    match commands::carry_out(arguments.verb, &run) {
        Ok(exit) => exit,
        Err(failure) => {
            let failure = commands::explained(failure, &run);
            ui.failure(&failure);
            failure.exit
        }
    }
}

/// Prints help on stdout where it was asked for, and on stderr what is wrong with the command line.
fn explain(error: &clap::Error, ui: Ui) -> Exit {
    let asked_for = matches!(error.kind(), ErrorKind::DisplayHelp | ErrorKind::DisplayVersion);
    let text = error.render();
    if asked_for {
        // Help is not data, but whoever asks for it wants to page and search it.
        return match write_stdout(text.to_string().as_bytes()) {
            Ok(()) => Exit::Done,
            Err(_) => Exit::Usage,
        };
    }
    let text = if ui.color {
        text.ansi().to_string()
    } else {
        text.to_string()
    };
    say(text.trim_end());
    Exit::Usage
}
