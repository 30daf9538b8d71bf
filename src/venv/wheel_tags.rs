//! Compatibility tags in the file name of a wheel (binary distribution format; PEP 425, 600, 656). Pure.

use crate::model::Interpreter;

/// Returns why a wheel of this file name does not fit a Python.
///
/// Returns `None` if it fits, or if its name has no tags.
pub fn why_wheel_does_not_fit(file_name: &str, interpreter: &Interpreter) -> Option<String> {
    let parts: Vec<&str> = file_name.strip_suffix(".whl")?.rsplitn(4, '-').collect();
    let &[platforms, abis, pythons, _] = parts.as_slice() else { return None };
    let fits = |python: &str, abi: &str| is_for_python(python, abi, interpreter);
    let is_for_python = pythons.split('.').any(|python| abis.split('.').any(|abi| fits(python, abi)));
    let is_for_platform = platforms.split('.').any(|platform| is_for_platform(platform, interpreter));
    match (is_for_python, is_for_platform) {
        (false, _) => Some(format!("is for another Python ({pythons}-{abis})")),
        (true, false) => Some(format!("is for another platform ({platforms})")),
        (true, true) => None,
    }
}

/// Whether a Python accepts these Python and ABI tags.
fn is_for_python(python: &str, abi: &str, interpreter: &Interpreter) -> bool {
    let (major, minor) = interpreter.target().version;
    let own = format!("cp{major}{minor}");
    let threaded = if interpreter.free_threaded { "t" } else { "" };
    let is_older_or_equal = |tag: &str, prefix: &str| {
        let version = tag.strip_prefix(prefix).and_then(|version| version.strip_prefix(&major.to_string()));
        let of_minor = version.filter(|minor| !minor.is_empty()).map(str::parse::<u8>);
        of_minor.is_some_and(|it| it.is_ok_and(|it| it <= minor))
    };
    match abi {
        "none" => python == own || python == format!("py{major}") || is_older_or_equal(python, "py"),
        "abi3" => !interpreter.free_threaded && is_older_or_equal(python, "cp"),
        "abi3t" => minor >= 15 && is_older_or_equal(python, "cp"),
        _ => python == own && abi == format!("{own}{threaded}"),
    }
}

/// Whether a Python accepts this platform tag.
fn is_for_platform(tag: &str, interpreter: &Interpreter) -> bool {
    let (system, machine) =
        interpreter.platform.split_once('-').unwrap_or((interpreter.platform.as_str(), ""));
    // `macosx-11.0-arm64`.
    let machine = machine.rsplit_once('-').map_or(machine, |(_, machine)| machine);
    let is_for_machine = tag.ends_with(&format!("_{machine}"));
    let is_musl = interpreter.abi.contains("musl");
    match system {
        _ if tag == "any" => true,
        "linux" if tag.starts_with("musllinux_") => is_for_machine && is_musl,
        "linux" if tag.starts_with("manylinux") => is_for_machine && !is_musl,
        "linux" => tag.starts_with("linux_") && is_for_machine,
        "macosx" => tag.starts_with("macosx_") && (is_for_machine || tag.ends_with("_universal2")),
        _ => tag == interpreter.platform.replace(['-', '.'], "_"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn python(minor: u8, free_threaded: bool) -> Interpreter {
        Interpreter { version: (3, minor, 1), free_threaded, ..Interpreter::example() }
    }

    #[test]
    fn wheels_for_this_python_are_not_foreign() {
        for tags in [
            "cp314-cp314-manylinux_2_28_x86_64",
            "cp314-cp314-manylinux2014_x86_64.manylinux_2_17_x86_64",
            "1-cp311-abi3-manylinux_2_28_x86_64",
            "py3-none-any",
            "py2.py3-none-linux_x86_64",
            "py310-none-any",
        ] {
            assert_eq!(
                why_wheel_does_not_fit(&format!("a-1.0-{tags}.whl"), &python(14, false)),
                None,
                "{tags}"
            );
        }
        let free = python(14, true);
        assert_eq!(why_wheel_does_not_fit("a-1.0-cp314-cp314t-linux_x86_64.whl", &free), None);
        assert_eq!(why_wheel_does_not_fit("thing.whl", &free), None, "its name does not tell");
    }

    #[test]
    fn wheels_for_others_are() {
        for tags in [
            "cp313-cp313-manylinux_2_28_x86_64",
            "cp314-cp314t-manylinux_2_28_x86_64",
            "cp315-abi3-manylinux_2_28_x86_64",
            "pp311-pypy311_pp73-manylinux_2_28_x86_64",
            "cp314-cp314-musllinux_1_2_x86_64",
            "cp314-cp314-manylinux_2_28_aarch64",
            "cp314-cp314-win_amd64",
            "cp314-cp314-macosx_11_0_universal2",
        ] {
            assert!(
                why_wheel_does_not_fit(&format!("a-1.0-{tags}.whl"), &python(14, false)).is_some(),
                "{tags}"
            );
        }
        let free = python(14, true);
        assert!(why_wheel_does_not_fit("a-1.0-cp311-abi3-linux_x86_64.whl", &free).is_some());
    }
}
