//! What a data folder holds, as a whole: removed, copied, put back.

use super::process::{BUSY_WAIT_MAX, again, end, failed, look};
use super::{LifeError, note, print};
use crate::config::{ReplaceArguments, SnapshotVerb};
use crate::folder::{DataFolder, FolderLock, Snapshot, SnapshotError, SnapshotName};
use crate::session::{Instance, InstanceConfig};
use serde_json::{Value, json};

/// `reset`: removes databases and files in stages.
pub fn reset(arguments: &ReplaceArguments) -> Result<(), LifeError> {
    replaced(arguments, |folder, lock| {
        folder.clear(lock).map_err(|source| failed(folder.path(), source))
    })?;
    note(&format!("{} is empty now", arguments.folder.data.display()));
    Ok(())
}

/// `restore`: puts a snapshot in the place of what there is.
pub fn restore(name: &SnapshotName, arguments: &ReplaceArguments) -> Result<(), LifeError> {
    // Before anything is stopped for it.
    let known = DataFolder::new(&arguments.folder.data).snapshots()?;
    if !known.iter().any(|snapshot| snapshot.name == *name) {
        return Err(SnapshotError::Unknown(name.clone()).into());
    }
    replaced(arguments, |folder, lock| Ok(folder.restore(name, lock)?))?;
    note(&format!(
        "{} is as it was at snapshot {name}",
        arguments.folder.data.display()
    ));
    Ok(())
}

/// `snapshot`: makes, lists and deletes copies.
pub fn snapshot(verb: &SnapshotVerb) -> Result<(), LifeError> {
    match verb {
        SnapshotVerb::Create { name, folder } => {
            let taken = DataFolder::new(&folder.data).take_snapshot(name, opens)?;
            print(&described(&taken), true)
        }
        SnapshotVerb::List { folder, json } => {
            let snapshots = DataFolder::new(&folder.data).snapshots()?;
            if snapshots.is_empty() {
                note("there are no snapshots");
            }
            print(&Value::Array(snapshots.iter().map(described).collect()), *json)
        }
        SnapshotVerb::Delete { name, folder } => Ok(DataFolder::new(&folder.data).delete_snapshot(name)?),
    }
}

/// Does `work` on a folder that nobody serves; stops and starts an emulator around it where that was allowed.
fn replaced(
    arguments: &ReplaceArguments,
    work: impl FnOnce(&DataFolder, &FolderLock) -> Result<(), LifeError>,
) -> Result<(), LifeError> {
    let folder = DataFolder::new(&arguments.folder.data);
    let serving = look(&folder)?;
    if let Some(serving) = &serving {
        if !arguments.restart {
            return Err(LifeError::Serving {
                folder: folder.path().to_owned(),
                pid: serving.pid,
                address: serving.address.to_string(),
            });
        }
        end(&folder, serving)?;
    }
    // A service may be about to start its emulator again; that one waits for this lock.
    let lock = folder
        .lock(BUSY_WAIT_MAX)
        .map_err(|source| failed(folder.path(), source))?;
    let Some(lock) = lock else {
        return Err(LifeError::InUse {
            folder: folder.path().to_owned(),
        });
    };
    let done = work(&folder, &lock);
    drop(lock);
    if let Some(serving) = serving.filter(|serving| !serving.supervised) {
        // Also after a failure: whoever uses it had one that ran.
        again(&folder, &serving)?;
    }
    done
}

/// Opens a copy once, which plays its log into its database.
fn opens(copy: &DataFolder) -> Result<(), String> {
    let instance = Instance::open(&InstanceConfig {
        data: Some(copy.path().to_owned()),
        ..InstanceConfig::in_memory()
    });
    let flushed = instance.and_then(|instance| instance.checkpoint());
    flushed.map_err(|error| error.to_string())
}

fn described(snapshot: &Snapshot) -> Value {
    let created = i64::try_from(snapshot.created).unwrap_or_default();
    let created = jiff::Timestamp::from_second(created).unwrap_or_default();
    json!({
        "name": snapshot.name.to_string(),
        "created": created.to_string(),
        "bytes": snapshot.bytes,
    })
}
