//! mod_macro of httpd 2.4: named groups of lines with parameters.

use super::configuration_source::ConfigurationError;
use super::lexer::{MAX_LINE, split_words};
use crate::model::ConfigLocation;

/// Limit of bytes of the lines that a macro expands to.
const MAX_EXPANSION: usize = 16 << 20;

/// `<Macro NAME PARAMETER...>`.
#[derive(Clone, Debug)]
pub(super) struct Macro {
    /// In lower case: names are case-insensitive.
    pub(super) name: String,
    parameters: Vec<String>,
    lines: Vec<(ConfigLocation, String)>,
}

impl Macro {
    /// Defines a macro: the arguments of its tag (name and parameters) and the lines between its tags.
    ///
    /// # Errors
    /// The macro has no name.
    pub(super) fn new(
        arguments: &str,
        place: &ConfigLocation,
        lines: Vec<(ConfigLocation, String)>,
    ) -> Result<Self, ConfigurationError> {
        let mut named = split_words(arguments).into_iter();
        let Some(name) = named.next() else {
            return Err(ConfigurationError::new(place, "<Macro> without a name"));
        };
        Ok(Self { name: name.to_ascii_lowercase(), parameters: named.collect(), lines })
    }

    /// Returns its lines with the parameters replaced by arguments.
    ///
    /// # Errors
    /// The number of arguments differs from the number of parameters, or a line gets too long.
    pub(super) fn expand_lines(&self, arguments: &[String]) -> Result<Vec<(ConfigLocation, String)>, String> {
        if arguments.len() != self.parameters.len() {
            let (name, wanted, given) = (&self.name, self.parameters.len(), arguments.len());
            return Err(format!("the macro {name} takes {wanted} arguments, and {given} are given"));
        }
        let mut left = MAX_EXPANSION;
        let lines = self.lines.iter().map(|(place, line)| {
            let text = self.replace_parameters(line, arguments).ok_or("one of its lines is too long")?;
            left = left.checked_sub(text.len()).ok_or("its lines are too long")?;
            Ok((place.clone(), text))
        });
        lines
            .collect::<Result<_, &str>>()
            .map_err(|why| format!("the macro {} is not used: {why}", self.name))
    }

    /// Replaces parameters from left to right; of several that start at the same position, the longest. Returns
    /// nothing if the line gets too long.
    fn replace_parameters(&self, line: &str, arguments: &[String]) -> Option<String> {
        let (mut text, mut rest) = (String::new(), line);
        loop {
            let pairs = self.parameters.iter().zip(arguments);
            let found =
                pairs.filter_map(|(parameter, value)| Some((rest.find(parameter)?, parameter, value)));
            let first = found.min_by_key(|(at, parameter, _)| (*at, usize::MAX - parameter.len()));
            let Some((at, parameter, value)) = first else { break };
            let (before, after) = rest.split_at(at);
            text.push_str(before);
            text.push_str(value);
            if text.len() > MAX_LINE || parameter.is_empty() {
                return None;
            }
            rest = after.get(parameter.len()..).unwrap_or_default();
        }
        text.push_str(rest);
        Some(text)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_longest_parameter_that_begins_first_is_replaced() {
        let place = ConfigLocation { file: "x".into(), line: 1 };
        let made = Macro {
            name: "m".to_owned(),
            parameters: vec!["$n".to_owned(), "$name".to_owned()],
            lines: vec![(place, "A $name/$n $x".to_owned())],
        };
        let lines = made.expand_lines(&["1".to_owned(), "$n".to_owned()]).unwrap();
        assert_eq!(lines[0].1, "A $n/1 $x");
        assert_eq!(made.expand_lines(&[]).unwrap_err(), "the macro m takes 2 arguments, and 0 are given");
    }
}
