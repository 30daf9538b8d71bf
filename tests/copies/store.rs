//! The store of copies.

use std::fs;
use std::os::unix::fs::{MetadataExt as _, PermissionsExt as _};
use std::path::{Path, PathBuf};
use std::process::Command;

use walkdir::WalkDir;
use wsgiaudit::copies::{CopyError, CopySet, CopyStore, prepare_copies};

use super::trees::{build_site, open_store};
use super::workshop::{Workshop, inode};

fn prepare(site: &Path, store: &CopyStore) -> CopySet {
    prepare_copies(&[site.to_owned()], 2, store, None).unwrap()
}

/// The copies in a store, without their records.
fn objects(workshop: &Workshop) -> Vec<PathBuf> {
    let files = WalkDir::new(workshop.path("store/objects")).into_iter().map(Result::unwrap);
    let files = files.filter(|entry| entry.file_type().is_file()).map(walkdir::DirEntry::into_path);
    files.filter(|path| path.extension().is_none()).collect()
}

#[test]
fn a_second_set_writes_nothing_and_shares_the_files() {
    let workshop = Workshop::new();
    let (site, store) = (build_site(&workshop), open_store(&workshop));
    let first = prepare(&site, &store);
    assert!(first.bytes_written() > 0);
    let second = prepare(&site, &store);
    assert_eq!(second.bytes_written(), 0);
    let module = site.join("red/inner/mod.so");
    let inode_of_copy = |set: &CopySet, tree| inode(&set.find_copy(tree, &module).unwrap());
    assert_eq!(inode_of_copy(&first, 1), inode_of_copy(&second, 1));
    assert_ne!(inode_of_copy(&first, 0), inode_of_copy(&first, 1));
    drop(first);
    assert!(second.find_copy(0, &module).is_some());
    assert_eq!(objects(&workshop).len(), 12);
}

#[test]
fn an_equal_environment_elsewhere_shares_the_copies() {
    let workshop = Workshop::new();
    let (site, store) = (build_site(&workshop), open_store(&workshop));
    drop(prepare(&site, &store));
    let moved = workshop.path("moved");
    fs::rename(&site, &moved).unwrap();
    assert_eq!(prepare(&moved, &store).bytes_written(), 0);
}

#[test]
fn a_copy_that_was_changed_in_the_store_is_made_again() {
    let workshop = Workshop::new();
    let (site, store) = (build_site(&workshop), open_store(&workshop));
    drop(prepare(&site, &store));
    let objects = objects(&workshop);
    // One with other content, one with the same content and another time.
    let (changed, touched) = (&objects[0], &objects[1]);
    let before = fs::read(changed).unwrap();
    fs::set_permissions(changed, fs::Permissions::from_mode(0o700)).unwrap();
    fs::write(changed, vec![0; before.len()]).unwrap();
    let touched_inode = inode(touched);
    assert!(Command::new("touch").arg("-d").arg("2001-01-01").arg(touched).status().unwrap().success());
    let set = prepare(&site, &store);
    assert!(set.bytes_written() > 0);
    assert_eq!(fs::read(changed).unwrap(), before);
    assert_eq!(inode(touched), touched_inode);
}

#[test]
fn the_least_recently_used_copies_above_the_limit_are_removed_unless_in_use() {
    let workshop = Workshop::new();
    let site = build_site(&workshop);
    drop(prepare(&site, &open_store(&workshop)));
    let total: u64 = objects(&workshop).iter().map(|path| path.metadata().unwrap().size()).sum();
    let small = CopyStore::new(&workshop.path("store"), total / 2).unwrap();
    let used = prepare_copies(&[site.join("red"), site.join("red.libs")], 1, &small, None).unwrap();
    drop(prepare(&site, &small));
    let left: u64 = objects(&workshop).iter().map(|path| path.metadata().unwrap().size()).sum();
    assert!(left <= total / 2, "{left} of {total}");
    assert_eq!(workshop.load(&[used.find_copy(0, &site.join("red/inner/mod.so")).unwrap()]), "101");
    let none = CopyStore::new(&workshop.path("store"), 0).unwrap();
    drop(prepare(&site, &none));
    assert_eq!(objects(&workshop).len(), 3, "those of the set in use");
    drop(used);
    drop(prepare(&site, &none));
    assert_eq!(objects(&workshop), Vec::<PathBuf>::new());
}

#[test]
fn sets_of_programs_that_were_killed_are_removed() {
    let workshop = Workshop::new();
    let (site, store) = (build_site(&workshop), open_store(&workshop));
    let set = prepare(&site, &store);
    let (folder, lock) = (set.folder().to_owned(), set.folder().with_extension("lock"));
    // As if the program had been killed: nothing is removed, and its lock is released by the kernel.
    std::mem::forget(set);
    let abandoned = workshop.path("store/sets/set-abandoned");
    fs::create_dir_all(abandoned.join("0")).unwrap();
    fs::write(abandoned.with_extension("lock"), "").unwrap();
    drop(prepare(&site, &store));
    assert!(!abandoned.exists() && !abandoned.with_extension("lock").exists());
    // The forgotten one is still locked by this process.
    assert!(folder.exists() && lock.exists());
}

#[test]
fn several_programs_use_a_store_at_the_same_time() {
    let workshop = Workshop::new();
    let site = build_site(&workshop);
    std::thread::scope(|scope| {
        for limit in [0, 0, 1 << 30, 0, 1 << 30, 0] {
            let (workshop, site) = (&workshop, &site);
            scope.spawn(move || {
                for _ in 0..5 {
                    let store = CopyStore::new(&workshop.path("store"), limit).unwrap();
                    let set = prepare(site, &store);
                    for tree in 0..2 {
                        let copy = set.find_copy(tree, &site.join("blue/inner/mod.so")).unwrap();
                        assert!(fs::read(copy).unwrap().starts_with(b"\x7fELF"));
                    }
                }
            });
        }
    });
    assert_eq!(fs::read_dir(workshop.path("store/sets")).unwrap().count(), 0);
}

#[test]
fn a_store_that_others_can_access_is_refused() {
    let workshop = Workshop::new();
    fs::create_dir(workshop.path("store")).unwrap();
    fs::set_permissions(workshop.path("store"), fs::Permissions::from_mode(0o755)).unwrap();
    assert!(matches!(CopyStore::new(&workshop.path("store"), 1), Err(CopyError::NotPrivate(_))));
}

/// A store inside of a root, e.g. in the source folder of an editable install.
#[test]
fn copies_are_not_copied() {
    let workshop = Workshop::new();
    let (site, store) = (build_site(&workshop), open_store(&workshop));
    let set = prepare(&workshop.path("."), &store);
    let again = prepare(&workshop.path("."), &store);
    assert_eq!((set.summary().objects, again.summary().objects), (6, 6));
    assert!(site.exists());
}
