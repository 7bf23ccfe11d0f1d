//! The file store against a real file system: replaced values, strange files, full disks, many threads.
#![cfg(unix)]
#![allow(clippy::unwrap_used)]

use std::ffi::CString;
use std::fs;
use std::os::unix::fs::{PermissionsExt, symlink};
use std::os::unix::process::CommandExt;
use std::path::Path;
use std::process::Command;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, SystemTime};

use tempfile::{TempDir, tempdir};
use zarrpipe_core::error::{Error, Kind};
use zarrpipe_core::scratch::Bytes;
use zarrpipe_core::store::file::{FileStore, Fsync, sweep_stale, version};
use zarrpipe_core::store::{ByteRange, Handle, Part, Store};

fn store(dir: &TempDir) -> FileStore {
    FileStore::new(dir.path().to_owned(), Fsync::None, false).unwrap()
}

fn new(bytes: &[u8]) -> Part {
    Part::New(Bytes::foreign(Box::new(bytes.to_vec())))
}

fn put(store: &FileStore, key: &str, bytes: &[u8]) {
    store.put(key, &[new(bytes)], None).unwrap();
}

fn get(store: &FileStore, key: &str, ranges: &[ByteRange]) -> Result<Option<Vec<Vec<u8>>>, Error> {
    let answer = store.read(key, ranges, &mut None)?;
    Ok(answer.map(|found| found.parts.iter().map(|bytes| bytes.to_vec()).collect()))
}

fn whole(store: &FileStore, key: &str) -> Vec<u8> {
    get(store, key, &[ByteRange::Whole]).unwrap().unwrap().remove(0)
}

fn read_error(store: &FileStore, key: &str) -> Error {
    get(store, key, &[ByteRange::Whole]).unwrap_err()
}

fn open(store: &FileStore, key: &str) -> Handle {
    let mut handle = None;
    store.read(key, &[], &mut handle).unwrap().unwrap();
    handle.unwrap()
}

fn names(dir: &Path) -> Vec<String> {
    let mut names: Vec<String> = fs::read_dir(dir)
        .unwrap()
        .map(|entry| entry.unwrap().file_name().into_string().unwrap())
        .collect();
    names.sort();
    names
}

fn range(offset: u64, nbytes: u64) -> ByteRange {
    ByteRange::Range { offset, nbytes }
}

#[test]
fn round_trip() {
    for fsync in [Fsync::None, Fsync::Data, Fsync::Full] {
        let dir = tempdir().unwrap();
        let store = FileStore::new(dir.path().join("new/root"), fsync, false).unwrap();
        assert!(get(&store, "a/c/0", &[ByteRange::Whole]).unwrap().is_none());
        store.delete("a/c/0").unwrap();
        store.put("a/c/0", &[new(b"one"), new(b""), new(b"two")], None).unwrap();
        assert_eq!(whole(&store, "a/c/0"), b"onetwo");
        put(&store, "a/c/0", b"x");
        assert_eq!(whole(&store, "a/c/0"), b"x");
        assert_eq!(names(&dir.path().join("new/root/a/c")), ["0"]);
        store.delete("a/c/0").unwrap();
        store.delete("a/c/0").unwrap();
        assert!(get(&store, "a/c/0", &[]).unwrap().is_none());
    }
}

#[test]
fn new_files_follow_the_umask() {
    let dir = tempdir().unwrap();
    put(&store(&dir), "a", b"1");
    fs::write(dir.path().join("b"), b"1").unwrap();
    let mode = |name: &str| fs::metadata(dir.path().join(name)).unwrap().permissions().mode();
    assert_eq!(mode("a"), mode("b"));
}

