//! What runs inside an audited interpreter.
