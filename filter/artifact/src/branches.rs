//! The branches of a module: a copy that tells of each which way it goes, and hints of what was
//! told. A compiler that follows hints puts what hardly ever runs out of the way of what always
//! does, and rustc writes none.

use std::convert::Infallible;

use wasm_encoder::reencode::{self, Reencode, utils};
use wasm_encoder::{BranchHint, BranchHints, EntityType, Instruction, Module, RawSection, ValType};
use wasmparser::{FunctionBody, Operator, Parser, Payload};

/// The function that the copy imports and calls before each branch with the condition and the
/// branch's number; it gives the condition back.
pub const IMPORT: (&str, &str) = ("branches", "tell");

/// Where a branch stands: an `if` or a `br_if`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Branch {
    /// The function's index.
    pub function: u32,
    /// Its byte within the function's body.
    pub offset: u32,
}

/// How often a branch was taken and not taken.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Count {
    pub taken: u64,
    pub not_taken: u64,
}

/// The copy of a module that tells, and its branches by number.
pub fn telling(module: &[u8]) -> Result<(Vec<u8>, Vec<Branch>), String> {
    let (mut copy, mut telling) = (Module::new(), Telling::default());
    telling
        .parse_core_module(&mut copy, Parser::new(0), module)
        .map_err(|error| error.to_string())?;
    Ok((copy.finish(), telling.branches))
}

/// The module with a hint for each branch that went one way only. `counts` are the branches' by
/// number.
pub fn hinted(module: &[u8], branches: &[Branch], counts: &[Count]) -> Result<Vec<u8>, String> {
    let hint = |(branch, count): (&Branch, &Count)| {
        let taken = match (count.taken, count.not_taken) {
            (1.., 0) => 1,
            (0, 1..) => 0,
            _ => return None,
        };
        Some((
            branch.function,
            BranchHint { branch_func_offset: branch.offset, branch_hint_value: taken },
        ))
    };
    let all: Vec<(u32, BranchHint)> = branches.iter().zip(counts).filter_map(hint).collect();
    let mut hints = BranchHints::new();
    for function in all.chunk_by(|one, next| one.0 == next.0) {
        hints.function_hints(
            function[0].0,
            function.iter().map(|(_, hint)| *hint).collect::<Vec<_>>(),
        );
    }
    let mut copy = Module::new();
    for payload in Parser::new(0).parse_all(module) {
        let payload = payload.map_err(|error| error.to_string())?;
        if matches!(payload, Payload::CodeSectionStart { .. }) {
            copy.section(&hints);
        }
        let Some((id, range)) = payload.as_section() else { continue };
        let range = usize::try_from(range.start).ok().zip(usize::try_from(range.end).ok());
        let data = range
            .and_then(|(start, end)| module.get(start..end))
            .ok_or("a section outside its module")?;
        copy.section(&RawSection { id, data });
    }
    Ok(copy.finish())
}

#[derive(Default)]
struct Telling {
    /// The imported functions of the module, behind which the one more stands.
    imported: u32,
    /// Its type.
    signature: u32,
    /// The function bodies so far.
    bodies: u32,
    branches: Vec<Branch>,
}

type Reencoded<T> = Result<T, reencode::Error<Infallible>>;

impl Reencode for Telling {
    type Error = Infallible;

    fn function_index(&mut self, function: u32) -> Reencoded<u32> {
        Ok(if function < self.imported { function } else { function + 1 })
    }

    fn parse_type_section(
        &mut self,
        types: &mut wasm_encoder::TypeSection,
        section: wasmparser::TypeSectionReader<'_>,
    ) -> Reencoded<()> {
        utils::parse_type_section(self, types, section)?;
        self.signature = types.len();
        types.ty().function([ValType::I32, ValType::I32], [ValType::I32]);
        Ok(())
    }

    fn parse_import_section(
        &mut self,
        imports: &mut wasm_encoder::ImportSection,
        section: wasmparser::ImportSectionReader<'_>,
    ) -> Reencoded<()> {
        utils::parse_import_section(self, imports, section)?;
        // The filter imports functions only, which a test holds.
        self.imported = imports.len();
        imports.import(IMPORT.0, IMPORT.1, EntityType::Function(self.signature));
        Ok(())
    }

