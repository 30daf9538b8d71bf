//! What becomes of an address that code has computed: followed from register to register, along every branch and into
//! functions that get it as an argument, until nothing holds it any more.

use std::cell::RefCell;
use std::collections::HashSet;

use super::super::numbers::{NumberMap, NumberSet};
use super::instruction::{Access, Convention, Flow, Instruction, Sum, Target};
use super::scan::Usage;

/// Instructions that are looked at for one address before the answer is that anything may come of it.
pub(super) const PATIENCE: usize = 2000;
/// Instructions of a function that are looked at for an end.
const LONGEST: usize = 200;
/// Calls that are followed into each other.
const DEEPEST: usize = 3;

/// Follows an address through code that `decode` reads.
pub(super) struct Follow<'a> {
    pub(super) decode: &'a dyn Fn(u64) -> Option<Instruction>,
    pub(super) convention: Convention,
    /// Whether somebody else looks at what is at a constant distance from the address, in this function.
    pub(super) beside: bool,
    /// Instructions that may be looked at.
    pub(super) patience: usize,
    /// Whether functions return, as far as that was looked at.
    pub(super) returning: &'a RefCell<NumberMap<bool>>,
}

/// What becomes of an address.
pub(super) struct Fate {
    /// What is done with it: it is compared and read through at most ([`Usage::Load`]), or an argument of imported
    /// functions too, or anything.
    pub(super) usage: Usage,
    /// What is written at a constant distance from it, as far as it was followed.
    pub(super) stores: Vec<Store>,
    /// Instructions that were looked at.
    pub(super) looked_at: usize,
}

/// An instruction that writes so many bytes at a distance from an address.
pub(super) struct Store {
    pub(super) at: u64,
    pub(super) offset: i64,
    pub(super) size: u8,
}

impl Follow<'_> {
    /// What becomes of the address that this register holds from here on.
    pub(super) fn fate(self, at: u64, register: u8) -> Fate {
        let patience = self.patience;
        let mut walk = Walk { follow: self, stores: Vec::new(), escapes: false, is_passed: false };
        walk.from(at, 1 << register, 0);
        let usage = match (walk.escapes, walk.is_passed) {
            (true, _) => Usage::Take,
            (false, true) => Usage::Pass,
            (false, false) => Usage::Load,
        };
        Fate { usage, stores: walk.stores, looked_at: patience - walk.follow.patience }
    }
}

struct Walk<'a> {
    follow: Follow<'a>,
    stores: Vec<Store>,
    /// It goes where it is not followed.
    escapes: bool,
    is_passed: bool,
}

