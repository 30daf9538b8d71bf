//! Rewritten libraries, as the dynamic linker, `readelf` and gdb see them.

use std::path::{Path, PathBuf};

use wsgiaudit::copies::elf::{ElfError, ElfNames, Rewrite, StringRole, rewrite_names};

use super::workshop::{Workshop, readelf};

/// Renames libraries, and writes the result to `out`.
fn rename(file: &Path, out: &Path, names: &[(&str, &str)]) -> Rewrite {
    let mut bytes = std::fs::read(file).unwrap();
    let renamed = |_: StringRole, old: &[u8]| {
        let (_, new) = names.iter().find(|(name, _)| name.as_bytes() == old)?;
        Some(new.as_bytes().to_vec())
    };
    let rewrite = rewrite_names(&bytes, &renamed).unwrap();
    rewrite.apply_to_bytes(&mut bytes);
    std::fs::create_dir_all(out.parent().unwrap()).unwrap();
    std::fs::write(out, bytes).unwrap();
    rewrite
}

fn names(file: &Path) -> ElfNames {
    ElfNames::read(&std::fs::read(file).unwrap()).unwrap()
}

/// A library with versions and a counter, and one that needs it.
fn compile_pair(workshop: &Workshop) -> (PathBuf, PathBuf) {
    std::fs::write(workshop.path("shop.map"), "SHOP_1 { global: count; local: *; };").unwrap();
    let shop = workshop.compile(
        "libshop-0123abcd.so.1",
        "static int n; int count(void) { return ++n; }",
        &["-Wl,-soname,libshop-0123abcd.so.1", "-Wl,--version-script=@shop.map"],
    );
    let user = workshop.compile(
        "user.so",
        "int count(void); int answer(void) { return count(); } void *PyInit_user(void) { return 0; }",
        &["@libshop-0123abcd.so.1", "-Wl,-rpath,$ORIGIN:$ORIGIN/../x", "-Wl,--enable-new-dtags"],
    );
    (shop, user)
}

#[test]
fn names_of_a_library_and_its_user() {
    let workshop = Workshop::new();
    let (shop, user) = compile_pair(&workshop);
    assert_eq!(names(&shop).soname.as_deref(), Some("libshop-0123abcd.so.1"));
    let user = names(&user);
    assert_eq!(user.soname, None);
    assert_eq!(user.run_path, ["$ORIGIN", "$ORIGIN/../x"]);
    assert!(user.needed.contains(&"libshop-0123abcd.so.1".to_owned()));
    assert!(user.needed_versions.contains(&"libshop-0123abcd.so.1".to_owned()));
    assert!(user.is_module && !names(&shop).is_module);
}

#[test]
fn static_tls_and_its_size() {
    let workshop = Workshop::new();
    // 20 bytes, which the compiler aligns to 16.
    let source = "__thread int t[5]; int answer(void) { return t[1]++; }";
    let tls = names(&workshop.compile("tls.so", source, &["-ftls-model=initial-exec"]));
    assert_eq!((tls.has_static_tls, tls.tls_size), (true, 32));
    assert!(!names(&workshop.compile("tls.so", source, &[])).has_static_tls);
}

#[test]
fn copies_with_versions_load_beside_the_original_in_place_or_moved() {
    for (new, moves) in [("libshop-99999999.so.1", false), ("libshop-of-a-longer-name.so.1", true)] {
        let workshop = Workshop::new();
        let (shop, user) = compile_pair(&workshop);
        let renamed = [("libshop-0123abcd.so.1", new)];
        let copy = workshop.path("copy/user.so");
        assert_eq!(rename(&shop, &workshop.path(&format!("copy/{new}")), &renamed).moves_strings, moves);
        assert_eq!(rename(&user, &copy, &renamed).moves_strings, moves);

        let shown = readelf(&["-W", "-d", "-V", "--dyn-syms", "-l", "-S"], &copy);
        assert!(shown.contains(&format!("[{new}]")) && shown.contains(&format!("File: {new}")), "{shown}");
        assert!(!shown.contains("0123abcd"), "{shown}");
        let library = readelf(&["-W", "-V", "-d"], &workshop.path(&format!("copy/{new}")));
        assert!(library.contains(&format!("Flags: BASE  Index: 1  Cnt: 1  Name: {new}")), "{library}");
        // Each counts for itself.
        assert_eq!(workshop.load(&[user.clone(), user, copy.clone(), copy]), "1 2 1 2");
    }
}