#[test]
fn ranges() {
    let dir = tempdir().unwrap();
    let store = store(&dir);
    let bytes: Vec<u8> = (0..100_000u32).map(|i| (i % 253) as u8).collect();
    put(&store, "a", &bytes);
    // Unsorted, overlapping, nested, equal, empty, far apart.
    let asked = [
        (99_000, 1000),
        (0, 10),
        (5, 20),
        (7, 2),
        (0, 10),
        (50_000, 0),
        (20_000, 3000),
        (4120, 1),
        (24_000, 5),
        (100_000, 0),
    ];
    let mut wanted: Vec<ByteRange> = asked.iter().map(|&(offset, nbytes)| range(offset, nbytes)).collect();
    let mut expected: Vec<&[u8]> = asked
        .iter()
        .map(|&(o, n)| &bytes[o as usize..(o + n) as usize])
        .collect();
    for (one, expected) in wanted.iter().zip(&expected) {
        assert_eq!(get(&store, "a", &[*one]).unwrap().unwrap(), [*expected]);
    }
    wanted.extend([
        ByteRange::Suffix { nbytes: 7 },
        ByteRange::Whole,
        ByteRange::Suffix { nbytes: 100_000 },
    ]);
    expected.extend([&bytes[99_993..], &bytes, &bytes]);
    assert_eq!(get(&store, "a", &wanted[..13]).unwrap().unwrap(), expected);
    assert_eq!(get(&store, "a", &wanted[..10]).unwrap().unwrap(), expected[..10]);
    assert_eq!(get(&store, "a", &[]).unwrap().unwrap(), Vec::<Vec<u8>>::new());
}

#[test]
fn ranges_beyond_the_end_are_truncated() {
    let dir = tempdir().unwrap();
    let store = store(&dir);
    put(&store, "a", &[1; 100]);
    put(&store, "empty", b"");
    store.put("no parts", &[], None).unwrap();
    let beyond = [
        range(0, 101),
        range(100, 1),
        range(u64::MAX, 1),
        range(1, u64::MAX),
        ByteRange::Suffix { nbytes: 101 },
    ];
    for beyond in beyond {
        for ranges in [&[beyond][..], &[ByteRange::Whole, beyond]] {
            let error = get(&store, "a", ranges).unwrap_err();
            assert_eq!(error.kind(), Kind::Truncated);
            assert!(error.detail().contains("has 100 bytes"), "{error}");
        }
    }
    for key in ["empty", "no parts"] {
        let error = read_error(&store, key);
        assert_eq!(error.kind(), Kind::Truncated);
        assert!(error.detail().ends_with("is empty"), "{error}");
    }
}

#[test]
fn a_value_larger_than_the_limit_is_not_allocated() {
    let dir = tempdir().unwrap();
    let file = fs::File::create(dir.path().join("a")).unwrap();
    if file.set_len(3 << 40).is_ok() {
        assert_eq!(read_error(&store(&dir), "a").kind(), Kind::Limit);
        let halves = [range(0, 1 << 40), range(2 << 40, 1 << 40)];
        assert_eq!(get(&store(&dir), "a", &halves).unwrap_err().kind(), Kind::Limit);
    }
}

#[test]
fn a_handle_keeps_its_version() {
    let dir = tempdir().unwrap();
    let store = store(&dir);
    put(&store, "a", b"old value");
    let handle = open(&store, "a");
    assert_eq!(version(&handle), version(&open(&store, "a")));
    put(&store, "a", b"new");
    let answer = store
        .read("a", &[range(4, 5), range(0, 3)], &mut Some(handle.clone()))
        .unwrap()
        .unwrap();
    assert_eq!((&*answer.parts[0], &*answer.parts[1]), (&b"value"[..], &b"old"[..]));
    assert_ne!(version(&handle).unwrap(), version(&open(&store, "a")).unwrap());
    store.delete("a").unwrap();
    assert_eq!(
        &*store
            .read("a", &[ByteRange::Whole], &mut Some(handle))
            .unwrap()
            .unwrap()
            .parts[0],
        b"old value"
    );
}

#[test]
fn a_value_shortened_in_place_is_truncated() {
    let dir = tempdir().unwrap();
    let store = store(&dir);
    put(&store, "a", &[1; 100]);
    let mut handle = Some(open(&store, "a"));
    fs::File::options()
        .write(true)
        .open(dir.path().join("a"))
        .unwrap()
        .set_len(10)
        .unwrap();
    let error = store.read("a", &[ByteRange::Whole], &mut handle).err().unwrap();
    assert_eq!(error.kind(), Kind::Truncated);
}