impl Walk<'_> {
    fn from(&mut self, at: u64, holding: u32, depth: usize) {
        let mut seen = HashSet::new();
        let mut waiting = vec![(at, holding)];
        while let Some((mut at, mut holding)) = waiting.pop() {
            while holding != 0 && seen.insert((at, holding)) {
                let patience = self.follow.patience.checked_sub(1);
                let Some((left, instruction)) = patience.zip((self.follow.decode)(at)) else {
                    self.escapes = true;
                    return;
                };
                self.follow.patience = left;
                holding = self.after(at, &instruction, holding, depth);
                at = at.wrapping_add(instruction.length);
                match instruction.flow {
                    Flow::Next => {}
                    Flow::Branch(target) => waiting.push((target, holding)),
                    Flow::Jump(Target::Code(target)) => at = target,
                    Flow::Jump(target) | Flow::Call(target @ Target::Never) => {
                        self.call(target, holding, depth);
                        break;
                    }
                    Flow::Call(target) => {
                        self.call(target, holding, depth);
                        holding &= !match target {
                            Target::Code(_) => self.follow.convention.volatile_within,
                            Target::Import | Target::Never | Target::Untold => {
                                self.follow.convention.volatile
                            }
                        };
                        let is_end =
                            matches!(target, Target::Code(to) if holding != 0 && !self.returns(to, 0));
                        if is_end {
                            break;
                        }
                    }
                    Flow::Return | Flow::Stop => {
                        let result =
                            if instruction.flow == Flow::Return { self.follow.convention.result } else { 0 };
                        self.escapes |= holding & result != 0;
                        break;
                    }
                }
            }
        }
    }

    fn call(&mut self, target: Target, holding: u32, depth: usize) {
        let arguments = holding & self.follow.convention.arguments;
        match target {
            _ if arguments == 0 => {}
            Target::Import | Target::Never => self.is_passed = true,
            Target::Code(target) if depth < DEEPEST => self.from(target, arguments, depth + 1),
            Target::Code(_) | Target::Untold => self.escapes = true,
        }
    }

    /// Whether a function of the file may return: what lies behind a call of one that does not is another path's code.
    fn returns(&mut self, function: u64, depth: usize) -> bool {
        if let Some(known) = self.follow.returning.borrow().get(&function) {
            return *known;
        }
        // So it is where it calls itself, and where it is too long.
        self.follow.returning.borrow_mut().insert(function, true);
        let (mut seen, mut waiting) = (NumberSet::default(), vec![function]);
        while let Some(mut at) = waiting.pop() {
            while seen.insert(at) {
                self.follow.patience = self.follow.patience.saturating_sub(1);
                if seen.len() > LONGEST || self.follow.patience == 0 {
                    return true;
                }
                let Some(instruction) = (self.follow.decode)(at) else { return true };
                at = at.wrapping_add(instruction.length);
                match instruction.flow {
                    Flow::Branch(target) => waiting.push(target),
                    Flow::Jump(Target::Code(target)) => at = target,
                    Flow::Call(Target::Code(callee))
                        if depth < DEEPEST && !self.returns(callee, depth + 1) =>
                    {
                        break;
                    }
                    Flow::Return | Flow::Jump(Target::Import | Target::Untold) => return true,
                    Flow::Stop | Flow::Jump(Target::Never) | Flow::Call(Target::Never) => break,
                    Flow::Next | Flow::Call(_) => {}
                }
            }
        }
        self.follow.returning.borrow_mut().insert(function, false);
        false
    }

    /// The registers that hold the address after an instruction.
    fn after(&mut self, at: u64, instruction: &Instruction, holding: u32, depth: usize) -> u32 {
        let holds = |register: u8| holding & 1 << register != 0;
        let store = instruction.access.filter(|access| access.is_store && holds(access.base));
        if let Some(Access { offsets, size, .. }) = store {
            self.stores.extend(offsets.map(|offset| Store { at, offset, size }));
        }
        let is_derived = store.is_some() || instruction.sum.is_some_and(|sum| sum.by != 0 && holds(sum.from));
        let looks_beside = self.follow.beside && depth == 0;
        self.escapes |= holding & instruction.gives != 0 || is_derived && !looks_beside;
        let mut left = holding & !instruction.writes;
        if let Some((to, _)) = instruction.address {
            left &= !(1 << to);
        }
        if let Some(Sum { to, from, by }) = instruction.sum {
            left &= !(1 << to);
            if by == 0 && holds(from) {
                left |= 1 << to;
            }
        }
        left
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const CONVENTION: Convention =
        Convention { arguments: 0b0110, volatile: 0b0111, volatile_within: 0b0001, result: 0b0001 };
    const NOTHING: Instruction = Instruction {
        length: 1,
        sum: None,
        address: None,
        gives: 0,
        writes: 0,
        access: None,
        flow: Flow::Next,
    };
    const RETURN: Instruction = Instruction { flow: Flow::Return, ..NOTHING };

    fn call(target: Target) -> Instruction {
        Instruction { flow: Flow::Call(target), ..NOTHING }
    }

    fn store(base: u8, offset: i64) -> Instruction {
        Instruction {
            access: Some(Access { base, offsets: [offset; 2], size: 8, is_store: true }),
            ..NOTHING
        }
    }

    /// What becomes of register 1 in this code.
    fn fate(code: &[Instruction]) -> Fate {
        let decode = |at: u64| code.get(at as usize).copied();
        let (decode, returning) = (&decode, &RefCell::default());
        Follow { decode, convention: CONVENTION, beside: false, patience: PATIENCE, returning }.fate(0, 1)
    }

    #[test]
    fn an_address_is_compared_or_passed_or_given_away() {
        assert_eq!(fate(&[NOTHING, RETURN]).usage, Usage::Load);
        assert_eq!(fate(&[call(Target::Import), RETURN]).usage, Usage::Pass);
        assert_eq!(fate(&[Instruction { gives: 0b10, ..NOTHING }, RETURN]).usage, Usage::Take);
        assert_eq!(fate(&[call(Target::Untold), RETURN]).usage, Usage::Take);
        let moved = Sum { to: 0, from: 1, by: 0 };
        assert_eq!(fate(&[Instruction { sum: Some(moved), ..NOTHING }, RETURN]).usage, Usage::Take);
        let overwritten = Instruction { writes: 0b10, ..NOTHING };
        assert_eq!(fate(&[overwritten, call(Target::Untold), RETURN]).usage, Usage::Load);
    }

    #[test]
    fn what_a_callee_writes_at_a_distance_is_told() {
        let fate = fate(&[call(Target::Code(2)), RETURN, store(1, 32), RETURN]);
        let stores: Vec<(u64, i64)> = fate.stores.iter().map(|store| (store.at, store.offset)).collect();
        assert!(stores.contains(&(2, 32)), "{stores:?}");
    }

    #[test]
    fn behind_what_does_not_return_is_other_code() {
        let never = [call(Target::Code(3)), store(1, 8), RETURN, call(Target::Never), RETURN];
        assert!(fate(&never).stores.is_empty());
        let returns = [call(Target::Code(3)), store(1, 8), RETURN, NOTHING, RETURN];
        assert!(!fate(&returns).stores.is_empty());
    }
}
