//! fakesnow, somebody else's local Snowflake: the witness for our client side.

use crate::emulator::Server;
use crate::python;
use crate::stage::Stage;

/// What it is made of. fakesnow 0.12.1 imports parts of the connector that version 5 no longer has.
const REQUIREMENTS: [&str; 2] = ["fakesnow[server]==0.12.1", "snowflake-connector-python<5"];

/// Starts fakesnow's server in memory on a free port.
pub fn start(stage: &Stage) -> Server {
    let python = python::environment(&REQUIREMENTS);
    let mut command = stage.command(python);
    command.args(["-u", "-m", "fakesnow", "--server"]);
    Server::start(stage, "fakesnow", command)
}