#[test]
fn old_parts() {
    let dir = tempdir().unwrap();
    let store = store(&dir);
    let old: Vec<u8> = (0..300_000u32).map(|i| (i % 241) as u8).collect();
    put(&store, "a", &old);
    let handle = open(&store, "a");
    let kept = |offset, nbytes| Part::Old { offset, nbytes };
    let parts = [
        new(b"<"),
        kept(0, 1000),
        kept(1000, 200_000),
        new(b""),
        new(b"|"),
        kept(299_999, 1),
        kept(5, 0),
        kept(0, 3),
    ];
    store.put("a", &parts, Some(&handle)).unwrap();
    assert!(whole(&store, "a") == [b"<", &old[..201_000], b"|", &old[299_999..], &old[..3]].concat());

    for beyond in [kept(300_000, 1), kept(0, 300_001), kept(u64::MAX, 2)] {
        assert_eq!(
            store.put("a", &[new(b"x"), beyond], Some(&handle)).unwrap_err().kind(),
            Kind::Truncated
        );
    }
    assert_eq!(store.put("a", &[kept(0, 1)], None).unwrap_err().kind(), Kind::Internal);
    assert_eq!(names(dir.path()), ["a"]);
    assert_eq!(whole(&store, "a").len(), 201_006);
}

#[test]
fn readers_see_whole_values() {
    let dir = tempdir().unwrap();
    let store = &store(&dir);
    let values = [vec![b'a'; 10_000], vec![b'b'; 20_000]];
    put(store, "a", &values[0]);
    let stop = &AtomicBool::new(false);
    std::thread::scope(|scope| {
        for _ in 0..2 {
            let values = &values;
            scope.spawn(move || {
                while !stop.load(Ordering::Relaxed) {
                    let seen = whole(store, "a");
                    assert!(seen == values[0] || seen == values[1], "{} bytes", seen.len());
                }
            });
        }
        let put = |i: usize| store.put("a", &[new(&values[i % 2][..100]), new(&values[i % 2][100..])], None);
        let outcome = (0..5000).try_for_each(put);
        stop.store(true, Ordering::Relaxed);
        outcome.unwrap();
    });
    assert_eq!(names(dir.path()), ["a"]);
}

#[test]
fn threads_putting_one_key() {
    let dir = tempdir().unwrap();
    let store = &store(&dir);
    std::thread::scope(|scope| {
        for thread in 0..8u8 {
            // In a folder that all of them have to make.
            scope.spawn(move || (0..300).for_each(|_| put(store, "x/y/z/a", &[thread; 5000])));
        }
    });
    let last = whole(store, "x/y/z/a");
    assert!(last[0] < 8 && last == [last[0]; 5000]);
    assert_eq!(names(&dir.path().join("x/y/z")), ["a"]);
}

#[test]
fn folders_that_vanish_while_writing() {
    let dir = tempdir().unwrap();
    let store = store(&dir);
    let root = dir.path().to_owned();
    let writer = std::thread::spawn(move || {
        for _ in 0..500 {
            put(&store, "a/b/c", b"1");
            store.delete("a/b/c").unwrap();
        }
    });
    while !writer.is_finished() {
        let _ = fs::remove_dir(root.join("a/b"));
        let _ = fs::remove_dir(root.join("a"));
        std::thread::sleep(Duration::from_micros(300));
    }
    writer.join().unwrap();
}

#[test]
fn what_is_no_value() {
    let dir = tempdir().unwrap();
    let store = store(&dir);
    let at = |name: &str| dir.path().join(name);
    fs::create_dir(at("folder")).unwrap();
    let fifo = CString::new(at("fifo").to_str().unwrap()).unwrap();
    // SAFETY: `fifo` is a C string that lives through the call.
    assert_eq!(unsafe { libc::mkfifo(fifo.as_ptr(), 0o600) }, 0);
    let _socket = std::os::unix::net::UnixListener::bind(at("socket")).unwrap();
    symlink("/dev/null", at("device")).unwrap();
    symlink("folder", at("link")).unwrap();
    for (key, word) in [
        ("folder", "directory"),
        ("link", "directory"),
        ("fifo", "FIFO"),
        ("socket", "socket"),
        ("device", "device"),
    ] {
        let error = read_error(&store, key);
        assert_eq!(error.kind(), Kind::Store);
        assert!(error.detail().contains(word), "{key}: {error}");
    }

    assert_eq!(
        store.put("folder", &[new(b"1")], None).unwrap_err().os_code(),
        Some(libc::EISDIR)
    );
    assert_eq!(store.delete("folder").unwrap_err().kind(), Kind::Store);
    assert!(at("folder").is_dir());
    assert_eq!(names(dir.path()), ["device", "fifo", "folder", "link", "socket"]);
}

