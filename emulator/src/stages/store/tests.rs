//! Files that come, are replaced and go, and what is remembered of them.

use super::*;

fn store(limits: StoreLimits) -> Arc<FileStore> {
    FileStore::open(None, &std::env::temp_dir(), limits).unwrap()
}

fn put(store: &Arc<FileStore>, area: &Area, name: &str, text: &str) -> Result<(), StoreError> {
    let mut upload = store.create(area, &Key::new(name).unwrap())?;
    upload.write(text.as_bytes())?;
    upload.finish()
}

#[test]
fn files_are_put_listed_and_removed() {
    let store = store(StoreLimits::default());
    let area = Area::named(1);
    put(&store, &area, "b/x.csv", "1\n").unwrap();
    put(&store, &area, "a.csv", "22\n").unwrap();
    put(&store, &area, "a.csv", "333\n").unwrap();
    let names = |prefix: &str| {
        let files = store.list(&area, prefix).unwrap();
        files
            .iter()
            .map(|file| file.key.as_str().to_owned())
            .collect::<Vec<_>>()
    };
    assert_eq!(names(""), ["a.csv", "b/x.csv"]);
    assert_eq!(names("b/"), ["b/x.csv"]);
    assert_eq!(store.bytes.load(Ordering::Relaxed), 6);
    let file = store.find(&area, &Key::new("a.csv").unwrap()).unwrap().unwrap();
    assert_eq!(store.md5(&file).unwrap(), "40b134ab8a3dee5dd9760a7805fd495c");
    let has = |digest: &str| store.has_digest(&file, digest).unwrap();
    assert!(has(&store.load_digest(&file).unwrap()));
    // As earlier versions wrote it.
    assert!(has("40b134ab8a3dee5dd9760a7805fd495c"));
    assert!(!has("x3:40b134ab8a3dee5dd9760a7805fd495c"));
    assert!(!has(&store.fingerprint(&file).unwrap()));
    // What is kept of an upload is what is read of the file.
    let kept = store.fingerprint(&file).unwrap();
    store.digests.forget(&file.path);
    assert_eq!(store.fingerprint(&file).unwrap(), kept);
    store.remove(&file).unwrap();
    store.remove(&file).unwrap();
    store.clear(&area).unwrap();
    assert!(names("").is_empty());
    assert_eq!(store.bytes.load(Ordering::Relaxed), 0);
}

#[test]
fn a_digest_is_of_the_file_that_has_the_name() {
    let store = store(StoreLimits::default());
    let (area, key) = (Area::named(1), Key::new("a").unwrap());
    let find = || store.find(&area, &key).unwrap().unwrap();
    put(&store, &area, "a", "one").unwrap();
    let first = find();
    let digests = (store.md5(&first).unwrap(), store.fingerprint(&first).unwrap());
    // Another of the same size, written in the same millisecond.
    let upload = || {
        let mut upload = store.create(&area, &key).unwrap();
        upload.write(b"two").unwrap();
        let modified = UNIX_EPOCH + std::time::Duration::from_millis(first.modified_ms as u64);
        upload.file.set_modified(modified).unwrap();
        upload
    };
    upload().finish().unwrap();
    assert_eq!(find().version(), first.version());
    assert_ne!(store.md5(&first).unwrap(), digests.0);
    assert_ne!(store.fingerprint(&first).unwrap(), digests.1);
}

#[test]
fn uploads_of_one_name_race_without_harm() {
    let store = store(StoreLimits::default());
    let (area, key) = (Area::named(1), Key::new("a").unwrap());
    for round in 0..50 {
        std::thread::scope(|scope| {
            for writer in ["x", "y"] {
                let (store, area) = (&store, &area);
                let length = 1 + round % 2 * usize::from(writer == "y");
                scope.spawn(move || put(store, area, "a", &writer.repeat(length)).unwrap());
            }
        });
        let file = store.find(&area, &key).unwrap().unwrap();
        let kept = store.fingerprint(&file).unwrap();
        store.digests.forget(&file.path);
        assert_eq!(store.fingerprint(&file).unwrap(), kept);
        assert_eq!(store.bytes.load(Ordering::Relaxed), file.bytes);
    }
}

#[test]
fn what_breaks_off_leaves_nothing_and_limits_hold() {
    let store = store(StoreLimits {
        file_bytes_max: 4,
        bytes_max: 6,
        files_max: 2,
    });
    let area = Area::user("ANN");
    let refused = put(&store, &area, "large", "12345").unwrap_err();
    assert!(matches!(refused, StoreError::FileLarge { limit: 4 }), "{refused}");
    put(&store, &area, "a", "1234").unwrap();
    let refused = put(&store, &area, "b", "1234").unwrap_err();
    assert!(matches!(refused, StoreError::Full { limit: 6 }), "{refused}");
    put(&store, &area, "b", "12").unwrap();
    let refused = put(&store, &area, "c", "").unwrap_err();
    assert!(matches!(refused, StoreError::ManyFiles { limit: 2 }), "{refused}");
    assert_eq!(fs::read_dir(store.folder.join(area.folder())).unwrap().count(), 2);
    let folder = store.folder.clone();
    drop(store);
    assert!(!folder.exists());
}

#[test]
fn an_ended_process_leaves_only_what_stays() {
    let folder = tempfile::tempdir().unwrap();
    let open = || FileStore::open(Some(folder.path()), folder.path(), StoreLimits::default()).unwrap();
    let first = open();
    put(&first, &Area::named(7), "kept", "k").unwrap();
    put(&first, &Area::temporary(1, 1), "gone", "g").unwrap();
    std::mem::forget(first.create(&Area::named(7), &Key::new("half").unwrap()).unwrap());
    drop(first);
    let second = open();
    assert_eq!(second.list(&Area::named(7), "").unwrap().len(), 1);
    assert!(second.list(&Area::temporary(1, 1), "").unwrap().is_empty());
    assert_eq!(second.bytes.load(Ordering::Relaxed), 1);
    assert_eq!(fs::read_dir(folder.path().join("named-7")).unwrap().count(), 1);
}