#[test]
fn a_copy_that_keeps_its_name_is_not_loaded() {
    let workshop = Workshop::new();
    let (shop, user) = compile_pair(&workshop);
    for file in [&shop, &user] {
        rename(file, &workshop.path("copy").join(file.file_name().unwrap()), &[]);
    }
    assert_eq!(workshop.load(&[user, workshop.path("copy/user.so")]), "1 2");
}

#[test]
fn a_string_that_shares_the_bytes_of_a_name_stays() {
    let workshop = Workshop::new();
    for label in ["abcd.so.1", "shop_0123abcd.so.1", "the_shop_0123abcd.so.1"] {
        let source = format!(
            "int inner(void) __asm__(\"{label}\"); int inner(void) {{ return 7; }} int answer(void) {{ return inner(); }}"
        );
        let shop = workshop.compile("a.so", &source, &["-Wl,-soname,shop_0123abcd.so.1"]);
        let copy = workshop.path("copy/b.so");
        assert!(rename(&shop, &copy, &[("shop_0123abcd.so.1", "shop_99999999.so.1")]).moves_strings);
        let shown = readelf(&["-W", "-d", "--dyn-syms"], &copy);
        assert!(shown.contains("[shop_99999999.so.1]"), "{shown}");
        assert!(shown.lines().any(|line| line.ends_with(&format!(" {label}"))), "{shown}");
        assert_eq!(workshop.load(&[copy]), "7");
    }
}

#[test]
fn nothing_but_the_name_changes_in_place() {
    let workshop = Workshop::new();
    let (shop, _) = compile_pair(&workshop);
    let copy = workshop.path("copy/shop.so");
    rename(&shop, &copy, &[("libshop-0123abcd.so.1", "libshop-99999999.so.1")]);
    let (old, new) = (std::fs::read(&shop).unwrap(), std::fs::read(copy).unwrap());
    assert_eq!(old.len(), new.len());
    // Eight digits, and the hash in the version definition.
    let changed = old.iter().zip(&new).filter(|(a, b)| a != b).count();
    assert!((8..=12).contains(&changed), "{changed}");
}

#[test]
fn unique_symbols_become_ones_of_each_copy() {
    let source = "struct Shop { static int &n() { static int count; return count; } };
        template <class T> struct Held { static int n; }; template <class T> int Held<T>::n;
        extern \"C\" int answer() { return ++Held<int>::n * 10 + ++Shop::n(); }";
    let workshop = Workshop::new();
    let Some(shop) = workshop.try_compile("c++", "a.so", "cc", source, &[]) else {
        return;
    };
    if names(&shop).unique_symbols == 0 {
        return;
    }
    let as_it_is = workshop.path("b.so");
    std::fs::copy(&shop, &as_it_is).unwrap();
    assert_eq!(workshop.load(&[shop.clone(), as_it_is]), "11 22", "shared, though RTLD_LOCAL");
    let copies = [workshop.path("1/a.so"), workshop.path("2/a.so")];
    for copy in &copies {
        rename(&shop, copy, &[]);
        assert!(!readelf(&["-W", "--dyn-syms"], copy).contains("UNIQUE"));
    }
    assert_eq!(workshop.load(&copies), "11 11");
}

