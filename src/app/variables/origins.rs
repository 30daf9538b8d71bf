//! What a value derives from: parameters, module-level variables, a request, or the time.

use std::collections::BTreeSet;

/// What a value derives from.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Origins {
    /// Parameters of the enclosing functions, except `self` and `cls`.
    pub(super) given: BTreeSet<String>,
    /// Names in it that stand for a user or a request, as written: `user_id`, `flask.request`.
    pub(super) request: BTreeSet<String>,
    /// Whether it differs at each computation: the time, a random number.
    pub(super) is_momentary: bool,
    /// Module-level variables that it is computed from.
    pub(super) variables: BTreeSet<String>,
    /// Module-level variables that it was read from unchanged.
    pub(super) fetched: BTreeSet<String>,
    /// Module-level variables that arithmetic is applied to: `HITS + 1`.
    pub(super) counted: BTreeSet<String>,
    /// Whether it identifies an object of the interpreter: a type, a thread, an `id()`.
    pub(super) is_object: bool,
    /// Whether it is a new, empty object: `{}`, `Cart()`.
    pub(super) is_fresh: bool,
}

impl Origins {
    /// Returns the origins of a parameter's value. Not for `self` and `cls`.
    pub(super) fn from_parameter(name: &str) -> Self {
        let request = if is_request_name(name) { BTreeSet::from([name.to_owned()]) } else { BTreeSet::new() };
        Self { given: BTreeSet::from([name.to_owned()]), request, ..Self::default() }
    }

    pub(super) fn from_variable(name: String) -> Self {
        Self { fetched: BTreeSet::from([name]), ..Self::default() }
    }

    pub(super) fn merge(&mut self, other: Self) {
        self.given.extend(other.given);
        self.request.extend(other.request);
        self.is_momentary |= other.is_momentary;
        self.variables.extend(other.variables);
        self.fetched.extend(other.fetched);
        self.counted.extend(other.counted);
        self.is_object |= other.is_object;
        self.is_fresh |= other.is_fresh;
    }

    /// Returns the origins of the result of arithmetic on the value.
    pub(super) fn into_counted(self) -> Self {
        let mut computed = self.into_computed();
        computed.counted.extend(computed.variables.iter().cloned());
        computed
    }

    /// Returns the origins of something computed from the value.
    pub(super) fn into_computed(mut self) -> Self {
        self.variables.append(&mut self.fetched);
        self.is_fresh = false;
        self
    }
}

/// Whether a name stands for a user or a request: `user_id`, `request`.
fn is_request_name(name: &str) -> bool {
    let parts = [
        "request", "req", "session", "user", "username", "uid", "userid", "visitor", "tenant", "customer",
        "account", "cookie", "cookies", "remote", "environ", "email", "login", "sid", "cart", "basket",
    ];
    let name = name.to_lowercase();
    let addresses = ["ip", "client_ip", "user_ip", "ip_addr", "ip_address"];
    addresses.contains(&name.as_str()) || name.split('_').any(|part| parts.contains(&part))
}
