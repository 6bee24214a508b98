//! A desk: a home in which a shell finds `sfctl` and nothing else, and an empty folder that stays empty.

use std::ffi::OsStr;
use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::PathBuf;
use std::process::Command;

use crate::config;
use crate::plugin::Snippet;
use crate::process::{Ran, run};
use crate::stage::Stage;

/// Texts that a shell would do something with. Each that gets out leaves a file, by means of the shell alone.
pub const TRAPS: [&str; 30] = [
    "plain",
    "it's",
    "\"quoted\"",
    "$HOME ${HOME} $1 $? $$",
    "$(: > evil)",
    "`: > evil`",
    "'$(: > evil)'",
    "\"$(: > evil)\"",
    "'; : > evil; '",
    "'\\''; : > evil; '\\''",
    "\"; : > evil; \"",
    "\n: > evil\n",
    "a\r\n: > evil\r\nb",
    "SQL_xxxxxx\n: > evil",
    "SQL_abcdef\n: > evil\nSQL_abcdef",
    "'SQL_abcdef'\n: > evil",
    "EOF\n: > evil",
    "<<'EOF'\n: > evil\nEOF",
    "a && : > evil",
    "a || : > evil",
    "a | : > evil",
    "a & : > evil",
    "> evil",
    "# a\n-- b\n/* c */",
    "\\",
    "ends with \\\n\\",
    "* ? [a-z] ~ {a,b} !! %s %n",
    "--accept-loss",
    "-oevil",
    "ÄÖÜ ß é 表 ❄ \u{1F980} \u{202E}abc\u{202C} \u{FEFF}",
];

/// A home, a folder to be in, and the one program that can be found.
pub struct Desk {
    /// The home.
    pub stage: Stage,
    programs: PathBuf,
    folder: PathBuf,
}

impl Desk {
    /// With the program under test.
    pub fn with_sfctl() -> Self {
        let desk = Self::new();
        std::os::unix::fs::symlink(config::program("sfctl"), desk.programs.join("sfctl"))
            .expect("our own home");
        desk
    }

    /// With a stand-in that writes down what it is given.
    pub fn with_recorder() -> Self {
        let mut desk = Self::new();
        let notes = desk.stage.path("notes");
        fs::create_dir(&notes).expect("our own home");
        desk.stage.set("NOTES", &notes);
        let program = desk.stage.write(
            "programs/sfctl",
            "#!/bin/sh\nfor word in \"$@\"; do printf '%s\\0' \"$word\"; done >> \"$NOTES/arguments\"\n\
             printf '\\n' >> \"$NOTES/calls\"\n/bin/cat > \"$NOTES/input\"\n",
        );
        fs::set_permissions(program, fs::Permissions::from_mode(0o700)).expect("our own home");
        desk
    }

    fn new() -> Self {
        let mut stage = Stage::new();
        let (programs, folder) = (stage.path("programs"), stage.path("folder"));
        for made in [&programs, &folder] {
            fs::create_dir(made).expect("our own home");
        }
        stage.set("PATH", &programs);
        Self {
            stage,
            programs,
            folder,
        }
    }

    /// Runs a script as the Bash tool does, and sees that it left nothing behind.
    #[track_caller]
    pub fn shell(&self, shell: &str, script: &str) -> Ran {
        let ran = self.unwatched_shell(shell, script);
        assert_eq!(self.left(), [""; 0], "a file appeared: {ran}");
        ran
    }

    /// Runs a script that may leave something behind.
    pub fn unwatched_shell(&self, shell: &str, script: &str) -> Ran {
        let mut command = self.as_shipped(shell);
        command.args(["-c", script]).current_dir(&self.folder);
        run(command, None)
    }

    /// Runs the program under test itself, for what is not the plugin's to do.
    pub fn sfctl(&self, arguments: &[&str]) -> Ran {
        let mut command = self.as_shipped(config::program("sfctl"));
        command.args(arguments);
        run(command, None)
    }

    /// A program in the home, under the policy that holds where nobody has chosen one.
    fn as_shipped(&self, program: impl AsRef<OsStr>) -> Command {
        let mut command = self.stage.command(program);
        command
            .env_remove("SFCTL_POLICY")
            .env_remove("SNOWFLAKE_SESSIOND_POLICY__LEVEL");
        command
    }

    /// Runs a snippet of the plugin.
    #[track_caller]
    pub fn run(&self, snippet: &Snippet, word: &str, sql: &str) -> Ran {
        self.shell("/bin/bash", &snippet.filled(word, sql).script)
    }

    /// Names of the files in the folder.
    pub fn left(&self) -> Vec<String> {
        fs::read_dir(&self.folder)
            .expect("our own home")
            .map(|entry| {
                entry
                    .expect("our own home")
                    .file_name()
                    .into_string()
                    .expect("our own home")
            })
            .collect()
    }

    /// What the stand-in wrote down since the last time: each call's arguments, and the input.
    pub fn noted(&self) -> (usize, Vec<String>, String) {
        let taken = |name: &str| {
            let path = self.stage.path("notes").join(name);
            let text = fs::read_to_string(&path).unwrap_or_default();
            // Not there when nothing was called, which is what the caller then sees.
            let _ = fs::remove_file(&path);
            text
        };
        let arguments = taken("arguments");
        let arguments = arguments.split_terminator('\0').map(str::to_owned).collect();
        (taken("calls").len(), arguments, taken("input"))
    }
}
