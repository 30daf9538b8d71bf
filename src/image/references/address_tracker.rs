//! Tracks how an address that code has computed is used: from register to register, along every branch and
//! into functions that receive it as an argument, until no register holds it.

use std::cell::RefCell;
use std::collections::HashSet;

use super::super::fast_maps::{NumberMap, NumberSet};
use super::instruction::{BranchTarget, Flow, Instruction, MemoryAccess, RegisterSets, RegisterSum};
use super::reference::Usage;

/// Limit of instructions for one address; beyond it, any use is assumed ([`Usage::Take`]).
pub(super) const MAX_INSTRUCTIONS: usize = 2000;
/// Limit of instructions of a function that are searched for a return.
const MAX_FUNCTION_LENGTH: usize = 200;
/// Limit of nested calls that are followed.
const MAX_DEPTH: usize = 3;

/// Configuration for tracking one address through code that `decode` decodes.
pub(super) struct AddressTracker<'a> {
    pub(super) decode: &'a dyn Fn(u64) -> Option<Instruction>,
    pub(super) convention: RegisterSets,
    /// Whether the caller itself tracks addresses at a constant distance from this one, within the same
    /// function.
    pub(super) is_followed_by_caller: bool,
    /// Remaining number of instructions that may be decoded.
    pub(super) budget: usize,
    /// Cache: whether a function may return.
    pub(super) returning: &'a RefCell<NumberMap<bool>>,
}

/// How an address is used.
pub(super) struct AddressUses {
    /// [`Usage::Load`]: at most compared and read through; [`Usage::Pass`]: also passed to imported
    /// functions; [`Usage::Take`]: any other use.
    pub(super) usage: Usage,
    /// Writes at a constant distance from the address, as far as it was tracked.
    pub(super) stores: Vec<TrackedStore>,
    /// Number of instructions that were decoded.
    pub(super) decoded: usize,
}

/// An instruction that writes `size` bytes at `offset` from the address.
pub(super) struct TrackedStore {
    pub(super) at: u64,
    pub(super) offset: i64,
    pub(super) size: u8,
}

impl AddressTracker<'_> {
    /// Tracks the address that `register` holds before the instruction at `at`.
    pub(super) fn track_register(self, at: u64, register: u8) -> AddressUses {
        let budget = self.budget;
        let mut run = TrackerRun { tracker: self, stores: Vec::new(), escapes: false, is_passed: false };
        run.track_from(at, 1 << register, 0);
        let usage = match (run.escapes, run.is_passed) {
            (true, _) => Usage::Take,
            (false, true) => Usage::Pass,
            (false, false) => Usage::Load,
        };
        AddressUses { usage, stores: run.stores, decoded: budget - run.tracker.budget }
    }
}

/// The state of tracking one address.
struct TrackerRun<'a> {
    tracker: AddressTracker<'a>,
    stores: Vec<TrackedStore>,
    /// The address reaches a use that is not tracked.
    escapes: bool,
    is_passed: bool,
}