    fn parse_function_body(
        &mut self,
        code: &mut wasm_encoder::CodeSection,
        body: FunctionBody<'_>,
    ) -> Reencoded<()> {
        let mut function = self.new_function_with_parsed_locals(&body)?;
        let mut reader = body.get_operators_reader()?;
        while !reader.eof() {
            let (operator, at) = reader.read_with_offset()?;
            if matches!(operator, Operator::If { .. } | Operator::BrIf { .. }) {
                let number = i32::try_from(self.branches.len()).unwrap_or(i32::MAX);
                function.instruction(&Instruction::I32Const(number));
                function.instruction(&Instruction::Call(self.imported));
                let offset = u32::try_from(at - body.range().start).unwrap_or(u32::MAX);
                self.branches.push(Branch { function: self.imported + self.bodies, offset });
            }
            function.instruction(&self.instruction(operator)?);
        }
        code.function(&function);
        self.bodies += 1;
        Ok(())
    }
}

/// The branches that a module has hints for, each with whether it is taken.
#[cfg(test)]
pub fn hints(module: &[u8]) -> Vec<(Branch, bool)> {
    let mut found = Vec::new();
    for payload in Parser::new(0).parse_all(module) {
        let Payload::CustomSection(section) = payload.expect("a valid module") else { continue };
        let wasmparser::KnownCustom::BranchHints(functions) = section.as_known() else { continue };
        for function in functions {
            let function = function.expect("valid hints");
            let hints = function.hints.into_iter().map(|hint| hint.expect("a valid hint"));
            found.extend(hints.map(|hint| {
                (Branch { function: function.func, offset: hint.func_offset }, hint.taken)
            }));
        }
    }
    found
}

#[cfg(test)]
mod tests {
    use wasmi::{Caller, Engine, Linker, Store};

    use super::*;

    /// Asks whether a number is 0, then whether it is small; of the functions that it does not
    /// import, the second one.
    const MODULE: &str = r#"(module
        (import "env" "unused" (func))
        (func $one (result i32) (i32.const 1))
        (func (export "judge") (param i32) (result i32)
            (if (result i32) (i32.eqz (local.get 0))
                (then (i32.const 0))
                (else (block (br_if 0 (i32.lt_u (local.get 0) (i32.const 10))) (return (i32.const 2))) (call $one)))))"#;

    fn module() -> Vec<u8> {
        wat::parse_str(MODULE).expect("a module")
    }

    #[test]
    fn a_copy_that_tells_does_what_its_module_does() {
        let (copy, branches) = telling(&module()).expect("a copy");
        assert_eq!(branches.iter().map(|branch| branch.function).collect::<Vec<_>>(), [2, 2]);
        let engine = Engine::default();
        let copy = wasmi::Module::new(&engine, &copy).expect("a valid module");
        let (mut store, mut linker) = (Store::new(&engine, Vec::new()), Linker::new(&engine));
        linker.func_wrap("env", "unused", || ()).expect("free");
        let tell = |mut caller: Caller<'_, Vec<(i32, i32)>>, condition: i32, number: i32| {
            caller.data_mut().push((number, condition));
            condition
        };
        linker.func_wrap(IMPORT.0, IMPORT.1, tell).expect("free");
        let instance = linker.instantiate_and_start(&mut store, &copy).expect("all imports");
        let judge = instance.get_typed_func::<i32, i32>(&store, "judge").expect("an export");
        let judged = [0, 5, 50].map(|number| judge.call(&mut store, number).expect("no trap"));
        assert_eq!(judged, [0, 1, 2]);
        assert_eq!(store.data(), &[(0, 1), (0, 0), (1, 1), (0, 0), (1, 0)]);
    }

    #[test]
    fn a_branch_that_went_one_way_only_is_hinted() {
        let module = module();
        let (_, branches) = telling(&module).expect("a copy");
        let of = |first: [u64; 2], second: [u64; 2]| {
            let counts = [first, second].map(|[taken, not_taken]| Count { taken, not_taken });
            hints(&hinted(&module, &branches, &counts).expect("a valid module"))
        };
        assert_eq!(of([3, 0], [0, 2]), [(branches[0], true), (branches[1], false)]);
        assert_eq!(of([3, 1], [0, 2]), [(branches[1], false)]);
        assert_eq!(of([1, 1], [0, 0]), []);
    }
}