#[test]
fn only_no_such_key_is_missing() {
    let dir = tempdir().unwrap();
    let store = store(&dir);
    let at = |name: &str| dir.path().join(name);
    put(&store, "a", b"1");
    symlink("loop", at("loop")).unwrap();
    symlink("gone", at("dangling")).unwrap();
    let code = |key: &str| read_error(&store, key).os_code();
    assert_eq!(code("a/b"), Some(libc::ENOTDIR));
    assert_eq!(code("loop"), Some(libc::ELOOP));
    assert_eq!(code("loop/a"), Some(libc::ELOOP));
    assert_eq!(code("dangling"), Some(libc::ENOENT));
    assert_eq!(code(&"n".repeat(300)), Some(libc::ENAMETOOLONG));
    assert_eq!(
        store.put("a/b", &[new(b"1")], None).unwrap_err().os_code(),
        Some(libc::ENOTDIR)
    );
    assert_eq!(store.delete("a/b").unwrap_err().os_code(), Some(libc::ENOTDIR));
    assert!(store.prepare(&mut ["a/b/c".to_owned()].into_iter()).is_err());

    fs::set_permissions(at("a"), fs::Permissions::from_mode(0o000)).unwrap();
    // Root reads it all the same.
    if fs::File::open(at("a")).is_err() {
        assert_eq!(code("a"), Some(libc::EACCES));
    }
    // A link is followed by reads, and replaced by a put.
    symlink("value", at("link")).unwrap();
    put(&store, "value", b"v");
    assert_eq!(whole(&store, "link"), b"v");
    put(&store, "link", b"w");
    assert_eq!(
        (whole(&store, "value"), whole(&store, "link")),
        (b"v".to_vec(), b"w".to_vec())
    );
}

#[test]
fn keys_stay_below_the_root() {
    let dir = tempdir().unwrap();
    let store = FileStore::new(dir.path().join("root"), Fsync::None, false).unwrap();
    put(&store, "in", b"1");
    fs::write(dir.path().join("out"), b"2").unwrap();
    for key in [
        "../out",
        "/etc/passwd",
        "",
        "a//b",
        "./in",
        "x/../../out",
        "in\0",
        "in/",
    ] {
        assert_eq!(read_error(&store, key).kind(), Kind::Store, "{key}");
        assert_eq!(
            store.put(key, &[new(b"3")], None).unwrap_err().kind(),
            Kind::Store,
            "{key}"
        );
        assert_eq!(store.delete(key).unwrap_err().kind(), Kind::Store, "{key}");
    }
    assert!(store.prepare(&mut ["../new".to_owned()].into_iter()).is_err());
    assert_eq!(fs::read(dir.path().join("out")).unwrap(), b"2");
    assert_eq!(names(dir.path()), ["out", "root"]);
}

#[test]
fn read_only_stores_refuse() {
    let dir = tempdir().unwrap();
    put(&store(&dir), "a", b"1");
    let store = FileStore::new(dir.path().to_owned(), Fsync::None, true).unwrap();
    assert_eq!(whole(&store, "a"), b"1");
    assert_eq!(store.put("a", &[new(b"2")], None).unwrap_err().kind(), Kind::ReadOnly);
    assert_eq!(store.delete("a").unwrap_err().kind(), Kind::ReadOnly);
    assert_eq!(
        store.prepare(&mut ["b".to_owned()].into_iter()).unwrap_err().kind(),
        Kind::ReadOnly
    );
    assert_eq!(names(dir.path()), ["a"]);
}

#[test]
fn one_place_has_one_identity() {
    let dir = tempdir().unwrap();
    let real = dir.path().canonicalize().unwrap();
    fs::create_dir(real.join("root")).unwrap();
    symlink("root", real.join("link")).unwrap();
    let identity = |path: &str| {
        FileStore::new(real.join(path), Fsync::None, false)
            .unwrap()
            .identity()
            .to_owned()
    };
    assert_eq!(identity("root"), format!("file:{}/root", real.display()));
    for same in ["link", "root/", "link/.", "gone/../root"] {
        assert_eq!(identity(same), identity("root"), "{same}");
    }
    assert_eq!(identity("link/x/y"), identity("root/x/z/../y"));
    assert_ne!(identity("root"), identity(""));
    assert!(FileStore::new("".into(), Fsync::None, false).is_err());
    assert!(FileStore::new("a\0b".into(), Fsync::None, false).is_err());
}