impl TrackerRun<'_> {
    fn track_from(&mut self, at: u64, holders: u32, depth: usize) {
        let mut seen = HashSet::new();
        let mut waiting = vec![(at, holders)];
        while let Some((mut at, mut holders)) = waiting.pop() {
            while holders != 0 && seen.insert((at, holders)) {
                let budget = self.tracker.budget.checked_sub(1);
                let Some((left, instruction)) = budget.zip((self.tracker.decode)(at)) else {
                    self.escapes = true;
                    return;
                };
                self.tracker.budget = left;
                holders = self.registers_after(at, &instruction, holders, depth);
                at = at.wrapping_add(instruction.length);
                match instruction.flow {
                    Flow::Next => {}
                    Flow::Branch(target) => waiting.push((target, holders)),
                    Flow::Jump(BranchTarget::Code(target)) => at = target,
                    Flow::Jump(target) | Flow::Call(target @ BranchTarget::Never) => {
                        self.track_call(target, holders, depth);
                        break;
                    }
                    Flow::Call(target) => {
                        self.track_call(target, holders, depth);
                        holders &= !match target {
                            BranchTarget::Code(_) => self.tracker.convention.volatile_within,
                            BranchTarget::Import | BranchTarget::Never | BranchTarget::Untold => {
                                self.tracker.convention.volatile
                            }
                        };
                        if let BranchTarget::Code(to) = target
                            && holders != 0
                            && !self.may_return(to, 0)
                        {
                            break;
                        }
                    }
                    Flow::Return | Flow::Stop => {
                        let result =
                            if instruction.flow == Flow::Return { self.tracker.convention.result } else { 0 };
                        self.escapes |= holders & result != 0;
                        break;
                    }
                }
            }
        }
    }

    fn track_call(&mut self, target: BranchTarget, holders: u32, depth: usize) {
        let arguments = holders & self.tracker.convention.arguments;
        match target {
            _ if arguments == 0 => {}
            BranchTarget::Import | BranchTarget::Never => self.is_passed = true,
            BranchTarget::Code(target) if depth < MAX_DEPTH => self.track_from(target, arguments, depth + 1),
            BranchTarget::Code(_) | BranchTarget::Untold => self.escapes = true,
        }
    }

    /// Whether a function of the file may return. Code after a call to one that does not return belongs to
    /// another path.
    fn may_return(&mut self, function: u64, depth: usize) -> bool {
        if let Some(known) = self.tracker.returning.borrow().get(&function) {
            return *known;
        }
        // Assume that it returns while it is examined (recursion), and if it is too long.
        self.tracker.returning.borrow_mut().insert(function, true);
        let (mut seen, mut waiting) = (NumberSet::default(), vec![function]);
        while let Some(mut at) = waiting.pop() {
            while seen.insert(at) {
                self.tracker.budget = self.tracker.budget.saturating_sub(1);
                if seen.len() > MAX_FUNCTION_LENGTH || self.tracker.budget == 0 {
                    return true;
                }
                let Some(instruction) = (self.tracker.decode)(at) else { return true };
                at = at.wrapping_add(instruction.length);
                match instruction.flow {
                    Flow::Branch(target) => waiting.push(target),
                    Flow::Jump(BranchTarget::Code(target)) => at = target,
                    Flow::Call(BranchTarget::Code(callee))
                        if depth < MAX_DEPTH && !self.may_return(callee, depth + 1) =>
                    {
                        break;
                    }
                    Flow::Return | Flow::Jump(BranchTarget::Import | BranchTarget::Untold) => return true,
                    Flow::Stop | Flow::Jump(BranchTarget::Never) | Flow::Call(BranchTarget::Never) => break,
                    Flow::Next | Flow::Call(_) => {}
                }
            }
        }
        self.tracker.returning.borrow_mut().insert(function, false);
        false
    }

    /// The registers that hold the address after an instruction.
    fn registers_after(&mut self, at: u64, instruction: &Instruction, holders: u32, depth: usize) -> u32 {
        let holds = |register: u8| holders & 1 << register != 0;
        let store = instruction.access.filter(|access| access.is_store && holds(access.base));
        if let Some(MemoryAccess { offsets, size, .. }) = store {
            self.stores.extend(offsets.map(|offset| TrackedStore { at, offset, size }));
        }
        let is_derived = store.is_some() || instruction.sum.is_some_and(|sum| sum.by != 0 && holds(sum.from));
        let is_followed_here = self.tracker.is_followed_by_caller && depth == 0;
        self.escapes |= holders & instruction.untracked != 0 || is_derived && !is_followed_here;
        let mut left = holders & !instruction.writes;
        if let Some((to, _)) = instruction.address {
            left &= !(1 << to);
        }
        if let Some(RegisterSum { to, from, by }) = instruction.sum {
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

    const CONVENTION: RegisterSets =
        RegisterSets { arguments: 0b0110, volatile: 0b0111, volatile_within: 0b0001, result: 0b0001 };
    const NOTHING: Instruction = Instruction {
        length: 1,
        sum: None,
        address: None,
        untracked: 0,
        writes: 0,
        access: None,
        flow: Flow::Next,
    };
    const RETURN: Instruction = Instruction { flow: Flow::Return, ..NOTHING };

    fn call(target: BranchTarget) -> Instruction {
        Instruction { flow: Flow::Call(target), ..NOTHING }
    }

    fn store(base: u8, offset: i64) -> Instruction {
        Instruction {
            access: Some(MemoryAccess { base, offsets: [offset; 2], size: 8, is_store: true }),
            ..NOTHING
        }
    }

    /// How this code uses the address in register 1.
    fn fate(code: &[Instruction]) -> AddressUses {
        let decode = |at: u64| code.get(at as usize).copied();
        let (decode, returning) = (&decode, &RefCell::default());
        AddressTracker {
            decode,
            convention: CONVENTION,
            is_followed_by_caller: false,
            budget: MAX_INSTRUCTIONS,
            returning,
        }
        .track_register(0, 1)
    }

    #[test]
    fn an_address_is_compared_or_passed_or_given_away() {
        assert_eq!(fate(&[NOTHING, RETURN]).usage, Usage::Load);
        assert_eq!(fate(&[call(BranchTarget::Import), RETURN]).usage, Usage::Pass);
        assert_eq!(fate(&[Instruction { untracked: 0b10, ..NOTHING }, RETURN]).usage, Usage::Take);
        assert_eq!(fate(&[call(BranchTarget::Untold), RETURN]).usage, Usage::Take);
        let moved = RegisterSum { to: 0, from: 1, by: 0 };
        assert_eq!(fate(&[Instruction { sum: Some(moved), ..NOTHING }, RETURN]).usage, Usage::Take);
        let overwritten = Instruction { writes: 0b10, ..NOTHING };
        assert_eq!(fate(&[overwritten, call(BranchTarget::Untold), RETURN]).usage, Usage::Load);
    }

    #[test]
    fn what_a_callee_writes_at_a_distance_is_told() {
        let fate = fate(&[call(BranchTarget::Code(2)), RETURN, store(1, 32), RETURN]);
        let stores: Vec<(u64, i64)> = fate.stores.iter().map(|store| (store.at, store.offset)).collect();
        assert!(stores.contains(&(2, 32)), "{stores:?}");
    }

    #[test]
    fn behind_what_does_not_return_is_other_code() {
        let never = [call(BranchTarget::Code(3)), store(1, 8), RETURN, call(BranchTarget::Never), RETURN];
        assert!(fate(&never).stores.is_empty());
        let returns = [call(BranchTarget::Code(3)), store(1, 8), RETURN, NOTHING, RETURN];
        assert!(!fate(&returns).stores.is_empty());
    }
}