#[test]
fn section_headers_are_not_needed() {
    let workshop = Workshop::new();
    let (shop, user) = compile_pair(&workshop);
    for file in [&shop, &user] {
        let mut bytes = std::fs::read(file).unwrap();
        bytes[0x28..0x30].fill(0);
        bytes[0x3c..0x40].fill(0);
        std::fs::write(file, bytes).unwrap();
    }
    let renamed = [("libshop-0123abcd.so.1", "libshop-of-a-longer-name.so.1")];
    rename(&shop, &workshop.path("copy/libshop-of-a-longer-name.so.1"), &renamed);
    let copy = workshop.path("copy/user.so");
    rename(&user, &copy, &renamed);
    assert_eq!(workshop.load(&[user, copy]), "1 1");
}

#[test]
fn libraries_of_32_bits() {
    let workshop = Workshop::new();
    let source = "int answer(void) { return 1; }";
    let options = ["-m32", "-nostdlib", "-Wl,-soname,libold.so.1"];
    let Some(library) = workshop.try_compile("cc", "a.so", "c", source, &options) else {
        return;
    };
    let copy = workshop.path("b.so");
    assert!(rename(&library, &copy, &[("libold.so.1", "libold-new.so.1")]).moves_strings);
    let shown = readelf(&["-W", "-d", "-l", "-S", "--dyn-syms"], &copy);
    assert!(shown.contains("[libold-new.so.1]") && shown.contains(" answer"), "{shown}");
}

#[test]
fn other_files_are_refused() {
    assert_eq!(ElfNames::read(b"#!/bin/sh\n"), Err(ElfError::NotElf));
    assert_eq!(ElfNames::read(b"\x7fELF"), Err(ElfError::NotElf));
    assert_eq!(ElfNames::read(&[]), Err(ElfError::NotElf));
}

/// Broken files give errors, whatever is broken: neither a panic nor an endless loop.
#[test]
fn broken_files_give_errors() {
    let workshop = Workshop::new();
    let (shop, user) = compile_pair(&workshop);
    let mut state = 1_u64;
    let mut random = |below: usize| {
        state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        usize::try_from(state >> 33).unwrap() % below
    };
    for file in [shop, user] {
        let good = std::fs::read(file).unwrap();
        let dynamic = good.len() / 8;
        for round in 0..6_000 {
            let mut bytes = good.clone();
            for _ in 0..=random(3) {
                let at = random(if round % 2 == 0 { dynamic } else { good.len() });
                bytes[at] = [0, 0xff, 0x80, 1, random(256).try_into().unwrap()][random(5)];
            }
            if round % 7 == 0 {
                bytes.truncate(random(good.len()));
            }
            let long = |_: StringRole, old: &[u8]| Some([old, b"longer"].concat());
            let same = |_: StringRole, old: &[u8]| Some(vec![b'x'; old.len()]);
            drop(ElfNames::read(&bytes));
            if let Ok(rewrite) = rewrite_names(&bytes, &long) {
                rewrite.apply_to_bytes(&mut bytes.clone());
            }
            drop(rewrite_names(&bytes, &same));
        }
    }
}

/// The same library with the other byte order: its tables, which are all that is read here.
fn swap_byte_order(file: &Path, out: &Path) {
    let bytes = std::fs::read(file).unwrap();
    let mut builder = object::build::elf::Builder::read(&*bytes).unwrap();
    builder.endian = object::Endianness::Big;
    let mut swapped = Vec::new();
    builder.write(&mut swapped).unwrap();
    std::fs::write(out, swapped).unwrap();
}

