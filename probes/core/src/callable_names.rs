//! The functions that a trial calls, by the names `module:function`.

/// Removes all functions of a module of which this one has crashed, as one that does not check its arguments: others
/// of its functions may have destroyed memory without an immediate crash. Returns the number of functions before this
/// one that remain.
pub fn remove_module(names: &mut Vec<String>, crashed: usize) -> usize {
    let module_of = |name: &str| name.rsplit_once(':').map(|(module, _)| module.to_owned());
    let Some(module) = names.get(crashed).map(|name| module_of(name)) else { return names.len() };
    let before = names[..crashed].iter().filter(|name| module_of(name) != module).count();
    names.retain(|name| module_of(name) != module);
    before
}

#[cfg(test)]
mod tests {
    use super::remove_module;

    #[test]
    fn all_functions_of_a_module_are_removed_with_the_one_that_crashed() {
        let mut names = ["a:f", "b:f", "a:g", "b:g", "c:f"].map(str::to_owned).to_vec();
        assert_eq!(remove_module(&mut names, 3), 2);
        assert_eq!(names, ["a:f", "a:g", "c:f"]);
        assert_eq!(remove_module(&mut names, 9), 3);
    }
}