#[test]
fn stale_temporary_files_are_swept() {
    let dir = tempdir().unwrap();
    let store = store(&dir);
    let folder = dir.path().join("c");
    fs::create_dir(&folder).unwrap();
    let old = SystemTime::now() - Duration::from_secs(25 * 60 * 60);
    for (name, age) in [
        (".zarrpipe-1-2-3.partial", old),
        (".zarrpipe-young.partial", SystemTime::now()),
        ("0", old),
    ] {
        fs::File::create(folder.join(name)).unwrap().set_modified(age).unwrap();
    }
    fs::create_dir(folder.join(".zarrpipe-folder.partial")).unwrap();
    let folders = ["", "c", "c", "d/e", "d/f"].map(str::to_owned);
    store.prepare(&mut folders.into_iter()).unwrap();
    assert_eq!(names(&folder).len(), 4);
    // A put that meets another one at the list of swept folders leaves sweeping to the next.
    for _ in 0..1000 {
        put(&store, "c/1", b"1");
        if names(&folder).len() < 5 {
            break;
        }
    }
    assert_eq!(
        names(&folder),
        [".zarrpipe-folder.partial", ".zarrpipe-young.partial", "0", "1"]
    );
    assert_eq!(names(&dir.path().join("d")), ["e", "f"]);
    sweep_stale(&folder, Duration::ZERO);
    assert_eq!(names(&folder), [".zarrpipe-folder.partial", "0", "1"]);
    sweep_stale(&folder.join("none"), Duration::ZERO);
}

/// A disk that is full after 1 MB, played by RLIMIT_FSIZE in a child process that runs this very test.
#[test]
fn a_full_disk_keeps_the_old_value() {
    const LIMIT: u64 = 1_000_000;
    if let Some(root) = std::env::var_os("ZARRPIPE_TEST_FULL_DISK") {
        let store = FileStore::new(root.into(), Fsync::None, false).unwrap();
        let handle = open(&store, "c/0");
        let kept = || Part::Old {
            offset: 0,
            nbytes: 600_000,
        };
        for parts in [
            &[new(&[2; LIMIT as usize + 1])][..],
            &[kept(), kept()],
            &[new(&[2; 500_000]), kept()],
        ] {
            let error = store.put("c/0", parts, Some(&handle)).unwrap_err();
            assert_eq!(
                (error.kind(), error.os_code()),
                (Kind::Store, Some(libc::EFBIG)),
                "{error}"
            );
        }
        return;
    }
    let dir = tempdir().unwrap();
    put(&store(&dir), "c/0", &[1; 600_000]);
    let mut child = Command::new(std::env::current_exe().unwrap());
    child
        .args(["--exact", "a_full_disk_keeps_the_old_value"])
        .env("ZARRPIPE_TEST_FULL_DISK", dir.path());
    // SAFETY: both calls are async-signal-safe, and their arguments live on the closure's stack.
    unsafe {
        child.pre_exec(|| {
            libc::signal(libc::SIGXFSZ, libc::SIG_IGN);
            libc::setrlimit(
                libc::RLIMIT_FSIZE,
                &libc::rlimit {
                    rlim_cur: LIMIT,
                    rlim_max: LIMIT,
                },
            );
            Ok(())
        });
    }
    let output = child.output().unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stdout));
    assert_eq!(names(&dir.path().join("c")), ["0"]);
    assert_eq!(whole(&store(&dir), "c/0"), [1; 600_000]);
}

/// A writer killed at any moment leaves the old value or the new one; what it was writing is swept another day.
#[test]
fn a_killed_writer_leaves_a_whole_value() {
    if let Some(root) = std::env::var_os("ZARRPIPE_TEST_KILLED") {
        let store = FileStore::new(root.into(), Fsync::None, false).unwrap();
        for i in 0u8.. {
            put(&store, "a", &vec![i % 200; 2_000_000]);
            if i == 255 {
                std::process::exit(1);
            }
        }
    }
    let dir = tempdir().unwrap();
    put(&store(&dir), "a", &[7; 2_000_000]);
    for wait_ms in [3, 10, 20, 31, 44] {
        let mut child = Command::new(std::env::current_exe().unwrap());
        child
            .args(["--exact", "a_killed_writer_leaves_a_whole_value"])
            .env("ZARRPIPE_TEST_KILLED", dir.path());
        let mut child = child.stdout(std::process::Stdio::null()).spawn().unwrap();
        std::thread::sleep(Duration::from_millis(wait_ms));
        child.kill().unwrap();
        child.wait().unwrap();
        let value = whole(&store(&dir), "a");
        assert!(value == vec![value[0]; 2_000_000]);
    }
    sweep_stale(dir.path(), Duration::ZERO);
    assert_eq!(names(dir.path()), ["a"]);
}