#[test]
fn libraries_of_the_other_byte_order() {
    let workshop = Workshop::new();
    let (shop, user) = compile_pair(&workshop);
    let source = "extern int puts(const char *); int answer(void) { return puts(\"\"); }";
    let options = ["-m32", "-nostdlib", "-Wl,-soname,libshop-0123abcd.so.1"];
    let small = workshop.try_compile("cc", "small.so", "c", source, &options);
    for file in [Some(shop), Some(user), small].into_iter().flatten() {
        let (swapped, copy) = (workshop.path("swapped.so"), workshop.path("copy.so"));
        swap_byte_order(&file, &swapped);
        assert_eq!(names(&swapped), names(&file));
        let in_other_order = |new: &str, moves: bool| {
            let renamed = [("libshop-0123abcd.so.1", new)];
            assert_eq!(rename(&swapped, &copy, &renamed).moves_strings, moves);
            let shown = readelf(&["-W", "-h", "-d", "-V", "-l", "-S", "--dyn-syms"], &copy);
            assert!(shown.contains("big endian") && shown.contains(&format!("[{new}]")), "{shown}");
            let found = names(&copy);
            assert!(found.soname.iter().chain(&found.needed).any(|name| name == new));
        };
        in_other_order("libshop-99999999.so.1", false);
        in_other_order("libshop-of-a-longer-name.so.1", true);
    }
}

/// Compiles for AArch64 and runs there, where Debian's cross compiler and qemu-user are installed.
#[test]
fn libraries_of_aarch64() {
    let workshop = Workshop::new();
    let compiler = "aarch64-linux-gnu-gcc";
    std::fs::write(workshop.path("shop.map"), "SHOP_1 { global: count; local: *; };").unwrap();
    let source = "static int n; int count(void) { return ++n; }";
    let options = ["-Wl,-soname,libshop-0123abcd.so.1", "-Wl,--version-script=@shop.map"];
    let Some(shop) = workshop.try_compile(compiler, "libshop-0123abcd.so.1", "c", source, &options) else {
        return;
    };
    let source = "int count(void); int answer(void) { return count(); }";
    let options = ["@libshop-0123abcd.so.1", "-Wl,-rpath,$ORIGIN", "-Wl,--enable-new-dtags"];
    let user = workshop.try_compile(compiler, "user.so", "c", source, &options).unwrap();
    let mut all = vec![user.clone()];
    for (number, new) in ["libshop-99999999.so.1", "libshop-of-a-longer-name.so.1"].into_iter().enumerate() {
        let renamed = [("libshop-0123abcd.so.1", new)];
        let folder = format!("copy{number}");
        rename(&shop, &workshop.path(&format!("{folder}/{new}")), &renamed);
        let copy = workshop.path(&format!("{folder}/user.so"));
        rename(&user, &copy, &renamed);
        let shown = readelf(&["-W", "-h", "-d", "-V", "-l", "-S", "--dyn-syms"], &copy);
        assert!(shown.contains("AArch64") && shown.contains(&format!("[{new}]")), "{shown}");
        all.push(copy);
    }
    all.extend(all.clone());
    if let Some(said) = workshop.load_with(compiler, &["qemu-aarch64", "-L", "/usr/aarch64-linux-gnu"], &all)
    {
        assert_eq!(said, "1 1 1 2 2 2");
    }
}

#[test]
fn gdb_stops_in_a_copy_and_names_it() {
    let workshop = Workshop::new();
    let (shop, user) = compile_pair(&workshop);
    let new = "libshop-of-a-longer-name.so.1";
    let renamed = [("libshop-0123abcd.so.1", new)];
    rename(&shop, &workshop.path(&format!("copy/{new}")), &renamed);
    let copy = workshop.path("copy/user.so");
    rename(&user, &copy, &renamed);
    workshop.load(std::slice::from_ref(&copy));
    let mut gdb = std::process::Command::new("gdb");
    gdb.args(["-nx", "-batch", "-ex", "set breakpoint pending on", "-ex", "break count", "-ex", "run"]);
    gdb.args(["-ex", "backtrace", "--args"]).arg(workshop.path("loader")).arg(&copy);
    let Ok(done) = gdb.output() else { return };
    let said = String::from_utf8_lossy(&done.stdout);
    assert!(said.contains("#1 ") && said.contains("in answer () from "), "{done:?}");
    assert!(said.contains(&format!("copy/{new}")), "{done:?}");
}
